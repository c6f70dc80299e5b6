//! `/api/v1/config/snapshot`: the resources as Envoy gets them.

use std::sync::Arc;

use axum::extract::State;
use envoy_types::pb::google::protobuf::Any;
use gateway_document::{GroupName, did_you_mean};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{RevisionNumber, StoredGeneration};
use utoipa::{IntoParams, ToSchema};
use xds::{Resource, Snapshot};

use super::nodes::word;
use super::paging::Page;
use super::problem::Problem;
use super::query::Parameters;
use super::shown::{self, Shown};
use super::versions;
use crate::gateway::{Gateway, InHand, Rollout, group_selector, rollback};
use crate::generation::Built;
use crate::{aside, descriptors};

/// Which resources are wanted; without anything, those that the connected Envoys are meant to have.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// The most resources in the answer, from 1 to 1000; 100 if left out.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// A group of `rollout.groups`: what an Envoy of it gets that connects now.
    group: Option<String>,
    /// The name of a generation, or the beginning of it: the one that is desired or tried, or one
    /// of those that Envoys accepted last.
    generation: Option<String>,
    /// The number of a revision: what Envoys are given or have accepted of it, as it is, also while
    /// it goes in waves; of one that is not in hand, what it would give them today, with the lists
    /// and the module of today.
    revision: Option<u64>,
}

/// All that Envoys are meant to have.
#[derive(Serialize, ToSchema)]
pub(super) struct EnvoySnapshot {
    generation: String,
    revision: u64,
    /// A page of the resources, endpoints as they are at the moment, or as a revision has them. A
    /// generation from the store has none: they belong to no generation.
    resources: Vec<EnvoyResource>,
    /// The cursor of the next page; missing on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
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
) -> Result<Shown, Problem> {
    let page = Page::new(wanted.limit, wanted.cursor);
    match (wanted.group, wanted.generation, wanted.revision) {
        (None, None, None) => {
            shown::aside(move || {
                let current = gateway.current();
                live(&gateway, &current, &current.snapshot, &page)
            })
            .await
        }
        (Some(group), None, None) => shown::aside(move || of_group(&gateway, &group, &page)).await,
        (None, Some(name), None) => of_generation(gateway, name, page).await,
        (None, None, Some(number)) => of_revision(gateway, number, page).await,
        _ => Err(Problem::bad_request(
            "a group has the generation that it has, and so has a revision; ask for one of \
             `group`, `generation` and `revision`",
        )),
    }
}

fn of_group(gateway: &Gateway, name: &str, page: &Page) -> Result<Shown, Problem> {
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
    live(gateway, built, &snapshot, page)
}

/// The generation in hand was replaced between two looks.
fn changed_meanwhile() -> Problem {
    Problem::busy("the generation was replaced meanwhile", "ask again")
}

async fn of_revision(gateway: Arc<Gateway>, number: u64, page: Page) -> Result<Shown, Problem> {
    let in_hand = InHand::question().await?;
    let mut known = known(&gateway).into_iter();
    if let Some(built) = known.find(|built| built.revision.0 == number) {
        return shown::aside(move || live(&gateway, &built, &built.snapshot, &page)).await;
    }
    let revision = versions::stored(&gateway, number).await?;
    let number = revision.summary.number;
    let document = aside::run_question(move || rollback::document_of(&revision)).await?;
    let built = gateway
        .make_today(&in_hand, number, Arc::new(document))
        .await?;
    shown::aside(move || {
        let resources = built.snapshot.resources().map(Arc::clone).collect();
        EnvoySnapshot::of(built.generation().as_str(), number, resources, &page)
    })
    .await
}

async fn of_generation(gateway: Arc<Gateway>, name: String, page: Page) -> Result<Shown, Problem> {
    let _in_hand = InHand::question().await?;
    let is_it = |other: &str| !name.is_empty() && other.starts_with(&name);
    let mut known = known(&gateway).into_iter();
    if let Some(built) = known.find(|built| is_it(built.generation().as_str())) {
        return shown::aside(move || live(&gateway, &built, &built.snapshot, &page)).await;
    }
    let stored = gateway.store().accepted().await;
    let stored = stored.map_err(|error| Problem::store(&error))?;
    match stored.into_iter().find(|one| is_it(&one.generation)) {
        Some(accepted) => shown::aside(move || from_store(&accepted, &page)).await,
        None => {
            let state = gateway.read();
            let mut rollouts = state.rollouts.iter();
            let rollout = rollouts.find(|rollout| is_it(rollout.generation.as_str()));
            let advice = rollout.map_or_else(
                || "`GET /api/v1/version` shows today's".to_owned(),
                |Rollout { revision, .. }| {
                    format!("it was of revision {revision}; `?revision={revision}` makes it anew")
                },
            );
            Err(Problem::nothing_there(
                "there is no such generation",
                format!(
                    "no generation `{name}` is desired, tried or among those that Envoys accepted \
                     last; {advice}"
                ),
            ))
        }
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

/// The resources of a snapshot, with the endpoints of the moment.
fn live(
    gateway: &Gateway,
    built: &Built,
    snapshot: &Arc<Snapshot>,
    page: &Page,
) -> Result<Shown, Problem> {
    let live = gateway.publisher().live(snapshot);
    let resources = live.resources().map(Arc::clone).collect();
    EnvoySnapshot::of(built.generation().as_str(), built.revision, resources, page)
}

fn from_store(accepted: &StoredGeneration, page: &Page) -> Result<Shown, Problem> {
    let resources = accepted.resources.iter().map(|stored| {
        let resource = Resource::from_any(Any {
            type_url: stored.type_url.clone(),
            value: stored.value.clone(),
        });
        resource
            .map(Arc::new)
            .map_err(|error| Problem::internal(&error))
    });
    let resources = resources.collect::<Result<_, _>>()?;
    EnvoySnapshot::of(&accepted.generation, accepted.revision, resources, page)
}

impl EnvoySnapshot {
    fn of(
        generation: &str,
        revision: RevisionNumber,
        resources: Vec<Arc<Resource>>,
        page: &Page,
    ) -> Result<Shown, Problem> {
        let (resources, next_cursor) = page.of(resources, |resource| {
            format!("{} {}", word(resource.resource_type()), resource.name())
        })?;
        let resources = resources.iter().map(|resource| view(resource));
        Shown::json(&Self {
            generation: generation.to_owned(),
            revision: revision.0,
            resources: resources.collect::<Result<_, _>>()?,
            next_cursor,
        })
    }
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
