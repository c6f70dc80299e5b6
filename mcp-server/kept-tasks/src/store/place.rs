//! The place of a task among the others, for the one who does its work.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rmcp::model::InputRequests;
use serde_json::Value;
use uuid::Uuid;

use super::{KEPT_AFTER_END, TaskStore};
use crate::record::{TaskOutcome, TaskRecord};
use crate::running::{Running, StatusReports};
use crate::{NotKept, TaskState, TaskView};

/// A task whose work is being done. Dropped before its end, it is lost: its caller is told so.
#[derive(Debug)]
pub struct TaskPlace {
    store: Arc<TaskStore>,
    id: Uuid,
    running: Arc<Running>,
}

/// Why a task has no answers to what it asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotAnswered {
    /// It was stopped while it waited.
    Stopped,
    /// It has waited as long as it may.
    Late,
}

impl TaskPlace {
    pub(super) fn new(store: Arc<TaskStore>, id: Uuid, running: Arc<Running>) -> Self {
        Self { store, id, running }
    }

    /// The id by which its caller finds it.
    pub fn id(&self) -> String {
        self.id.simple().to_string()
    }

    /// The task as its caller sees it now.
    pub fn view(&self) -> TaskView {
        self.running.view()
    }

    /// Whether its work may have changed something, however it ended: stopping takes back nothing
    /// that was told to stay. A call asks its client before it changes anything.
    pub fn may_have_changed(&self) -> bool {
        self.running.record.changes && !matches!(self.view().state, TaskState::Asking(_))
    }

    /// The way of its reports of progress.
    pub fn reports(&self) -> StatusReports {
        StatusReports(Arc::clone(&self.running))
    }

    /// How much of its time is left.
    pub fn time_left(&self) -> Duration {
        let expiry = self.running.times().expiry();
        expiry
            .duration_since(SystemTime::now())
            .unwrap_or(Duration::ZERO)
    }

    /// The answers of its client to these questions, whose names it has not asked under before, as
    /// far as they come within this time.
    ///
    /// # Errors
    /// [`NotAnswered`].
    pub async fn ask(
        &self,
        questions: InputRequests,
        patience: Duration,
    ) -> Result<BTreeMap<String, Value>, NotAnswered> {
        let answers = self.running.ask(questions);
        tokio::select! {
            answers = answers => answers.map_err(|_| NotAnswered::Stopped),
            () = self.running.cancel.cancelled() => Err(NotAnswered::Stopped),
            () = tokio::time::sleep(patience) => Err(NotAnswered::Late),
        }
    }

    /// Writes down how it ended; then it runs no more. This waits for the disk.
    ///
    /// # Errors
    /// The answer is too long for its caller's share, or the disk refuses it ([`NotKept`]); the
    /// task still runs then.
    pub fn end(&self, outcome: TaskOutcome) -> Result<(), NotKept> {
        let _counting = self.store.counting.read();
        self.store.release_request(&self.running);
        let running = &self.running.record;
        let record = TaskRecord {
            owner: running.owner.clone(),
            account: running.account.clone(),
            tool: running.tool.clone(),
            changes: running.changes,
            times: self.running.times().updated(KEPT_AFTER_END),
            end: Some(outcome),
        };
        let bytes = record.to_bytes().map_err(NotKept::Disk)?.len() as u64;
        self.store.take_bytes(&running.account, bytes)?;
        let written = self.store.folder.write(self.id, &record);
        written.map_err(NotKept::Disk)?;
        self.store.running().remove(&self.id);
        Ok(())
    }
}

impl Drop for TaskPlace {
    fn drop(&mut self) {
        let _counting = self.store.counting.read();
        self.store.release_request(&self.running);
        self.store.running().remove(&self.id);
    }
}
