//! The secrets that a document refers to: read, checked, given to Envoys, and read again when their
//! files change.
//!
//! Only [`SecretKeeper`] holds what they say. A document, and whatever is made of it, holds
//! references: so no snapshot, difference, audit record or stored generation can have a secret in
//! it.

mod files;
mod keeper;
mod material;
mod message;
mod reading;

pub use keeper::{ReadSecrets, SecretKeeper, SecretStatus};
pub use material::{Material, Unusable};
pub(crate) use material::{believed, certified};
