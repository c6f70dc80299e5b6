//! Who changed what: the revisions behind a conflict, and what each of them changed.

use std::collections::VecDeque;
use std::fmt;

use serde::Serialize;
use serde_json::Value;
use store::{Revision, RevisionNumber, RevisionSummary};
use utoipa::ToSchema;

use crate::aside;
use crate::difference::{ResourceChange, between_documents};
use crate::gateway::{Gateway, InHand};
use crate::sections::{KINDS, Kind, Shape};
use crate::timestamp::timestamp;

/// The revisions that are looked at to find who changed something. Whoever has not read the
/// document for longer reads it again in any case.
const MOST_REVISIONS: u32 = 50;

/// The revision with which every store begins: it changed nothing that was there.
const FIRST: RevisionNumber = RevisionNumber(1);

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
    /// The revision that it is compared with: the newest before it that is kept. Missing for the
    /// first one, before which there was nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) compared_with: Option<u64>,
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
    fn new(
        summary: &RevisionSummary,
        compared_with: Option<u64>,
        changes: Vec<ResourceChange>,
    ) -> Self {
        Self {
            revision: summary.number.0,
            author: summary.author.clone(),
            reason: summary.reason.clone(),
            created_at: timestamp(summary.created_at),
            compared_with,
            changes,
        }
    }
}

/// The changes that were stored after this revision, the newest first. What the store cannot say is
/// left out: it explains an error and is none.
pub(super) async fn since(gateway: &Gateway, read: RevisionNumber) -> Vec<PastChange> {
    let mut past = Past::of(gateway).await;
    let mut changes = Vec::new();
    while let Some(change) = past.next().await {
        if change.revision <= read.0 {
            break;
        }
        changes.push(change);
    }
    changes
}

/// The last change of each of these resources, as far back as is looked; the newest first.
pub(super) async fn last_changes_of(
    gateway: &Gateway,
    resources: Vec<(&'static Kind, String)>,
) -> Vec<PastChange> {
    let mut wanted: Vec<(&str, Option<String>)> = resources
        .into_iter()
        .map(|(kind, name)| {
            (
                told_kind(kind),
                (kind.shape != Shape::Whole).then_some(name),
            )
        })
        .collect();
    let mut past = Past::of(gateway).await;
    let mut found = Vec::new();
    while !wanted.is_empty()
        && let Some(mut change) = past.next().await
    {
        let is_it = |change: &ResourceChange, (kind, name): &(&str, Option<String>)| {
            change.kind == *kind && change.name == *name
        };
        let changes = &mut change.changes;
        changes.retain(|change| wanted.iter().any(|wanted| is_it(change, wanted)));
        wanted.retain(|wanted| !changes.iter().any(|change| is_it(change, wanted)));
        if !changes.is_empty() {
            found.push(change);
        }
    }
    found
}

/// The newest revisions and what each changed, one after the other into the past.
struct Past<'a> {
    gateway: &'a Gateway,
    /// For the documents of two of them at a time.
    _in_hand: InHand,
    /// Those that were not told of yet, the newest first, and the one before the last of them.
    left: VecDeque<RevisionSummary>,
    /// The first of them, where it was read already.
    first: Option<Revision>,
}

impl<'a> Past<'a> {
    async fn of(gateway: &'a Gateway) -> Self {
        let in_hand = InHand::past().await;
        let listed = gateway.store().revisions(None, MOST_REVISIONS + 1).await;
        let left = listed.unwrap_or_else(|error| {
            tracing::error!(%error, "the revisions cannot be looked at");
            Vec::new()
        });
        Self {
            gateway,
            _in_hand: in_hand,
            left: left.into(),
            first: None,
        }
    }

    /// The change before the one that was told last; none where that is as far as is looked.
    async fn next(&mut self) -> Option<PastChange> {
        let summary = self.left.pop_front()?;
        let after = match self.first.take() {
            Some(read) => read,
            None => stored(self.gateway, summary.number).await?,
        };
        if let Some(before) = self.left.front() {
            self.first = stored(self.gateway, before.number).await;
        }
        // Whoever made a change waits for it, and for none who only asks.
        let before = self.first.clone();
        aside::run(move || past_change(before.as_ref(), &after)).await
    }
}

/// The word by which differences name the kind: a field comes and goes with its owner.
fn told_kind(kind: &Kind) -> &'static str {
    let owner = KINDS
        .iter()
        .find(|owner| owner.section == kind.section && !matches!(owner.shape, Shape::FieldOf(_)));
    owner.map_or(kind.name, |owner| owner.name)
}

/// The changes that one revision made to the newest one before it that is kept. None where it is
/// not kept itself, or nothing before it is: nobody knows what it changed.
pub(super) async fn change_of(gateway: &Gateway, number: RevisionNumber) -> Option<PastChange> {
    let revision = stored(gateway, number).await?;
    let before = match gateway.store().revisions(Some(number), 1).await {
        Ok(before) => before.into_iter().next(),
        Err(error) => {
            tracing::error!(%error, %number, "the revision before it cannot be looked at");
            return None;
        }
    };
    let before = match before {
        Some(before) => Some(stored(gateway, before.number).await?),
        None => None,
    };
    aside::run_question(move || past_change(before.as_ref(), &revision)).await
}

/// The changes of one revision. None where that before it is missing, and was there once.
fn past_change(before: Option<&Revision>, after: &Revision) -> Option<PastChange> {
    if before.is_none() && after.summary.number != FIRST {
        return None;
    }
    let compared = before.map(|before| before.summary.number.0);
    let before = before.map_or(Value::Null, json);
    let changes = between_documents(&before, &json(after));
    Some(PastChange::new(&after.summary, compared, changes))
}

async fn stored(gateway: &Gateway, number: RevisionNumber) -> Option<Revision> {
    match gateway.store().revision(number).await {
        Ok(revision) => revision,
        Err(error) => {
            tracing::error!(%error, %number, "a revision cannot be looked at");
            None
        }
    }
}

/// A stored document as JSON; null where it is none.
pub(super) fn json(revision: &Revision) -> Value {
    serde_json::from_str(&revision.document).unwrap_or_default()
}
