//! Whether, and when, a program that ended is started again.

use std::time::Duration;

/// What happens when a program ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restart {
    /// It stays ended.
    Never,
    /// It is started again, after a pause that doubles from half a second to ten; six ends in a row, none after more than a
    /// minute of work, are too many.
    WithBackoff,
}

const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
const GOOD_RUN: Duration = Duration::from_secs(60);
const ENDS_IN_A_ROW: u32 = 6;

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

    /// The program ended after `ran_for`: the pause before its next start, or none when it is not to start again.
    pub(crate) fn ended(&mut self, ran_for: Duration) -> Option<Duration> {
        if self.policy == Restart::Never {
            return None;
        }
        self.ends = if ran_for >= GOOD_RUN {
            1
        } else {
            self.ends + 1
        };
        (self.ends < ENDS_IN_A_ROW)
            .then(|| LONGEST_PAUSE.min(FIRST_PAUSE * 2_u32.pow(self.ends - 1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(1);

    #[test]
    fn the_pause_doubles_and_six_quick_ends_are_too_many() {
        let mut backoff = Backoff::new(Restart::WithBackoff);
        let pauses: Vec<_> = (0..6)
            .map(|_| backoff.ended(SOON).map(|pause| pause.as_millis()))
            .collect();
        assert_eq!(
            pauses,
            [
                Some(500),
                Some(1000),
                Some(2000),
                Some(4000),
                Some(8000),
                None
            ]
        );
    }

    #[test]
    fn a_good_run_forgives_what_was_before() {
        let mut backoff = Backoff::new(Restart::WithBackoff);
        for _ in 0..5 {
            backoff.ended(SOON);
        }
        assert_eq!(backoff.ended(GOOD_RUN), Some(FIRST_PAUSE));
    }

    #[test]
    fn what_is_never_restarted_has_no_pause() {
        assert_eq!(Backoff::new(Restart::Never).ended(GOOD_RUN), None);
    }
}
