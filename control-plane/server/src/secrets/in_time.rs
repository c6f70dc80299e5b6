//! Reads files on threads of their own and gives up on those that do not answer: a file system on a
//! network may hang for as long as it likes, and nobody else is to wait for it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use thiserror::Error;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::{Instant, timeout_at};

use super::file_system::{FileSystem, file_systems};

/// How long files may take. A disk that wakes up takes a second or two.
const WITHIN: Duration = Duration::from_secs(5);

/// The threads that read at once. One that waits for a dead file system stays until that answers.
const MOST_AT_ONCE: usize = 64;
/// Those of them that read of one file system: a dead one with hundreds of secrets on it must not
/// stop those on others. A living one has its files read by eight as fast as by more.
const MOST_OF_ONE: usize = 8;

/// The names of everything that is being read, each by a thread.
static IN_HAND: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
/// Wakes those that wait for a name.
static FREED: Notify = Notify::const_new();
/// The threads that are left.
static THREADS: Semaphore = Semaphore::const_new(MOST_AT_ONCE);
/// The threads that are left for each file system of which something is being read.
static OF_FILE_SYSTEMS: Mutex<BTreeMap<FileSystem, Arc<Semaphore>>> = Mutex::new(BTreeMap::new());

/// Why files were not read.
#[derive(Debug, Error)]
pub(crate) enum NotRead {
    /// The file system did not answer.
    #[error("it was not read within {} s; look at the file system that it is on", WITHIN.as_secs())]
    Slow,
    /// Others are being read, and their file systems do not answer.
    #[error(
        "it was not its turn within {} s: at most {MOST_OF_ONE} files of one file system are read \
         at once, and {MOST_AT_ONCE} in all, and those before it do not answer; look at the file \
         systems that secrets are on",
        WITHIN.as_secs()
    )]
    Busy,
    /// The system gives no thread.
    #[error("the system gives no thread to read it")]
    NoThread(#[source] io::Error),
    /// The thread ended without a word.
    #[error("reading it failed; see the control plane's log")]
    Panicked,
}

/// The right to read something, as long as it is kept.
struct Name(String);

impl Name {
    fn take(name: &str) -> Option<Self> {
        in_hand()
            .insert(name.to_owned())
            .then(|| Self(name.to_owned()))
    }

    async fn wait_for(name: &str) -> Self {
        loop {
            let mut freed = pin!(FREED.notified());
            // From here on no word is missed.
            freed.as_mut().enable();
            if let Some(name) = Self::take(name) {
                return name;
            }
            freed.await;
        }
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        in_hand().remove(&self.0);
        FREED.notify_waiters();
    }
}

fn in_hand() -> MutexGuard<'static, BTreeSet<String>> {
    IN_HAND.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits until so few files of these file systems are being read that one more may be.
async fn turn(file_systems: BTreeSet<FileSystem>) -> Vec<OwnedSemaphorePermit> {
    let mut turns = Vec::new();
    // All wait for them in the same order, so that nobody waits for each other.
    for file_system in file_systems {
        let threads = threads_of(file_system);
        turns.extend(threads.acquire_owned().await);
    }
    turns
}

fn threads_of(file_system: FileSystem) -> Arc<Semaphore> {
    let all = OF_FILE_SYSTEMS.lock();
    let mut all = all.unwrap_or_else(PoisonError::into_inner);
    // Those of which nothing is read and nobody waits for any more.
    all.retain(|_, threads| Arc::strong_count(threads) > 1);
    let threads = all.entry(file_system);
    Arc::clone(threads.or_insert_with(|| Arc::new(Semaphore::new(MOST_OF_ONE))))
}

/// Runs `read`, which reads what `name` tells from everything else, on a thread of its own; `paths`
/// are the files that it reads. One that takes longer than a few seconds is left to itself, and
/// until it is done nobody else reads the same.
///
/// # Errors
/// When it takes longer, or it is not its turn.
pub(crate) async fn in_time<T: Send + 'static>(
    name: &str,
    paths: &[PathBuf],
    read: impl FnOnce() -> T + Send + 'static,
) -> Result<T, NotRead> {
    within(WITHIN, name, file_systems(paths), read).await
}

