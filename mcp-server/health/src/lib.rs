//! The state of one service behind the tools at a look.

use std::time::Duration;

/// The state of one service at a look; `/health` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// It answered, after this long, and this is what it is (its version, say).
    Up {
        /// From the question to the answer.
        latency: Duration,
        /// One short phrase, such as a version.
        detail: String,
    },
    /// It did not answer, or not as it should; the reason names no credential.
    Down {
        /// One sentence: what is wrong and what to do.
        reason: String,
    },
}
