//! The databases behind the store, as one that takes the same statements.
//!
//! Statements are written once, in the SQL that SQLite and PostgreSQL share, with `$1` for the
//! first value. Where the two differ (how a transaction begins, what it locks) this module does.

mod file_lock;
mod layout;
mod patience;
mod postgres;
mod row;
mod sqlite;
mod value;

use std::io;

use futures::StreamExt as _;
use futures::stream::BoxStream;
use sqlx::postgres::PgPool;
use sqlx::sqlite::SqlitePool;
use sqlx::{Postgres, SqlSafeStr, Sqlite, Transaction};

use crate::{OpenError, StoreAddress, StoreError};
use file_lock::FileLock;
use postgres::Hints;
use row::AnyRow;
pub(crate) use row::Row;
pub(crate) use value::Value;
use value::without_nul;

/// An open database of today's layout.
#[derive(Debug)]
pub(crate) enum Database {
    Sqlite(SqlitePool, FileLock),
    Postgres(PgPool, Hints),
}

/// One transaction, and the operation that it is a part of: every error names that.
pub(crate) struct Session {
    transaction: AnyTransaction,
    operation: &'static str,
}

enum AnyTransaction {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

impl Database {
    /// Opens the database at `address` and brings it to today's layout.
    pub(crate) async fn open(address: &StoreAddress) -> Result<Self, OpenError> {
        match address {
            StoreAddress::File(path) => {
                let pool = sqlite::open(path).await?;
                let lock = FileLock::of(path).map_err(|source| OpenError::Inaccessible {
                    path: path.clone(),
                    source,
                })?;
                Ok(Self::Sqlite(pool, lock))
            }
            StoreAddress::InFile(_) => {
                let address = address.clone().resolved()?;
                Box::pin(Self::open(&address)).await
            }
            StoreAddress::Postgres(url) => {
                let pool = postgres::open(url).await?;
                Ok(Self::Postgres(pool, Hints::default()))
            }
        }
    }

    /// Whether several processes may have it open.
    pub(crate) fn is_shared(&self) -> bool {
        matches!(self, Self::Postgres(..))
    }

    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite(pool, _) => pool.close().await,
            Self::Postgres(pool, _) => pool.close().await,
        }
    }

    /// A transaction that reads one state of the database, whatever is written meanwhile.
    pub(crate) async fn read(&self, operation: &'static str) -> Result<Session, StoreError> {
        let begun = match self {
            Self::Sqlite(pool, _) => pool.begin().await.map(AnyTransaction::Sqlite),
            Self::Postgres(pool, _) => {
                let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
                let begun = patience::answer(pool.begin_with(begin)).await;
                begun.map(AnyTransaction::Postgres)
            }
        };
        Session::begun(begun, operation)
    }

    /// A transaction that writes, and that waits here for every other one that does; with it the
    /// row of the leader, as it stays until the transaction ends.
    pub(crate) async fn write(
        &self,
        operation: &'static str,
    ) -> Result<(Session, Row), StoreError> {
        let (begun, leader) = match self {
            // Writing from the start, it waits for another writer instead of failing midway.
            Self::Sqlite(pool, _) => (
                pool.begin_with("BEGIN IMMEDIATE")
                    .await
                    .map(AnyTransaction::Sqlite),
                "SELECT token, holder, ends_at FROM leader",
            ),
            Self::Postgres(pool, _) => (
                patience::answer(pool.begin())
                    .await
                    .map(AnyTransaction::Postgres),
                "SELECT token, holder, ends_at FROM leader FOR UPDATE",
            ),
        };
        let mut session = Session::begun(begun, operation)?;
        let row = session.row(leader, &[]).await?;
        let row = row.ok_or(StoreError::Unreadable {
            what: "leader",
            value: String::new(),
        })?;
        Ok((session, row))
    }

    /// Puts everything into the one file of a SQLite store, which nobody else has open, and hangs
    /// up.
    pub(crate) async fn close_as_one_file(&self) -> Result<(), StoreError> {
        if let Self::Sqlite(pool, _) = self {
            sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
                .execute(pool)
                .await
                .map_err(failed("write the backup"))?;
        }
        self.close().await;
        Ok(())
    }

    /// Takes what only one process at a time can have, where that is how one leads. Tells whether
    /// this process has it.
    pub(crate) fn take_alone(&self) -> io::Result<bool> {
        match self {
            Self::Sqlite(_, lock) => lock.take(),
            Self::Postgres(..) => Ok(true),
        }
    }

    /// Lets another process have what was taken.
    pub(crate) fn give_back(&self) {
        match self {
            Self::Sqlite(_, lock) => lock.give_back(),
            Self::Postgres(..) => {}
        }
    }

    /// Waits until another process may have written something. On a file there is no other one.
    pub(crate) async fn changed(&self) {
        match self {
            Self::Sqlite(..) => std::future::pending().await,
            Self::Postgres(pool, hints) => hints.next(pool).await,
        }
    }
}

