//! Times of day for what happened by the monotonic clock.

use std::time::{Duration, Instant, SystemTime};

use crate::clock::DeadlineClock;

/// By how much the time of day may differ from what a clock tells: less than people look at, more
/// than a correction by NTP's slewing makes in an hour.
const MOST_DRIFT: Duration = Duration::from_secs(1);

/// Turns the monotonic times of sessions into times of day.
#[derive(Clone, Copy, Debug)]
pub(super) struct TimeOfDay {
    monotonic: Instant,
    of_day: SystemTime,
}

impl TimeOfDay {
    pub(super) fn read(clock: &DeadlineClock) -> Self {
        Self {
            monotonic: clock.now(),
            of_day: SystemTime::now(),
        }
    }

    pub(super) fn time_of_day(self, instant: Instant) -> SystemTime {
        match instant.checked_duration_since(self.monotonic) {
            Some(after) => self.of_day + after,
            None => self.of_day - self.monotonic.saturating_duration_since(instant),
        }
    }

    /// Whether the time of day was set, or stood still, since this clock was read.
    pub(super) fn is_off(self, now: Self) -> bool {
        let told = self.time_of_day(now.monotonic);
        let ahead = told.duration_since(now.of_day).unwrap_or_default();
        let behind = now.of_day.duration_since(told).unwrap_or_default();
        ahead.max(behind) > MOST_DRIFT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_follows_a_time_of_day_that_is_set() {
        let clock = TimeOfDay::read(&DeadlineClock::default());
        let later = |of_day: Duration| TimeOfDay {
            monotonic: clock.monotonic + Duration::from_secs(60),
            of_day: clock.of_day + of_day,
        };
        assert!(!clock.is_off(later(Duration::from_millis(60_100))));
        assert!(clock.is_off(later(Duration::from_secs(3600))));
        assert!(clock.is_off(later(Duration::from_secs(50))));
    }
}
