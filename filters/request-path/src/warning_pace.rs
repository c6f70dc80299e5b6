//! How often the operator is told of the same trouble: every call may meet it, and a line for each
//! would fill the log just when the store is busiest.

use std::cell::Cell;
use std::time::Duration;

use policy_engine::UnixNanos;

/// The time from one warning to the next. Shorter, and trouble that lasts drowns the rest of the
/// log; longer, and whoever looks at the last screen of it may miss that the trouble lasts.
const PACE: Duration = Duration::from_secs(10);

/// The warnings of one configuration in one VM.
#[derive(Debug, Default)]
pub(crate) struct WarningPace {
    last: Cell<Option<UnixNanos>>,
    untold: Cell<u64>,
}

impl WarningPace {
    /// The line to log now, with how often it was kept back since the last; none where the last is
    /// too recent.
    pub(crate) fn line(&self, now: UnixNanos, warning: impl std::fmt::Display) -> Option<String> {
        let is_recent = |last: UnixNanos| u128::from(now.0.abs_diff(last.0)) < PACE.as_nanos();
        if self.last.get().is_some_and(is_recent) {
            self.untold.set(self.untold.get().saturating_add(1));
            return None;
        }
        self.last.set(Some(now));
        Some(match self.untold.take() {
            0 => warning.to_string(),
            untold => format!("{warning}; {untold} calls more were refused for want of limits"),
        })
    }
}
