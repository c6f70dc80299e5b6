//! What Envoys rejected, and what must not be tried again because of it.

use time::OffsetDateTime;

use crate::{ListHash, RevisionNumber};

/// A content that an Envoy rejected. It belongs to this Envoy, this resource and this content, and
/// to nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRejection {
    /// The Envoy's `node.id`.
    pub node: String,
    /// The resource's type URL.
    pub type_url: String,
    /// The resource's name.
    pub name: String,
    /// The hash of the content.
    pub version: String,
    /// Envoy's own words.
    pub message: String,
    /// When it was rejected, to the microsecond.
    pub at: OffsetDateTime,
}

/// An input of a generation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Input {
    /// The operator's document.
    Revision(RevisionNumber),
    /// What a server listed.
    List {
        /// The server's name.
        server: String,
        /// The list's hash.
        hash: ListHash,
    },
    /// The filter module, by its SHA-256 in hexadecimal.
    Module(String),
}

/// An input that the next generation must not be made from, because Envoys rejected the one that
/// was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WithheldInput {
    /// The input.
    pub input: Input,
    /// What the Envoys said.
    pub reason: String,
    /// When it was withheld, to the microsecond.
    pub at: OffsetDateTime,
    /// Whether Envoys run on it all the same, because going back would allow more; until an
    /// operator decides.
    pub is_in_force: bool,
}
