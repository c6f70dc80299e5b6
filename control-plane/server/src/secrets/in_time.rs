//! Reads files on threads of their own and gives up on those that do not answer: a file system on a
//! network may hang for as long as it likes, and nobody else is to wait for it.

use std::collections::BTreeSet;
use std::io;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use thiserror::Error;
use tokio::sync::{Notify, oneshot};
use tokio::time::timeout;

/// How long files may take. A disk that wakes up takes a second or two.
const WITHIN: Duration = Duration::from_secs(5);

/// The threads that read at once. One that waits for a dead file system stays until that answers:
/// secrets on several of them must not stop those on others.
const MOST_AT_ONCE: usize = 64;

/// The names of everything that is being read, each by a thread.
static IN_HAND: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
/// Wakes those that wait for a thread or for a name.
static FREED: Notify = Notify::const_new();

/// Why files were not read.
#[derive(Debug, Error)]
pub(crate) enum NotRead {
    /// The file system did not answer.
    #[error("it was not read within {} s; look at the file system that it is on", WITHIN.as_secs())]
    Slow,
    /// The system gives no thread.
    #[error("the system gives no thread to read it")]
    NoThread(#[source] io::Error),
    /// The thread ended without a word.
    #[error("reading it failed; see the control plane's log")]
    Panicked,
}

/// The right to read something, as long as it is kept.
struct Place(String);

impl Place {
    fn take(name: &str) -> Option<Self> {
        let mut in_hand = in_hand();
        let is_free = in_hand.len() < MOST_AT_ONCE && in_hand.insert(name.to_owned());
        is_free.then(|| Self(name.to_owned()))
    }

    async fn wait_for(name: &str) -> Self {
        loop {
            let mut freed = pin!(FREED.notified());
            // From here on no word is missed.
            freed.as_mut().enable();
            if let Some(place) = Self::take(name) {
                return place;
            }
            freed.await;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        in_hand().remove(&self.0);
        FREED.notify_waiters();
    }
}

fn in_hand() -> MutexGuard<'static, BTreeSet<String>> {
    IN_HAND.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `read`, which reads what `name` tells from everything else, on a thread of its own. One
/// that takes longer than a few seconds is left to itself, and until it is done nobody else reads
/// the same.
///
/// # Errors
/// When it takes longer.
pub(crate) async fn in_time<T: Send + 'static>(
    name: &str,
    read: impl FnOnce() -> T + Send + 'static,
) -> Result<T, NotRead> {
    within(WITHIN, aside(name, read)).await
}

async fn within<T>(
    time: Duration,
    read: impl Future<Output = Result<T, NotRead>>,
) -> Result<T, NotRead> {
    timeout(time, read).await.unwrap_or(Err(NotRead::Slow))
}

async fn aside<T: Send + 'static>(
    name: &str,
    read: impl FnOnce() -> T + Send + 'static,
) -> Result<T, NotRead> {
    let place = Place::wait_for(name).await;
    let (done, read_at_last) = oneshot::channel();
    // No thread of the runtime's: its end would wait for this one.
    let thread = thread::Builder::new().name("files".to_owned());
    let work = move || {
        let _place = place;
        // Perhaps nobody waits for it any more.
        let _ = done.send(read());
    };
    thread.spawn(work).map_err(NotRead::NoThread)?;
    read_at_last.await.map_err(|_| NotRead::Panicked)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn it_leaves_what_hangs_to_itself_and_reads_everything_else() {
        let (answer, hanging) = mpsc::channel::<()>();
        let hang = move || hanging.recv().is_ok();
        let mut hangs = Box::pin(aside("a hanging file", hang));
        let mut again = Box::pin(aside("a hanging file", || "read"));
        assert!(futures::poll!(&mut hangs).is_pending());
        // It is not read by a thread more each time.
        assert!(futures::poll!(&mut again).is_pending());
        assert_eq!(aside("another file", || 7).await.unwrap(), 7);
        assert!(futures::poll!(&mut again).is_pending());
        drop(hangs);
        assert!(futures::poll!(&mut again).is_pending(), "it goes on");
        answer.send(()).unwrap();
        assert_eq!(again.await.unwrap(), "read");
    }

    #[tokio::test]
    async fn it_gives_up_after_its_time() {
        let (_answer, hanging) = mpsc::channel::<()>();
        let hang = aside("a file that hangs", move || hanging.recv().is_ok());
        let outcome = within(Duration::from_millis(10), hang).await;
        assert!(matches!(outcome, Err(NotRead::Slow)), "{outcome:?}");
    }
}
