//! `/api/v1/versions`: the revisions, and how they differ.

use std::sync::Arc;

use axum::extract::State;
use serde::Serialize;
use serde_json::Value;
use store::{Revision, RevisionNumber, RevisionSummary};
use utoipa::ToSchema;

use super::envoy_changes::between_snapshots;
use super::history;
use super::paging::Page;
use super::path_names::PathNames;
use super::problem::Problem;
use super::query::Parameters;
use super::shown::{self, Shown};
use crate::aside;
use crate::difference::{ResourceChange, between_documents};
use crate::gateway::{Gateway, InHand, rollback};
use crate::generation::Built;
use crate::timestamp::timestamp;

/// A page of the revisions, the newest first.
#[derive(Serialize, ToSchema)]
pub(super) struct Versions {
    versions: Vec<VersionSummary>,
    /// The cursor of the next page; missing on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// A revision without its document.
#[derive(Serialize, ToSchema)]
pub(super) struct VersionSummary {
    revision: u64,
    author: String,
    /// Why, in the author's words; possibly empty.
    reason: String,
    created_at: String,
}

/// A revision as it was stored.
#[derive(Serialize, ToSchema)]
pub(super) struct StoredVersion {
    #[serde(flatten)]
    summary: VersionSummary,
    /// The document of the revision.
    #[schema(value_type = super::openapi::Document)]
    document: Value,
}

/// The difference between two revisions.
#[derive(Serialize, ToSchema)]
pub(super) struct VersionDifference {
    from: u64,
    to: u64,
    /// The resources of the document that differ.
    changes: Vec<ResourceChange>,
    /// The resources of Envoy that differ: both revisions with today's lists and module. Missing
    /// where one of them can no longer be made.
    #[serde(skip_serializing_if = "Option::is_none")]
    envoy: Option<Vec<ResourceChange>>,
}

impl From<RevisionSummary> for VersionSummary {
    fn from(summary: RevisionSummary) -> Self {
        Self {
            revision: summary.number.0,
            author: summary.author,
            reason: summary.reason,
            created_at: timestamp(summary.created_at),
        }
    }
}

/// Lists the revisions, the newest first.
#[utoipa::path(get, path = "/api/v1/versions", operation_id = "list_versions", tag = "revisions",
    params(Page), responses((status = 200, description = "A page of them", body = Versions)))]
pub(super) async fn list(
    State(gateway): State<Arc<Gateway>>,
    Parameters(page): Parameters<Page>,
) -> Result<Shown, Problem> {
    let limit = page.limit()?;
    let before = page.number()?.map(RevisionNumber);
    let one_more = u32::try_from(limit + 1).unwrap_or(u32::MAX);
    let mut revisions = gateway
        .store()
        .revisions(before, one_more)
        .await
        .map_err(|error| Problem::store(&error))?;
    shown::aside(move || {
        let is_last = revisions.len() <= limit;
        revisions.truncate(limit);
        let last = revisions.last().filter(|_| !is_last);
        Shown::json(&Versions {
            next_cursor: last.map(|last| last.number.to_string()),
            versions: revisions.into_iter().map(VersionSummary::from).collect(),
        })
    })
    .await
}

/// Shows one revision with its document.
#[utoipa::path(get, path = "/api/v1/versions/{revision}", operation_id = "get_version",
    tag = "revisions", params(("revision" = u64, Path, description = "The number of the revision")),
    responses((status = 200, description = "The revision", body = StoredVersion)))]
pub(super) async fn get(
    State(gateway): State<Arc<Gateway>>,
    PathNames(revision): PathNames<String>,
) -> Result<Shown, Problem> {
    let number = number(&revision)?;
    let _in_hand = InHand::question().await?;
    let revision = stored(&gateway, number).await?;
    shown::aside(move || {
        let version = StoredVersion {
            document: history::json(&revision),
            summary: revision.summary.into(),
        };
        Ok(Shown::json(&version)?.tagged(number))
    })
    .await
}

/// Shows what the second revision changes of the first: of the document, and of what Envoys get.
#[utoipa::path(get, path = "/api/v1/versions/{from}/diff/{to}", operation_id = "diff_versions",
    tag = "revisions",
    params(("from" = u64, Path, description = "The revision to compare with"),
        ("to" = u64, Path, description = "The revision that is compared")),
    responses((status = 200, description = "The difference", body = VersionDifference)))]
pub(super) async fn diff(
    State(gateway): State<Arc<Gateway>>,
    PathNames((from, to)): PathNames<(String, String)>,
) -> Result<Shown, Problem> {
    let (from, to) = (number(&from)?, number(&to)?);
    let in_hand = InHand::question().await?;
    let from = Arc::new(stored(&gateway, from).await?);
    let to = Arc::new(stored(&gateway, to).await?);
    let before = made(&gateway, &in_hand, &from).await;
    let after = made(&gateway, &in_hand, &to).await;
    shown::aside(move || {
        let envoy = match (before, after) {
            (Some(before), Some(after)) => {
                let changes = between_snapshots(&before.snapshot, &after.snapshot);
                Some(changes.map_err(|error| Problem::internal(&error))?)
            }
            _ => None,
        };
        Shown::json(&VersionDifference {
            from: from.summary.number.0,
            to: to.summary.number.0,
            changes: between_documents(&history::json(&from), &history::json(&to)),
            envoy,
        })
    })
    .await
}

/// The generation of a revision; none where this version no longer takes its document.
async fn made(gateway: &Gateway, in_hand: &InHand, revision: &Arc<Revision>) -> Option<Built> {
    let (number, revision) = (revision.summary.number, Arc::clone(revision));
    let document = aside::run_question(move || rollback::document_of(&revision)).await;
    gateway
        .make_today(in_hand, number, Arc::new(document.ok()?))
        .await
        .ok()
}

/// The revision of that number.
///
/// # Errors
/// When there is none.
pub(super) async fn stored(gateway: &Gateway, number: u64) -> Result<Revision, Problem> {
    let stored = gateway.store().revision(RevisionNumber(number)).await;
    match stored.map_err(|error| Problem::store(&error))? {
        Some(revision) => Ok(revision),
        None => Err(Problem::nothing_there(
            "there is no such revision",
            format!(
                "there is no revision {number}; the newest one is {}, and `GET /api/v1/versions` \
                 lists them",
                gateway.read().desired.head
            ),
        )),
    }
}

fn number(text: &str) -> Result<u64, Problem> {
    text.parse().map_err(|_| {
        Problem::bad_request("a revision in the path is not a number; write it like `3`")
    })
}
