//! Revisions in SQLite, appended by compare-and-set on the newest one.

use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, Row as _, SqliteExecutor};

use super::rows::row_by_columns;
use super::{SqliteStore, audit, failed, natural, now, stored, time};
use crate::{
    AppendError, AuditEntry, NewRevision, Revision, RevisionNumber, RevisionSummary, StoreError,
};

const READ: &str = "read a revision";
const APPEND: &str = "store a revision";

struct SummaryRow {
    number: i64,
    author: String,
    reason: String,
    created_at: i64,
}

row_by_columns!(SummaryRow {
    number,
    author,
    reason,
    created_at
});

struct RevisionRow {
    summary: SummaryRow,
    document: String,
}

impl FromRow<'_, SqliteRow> for RevisionRow {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            summary: SummaryRow::from_row(row)?,
            document: row.try_get("document")?,
        })
    }
}

impl TryFrom<SummaryRow> for RevisionSummary {
    type Error = StoreError;

    fn try_from(row: SummaryRow) -> Result<Self, StoreError> {
        Ok(Self {
            number: RevisionNumber(natural("revision number", row.number)?),
            author: row.author,
            reason: row.reason,
            created_at: time("revision's time", row.created_at)?,
        })
    }
}

impl TryFrom<RevisionRow> for Revision {
    type Error = StoreError;

    fn try_from(row: RevisionRow) -> Result<Self, StoreError> {
        Ok(Self {
            summary: row.summary.try_into()?,
            document: row.document,
        })
    }
}

pub(super) async fn append(
    store: &SqliteStore,
    expected: Option<RevisionNumber>,
    new: NewRevision,
) -> Result<Revision, AppendError> {
    let mut transaction = store.begin(APPEND).await?;
    let actual = newest(&mut *transaction).await?;
    if actual.as_ref().map(|summary| summary.number) != expected {
        return Err(AppendError::Conflict { expected, actual });
    }
    let number = RevisionNumber(actual.map_or(0, |summary| summary.number.0) + 1);
    let (created_at, micros) = now();
    sqlx::query(
        "INSERT INTO revision (number, document, author, reason, created_at) \
         VALUES (?, ?, ?, ?, ?)",
    )
    .bind(stored(number.0))
    .bind(&new.document)
    .bind(&new.author)
    .bind(&new.reason)
    .bind(micros)
    .execute(&mut *transaction)
    .await
    .map_err(failed(APPEND))?;
    let entry = AuditEntry {
        who: new.author.clone(),
        what: new.action,
        revision: Some(number),
        origin: new.origin,
        reason: new.reason.clone(),
    };
    audit::insert(&mut *transaction, &entry, micros).await?;
    transaction.commit().await.map_err(failed(APPEND))?;
    Ok(Revision {
        summary: RevisionSummary {
            number,
            author: new.author,
            reason: new.reason,
            created_at,
        },
        document: new.document,
    })
}

pub(super) async fn head(store: &SqliteStore) -> Result<Option<Revision>, StoreError> {
    sqlx::query_as::<_, RevisionRow>(
        "SELECT number, author, reason, created_at, document FROM revision ORDER BY number DESC \
         LIMIT 1",
    )
    .fetch_optional(&store.pool)
    .await
    .map_err(failed(READ))?
    .map(Revision::try_from)
    .transpose()
}

pub(super) async fn by_number(
    store: &SqliteStore,
    number: RevisionNumber,
) -> Result<Option<Revision>, StoreError> {
    sqlx::query_as::<_, RevisionRow>(
        "SELECT number, author, reason, created_at, document FROM revision WHERE number = ?",
    )
    .bind(stored(number.0))
    .fetch_optional(&store.pool)
    .await
    .map_err(failed(READ))?
    .map(Revision::try_from)
    .transpose()
}

pub(super) async fn list(
    store: &SqliteStore,
    before: Option<RevisionNumber>,
    limit: u32,
) -> Result<Vec<RevisionSummary>, StoreError> {
    sqlx::query_as::<_, SummaryRow>(
        "SELECT number, author, reason, created_at FROM revision WHERE number < ? \
         ORDER BY number DESC LIMIT ?",
    )
    .bind(before.map_or(i64::MAX, |number| stored(number.0)))
    .bind(limit)
    .fetch_all(&store.pool)
    .await
    .map_err(failed("list the revisions"))?
    .into_iter()
    .map(RevisionSummary::try_from)
    .collect()
}

async fn newest(executor: impl SqliteExecutor<'_>) -> Result<Option<RevisionSummary>, StoreError> {
    sqlx::query_as::<_, SummaryRow>(
        "SELECT number, author, reason, created_at FROM revision ORDER BY number DESC LIMIT 1",
    )
    .fetch_optional(executor)
    .await
    .map_err(failed(APPEND))?
    .map(RevisionSummary::try_from)
    .transpose()
}
