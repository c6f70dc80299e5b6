//! The attempts to hear of one statement: the pause before the next one, and when to give up.

use std::time::{Duration, Instant};

/// How often a statement that never reached the server is tried: for a second and a half.
const MOST_UNSENT: u32 = 6;
/// How often a statement that the server works on is looked for after the line broke: for a minute.
const MOST_SENT: u32 = 20;
/// An attempt that stood this long was no failure: counting starts anew. No attempt to connect
/// takes so long.
const STOOD: Duration = Duration::from_secs(20);
/// A stream that ended after this long has ended because its time was up: the next one is asked for
/// at once. A server that ended each at once would be asked without a pause.
const SERVED: Duration = Duration::from_secs(1);
/// The pauses between attempts double from the first to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LAST_PAUSE: Duration = Duration::from_secs(4);

/// Streams opened since the last response arrived.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attempts {
    made: u32,
    last: Instant,
}

impl Attempts {
    pub(super) fn none(now: Instant) -> Self {
        Self { made: 0, last: now }
    }

    /// Notes that another stream is asked for.
    pub(super) fn begin(&mut self, now: Instant) {
        self.last = now;
        self.made += 1;
    }

    /// Notes that a response arrived.
    pub(super) fn succeed(&mut self) {
        self.made = 0;
    }

    /// Notes that the server ended the stream, as it ends each one after a while.
    pub(super) fn end_stream(&mut self, now: Instant) {
        if now.duration_since(self.last) >= SERVED {
            self.made = 0;
        }
    }

    /// Notes that the line broke.
    pub(super) fn fail(&mut self, now: Instant) {
        if now.duration_since(self.last) > STOOD {
            self.made = 1;
        }
    }

    /// Whether a statement that the server has not seen is sent once more.
    pub(super) fn may_send(&self) -> bool {
        self.made < MOST_UNSENT
    }

    /// Whether a statement that the server may work on is looked for once more.
    pub(super) fn may_look(&self) -> bool {
        self.made < MOST_SENT
    }

    /// The pause before the next attempt; none before the first one after a response.
    pub(super) fn pause(&self) -> Duration {
        match self.made.checked_sub(1) {
            Some(doublings) => LAST_PAUSE.min(FIRST_PAUSE * 2_u32.pow(doublings.min(8))),
            None => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_doubles_the_pause_between_streams_that_end_at_once() {
        let mut now = Instant::now();
        let mut attempts = Attempts::none(now);
        let mut pauses = vec![attempts.pause().as_millis()];
        for _ in 0..9 {
            attempts.begin(now);
            attempts.end_stream(now);
            pauses.push(attempts.pause().as_millis());
            now += attempts.pause();
        }
        let expected = [0, 50, 100, 200, 400, 800, 1600, 3200, 4000, 4000];
        assert_eq!(pauses, expected);
        attempts.succeed();
        assert_eq!(attempts.pause(), Duration::ZERO);
    }

    #[test]
    fn it_counts_no_stream_that_ended_because_its_time_was_up() {
        let mut now = Instant::now();
        let mut attempts = Attempts::none(now);
        for _ in 0..100 {
            attempts.begin(now);
            now += Duration::from_secs(10);
            attempts.end_stream(now);
            assert_eq!(attempts.pause(), Duration::ZERO);
        }
        attempts.begin(now);
        attempts.fail(now);
        assert!(attempts.may_send() && attempts.may_look());
    }

    #[test]
    fn it_gives_up_after_so_many_failures_in_a_row_but_for_a_line_that_stood() {
        let mut now = Instant::now();
        let mut attempts = Attempts::none(now);
        let (mut sends, mut looks) = (0, 0);
        for _ in 0..30 {
            attempts.begin(now);
            attempts.fail(now);
            sends += u32::from(attempts.may_send());
            looks += u32::from(attempts.may_look());
        }
        assert_eq!((sends, looks), (MOST_UNSENT - 1, MOST_SENT - 1));
        attempts.begin(now);
        now += STOOD * 2;
        attempts.fail(now);
        assert!(attempts.may_send());
    }
}
