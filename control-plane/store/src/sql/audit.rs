//! The audit trail in the database.

use sqlx::AssertSqlSafe;

use super::{SqlStore, micros, natural, now, stored, time};
use crate::database::{Row, Session, Value};
use crate::{AuditEntry, AuditFilter, AuditRecord, RevisionNumber, StoreError};

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
            "INSERT INTO audit (at, who, what, revision, origin, reason, kind) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING sequence",
            &[
                micros.into(),
                (&entry.who).into(),
                (&entry.what).into(),
                entry.revision.map(|number| stored(number.0)).into(),
                (&entry.origin).into(),
                (&entry.reason).into(),
                entry.kind().into(),
            ],
        )
        .await?;
    let sequence = row.map_or(Ok(0), |row| row.number("sequence"))?;
    natural("place in the audit trail", sequence)
}

/// Writes the record of the deed of `by` as a part of a transaction, with what it was about.
pub(super) async fn insert_deed(
    session: &mut Session,
    by: &AuditEntry,
    about: &str,
) -> Result<(), StoreError> {
    let entry = AuditEntry {
        what: format!("{} {about}", by.what),
        ..by.clone()
    };
    let (_, at) = now();
    insert(session, &entry, at).await?;
    Ok(())
}

/// Up to `limit` records that fit a filter, newest first. Each condition has an index that ends
/// with the order of the answer, so that a page costs what it holds, and not what the trail does.
pub(super) async fn find(
    store: &SqlStore,
    filter: &AuditFilter,
    before: Option<u64>,
    limit: u32,
) -> Result<Vec<AuditRecord>, StoreError> {
    let conditions = Conditions::of(filter, before);
    let sql = format!(
        "SELECT sequence, at, who, what, revision, origin, reason \
         FROM audit WHERE {} ORDER BY sequence DESC LIMIT {limit}",
        conditions.texts.join(" AND ")
    );
    let mut session = store.read("read the audit trail").await?;
    let rows = session.rows(AssertSqlSafe(sql), &conditions.values).await?;
    session.commit().await?;
    rows.iter().map(record_of).collect()
}

/// The conditions of a filter, and the values that they are about.
struct Conditions<'a> {
    texts: Vec<String>,
    values: Vec<Value<'a>>,
}

impl<'a> Conditions<'a> {
    fn of(filter: &'a AuditFilter, before: Option<u64>) -> Self {
        let mut conditions = Self {
            texts: Vec::new(),
            values: Vec::new(),
        };
        conditions.add("sequence <", before.map_or(i64::MAX, stored).into());
        let texts = [
            ("who =", &filter.who),
            ("origin =", &filter.origin),
            ("kind =", &filter.kind),
        ];
        for (column, text) in texts {
            if let Some(text) = text {
                conditions.add(column, text.into());
            }
        }
        if let Some(RevisionNumber(number)) = filter.revision {
            conditions.add("revision =", stored(number).into());
        }
        if let Some(since) = filter.since {
            conditions.add("at >=", micros(since).into());
        }
        if let Some(until) = filter.until {
            conditions.add("at <", micros(until).into());
        }
        if let Some(beginning) = &filter.what {
            let length = i64::try_from(beginning.chars().count()).unwrap_or(i64::MAX);
            conditions.values.push(length.into());
            let place = conditions.values.len();
            conditions.add(
                &format!("substr(what, 1, CAST(${place} AS INTEGER)) ="),
                beginning.into(),
            );
        }
        conditions
    }

    /// Adds a condition, which ends with the value.
    fn add(&mut self, condition: &str, value: Value<'a>) {
        self.values.push(value);
        self.texts
            .push(format!("{condition} ${}", self.values.len()));
    }
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
