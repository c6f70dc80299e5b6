//! The store of tasks: how they begin, are found, and are taken back.

mod place;

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use serde_json::Value;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::file::{TaskFolder, has_expired};
use crate::record::{TaskRecord, Times};
use crate::running::Running;
use crate::shares::{Account, TaskShares};
use crate::{Beginning, NotBegun, NotKept, TaskState, TaskStoreSettings, TaskView, UnknownTask};

pub use place::{NotAnswered, TaskPlace};

/// An end that takes no more bytes is always written down, whatever the quota.
const SHORT_END: u64 = 4096;

/// After its end a task is kept for at least this long, however little of its time was left.
const KEPT_AFTER_END: Duration = Duration::from_secs(300);

/// The tasks of this server. Several processes may share the folder: each finds what the others
/// have ended, and none stops what another runs.
#[derive(Debug)]
pub struct TaskStore {
    folder: TaskFolder,
    settings: TaskStoreSettings,
    running: Mutex<HashMap<Uuid, Arc<Running>>>,
    used: Mutex<TaskShares>,
    work: TaskTracker,
    /// Held for writing by a sweep, which counts the files, and for reading by whoever counts one
    /// and makes it.
    counting: RwLock<()>,
}

impl TaskStore {
    /// Prepares the store without looking at the disk.
    pub fn new(settings: TaskStoreSettings) -> Self {
        Self {
            folder: TaskFolder::new(settings.folder.clone()),
            settings,
            running: Mutex::default(),
            used: Mutex::default(),
            work: TaskTracker::new(),
            counting: RwLock::default(),
        }
    }

