//! Keeps what the control plane must not forget.
//!
//! - [`Revision`]: an operator's document, numbered, never changed; a new one is stored only on top
//!   of the head that its author has seen, so nobody overwrites anybody unawares;
//! - [`Catalogue`]: what each MCP server answered when it was asked for its tools, byte for byte;
//! - [`Module`]: where a `.wasm` of that hash lies;
//! - [`AuditRecord`]: who did what, when, from where and why;
//! - [`StoredGeneration`]: what Envoys accepted last, and what is tried in waves, as the bytes that
//!   they were sent;
//! - [`StoredRejection`]: what an Envoy rejected, and [`WithheldInput`]: what must not be tried
//!   again because of it;
//! - [`StoredAnswer`]: the answer to a request that may be sent again;
//! - [`StoredRollout`]: which Envoys have been given what is being tried, and how far that is.
//!
//! [`ConfigStore`] is what the rest of the control plane sees; [`SqlStore`] keeps it in a SQLite
//! file or in a PostgreSQL, which several control planes may share: one of them leads
//! ([`Leadership`]).
//!
//! It never interprets a document, a tool definition or a module, never holds a secret's value, and
//! never answers `Ok` before the disk has it.
//!
//! ```
//! use store::{AppendError, ConfigStore, NewRevision, SqlStore};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("control-plane.db");
//! let store = SqlStore::open(path.as_path()).await?;
//! let draft = NewRevision {
//!     document: r#"{"servers":{}}"#.to_owned(),
//!     author: "ada".to_owned(),
//!     reason: "a start".to_owned(),
//!     action: "PUT /api/v1/config".to_owned(),
//!     origin: "127.0.0.1".to_owned(),
//!     modules: Vec::new(),
//! };
//! let first = store.append(None, draft.clone()).await?;
//! assert_eq!(first.summary.number.0, 1);
//!
//! // Whoever still believes that the store is empty is told that it is not.
//! let refused = store.append(None, draft).await;
//! assert!(matches!(refused, Err(AppendError::Conflict { .. })));
//! # Ok(())
//! # }
//! ```

mod address;
mod answer;
mod audit;
mod catalogue;
mod config_store;
mod database;
mod error;
mod generation;
mod lease;
mod module;
mod rejection;
mod revision;
mod rollout;
mod sql;

pub use address::StoreAddress;
pub use answer::{KeptAnswer, KeyPlace, MOST_KEYS, StoredAnswer};
pub use audit::{AuditEntry, AuditFilter, AuditRecord};
pub use catalogue::{Catalogue, DefinitionReview, GenerationList, ListHash, RawTool, ReviewState};
pub use config_store::ConfigStore;
pub use error::{AppendError, OpenError, StoreError};
pub use generation::{StoredGeneration, StoredResource};
pub use lease::{LeaderToken, Leadership};
pub use module::Module;
pub use rejection::{Input, StoredRejection, StoredRejectionChange, WithheldInput};
pub use revision::{NewRevision, Revision, RevisionNumber, RevisionSummary};
pub use rollout::{KEPT, StoredRollout, StoredWave, UsualCounts};
pub use sql::{BackupError, Pruned, Retention, SqlStore};
