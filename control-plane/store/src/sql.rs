//! The store in a database, SQLite or PostgreSQL.

mod accepted;
mod audit;
mod backup;
mod catalogue;
mod idempotency;
mod leader;
mod module;
mod parts;
mod rejection;
mod retention;
mod revision;
mod rollout;
mod rollout_generation;
mod tables;
mod unused_lists;
mod version_key;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use time::OffsetDateTime;

use crate::database::{Database, Session};
use crate::{
    AppendError, AuditEntry, AuditFilter, AuditRecord, Catalogue, ConfigStore, KeyPlace,
    Leadership, ListHash, Module, NewRevision, OpenError, RawTool, Revision, RevisionNumber,
    RevisionSummary, StoreAddress, StoreError, StoredAnswer, StoredGeneration, StoredRejection,
    StoredRejectionChange, StoredRollout, WithheldInput,
};
pub use backup::BackupError;
use leader::Claim;
pub use retention::{Pruned, Retention};

/// A [`ConfigStore`] in a SQLite file, or in a schema of a PostgreSQL. Cheap to clone.
///
/// A file is created with mode 0600, written ahead (`-wal` beside it) and synchronised on each
/// commit, so what was answered `Ok` survives a crash of the process and of the machine. On a
/// PostgreSQL it survives what that survives.
#[derive(Clone, Debug)]
pub struct SqlStore(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    database: Database,
    claim: Claim,
}

impl SqlStore {
    /// Opens the store at `address`, and brings it to today's layout. A file is created, and its
    /// folder, if they are not there; a PostgreSQL has to be.
    ///
    /// # Errors
    /// When the file cannot be created or opened for writing, or is damaged; when the PostgreSQL
    /// cannot be reached; when the store has another version's layout.
    pub async fn open(address: impl Into<StoreAddress>) -> Result<Self, OpenError> {
        let database = Database::open(&address.into()).await?;
        Ok(Self(Arc::new(Inner {
            database,
            claim: Claim::default(),
        })))
    }

    /// Whether several processes may have it open, of which one leads after the other.
    pub fn is_shared(&self) -> bool {
        self.0.database.is_shared()
    }

    /// Finishes what is under way and hangs up. A store that is dropped without loses nothing
    /// either.
    pub async fn close(&self) {
        self.0.database.close().await;
    }

    /// A transaction that reads one state of the store.
    async fn read(&self, operation: &'static str) -> Result<Session, StoreError> {
        self.0.database.read(operation).await
    }

    /// A transaction that writes. It is refused to a former leader.
    async fn write(&self, operation: &'static str) -> Result<Session, StoreError> {
        let (session, leader) = self.0.database.write(operation).await?;
        self.0.claim.check(&leader)?;
        Ok(session)
    }
}

#[async_trait]
impl ConfigStore for SqlStore {
    async fn append(
        &self,
        expected: Option<RevisionNumber>,
        revision: NewRevision,
    ) -> Result<Revision, AppendError> {
        revision::append(self, expected, revision).await
    }

    async fn head(&self) -> Result<Option<Revision>, StoreError> {
        revision::head(self).await
    }

    async fn revision(&self, number: RevisionNumber) -> Result<Option<Revision>, StoreError> {
        revision::by_number(self, number).await
    }

    async fn revisions(
        &self,
        before: Option<RevisionNumber>,
        limit: u32,
    ) -> Result<Vec<RevisionSummary>, StoreError> {
        revision::list(self, before, limit).await
    }

    async fn put_tools(&self, catalogue: &Catalogue) -> Result<(), StoreError> {
        catalogue::put_tools(self, catalogue).await
    }

    async fn put_catalogue(&self, catalogue: &Catalogue) -> Result<(), StoreError> {
        catalogue::put(self, catalogue).await
    }

    async fn put_reviewed(
        &self,
        catalogue: &Catalogue,
        entry: &AuditEntry,
    ) -> Result<(), StoreError> {
        catalogue::put_reviewed(self, catalogue, entry).await
    }

    async fn remove_catalogue(&self, server: &str) -> Result<(), StoreError> {
        catalogue::remove(self, server).await
    }

    async fn catalogues(&self) -> Result<BTreeMap<String, Catalogue>, StoreError> {
        catalogue::all(self).await
    }

    async fn tool_list(&self, hash: &ListHash) -> Result<Option<Vec<RawTool>>, StoreError> {
        catalogue::list(self, hash).await
    }

    async fn put_module(&self, module: &Module) -> Result<(), StoreError> {
        module::put(self, module).await
    }

    async fn keep_module(
        &self,
        module: &Module,
        content: &[u8],
        entry: &AuditEntry,
    ) -> Result<(), StoreError> {
        module::keep(self, module, content, entry).await
    }

    async fn module_content(&self, sha256: &str) -> Result<Option<Vec<u8>>, StoreError> {
        module::content(self, sha256).await
    }

