//! The audit trail: who did what, when, from where and why.

use time::OffsetDateTime;

use crate::RevisionNumber;

/// Something that was done, to be put on record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// The one who did it, as the request says.
    pub who: String,
    /// The deed, such as `PUT /api/v1/config` or `portcullis store prune`; behind a space the
    /// content that it was about, where that stands in no revision.
    pub what: String,
    /// The revision that it made or concerned, if any.
    pub revision: Option<RevisionNumber>,
    /// From where: an address, or the name of a file; possibly empty.
    pub origin: String,
    /// Why, in the author's words; possibly empty.
    pub reason: String,
}

impl AuditEntry {
    /// The kind of resource that it is about, by the path that was asked for, or by what was taken
    /// back or restored; empty where it was none of these.
    pub(crate) fn kind(&self) -> &str {
        let deeds = [" /api/v1/", " store prune ", " store restore "];
        let mut paths = deeds.iter().filter_map(|deed| self.what.split_once(deed));
        let kind = paths
            .next()
            .and_then(|(_, path)| path.split(['/', ' ']).next());
        kind.unwrap_or_default()
    }
}

/// The records that somebody wants to see: those that fit everything that is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// The one who did it.
    pub who: Option<String>,
    /// The address that it was done from.
    pub origin: Option<String>,
    /// The kind of resource that it was about, such as `servers`.
    pub kind: Option<String>,
    /// The beginning of the deed, such as `PUT /api/v1/servers`.
    pub what: Option<String>,
    /// The revision that it made or concerned.
    pub revision: Option<RevisionNumber>,
    /// The first moment that is wanted.
    pub since: Option<OffsetDateTime>,
    /// The moment after the last one.
    pub until: Option<OffsetDateTime>,
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
