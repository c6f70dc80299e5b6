//! Until when a call must be answered, and how people write such a time.

use std::time::Duration;

use tokio::time::Instant;

/// Until when a call must be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline {
    /// The whole time that the gateway gives the request, for the sentence that says so.
    pub given: Duration,
    /// When the call must end itself, so that its answer still arrives.
    pub at: Instant,
}

impl Deadline {
    /// Waits until the call must end itself.
    pub async fn over(self) {
        tokio::time::sleep_until(self.at).await;
    }
}

/// Writes a time as people do: `30 s`, `250 ms`.
pub fn spell_time(time: Duration) -> String {
    if time.subsec_millis() == 0 {
        format!("{} s", time.as_secs())
    } else {
        format!("{} ms", time.as_millis())
    }
}
