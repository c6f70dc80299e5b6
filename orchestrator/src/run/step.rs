//! One step of a run, as it is recorded.

use serde::{Deserialize, Serialize};

use super::Moment;
use crate::bounds;
use crate::lease::FencingToken;

/// Where a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepState {
    /// A step that it waits for is not over.
    Waiting,
    /// Whoever comes first may begin it, from this moment on.
    Ready {
        /// Before it, a repeated attempt pauses.
        due: Moment,
    },
    /// Somebody works on it, under the lease of the record's token.
    Running {
        /// When the lease ends.
        until: Moment,
        /// When the attempt has taken too long.
        deadline: Moment,
    },
    /// The step did what it should.
    Succeeded,
    /// It is required, and failed for good.
    Failed,
    /// It is optional, and failed for good; the run goes on without it.
    Skipped,
    /// The run stopped before it could succeed.
    Cancelled,
}

impl StepState {
    /// The word for this state.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Ready { .. } => "ready",
            Self::Running { .. } => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether the step is over and stays as it is.
    pub fn is_final(self) -> bool {
        matches!(
            self,
            Self::Succeeded | Self::Failed | Self::Skipped | Self::Cancelled
        )
    }

    /// Whether steps that wait for this one may begin.
    pub(super) fn lets_others_begin(self) -> bool {
        matches!(self, Self::Succeeded | Self::Skipped)
    }
}

/// One step of a run, as it is recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct StepRecord {
    /// Where the step is.
    pub state: StepState,
    /// Attempts that ended by a report or by taking too long.
    pub attempts: u32,
    /// Leases that ended without a report: their process died, or could not reach the database.
    pub losses: u32,
    /// The greatest token that was given out.
    pub token: FencingToken,
    /// Why the last attempt failed.
    pub failure: Option<StepFailure>,
}

/// Why an attempt failed, in the terms of whoever wrote the pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepFailure {
    /// A word that a program can branch on.
    pub code: String,
    /// A sentence that names no credential.
    pub message: String,
    /// Whether another attempt might succeed.
    pub is_passing: bool,
}

impl StepFailure {
    /// A failure that repeats cannot mend: the statement is wrong, say.
    pub fn lasting(code: &str, message: impl Into<String>) -> Self {
        Self {
            code: bounds::cut(code.to_owned(), bounds::NAME_LETTERS),
            message: bounds::cut(message.into(), bounds::SENTENCE_BYTES),
            is_passing: false,
        }
    }

    /// A failure that may be over later: a service is down, say.
    pub fn passing(code: &str, message: impl Into<String>) -> Self {
        Self {
            is_passing: true,
            ..Self::lasting(code, message)
        }
    }
}
