//! Who changed what: the revisions behind a conflict, and what each of them changed.

use std::fmt;
use std::ops::RangeInclusive;

use serde::Serialize;
use serde_json::Value;
use store::{Revision, RevisionNumber, RevisionSummary};
use utoipa::ToSchema;

use super::timestamp::timestamp;
use crate::aside;
use crate::difference::{ResourceChange, between_documents};
use crate::gateway::Gateway;
use crate::sections::{KINDS, Kind, Shape};

/// The revisions that are looked at to find who changed something. Whoever has not read the
/// document for longer reads it again in any case.
const MOST_REVISIONS: u64 = 50;

/// A revision that somebody stored, and what it changed.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(super) struct PastChange {
    /// The number of the revision.
    pub(super) revision: u64,
    /// The one who stored it.
    pub(super) author: String,
    /// Why, in the author's words; possibly empty.
    pub(super) reason: String,
    /// When it was stored.
    pub(super) created_at: String,
    /// The resources that it changed.
    pub(super) changes: Vec<ResourceChange>,
}

impl fmt::Display for PastChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` stored it with revision {} at {}",
            self.author, self.revision, self.created_at
        )
    }
}

impl PastChange {
    fn new(summary: &RevisionSummary, changes: Vec<ResourceChange>) -> Self {
        Self {
            revision: summary.number.0,
            author: summary.author.clone(),
            reason: summary.reason.clone(),
            created_at: timestamp(summary.created_at),
            changes,
        }
    }
}

/// The changes that were stored after this revision, the newest first. What the store cannot say is
/// left out: it explains an error and is none.
pub(super) async fn since(gateway: &Gateway, read: RevisionNumber) -> Vec<PastChange> {
    let head = gateway.read().desired.head;
    let first = (read.0 + 1).max(head.0.saturating_sub(MOST_REVISIONS - 1));
    let mut changes = Vec::new();
    for number in (first..=head.0).rev() {
        changes.extend(change_of(gateway, number).await);
    }
    changes
}

/// The last change of one resource, as far back as is looked.
pub(super) async fn last_change_of(
    gateway: &Gateway,
    kind: &'static Kind,
    name: &str,
) -> Option<PastChange> {
    let told = told_kind(kind);
    let name = (kind.shape != Shape::Whole).then(|| name.to_owned());
    let head = gateway.read().desired.head.0;
    for number in looked_at(head).rev() {
        let mut change = change_of(gateway, number).await?;
        change
            .changes
            .retain(|change| change.kind == told && change.name == name);
        if !change.changes.is_empty() {
            return Some(change);
        }
    }
    None
}

fn looked_at(head: u64) -> RangeInclusive<u64> {
    head.saturating_sub(MOST_REVISIONS - 1).max(1)..=head
}

/// The word by which differences name the kind: a field comes and goes with its owner.
fn told_kind(kind: &Kind) -> &'static str {
    let owner = KINDS
        .iter()
        .find(|owner| owner.section == kind.section && !matches!(owner.shape, Shape::FieldOf(_)));
    owner.map_or(kind.name, |owner| owner.name)
}

/// The changes that one revision made to the one before it.
pub(super) async fn change_of(gateway: &Gateway, number: u64) -> Option<PastChange> {
    let revision = stored(gateway, number).await?;
    let before = match number {
        0 | 1 => None,
        number => Some(stored(gateway, number - 1).await?),
    };
    let changes = aside::run(move || {
        let before = before.map_or(Value::Null, |before| json(&before));
        (
            between_documents(&before, &json(&revision)),
            revision.summary,
        )
    });
    let (changes, summary) = changes.await;
    Some(PastChange::new(&summary, changes))
}

async fn stored(gateway: &Gateway, number: u64) -> Option<Revision> {
    match gateway.store().revision(RevisionNumber(number)).await {
        Ok(revision) => revision,
        Err(error) => {
            tracing::error!(%error, number, "a revision cannot be looked at");
            None
        }
    }
}

/// A stored document as JSON; null where it is none.
pub(super) fn json(revision: &Revision) -> Value {
    serde_json::from_str(&revision.document).unwrap_or_default()
}
