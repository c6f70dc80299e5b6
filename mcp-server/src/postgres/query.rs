//! Runs a caller's query through a cursor.
//!
//! A cursor because PostgreSQL then checks again, by its own parser, that there is one query and that no WITH writes; because rows come in
//! PostgreSQL's text form, which every type has; and because no more rows are made than are wanted. The caller's text is not changed.

mod fetching;
mod functions;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;
use sqlx::postgres::{PgArguments, PgColumn, PgConnection, PgTypeInfo};
use sqlx::{
    AssertSqlSafe, Column as _, Either, Executor as _, Row as _, SqlSafeStr as _, Statement as _,
};

use super::read_only::ReadOnlyQuery;
use super::types::{TypeInfo, Types};
use super::{Postgres, ReadTransaction, failure, parameters};
use crate::tools::ToolFailure;
use fetching::{FetchEnd, Reader, fetch};

/// Goes before the caller's text; PostgreSQL's positions in errors count it.
pub(super) const PREFIX: &str = "DECLARE portcullis NO SCROLL CURSOR FOR\n";

/// How much of a result is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Rows.
    pub rows: usize,
    /// Bytes of the rows as JSON.
    pub bytes: usize,
}

/// What ended a result early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TruncatedBy {
    /// [`Limits::rows`].
    Rows,
    /// [`Limits::bytes`].
    Bytes,
}

/// A column of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name; names may repeat.
    pub name: String,
    /// Its type, as SQL writes it.
    pub type_name: String,
}

/// A result, or the first rows of one.
#[derive(Debug, Clone, PartialEq)]
pub struct Rows {
    /// In the query's order.
    pub columns: Vec<Column>,
    /// Whole rows, each with one value per column.
    pub rows: Vec<Vec<Value>>,
    /// Why there are no more; `None` when this is all.
    pub truncated_by: Option<TruncatedBy>,
}

impl Postgres {
    /// Runs one query and reads its rows up to the limits. Dropping the future ends it in PostgreSQL too.
    ///
    /// # Errors
    /// What PostgreSQL says about the query or its parameters, with SQLSTATE; `unavailable` when it cannot be reached.
    pub async fn query(
        &self,
        query: &ReadOnlyQuery,
        parameters: &[Value],
    ) -> Result<Rows, ToolFailure> {
        let work = async {
            let mut transaction = self.read().await?;
            let rows = self.query_in(&mut transaction, query, parameters).await;
            transaction.end().await;
            rows
        };
        // PostgreSQL's own limit holds for each statement, this one for the call.
        let limit = self.settings.statement_timeout + super::ACQUIRE_TIMEOUT;
        tokio::time::timeout(limit, work)
            .await
            .unwrap_or_else(|_| Err(out_of_time()))
    }

    async fn query_in(
        &self,
        transaction: &mut ReadTransaction,
        query: &ReadOnlyQuery,
        parameters: &[Value],
    ) -> Result<Rows, ToolFailure> {
        let connection = transaction.connection();
        self.check_functions(connection, query.functions()).await?;
        let declare = format!("{PREFIX}{}", query.sql());
        let arguments = self.arguments(connection, &declare, parameters).await?;
        let failed = |error: sqlx::Error| failure::of_statement(&error);
        sqlx::query_with(AssertSqlSafe(declare), arguments)
            .execute(&mut *connection)
            .await
            .map_err(failed)?;
        let mut reader = Reader::new(self.settings.limits);
        while let Some(count) = reader.wanted() {
            let fetched = fetch(connection, count, self.settings.limits.bytes)
                .await
                .map_err(failed)?;
            if let (None, Some(row)) = (&reader.columns, fetched.rows.first()) {
                let columns = match fetched.end {
                    FetchEnd::Whole => columns(&self.types, connection, row.columns()).await,
                    // The connection still has rows to deliver.
                    FetchEnd::BrokenOff => match self.control.acquire().await {
                        Ok(mut control) => columns(&self.types, &mut control, row.columns()).await,
                        Err(error) => Err(error),
                    },
                };
                reader.columns = Some(columns.map_err(failed)?);
            }
            reader.take(count, &fetched).map_err(failed)?;
        }
        let columns = match reader.columns {
            Some(columns) => columns,
            None => columns_of_nothing(&self.types, connection)
                .await
                .map_err(failed)?,
        };
        if reader.broken_off {
            transaction.abandon();
        }
        Ok(Rows {
            columns: columns.into_iter().map(|(column, _)| column).collect(),
            rows: reader.rows,
            truncated_by: reader.truncated_by,
        })
    }

    async fn arguments(
        &self,
        connection: &mut PgConnection,
        declare: &str,
        parameters: &[Value],
    ) -> Result<PgArguments, ToolFailure> {
        let failed = |error: sqlx::Error| failure::of_statement(&error);
        let statement = connection
            .prepare(AssertSqlSafe(declare).into_sql_str())
            .await
            .map_err(failed)?;
        let ids: Vec<u32> = match statement.parameters() {
            Some(Either::Left(types)) => types
                .iter()
                .filter_map(PgTypeInfo::oid)
                .map(|oid| oid.0)
                .collect(),
            Some(Either::Right(_)) | None => Vec::new(),
        };
        let types = match ids.is_empty() {
            true => Vec::new(),
            false => self.types.of(connection, &ids).await.map_err(failed)?,
        };
        parameters::bind(connection, parameters, &ids, &types).await
    }
}

async fn columns(
    types: &Types,
    connection: &mut PgConnection,
    columns: &[PgColumn],
) -> Result<Vec<(Column, Arc<TypeInfo>)>, sqlx::Error> {
    let ids: Vec<u32> = columns
        .iter()
        .filter_map(|column| column.type_info().oid())
        .map(|oid| oid.0)
        .collect();
    let types = types.of(connection, &ids).await?;
    Ok(columns
        .iter()
        .zip(types)
        .map(|(column, info)| {
            let column = Column {
                name: column.name().to_owned(),
                type_name: info.name.clone(),
            };
            (column, info)
        })
        .collect())
}

/// The columns of a result without rows: only a description of the cursor tells them.
async fn columns_of_nothing(
    types: &Types,
    connection: &mut PgConnection,
) -> Result<Vec<(Column, Arc<TypeInfo>)>, sqlx::Error> {
    // The driver keeps descriptions by text, and the cursor's is another each time.
    static TURN: AtomicU64 = AtomicU64::new(0);
    let describe = format!(
        "FETCH 0 FROM portcullis -- {}",
        TURN.fetch_add(1, Ordering::Relaxed)
    );
    let statement = connection
        .prepare(AssertSqlSafe(describe).into_sql_str())
        .await?;
    columns(types, connection, statement.columns()).await
}

fn out_of_time() -> ToolFailure {
    ToolFailure::new("57014", "the query ran into its time limit")
        .with_hint("narrow it, aggregate, or add conditions")
}
