//! `/api/v1/nodes`: each Envoy, what it was sent, and what it answered.

use std::sync::Arc;
use std::time::SystemTime;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use time::OffsetDateTime;
use xds::{ConnectionState, DeliveryState, NodeState, ResourceState, ResourceType, Version};

use super::config::timestamp;
use crate::gateway::{Gateway, Rejection};

#[derive(Serialize)]
pub(super) struct Nodes {
    nodes: Vec<Node>,
}

#[derive(Serialize)]
struct Node {
    id: String,
    cluster: String,
    user_agent: String,
    connected: bool,
    /// Since when it is connected, or is not.
    since: String,
    /// How many streams are open under this name. More than one for longer than moments: Envoys
    /// that share a `node.id`, which then count as one.
    streams: usize,
    /// How often a generation cost the Envoy its life, soon after it was sent it.
    #[serde(skip_serializing_if = "Option::is_none")]
    crashes: Option<Crashes>,
    generation: Generations,
    resources: Vec<Resource>,
    /// The generation that it rejected, until a later change: what it was taken back from.
    #[serde(skip_serializing_if = "Option::is_none")]
    rejected: Option<Rejected>,
}

#[derive(Serialize)]
struct Crashes {
    generation: String,
    count: u32,
    /// Whether it is not given that generation again, until a later change.
    kept_from_it: bool,
}

#[derive(Serialize)]
struct Generations {
    desired: Option<String>,
    in_force: Option<String>,
}

#[derive(Serialize)]
struct Rejected {
    revision: u64,
    generation: String,
    at: String,
    /// Whether Envoys that run it keep it, because going back would allow more; until an operator
    /// decides.
    kept: bool,
}

#[derive(Serialize)]
struct Resource {
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

#[derive(Serialize)]
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

pub(super) async fn get(State(gateway): State<Arc<Gateway>>) -> Json<Nodes> {
    let nodes = gateway.publisher().nodes();
    // Copied out: the answer is as long as the fleet, and writers wait for who reads.
    let rejection = gateway.read().rejection.clone();
    Json(Nodes {
        nodes: nodes
            .into_iter()
            .map(|node| view(node, rejection.as_ref()))
            .collect(),
    })
}

fn view(node: NodeState, rejection: Option<&Rejection>) -> Node {
    let (connected, since) = match node.connection {
        ConnectionState::Connected { since } => (true, since),
        ConnectionState::Gone { since } => (false, since),
    };
    let mut resources: Vec<Resource> = node.resources.into_iter().map(resource).collect();
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
            None => resources.push(Resource {
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
    Node {
        id: node.id.as_str().to_owned(),
        cluster: node.cluster,
        user_agent: node.user_agent,
        connected,
        since: at(since),
        streams: node.streams,
        crashes: node.crashes.map(|crashes| Crashes {
            generation: crashes.generation.to_string(),
            count: crashes.count,
            kept_from_it: crashes.is_kept_from_it,
        }),
        generation: Generations {
            desired: node.desired.map(|generation| generation.to_string()),
            in_force: node.in_force.map(|generation| generation.to_string()),
        },
        resources,
        rejected: rejected.map(|rejection| Rejected {
            revision: rejection.revision.0,
            generation: rejection.generation.to_string(),
            at: timestamp(rejection.at),
            kept: rejection.is_kept,
        }),
    }
}

fn resource(resource: ResourceState) -> Resource {
    let hash = |version: Option<Version>| version.map(|version| version.to_string());
    Resource {
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
        ResourceType::Listener => "listener",
        ResourceType::Route => "route",
        ResourceType::ExtensionConfig => "extension",
    }
}

fn at(time: SystemTime) -> String {
    timestamp(OffsetDateTime::from(time))
}
