//! The author of a change.

use gateway_document::GatewayDocument;
use store::{AuditEntry, NewRevision, RevisionNumber};

/// Who changes what, for the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// The name under which the change goes on the record.
    pub name: String,
    /// The reason in their own words; possibly empty.
    pub reason: String,
    /// The request that makes the change, such as `PUT /api/v1/config`.
    pub action: String,
    /// The address that the request came from.
    pub origin: String,
}

impl Author {
    /// The revision that says that this author changes the document to this one.
    pub(super) fn revision(&self, document: &GatewayDocument) -> NewRevision {
        NewRevision {
            document: document
                .to_canonical_json()
                .expect("a document has text keys and finite numbers"),
            author: self.name.clone(),
            reason: self.reason.clone(),
            action: self.action.clone(),
            origin: self.origin.clone(),
            modules: document.module_hashes().map(ToString::to_string).collect(),
        }
    }

    /// The record of a deed that stores no revision, on the content of this SHA-256: a module, or
    /// the definition of a tool.
    pub(super) fn deed_on(&self, sha256: &str) -> AuditEntry {
        let what = format!("{} sha256:{sha256}", self.action);
        self.entry(what, None)
    }

    /// The record of a deed that stores no revision, on the rollout of this one.
    pub(super) fn deed_on_rollout(&self, revision: RevisionNumber) -> AuditEntry {
        self.entry(self.action.clone(), Some(revision))
    }

    fn entry(&self, what: String, revision: Option<RevisionNumber>) -> AuditEntry {
        AuditEntry {
            who: self.name.clone(),
            what,
            revision,
            origin: self.origin.clone(),
            reason: self.reason.clone(),
        }
    }
}
