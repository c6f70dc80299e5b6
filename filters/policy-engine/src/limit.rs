//! How often: the generic cell rate algorithm (ATM Forum TM 4.1, virtual scheduling), one time per bucket and no timer.
//!
//! A bucket stores its theoretical arrival time (TAT): the moment at which it is as if it had never been used. Each call
//! moves it by the emission interval (window ÷ requests) and is let in as long as that leaves it within burst × interval of now.

use std::time::Duration;

/// Nanoseconds since the Unix epoch; the host's clock gives them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixNanos(pub u64);

/// What is stored of a bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BucketState {
    /// Never used, or so long ago that it makes no difference.
    #[default]
    Fresh,
    /// Used: the theoretical arrival time.
    Until(UnixNanos),
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

/// What a bucket says to one more call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// Let in; store this time.
    Admitted(UnixNanos),
    /// Not now, but after this time.
    Refused { retry_after: Duration },
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
        let stored = match state {
            BucketState::Fresh => now.0,
            BucketState::Until(tat) => tat.0,
        };
        // No further ahead than this rate could have brought it: a rate that changed, and a clock that went back, take effect at once.
        let horizon = now.0.saturating_add(self.tolerance);
        let next = stored.clamp(now.0, horizon).saturating_add(self.interval);
        if next <= horizon {
            Admission::Admitted(UnixNanos(next))
        } else {
            Admission::Refused {
                retry_after: Duration::from_nanos(next - horizon),
            }
        }
    }

    /// What is stored after one call, once the call turned out not to have been one.
    pub(crate) fn refund(self, stored: UnixNanos) -> UnixNanos {
        UnixNanos(stored.0.saturating_sub(self.interval))
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
            if let Admission::Admitted(tat) = rate.admit(*state, UnixNanos(now)) {
                *state = BucketState::Until(tat);
                count += 1;
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
                retry_after: Duration::from_secs(26)
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

    #[test]
    fn it_lets_a_looser_rate_take_effect_at_once() {
        let hourly = Rate::new(1, 3_600_000, 1).unwrap();
        let mut state = BucketState::Fresh;
        assert_eq!(admitted(hourly, &mut state, [START, START].into_iter()), 1);
        let secondly = Rate::new(1, 1000, 1).unwrap();
        assert_eq!(
            secondly.admit(state, UnixNanos(START + SECOND)),
            Admission::Refused {
                retry_after: Duration::from_secs(1)
            }
        );
    }

    #[test]
    fn it_lets_a_stricter_rate_take_effect_at_once() {
        let fast = Rate::new(1000, 1000, 1000).unwrap();
        let mut state = BucketState::Fresh;
        assert_eq!(
            admitted(fast, &mut state, std::iter::repeat_n(START, 500)),
            500
        );
        let slow = Rate::new(2, 60_000, 2).unwrap();
        assert_eq!(
            admitted(slow, &mut state, std::iter::repeat_n(START, 10)),
            1
        );
    }

    #[test]
    fn it_forgives_a_clock_that_goes_back() {
        let rate = Rate::new(1, 1000, 1).unwrap();
        let state = BucketState::Until(UnixNanos(START + 1_000_000 * SECOND));
        assert_eq!(
            rate.admit(state, UnixNanos(START)),
            Admission::Refused {
                retry_after: Duration::from_secs(1)
            }
        );
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

        #[test]
        fn it_tells_the_truth_about_retrying(
            requests in 1u64..100, window_ms in 1u64..5000, burst in 1u64..50, stored in 0u64..u64::MAX, now in 0u64..u64::MAX / 2,
        ) {
            let rate = Rate::new(requests, window_ms, burst).unwrap();
            let state = BucketState::Until(UnixNanos(stored));
            if let Admission::Refused { retry_after } = rate.admit(state, UnixNanos(now)) {
                let wait = u64::try_from(retry_after.as_nanos()).unwrap();
                // Within the clamp a later look at the same state may still be held back, but never by more than one interval's rest.
                if stored <= now + u64::try_from(u128::from(window_ms) * 1_000_000 / u128::from(requests) * u128::from(burst)).unwrap() {
                    let admitted_then = matches!(rate.admit(state, UnixNanos(now + wait)), Admission::Admitted(_));
                    prop_assert!(admitted_then);
                }
            }
        }
    }
}
