//! Calls that outlive their requests (tasks), as their callers find them again.
//!
//! A task that runs is in this process's memory: its progress, its open questions, and the token
//! that stops it. On the disk it is one file from its beginning on, which its end makes whole, so
//! that an answer survives a restart, and a restart that cost the work is told from a task that
//! never was. Nobody can guess an id, and only the caller who began a task finds it. A task is kept
//! for a time, and all of them are bounded in number and bytes; [`TaskStore::sweep`] takes back
//! what has expired. Nothing here knows MCP's methods, or what a tool does.
//!
//! Whoever does the work holds a [`TaskPlace`], which [`TaskStore::begin`] gives; its caller looks
//! at it with [`TaskStore::look`].
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use fair_shares::Claimant;
//! use kept_tasks::{Beginning, TaskOutcome, TaskState, TaskStore, TaskStoreSettings};
//!
//! # let folder = tempfile::tempdir()?;
//! let store = Arc::new(TaskStore::new(TaskStoreSettings {
//!     folder: folder.path().to_owned(),
//!     ttl: Duration::from_secs(60),
//!     most: 8,
//!     quota: 1 << 20,
//! }));
//! let place = store.begin(Beginning {
//!     owner: Some("ada".to_owned()),
//!     claimant: Claimant::Named("ada".to_owned()),
//!     tool: "work".to_owned(),
//!     changes: false,
//!     request_bytes: 100,
//!     cancel: Default::default(),
//! })?;
//! let id = place.id();
//! place.end(TaskOutcome::Cancelled(None))?;
//! let over = store.look(&id, Some("ada"))?;
//! assert!(matches!(over.state, TaskState::Over(TaskOutcome::Cancelled(None))));
//! assert!(store.look(&id, None).is_err());
//! # Ok(())
//! # }
//! ```

mod file;
mod record;
mod running;
mod shares;
mod store;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use fair_shares::Claimant;
use rmcp::model::InputRequests;
use tokio_util::sync::CancellationToken;

pub use record::{TaskOutcome, Times};
pub use running::StatusReports;
pub use store::{NotAnswered, TaskPlace, TaskStore};

/// Where tasks are kept, how many, and for how long.
#[derive(Debug, Clone)]
pub struct TaskStoreSettings {
    /// The folder that they are kept in; it is made when the first one begins.
    pub folder: PathBuf,
    /// How long a task is kept from its beginning.
    pub ttl: Duration,
    /// The most tasks at once; one caller may have half of what the others leave.
    pub most: usize,
    /// The most bytes of all answers, and of the requests of tasks that run; one caller may have
    /// half of what the others leave.
    pub quota: u64,
}

/// Who begins a task, and what for.
#[derive(Debug, Clone)]
pub struct Beginning {
    /// Under whom it is kept; `None` for callers without identity.
    pub owner: Option<String>,
    /// On whose account it takes a place and bytes.
    pub claimant: Claimant,
    /// The name of the tool.
    pub tool: String,
    /// Whether its work changes anything: then a caller whose task is lost must look before it
    /// begins another.
    pub changes: bool,
    /// The bytes of memory that its request takes until it ends.
    pub request_bytes: u64,
    /// The token that stops the work.
    pub cancel: CancellationToken,
}

/// Why a call does not become a task.
#[derive(Debug, thiserror::Error)]
pub enum NotBegun {
    /// There are as many tasks as there may be, or as this caller may have.
    #[error("the caller's share of the {most} tasks that this server keeps is in use")]
    TooMany {
        /// The most tasks at once.
        most: usize,
    },
    /// The answers and requests of this caller's tasks leave no room for another.
    #[error("the caller's share of the {most} bytes that tasks may have is in use")]
    QuotaUsed {
        /// The most bytes of all tasks.
        most: u64,
    },
    /// The disk refuses it.
    #[error("this server's disk does not take a task")]
    Disk(#[source] io::Error),
}

/// The answer is longer than what tasks may take of the disk, or the disk refuses it.
#[derive(Debug, thiserror::Error)]
pub enum NotKept {
    /// The quota has no room for it.
    #[error("the caller's share of the {most} bytes that tasks may have is in use")]
    QuotaUsed {
        /// The most bytes of all tasks.
        most: u64,
    },
    /// The disk refuses it.
    #[error("this server's disk does not take it")]
    Disk(#[source] io::Error),
}

/// No task has this id, or it is another caller's, or it has expired: nobody learns which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no such task: it has expired, or never was")]
pub struct UnknownTask;

/// A task as its caller sees it.
#[derive(Debug)]
pub struct TaskView {
    /// When it began and changed, and how long it is kept.
    pub times: Times,
    /// How far its work has come.
    pub state: TaskState,
}

/// How far the work of a task has come.
#[derive(Debug)]
pub enum TaskState {
    /// It runs; the text is its last report of progress.
    Working(Option<String>),
    /// It waits for its client to answer these.
    Asking(InputRequests),
    /// Its work has ended in this way.
    Over(TaskOutcome),
    /// The process that ran it has ended before it, or could not write down how it ended.
    Lost {
        /// The tool that it called.
        tool: String,
        /// Whether its work may have had an effect.
        changes: bool,
    },
}
