//! A transaction that may write, under the login that may.

mod changing;
mod copying;
mod creating;
mod loading;

use super::pool::{Lease, SessionPool, lives_on};
use super::session::{SessionError, TextRow};
use super::{Database, Error};

pub use changing::{Change, Changed};
pub use copying::TargetColumn;
pub use creating::MadeTable;
pub use loading::{LoadError, LoadTarget};

/// A statement that waits for a lock that somebody holds for long gives up.
const BEGIN: &str = "BEGIN READ WRITE; SET LOCAL lock_timeout = 5000";

/// A session of the login that may write, between `BEGIN` and `COMMIT` or `ROLLBACK`. One that is
/// dropped before its end is cancelled, and its connection closed: nothing of it stays.
pub struct WriteTransaction {
    lease: Lease,
    is_broken: bool,
}

impl Database {
    /// Whether it has a login that may write.
    pub fn is_writable(&self) -> bool {
        self.writers.is_some()
    }

    /// Begins a transaction that may write.
    ///
    /// # Errors
    /// [`Error::ReadOnly`] where there is no login that may; that PostgreSQL cannot be reached, or
    /// every such connection is busy.
    pub async fn write(&self) -> Result<WriteTransaction, Error> {
        let mut transaction = WriteTransaction {
            lease: self.writers()?.lease().await?,
            is_broken: false,
        };
        transaction.run(BEGIN).await?;
        Ok(transaction)
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

    /// Keeps what was written.
    ///
    /// # Errors
    /// What PostgreSQL says; a transaction in which a statement failed is rolled back, and is no
    /// success.
    pub async fn commit(mut self) -> Result<(), Error> {
        let done = self.lease.session().run("COMMIT").await;
        let reply = self.note(done)?;
        if reply.status == b'I' {
            self.lease.give_back();
        }
        Ok(())
    }

    /// Takes back what was written, and gives the connection back.
    pub async fn roll_back(self) {
        if !self.is_broken {
            self.lease.roll_back().await;
        }
    }

    fn note<T>(&mut self, done: Result<T, SessionError>) -> Result<T, Error> {
        done.map_err(|error| {
            self.is_broken |= !lives_on(&error);
            error.into()
        })
    }
}
