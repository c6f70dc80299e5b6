//! Rates and the generic cell rate algorithm (ATM Forum TM 4.1, virtual scheduling): one time per
//! bucket and no timer.
//!
//! A bucket stores its theoretical arrival time (TAT): the moment at which it is as if it had never
//! been used. Each call moves it by the emission interval (window ÷ requests) and is let in as long
//! as that leaves it within burst × interval of now.
//!
//! With the time a bucket stores the interval under which it was counted. A rate that has changed
//! since takes hold at once: what is still owed is counted in calls, at most a full burst of them,
//! and each is worth the new interval. The time that follows is stored even where the call is
//! refused, because only then is the wait that the refusal names true.

use std::time::Duration;

/// Nanoseconds since the Unix epoch; the host's clock gives them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixNanos(pub u64);

/// How far a bucket has been used: what a slot stores of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BucketTime {
    /// The theoretical arrival time.
    pub(crate) tat: UnixNanos,
    /// Nanoseconds per call, by the rate under which the time was reckoned.
    pub(crate) interval: u64,
}

/// The state in which a bucket is when a call asks for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BucketState {
    /// Never used, or so long ago that it makes no difference.
    #[default]
    Fresh,
    /// Used until the bucket's own time.
    Own(BucketTime),
    /// The bucket takes over the place of another one, with its time: reckoned by a rate that says
    /// nothing about this bucket, so it holds as it is.
    Inherited(UnixNanos),
}

impl BucketState {
    /// The theoretical arrival time, where there is one.
    #[must_use]
    pub fn tat(self) -> Option<UnixNanos> {
        match self {
            Self::Fresh => None,
            Self::Own(time) => Some(time.tat),
            Self::Inherited(tat) => Some(tat),
        }
    }
}

impl BucketTime {
    /// The same, but not earlier than `tat`.
    #[must_use]
    pub fn not_before(self, tat: UnixNanos) -> Self {
        Self {
            tat: self.tat.max(tat),
            ..self
        }
    }
}

/// The longest time that a full bucket may take to drain: ten years of 365 days.
const LONGEST_DRAIN: u128 = 10 * 365 * 86_400 * 1_000_000_000;

/// A rate and the burst that it allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    /// Nanoseconds per call, at least one.
    interval: u64,
    /// Burst × interval, in nanoseconds.
    tolerance: u64,
}

/// Numbers that are no rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadRate {
    #[error("must be at least 1; to close a tool, set `allow` to an empty list")]
    NoRequests,
    #[error("the window must be longer than nothing")]
    NoWindow,
    #[error("must be at least 1, or nothing ever passes")]
    NoBurst,
    #[error("more than one request per nanosecond; leave the limit out")]
    TooFast,
    #[error(
        "the window, and the time that a whole burst takes to come back, must stay below ten years"
    )]
    TooSlow,
}

impl BadRate {
    /// The field of the wire form that is wrong.
    pub(crate) fn field(self) -> &'static str {
        match self {
            Self::NoRequests | Self::TooFast => "requests",
            Self::NoWindow | Self::TooSlow => "window_ms",
            Self::NoBurst => "burst",
        }
    }
}

/// A bucket's answer to one more call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// Let in; store this.
    Admitted(BucketTime),
    /// Not now, but after this time; for that to be true, `restated` must be stored if it is there.
    Refused {
        retry_after: Duration,
        restated: Option<BucketTime>,
    },
}

impl Rate {
    pub(crate) fn new(requests: u64, window_ms: u64, burst: u64) -> Result<Self, BadRate> {
        let window = u128::from(window_ms) * 1_000_000;
        // Rounded down: a bucket never gives back less than `requests` in a window.
        let interval = window
            .checked_div(u128::from(requests))
            .ok_or(BadRate::NoRequests)?;
        let tolerance = interval * u128::from(burst);
        if window == 0 {
            return Err(BadRate::NoWindow);
        }
        if burst == 0 {
            return Err(BadRate::NoBurst);
        }
        if interval == 0 {
            return Err(BadRate::TooFast);
        }
        if window > LONGEST_DRAIN || tolerance > LONGEST_DRAIN {
            return Err(BadRate::TooSlow);
        }
        match (u64::try_from(interval), u64::try_from(tolerance)) {
            (Ok(interval), Ok(tolerance)) => Ok(Self {
                interval,
                tolerance,
            }),
            _ => Err(BadRate::TooSlow),
        }
    }

