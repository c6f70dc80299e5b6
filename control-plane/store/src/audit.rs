//! The audit trail: who did what, when, from where and why.

use time::OffsetDateTime;

use crate::RevisionNumber;

/// Something that was done, to be put on record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// The one who did it, as the request says.
    pub who: String,
    /// The deed, such as `PUT /api/v1/config`.
    pub what: String,
    /// The revision that it made or concerned, if any.
    pub revision: Option<RevisionNumber>,
    /// From where: an address, or the name of a file; possibly empty.
    pub origin: String,
    /// Why, in the author's words; possibly empty.
    pub reason: String,
}

/// Something that is on record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRecord {
    /// Its place in the trail, counted from 1, never used again.
    pub sequence: u64,
    /// When it was put on record, to the microsecond.
    pub at: OffsetDateTime,
    /// The entry as it was recorded.
    pub entry: AuditEntry,
}
