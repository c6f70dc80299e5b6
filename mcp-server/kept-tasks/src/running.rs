//! A task that runs in this process.

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rmcp::model::InputRequests;
use serde_json::Value;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::record::{TaskRecord, Times};
use crate::{TaskState, TaskView};

/// A task that runs in this process.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) record: TaskRecord,
    pub(super) cancel: CancellationToken,
    live: Mutex<Live>,
    /// The bytes of memory that its request takes.
    request_bytes: AtomicU64,
    /// Locked, so that another process sees that it runs.
    _file: File,
}

/// The part of it that changes.
#[derive(Debug)]
struct Live {
    times: Times,
    report: Option<String>,
    questions: Option<Questions>,
}

/// The questions that it waits for.
#[derive(Debug)]
struct Questions {
    open: InputRequests,
    answered: BTreeMap<String, Value>,
    all_answered: oneshot::Sender<BTreeMap<String, Value>>,
}

impl Running {
    pub(super) fn new(
        record: TaskRecord,
        cancel: CancellationToken,
        request_bytes: u64,
        file: File,
    ) -> Self {
        let live = Live {
            times: record.times,
            report: None,
            questions: None,
        };
        Self {
            record,
            cancel,
            live: Mutex::new(live),
            request_bytes: AtomicU64::new(request_bytes),
            _file: file,
        }
    }

    pub(super) fn view(&self) -> TaskView {
        let live = self.live();
        let state = match &live.questions {
            Some(questions) => TaskState::Asking(questions.open.clone()),
            None => TaskState::Working(live.report.clone()),
        };
        let times = live.times;
        TaskView { times, state }
    }

    pub(super) fn request_bytes(&self) -> u64 {
        self.request_bytes.load(Ordering::Relaxed)
    }

    /// The bytes of its request, for the one who counts them no more.
    pub(super) fn take_request_bytes(&self) -> u64 {
        self.request_bytes.swap(0, Ordering::Relaxed)
    }

    pub(super) fn times(&self) -> Times {
        self.live().times
    }

    /// Puts questions to its client; the answers come when there is one to each.
    pub(super) fn ask(&self, open: InputRequests) -> oneshot::Receiver<BTreeMap<String, Value>> {
        let (all_answered, answers) = oneshot::channel();
        let mut live = self.change();
        live.questions = Some(Questions {
            open,
            answered: BTreeMap::new(),
            all_answered,
        });
        answers
    }

    pub(super) fn answer(&self, answers: impl IntoIterator<Item = (String, Value)>) {
        let mut live = self.change();
        let Some(mut questions) = live.questions.take() else {
            return;
        };
        for (name, answer) in answers {
            if questions.open.remove(&name).is_some() {
                questions.answered.insert(name, answer);
            }
        }
        if questions.open.is_empty() {
            // Whoever asked may have been stopped.
            let _ = questions.all_answered.send(questions.answered);
        } else {
            live.questions = Some(questions);
        }
    }

    fn change(&self) -> MutexGuard<'_, Live> {
        let mut live = self.live();
        live.times = live.times.updated(Duration::ZERO);
        live
    }

    fn live(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The way of a task's reports of progress to whoever looks at it.
#[derive(Debug, Clone)]
pub struct StatusReports(pub(super) Arc<Running>);

impl StatusReports {
    /// Says how far the work is, in the place of what was said before.
    pub fn tell(&self, report: String) {
        self.0.change().report = Some(report);
    }
}
