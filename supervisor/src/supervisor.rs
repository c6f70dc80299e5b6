//! The programs that belong together, in the order in which they were started.

use std::sync::Mutex;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use crate::Program;
use crate::keeper::{Event, KeeperChannels, StartError, Status, keep};

/// Starts programs, keeps them running, and stops them in reverse order.
#[derive(Debug)]
pub struct Supervisor {
    events: mpsc::UnboundedSender<Event>,
    members: Mutex<Vec<Member>>,
}

#[derive(Debug)]
struct Member {
    name: String,
    stop: oneshot::Sender<()>,
    status: watch::Receiver<Status>,
    task: JoinHandle<()>,
}

impl Supervisor {
    /// A supervisor of nothing yet, and what will happen to its programs.
    #[must_use]
    pub fn new() -> (Self, mpsc::UnboundedReceiver<Event>) {
        let (events, happened) = mpsc::unbounded_channel();
        (
            Self {
                events,
                members: Mutex::default(),
            },
            happened,
        )
    }

    /// Starts `program` and returns when it is ready. Its log of an earlier run is kept beside the
    /// new one, as `….old`.
    ///
    /// # Errors
    /// When it cannot be started, ends before it is ready, or is not ready in time; it does not run
    /// then.
    pub async fn start(&self, program: Program) -> Result<(), StartError> {
        // Best effort: a first run has none.
        let _ = std::fs::rename(&program.log, program.log.with_extension("log.old"));
        let name = program.name.clone();
        let (stop, told_to_stop) = oneshot::channel();
        let (first_start, started) = oneshot::channel();
        let (status_sender, status) = watch::channel(Status::Waiting);
        let channels = KeeperChannels {
            stop: told_to_stop,
            first_start,
            status: status_sender,
            events: self.events.clone(),
        };
        let task = tokio::spawn(keep(program, channels));
        self.members().push(Member {
            name: name.clone(),
            stop,
            status,
            task,
        });
        started.await.unwrap_or(Err(StartError::Stopped { name }))
    }

    /// The state of each program, in the order in which they were started.
    #[must_use]
    pub fn status(&self) -> Vec<(String, Status)> {
        self.members()
            .iter()
            .map(|member| (member.name.clone(), *member.status.borrow()))
            .collect()
    }

    /// Stops every program, the last started first, each one fully before the next. A start that is
    /// still under way fails.
    pub async fn stop_all(&self) {
        loop {
            // Its own statement: the lock must not be held while we wait.
            let last = self.members().pop();
            let Some(member) = last else { return };
            // An error means that it has ended for good already.
            let _ = member.stop.send(());
            let _ = member.task.await;
        }
    }

    fn members(&self) -> std::sync::MutexGuard<'_, Vec<Member>> {
        self.members
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
