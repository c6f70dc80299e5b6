//! A transaction that can only read, for statements that this program wrote itself.

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

use super::pool::Lease;
use super::session::{SessionError, TextRow};
use super::{Database, Error};

/// PostgreSQL's own limit, which leaves the connection whole, comes first by this much.
const GRACE: Duration = Duration::from_secs(1);

/// A query that describes a table waits a little for one that is being altered: few connections
/// serve all.
const BEGIN: &str = "BEGIN READ ONLY; SET LOCAL lock_timeout = 1000";

/// The state of the catalogue as one text: that of the database, and the tables that are locked so
/// that nobody may read them, of which answers leave parts out. A standby cannot tell.
pub(crate) const LOOK: &str = "
SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN NULL
            ELSE pg_catalog.concat_ws(' ', pg_catalog.pg_current_snapshot()::pg_catalog.text,
                 (SELECT pg_catalog.string_agg(l.relation::pg_catalog.text, ' '
                                               ORDER BY l.relation::pg_catalog.text)
                  FROM pg_catalog.pg_locks l
                  WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock')) END AS state";

/// A session between `BEGIN READ ONLY` and `ROLLBACK`.
pub struct ReadTransaction {
    lease: Lease,
    is_broken: bool,
    /// The state of the database before its first statement; a standby cannot tell.
    pub(crate) state: Option<String>,
}

impl Database {
    /// Begins a transaction that only reads, on a connection that queries cannot take.
    ///
    /// # Errors
    /// When PostgreSQL cannot be reached, or every such connection is busy.
    pub async fn read(&self) -> Result<ReadTransaction, Error> {
        let lease = self.lease(&self.catalogue).await?;
        self.in_time(lease.begun, ReadTransaction::begin(lease))
            .await
    }

    /// The result of `call`, unless that takes longer than it may; what it runs is cancelled then.
    /// A session is taken before: a call that only waited in line was not slow. The time that the
    /// caller gives runs from `begun`, where the place in line was reached ([`Lease::begun`]).
    ///
    /// # Errors
    /// Those of `call`, and that the time is over.
    pub(super) async fn in_time<T>(
        &self,
        begun: Instant,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let over = Instant::now() + self.most_time();
        let over = self.callers_time(begun).map_or(over, |own| own.min(over));
        tokio::time::timeout_at(over, call)
            .await
            .unwrap_or_else(|_| Err(Error::OutOfTime))
    }

    /// The time that a statement may take, and a little more.
    pub(super) fn most_time(&self) -> Duration {
        self.settings.statement_timeout + GRACE
    }
}

impl ReadTransaction {
    /// Begins a transaction that only reads, and looks at the state of the database.
    pub(crate) async fn begin(mut lease: Lease) -> Result<Self, Error> {
        let session = lease.session();
        // Where it is not prepared yet that takes a flush, with which nothing else may go.
        session.send_own(LOOK).await?;
        session.send_begin(BEGIN)?;
        session.flush().await?;
        let rows = session.own_reply(LOOK).await?;
        session.begun().await?;
        let state = rows.first().and_then(|row| row.get("state"));
        Ok(Self {
            state: state.map(ToOwned::to_owned),
            lease,
            is_broken: false,
        })
    }

    /// Runs a statement that this program wrote.
    ///
    /// # Errors
    /// PostgreSQL refuses the statement, with its SQLSTATE, or the connection broke.
    pub async fn rows(
        &mut self,
        sql: &'static str,
        parameters: &[Option<&str>],
    ) -> Result<Vec<TextRow>, Error> {
        let rows = self.lease.session().rows(sql, parameters).await;
        self.note(rows)
    }

    /// Rolls back and gives the connection back. One that cannot even do that is closed.
    pub async fn end(self) {
        if !self.is_broken {
            self.lease.roll_back().await;
        }
    }

    fn note<T>(&mut self, done: Result<T, SessionError>) -> Result<T, Error> {
        done.map_err(|error| {
            self.is_broken |= !error.spares_session();
            error.into()
        })
    }
}
