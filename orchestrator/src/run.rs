//! The life of one run, as a pure state machine: events and the present time in, effects out.
//!
//! ```text
//! step:  waiting ─▶ ready ─▶ running ─▶ succeeded
//!                     ▲         ├─────▶ failed, or skipped when it is optional
//!                     └─────────┤ an attempt failed, or its process was lost
//!                               └─────▶ cancelled, which steps that never began are, too
//! ```
//!
//! A run stops when a required step fails or somebody cancels it: nothing begins any more, what
//! runs is asked to end, and when nothing runs the run is over. A run that is over never changes.
//!
//! The clock is the caller's. It may jump: only the order of tokens decides whose report counts.

mod step;
mod transition;

#[cfg(test)]
mod tests;

use std::time::Duration;

use serde::Serialize;

use crate::definition::{PipelineDefinition, Retry};
use crate::lease::FencingToken;

pub use step::{StepFailure, StepRecord, StepState};
pub(crate) use transition::took_too_long;
pub use transition::{Effect, Event, Fenced, Grant, Reported};

/// A moment in milliseconds since 1970, by the database's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Moment(pub i64);

impl Moment {
    /// The moment that much later.
    #[must_use]
    pub fn after(self, pause: Duration) -> Self {
        let pause = i64::try_from(pause.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(pause))
    }
}

/// Where a run is between its acceptance and its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Accepted; no step has begun.
    Pending,
    /// Some step of the run has begun.
    Running,
    /// Every required step succeeded.
    Succeeded,
    /// A required step failed.
    Failed,
    /// Somebody cancelled it before it was through.
    Cancelled,
}

impl RunState {
    /// All of them, in the order of a run's life.
    pub const ALL: [Self; 5] = [
        Self::Pending,
        Self::Running,
        Self::Succeeded,
        Self::Failed,
        Self::Cancelled,
    ];

    /// The word for this state.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether the run is over and stays as it is.
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Pending | Self::Running)
    }
}

/// Why a run begins nothing any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopCause {
    /// A required step failed.
    Failure,
    /// Somebody cancelled the run.
    Cancellation,
}

/// One run: all that decides what may happen next.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Where the run is.
    pub state: RunState,
    /// Why it stops, once it does. The first cause stays.
    pub stop: Option<StopCause>,
    /// Its steps, in the order of the pipeline.
    pub steps: Vec<StepRecord>,
}

/// The part of a step's definition that decides when it runs.
#[derive(Debug, Clone, PartialEq)]
pub struct StepPlan {
    /// Which runner does it.
    pub kind: String,
    /// Places of the steps that it waits for.
    pub after: Vec<usize>,
    /// Whether the run fails when it does.
    pub required: bool,
    /// The time that one attempt may take.
    pub timeout: Duration,
    /// How often and how soon a failed attempt is repeated.
    pub retry: Retry,
}

impl StepPlan {
    /// The plans of all steps of a pipeline, in its order.
    pub fn of(pipeline: &PipelineDefinition) -> Vec<Self> {
        let dependencies = pipeline.dependencies().into_iter();
        let plan = |(step, after): (&crate::StepDefinition, Vec<usize>)| Self {
            kind: step.kind.clone(),
            after,
            required: step.required,
            timeout: Duration::from_secs(u64::from(step.timeout_s)),
            retry: step.retry,
        };
        pipeline.steps.iter().zip(dependencies).map(plan).collect()
    }
}

impl Run {
    /// A run that was just accepted: what waits for nothing is ready.
    pub fn new(plan: &[StepPlan], now: Moment) -> Self {
        let step = |plan: &StepPlan| StepRecord {
            state: match plan.after.is_empty() {
                true => StepState::Ready { due: now },
                false => StepState::Waiting,
            },
            attempts: 0,
            losses: 0,
            token: FencingToken::default(),
            failure: None,
        };
        Self {
            state: RunState::Pending,
            stop: None,
            steps: plan.iter().map(step).collect(),
        }
    }
}
