//! The right to work on a step.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

/// The id of one run of a pipeline. Ids sort by time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(pub Uuid);

impl RunId {
    /// An id for a run that is accepted now.
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }
}

impl Default for RunId {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for RunId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.parse()?))
    }
}

/// Counts the leases of one step. Whoever was given a step later has the greater token, so a target
/// that remembers the greatest one it saw can refuse a process that was given up for dead and is
/// not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct FencingToken(pub i64);

impl FencingToken {
    /// The token of the lease after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// The right to work on one step of one run, for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// The run that the step is part of.
    pub run: RunId,
    /// The place of the step in its pipeline, from 0.
    pub step: usize,
    /// The count of this lease among those of the step.
    pub token: FencingToken,
}
