//! Whether, and when, a program that ended is started again.

use std::time::Duration;

/// Says whether a program that ends by itself is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restart {
    /// It stays ended, however it ended.
    Never,
    /// It is started again, however often it ends, after a pause that doubles from half a second to
    /// ten. From the sixth end in a row on, none of them after more than a minute of work, the
    /// pause is a minute.
    WithBackoff,
}

const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// Longer, and a program that needs only another one to be back would wait for nothing.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// The pause of a program that does not stay up: seldom enough to leave the machine and the log to
/// the others, often enough that it comes back by itself once its cause is gone.
const PAUSE_OF_A_CRASH_LOOP: Duration = Duration::from_secs(60);
/// A program that has worked for so long was up: its next end is the first of a new row.
const GOOD_RUN: Duration = Duration::from_secs(60);

/// So many ends in a row, none after more than a minute of work, are a crash loop. Fewer are what a
/// program does that waits for another one to start.
pub const CRASH_LOOP: u32 = 6;

/// One end of a program that is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Retry {
    /// The pause before the next start.
    pub(crate) pause: Duration,
    /// How many ends there were in a row, with this one.
    pub(crate) ends: u32,
}

/// Counts the ends of one program.
#[derive(Debug)]
pub(crate) struct Backoff {
    policy: Restart,
    ends: u32,
}

impl Backoff {
    pub(crate) fn new(policy: Restart) -> Self {
        Self { policy, ends: 0 }
    }

    /// Counts an end after `ran_for`; none when the program is not to start again.
    pub(crate) fn count_end(&mut self, ran_for: Duration) -> Option<Retry> {
        if self.policy == Restart::Never {
            return None;
        }
        self.ends = if ran_for >= GOOD_RUN {
            1
        } else {
            self.ends.saturating_add(1)
        };
        let pause = if self.ends < CRASH_LOOP {
            LONGEST_PAUSE.min(FIRST_PAUSE * 2_u32.pow(self.ends - 1))
        } else {
            PAUSE_OF_A_CRASH_LOOP
        };
        Some(Retry {
            pause,
            ends: self.ends,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(1);

    #[test]
    fn it_doubles_the_pause_and_goes_on_trying_a_program_that_does_not_stay_up() {
        let mut backoff = Backoff::new(Restart::WithBackoff);
        let retries: Vec<_> = (0..8)
            .filter_map(|_| backoff.count_end(SOON))
            .map(|retry| (retry.ends, retry.pause.as_millis()))
            .collect();
        assert_eq!(
            retries,
            [
                (1, 500),
                (2, 1_000),
                (3, 2_000),
                (4, 4_000),
                (5, 8_000),
                (CRASH_LOOP, 60_000),
                (7, 60_000),
                (8, 60_000)
            ]
        );
    }

    #[test]
    fn it_forgives_what_was_before_a_good_run() {
        let mut backoff = Backoff::new(Restart::WithBackoff);
        for _ in 0..9 {
            backoff.count_end(SOON);
        }
        let retry = backoff.count_end(GOOD_RUN).unwrap();
        assert_eq!((retry.ends, retry.pause), (1, FIRST_PAUSE));
    }

    #[test]
    fn it_starts_nothing_again_that_is_never_to_be() {
        assert_eq!(Backoff::new(Restart::Never).count_end(GOOD_RUN), None);
    }
}
