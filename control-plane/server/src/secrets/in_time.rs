//! Reads files on threads of their own and gives up on those that do not answer: a file system on a
//! network may hang for as long as it likes, and nobody else is to wait for it.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use thiserror::Error;
use tokio::sync::{Notify, Semaphore, oneshot};
use tokio::time::{Instant, timeout_at};

use super::file_system::{FileSystem, Way};

/// How long files may take. A disk that wakes up takes a second or two.
const WITHIN: Duration = Duration::from_secs(5);

/// The threads that read at once. One that waits for a dead file system stays until that answers.
const MOST_AT_ONCE: usize = 64;
/// Those of them that read of one file system: a dead one with hundreds of secrets on it must not
/// stop those on others. A living one has its files read by eight as fast as by more.
const MOST_OF_ONE: usize = 8;

/// The name of the threads.
const THREAD: &str = "files";

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

    /// Waits for it, but not beyond the end.
    async fn by(end: Instant, name: &str) -> Result<Self, NotRead> {
        let name = timeout_at(end, Self::wait_for(name)).await;
        name.map_err(|_| NotRead::Slow)
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

fn threads_of(file_system: FileSystem) -> Arc<Semaphore> {
    let all = OF_FILE_SYSTEMS.lock();
    let mut all = all.unwrap_or_else(PoisonError::into_inner);
    // Those of which nothing is read and nobody waits for any more.
    all.retain(|_, threads| Arc::strong_count(threads) > 1);
    let threads = all.entry(file_system);
    Arc::clone(threads.or_insert_with(|| Arc::new(Semaphore::new(MOST_OF_ONE))))
}

/// Reads the file of an absolute path on a thread of its own; `name` tells what is read from
/// everything else. `read` is given a path to the file, past the links of other file systems: a
/// thread waits for one file system alone, and takes the place of no file on another one. What
/// takes longer than a few seconds is left to itself, and until it is done nobody else reads the
/// same.
///
/// # Errors
/// When it takes longer, or it is not its turn.
pub(crate) async fn in_time<T: Send + 'static>(
    name: &str,
    path: &Path,
    read: impl FnOnce(&Path) -> T + Send + 'static,
) -> Result<T, NotRead> {
    within(WITHIN, name, Way::to(path), read).await
}

/// Does what `name` tells from everything else on a thread of its own, as [`in_time`] does, and
/// counts it for no file system: for work that waits for none, or that is one of a kind and so
/// keeps one thread at most.
///
/// # Errors
/// When it takes longer, or it is not its turn.
pub(super) async fn aside<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, NotRead> {
    let end = Instant::now() + WITHIN;
    let name = Name::by(end, name).await?;
    let (_name, done) = on_a_thread(end, name, None, work).await?;
    Ok(done)
}

thread_local! {
    /// The one file that a thread of [`in_time`] is for; nothing on one of [`aside`].
    static FILE: RefCell<Option<PathBuf>> = const { RefCell::new(None) };
}

/// Fails in tests where this thread is not to wait for file systems.
pub(super) fn may_wait() {
    debug_assert_eq!(thread::current().name(), Some(THREAD));
}

/// Fails in tests where this thread is not to wait for the file system of this file.
pub(super) fn may_wait_for(path: &Path) {
    may_wait();
    let its_own = FILE.with_borrow(Clone::clone);
    debug_assert!(its_own.is_none_or(|its_own| its_own == path), "{path:?}");
}

/// The outcome of one file system's part of the way: the file was read there, or the way leads to
/// another one, and the reading is still to be done.
enum Step<T, R> {
    Read(T),
    LeadsTo(Way, R),
}

async fn within<T: Send + 'static>(
    time: Duration,
    name: &str,
    mut way: Way,
    mut read: impl FnOnce(&Path) -> T + Send + 'static,
) -> Result<T, NotRead> {
    let end = Instant::now() + time;
    // Who else reads the same waits for the same file system.
    let mut name = Name::by(end, name).await?;
    loop {
        let file_system = way.file_system();
        let step = move || match way.clone().onwards() {
            Some(next) => Step::LeadsTo(next, read),
            None => {
                let path = way.path();
                FILE.set(Some(path.clone()));
                Step::Read(read(&path))
            }
        };
        match on_a_thread(end, name, Some(file_system), step).await? {
            (_, Step::Read(read)) => return Ok(read),
            (kept, Step::LeadsTo(next, to_do)) => (name, way, read) = (kept, next, to_do),
        }
    }
}

