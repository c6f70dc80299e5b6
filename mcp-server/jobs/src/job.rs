//! A submitted job as the registry knows it.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The id of a job: ours, made before Spark hears of it. Ids sort by time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub Uuid);

impl JobId {
    /// An id for a job that comes now.
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }
}

impl Default for JobId {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where a job is. The words are Spark's for drivers, but for the first and the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobState {
    /// Recorded here; the master has not yet said that it has it.
    Submitting,
    /// The master has it; its driver waits for a worker.
    Submitted,
    /// The driver of the job runs.
    Running,
    /// The job ended without an error.
    Finished,
    /// It ended with an error.
    Failed,
    /// Somebody ended it before its time.
    Killed,
    /// It is over or never was, and nobody saw its end.
    Unknown,
}

/// A word that is no state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no state of a job")]
pub struct InvalidState(String);

impl JobState {
    /// All of them, in the order of a job's life.
    pub const ALL: [Self; 7] = [
        Self::Submitting,
        Self::Submitted,
        Self::Running,
        Self::Finished,
        Self::Failed,
        Self::Killed,
        Self::Unknown,
    ];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Submitting => "submitting",
            Self::Submitted => "submitted",
            Self::Running => "running",
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::Killed => "killed",
            Self::Unknown => "unknown",
        }
    }

    /// Whether it stays as it is.
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Submitting | Self::Submitted | Self::Running)
    }
}

impl FromStr for JobState {
    type Err = InvalidState;

    fn from_str(word: &str) -> Result<Self, InvalidState> {
        let found = Self::ALL.into_iter().find(|state| state.as_str() == word);
        found.ok_or_else(|| InvalidState(word.to_owned()))
    }
}

/// How far a job is, over the Spark jobs that its driver has started so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct JobProgress {
    /// Tasks that are known of and not skipped.
    pub tasks: i64,
    /// Tasks of these that are done.
    pub tasks_done: i64,
    /// Tasks that run at this moment.
    pub tasks_running: i64,
    /// Attempts that failed; Spark repeats them.
    pub tasks_failed: i64,
    /// Stages that are known of and not skipped.
    pub stages: i64,
    /// Stages of these that are done.
    pub stages_done: i64,
}

impl JobProgress {
    /// Percent, of which 100 is kept for a job that finished: Spark does not know what its driver
    /// will still ask for.
    pub fn percent(&self, state: JobState) -> Option<i64> {
        match state {
            JobState::Finished => Some(100),
            _ if self.tasks > 0 => Some((self.tasks_done * 100 / self.tasks).clamp(0, 99)),
            _ => None,
        }
    }
}

/// Why this server asked Spark to end a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// Its owner asked for it.
    Cancelled,
    /// It has run for as long as it may.
    OutOfTime,
}

impl StopReason {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::OutOfTime => "out_of_time",
        }
    }
}

impl FromStr for StopReason {
    type Err = InvalidState;

    fn from_str(word: &str) -> Result<Self, InvalidState> {
        let mut all = [Self::Cancelled, Self::OutOfTime].into_iter();
        let found = all.find(|reason| reason.as_str() == word);
        found.ok_or_else(|| InvalidState(word.to_owned()))
    }
}

/// A key under which a submission is made only once, and the digest of what was asked under it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// The key, as the caller chose it.
    pub key: String,
    /// SHA-256 of the request in hexadecimal digits.
    pub request: String,
}

/// The work of one executor, as its driver counts it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ExecutorMetrics {
    /// Spark's id of it.
    pub id: String,
    /// Whether it is still there.
    pub active: bool,
    /// Cores that it may use.
    pub cores: i64,
    /// Tasks that run on it at this moment.
    pub tasks_running: i64,
    /// Tasks that ended well on it.
    pub tasks_done: i64,
    /// Tasks that failed on it.
    pub tasks_failed: i64,
    /// Milliseconds that its tasks took.
    pub run_ms: i64,
    /// Milliseconds of these that went into collecting garbage.
    pub gc_ms: i64,
    /// Bytes of storage memory in use.
    pub memory_used: i64,
    /// Bytes of storage memory that there are.
    pub memory: i64,
    /// Bytes that its tasks read from outside.
    pub input: i64,
    /// Bytes that its tasks read of shuffles.
    pub shuffle_read: i64,
    /// Bytes that its tasks wrote for shuffles.
    pub shuffle_write: i64,
}

/// One job, as its row in the registry has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// The id that this server gave it.
    pub id: JobId,
    /// Who submitted it, and alone may see it; `None` is a caller without identity.
    pub owner: Option<String>,
    /// How often its row in the registry has changed.
    pub version: i64,
    /// Where it is between submission and end.
    pub state: JobState,
    /// The master it was submitted to.
    pub master: String,
    /// The script's path, as Spark got it.
    pub script: String,
    /// The script's arguments, masked where they look like credentials.
    pub arguments: Vec<String>,
    /// Spark's settings as the caller gave them, masked likewise.
    pub conf: BTreeMap<String, String>,
    /// The master's id of its driver.
    pub submission_id: Option<String>,
    /// The id of the application that its driver registered.
    pub application_id: Option<String>,
    /// How far it is, as last seen.
    pub progress: JobProgress,
    /// Its executors, as last seen; the first ones of many.
    pub executors: Vec<ExecutorMetrics>,
    /// The key under which it was submitted.
    pub idempotency: Option<IdempotencyKey>,
    /// Seconds that it may run.
    pub max_run_seconds: Option<i64>,
    /// Why this server has asked Spark to end it.
    pub stop: Option<StopReason>,
    /// Whether it has run for longer than it may.
    pub is_overdue: bool,
    /// A sentence on its state for the caller.
    pub message: Option<String>,
    /// The end of the driver's output, for a job that failed.
    pub error_tail: Option<String>,
    /// Times in RFC 3339, UTC.
    pub times: Times,
}

/// When things happened to a job, in RFC 3339, UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Times {
    /// When the job was recorded.
    pub created: String,
    /// It was first seen running.
    pub started: Option<String>,
    /// It was first seen over.
    pub finished: Option<String>,
    /// When its row changed last.
    pub updated: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_100_percent_for_a_job_that_finished() {
        let mut progress = JobProgress::default();
        assert_eq!(progress.percent(JobState::Running), None);
        assert_eq!(progress.percent(JobState::Finished), Some(100));
        progress.tasks = 8;
        progress.tasks_done = 2;
        assert_eq!(progress.percent(JobState::Running), Some(25));
        progress.tasks_done = 8;
        assert_eq!(progress.percent(JobState::Running), Some(99));
        assert_eq!(progress.percent(JobState::Failed), Some(99));
    }

    #[test]
    fn it_reads_states_by_the_words_they_are_written_with() {
        for state in JobState::ALL {
            assert_eq!(state.as_str().parse(), Ok(state));
        }
        assert!("done".parse::<JobState>().is_err());
    }
}
