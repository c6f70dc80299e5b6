//! Runs a caller's query through a cursor.
//!
//! A cursor because PostgreSQL then checks again, by its own parser, that there is one query and that no WITH writes; because rows come in
//! PostgreSQL's text form, which every type has; and because no more rows are made than are wanted. The caller's text is not changed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::TryStreamExt as _;
use serde_json::Value;
use sqlx::postgres::{PgArguments, PgColumn, PgConnection, PgRow, PgTypeInfo};
use sqlx::{
    AssertSqlSafe, Column as _, Either, Executor as _, Row as _, SqlSafeStr as _, Statement as _,
    ValueRef as _,
};

use super::read_only::{FunctionName, ReadOnlyQuery};
use super::types::{TypeInfo, Types};
use super::{Postgres, ReadTransaction, failure, parameters, side_effects, values};
use crate::tools::ToolFailure;

/// Goes before the caller's text; PostgreSQL's positions in errors count it.
pub(super) const PREFIX: &str = "DECLARE portcullis NO SCROLL CURSOR FOR\n";

/// Rows of the first fetch; later ones go by the size of the rows seen.
const FIRST_FETCH: usize = 64;

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
            match &rows {
                // Left with rows on their way that nobody will read: not worth waiting for.
                Ok(rows) if rows.truncated_by == Some(TruncatedBy::Bytes) => drop(transaction),
                _ => transaction.end().await,
            }
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

    /// Refuses functions that may have effects, by what PostgreSQL's catalog says of them.
    async fn check_functions(
        &self,
        connection: &mut PgConnection,
        functions: &[FunctionName],
    ) -> Result<(), ToolFailure> {
        let functions: Vec<&FunctionName> = functions
            .iter()
            .filter(|function| !self.settings.allowed_functions.contains(&function.name))
            .collect();
        if functions.is_empty() {
            return Ok(());
        }
        let schemas: Vec<_> = functions
            .iter()
            .map(|function| function.schema.as_deref())
            .collect();
        let names: Vec<_> = functions
            .iter()
            .map(|function| function.name.as_str())
            .collect();
        let suspects = sqlx::query_as::<_, (String, String, bool)>(SUSPECTS)
            .bind(schemas)
            .bind(names)
            .fetch_all(connection)
            .await
            .map_err(|error| failure::of_statement(&error))?;
        let suspect = suspects
            .iter()
            .find(|(_, name, volatile)| !(*volatile && side_effects::is_harmless_volatile(name)));
        let Some((schema, name, volatile)) = suspect else {
            return Ok(());
        };
        let (reason, remedy) = match volatile {
            true => (
                "is marked VOLATILE: it may do more than read",
                "if it only reads, its owner can mark it STABLE, or the operator can name it in POSTGRES_ALLOWED_FUNCTIONS",
            ),
            false => (
                "runs SQL that it builds itself (EXECUTE)",
                "if it only reads, the operator can name it in POSTGRES_ALLOWED_FUNCTIONS",
            ),
        };
        let message = format!("the query calls `{schema}.{name}`, which {reason}");
        Err(ToolFailure::new("42501", message).with_hint(remedy))
    }
}

/// Which of the named functions that a query can reach are marked VOLATILE (the third column), or run SQL that they are given: that could
/// take back the role. Procedures cannot be called by a query, and what stands after TABLESAMPLE only looks like a call.
const SUSPECTS: &str = "
SELECT DISTINCT n.nspname::pg_catalog.text, p.proname::pg_catalog.text, p.provolatile = 'v'
FROM ROWS FROM (pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[])) AS called (schema, name)
JOIN pg_catalog.pg_proc p ON p.proname = called.name::pg_catalog.name
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
JOIN pg_catalog.pg_language l ON l.oid = p.prolang
WHERE p.prokind <> 'p' AND p.prorettype <> 'pg_catalog.tsm_handler'::pg_catalog.regtype
AND (p.provolatile = 'v' OR (l.lanname NOT IN ('internal', 'c', 'sql') AND p.prosrc ~* '\\mexecute\\M'))
AND CASE WHEN called.schema IS NULL THEN n.nspname = ANY (pg_catalog.current_schemas(true)) ELSE n.nspname = called.schema END";