    /// Does the work of a task beside everything else.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.work.spawn(work);
    }

    /// Waits until the work of every task is over; whoever waits has had it stopped.
    pub async fn drain(&self) {
        self.work.close();
        self.work.wait().await;
    }

    /// Begins a task: from now on its caller finds it. This waits for the disk.
    ///
    /// # Errors
    /// There is no place for another task, no room for its request and answer, or the disk refuses
    /// its file ([`NotBegun`]).
    pub fn begin(self: &Arc<Self>, beginning: Beginning) -> Result<TaskPlace, NotBegun> {
        // Nobody can guess 122 random bits.
        let id = Uuid::new_v4();
        let account = beginning.claimant.to_string();
        let request_bytes = beginning.request_bytes;
        self.make_room(&account, request_bytes);
        let _counting = self.counting.read();
        self.take_place(id, &account, request_bytes)?;
        let times = Times::beginning_now(self.settings.ttl);
        let record = TaskRecord {
            owner: beginning.owner,
            account: account.clone(),
            tool: beginning.tool,
            changes: beginning.changes,
            times,
            end: None,
        };
        let file = match self.folder.create(id, &record) {
            Ok(file) => file,
            Err(error) => {
                let mut shares = self.used();
                shares.remove_task(id);
                shares.bytes.remove(&account, request_bytes);
                return Err(NotBegun::Disk(error));
            }
        };
        let running = Running::new(record, beginning.cancel, request_bytes, file);
        let running = Arc::new(running);
        self.running().insert(id, Arc::clone(&running));
        Ok(TaskPlace::new(Arc::clone(self), id, running))
    }

    /// Finds a task of this owner.
    ///
    /// # Errors
    /// No task has this id, it is another owner's, or it has expired ([`UnknownTask`]).
    pub fn look(&self, id: &str, owner: Option<&str>) -> Result<TaskView, UnknownTask> {
        let id = parse(id)?;
        let running = self.running().get(&id).map(Arc::clone);
        // A task leaves this map after its file is whole: it is found in one or the other.
        if let Some(running) = running {
            return match running.record.owner.as_deref() == owner {
                true => Ok(running.view()),
                false => Err(UnknownTask),
            };
        }
        self.kept(id, owner)
    }

    /// Gives a task the answers to what it asks. What it does not ask, or asks no more, is left.
    ///
    /// # Errors
    /// [`TaskStore::look`] finds no such task of this owner ([`UnknownTask`]).
    pub fn answer(
        &self,
        id: &str,
        owner: Option<&str>,
        answers: impl IntoIterator<Item = (String, Value)>,
    ) -> Result<(), UnknownTask> {
        let running = self.own_running(id, owner)?;
        if let Some(running) = running {
            running.answer(answers);
        }
        Ok(())
    }

    /// Stops the work of a task, if it still runs.
    ///
    /// # Errors
    /// [`TaskStore::look`] finds no such task of this owner ([`UnknownTask`]).
    pub fn cancel(&self, id: &str, owner: Option<&str>) -> Result<(), UnknownTask> {
        let running = self.own_running(id, owner)?;
        if let Some(running) = running {
            running.cancel.cancel();
        }
        Ok(())
    }

    /// Removes what has expired, and counts the rest.
    ///
    /// # Errors
    /// The folder cannot be read, or something in it not removed; the rest is swept then.
    pub fn sweep(&self) -> io::Result<()> {
        let _counting = self.counting.write();
        let mut shares = TaskShares::default();
        let mut swept = Ok(());
        for path in self.folder.files()? {
            let removed = match has_expired(&path, SystemTime::now()) {
                Ok(false) => Ok(false),
                Ok(true) => self.folder.remove(&path),
                Err(error) => Err(error),
            };
            match removed {
                Ok(false) => {
                    let (id, account) = self.account_of(&path);
                    shares.add_task(id, &account);
                    let bytes = std::fs::metadata(&path).map_or(0, |facts| facts.len());
                    shares.bytes.add(account, bytes);
                }
                // Another process may have removed it.
                Err(error) if error.kind() != io::ErrorKind::NotFound => swept = Err(error),
                _ => {}
            }
        }
        for running in self.running().values() {
            let account = running.record.account.clone();
            shares.bytes.add(account, running.request_bytes());
        }
        *self.used() = shares;
        swept
    }

    /// How often to sweep: often enough that what has expired takes no place for long.
    pub fn sweep_interval(&self) -> Duration {
        (self.settings.ttl / 4).clamp(Duration::from_millis(100), Duration::from_secs(60))
    }

    fn own_running(
        &self,
        id: &str,
        owner: Option<&str>,
    ) -> Result<Option<Arc<Running>>, UnknownTask> {
        self.look(id, owner)?;
        Ok(self.running().get(&parse(id)?).map(Arc::clone))
    }

    fn kept(&self, id: Uuid, owner: Option<&str>) -> Result<TaskView, UnknownTask> {
        let path = self.folder.path(id);
        let file = File::open(&path).map_err(|_| UnknownTask)?;
        let record = TaskRecord::read(&file).map_err(|error| {
            tracing::warn!(%error, %id, "a task cannot be read");
            UnknownTask
        })?;
        let is_own = record.owner.as_deref() == owner;
        if !is_own || has_expired(&path, SystemTime::now()).unwrap_or(true) {
            return Err(UnknownTask);
        }
        let state = match record.end {
            Some(outcome) => TaskState::Over(outcome),
            // Whoever runs it has it locked, but no other look.
            None if file.try_lock_shared().is_err() => TaskState::Working(None),
            None => TaskState::Lost {
                tool: record.tool,
                changes: record.changes,
            },
        };
        let times = record.times;
        Ok(TaskView { times, state })
    }

    /// Looks whether some tasks have expired where there is no place for another.
    fn make_room(&self, account: &Account, request_bytes: u64) {
        let has_place = self.has_place(&self.used(), account, request_bytes);
        if has_place.is_ok() {
            return;
        }
        if let Err(error) = self.sweep() {
            tracing::warn!(%error, "what has expired cannot be removed");
        }
    }

    /// Counts one more task.
    fn take_place(&self, id: Uuid, account: &Account, request_bytes: u64) -> Result<(), NotBegun> {
        let mut shares = self.used();
        self.has_place(&shares, account, request_bytes)?;
        shares.add_task(id, account);
        shares.bytes.add(account.clone(), request_bytes);
        Ok(())
    }

    fn has_place(
        &self,
        shares: &TaskShares,
        account: &Account,
        request_bytes: u64,
    ) -> Result<(), NotBegun> {
        let TaskStoreSettings { most, quota, .. } = self.settings;
        if !shares.have_place(account, most) {
            return Err(NotBegun::TooMany { most });
        }
        // Without it the work would be done for an answer that cannot be kept.
        let needed = SHORT_END.saturating_add(request_bytes);
        if !shares.bytes.have_room(account, needed, quota) {
            return Err(NotBegun::QuotaUsed { most: quota });
        }
        Ok(())
    }

    /// Ends the count of a request, which is not in memory any more. Whoever calls this holds
    /// `counting`: a sweep between the two steps would count the request for a minute more.
    fn release_request(&self, running: &Running) {
        let bytes = running.take_request_bytes();
        self.used().bytes.remove(&running.record.account, bytes);
    }

    /// Takes room for an answer.
    fn take_bytes(&self, account: &Account, bytes: u64) -> Result<(), NotKept> {
        let most = self.settings.quota;
        let mut shares = self.used();
        if bytes > SHORT_END && !shares.bytes.have_room(account, bytes, most) {
            return Err(NotKept::QuotaUsed { most });
        }
        shares.bytes.add(account.clone(), bytes);
        Ok(())
    }

    /// The id of the task that this file is of, and its account.
    fn account_of(&self, path: &Path) -> (Uuid, Account) {
        let id = path.file_stem().and_then(|stem| stem.to_str());
        let id = id.and_then(|id| id.parse().ok()).unwrap_or_default();
        let known = self.used().account(id).cloned();
        let account = known.unwrap_or_else(|| {
            let read = File::open(path).and_then(|file| TaskRecord::read_account(&file));
            read.unwrap_or_default()
        });
        (id, account)
    }

    fn running(&self) -> MutexGuard<'_, HashMap<Uuid, Arc<Running>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn used(&self) -> MutexGuard<'_, TaskShares> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn parse(id: &str) -> Result<Uuid, UnknownTask> {
    let parsed: Uuid = id.parse().map_err(|_| UnknownTask)?;
    // One task has one spelling.
    (parsed.simple().to_string() == id)
        .then_some(parsed)
        .ok_or(UnknownTask)
}

#[cfg(test)]
mod tests;