    async fn remove_module(&self, sha256: &str, entry: &AuditEntry) -> Result<bool, StoreError> {
        module::remove(self, sha256, entry).await
    }

    async fn module(&self, sha256: &str) -> Result<Option<Module>, StoreError> {
        module::by_hash(self, sha256).await
    }

    async fn modules(&self) -> Result<Vec<Module>, StoreError> {
        module::all(self).await
    }

    async fn record(&self, entry: &AuditEntry) -> Result<AuditRecord, StoreError> {
        audit::record(self, entry).await
    }

    async fn audit(&self, before: Option<u64>, limit: u32) -> Result<Vec<AuditRecord>, StoreError> {
        audit::find(self, &AuditFilter::default(), before, limit).await
    }

    async fn find_audit(
        &self,
        filter: &AuditFilter,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<AuditRecord>, StoreError> {
        audit::find(self, filter, before, limit).await
    }

    async fn add_accepted(&self, accepted: &StoredGeneration) -> Result<(), StoreError> {
        accepted::add(self, accepted).await
    }

    async fn remove_accepted(&self, generation: &str) -> Result<(), StoreError> {
        accepted::remove(self, generation).await
    }

    async fn accepted(&self) -> Result<Vec<StoredGeneration>, StoreError> {
        accepted::all(self).await
    }

    async fn last_accepted_revision(
        &self,
        before: RevisionNumber,
    ) -> Result<Option<RevisionNumber>, StoreError> {
        accepted::last_revision(self, before).await
    }

    async fn change_rejections(&self, changes: &[StoredRejectionChange]) -> Result<(), StoreError> {
        rejection::change(self, changes).await
    }

    async fn rejections(&self) -> Result<Vec<StoredRejection>, StoreError> {
        rejection::all(self).await
    }

    async fn withhold(&self, withheld: &WithheldInput) -> Result<(), StoreError> {
        rejection::withhold(self, withheld).await
    }

    async fn withheld(&self) -> Result<Vec<WithheldInput>, StoreError> {
        rejection::withheld(self).await
    }

    async fn release_withheld(&self) -> Result<(), StoreError> {
        rejection::release_all(self).await
    }

    async fn put_rollout(&self, rollout: &StoredRollout) -> Result<(), StoreError> {
        rollout::put(self, rollout).await
    }

    async fn rollouts(&self) -> Result<Vec<StoredRollout>, StoreError> {
        rollout::all(self).await
    }

    async fn keep_generation(
        &self,
        rollout: &str,
        generation: &StoredGeneration,
    ) -> Result<(), StoreError> {
        rollout_generation::keep(self, rollout, generation).await
    }

    async fn generation_of(&self, rollout: &str) -> Result<Option<StoredGeneration>, StoreError> {
        rollout_generation::of(self, rollout).await
    }

    async fn begin_answer(
        &self,
        key: &str,
        request: &str,
        ends_at: OffsetDateTime,
    ) -> Result<KeyPlace, StoreError> {
        idempotency::begin(self, key, request, ends_at).await
    }

    async fn put_answer(&self, answer: &StoredAnswer) -> Result<(), StoreError> {
        idempotency::put(self, answer).await
    }

    async fn answer(&self, key: &str) -> Result<Option<StoredAnswer>, StoreError> {
        idempotency::by_key(self, key).await
    }

    async fn version_key(&self, new: &[u8]) -> Result<Vec<u8>, StoreError> {
        version_key::get_or_insert(self, new).await
    }

    async fn lead(&self, name: &str, lease: Duration) -> Result<Leadership, StoreError> {
        leader::lead(self, name, lease).await
    }

    async fn stop_leading(&self) -> Result<(), StoreError> {
        leader::stop(self).await
    }

    async fn changed(&self) {
        self.0.database.changed().await;
    }
}

/// A number as the databases store it. Numbers that this program counts stay far below the limit.
fn stored(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The present, as it will be read back.
fn now() -> (OffsetDateTime, i64) {
    let micros = micros(OffsetDateTime::now_utc());
    let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1000);
    (at.unwrap_or(OffsetDateTime::UNIX_EPOCH), micros)
}

fn micros(at: OffsetDateTime) -> i64 {
    // Holds until the year 294246, past the last one that the type can express.
    i64::try_from(at.unix_timestamp_nanos() / 1000).unwrap_or(i64::MAX)
}

fn time(what: &'static str, micros: i64) -> Result<OffsetDateTime, StoreError> {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1000)
        .map_err(|_| unreadable(what, micros))
}

fn natural(what: &'static str, number: i64) -> Result<u64, StoreError> {
    u64::try_from(number).map_err(|_| unreadable(what, number))
}

fn unreadable(what: &'static str, value: i64) -> StoreError {
    StoreError::Unreadable {
        what,
        value: value.to_string(),
    }
}
