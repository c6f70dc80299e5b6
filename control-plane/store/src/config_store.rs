//! The interface of the store, which is all that the rest of the control plane sees of it.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use time::OffsetDateTime;

use crate::{
    AppendError, AuditEntry, AuditFilter, AuditRecord, Catalogue, KeyPlace, Leadership, ListHash,
    Module, NewRevision, RawTool, Revision, RevisionNumber, RevisionSummary, StoreError,
    StoredAnswer, StoredGeneration, StoredRejection, StoredRejectionChange, StoredRollout,
    WithheldInput,
};

/// Keeps all that the control plane must not forget. Whatever a method has answered `Ok` to
/// survives a crash.
///
/// Every method fails with [`StoreError`] when the database cannot be read or written.
#[async_trait]
pub trait ConfigStore: Send + Sync + 'static {
    /// Stores `revision` as the successor of `expected` (`None`: as the first) and puts it on the
    /// audit trail, both or neither.
    ///
    /// # Errors
    /// [`AppendError::Conflict`] when the head is another one by now, and [`AppendError::Missing`]
    /// when a module that it names is gone; nothing is stored then.
    async fn append(
        &self,
        expected: Option<RevisionNumber>,
        revision: NewRevision,
    ) -> Result<Revision, AppendError>;

    /// The newest revision; `None` while there is none.
    async fn head(&self) -> Result<Option<Revision>, StoreError>;

    /// The revision of that number, if there is one.
    async fn revision(&self, number: RevisionNumber) -> Result<Option<Revision>, StoreError>;

    /// Up to `limit` revisions, newest first, below `before` if given.
    async fn revisions(
        &self,
        before: Option<RevisionNumber>,
        limit: u32,
    ) -> Result<Vec<RevisionSummary>, StoreError>;

    /// Stores the list of a catalogue, and nothing else of it: `put_catalogue` has less to write
    /// then. Where that does not follow, the list goes as any other that nothing names.
    async fn put_tools(&self, catalogue: &Catalogue) -> Result<(), StoreError>;

    /// Replaces what is known of a server's tools.
    async fn put_catalogue(&self, catalogue: &Catalogue) -> Result<(), StoreError>;

    /// Replaces what is known of a server's tools by what somebody decided about one of them, and
    /// puts that on the audit trail, both or neither.
    async fn put_reviewed(
        &self,
        catalogue: &Catalogue,
        entry: &AuditEntry,
    ) -> Result<(), StoreError>;

    /// Forgets a server's tools.
    async fn remove_catalogue(&self, server: &str) -> Result<(), StoreError>;

    /// The latest list of each server's tools, by the server's name.
    async fn catalogues(&self) -> Result<BTreeMap<String, Catalogue>, StoreError>;

    /// The list of that hash. It is kept while a catalogue or a stored generation names it, and a
    /// day beyond, so that a generation which began with it can still be stored.
    async fn tool_list(&self, hash: &ListHash) -> Result<Option<Vec<RawTool>>, StoreError>;

    /// Remembers a module; of one that is known only the path is updated.
    async fn put_module(&self, module: &Module) -> Result<(), StoreError>;

    /// Remembers a module that an operator uploaded, with its bytes and when that was, and puts it
    /// on the audit trail where they were not kept yet, all or nothing.
    async fn keep_module(
        &self,
        module: &Module,
        content: &[u8],
        entry: &AuditEntry,
    ) -> Result<(), StoreError>;

    /// The bytes of a module that an operator uploaded; `None` for every other one.
    async fn module_content(&self, sha256: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// Forgets a module, and puts that on the audit trail, both or neither. Tells whether it was
    /// known; nothing is put on the trail where it was not.
    async fn remove_module(&self, sha256: &str, entry: &AuditEntry) -> Result<bool, StoreError>;

    /// The module of that SHA-256, if it is known.
    async fn module(&self, sha256: &str) -> Result<Option<Module>, StoreError>;

    /// Every module, the one that has been there longest first.
    async fn modules(&self) -> Result<Vec<Module>, StoreError>;

    /// Puts something on the audit trail.
    async fn record(&self, entry: &AuditEntry) -> Result<AuditRecord, StoreError>;

    /// Up to `limit` records, newest first, below the sequence number `before` if given.
    async fn audit(&self, before: Option<u64>, limit: u32) -> Result<Vec<AuditRecord>, StoreError>;

    /// As [`ConfigStore::audit`], of those records that fit `filter`.
    async fn find_audit(
        &self,
        filter: &AuditFilter,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<AuditRecord>, StoreError>;

    /// Remembers a generation that Envoys accepted, as the newest; the few before it are kept too.
    /// Its revision and lists must be in the store. It ends what Envoys keep
    /// ([`WithheldInput::is_in_force`]).
    async fn add_accepted(&self, accepted: &StoredGeneration) -> Result<(), StoreError>;

    /// Forgets that Envoys accepted a generation, and its revisions as it.
    async fn remove_accepted(&self, generation: &str) -> Result<(), StoreError>;

    /// The generations that Envoys accepted last, the newest first.
    async fn accepted(&self) -> Result<Vec<StoredGeneration>, StoreError>;

    /// The newest revision below `before` that Envoys accepted. Revisions are told apart by their
    /// numbers, also where they are the same generation.
    async fn last_accepted_revision(
        &self,
        before: RevisionNumber,
    ) -> Result<Option<RevisionNumber>, StoreError>;

    /// Takes in changes of what Envoys rejected, in their order, all or none.
    async fn change_rejections(&self, changes: &[StoredRejectionChange]) -> Result<(), StoreError>;

    /// Everything that Envoys rejected and acknowledged nothing else for since.
    async fn rejections(&self) -> Result<Vec<StoredRejection>, StoreError>;

    /// Remembers an input that the next generation must not be made from. One that Envoys were
    /// taken back from ends what they kept before ([`WithheldInput::is_in_force`]).
    async fn withhold(&self, withheld: &WithheldInput) -> Result<(), StoreError>;

    /// The inputs that the next generation must not be made from.
    async fn withheld(&self) -> Result<Vec<WithheldInput>, StoreError>;

    /// Lets every withheld input be tried again.
    async fn release_withheld(&self) -> Result<(), StoreError>;

    /// Remembers how far a rollout is, in the place of what was known of it. Its revision must be
    /// in the store.
    async fn put_rollout(&self, rollout: &StoredRollout) -> Result<(), StoreError>;

    /// The rollouts: those that go on, then a hundred that have ended, the newest first.
    async fn rollouts(&self) -> Result<Vec<StoredRollout>, StoreError>;

    /// Keeps the generation of a rollout that is stored, until that is stored as ended; where its
    /// Envoys keep it then ([`KEPT`](crate::KEPT)), until a later rollout is stored. One that is
    /// kept already stays as it is.
    async fn keep_generation(
        &self,
        rollout: &str,
        generation: &StoredGeneration,
    ) -> Result<(), StoreError>;

    /// The generation that is kept of the rollout of this name.
    async fn generation_of(&self, rollout: &str) -> Result<Option<StoredGeneration>, StoreError>;

    /// Takes a key for a request that begins, until it ends, where fewer than
    /// [`MOST_KEYS`](crate::MOST_KEYS) are taken.
    async fn begin_answer(
        &self,
        key: &str,
        request: &str,
        ends_at: OffsetDateTime,
    ) -> Result<KeyPlace, StoreError>;

    /// Remembers how the request that has a key was answered, until its end. Beyond 16 MiB the
    /// oldest answers become [`KeptAnswer::Status`](crate::KeptAnswer::Status).
    async fn put_answer(&self, answer: &StoredAnswer) -> Result<(), StoreError>;

    /// The answer to the request that had this key, until its end.
    async fn answer(&self, key: &str) -> Result<Option<StoredAnswer>, StoreError>;

    /// The key of the hashes by which secrets' versions are named: `new`, unless one is stored
    /// already. All processes that share the store get the same.
    async fn version_key(&self, new: &[u8]) -> Result<Vec<u8>, StoreError>;

    /// Asks to lead, or to go on leading, for so long from now; `name` is shown to those who ask
    /// meanwhile. From the first time on, whatever this store writes is refused once another
    /// process leads.
    ///
    /// # Errors
    /// [`StoreError::Superseded`] when this process led, and another one has since, or has stored a
    /// revision that this one does not know. It has to start from the store anew.
    async fn lead(&self, name: &str, lease: Duration) -> Result<Leadership, StoreError>;

    /// Lets another process lead at once.
    async fn stop_leading(&self) -> Result<(), StoreError>;

    /// Waits until another process may have stored a revision, or stopped to lead. It is a hint,
    /// which may be lost: look from time to time as well.
    async fn changed(&self);
}