/// Runs a query of `$sql` with `$values` on whichever database `$session` is of.
macro_rules! on_either {
    ($session:ident, $sql:ident, $values:ident, $run:ident) => {
        match &mut $session.transaction {
            AnyTransaction::Sqlite(transaction) => {
                let mut query = sqlx::query::<Sqlite>($sql);
                for value in $values {
                    query = match *value {
                        Value::Number(number) => query.bind(number),
                        Value::OptionalNumber(number) => query.bind(number),
                        Value::Text(text) => query.bind(text),
                        Value::Bytes(bytes) => query.bind(bytes),
                    };
                }
                query.$run(&mut **transaction).await.map(Either::Sqlite)
            }
            AnyTransaction::Postgres(transaction) => {
                let mut query = sqlx::query::<Postgres>($sql);
                for value in $values {
                    query = match *value {
                        Value::Number(number) => query.bind(number),
                        Value::OptionalNumber(number) => query.bind(number),
                        Value::Text(text) => query.bind(without_nul(text)),
                        Value::Bytes(bytes) => query.bind(bytes),
                    };
                }
                let answer = query.$run(&mut **transaction);
                patience::answer(answer).await.map(Either::Postgres)
            }
        }
        .map_err(failed($session.operation))
    };
}

/// An answer of one of the two databases.
enum Either<S, P> {
    Sqlite(S),
    Postgres(P),
}