/// Runs `work`, which waits for this file system and no other one. The name is kept until it is
/// done, and is given back.
async fn on_a_thread<T: Send + 'static>(
    end: Instant,
    name: Name,
    file_system: Option<FileSystem>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<(Name, T), NotRead> {
    let turn = async {
        let of_one = match file_system.map(threads_of) {
            Some(threads) => threads.acquire_owned().await.ok(),
            None => None,
        };
        (of_one, THREADS.acquire().await)
    };
    let turn = timeout_at(end, turn).await.map_err(|_| NotRead::Busy)?;
    let (done, done_at_last) = oneshot::channel();
    // No thread of the runtime's: its end would wait for this one.
    let thread = thread::Builder::new().name(THREAD.to_owned());
    let work = move || {
        let _kept_until_it_is_done = turn;
        // Perhaps nobody waits for it any more.
        let _ = done.send((name, work()));
    };
    thread.spawn(work).map_err(NotRead::NoThread)?;
    let done = timeout_at(end, done_at_last).await;
    done.map_err(|_| NotRead::Slow)?
        .map_err(|_| NotRead::Panicked)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::sync::mpsc;

    use super::super::file_system::tests::way;
    use super::*;

    /// Long enough that nothing that answers takes it.
    const LONG: Duration = Duration::from_secs(600);
    const SHORT: Duration = Duration::from_millis(10);

    fn on(device: &str) -> Way {
        way(&[(Path::new("/"), device)], Path::new("/a-file"))
    }

    #[tokio::test]
    async fn it_leaves_what_hangs_to_itself_and_reads_everything_else() {
        let (answer, hanging) = mpsc::channel::<()>();
        let hang = move |_: &Path| hanging.recv().is_ok();
        let mut hangs = Box::pin(within(LONG, "a hanging file", on("1"), hang));
        let mut again = Box::pin(within(LONG, "a hanging file", on("1"), |_| "read"));
        assert!(futures::poll!(&mut hangs).is_pending());
        // It is not read by a thread more each time.
        assert!(futures::poll!(&mut again).is_pending());
        let other = within(LONG, "another file", on("1"), |_| 7).await;
        assert_eq!(other.unwrap(), 7);
        assert!(futures::poll!(&mut again).is_pending());
        drop(hangs);
        assert!(futures::poll!(&mut again).is_pending(), "it goes on");
        let late = within(SHORT, "a hanging file", on("1"), |_| ()).await;
        assert!(matches!(late, Err(NotRead::Slow)), "{late:?}");
        answer.send(()).unwrap();
        assert_eq!(again.await.unwrap(), "read");
    }

    #[tokio::test]
    async fn it_gives_up_after_its_time() {
        let (_answer, hanging) = mpsc::channel::<()>();
        let hang = move |_: &Path| hanging.recv().is_ok();
        let outcome = within(SHORT, "a file that hangs", on("1"), hang).await;
        assert!(matches!(outcome, Err(NotRead::Slow)), "{outcome:?}");
    }

    #[tokio::test]
    async fn it_reads_files_of_others_where_one_file_system_with_many_is_dead() {
        let mut answers = Vec::new();
        for file in 0..2 * MOST_AT_ONCE {
            let (answer, hanging) = mpsc::channel::<()>();
            let hang = move |_: &Path| hanging.recv().is_ok();
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
            let read = within(LONG, &name, on("living"), move |_| file).await;
            assert_eq!(read.unwrap(), file);
        }
        // One that answers again is read again.
        drop(answers);
        let name = "file 9 of the dead one";
        assert_eq!(within(LONG, name, on("dead"), |_| 9).await.unwrap(), 9);
    }

    #[tokio::test]
    async fn it_lets_a_dead_file_system_take_no_place_of_one_from_which_links_lead_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let (living, dead) = (root.join("a-living"), root.join("dead"));
        for place in [&living, &dead] {
            fs::create_dir(place).unwrap();
        }
        fs::write(living.join("plain"), "read").unwrap();
        let mounts: [(&Path, &str); 2] = [(&living, "a-living"), (&dead, "dead-by-links")];
        let mut answers = Vec::new();
        for file in 0..2 * MOST_OF_ONE {
            let link = living.join(format!("link-{file}"));
            symlink(dead.join("token"), &link).unwrap();
            let (answer, hanging) = mpsc::channel::<()>();
            let (began, mut begun) = oneshot::channel();
            let on_the_dead_one = dead.join("token");
            let hang = move |path: &Path| {
                assert_eq!(path, on_the_dead_one);
                began.send(()).unwrap();
                hanging.recv().is_ok()
            };
            let name = format!("link {file}");
            if file < MOST_OF_ONE {
                let mut read = Box::pin(within(LONG, &name, way(&mounts, &link), hang));
                tokio::select! {
                    begun = &mut begun => begun.unwrap(),
                    outcome = &mut read => panic!("it hangs: {outcome:?}"),
                }
            } else {
                let outcome = within(SHORT, &name, way(&mounts, &link), hang).await;
                assert!(outcome.is_err() && begun.try_recv().is_err(), "it waits");
            }
            answers.push(answer);
        }
        let plain = way(&mounts, &living.join("plain"));
        let read = within(LONG, "a file beside the links", plain, |path| {
            fs::read(path)
        });
        assert_eq!(read.await.unwrap().unwrap(), b"read");
    }
}