    pub(crate) fn admit(self, state: BucketState, now: UnixNanos) -> Admission {
        let horizon = now.0.saturating_add(self.tolerance);
        let tat = match state {
            BucketState::Fresh => now.0,
            BucketState::Own(time) => now.0.saturating_add(self.owed(time, now)),
            BucketState::Inherited(tat) => tat.0.max(now.0),
        };
        let next = tat.saturating_add(self.interval);
        if next <= horizon {
            return Admission::Admitted(self.time(next));
        }
        let restated = match state {
            BucketState::Own(time) if time != self.time(tat) => Some(self.time(tat)),
            _ => None,
        };
        Admission::Refused {
            retry_after: Duration::from_nanos(next - horizon),
            restated,
        }
    }

    /// How long, by this rate, the calls that a bucket still owes take to come back.
    ///
    /// Never longer than a full burst takes: so a burst that was lowered, and a clock that went
    /// back, take hold at once, too.
    fn owed(self, time: BucketTime, now: UnixNanos) -> u64 {
        let ahead = time.tat.0.saturating_sub(now.0);
        let owed = if time.interval == self.interval {
            ahead
        } else {
            let by_this_rate = u128::from(ahead) * u128::from(self.interval);
            u64::try_from(by_this_rate / u128::from(time.interval.max(1))).unwrap_or(u64::MAX)
        };
        owed.min(self.tolerance)
    }

    fn time(self, tat: u64) -> BucketTime {
        BucketTime {
            tat: UnixNanos(tat),
            interval: self.interval,
        }
    }

