//! Revisions: an operator's documents, numbered and never changed.

use std::fmt;

use time::OffsetDateTime;

/// The number of a revision; the first one is 1, and numbers are never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RevisionNumber(pub u64);

impl fmt::Display for RevisionNumber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// A revision without its document: its number, and who made it, when and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevisionSummary {
    /// The revision's number; the first is 1.
    pub number: RevisionNumber,
    /// The name of the one who made it.
    pub author: String,
    /// Why, in the author's words; possibly empty.
    pub reason: String,
    /// When it was stored, to the microsecond.
    pub created_at: OffsetDateTime,
}

/// An operator's document as it was stored, never changed since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision {
    /// Who, when and why.
    pub summary: RevisionSummary,
    /// The document in canonical JSON.
    pub document: String,
}

/// A revision to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRevision {
    /// The document in canonical JSON.
    pub document: String,
    /// The name of the one who makes it.
    pub author: String,
    /// Why, in the author's words; possibly empty.
    pub reason: String,
    /// The action that made it, for the audit trail, such as `PUT /api/v1/config`.
    pub action: String,
    /// From where: an address, or the name of a file; possibly empty.
    pub origin: String,
    /// The modules that the document names, by their hashes: all of them must be in the store.
    pub modules: Vec<String>,
}
