//! The lease by which one of several control planes on a store leads.

use std::fmt;

/// Counts the leaders of a store. Whoever leads later has the greater token, so a write of a
/// leader that was given up for dead, and is not, is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaderToken(pub(crate) i64);

impl fmt::Display for LeaderToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// The answer to whoever asks to lead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leadership {
    /// The asker leads, until its lease ends or is renewed.
    Leader(LeaderToken),
    /// Another process leads, and its lease goes on.
    Follower {
        /// The name that the leader gave itself.
        leader: String,
    },
}
