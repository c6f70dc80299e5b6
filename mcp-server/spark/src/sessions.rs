//! Which Spark session a statement runs in: one for all that read, one for each caller that writes.
//!
//! A session that reads cannot be changed, so all share it. One that writes has settings, a current
//! schema and temporary views, which are its caller's; it ends with the caller's own session, and a
//! call without a session has one to itself. Their number is bounded: the one that was idle for
//! longest makes room, and while all are busy a newcomer is told to wait.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use tokio::sync::OnceCell;
use tokio::time::timeout;
use uuid::Uuid;

use super::connect::{Connect, ConnectError, Session, SparkUser, Statement};

/// Sessions that may write, at once. Each costs Spark's driver some megabytes while it lives.
const WRITERS: usize = 64;

/// The sessions of this process. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Sessions {
    connect: Connect,
    user: SparkUser,
    startup: Option<Startup>,
    reader: Arc<Mutex<Option<Opening>>>,
    writers: Arc<Mutex<HashMap<String, Writer>>>,
}

/// The statement that is run in a new server before any other, and the time that it has.
#[derive(Debug, Clone)]
pub(super) struct Startup {
    pub(super) statement: Statement,
    pub(super) limit: Duration,
}

/// The opening of the readers' session, and the session once it is open.
type Opening = Shared<BoxFuture<'static, Result<Session, ConnectError>>>;

#[derive(Debug)]
struct Writer {
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
    pub(super) async fn writer(&self, caller: Option<&str>) -> Result<WriterLease, SessionError> {
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

    /// Whether the caller has made something in the session that another would not have.
    pub(super) fn is_changed(&self) -> bool {
        self.session.is_changed.load(Ordering::SeqCst)
    }

    /// Remembers that the caller has made something in the session.
    pub(super) fn note_change(&self) {
        self.session.is_changed.store(true, Ordering::SeqCst);
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
        if writer.calls == 0 && (self.ends_with_call || writer.session.opened.get().is_none()) {
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
    use crate::connect::fake::{Asked, Ending, Fake, Turn};
    use crate::connect::samples;

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
    async fn it_bounds_plans_and_has_texts_taken_as_they_are_written_in_every_session() {
        let (fake, sessions) = sessions().await;
        sessions.reader().await.expect("a session");
        sessions.writer(Some("a")).await.expect("a session");
        sessions.writer(None).await.expect("a session");
        let asked = fake.asked();
        let opened = asked.iter().filter_map(|asked| match asked {
            Asked::Open { settings, .. } => Some(settings),
            _ => None,
        });
        let opened: Vec<_> = opened.collect();
        assert_eq!(opened.len(), 3, "{asked:?}");
        for (name, value) in [
            ("spark.sql.variable.substitute", "false"),
            ("spark.sql.maxPlanStringLength", "10000"),
        ] {
            let setting = (name.to_owned(), value.to_owned());
            assert!(
                opened.iter().all(|set| set.contains(&setting)),
                "{opened:?}"
            );
        }
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
    async fn it_closes_a_session_whose_caller_or_call_ends_while_it_is_opened() {
        for is_caller in [true, false] {
            let (fake, sessions) = sessions().await;
            let held = fake.hold_openings().await;
            let opener = sessions.clone();
            let opening = tokio::spawn(async move { opener.writer(Some("a")).await.map(drop) });
            fake.until(|asked| matches!(asked, Asked::Open { .. }))
                .await;
            if is_caller {
                sessions.end("a");
                drop(held);
                let refused = opening.await.expect("no panic").expect_err("it was ended");
                assert_eq!(refused, ConnectError::SessionGone.into());
            } else {
                opening.abort();
                fake.until(|asked| matches!(asked, Asked::Close { .. }))
                    .await;
            }
            sessions.connect.drain().await;
            let asked = fake.asked();
            let opened = asked.iter().find_map(|asked| match asked {
                Asked::Open { session, .. } => Some(session.clone()),
                _ => None,
            });
            let session = opened.expect("it was being opened");
            assert!(asked.contains(&Asked::Close { session }), "{asked:?}");
            assert!(lock(&sessions.writers).is_empty());
        }
    }

    #[tokio::test]
    async fn it_interrupts_a_startup_statement_that_outlasts_its_time_and_nobody_cuts_it_short() {
        let endless = Turn::Send(Vec::new(), Ending::Open);
        let (fake, connect) = Fake::serve(vec![endless]).await;
        let startup = Startup {
            statement: Statement::new("CREATE TABLE t"),
            limit: Duration::from_millis(300),
        };
        let sessions = Sessions::new(connect, SparkUser::new("test"), Some(startup));
        let impatient = sessions.clone();
        let impatient = tokio::spawn(async move { impatient.reader().await });
        fake.until(|asked| matches!(asked, Asked::Execute { .. }))
            .await;
        impatient.abort();
        let reader = timeout(Duration::from_secs(60), sessions.reader()).await;
        reader.expect("in time").expect("a session");
        sessions.connect.drain().await;
        let asked = fake.asked();
        let count = |wanted: fn(&Asked) -> bool| asked.iter().filter(|a| wanted(a)).count();
        assert_eq!(
            count(|a| matches!(a, Asked::Execute { .. })),
            1,
            "{asked:?}"
        );
        assert_eq!(
            count(|a| matches!(a, Asked::Interrupt { .. })),
            1,
            "{asked:?}"
        );
        assert_eq!(count(|a| matches!(a, Asked::Close { .. })), 1, "{asked:?}");
    }

    #[tokio::test]
    async fn it_opens_the_readers_session_although_the_startup_statement_is_refused() {
        let refused = samples::error("PARSE_SYNTAX_ERROR", "42601", "no SQL");
        let (fake, connect) = Fake::serve(vec![Turn::Refuse(refused)]).await;
        let startup = Startup {
            statement: Statement::new("CREATE TABEL t"),
            limit: Duration::from_secs(60),
        };
        let sessions = Sessions::new(connect, SparkUser::new("test"), Some(startup));
        sessions.reader().await.expect("a session");
        sessions.connect.drain().await;
        assert_eq!(fake.plans().len(), 1);
        assert_eq!(closed(&fake), 1);
    }

    #[tokio::test]
    async fn it_keeps_no_opening_that_failed() {
        let (fake, sessions) = sessions().await;
        let down = || Err(tonic::Status::unavailable("later"));
        fake.answer_analyses(vec![down(), down()]);
        for _ in 0..2 {
            sessions.reader().await.expect_err("it does not answer");
        }
        let session = sessions.reader().await.expect("it is back");
        assert_eq!(
            sessions.reader().await.expect("the same").id(),
            session.id()
        );
        sessions.connect.drain().await;
        assert_eq!(closed(&fake), 2);
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
