//! `/api/v1/nodes`: each Envoy, what it was sent, and what it answered.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::SystemTime;

use axum::extract::State;
use gateway_document::did_you_mean;
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use xds::{
    ConnectionState, DeliveryState, Generation, NodeId, NodeState, ResourceState, ResourceType,
    Snapshot, Version,
};

use super::paging::Page;
use super::path_names::PathNames;
use super::problem::Problem;
use super::query::Parameters;
use super::reported::{self, KnownConfigurations, Reported};
use super::shown::{self, Shown};
use crate::gateway::{Gateway, Rejection};
use crate::timestamp::timestamp;

/// A page of the Envoys.
#[derive(Serialize, ToSchema)]
pub(super) struct Nodes {
    nodes: Vec<Node>,
    /// The cursor of the next page; missing on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// An Envoy, what it was sent, and what it answered.
#[derive(Serialize, ToSchema)]
pub(super) struct Node {
    id: String,
    cluster: String,
    /// The texts of its `node.metadata`, by which node groups select it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<String, String>,
    user_agent: String,
    connected: bool,
    /// Since when it is connected, or is not.
    since: String,
    /// How many streams are open under this name. More than one for longer than moments: Envoys
    /// that share a `node.id`, which then count as one.
    streams: usize,
    /// Where it stands with what it is to have.
    standing: Standing,
    /// Whether it rejects what other Envoys have accepted, so that its answer counts for no other.
    broken: bool,
    /// How often a generation cost the Envoy its life, soon after it was sent it.
    #[serde(skip_serializing_if = "Option::is_none")]
    crashes: Option<Crashes>,
    generation: Generations,
    /// The numbers that it reports of itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    reported: Option<Reported>,
    resources: Vec<NodeResource>,
    /// The generation that it rejected, until a later change: what it was taken back from.
    #[serde(skip_serializing_if = "Option::is_none")]
    rejected: Option<Rejected>,
}

/// Where an Envoy stands with what it is to have, by what an operator has to know first.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Standing {
    /// It is not connected.
    Gone,
    /// It rejects what other Envoys have accepted.
    Broken,
    /// It rejected something, and runs on with what it had.
    Rejected,
    /// It has not acknowledged all that it is to have.
    Pending,
    /// It runs what it is to have, and a newer generation goes to other Envoys first.
    Waiting,
    /// It runs what everyone is to have.
    InForce,
}

/// The crashes that a generation has to answer for.
#[derive(Serialize, ToSchema)]
struct Crashes {
    generation: String,
    count: u32,
    /// Whether it is not given that generation again, until a later change.
    kept_from_it: bool,
}

/// The generation that an Envoy is meant to have, and the one that it runs on.
#[derive(Serialize, ToSchema)]
struct Generations {
    desired: Option<String>,
    in_force: Option<String>,
}

/// A generation that an Envoy was taken back from.
#[derive(Serialize, ToSchema)]
struct Rejected {
    revision: u64,
    generation: String,
    at: String,
    /// Whether Envoys that run it keep it, because going back may allow more; until an operator
    /// decides.
    kept: bool,
}

/// One resource of an Envoy.
#[derive(Serialize, ToSchema)]
struct NodeResource {
    r#type: &'static str,
    name: String,
    /// Hashes of the content that this Envoy is to have, was sent, and acknowledged.
    desired: Option<String>,
    sent: Option<String>,
    acked: Option<String>,
    state: Delivery,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
}

/// Where a resource stands with an Envoy.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Delivery {
    Acked,
    /// It waits for its turn.
    Pending,
    /// It is not answered yet.
    Sent,
    Unknown,
    /// Envoy rejected the content, in the words of `message`.
    Rejected {
        message: String,
    },
    Blocked {
        behind: String,
    },
}

/// Lists the Envoys, what each was sent, and what it answered.
#[utoipa::path(get, path = "/api/v1/nodes", operation_id = "list_nodes", tag = "envoys",
    params(Page), responses((status = 200, description = "A page of them", body = Nodes)))]
pub(super) async fn list(
    State(gateway): State<Arc<Gateway>>,
    Parameters(page): Parameters<Page>,
) -> Result<Shown, Problem> {
    shown::glance(move || {
        let (names, next_cursor) = page.of(names(&gateway), ToString::to_string)?;
        let mut nodes = gateway
            .publisher()
            .nodes_named(&names.into_iter().collect());
        nodes.sort_by(|one, other| one.id.cmp(&other.id));
        let accepted = Accepted::of(&gateway);
        let known = KnownConfigurations::of(&gateway);
        let nodes = nodes.into_iter().map(|node| {
            let reported = reported::of(&gateway, node.id.as_str(), &known);
            view(node, &accepted, reported)
        });
        Shown::json(&Nodes {
            nodes: nodes.collect(),
            next_cursor,
        })
    })
    .await
}

/// Shows one Envoy, what it was sent, and what it answered.
#[utoipa::path(get, path = "/api/v1/nodes/{id}", operation_id = "get_node", tag = "envoys",
    params(("id" = String, Path, description = "The `node.id` by which the Envoy calls itself")),
    responses((status = 200, description = "The Envoy", body = Node)))]
pub(super) async fn get(
    State(gateway): State<Arc<Gateway>>,
    PathNames(id): PathNames<String>,
) -> Result<Shown, Problem> {
    shown::glance(move || Shown::json(&node(&gateway, &id)?)).await
}

