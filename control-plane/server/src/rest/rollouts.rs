//! `/api/v1/rollouts`: how each rollout stands, and what an operator wants of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use xds::{Generation, NodeAnswer, NodeId, NodeSummary};

use super::change_headers::ChangeHeaders;
use super::paging::Page;
use super::path_names::PathNames;
use super::problem::Problem;
use super::query::Parameters;
use super::shown::{self, Shown};
use crate::aside;
use crate::gateway::{Gateway, Rollout, RolloutState, RolloutVerb, SteerError};
use crate::timestamp::timestamp;

/// A page of rollouts.
#[derive(Serialize, ToSchema)]
pub(super) struct RolloutList {
    /// The rollouts, the newest first.
    rollouts: Vec<RolloutView>,
    /// The cursor of the next page; missing on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// One rollout, and where each of its Envoys stands.
#[derive(Serialize, ToSchema)]
#[schema(as = RolloutProgress)]
pub(super) struct RolloutView {
    /// Its name: the revision and the beginning of the generation's name.
    id: String,
    /// The revision that is rolled out.
    revision: u64,
    /// The generation that is rolled out.
    generation: String,
    /// How far the rollout is.
    state: RolloutState,
    /// Whether no wave is to end by itself.
    paused: bool,
    /// The wave in hand, from 1.
    wave: usize,
    /// How many waves there are.
    of: usize,
    /// Its waves, the last of which reaches everyone.
    waves: Vec<RolloutWave>,
    /// When the wave in hand has been watched for long enough.
    #[serde(skip_serializing_if = "Option::is_none")]
    soak_until: Option<String>,
    /// Why the wave in hand may not end, whatever its soak: what its Envoys have still to report,
    /// which of them it waits for to come back, or that none is there for it.
    #[serde(skip_serializing_if = "String::is_empty")]
    gate: String,
    /// The time at which it began.
    began_at: String,
    /// The time at which it ended; missing while it goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<String>,
    /// Why it was taken back.
    #[serde(skip_serializing_if = "String::is_empty")]
    reason: String,
}

/// One wave of a rollout.
#[derive(Serialize, ToSchema)]
pub(super) struct RolloutWave {
    /// Its reach as the document says it.
    reach: String,
    /// How long it is watched, in milliseconds.
    soak_ms: u64,
    /// The Envoys that it has given the generation to, those of earlier waves left out; none where
    /// a change reaches everyone at once, unless they keep it.
    nodes: Vec<RolloutNode>,
}

/// An Envoy of a wave.
#[derive(Serialize, ToSchema)]
pub(super) struct RolloutNode {
    /// The `node.id` by which the Envoy calls itself.
    id: String,
    /// Where it stands with the generation of the rollout.
    state: NodeStanding,
}

/// Where an Envoy stands with the generation of a rollout.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum NodeStanding {
    /// It acknowledged all of it.
    Acked,
    /// It has not answered all of it.
    Pending,
    /// It rejected a part.
    Rejected,
    /// It is meant to have another generation by now.
    MovedOn,
    /// It is not connected.
    Gone,
}

/// The words of an operator who aborts a rollout.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Abort {
    /// Whether calls may pass afterwards that are refused now.
    allow_loosening: bool,
}

/// Lists the rollouts, the newest first.
#[utoipa::path(get, path = "/api/v1/rollouts", operation_id = "list_rollouts", tag = "rollouts",
    params(Page), responses((status = 200, description = "A page of them", body = RolloutList)))]
pub(super) async fn list(
    State(gateway): State<Arc<Gateway>>,
    Parameters(page): Parameters<Page>,
) -> Result<Shown, Problem> {
    shown::glance(move || {
        let fleet = Fleet::of(&gateway);
        // Copied out: the answer is as long as the fleet, and writers wait for who reads.
        let rollouts: Vec<Rollout> = gateway.read().rollouts.iter().cloned().collect();
        let (rollouts, next_cursor) = page.of(rollouts, |rollout| rollout.id.clone())?;
        let rollouts = rollouts.into_iter().map(|rollout| view(rollout, &fleet));
        Shown::json(&RolloutList {
            rollouts: rollouts.collect(),
            next_cursor,
        })
    })
    .await
}

