//! The secrets that a document refers to: read, checked, given to Envoys, and read again when their
//! files change.
//!
//! Only [`SecretKeeper`] holds what they say. A document, and whatever is made of it, holds
//! references: so no snapshot, difference, audit record or stored generation can have a secret in
//! it.

mod file_system;
mod files;
mod in_time;
mod keeper;
mod material;
mod message;
mod reading;
mod signature;
mod source;
mod traces;

pub(crate) use files::read_file;
pub use keeper::{ReadSecrets, SecretKeeper, SecretState, SecretStatus};
pub(crate) use material::certified;
pub use material::{Authorities, Material, Unusable};
pub(crate) use source::SYSTEM_AUTHORITIES;
pub(crate) use traces::Traces;
