//! The audit trail in the database.

use super::{SqlStore, natural, now, stored, time};
use crate::database::{Row, Session};
use crate::{AuditEntry, AuditRecord, RevisionNumber, StoreError};

pub(super) async fn record(
    store: &SqlStore,
    entry: &AuditEntry,
) -> Result<AuditRecord, StoreError> {
    let (at, micros) = now();
    let mut session = store.write("write to the audit trail").await?;
    let sequence = insert(&mut session, entry, micros).await?;
    session.commit().await?;
    Ok(AuditRecord {
        sequence,
        at,
        entry: entry.clone(),
    })
}

/// Writes a record as a part of a transaction and answers its sequence number.
pub(super) async fn insert(
    session: &mut Session,
    entry: &AuditEntry,
    micros: i64,
) -> Result<u64, StoreError> {
    let row = session
        .row(
            "INSERT INTO audit (at, who, what, revision, origin, reason) \
             VALUES ($1, $2, $3, $4, $5, $6) RETURNING sequence",
            &[
                micros.into(),
                (&entry.who).into(),
                (&entry.what).into(),
                entry.revision.map(|number| stored(number.0)).into(),
                (&entry.origin).into(),
                (&entry.reason).into(),
            ],
        )
        .await?;
    let sequence = row.map_or(Ok(0), |row| row.number("sequence"))?;
    natural("place in the audit trail", sequence)
}

pub(super) async fn list(
    store: &SqlStore,
    before: Option<u64>,
    limit: u32,
) -> Result<Vec<AuditRecord>, StoreError> {
    let mut session = store.read("read the audit trail").await?;
    let before = before.map_or(i64::MAX, stored);
    let rows = session
        .rows(
            "SELECT sequence, at, who, what, revision, origin, reason FROM audit \
             WHERE sequence < $1 ORDER BY sequence DESC LIMIT $2",
            &[before.into(), i64::from(limit).into()],
        )
        .await?;
    session.commit().await?;
    rows.iter().map(record_of).collect()
}

fn record_of(row: &Row) -> Result<AuditRecord, StoreError> {
    let revision = row
        .optional_number("revision")?
        .map(|number| natural("revision number", number).map(RevisionNumber))
        .transpose()?;
    Ok(AuditRecord {
        sequence: natural("place in the audit trail", row.number("sequence")?)?,
        at: time("audit record's time", row.number("at")?)?,
        entry: AuditEntry {
            who: row.text("who")?,
            what: row.text("what")?,
            revision,
            origin: row.text("origin")?,
            reason: row.text("reason")?,
        },
    })
}