    /// The state that takes back one call, once it turned out not to have been one.
    pub(crate) fn refund(self, stored: BucketTime) -> BucketTime {
        BucketTime {
            tat: UnixNanos(stored.tat.0.saturating_sub(self.interval)),
            ..stored
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: u64 = 1_000_000_000;
    const START: u64 = 1_800_000_000 * SECOND;

    /// How many of the calls at these times are let in.
    fn admitted(rate: Rate, state: &mut BucketState, times: impl Iterator<Item = u64>) -> u64 {
        let mut count = 0;
        for now in times {
            match rate.admit(*state, UnixNanos(now)) {
                Admission::Admitted(time) => {
                    *state = BucketState::Own(time);
                    count += 1;
                }
                Admission::Refused { restated, .. } => {
                    *state = restated.map_or(*state, BucketState::Own);
                }
            }
        }
        count
    }

    #[test]
    fn it_admits_exactly_the_burst_at_once() {
        for (requests, window, burst) in [
            (2, 60_000, 2),
            (60, 60_000, 10),
            (7, 1000, 3),
            (1000, 1000, 1000),
            (1, 3_600_000, 5),
        ] {
            let rate = Rate::new(requests, window, burst).unwrap();
            let calls = std::iter::repeat_n(START, 5000);
            assert_eq!(admitted(rate, &mut BucketState::Fresh, calls), burst);
        }
    }

    #[test]
    fn it_admits_exactly_the_burst_and_the_rate_within_a_window() {
        for (requests, window_ms, burst) in [
            (2, 60_000, 2),
            (60, 60_000, 10),
            (7, 1000, 3),
            (13, 1000, 13),
            (1000, 1000, 2),
        ] {
            let rate = Rate::new(requests, window_ms, burst).unwrap();
            let window = window_ms * 1_000_000;
            let step = window / 10_007;
            let calls = (0..=window / step)
                .map(|call| START + call * step)
                .chain([START + window]);
            assert_eq!(
                admitted(rate, &mut BucketState::Fresh, calls),
                burst + requests,
                "{requests} per {window_ms} ms, burst {burst}"
            );
        }
    }

    #[test]
    fn it_says_when_to_try_again() {
        let rate = Rate::new(2, 60_000, 2).unwrap();
        let mut state = BucketState::Fresh;
        assert_eq!(admitted(rate, &mut state, [START, START].into_iter()), 2);
        let later = START + 4 * SECOND;
        assert_eq!(
            rate.admit(state, UnixNanos(later)),
            Admission::Refused {
                retry_after: Duration::from_secs(26),
                restated: None,
            }
        );
        assert!(matches!(
            rate.admit(state, UnixNanos(later + 26 * SECOND)),
            Admission::Admitted(_)
        ));
        assert!(matches!(
            rate.admit(state, UnixNanos(later + 26 * SECOND - 1)),
            Admission::Refused { .. }
        ));
    }

    /// A bucket of `old` that has just been emptied at `START`.
    fn emptied(old: Rate) -> BucketState {
        let mut state = BucketState::Fresh;
        admitted(old, &mut state, std::iter::repeat_n(START, 5000));
        state
    }

    fn rate(requests: u64, window_ms: u64, burst: u64) -> Rate {
        Rate::new(requests, window_ms, burst).unwrap()
    }

    #[test]
    fn it_lets_a_looser_rate_take_hold_at_once() {
        // Seen: one call a minute, raised to 1,000 a second, went on refusing for the old minute.
        let state = emptied(rate(1, 60_000, 1));
        let calls = |now| std::iter::repeat_n(now, 5000);
        let raised = rate(1000, 1000, 1000);
        assert_eq!(admitted(raised, &mut state.clone(), calls(START)), 999);
        let later = START + SECOND / 1000;
        assert_eq!(admitted(raised, &mut state.clone(), calls(later)), 999);
        // Nothing is owed but the one call: by the new rate it is back after a second.
        let mut state = state;
        let secondly = rate(1, 1000, 1);
        let now = START + 30 * SECOND;
        let Admission::Refused {
            retry_after,
            restated: Some(time),
        } = secondly.admit(state, UnixNanos(now))
        else {
            panic!("half a call is owed");
        };
        assert_eq!(retry_after, Duration::from_millis(500));
        state = BucketState::Own(time);
        let waited = now + SECOND / 2;
        assert_eq!(admitted(secondly, &mut state, calls(waited)), 1);
    }

    #[test]
    fn it_lets_a_stricter_rate_take_hold_at_once() {
        let mut state = emptied(rate(1000, 1000, 1000));
        let slow = rate(2, 60_000, 2);
        let calls = |now| std::iter::repeat_n(now, 10);
        assert_eq!(admitted(slow, &mut state, calls(START)), 0);
        assert_eq!(
            admitted(slow, &mut state, calls(START + 30 * SECOND - 1)),
            0
        );
        assert_eq!(admitted(slow, &mut state, calls(START + 30 * SECOND)), 1);
    }

    #[test]
    fn it_lets_a_lower_burst_take_hold_at_once() {
        let mut state = emptied(rate(60, 60_000, 60));
        let lower = rate(60, 60_000, 5);
        let calls = |now| std::iter::repeat_n(now, 100);
        assert_eq!(admitted(lower, &mut state, calls(START)), 0);
        assert_eq!(admitted(lower, &mut state, calls(START + 2 * SECOND)), 2);
        assert_eq!(admitted(lower, &mut state, calls(START + 60 * SECOND)), 5);
    }

    #[test]
    fn it_forgives_a_clock_that_goes_back() {
        let hour = 3600 * SECOND;
        let mut state = emptied(rate(1, 1000, 1));
        let Admission::Refused {
            retry_after,
            restated: Some(time),
        } = rate(1, 1000, 1).admit(state, UnixNanos(START - hour))
        else {
            panic!("one call is owed");
        };
        assert_eq!(retry_after, Duration::from_secs(1));
        state = BucketState::Own(time);
        let calls = std::iter::repeat_n(START - hour + SECOND, 3);
        assert_eq!(admitted(rate(1, 1000, 1), &mut state, calls), 1);
    }

    #[test]
    fn it_refuses_rates_that_mean_nothing() {
        assert!(Rate::new(0, 1000, 1).is_err());
        assert!(Rate::new(1, 0, 1).is_err());
        assert!(Rate::new(1, 1000, 0).is_err());
        assert!(Rate::new(u64::MAX, 1, 1).is_err());
        assert!(Rate::new(1, u64::MAX, 1).is_err());
        assert!(Rate::new(1, 1000, u64::MAX).is_err());
    }

    proptest! {
        #[test]
        fn it_never_admits_more_than_the_burst_and_the_rate(
            requests in 1u64..100, window_ms in 1u64..5000, burst in 1u64..50,
            gaps in proptest::collection::vec(0u64..50_000_000, 1..400),
        ) {
            let rate = Rate::new(requests, window_ms, burst).unwrap();
            let mut now = START;
            let times: Vec<u64> = gaps.iter().map(|gap| { now += gap; now }).collect();
            let elapsed = u128::from(now - START);
            let count = admitted(rate, &mut BucketState::Fresh, times.into_iter());
            let interval = u128::from(window_ms) * 1_000_000 / u128::from(requests);
            prop_assert!(u128::from(count) <= u128::from(burst) + elapsed / interval);
        }

        /// Rates change between calls, and the clock may go back: whatever happened before, a
        /// caller who waits as long as it was told is let in, and is told no longer than it takes
        /// one call to come back.
        #[test]
        fn it_tells_the_truth_about_retrying_through_every_change_of_the_rate(
            steps in proptest::collection::vec(
                (1u64..2000, 1u64..100_000, 1u64..50, -1_000_000_000i64..60_000_000_000, 0u32..60),
                1..12,
            ),
        ) {
            let mut now = START;
            let mut state = BucketState::Fresh;
            for (requests, window_ms, burst, gap, calls) in steps {
                let Ok(rate) = Rate::new(requests, window_ms, burst) else { continue };
                now = now.saturating_add_signed(gap);
                let times = std::iter::repeat_n(now, calls as usize);
                let passed = admitted(rate, &mut state, times);
                // A changed rate holds from its first call on.
                prop_assert!(passed <= burst, "{} of {}", passed, burst);
                match rate.admit(state, UnixNanos(now)) {
                    Admission::Admitted(_) => {}
                    Admission::Refused { retry_after, restated } => {
                        state = restated.map_or(state, BucketState::Own);
                        let wait = u64::try_from(retry_after.as_nanos()).unwrap();
                        prop_assert!(wait <= rate.interval, "{} {}", wait, rate.interval);
                        let early = rate.admit(state, UnixNanos(now + wait - 1));
                        prop_assert!(!matches!(early, Admission::Admitted(_)));
                        let then = rate.admit(state, UnixNanos(now + wait));
                        prop_assert!(matches!(then, Admission::Admitted(_)));
                    }
                }
            }
        }

        /// After a change nobody waits longer, and nobody gets more, than the new rate says.
        #[test]
        fn it_admits_by_the_new_rate_alone_after_a_change(
            old in (1u64..2000, 1u64..100_000, 1u64..50),
            new in (1u64..2000, 1u64..100_000, 1u64..50),
            used in 0usize..60, pause in 0u64..60_000_000_000,
        ) {
            let rates = (Rate::new(old.0, old.1, old.2), Rate::new(new.0, new.1, new.2));
            let (Ok(old), Ok(new)) = rates else {
                return Ok(());
            };
            let mut state = BucketState::Fresh;
            admitted(old, &mut state, std::iter::repeat_n(START, used));
            let changed = START + pause;
            // One call per interval of the new rate, and a first one at once.
            let times = (0..100).map(|call| changed + call * new.interval);
            let passed = admitted(new, &mut state, times);
            prop_assert!(passed >= 99, "{passed}");
            let later = changed + 99 * new.interval;
            let at_once = admitted(new, &mut state, std::iter::repeat_n(later, 5000));
            prop_assert!(at_once <= new.tolerance / new.interval);
        }
    }
}
