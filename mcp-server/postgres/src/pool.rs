//! The sessions that calls borrow, and what becomes of one afterwards.
//!
//! Each caller has a fair share of the sessions of a pool: a queue stands before it, and whoever
//! has a turn there finds a session or room for another.
//!
//! A session goes back when its transaction is known to have been rolled back and nothing that ran
//! in it can have left traces; in every other case it is cancelled and closed.

use std::sync::Arc;
use std::time::Duration;

use deadpool::Runtime;
use deadpool::managed::{
    self, Metrics, Object, PoolError, RecycleError, RecycleResult, TimeoutType, Timeouts,
};
use fair_shares::{Claimant, FairQueue, Turn};
use futures::future::join_all;
use serde::Serialize;
use tokio::time::Instant;

use super::error::{Error, NotOpened};
use super::session::{OpenError, Session, SessionSettings};
use super::wire::{self, ConnectError, Login};

/// How long a call waits for a session while all are busy. Less, and a burst of a hundred callers
/// on a slow machine would be turned away, although each is served in its turn; more, and a caller
/// would not hear of it, for whom clients and the gateway wait half a minute.
const QUEUE_TIMEOUT: Duration = Duration::from_secs(20);

/// A login has three seconds, and the dozen settings behind it take a round trip each. It is no
/// statement of the caller's, so that a short time for these is none for it.
const LONGEST_OPENING: Duration = Duration::from_secs(10);

/// PostgreSQL rolls back at once, whatever was changed; whoever takes longer has fallen silent.
const LONGEST_ROLLBACK: Duration = Duration::from_secs(10);

/// Sessions of one purpose.
pub(super) struct SessionPool {
    sessions: managed::Pool<Opener>,
    /// The line of those who wait for a session, as long as the pool is large.
    queue: FairQueue<Claimant>,
    purpose: &'static str,
}

impl std::fmt::Debug for SessionPool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "SessionPool({}, {:?})",
            self.purpose,
            self.sessions.status()
        )
    }
}

/// The state of a pool of sessions at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct PoolUse {
    /// The work that its sessions are for.
    pub purpose: &'static str,
    /// The most sessions that it may have open.
    pub most: usize,
    /// The sessions that are open.
    pub open: usize,
    /// Those of them that nobody uses.
    pub idle: usize,
    /// The calls that wait for one.
    pub waiting: usize,
}

/// Opens sessions for a pool.
pub(super) struct Opener {
    pub(super) login: Arc<Login>,
    pub(super) settings: SessionSettings,
}

impl managed::Manager for Opener {
    type Type = Session;
    type Error = OpenError;

    async fn create(&self) -> Result<Session, OpenError> {
        // On the heap: whoever waits for a session carries what opening one needs, too.
        Box::pin(Session::open(&self.login, &self.settings)).await
    }

    async fn recycle(&self, session: &mut Session, _: &Metrics) -> RecycleResult<OpenError> {
        match session.is_quiet() {
            true => Ok(()),
            false => Err(RecycleError::message("the server has hung up")),
        }
    }
}

impl SessionPool {
    /// A pool of up to `most` sessions; none is opened yet.
    pub(super) fn new(purpose: &'static str, most: usize, opener: Opener) -> anyhow::Result<Self> {
        Ok(Self {
            sessions: managed::Pool::builder(opener)
                .max_size(most)
                .runtime(Runtime::Tokio1)
                .build()?,
            queue: FairQueue::new(format!("connections for {purpose}"), most),
            purpose,
        })
    }

    /// A session, as soon as it is this caller's turn, under a role where one is named. The wait in
    /// line comes before the time of what is to run in it, and is no longer than `time`; nor is the
    /// opening of a session, with which that time begins.
    pub(super) async fn lease(
        &self,
        claimant: &Claimant,
        role: Option<&str>,
        time: Option<Duration>,
    ) -> Result<Lease, Error> {
        let turn = self.queue.enter(claimant, self.patience(time)).await?;
        let opening = OpeningTime::of(time);
        let timeouts = Timeouts {
            // Whoever has a turn has a place in the pool.
            wait: Some(Duration::ZERO),
            create: Some(opening.most),
            recycle: None,
        };
        let mut lease = match Box::pin(self.sessions.timeout_get(&timeouts)).await {
            Ok(session) => Lease::of(session, turn),
            Err(PoolError::Timeout(TimeoutType::Create)) => {
                return Err(self.not_opened(opening.over()));
            }
            Err(PoolError::Backend(cause)) => return Err(self.not_opened(cause)),
            Err(error) => return Err(Error::NoSession(error.to_string())),
        };
        if let Some(role) = role {
            let over = lease.begun + opening.most;
            let taken = Box::pin(lease.session().take_role(role));
            let taken = tokio::time::timeout_at(over, taken).await;
            let taken = taken.unwrap_or_else(|_| Err(opening.over()));
            taken.map_err(|cause| self.not_opened(cause))?;
        }
        Ok(lease)
    }

