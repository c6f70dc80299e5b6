//! Retention: the oldest revisions and audit records are taken back when an operator says so.

use std::path::PathBuf;

use sqlx::AssertSqlSafe;
use time::{Duration, OffsetDateTime};

use super::{SqlStore, audit, micros, stored};
use crate::database::Session;
use crate::{AuditEntry, StoreError};

const PRUNE: &str = "take back what is old";

/// The parts of a store that are kept; nothing is taken back of what is not named.
#[derive(Clone, Copy, Debug, Default)]
pub struct Retention {
    /// How many revisions are kept, the newest. Those that a control plane may still need are kept
    /// in any case: the newest, from the oldest one on that Envoys may run, and those of the
    /// rollouts that are shown. The uploaded modules that none of those left names go with the
    /// others, a day after they came.
    pub revisions: Option<u64>,
    /// For how many days a record of the audit trail is kept.
    pub audit_days: Option<u32>,
}

/// How much was taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pruned {
    /// The number of revisions that are gone.
    pub revisions: u64,
    /// The number of audit records that are gone.
    pub audit_records: u64,
    /// The files of the uploaded modules that are gone; they are still there.
    pub module_files: Vec<PathBuf>,
}

impl SqlStore {
    /// Takes back the oldest revisions and audit records, all or nothing; a control plane may run
    /// on the store meanwhile. What is gone is put on the audit trail as the deed of `by`: a record
    /// for the revisions, one for each module, and one for the records.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn prune(&self, keep: Retention, by: &AuditEntry) -> Result<Pruned, StoreError> {
        let mut session = self.write(PRUNE).await?;
        session.take_its_time().await?;
        let mut pruned = Pruned {
            revisions: 0,
            audit_records: 0,
            module_files: Vec::new(),
        };
        if let Some(revisions) = keep.revisions {
            let deletable = DeletableRevisions::within(&mut session).await?;
            pruned.revisions = OLD_REVISIONS
                .prune(&mut session, by, stored(revisions))
                .await?;
            deletable.end(&mut session).await?;
            pruned.module_files = prune_modules(&mut session, by).await?;
        }
        if let Some(days) = keep.audit_days {
            let oldest = OffsetDateTime::now_utc() - Duration::days(days.into());
            pruned.audit_records = OLD_RECORDS.prune(&mut session, by, micros(oldest)).await?;
        }
        session.commit().await?;
        Ok(pruned)
    }
}

/// The rows of a table that are taken back for their age.
struct OldRows {
    /// The kind of resource that they are, as operators call it.
    kind: &'static str,
    table: &'static str,
    /// The column by which they are numbered.
    place: &'static str,
    /// Which of them are old, by a number that the operator says.
    are_old: &'static str,
}

const OLD_REVISIONS: OldRows = OldRows {
    kind: "versions",
    table: "revision",
    place: "number",
    are_old: "number <= (SELECT max(number) FROM revision) - $1 \
              AND number < (SELECT max(number) FROM revision) \
              AND NOT EXISTS (SELECT 1 FROM accepted \
              WHERE accepted.revision <= revision.number) \
              AND number NOT IN (SELECT revision FROM rollout)",
};

const OLD_RECORDS: OldRows = OldRows {
    kind: "audit",
    table: "audit",
    place: "sequence",
    are_old: "at < $1 AND sequence < (SELECT max(sequence) FROM audit)",
};

impl OldRows {
    /// Takes them back, and puts on record how many of those up to which place are gone: others in
    /// between may stay. Tells how many.
    async fn prune(
        &self,
        session: &mut Session,
        by: &AuditEntry,
        limit: i64,
    ) -> Result<u64, StoreError> {
        let Self {
            kind,
            table,
            place,
            are_old,
        } = self;
        let last = format!("SELECT max({place}) AS last FROM {table} WHERE {are_old}");
        let last = session.row(AssertSqlSafe(last), &[limit.into()]).await?;
        let last = last.map(|row| row.optional_number("last")).transpose()?;
        let Some(last) = last.flatten() else {
            return Ok(0);
        };
        let delete = format!("DELETE FROM {table} WHERE {are_old}");
        let gone = session
            .execute(AssertSqlSafe(delete), &[limit.into()])
            .await?;
        let about = format!("{kind} up to {last} ({gone} of them)");
        audit::insert_deed(session, by, &about).await?;
        Ok(gone)
    }
}

/// Takes back the uploaded modules that no revision names. A hash is found in a document as the
/// text that it is; its meaning there is not for the store to know.
async fn prune_modules(session: &mut Session, by: &AuditEntry) -> Result<Vec<PathBuf>, StoreError> {
    let fresh = OffsetDateTime::now_utc() - Duration::days(1);
    let unnamed = session
        .rows(
            "SELECT sha256, path FROM module WHERE first_seen < $1 \
             AND EXISTS (SELECT 1 FROM module_content AS content \
             WHERE content.sha256 = module.sha256) \
             AND NOT EXISTS (SELECT 1 FROM accepted WHERE accepted.module = module.sha256) \
             AND NOT EXISTS (SELECT 1 FROM revision \
             WHERE revision.document LIKE '%' || module.sha256 || '%')",
            &[micros(fresh).into()],
        )
        .await?;
    let mut files = Vec::new();
    for module in unnamed {
        let sha256 = module.text("sha256")?;
        session
            .execute("DELETE FROM module WHERE sha256 = $1", &[(&sha256).into()])
            .await?;
        audit::insert_deed(session, by, &format!("modules sha256:{sha256}")).await?;
        files.push(PathBuf::from(module.text("path")?));
    }
    Ok(files)
}

/// The right to delete revisions, within one transaction: all others are refused that by the
/// database itself.
pub(super) struct DeletableRevisions(());

impl DeletableRevisions {
    pub(super) async fn within(session: &mut Session) -> Result<Self, StoreError> {
        session
            .execute_all(session.choose(
                "DROP TRIGGER revision_is_never_deleted",
                "ALTER TABLE revision DISABLE TRIGGER revision_is_never_deleted",
            ))
            .await?;
        Ok(Self(()))
    }

    pub(super) async fn end(self, session: &mut Session) -> Result<(), StoreError> {
        session
            .execute_all(session.choose(
                "CREATE TRIGGER revision_is_never_deleted BEFORE DELETE ON revision \
                 BEGIN SELECT RAISE(ABORT, 'a revision is never deleted'); END",
                "ALTER TABLE revision ENABLE TRIGGER revision_is_never_deleted",
            ))
            .await
    }
}