/// Shows one rollout: its waves, and where their Envoys stand.
#[utoipa::path(get, path = "/api/v1/rollouts/{id}", operation_id = "show_rollout",
    tag = "rollouts", params(("id" = String, Path, description = "The name of the rollout")),
    responses((status = 200, description = "The rollout", body = RolloutView)))]
pub(super) async fn get(
    State(gateway): State<Arc<Gateway>>,
    PathNames(id): PathNames<String>,
) -> Result<Shown, Problem> {
    shown::glance(move || {
        let rollout = gateway.read().rollouts.get(&id).cloned();
        let rollout = rollout.ok_or(SteerError::Unknown(id))?;
        Shown::json(&view(rollout, &Fleet::of(&gateway)))
    })
    .await
}

/// Lets no wave of a rollout end by itself.
#[utoipa::path(post, path = "/api/v1/rollouts/{id}/pause", operation_id = "pause_rollout",
    tag = "rollouts", params(("id" = String, Path, description = "The name of the rollout")),
    responses((status = 200, description = "How it stands then", body = RolloutView)))]
pub(super) async fn pause(
    state: State<Arc<Gateway>>,
    path: PathNames<String>,
    change: ChangeHeaders,
    body: Bytes,
) -> Result<Shown, Problem> {
    without_words(&body)?;
    steer(state, path, change, RolloutVerb::Pause).await
}

/// Lets the waves of a rollout end by themselves again.
#[utoipa::path(post, path = "/api/v1/rollouts/{id}/resume", operation_id = "resume_rollout",
    tag = "rollouts", params(("id" = String, Path, description = "The name of the rollout")),
    responses((status = 200, description = "How it stands then", body = RolloutView)))]
pub(super) async fn resume(
    state: State<Arc<Gateway>>,
    path: PathNames<String>,
    change: ChangeHeaders,
    body: Bytes,
) -> Result<Shown, Problem> {
    without_words(&body)?;
    steer(state, path, change, RolloutVerb::Resume).await
}

/// Ends the wave in hand of a rollout as soon as its Envoys have acknowledged. One that has not
/// begun begins with the Envoys that are there, and ends as any other; where none is there it is
/// passed over.
#[utoipa::path(post, path = "/api/v1/rollouts/{id}/promote", operation_id = "promote_rollout",
    tag = "rollouts", params(("id" = String, Path, description = "The name of the rollout")),
    responses((status = 200, description = "How it stands then", body = RolloutView)))]
pub(super) async fn promote(
    state: State<Arc<Gateway>>,
    path: PathNames<String>,
    change: ChangeHeaders,
    body: Bytes,
) -> Result<Shown, Problem> {
    without_words(&body)?;
    steer(state, path, change, RolloutVerb::Promote).await
}

/// Takes the Envoys of a rollout back to the generation before it. The body may be left out.
#[utoipa::path(post, path = "/api/v1/rollouts/{id}/abort", operation_id = "abort_rollout",
    tag = "rollouts", params(("id" = String, Path, description = "The name of the rollout")),
    request_body = Abort,
    responses((status = 200, description = "How it stands then", body = RolloutView)))]
pub(super) async fn abort(
    state: State<Arc<Gateway>>,
    path: PathNames<String>,
    change: ChangeHeaders,
    body: Bytes,
) -> Result<Shown, Problem> {
    let Abort { allow_loosening } = if body.is_empty() {
        Abort::default()
    } else {
        serde_json::from_slice(&body).map_err(|error| {
            Problem::bad_request(format!(
                "{error}; send nothing, or `{{\"allow_loosening\": true}}` if calls \
                 may pass afterwards that are refused now"
            ))
        })?
    };
    let verb = RolloutVerb::Abort {
        may_loosen: allow_loosening,
    };
    steer(state, path, change, verb).await
}

/// Refuses a body where there is nothing to say: one that was ignored would be believed.
fn without_words(body: &Bytes) -> Result<(), Problem> {
    if body.is_empty() || body.as_ref() == b"{}" {
        return Ok(());
    }
    Err(Problem::bad_request(
        "this takes no body; say why in `x-portcullis-reason`",
    ))
}

