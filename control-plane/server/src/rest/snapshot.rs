//! `/api/v1/config/snapshot`: the resources as Envoy gets them.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use envoy_types::pb::google::protobuf::Any;
use gateway_document::{GroupName, did_you_mean};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::StoredGeneration;
use utoipa::{IntoParams, ToSchema};
use xds::{Resource, Snapshot};

use super::nodes::word;
use super::problem::Problem;
use super::query::Parameters;
use crate::descriptors;
use crate::gateway::{Gateway, group_selector};
use crate::generation::Built;

/// Which resources are wanted; without anything, those that the connected Envoys are meant to have.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// A group of `rollout.groups`: what an Envoy of it gets that connects now.
    group: Option<String>,
    /// The name of a generation, or the beginning of it: the one that is desired or tried, or one
    /// of those that Envoys accepted last.
    generation: Option<String>,
}

/// All that Envoys are meant to have.
#[derive(Serialize, ToSchema)]
pub(super) struct EnvoySnapshot {
    generation: String,
    revision: u64,
    /// The resources, endpoints as they are at the moment. A generation from the store has none:
    /// they belong to no generation.
    resources: Vec<EnvoyResource>,
}

/// A resource as Envoy gets it.
#[derive(Serialize, ToSchema)]
pub(super) struct EnvoyResource {
    r#type: &'static str,
    name: String,
    /// The hash of its content.
    version: String,
    /// The resource itself, in protobuf's JSON.
    #[schema(value_type = Object)]
    content: Value,
}

/// Shows the resources that Envoys are meant to have, as they get them.
#[utoipa::path(get, path = "/api/v1/config/snapshot", operation_id = "get_config_snapshot",
    tag = "envoys", params(Wanted),
    responses((status = 200, description = "All of them", body = EnvoySnapshot)))]
pub(super) async fn get(
    State(gateway): State<Arc<Gateway>>,
    Parameters(wanted): Parameters<Wanted>,
) -> Result<Json<EnvoySnapshot>, Problem> {
    match (wanted.group, wanted.generation) {
        (None, None) => {
            let current = gateway.current();
            shown(&gateway, &current, &current.snapshot)
        }
        (Some(group), None) => of_group(&gateway, &group),
        (None, Some(name)) => of_generation(&gateway, &name).await,
        (Some(_), Some(_)) => Err(Problem::bad_request(
            "a group has the generation that it has; ask for one of the two",
        )),
    }
    .map(Json)
}

fn of_group(gateway: &Gateway, name: &str) -> Result<EnvoySnapshot, Problem> {
    let latest = gateway.latest();
    let groups = &latest.document.rollout.groups;
    let group = groups.iter().find(|(known, _)| known.as_str() == name);
    let Some((_, group)) = group else {
        let meant = did_you_mean(name, groups.keys().map(GroupName::as_str));
        let advice = meant.unwrap_or_else(|| "`GET /api/v1/rollout` shows them".to_owned());
        return Err(Problem::nothing_there(
            "there is no such group",
            format!("`rollout.groups` has no `{name}`; {advice}"),
        ));
    };
    let snapshot = gateway.publisher().for_group(&group_selector(group));
    let snapshot = snapshot.ok_or_else(|| {
        Problem::nothing_there(
            "an Envoy of this group would wait",
            "an Envoy that connects now is given nothing until the generation in hand is judged; \
             look at `GET /api/v1/rollouts`",
        )
    })?;
    let built = known(gateway);
    let built = built
        .iter()
        .find(|built| built.generation() == snapshot.generation())
        .ok_or_else(changed_meanwhile)?;
    shown(gateway, built, &snapshot)
}

/// The generation in hand was replaced between two looks.
fn changed_meanwhile() -> Problem {
    Problem::busy("the generation was replaced meanwhile", "ask again")
}

async fn of_generation(gateway: &Gateway, name: &str) -> Result<EnvoySnapshot, Problem> {
    let is_it = |other: &str| !name.is_empty() && other.starts_with(name);
    let known = known(gateway);
    let mut found = known.iter();
    if let Some(built) = found.find(|built| is_it(built.generation().as_str())) {
        return shown(gateway, built, &built.snapshot);
    }
    let stored = gateway.store().accepted().await;
    let stored = stored.map_err(|error| Problem::store(&error))?;
    match stored.iter().find(|one| is_it(&one.generation)) {
        Some(accepted) => from_store(accepted),
        None => Err(Problem::nothing_there(
            "there is no such generation",
            format!(
                "no generation `{name}` is desired, tried or among those that Envoys accepted \
                 last; `GET /api/v1/version` shows today's"
            ),
        )),
    }
}

/// The generations that this process has in hand.
fn known(gateway: &Gateway) -> Vec<Arc<Built>> {
    let state = gateway.read();
    let accepted = state.accepted.iter();
    [&state.current, &state.desired.built]
        .into_iter()
        .chain(accepted)
        .cloned()
        .collect()
}

fn shown(
    gateway: &Gateway,
    built: &Built,
    snapshot: &Arc<Snapshot>,
) -> Result<EnvoySnapshot, Problem> {
    let live = gateway.publisher().live(snapshot);
    let resources = live.resources().map(|resource| view(resource));
    Ok(EnvoySnapshot {
        generation: built.generation().to_string(),
        revision: built.revision.0,
        resources: resources.collect::<Result<_, _>>()?,
    })
}

fn from_store(accepted: &StoredGeneration) -> Result<EnvoySnapshot, Problem> {
    let resources = accepted.resources.iter().map(|stored| {
        let resource = Resource::from_any(Any {
            type_url: stored.type_url.clone(),
            value: stored.value.clone(),
        });
        view(&resource.map_err(|error| Problem::internal(&error))?)
    });
    Ok(EnvoySnapshot {
        generation: accepted.generation.clone(),
        revision: accepted.revision.0,
        resources: resources.collect::<Result<_, _>>()?,
    })
}

fn view(resource: &Resource) -> Result<EnvoyResource, Problem> {
    let content = descriptors::to_json(&resource.any());
    Ok(EnvoyResource {
        r#type: word(resource.resource_type()),
        name: resource.name().to_string(),
        version: resource.version().to_string(),
        content: content.map_err(|error| Problem::internal(&error))?,
    })
}
