//! Contents that Envoys rejected, and inputs that must not be tried again because of them.

use time::OffsetDateTime;

use crate::{ListHash, RevisionNumber};

/// A content that an Envoy rejected. It belongs to this Envoy, this resource and this content, and
/// to nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRejection {
    /// The `node.id` of the Envoy that rejected it.
    pub node: String,
    /// The resource's type URL.
    pub type_url: String,
    /// The name of the rejected resource.
    pub name: String,
    /// The hash of the content.
    pub version: String,
    /// The reason in Envoy's own words.
    pub message: String,
    /// The hash of the content that the Envoy runs on with; none where it has none, or that is not
    /// known.
    pub run_on: Option<String>,
    /// When it was rejected, to the microsecond.
    pub at: OffsetDateTime,
}

/// A change in what Envoys rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoredRejectionChange {
    /// An Envoy rejected a content; an earlier content of the same resource no longer matters.
    Rejected(StoredRejection),
    /// An Envoy acknowledged another content of the resource since.
    Ended {
        /// The `node.id` of the Envoy whose rejection ended.
        node: String,
        /// The resource's type URL.
        type_url: String,
        /// The name of the resource.
        name: String,
    },
}

/// An input of a generation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Input {
    /// The operator's document, by the number of its revision.
    Revision(RevisionNumber),
    /// A list of tools that a server answered.
    List {
        /// The name of the server that answered it.
        server: String,
        /// The hash of the list.
        hash: ListHash,
    },
    /// The filter module, by its SHA-256 in hexadecimal.
    Module(String),
}

/// An input that the next generation must not be made from, because Envoys rejected the one that
/// was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WithheldInput {
    /// The input that is withheld.
    pub input: Input,
    /// The reason in the Envoys' own words.
    pub reason: String,
    /// When it was withheld, to the microsecond.
    pub at: OffsetDateTime,
    /// Whether Envoys run on it all the same, because going back may allow more; until they accept
    /// something, or are taken back.
    pub is_in_force: bool,
}
