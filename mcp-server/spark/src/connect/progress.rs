//! How far Spark is with one statement, as it tells while the statement runs.

use crate::protocol as pb;
use pb::execute_plan_response::ExecutionProgress;

/// How far a statement is. Stages that Spark skips stay open to the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StatementProgress {
    /// Tasks of the stages that are known by now.
    pub tasks: u64,
    /// Tasks of these that are done.
    pub tasks_done: u64,
    /// Tasks that run at this moment.
    pub tasks_running: u64,
}

impl From<&ExecutionProgress> for StatementProgress {
    fn from(progress: &ExecutionProgress) -> Self {
        let count = |n: i64| u64::try_from(n).unwrap_or_default();
        let stages = &progress.stages;
        Self {
            tasks: stages.iter().map(|s| count(s.num_tasks)).sum(),
            tasks_done: stages.iter().map(|s| count(s.num_completed_tasks)).sum(),
            tasks_running: count(progress.num_inflight_tasks),
        }
    }
}