    /// Opens so many sessions at once; they stay open for those who come.
    pub(super) async fn open(&self, count: usize) -> Result<(), Error> {
        // On nobody's account: a caller who is one could not open the last of them.
        let everybody = Claimant::Unknown;
        let leases = join_all((0..count).map(|_| self.lease(&everybody, None, None))).await;
        for lease in leases {
            lease?.give_back();
        }
        Ok(())
    }

    /// How many sessions there are, and how many calls wait for one.
    pub(super) fn use_now(&self) -> PoolUse {
        let status = self.sessions.status();
        PoolUse {
            purpose: self.purpose,
            most: status.max_size,
            open: status.size,
            idle: status.available,
            waiting: self.queue.waiting(),
        }
    }

    fn not_opened(&self, cause: OpenError) -> Error {
        Error::NotOpened(NotOpened {
            address: self.sessions.manager().login.address(),
            cause,
        })
    }

    /// The wait for a session, which is no longer than what is to run in it may take.
    fn patience(&self, time: Option<Duration>) -> Duration {
        let settings = &self.sessions.manager().settings;
        let most = QUEUE_TIMEOUT.min(settings.statement_timeout);
        time.map_or(most, |time| time.min(most))
    }
}

/// The time that the opening of a session may take.
#[derive(Debug, Clone, Copy)]
struct OpeningTime {
    most: Duration,
    is_callers: bool,
}

impl OpeningTime {
    /// That of a caller who gives so much time.
    fn of(time: Option<Duration>) -> Self {
        let own = time.filter(|time| *time < LONGEST_OPENING);
        Self {
            most: own.unwrap_or(LONGEST_OPENING),
            is_callers: own.is_some(),
        }
    }

    /// The end of an opening that took longer.
    fn over(self) -> OpenError {
        match self.is_callers {
            true => OpenError::OutOfTime(self.most),
            false => ConnectError::TimedOut.into(),
        }
    }
}

/// A borrowed session. Dropped before [`Lease::give_back`], what it runs is cancelled in PostgreSQL
/// and the connection closed.
pub(super) struct Lease {
    session: Option<Object<Opener>>,
    is_clean: bool,
    /// When the place in line was reached: before the session was opened, where that was needed.
    pub(super) begun: Instant,
    /// Dropped behind the session: the next in line finds its place in the pool.
    _turn: Turn<Claimant>,
}

impl Lease {
    fn of(session: Object<Opener>, turn: Turn<Claimant>) -> Self {
        let is_new = Object::metrics(&session).recycle_count == 0;
        let begun = match is_new {
            true => session.opening_begun(),
            false => Instant::now(),
        };
        Self {
            session: Some(session),
            is_clean: false,
            begun,
            _turn: turn,
        }
    }

    /// The session that this lease keeps from others.
    pub(super) fn session(&mut self) -> &mut Session {
        match &mut self.session {
            Some(session) => session,
            None => unreachable!("a lease has its session until it ends"),
        }
    }

    /// Rolls back, and gives the session back once PostgreSQL has confirmed it. One that falls
    /// silent is closed.
    pub(super) async fn roll_back(mut self) {
        let rolled_back = tokio::time::timeout(LONGEST_ROLLBACK, self.session().roll_back()).await;
        if matches!(rolled_back, Ok(Ok(reply)) if reply.status == b'I') {
            self.give_back();
        }
    }

    /// Gives the session back: its transaction has been rolled back and left nothing. One whose
    /// process has grown ends, and one that owes an answer is cancelled.
    pub(super) fn give_back(mut self) {
        if self.session().has_grown() {
            return self.close();
        }
        self.is_clean = self.session().is_answered();
    }

    /// Ends a session in which nothing runs any more, and which may have been left with traces.
    pub(super) fn close(mut self) {
        if let Some(session) = self.session.take() {
            drop(Object::take(session));
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.is_clean {
            return;
        }
        let Some(session) = self.session.take() else {
            return;
        };
        let session = Object::take(session);
        tokio::spawn(async move {
            if let Err(error) = wire::cancel(session.login(), session.backend()).await {
                tracing::warn!(%error, "an abandoned query could not be cancelled; its time limit \
                                        ends it");
            }
            // Not before: while the connection lives, no other can have its process id.
            drop(session);
        });
    }
}
