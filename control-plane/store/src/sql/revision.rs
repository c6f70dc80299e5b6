//! Revisions in the database, appended by compare-and-set on the newest one.

use super::{SqlStore, audit, module, natural, now, stored, time};
use crate::database::{Row, Session};
use crate::{
    AppendError, AuditEntry, NewRevision, Revision, RevisionNumber, RevisionSummary, StoreError,
};

const READ: &str = "read a revision";
const APPEND: &str = "store a revision";

pub(super) async fn append(
    store: &SqlStore,
    expected: Option<RevisionNumber>,
    new: NewRevision,
) -> Result<Revision, AppendError> {
    let mut session = store.write(APPEND).await?;
    let actual = newest(&mut session).await?;
    if actual.as_ref().map(|summary| summary.number) != expected {
        if let Some(actual) = &actual {
            store.0.claim.doubt(stored(actual.number.0));
        }
        return Err(AppendError::Conflict { expected, actual });
    }
    for sha256 in new.modules {
        if !module::is_known(&mut session, &sha256).await? {
            return Err(AppendError::Missing(sha256));
        }
    }
    let number = RevisionNumber(actual.map_or(0, |summary| summary.number.0) + 1);
    let (created_at, micros) = now();
    session
        .execute(
            "INSERT INTO revision (number, document, author, reason, created_at) \
             VALUES ($1, $2, $3, $4, $5)",
            &[
                stored(number.0).into(),
                (&new.document).into(),
                (&new.author).into(),
                (&new.reason).into(),
                micros.into(),
            ],
        )
        .await?;
    let entry = AuditEntry {
        who: new.author.clone(),
        what: new.action,
        revision: Some(number),
        origin: new.origin,
        reason: new.reason.clone(),
    };
    audit::insert(&mut session, &entry, micros).await?;
    session.announce().await?;
    if let Err(error) = session.commit().await {
        // The answer may be lost, and the revision stored all the same.
        store.0.claim.doubt(stored(number.0));
        return Err(error.into());
    }
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

pub(super) async fn head(store: &SqlStore) -> Result<Option<Revision>, StoreError> {
    let mut session = store.read(READ).await?;
    let row = session
        .row(
            "SELECT number, author, reason, created_at, document FROM revision \
             ORDER BY number DESC LIMIT 1",
            &[],
        )
        .await?;
    session.commit().await?;
    row.as_ref().map(revision).transpose()
}

pub(super) async fn by_number(
    store: &SqlStore,
    number: RevisionNumber,
) -> Result<Option<Revision>, StoreError> {
    let mut session = store.read(READ).await?;
    let row = session
        .row(
            "SELECT number, author, reason, created_at, document FROM revision WHERE number = $1",
            &[stored(number.0).into()],
        )
        .await?;
    session.commit().await?;
    row.as_ref().map(revision).transpose()
}

pub(super) async fn list(
    store: &SqlStore,
    before: Option<RevisionNumber>,
    limit: u32,
) -> Result<Vec<RevisionSummary>, StoreError> {
    let mut session = store.read("list the revisions").await?;
    let before = before.map_or(i64::MAX, |number| stored(number.0));
    let rows = session
        .rows(
            "SELECT number, author, reason, created_at FROM revision WHERE number < $1 \
             ORDER BY number DESC LIMIT $2",
            &[before.into(), i64::from(limit).into()],
        )
        .await?;
    session.commit().await?;
    rows.iter().map(summary).collect()
}

async fn newest(session: &mut Session) -> Result<Option<RevisionSummary>, StoreError> {
    let row = session
        .row(
            "SELECT number, author, reason, created_at FROM revision \
             ORDER BY number DESC LIMIT 1",
            &[],
        )
        .await?;
    row.as_ref().map(summary).transpose()
}

fn summary(row: &Row) -> Result<RevisionSummary, StoreError> {
    Ok(RevisionSummary {
        number: RevisionNumber(natural("revision number", row.number("number")?)?),
        author: row.text("author")?,
        reason: row.text("reason")?,
        created_at: time("revision's time", row.number("created_at")?)?,
    })
}

fn revision(row: &Row) -> Result<Revision, StoreError> {
    Ok(Revision {
        summary: summary(row)?,
        document: row.text("document")?,
    })
}