/// Rows as they came.
struct Fetched {
    rows: Vec<PgRow>,
    end: FetchEnd,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FetchEnd {
    /// Everything that was asked for is there.
    Whole,
    /// There was so much that it was not read to the end.
    BrokenOff,
}

/// Fetches rows, and stops in the middle when there is so much that it cannot all be wanted: a row can have a gigabyte.
async fn fetch(
    connection: &mut PgConnection,
    count: usize,
    limit: usize,
) -> Result<Fetched, sqlx::Error> {
    let fetch = format!("FETCH {count} FROM portcullis");
    let mut stream = sqlx::raw_sql(AssertSqlSafe(fetch)).fetch(connection);
    let (mut rows, mut bytes) = (Vec::new(), 0);
    while let Some(row) = stream.try_next().await? {
        for at in 0..row.len() {
            let value = row.try_get_raw(at)?;
            if !value.is_null() {
                bytes += value.as_bytes().map_err(sqlx::Error::Decode)?.len();
            }
        }
        rows.push(row);
        // Twice: the text form can be longer than the JSON that counts.
        if bytes > limit.saturating_mul(2) {
            let end = FetchEnd::BrokenOff;
            return Ok(Fetched { rows, end });
        }
    }
    let end = FetchEnd::Whole;
    Ok(Fetched { rows, end })
}

/// Takes rows until a limit is reached.
struct Reader {
    limits: Limits,
    columns: Option<Vec<(Column, Arc<TypeInfo>)>>,
    rows: Vec<Vec<Value>>,
    bytes: usize,
    truncated_by: Option<TruncatedBy>,
    exhausted: bool,
}

impl Reader {
    fn new(limits: Limits) -> Self {
        Self {
            limits,
            columns: None,
            rows: Vec::new(),
            bytes: 0,
            truncated_by: None,
            exhausted: false,
        }
    }

    /// How many rows to fetch next: one more than is allowed, so that it shows whether there are more.
    fn wanted(&self) -> Option<usize> {
        if self.exhausted || self.truncated_by.is_some() {
            return None;
        }
        let rows = self.limits.rows + 1 - self.rows.len();
        if self.rows.is_empty() {
            return Some(rows.min(FIRST_FETCH));
        }
        let average = (self.bytes / self.rows.len()).max(1);
        let fitting = (self.limits.bytes.saturating_sub(self.bytes) / average).max(1);
        Some(rows.min(fitting.saturating_add(1)))
    }

    fn take(&mut self, asked: usize, fetched: &Fetched) -> Result<(), sqlx::Error> {
        self.exhausted = fetched.rows.len() < asked;
        if fetched.end == FetchEnd::BrokenOff {
            self.truncated_by = Some(TruncatedBy::Bytes);
        }
        for row in &fetched.rows {
            if self.rows.len() == self.limits.rows {
                self.truncated_by = Some(TruncatedBy::Rows);
                return Ok(());
            }
            let row = self.convert(row)?;
            let bytes = json_length(&row) + 1;
            if self.bytes + bytes > self.limits.bytes {
                self.truncated_by = Some(TruncatedBy::Bytes);
                return Ok(());
            }
            self.bytes += bytes;
            self.rows.push(row);
        }
        Ok(())
    }

    fn convert(&self, row: &PgRow) -> Result<Vec<Value>, sqlx::Error> {
        let columns = self.columns.as_deref().unwrap_or_default();
        columns
            .iter()
            .enumerate()
            .map(|(at, (_, info))| {
                let value = row.try_get_raw(at)?;
                if value.is_null() {
                    return Ok(Value::Null);
                }
                let text = value.as_str().map_err(sqlx::Error::Decode)?;
                Ok(values::to_json(text, info))
            })
            .collect()
    }
}

fn json_length(row: &[Value]) -> usize {
    struct Counted(usize);
    impl std::io::Write for Counted {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut counted = Counted(0);
    match serde_json::to_writer(&mut counted, row) {
        Ok(()) => counted.0,
        Err(_) => usize::MAX / 2,
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