async fn steer(
    State(gateway): State<Arc<Gateway>>,
    PathNames(id): PathNames<String>,
    change: ChangeHeaders,
    verb: RolloutVerb,
) -> Result<Shown, Problem> {
    let rollout = gateway.steer(&id, verb, change.author).await?;
    aside::run_glance(move || Shown::json(&view(rollout, &Fleet::of(&gateway)))).await
}

impl From<SteerError> for Problem {
    fn from(error: SteerError) -> Self {
        let detail = error.to_string();
        let (status, kind, title) = match error {
            SteerError::Unknown(_) => (
                StatusCode::NOT_FOUND,
                "urn:portcullis:unknown-rollout",
                "there is no such rollout",
            ),
            SteerError::Ended(_) => (
                StatusCode::CONFLICT,
                "urn:portcullis:rollout-ended",
                "the rollout has ended",
            ),
            SteerError::Unwatched(_) => (
                StatusCode::CONFLICT,
                "urn:portcullis:rollout-unwatched",
                "the rollout has no waves to steer",
            ),
            SteerError::WouldLoosen { .. } => (
                StatusCode::CONFLICT,
                "urn:portcullis:would-loosen",
                "going back may allow more",
            ),
            SteerError::Ending => (
                StatusCode::SERVICE_UNAVAILABLE,
                "urn:portcullis:ending",
                "the control plane ends",
            ),
        };
        Self::new(status, kind, title, detail)
    }
}

/// The Envoys, and which of them rejected the last generation that was rejected.
struct Fleet {
    envoys: BTreeMap<NodeId, NodeSummary>,
    rejection: Option<(Generation, BTreeSet<NodeId>)>,
}

impl Fleet {
    fn of(gateway: &Gateway) -> Self {
        let envoys = gateway.publisher().summaries();
        let envoys = envoys.into_iter().map(|envoy| (envoy.id.clone(), envoy));
        let state = gateway.read();
        let rejection = state.rejection.as_ref();
        Self {
            envoys: envoys.collect(),
            rejection: rejection.map(|rejection| {
                let nodes = rejection.nodes.keys().cloned().collect();
                (rejection.generation.clone(), nodes)
            }),
        }
    }

    fn has_rejected(&self, id: &NodeId, generation: &Generation) -> bool {
        let rejection = self.rejection.as_ref();
        rejection.is_some_and(|(rejected, nodes)| rejected == generation && nodes.contains(id))
    }
}

fn view(rollout: Rollout, fleet: &Fleet) -> RolloutView {
    let standing = |id: &NodeId| {
        let Some(envoy) = fleet.envoys.get(id).filter(|envoy| envoy.streams > 0) else {
            return NodeStanding::Gone;
        };
        if fleet.has_rejected(id, &rollout.generation) {
            return NodeStanding::Rejected;
        }
        if envoy.desired.as_ref() != Some(&rollout.generation) {
            return NodeStanding::MovedOn;
        }
        match envoy.answer {
            NodeAnswer::Waiting => NodeStanding::Pending,
            NodeAnswer::Acknowledged => NodeStanding::Acked,
            NodeAnswer::Rejected => NodeStanding::Rejected,
        }
    };
    let waves = rollout.waves.iter().map(|wave| RolloutWave {
        reach: wave.reach.clone(),
        soak_ms: wave.soak_ms,
        nodes: wave
            .nodes
            .iter()
            .map(|id| RolloutNode {
                id: id.as_str().to_owned(),
                state: standing(id),
            })
            .collect(),
    });
    let at = |time: Option<OffsetDateTime>| time.map(timestamp);
    RolloutView {
        revision: rollout.revision.0,
        generation: rollout.generation.to_string(),
        state: rollout.state,
        paused: rollout.is_paused,
        wave: rollout.wave + 1,
        of: rollout.waves.len(),
        waves: waves.collect(),
        soak_until: at(rollout.soak_until),
        began_at: timestamp(rollout.began_at),
        ended_at: at(rollout.ended_at),
        reason: rollout.reason.clone(),
        gate: rollout.gate.clone(),
        id: rollout.id,
    }
}
