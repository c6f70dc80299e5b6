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
mod tests;