fn node(gateway: &Gateway, id: &str) -> Result<Node, Problem> {
    let name = BTreeSet::from([NodeId::new(id)]);
    let Some(node) = gateway.publisher().nodes_named(&name).pop() else {
        let names = names(gateway);
        let meant = did_you_mean(id, names.iter().map(NodeId::as_str));
        let advice = meant.unwrap_or_else(|| "`GET /api/v1/nodes` lists those that are".to_owned());
        return Err(Problem::nothing_there(
            "there is no such Envoy",
            format!("no Envoy with the `node.id` `{id}` is connected or was lately; {advice}"),
        ));
    };
    let reported = reported::of(gateway, id, &KnownConfigurations::of(gateway));
    Ok(view(node, &Accepted::of(gateway), reported))
}

/// The names of all Envoys, in order.
fn names(gateway: &Gateway) -> Vec<NodeId> {
    let summaries = gateway.publisher().summaries().into_iter();
    let names: BTreeSet<NodeId> = summaries.map(|envoy| envoy.id).collect();
    names.into_iter().collect()
}

/// The things that Envoys have accepted and rejected, as a whole. Copied out: the answer is as long
/// as the fleet, and writers wait for who reads.
struct Accepted {
    rejection: Option<Rejection>,
    snapshot: Option<Arc<Snapshot>>,
    /// The generation that is accepted, or on its way to that.
    newest: Generation,
}

impl Accepted {
    fn of(gateway: &Gateway) -> Self {
        let state = gateway.read();
        let accepted = state.accepted.as_ref();
        Self {
            rejection: state.rejection.clone(),
            snapshot: accepted.map(|accepted| Arc::clone(&accepted.snapshot)),
            newest: state.current.generation().clone(),
        }
    }

    /// Whether the Envoy rejects a part of what other Envoys have accepted.
    fn is_broken(&self, node: &NodeState) -> bool {
        let Some(snapshot) = &self.snapshot else {
            return false;
        };
        node.rejections().any(|rejected| {
            let accepted = snapshot.get(rejected.resource_type, &rejected.name);
            accepted.map(|accepted| accepted.version()) == rejected.desired.as_ref()
                && rejected.desired.is_some()
        })
    }
}

fn view(node: NodeState, accepted: &Accepted, reported: Option<Reported>) -> Node {
    let is_broken = accepted.is_broken(&node);
    let rejection = accepted.rejection.as_ref();
    let (connected, since) = match node.connection {
        ConnectionState::Connected { since } => (true, since),
        ConnectionState::Gone { since } => (false, since),
    };
    let has_all = node.desired.is_some() && node.desired == node.in_force;
    let has_newest = node.in_force.as_ref() == Some(&accepted.newest);
    let mut resources: Vec<NodeResource> = node.resources.into_iter().map(resource).collect();
    let rejected = rejection.filter(|rejection| rejection.nodes.contains_key(&node.id));
    for gone in rejected
        .iter()
        .flat_map(|rejection| &rejection.nodes[&node.id])
    {
        let word = word(gone.resource_type);
        let state = Delivery::Rejected {
            message: gone.message.clone(),
        };
        match resources
            .iter_mut()
            .find(|resource| resource.r#type == word && resource.name == *gone.name)
        {
            Some(resource) => resource.state = state,
            // It is no longer meant to have it, and that is why.
            None => resources.push(NodeResource {
                r#type: word,
                name: gone.name.to_string(),
                desired: None,
                sent: None,
                acked: None,
                state,
                since: None,
            }),
        }
    }
    let rejects = |resource: &NodeResource| matches!(resource.state, Delivery::Rejected { .. });
    let standing = match (has_all, has_newest) {
        _ if !connected => Standing::Gone,
        _ if is_broken => Standing::Broken,
        _ if resources.iter().any(rejects) => Standing::Rejected,
        (false, _) => Standing::Pending,
        (true, false) => Standing::Waiting,
        (true, true) => Standing::InForce,
    };
    Node {
        id: node.id.as_str().to_owned(),
        cluster: node.description.cluster.clone(),
        labels: node.description.labels.clone(),
        user_agent: node.user_agent,
        connected,
        since: at(since),
        streams: node.streams,
        standing,
        broken: is_broken,
        crashes: node.crashes.map(|crashes| Crashes {
            generation: crashes.generation.to_string(),
            count: crashes.count,
            kept_from_it: crashes.is_kept_from_it,
        }),
        generation: Generations {
            desired: node.desired.map(|generation| generation.to_string()),
            in_force: node.in_force.map(|generation| generation.to_string()),
        },
        reported,
        resources,
        rejected: rejected.map(|rejection| Rejected {
            revision: rejection.revision.0,
            generation: rejection.generation.to_string(),
            at: timestamp(rejection.at),
            kept: rejection.is_kept,
        }),
    }
}

fn resource(resource: ResourceState) -> NodeResource {
    let hash = |version: Option<Version>| version.map(|version| version.to_string());
    NodeResource {
        r#type: word(resource.resource_type),
        name: resource.name.to_string(),
        desired: hash(resource.desired),
        sent: hash(resource.sent),
        acked: hash(resource.acked),
        state: match resource.state {
            DeliveryState::Acked => Delivery::Acked,
            DeliveryState::Pending => Delivery::Pending,
            DeliveryState::Sent => Delivery::Sent,
            DeliveryState::Unknown => Delivery::Unknown,
            DeliveryState::Rejected { message } => Delivery::Rejected { message },
            DeliveryState::Blocked { behind } => Delivery::Blocked { behind },
        },
        since: Some(at(resource.since)),
    }
}

/// A resource type as the API names it.
pub(super) fn word(resource_type: ResourceType) -> &'static str {
    match resource_type {
        ResourceType::Cluster => "cluster",
        ResourceType::Endpoints => "endpoints",
        ResourceType::Secret => "secret",
        ResourceType::Listener => "listener",
        ResourceType::Route => "route",
        ResourceType::ExtensionConfig => "extension",
    }
}

fn at(time: SystemTime) -> String {
    timestamp(OffsetDateTime::from(time))
}
