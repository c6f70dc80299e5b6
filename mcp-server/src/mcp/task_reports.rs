//! Reports of a call's progress that go to its client first, and to its task once it is one.

use std::sync::{Arc, OnceLock};

use futures::FutureExt as _;
use futures::future::BoxFuture;

use crate::call::{Progress, ProgressListener};
use crate::kept_tasks::StatusReports;

/// The way of a call's reports, which changes when the call becomes a task: tasks have no progress
/// notifications, but a status that whoever looks at them sees.
#[derive(Clone, Default)]
pub(super) struct TaskReports {
    client: Progress,
    task: Arc<OnceLock<StatusReports>>,
}

impl TaskReports {
    /// Puts itself into the place of the way of reports to a client.
    pub(super) fn instead_of(client: &mut Progress) -> Self {
        let reports = Self {
            client: client.clone(),
            task: Arc::default(),
        };
        *client = Progress::to(reports.clone());
        reports
    }

    /// From now on reports go to a task.
    pub(super) fn go_to(&self, task: StatusReports) {
        let _ = self.task.set(task);
    }
}

impl ProgressListener for TaskReports {
    fn report(&self, done: f64, total: Option<f64>, message: Option<String>) -> BoxFuture<'_, ()> {
        async move {
            match (self.task.get(), message, total) {
                (None, message, total) => self.client.report(done, total, message).await,
                (Some(task), Some(message), _) => task.tell(message),
                (Some(task), None, Some(total)) => task.tell(format!("{done} of {total}")),
                (Some(task), None, None) => task.tell(done.to_string()),
            }
        }
        .boxed()
    }
}
