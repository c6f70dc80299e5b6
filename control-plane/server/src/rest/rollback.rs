//! `/api/v1/rollback`: the way back to an earlier revision.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use super::body::{Given, Written};
use super::change_headers::ChangeHeaders;
use super::dry_run::{Done, DryRun, carry_out_on_document};
use super::problem::Problem;
use super::query::Parameters;
use super::versions::stored;
use crate::aside;
use crate::gateway::rollback::{self, Loosening};
use crate::gateway::{Gateway, WayBack, WriteReport};

/// Where to go back to.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Rollback {
    /// The number of a revision; without it, the newest one that every Envoy accepted before the
    /// one that changes are made to now. That is not the newest one where that was taken back
    /// already: what is undone then is the change before it.
    #[serde(default)]
    to: Option<u64>,
    /// Whether calls may pass afterwards that are refused now; with `dry_run` the answer says
    /// whether they may, and nobody has to allow it.
    #[serde(default)]
    allow_loosening: bool,
}

/// Goes back to an earlier revision: its document becomes a new revision, which Envoys judge like
/// any other. Servers' lists and the filter module stay as they are today. `way_back` in the answer
/// says where it goes, and from where.
#[utoipa::path(post, path = "/api/v1/rollback", operation_id = "roll_back", tag = "revisions",
    params(DryRun), request_body = Rollback,
    responses((status = 200, description = "The outcome of the change; with `dry_run`, a `Trial`",
        body = WriteReport)))]
pub(super) async fn post(
    State(gateway): State<Arc<Gateway>>,
    Parameters(dry_run): Parameters<DryRun>,
    mut headers: ChangeHeaders,
    written: Written,
) -> Result<Response, Problem> {
    let in_hand = dry_run.in_hand().await?;
    let Given(wanted): Given<Rollback> = written.read().await?;
    let way = way_back(&gateway, wanted.to).await?;
    let revision = stored(&gateway, way.to).await?;
    let loosening = if wanted.allow_loosening || dry_run.dry_run {
        Loosening::Meant
    } else {
        Loosening::Refused
    };
    let edit = aside::run(move || rollback::to_revision(&revision, loosening)).await?;
    if headers.author.reason.is_empty() {
        headers.author.reason = format!("back to revision {}", way.to);
    }
    let outcome = carry_out_on_document(&gateway, in_hand, edit, headers, dry_run).await?;
    outcome.answer(Some(way)).await.map(Done::of_document)
}

async fn way_back(gateway: &Gateway, to: Option<u64>) -> Result<WayBack, Problem> {
    let way = gateway.way_back(to).await;
    let way = way.map_err(|error| Problem::store(&error))?;
    way.ok_or_else(|| {
        Problem::nothing_there(
            "there is no such revision",
            "no other revision is remembered that every Envoy accepted; name one as `to`, \
             `GET /api/v1/versions` lists them",
        )
    })
}
