//! A transaction that may write, under the login that may.

mod changing;
mod committing;
mod copying;
mod creating;
mod inserting;
mod load_error;
mod loading;
mod marking;
mod upserting;

use self::committing::{LONGEST_COMMIT, commit_within};
use super::judge::{self, Allowed, Harmless, JudgeError};
use super::pool::{Lease, SessionPool};
use super::session::{SessionError, TextRow};
use super::{Database, Error};

pub use changing::{Change, Changed};
pub use copying::{CopyForm, TargetColumn};
pub use creating::MadeTable;
pub use load_error::LoadError;
pub use loading::{BegunLoad, LoadKind, TableLoad};

/// A statement that waits for a lock that somebody holds for long gives up.
const BEGIN: &str = "BEGIN READ WRITE; SET LOCAL lock_timeout = 5000";

/// A session of the login that may write, between `BEGIN` and `COMMIT` or `ROLLBACK`. One that is
/// dropped before its end is cancelled, and its connection closed: nothing of it stays.
pub struct WriteTransaction {
    database: Database,
    lease: Lease,
    is_broken: bool,
    /// Whether something in it may leave traces in the session, which then ends with it.
    leaves_traces: bool,
    /// Whether its statements may take as long as whoever began it waits for them.
    has_no_time_limit: bool,
}

impl Database {
    /// Checks that it has a login that may write.
    ///
    /// # Errors
    /// [`Error::ReadOnly`] where there is none.
    pub fn check_writable(&self) -> Result<(), Error> {
        self.writers().map(|_| ())
    }

    /// Begins a transaction that may write.
    ///
    /// # Errors
    /// [`Error::ReadOnly`] where there is no login that may; that PostgreSQL cannot be reached, or
    /// every such connection is busy.
    pub async fn write(&self) -> Result<WriteTransaction, Error> {
        let mut lease = self.lease(self.writers()?).await?;
        self.in_time(lease.begun, async {
            Ok(lease.session().begin(BEGIN).await?)
        })
        .await?;
        Ok(WriteTransaction {
            database: self.clone(),
            lease,
            is_broken: false,
            leaves_traces: false,
            has_no_time_limit: false,
        })
    }

    /// The functions that the operator lets statements call.
    fn allowed(&self) -> Allowed<'_> {
        Allowed {
            functions: &self.settings.allowed_functions,
            triggers: self.settings.allow_triggers,
        }
    }

    fn writers(&self) -> Result<&SessionPool, Error> {
        self.writers.as_ref().ok_or_else(|| Error::ReadOnly {
            database: self.name.clone(),
        })
    }
}

impl WriteTransaction {
    /// Runs a statement that this program wrote, with values.
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

    /// Runs statements that this program composed, without values and rows.
    ///
    /// # Errors
    /// PostgreSQL refuses the statement, with its SQLSTATE, or the connection broke.
    pub async fn run(&mut self, sql: &str) -> Result<(), Error> {
        let done = self.lease.session().run(sql).await.map(|_| ());
        self.note(done)
    }

    /// Keeps what was written. Dropping the future does not stop it.
    ///
    /// # Errors
    /// What PostgreSQL says, and then nothing was kept; [`Error::OutcomeUnknown`] where it says
    /// nothing in the time that a statement may take, or the connection broke.
    pub async fn commit(self) -> Result<(), Error> {
        match self.has_no_time_limit {
            true => commit_within(LONGEST_COMMIT, self.lease, self.leaves_traces).await,
            false => self.database.commit(self.lease, self.leaves_traces).await,
        }
    }

    /// Takes back what was written, and gives the connection back.
    pub async fn roll_back(self) {
        match self.leaves_traces {
            _ if self.is_broken => {}
            true => self.lease.close(),
            false => self.lease.roll_back().await,
        }
    }

    /// Refuses a statement of this program's on which event triggers fire that are not harmless.
    async fn judge_event_triggers(&mut self, tag: &str) -> Result<(), Error> {
        let allowed = self.database.allowed();
        let session = self.lease.session();
        let judged = judge::judge_event_triggers(session, tag, &allowed).await;
        self.note_judged(judged)
    }

    fn note_judged(&mut self, judged: Result<Harmless, JudgeError>) -> Result<(), Error> {
        match judged {
            Ok(harmless) => {
                self.leaves_traces |= harmless.leaves_traces;
                Ok(())
            }
            Err(error) => Err(self.note_refusal(error)),
        }
    }

    fn note_refusal(&mut self, error: JudgeError) -> Error {
        match &error {
            JudgeError::Session(error) => self.is_broken |= !error.spares_session(),
            JudgeError::Refused(refused) => {
                self.leaves_traces |= refused.is_of_the_databases_own();
            }
        }
        error.into()
    }

    fn note<T>(&mut self, done: Result<T, SessionError>) -> Result<T, Error> {
        done.map_err(|error| {
            self.is_broken |= !error.spares_session();
            error.into()
        })
    }
}
