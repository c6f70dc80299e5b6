//! Which Spark session a statement runs in: one for all that read, one for each caller that writes.
//!
//! A session that reads cannot be changed, so all share it. One that writes has settings, a current
//! schema and temporary views, which are its caller's; it ends with the caller's own session, and a
//! call without a session has one to itself. Their number is bounded: of the caller who has the
//! most the one that was idle for longest makes room, and while all are busy a newcomer is told to
//! wait. Whoever had made something in a session that is gone is told so, once, before anything
//! runs in another.

use std::cmp::Reverse;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fair_shares::Claimant;
use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use tokio::sync::OnceCell;
use tokio::time::timeout;
use uuid::Uuid;

use super::connect::{Connect, ConnectError, Session, SparkUser, Statement};

/// Sessions that may write, at once. Each costs Spark's driver some megabytes while it lives.
const WRITERS: usize = 64;

/// Callers that are still to be told that their session is gone. Each has made something in it, so
/// they are few; of more, the first hear that Spark does not find what they had made.
const LOST: usize = 1024;

/// Whoever asks Spark for something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SparkCaller {
    /// The id of the caller's own session, if it has one: it finds there what its statements have
    /// made.
    pub session: Option<String>,
    /// On whose account places in Spark and sessions are taken.
    pub claimant: Claimant,
}

impl SparkCaller {
    /// This server itself, for its work beside calls.
    pub fn server() -> Self {
        Self {
            session: None,
            claimant: Claimant::Server,
        }
    }
}

/// The sessions of this process. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Sessions {
    connect: Connect,
    user: SparkUser,
    startup: Option<Startup>,
    reader: Arc<Mutex<Option<Opening>>>,
    writers: Arc<Mutex<Writers>>,
}

/// The statement that is run in a new server before any other, and the time that it has.
#[derive(Debug, Clone)]
pub(super) struct Startup {
    pub(super) statement: Statement,
    pub(super) limit: Duration,
}

/// The opening of the readers' session, and the session once it is open.
type Opening = Shared<BoxFuture<'static, Result<Session, ConnectError>>>;

/// The sessions that may write.
#[derive(Debug, Default)]
struct Writers {
    open: HashMap<String, Writer>,
    /// The callers who are to be told that theirs is gone.
    lost: VecDeque<String>,
}

impl Writers {
    /// Whether this caller is to be told that its session is gone; it is told once.
    fn take_lost(&mut self, key: &str) -> bool {
        let place = self.lost.iter().position(|lost| lost == key);
        place.and_then(|place| self.lost.remove(place)).is_some()
    }

    /// Removes a session that its caller has not ended.
    fn lose(&mut self, key: &str) -> Option<Writer> {
        let lost = self.open.remove(key)?;
        if lost.session.is_changed.load(Ordering::SeqCst) {
            if self.lost.len() == LOST {
                self.lost.pop_front();
            }
            self.lost.push_back(key.to_owned());
        }
        Some(lost)
    }

    /// The session that makes room for another: of the caller who has the most, of those that
    /// have one which nobody uses, the one that was idle for longest.
    fn most_dispensable(&self) -> Option<String> {
        let mut counts = HashMap::<&Claimant, usize>::new();
        for writer in self.open.values() {
            *counts.entry(&writer.claimant).or_default() += 1;
        }
        let idle = self.open.iter().filter(|(_, writer)| writer.calls == 0);
        let first = idle.max_by_key(|(_, writer)| {
            let count = counts.get(&writer.claimant);
            (count, Reverse(writer.last_used))
        });
        first.map(|(key, _)| key.clone())
    }
}

#[derive(Debug)]
struct Writer {
    claimant: Claimant,
    session: Arc<WriterSession>,
    calls: usize,
    last_used: Instant,
}

/// A session that may write, from before it is opened.
#[derive(Debug, Default)]
struct WriterSession {
    opened: OnceCell<Session>,
    /// Its caller has ended it, maybe while it was being opened.
    is_ended: AtomicBool,
    /// Its caller has made something in it that no other session has.
    is_changed: AtomicBool,
}

/// Why there is no session.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// Every session that may write is busy.
    #[error("all {WRITERS} Spark sessions that may write are busy")]
    Busy,
    /// The session is gone in which the caller had made something.
    #[error(
        "the session of this caller in Spark is closed (Spark was restarted, or the session was \
         idle for long or made room for others); its temporary views, variables and settings are \
         gone, and the statement did not run"
    )]
    Lost,
    /// Spark Connect does not answer, or refuses.
    #[error(transparent)]
    Connect(#[from] ConnectError),
}

impl Sessions {
    pub(super) fn new(connect: Connect, user: SparkUser, startup: Option<Startup>) -> Self {
        Self {
            connect,
            user,
            startup,
            reader: Arc::default(),
            writers: Arc::default(),
        }
    }

    /// The session that all readers share.
    pub(super) async fn reader(&self) -> Result<Session, ConnectError> {
        let opening = {
            let mut reader = lock(&self.reader);
            let known = reader.clone();
            let under_way = match known.clone().map(FutureExt::now_or_never) {
                Some(Some(Ok(session))) => return Ok(session),
                Some(None) => known,
                Some(Some(Err(_))) | None => None,
            };
            under_way.unwrap_or_else(|| reader.insert(self.begin_opening()).clone())
        };
        opening.await
    }

    /// Opens the readers' session in a task of its own: all wait for it, and none who gives up
    /// cuts it short.
    fn begin_opening(&self) -> Opening {
        let sessions = self.clone();
        let opening = tokio::spawn(async move { sessions.open_reader().await });
        opening
            .map(|ended| {
                ended.unwrap_or_else(|lost| Err(ConnectError::Malformed(lost.to_string())))
            })
            .boxed()
            .shared()
    }

