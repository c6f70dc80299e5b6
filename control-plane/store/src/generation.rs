//! Generations that Envoys were sent.

use std::collections::BTreeMap;

use crate::{GenerationList, RevisionNumber};

/// A generation: the bytes that Envoys were sent, and what these were made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredGeneration {
    /// The generation's name, which is a hash of its content.
    pub generation: String,
    /// The number of the operator's revision that it was made from.
    pub revision: RevisionNumber,
    /// Each server's list, by the server's name.
    pub lists: BTreeMap<String, GenerationList>,
    /// The SHA-256 of the module, in hexadecimal.
    pub module: String,
    /// Its resources, byte for byte, in the order of their types' URLs and then of their versions.
    pub resources: Vec<StoredResource>,
}

/// One resource as Envoys were sent it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StoredResource {
    /// The type URL of the encoded message.
    pub type_url: String,
    /// The hash of the encoded message.
    pub version: String,
    /// The encoded message, byte for byte as Envoys got it.
    pub value: Vec<u8>,
}
