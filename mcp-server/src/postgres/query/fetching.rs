//! Takes rows from the cursor until a limit is reached.

use std::sync::Arc;

use futures::TryStreamExt as _;
use serde_json::Value;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Row as _, ValueRef as _};

use super::{Column, Limits, TruncatedBy};
use crate::postgres::types::TypeInfo;
use crate::postgres::values;

/// Rows of the first fetch; later ones go by the size of the rows seen.
const FIRST_FETCH: usize = 64;

/// Rows as they came.
pub(super) struct Fetched {
    pub(super) rows: Vec<PgRow>,
    pub(super) end: FetchEnd,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FetchEnd {
    /// Everything that was asked for is there.
    Whole,
    /// There was so much that it was not read to the end.
    BrokenOff,
}

/// Fetches rows, and stops in the middle when there is so much that it cannot all be wanted: a row can have a gigabyte.
pub(super) async fn fetch(
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
pub(super) struct Reader {
    limits: Limits,
    pub(super) columns: Option<Vec<(Column, Arc<TypeInfo>)>>,
    pub(super) rows: Vec<Vec<Value>>,
    bytes: usize,
    pub(super) truncated_by: Option<TruncatedBy>,
    exhausted: bool,
    pub(super) broken_off: bool,
}

impl Reader {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            columns: None,
            rows: Vec::new(),
            bytes: 0,
            truncated_by: None,
            exhausted: false,
            broken_off: false,
        }
    }

    /// How many rows to fetch next: one more than is allowed, so that it shows whether there are more.
    pub(super) fn wanted(&self) -> Option<usize> {
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

    pub(super) fn take(&mut self, asked: usize, fetched: &Fetched) -> Result<(), sqlx::Error> {
        self.exhausted = fetched.rows.len() < asked;
        if fetched.end == FetchEnd::BrokenOff {
            self.broken_off = true;
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