async fn within<T: Send + 'static>(
    time: Duration,
    name: &str,
    file_systems: BTreeSet<FileSystem>,
    read: impl FnOnce() -> T + Send + 'static,
) -> Result<T, NotRead> {
    let end = Instant::now() + time;
    // Who else reads the same waits for the same file system.
    let name = timeout_at(end, Name::wait_for(name)).await;
    let name = name.map_err(|_| NotRead::Slow)?;
    let turns = async { (turn(file_systems).await, THREADS.acquire().await) };
    let turns = timeout_at(end, turns).await.map_err(|_| NotRead::Busy)?;
    let (done, read_at_last) = oneshot::channel();
    // No thread of the runtime's: its end would wait for this one.
    let thread = thread::Builder::new().name("files".to_owned());
    let work = move || {
        let _kept_until_it_is_done = (name, turns);
        // Perhaps nobody waits for it any more.
        let _ = done.send(read());
    };
    thread.spawn(work).map_err(NotRead::NoThread)?;
    let read = timeout_at(end, read_at_last).await;
    read.map_err(|_| NotRead::Slow)?
        .map_err(|_| NotRead::Panicked)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Long enough that nothing that answers takes it.
    const LONG: Duration = Duration::from_secs(600);
    const SHORT: Duration = Duration::from_millis(10);

    fn on(name: &str) -> BTreeSet<FileSystem> {
        BTreeSet::from([FileSystem::Device(name.to_owned())])
    }

    #[tokio::test]
    async fn it_leaves_what_hangs_to_itself_and_reads_everything_else() {
        let (answer, hanging) = mpsc::channel::<()>();
        let hang = move || hanging.recv().is_ok();
        let mut hangs = Box::pin(within(LONG, "a hanging file", on("1"), hang));
        let mut again = Box::pin(within(LONG, "a hanging file", on("1"), || "read"));
        assert!(futures::poll!(&mut hangs).is_pending());
        // It is not read by a thread more each time.
        assert!(futures::poll!(&mut again).is_pending());
        let other = within(LONG, "another file", on("1"), || 7).await;
        assert_eq!(other.unwrap(), 7);
        assert!(futures::poll!(&mut again).is_pending());
        drop(hangs);
        assert!(futures::poll!(&mut again).is_pending(), "it goes on");
        let late = within(SHORT, "a hanging file", on("1"), || ()).await;
        assert!(matches!(late, Err(NotRead::Slow)), "{late:?}");
        answer.send(()).unwrap();
        assert_eq!(again.await.unwrap(), "read");
    }

    #[tokio::test]
    async fn it_gives_up_after_its_time() {
        let (_answer, hanging) = mpsc::channel::<()>();
        let hang = move || hanging.recv().is_ok();
        let outcome = within(SHORT, "a file that hangs", on("1"), hang).await;
        assert!(matches!(outcome, Err(NotRead::Slow)), "{outcome:?}");
    }

    #[tokio::test]
    async fn it_reads_files_of_others_where_one_file_system_with_many_is_dead() {
        let mut answers = Vec::new();
        for file in 0..2 * MOST_AT_ONCE {
            let (answer, hanging) = mpsc::channel::<()>();
            let hang = move || hanging.recv().is_ok();
            let name = format!("file {file} of the dead one");
            let outcome = within(SHORT, &name, on("dead"), hang).await;
            let is_busy = matches!(outcome, Err(NotRead::Busy));
            let is_slow = matches!(outcome, Err(NotRead::Slow));
            assert_eq!(
                (is_slow, is_busy),
                (file < MOST_OF_ONE, file >= MOST_OF_ONE)
            );
            answers.push(answer);
        }
        for file in 0..2 * MOST_AT_ONCE {
            let name = format!("file {file} of the living one");
            let read = within(LONG, &name, on("living"), move || file).await;
            assert_eq!(read.unwrap(), file);
        }
        // A secret whose parts are on both waits for both.
        let parts = on("dead").into_iter().chain(on("living")).collect();
        let outcome = within(SHORT, "a pair", parts, || ()).await;
        assert!(matches!(outcome, Err(NotRead::Busy)), "{outcome:?}");
        // One that answers again is read again.
        drop(answers);
        let name = "file 9 of the dead one";
        assert_eq!(within(LONG, name, on("dead"), || 9).await.unwrap(), 9);
    }
}
