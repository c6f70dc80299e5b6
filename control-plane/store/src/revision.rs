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

/// What a revision is, without its document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevisionSummary {
    /// Its number.
    pub number: RevisionNumber,
    /// Who made it.
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
    /// Who makes it.
    pub author: String,
    /// Why, in the author's words; possibly empty.
    pub reason: String,
    /// What was done, for the audit trail: `PUT /api/v1/config`, say.
    pub action: String,
    /// From where: an address, or the name of a file; possibly empty.
    pub origin: String,
}
