//! Which Spark session a statement runs in: one for all that read, one for each caller that writes.
//!
//! A session that reads cannot be changed, so all share it. One that writes has settings, a current
//! schema and temporary views, which are its caller's; it ends with the caller's own session, and a
//! call without a session has one to itself. Their number is bounded: the one that was idle for
//! longest makes room, and while all are busy a newcomer is told to wait.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::OnceCell;
use uuid::Uuid;

use super::connect::{Connect, ConnectError, Session, SparkUser, Statement};

/// Sessions that may write, at once. Each costs Spark's driver some megabytes while it lives.
const WRITERS: usize = 64;

/// The sessions of this process. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Sessions {
    connect: Connect,
    user: SparkUser,
    /// The statement that is run in a new server before any other.
    startup: Option<Statement>,
    reader: Arc<tokio::sync::Mutex<Option<Session>>>,
    writers: Arc<Mutex<HashMap<String, Writer>>>,
}

#[derive(Debug)]
struct Writer {
    session: Arc<OnceCell<Session>>,
    calls: usize,
    last_used: Instant,
}

/// Why there is no session.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// Every session that may write is busy.
    #[error("all {WRITERS} Spark sessions that may write are busy")]
    Busy,
    /// Spark Connect does not answer, or refuses.
    #[error(transparent)]
    Connect(#[from] ConnectError),
}

impl Sessions {
    pub(super) fn new(connect: Connect, user: SparkUser, startup: Option<Statement>) -> Self {
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
        // Held across the opening: those who come meanwhile wait for it instead of opening another.
        let mut reader = self.reader.lock().await;
        if let Some(session) = &*reader {
            return Ok(session.clone());
        }
        let session = self.connect.open_for_reading(&self.user).await?;
        if let Err(error) = self.start_up().await {
            tracing::warn!(%error, "SPARK_STARTUP_SQL could not be run");
        }
        if !session.reads_are_checked() {
            tracing::warn!(
                "Spark has no check that statements only read: only plain queries are taken"
            );
        }
        Ok(reader.insert(session).clone())
    }

    /// Runs what the operator wants run in a new server.
    async fn start_up(&self) -> Result<(), ConnectError> {
        let Some(statement) = &self.startup else {
            return Ok(());
        };
        let session = self.connect.open_for_writing(&self.user).await?;
        let mut execution = self.connect.execute(&session, statement.clone());
        let ended = loop {
            match execution.next().await {
                Ok(None) => break Ok(()),
                Ok(Some(_)) => {}
                Err(error) => break Err(error),
            }
        };
        self.connect.close(&session);
        ended
    }

    /// Drops the readers' session, which Spark has closed.
    pub(super) async fn forget_reader(&self) {
        self.reader.lock().await.take();
    }

    /// The session of `caller`, or one for this call alone.
    pub(super) async fn writer(&self, caller: Option<&str>) -> Result<WriterLease, SessionError> {
        let lease = self.lease(caller)?;
        lease
            .session
            .get_or_try_init(|| self.connect.open_for_writing(&self.user))
            .await?;
        Ok(lease)
    }

    fn lease(&self, caller: Option<&str>) -> Result<WriterLease, SessionError> {
        let key = caller.map_or_else(|| format!("call {}", Uuid::new_v4()), ToOwned::to_owned);
        let mut writers = lock(&self.writers);
        if !writers.contains_key(&key) && writers.len() >= WRITERS {
            let idle = writers.iter().filter(|(_, writer)| writer.calls == 0);
            let oldest = idle.min_by_key(|(_, writer)| writer.last_used);
            let oldest = oldest
                .map(|(key, _)| key.clone())
                .ok_or(SessionError::Busy)?;
            self.close(writers.remove(&oldest).as_ref());
        }
        let writer = writers.entry(key.clone()).or_insert_with(|| Writer {
            session: Arc::default(),
            calls: 0,
            last_used: Instant::now(),
        });
        writer.calls += 1;
        Ok(WriterLease {
            sessions: self.clone(),
            session: Arc::clone(&writer.session),
            ends_with_call: caller.is_none(),
            key,
        })
    }

    /// Ends the Spark session of `caller`, if it has one.
    pub(super) fn end(&self, caller: &str) {
        let ended = lock(&self.writers).remove(caller);
        self.close(ended.as_ref());
    }

