//! A transaction that can only read, and that leaves nothing behind however it ends.

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnection, PgPool};
use sqlx::{AssertSqlSafe, Row as _};

use super::{Postgres, Settings, failure};
use crate::tools::ToolFailure;

/// A connection between `BEGIN READ ONLY` and `ROLLBACK`. When it is dropped before [`ReadTransaction::end`], what runs on it is cancelled
/// in PostgreSQL and the connection closed.
#[derive(Debug)]
pub struct ReadTransaction {
    connection: Option<PoolConnection<sqlx::Postgres>>,
    control: PgPool,
    process: i32,
    undelivered: bool,
}

impl Postgres {
    /// Begins a transaction.
    ///
    /// # Errors
    /// When PostgreSQL cannot be reached, or no role is to be had that is less than a superuser.
    pub async fn read(&self) -> Result<ReadTransaction, ToolFailure> {
        let begin = begin(&self.settings);
        // Connections that idled through a restart of PostgreSQL fail at their first use; there are at most as many as the pool holds.
        for _ in 0..=self.pool.options().get_max_connections() {
            let mut connection = self.connection().await?;
            let rows = sqlx::raw_sql(AssertSqlSafe(begin.as_str()))
                .fetch_all(&mut *connection)
                .await;
            match rows {
                Ok(rows) => {
                    let Some(last) = rows.last() else {
                        return Err(ToolFailure::unavailable(
                            "PostgreSQL did not begin a transaction",
                        ));
                    };
                    let transaction = ReadTransaction {
                        process: last
                            .try_get(0)
                            .map_err(|error| failure::of_statement(&error))?,
                        connection: Some(connection),
                        control: self.control.clone(),
                        undelivered: false,
                    };
                    let superuser: bool = last
                        .try_get(1)
                        .map_err(|error| failure::of_statement(&error))?;
                    if superuser && self.settings.role.is_none() {
                        transaction.end().await;
                        return Err(superuser_refused());
                    }
                    return Ok(transaction);
                }
                Err(error @ sqlx::Error::Database(_)) if !failure::ends_the_connection(&error) => {
                    drop(connection.detach());
                    return Err(failure::of_statement(&error)
                        .with_hint("the operator should check POSTGRES_ROLE and that the user may take that role"));
                }
                Err(_) => drop(connection.detach()),
            }
        }
        Err(self.unreachable().await)
    }
}

impl ReadTransaction {
    /// The connection, for statements that this program wrote itself.
    ///
    /// # Panics
    /// Never: only the end of the transaction takes the connection away.
    pub fn connection(&mut self) -> &mut PgConnection {
        match &mut self.connection {
            Some(connection) => connection,
            None => unreachable!("a transaction has its connection until it ends"),
        }
    }

    /// Rows are on their way that nobody will read: the connection is not worth waiting for, and its end closes it.
    pub(super) fn abandon(&mut self) {
        self.undelivered = true;
    }

    /// Rolls back and gives the connection back. A connection that cannot even do that is closed.
    pub async fn end(mut self) {
        if self.undelivered {
            return;
        }
        let rolled_back = sqlx::raw_sql("ROLLBACK").execute(self.connection()).await;
        if let Some(connection) = self.connection.take()
            && rolled_back.is_err()
        {
            drop(connection.detach());
        }
    }
}

impl Drop for ReadTransaction {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else {
            return;
        };
        let (control, process) = (self.control.clone(), self.process);
        tokio::spawn(async move {
            let cancelled = sqlx::query("SELECT pg_cancel_backend($1)")
                .bind(process)
                .execute(&control)
                .await;
            if let Err(error) = cancelled {
                tracing::warn!(process, %error, "an abandoned query could not be cancelled; its time limit ends it");
            }
            // Not before: while the connection lives, no other can have its process id.
            drop(connection.detach());
        });
    }
}

/// One round trip: the transaction, its role and limits, and what came of it.
fn begin(settings: &Settings) -> String {
    let role = match &settings.role {
        Some(role) => format!("SET LOCAL ROLE {}", quoted_name(role)),
        None => "SELECT set_config('role', 'pg_read_all_data', true) FROM pg_catalog.pg_roles \
                 WHERE rolname = session_user AND rolsuper \
                 AND EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'pg_read_all_data')"
            .to_owned(),
    };
    let timeout = settings.statement_timeout.as_millis();
    format!(
        "BEGIN READ ONLY; {role}; \
         SET LOCAL statement_timeout = {timeout}; \
         SET LOCAL lock_timeout = 5000; \
         SET LOCAL idle_in_transaction_session_timeout = 60000; \
         SET LOCAL standard_conforming_strings = on; \
         SET LOCAL bytea_output = 'hex'; \
         SET LOCAL IntervalStyle = 'iso_8601'; \
         SELECT pg_catalog.pg_backend_pid(), pg_catalog.current_setting('is_superuser')::pg_catalog.bool"
    )
}

fn superuser_refused() -> ToolFailure {
    ToolFailure::new(
        "42501",
        "the data server is connected as a superuser and PostgreSQL has no role `pg_read_all_data` to run queries as",
    )
    .with_hint("the operator should set POSTGRES_ROLE to a role that may only read, or connect as one")
}

/// A name as SQL writes it.
fn quoted_name(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