    async fn open_reader(&self) -> Result<Session, ConnectError> {
        let session = self.connect.open_for_reading(&self.user).await?;
        if let Some(startup) = &self.startup {
            self.start_up(startup).await;
        }
        if !session.reads_are_checked() {
            tracing::warn!(
                "Spark has no check that statements only read: only plain queries are taken"
            );
        }
        Ok(session)
    }

    /// Runs what the operator wants run in a new server, within its time; a failure is for the
    /// operator alone.
    async fn start_up(&self, startup: &Startup) {
        let session = match self.connect.open_for_writing(&self.user).await {
            Ok(session) => session,
            Err(error) => return tracing::warn!(%error, "SPARK_STARTUP_SQL could not be run"),
        };
        let mut execution = self.connect.execute(&session, startup.statement.clone());
        let run = async move {
            while execution.next().await?.is_some() {}
            Ok::<_, ConnectError>(())
        };
        let ended = timeout(startup.limit, run).await;
        self.connect.close(&session);
        match ended {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "SPARK_STARTUP_SQL could not be run"),
            Err(_) => tracing::warn!(
                limit_s = startup.limit.as_secs(),
                "SPARK_STARTUP_SQL ran for its whole time (SPARK_STATEMENT_TIMEOUT_MS) and was \
                 interrupted"
            ),
        }
    }

    /// Drops the readers' session, which Spark has closed; another that was opened since stays.
    pub(super) fn forget_reader(&self, gone: &Session) {
        let mut reader = lock(&self.reader);
        let known = reader.clone().and_then(FutureExt::now_or_never);
        if known.is_some_and(|known| known.is_ok_and(|known| known.id() == gone.id())) {
            reader.take();
        }
    }

    /// The session of `caller`, or one for this call alone.
    pub(super) async fn writer(&self, caller: &SparkCaller) -> Result<WriterLease, SessionError> {
        let lease = self.lease(caller)?;
        let opening = || self.connect.open_for_writing(&self.user);
        let session = lease.session.opened.get_or_try_init(opening).await?;
        if lease.session.is_ended.load(Ordering::SeqCst) {
            // Who ended it found nothing to close.
            self.connect.close(session);
            return Err(ConnectError::SessionGone.into());
        }
        Ok(lease)
    }

    fn lease(&self, caller: &SparkCaller) -> Result<WriterLease, SessionError> {
        let key = match &caller.session {
            Some(session) => session.clone(),
            None => format!("call {}", Uuid::new_v4()),
        };
        let mut writers = lock(&self.writers);
        if writers.take_lost(&key) {
            return Err(SessionError::Lost);
        }
        if !writers.open.contains_key(&key) && writers.open.len() >= WRITERS {
            let first = writers.most_dispensable().ok_or(SessionError::Busy)?;
            self.close(writers.lose(&first).as_ref());
        }
        let writer = writers.open.entry(key.clone()).or_insert_with(|| Writer {
            claimant: caller.claimant.clone(),
            session: Arc::default(),
            calls: 0,
            last_used: Instant::now(),
        });
        writer.calls += 1;
        Ok(WriterLease {
            sessions: self.clone(),
            session: Arc::clone(&writer.session),
            ends_with_call: caller.session.is_none(),
            key,
        })
    }

    /// Ends what a caller's session has in Spark.
    pub(super) fn end(&self, session: &str) {
        let mut writers = lock(&self.writers);
        writers.take_lost(session);
        let ended = writers.open.remove(session);
        drop(writers);
        self.close(ended.as_ref());
    }

    fn close(&self, writer: Option<&Writer>) {
        let Some(writer) = writer else {
            return;
        };
        // In this order: an opening that is under way now sees the end when it is over.
        writer.session.is_ended.store(true, Ordering::SeqCst);
        if let Some(session) = writer.session.opened.get() {
            self.connect.close(session);
        }
    }
}

/// The use of a session that may write, by one call.
#[derive(Debug)]
pub(super) struct WriterLease {
    sessions: Sessions,
    session: Arc<WriterSession>,
    key: String,
    ends_with_call: bool,
}

impl WriterLease {
    /// The session, which a lease has once it was opened.
    pub(super) fn session(&self) -> Option<&Session> {
        self.session.opened.get()
    }

    /// Remembers that the caller has made something in the session.
    pub(super) fn note_change(&self) {
        self.session.is_changed.store(true, Ordering::SeqCst);
    }

    /// Drops the session, which Spark has closed. The caller's next call opens another, or is told
    /// that what was made in this one is gone.
    pub(super) fn forget(self) {
        let mut writers = lock(&self.sessions.writers);
        let is_this = |writer: &Writer| Arc::ptr_eq(&writer.session, &self.session);
        if writers.open.get(&self.key).is_some_and(is_this) {
            writers.lose(&self.key);
        }
    }
}

impl Drop for WriterLease {
    fn drop(&mut self) {
        let mut writers = lock(&self.sessions.writers);
        let Some(writer) = writers.open.get_mut(&self.key) else {
            return;
        };
        if !Arc::ptr_eq(&writer.session, &self.session) {
            return;
        }
        writer.calls -= 1;
        writer.last_used = Instant::now();
        // One that could not be opened is not kept either.
        if writer.calls == 0 && (self.ends_with_call || writer.session.opened.get().is_none()) {
            let ended = writers.open.remove(&self.key);
            drop(writers);
            self.sessions.close(ended.as_ref());
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