    fn close(&self, writer: Option<&Writer>) {
        if let Some(session) = writer.and_then(|writer| writer.session.get()) {
            self.connect.close(session);
        }
    }
}

/// The use of a session that may write, by one call.
#[derive(Debug)]
pub(super) struct WriterLease {
    sessions: Sessions,
    session: Arc<OnceCell<Session>>,
    key: String,
    ends_with_call: bool,
}

impl WriterLease {
    /// The session, which a lease has once it was opened.
    pub(super) fn session(&self) -> Option<&Session> {
        self.session.get()
    }

    /// Drops the session, which Spark has closed; the caller's next call opens another.
    pub(super) fn forget(self) {
        let mut writers = lock(&self.sessions.writers);
        let is_this = |writer: &Writer| Arc::ptr_eq(&writer.session, &self.session);
        if writers.get(&self.key).is_some_and(is_this) {
            writers.remove(&self.key);
        }
    }
}

impl Drop for WriterLease {
    fn drop(&mut self) {
        let mut writers = lock(&self.sessions.writers);
        let Some(writer) = writers.get_mut(&self.key) else {
            return;
        };
        if !Arc::ptr_eq(&writer.session, &self.session) {
            return;
        }
        writer.calls -= 1;
        writer.last_used = Instant::now();
        // One that could not be opened is not kept either.
        if writer.calls == 0 && (self.ends_with_call || writer.session.get().is_none()) {
            let ended = writers.remove(&self.key);
            drop(writers);
            self.sessions.close(ended.as_ref());
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spark::connect::fake::{Asked, Fake};

    async fn sessions() -> (Fake, Sessions) {
        let (fake, connect) = Fake::serve(Vec::new()).await;
        (fake, Sessions::new(connect, SparkUser::new("test"), None))
    }

    fn closed(fake: &Fake) -> usize {
        let closes = |asked: &&Asked| matches!(asked, Asked::Close { .. });
        fake.asked().iter().filter(closes).count()
    }

    #[tokio::test]
    async fn it_gives_each_caller_a_session_and_each_call_without_one_its_own() {
        let (fake, sessions) = sessions().await;
        let id = |lease: &WriterLease| lease.session().expect("open").id();
        let first = id(&sessions.writer(Some("a")).await.expect("a session"));
        let again = id(&sessions.writer(Some("a")).await.expect("a session"));
        let other = id(&sessions.writer(Some("b")).await.expect("a session"));
        assert_eq!(first, again);
        assert_ne!(first, other);
        let [one, two] = [
            id(&sessions.writer(None).await.expect("a session")),
            id(&sessions.writer(None).await.expect("a session")),
        ];
        assert_ne!(one, two);
        sessions.end("a");
        sessions.connect.drain().await;
        let ended: Vec<Asked> = [one, two, first]
            .map(|session| Asked::Close { session })
            .to_vec();
        let asked = fake.asked();
        assert!(ended.iter().all(|close| asked.contains(close)), "{asked:?}");
        assert_eq!(closed(&fake), 3);
    }

    #[tokio::test]
    async fn it_keeps_a_fixed_number_of_sessions_and_none_that_is_in_use_goes() {
        let (fake, sessions) = sessions().await;
        let mut busy = Vec::new();
        for number in 0..WRITERS {
            let caller = format!("busy {number}");
            busy.push(sessions.writer(Some(&caller)).await.expect("a session"));
        }
        let refused = sessions.writer(Some("more")).await.expect_err("no room");
        assert_eq!(refused, SessionError::Busy);
        busy.pop();
        sessions.writer(Some("more")).await.expect("room");
        assert_eq!(lock(&sessions.writers).len(), WRITERS);
        sessions.connect.drain().await;
        assert_eq!(closed(&fake), 1);
    }

    #[tokio::test]
    async fn it_opens_another_session_after_spark_closed_one() {
        let (_fake, sessions) = sessions().await;
        let lease = sessions.writer(Some("a")).await.expect("a session");
        let first = lease.session().expect("open").id();
        lease.forget();
        let lease = sessions.writer(Some("a")).await.expect("a session");
        assert_ne!(lease.session().expect("open").id(), first);
    }
}
