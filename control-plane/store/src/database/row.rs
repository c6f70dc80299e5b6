//! A row of either database, read column by column.

use sqlx::Row as _;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;

use super::failed;
use crate::StoreError;

/// A row that a statement has found.
pub(crate) struct Row {
    pub(super) row: AnyRow,
    pub(super) operation: &'static str,
}

pub(super) enum AnyRow {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl Row {
    /// Rows of one database, found by one operation.
    pub(super) fn each<R>(
        rows: Vec<R>,
        any: impl Fn(R) -> AnyRow,
        operation: &'static str,
    ) -> Vec<Self> {
        rows.into_iter()
            .map(|row| Self {
                row: any(row),
                operation,
            })
            .collect()
    }

    /// The whole number in a column.
    pub(crate) fn number(&self, column: &'static str) -> Result<i64, StoreError> {
        match &self.row {
            AnyRow::Sqlite(row) => row.try_get(column),
            AnyRow::Postgres(row) => row.try_get(column),
        }
        .map_err(failed(self.operation))
    }

    /// The whole number in a column that may be empty.
    pub(crate) fn optional_number(&self, column: &'static str) -> Result<Option<i64>, StoreError> {
        match &self.row {
            AnyRow::Sqlite(row) => row.try_get(column),
            AnyRow::Postgres(row) => row.try_get(column),
        }
        .map_err(failed(self.operation))
    }

    /// The text in a column.
    pub(crate) fn text(&self, column: &'static str) -> Result<String, StoreError> {
        match &self.row {
            AnyRow::Sqlite(row) => row.try_get(column),
            AnyRow::Postgres(row) => row.try_get(column),
        }
        .map_err(failed(self.operation))
    }

    /// The bytes in a column.
    pub(crate) fn bytes(&self, column: &'static str) -> Result<Vec<u8>, StoreError> {
        match &self.row {
            AnyRow::Sqlite(row) => row.try_get(column),
            AnyRow::Postgres(row) => row.try_get(column),
        }
        .map_err(failed(self.operation))
    }
}