impl Session {
    fn begun(
        begun: Result<AnyTransaction, sqlx::Error>,
        operation: &'static str,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            transaction: begun.map_err(failed(operation))?,
            operation,
        })
    }

    /// Runs a statement and tells how many rows it wrote.
    pub(crate) async fn execute(
        &mut self,
        sql: impl SqlSafeStr,
        values: &[Value<'_>],
    ) -> Result<u64, StoreError> {
        Ok(match on_either!(self, sql, values, execute)? {
            Either::Sqlite(done) => done.rows_affected(),
            Either::Postgres(done) => done.rows_affected(),
        })
    }

    /// Runs several statements without values, one after the other.
    pub(crate) async fn execute_all(&mut self, sql: &'static str) -> Result<(), StoreError> {
        if sql.is_empty() {
            return Ok(());
        }
        match &mut self.transaction {
            AnyTransaction::Sqlite(transaction) => sqlx::raw_sql(sql)
                .execute(&mut **transaction)
                .await
                .map(drop),
            AnyTransaction::Postgres(transaction) => {
                let answer = sqlx::raw_sql(sql).execute(&mut **transaction);
                patience::answer(answer).await.map(drop)
            }
        }
        .map_err(failed(self.operation))
    }

    /// Every row that a statement finds.
    pub(crate) async fn rows(
        &mut self,
        sql: impl SqlSafeStr,
        values: &[Value<'_>],
    ) -> Result<Vec<Row>, StoreError> {
        let operation = self.operation;
        Ok(match on_either!(self, sql, values, fetch_all)? {
            Either::Sqlite(rows) => Row::each(rows, AnyRow::Sqlite, operation),
            Either::Postgres(rows) => Row::each(rows, AnyRow::Postgres, operation),
        })
    }

    /// The first row that a statement finds, if it finds any.
    pub(crate) async fn row(
        &mut self,
        sql: impl SqlSafeStr,
        values: &[Value<'_>],
    ) -> Result<Option<Row>, StoreError> {
        Ok(self.rows(sql, values).await?.into_iter().next())
    }

    /// The time by the clock of the database, in microseconds since 1970; none where the database
    /// has no clock of its own, and one process at a time.
    pub(crate) async fn clock(&mut self) -> Result<Option<i64>, StoreError> {
        if matches!(self.transaction, AnyTransaction::Sqlite(_)) {
            return Ok(None);
        }
        // Not `now()`, which stands still while a transaction waits for a lock.
        let row = self
            .row(
                "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now",
                &[],
            )
            .await?;
        row.map(|row| row.number("now")).transpose()
    }

    /// Tells the other processes, once this transaction commits, that there is something new.
    pub(crate) async fn announce(&mut self) -> Result<(), StoreError> {
        match self.transaction {
            AnyTransaction::Sqlite(_) => Ok(()),
            AnyTransaction::Postgres(_) => self.rows(Hints::ANNOUNCE, &[]).await.map(drop),
        }
    }

    /// The rows that a statement finds, one by one.
    pub(crate) fn stream(
        &mut self,
        sql: impl SqlSafeStr,
    ) -> BoxStream<'_, Result<Row, StoreError>> {
        let operation = self.operation;
        let found = move |row: Result<AnyRow, sqlx::Error>| {
            let row = row.map_err(failed(operation))?;
            Ok(Row { row, operation })
        };
        match &mut self.transaction {
            AnyTransaction::Sqlite(transaction) => sqlx::query::<Sqlite>(sql)
                .fetch(&mut **transaction)
                .map(move |row| found(row.map(AnyRow::Sqlite)))
                .boxed(),
            AnyTransaction::Postgres(transaction) => sqlx::query::<Postgres>(sql)
                .fetch(&mut **transaction)
                .map(move |row| found(row.map(AnyRow::Postgres)))
                .boxed(),
        }
    }

    /// The words for this database, where the two differ.
    pub(crate) fn choose(&self, sqlite: &'static str, postgres: &'static str) -> &'static str {
        match self.transaction {
            AnyTransaction::Sqlite(_) => sqlite,
            AnyTransaction::Postgres(_) => postgres,
        }
    }

    /// Lets this transaction last as long as it takes to copy everything.
    pub(crate) async fn take_its_time(&mut self) -> Result<(), StoreError> {
        let postgres = "SET LOCAL statement_timeout = 0; \
                        SET LOCAL idle_in_transaction_session_timeout = 0";
        self.execute_all(self.choose("", postgres)).await
    }

    /// Has the database count on from the greatest numbers that are there, after rows with numbers
    /// of their own were written. SQLite does so by itself.
    pub(crate) async fn continue_numbering(&mut self) -> Result<(), StoreError> {
        let postgres = "SELECT setval(pg_get_serial_sequence('audit', 'sequence'), \
                        (SELECT coalesce(max(sequence), 0) + 1 FROM audit), false); \
                        SELECT setval(pg_get_serial_sequence('accepted', 'sequence'), \
                        (SELECT coalesce(max(sequence), 0) + 1 FROM accepted), false)";
        self.execute_all(self.choose("", postgres)).await
    }

    /// Ends the transaction; what it wrote is there for everyone, and on the disk.
    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        match self.transaction {
            AnyTransaction::Sqlite(transaction) => transaction.commit().await,
            AnyTransaction::Postgres(transaction) => patience::answer(transaction.commit()).await,
        }
        .map_err(failed(self.operation))
    }
}

/// Names the operation that a database error stopped.
fn failed(operation: &'static str) -> impl FnOnce(sqlx::Error) -> StoreError {
    move |source| StoreError::Database { operation, source }
}
