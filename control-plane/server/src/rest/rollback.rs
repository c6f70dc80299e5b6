//! `/api/v1/rollback`: the way back to an earlier revision.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use super::body::{Given, Written};
use super::change_headers::ChangeHeaders;
use super::dry_run::{DryRun, make_or_try_document};
use super::problem::Problem;
use super::query::Parameters;
use super::versions::stored;
use crate::aside;
use crate::gateway::rollback::{self, Loosening};
use crate::gateway::{Gateway, WriteReport};

/// Where to go back to.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Rollback {
    /// The number of a revision; without it, the newest one that every Envoy accepted before the
    /// one that changes are made to now.
    #[serde(default)]
    to: Option<u64>,
    /// Whether calls may pass afterwards that are refused now; with `dry_run` the answer says
    /// whether they may, and nobody has to allow it.
    #[serde(default)]
    allow_loosening: bool,
}

/// Goes back to an earlier revision: its document becomes a new revision, which Envoys judge like
/// any other. Servers' lists and the filter module stay as they are today.
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
    let Given(wanted): Given<Rollback> = written.read().await?;
    let number = match wanted.to {
        Some(number) => number,
        None => last_accepted(&gateway).await?,
    };
    let revision = stored(&gateway, number).await?;
    let loosening = if wanted.allow_loosening || dry_run.dry_run {
        Loosening::Meant
    } else {
        Loosening::Refused
    };
    let edit = aside::run(move || rollback::to_revision(&revision, loosening)).await?;
    if headers.author.reason.is_empty() {
        headers.author.reason = format!("back to revision {number}");
    }
    make_or_try_document(&gateway, edit, headers, dry_run).await
}

async fn last_accepted(gateway: &Gateway) -> Result<u64, Problem> {
    let accepted = gateway.last_accepted().await;
    let accepted = accepted.map_err(|error| Problem::store(&error))?;
    let accepted = accepted.ok_or_else(|| {
        Problem::nothing_there(
            "there is no such revision",
            "no other revision is remembered that every Envoy accepted; name one as `to`, \
             `GET /api/v1/versions` lists them",
        )
    })?;
    Ok(accepted.0)
}
