//! The secrets that a document refers to: read, checked, given to Envoys, and read again when their
//! files change.
//!
//! Only [`SecretKeeper`] holds what they say. A document, and whatever is made of it, holds
//! references: so no snapshot, difference, audit record or stored generation can have a secret in
//! it.

mod files;
mod in_time;
mod keeper;
mod material;
mod message;
mod reading;
mod traces;

pub(crate) use files::read_file;
pub use keeper::{ReadSecrets, SecretKeeper, SecretState, SecretStatus};
pub use material::{Material, Unusable};
pub(crate) use material::{believed, certified};
pub(crate) use traces::Traces;
