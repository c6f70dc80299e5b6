//! Keeps what the control plane must not forget: revisions, catalogues, modules, the audit trail, and which
//! generation the Envoys last accepted.
mod accepted;
mod audit;
mod catalogue;
mod config_store;
mod error;
mod module;
mod revision;

pub use accepted::AcceptedGeneration;
pub use audit::{AuditEntry, AuditRecord};
pub use catalogue::{Catalogue, ListHash, RawTool};
pub use config_store::ConfigStore;
pub use error::{AppendError, OpenError, StoreError};
pub use module::Module;
pub use revision::{NewRevision, Revision, RevisionNumber, RevisionSummary};
