//! The audit trail in SQLite.

use sqlx::SqliteExecutor;

use super::rows::row_by_columns;
use super::{SqliteStore, failed, natural, now, stored, time};
use crate::{AuditEntry, AuditRecord, RevisionNumber, StoreError};

struct Row {
    sequence: i64,
    at: i64,
    who: String,
    what: String,
    revision: Option<i64>,
    origin: String,
    reason: String,
}

row_by_columns!(Row {
    sequence,
    at,
    who,
    what,
    revision,
    origin,
    reason
});

impl TryFrom<Row> for AuditRecord {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let revision = row
            .revision
            .map(|number| natural("revision number", number).map(RevisionNumber))
            .transpose()?;
        Ok(Self {
            sequence: natural("place in the audit trail", row.sequence)?,
            at: time("audit record's time", row.at)?,
            entry: AuditEntry {
                who: row.who,
                what: row.what,
                revision,
                origin: row.origin,
                reason: row.reason,
            },
        })
    }
}

pub(super) async fn record(
    store: &SqliteStore,
    entry: &AuditEntry,
) -> Result<AuditRecord, StoreError> {
    let (at, micros) = now();
    let sequence = insert(&store.pool, entry, micros).await?;
    Ok(AuditRecord {
        sequence,
        at,
        entry: entry.clone(),
    })
}

/// Writes a record, alone or as part of a transaction, and answers its sequence number.
pub(super) async fn insert(
    executor: impl SqliteExecutor<'_>,
    entry: &AuditEntry,
    micros: i64,
) -> Result<u64, StoreError> {
    let sequence = sqlx::query(
        "INSERT INTO audit (at, who, what, revision, origin, reason) VALUES (?, ?, ?, ?, ?, ?)",
    )
    .bind(micros)
    .bind(&entry.who)
    .bind(&entry.what)
    .bind(entry.revision.map(|number| stored(number.0)))
    .bind(&entry.origin)
    .bind(&entry.reason)
    .execute(executor)
    .await
    .map_err(failed("write to the audit trail"))?
    .last_insert_rowid();
    natural("place in the audit trail", sequence)
}

pub(super) async fn list(
    store: &SqliteStore,
    before: Option<u64>,
    limit: u32,
) -> Result<Vec<AuditRecord>, StoreError> {
    sqlx::query_as::<_, Row>(
        "SELECT sequence, at, who, what, revision, origin, reason FROM audit WHERE sequence < ? \
         ORDER BY sequence DESC LIMIT ?",
    )
    .bind(before.map_or(i64::MAX, stored))
    .bind(limit)
    .fetch_all(&store.pool)
    .await
    .map_err(failed("read the audit trail"))?
    .into_iter()
    .map(AuditRecord::try_from)
    .collect()
}
