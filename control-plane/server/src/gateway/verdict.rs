//! What the Envoys made of a generation. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use xds::{DeliveryState, Generation, NodeId, NodeState, ResourceState, ResourceType, Snapshot};

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Every connected Envoy acknowledged it.
    Accepted,
    /// Every connected Envoy acknowledged it, except those that had rejected before what it leaves as it was.
    Partial,
    /// It is published; not every Envoy has answered yet.
    Pending,
    /// No Envoy is connected; the next one gets it.
    NoEnvoys,
    /// It says what was in force already.
    Unchanged,
    /// An Envoy rejected something new in it.
    Rejected,
}

/// What one Envoy answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EnvoyAnswer {
    /// Its `node.id`.
    pub id: String,
    /// What it answered.
    pub state: EnvoyVerdict,
    /// Its own words, where it rejected something.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<String>,
}

/// What an Envoy made of a generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EnvoyVerdict {
    /// It runs on it.
    Acked,
    /// It has not answered all of it yet.
    Pending,
    /// It rejected something and runs on with what it had.
    Rejected,
    /// It left something unanswered past the deadline.
    Unknown,
}

/// One resource that an Envoy rejected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedResource {
    /// What it is.
    pub resource_type: ResourceType,
    /// Its name.
    pub name: Arc<str>,
    /// Envoy's own words.
    pub message: String,
}

/// What each Envoy rejected.
pub type Rejections = BTreeMap<NodeId, Vec<RejectedResource>>;

/// What the Envoys made of a generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Judgement {
    pub(super) outcome: Outcome,
    pub(super) envoys: Vec<EnvoyAnswer>,
    /// What is new in the generation and was rejected.
    pub(super) rejections: Rejections,
}

/// Judges `generation` by what the Envoys that are to have it say. What was in `baseline` already is not the
/// generation's fault: an Envoy that cannot have that, for a reason of its own, must not hold up every change to come.
pub(super) fn judge(
    nodes: &[NodeState],
    generation: &Generation,
    baseline: Option<&Snapshot>,
) -> Judgement {
    let nodes = || {
        nodes
            .iter()
            .filter(|node| node.is_connected() && node.desired.as_ref() == Some(generation))
    };
    let envoys: Vec<EnvoyAnswer> = nodes().map(|node| answer(node, generation)).collect();
    let rejections: Rejections = nodes()
        .map(|node| {
            (
                node.id.clone(),
                node.rejections()
                    .filter(|resource| is_new(resource, baseline))
                    .map(rejected)
                    .collect(),
            )
        })
        .filter(|(_, resources): &(NodeId, Vec<RejectedResource>)| !resources.is_empty())
        .collect();
    let count = |verdict| envoys.iter().filter(|envoy| envoy.state == verdict).count();
    let (acked, rejected) = (count(EnvoyVerdict::Acked), count(EnvoyVerdict::Rejected));
    let outcome = if !rejections.is_empty() {
        Outcome::Rejected
    } else if envoys.is_empty() {
        Outcome::NoEnvoys
    } else if acked == envoys.len() {
        Outcome::Accepted
    } else if acked > 0 && acked + rejected == envoys.len() {
        Outcome::Partial
    } else {
        Outcome::Pending
    };
    Judgement {
        outcome,
        envoys,
        rejections,
    }
}

fn answer(node: &NodeState, generation: &Generation) -> EnvoyAnswer {
    let messages: Vec<String> = node
        .rejections()
        .map(|resource| rejected(resource).message)
        .collect();
    let left_unanswered = || {
        node.resources
            .iter()
            .any(|resource| resource.state == DeliveryState::Unknown)
    };
    let state = if !messages.is_empty() {
        EnvoyVerdict::Rejected
    } else if node.in_force.as_ref() == Some(generation) {
        EnvoyVerdict::Acked
    } else if left_unanswered() {
        EnvoyVerdict::Unknown
    } else {
        EnvoyVerdict::Pending
    };
    EnvoyAnswer {
        id: node.id.as_str().to_owned(),
        state,
        messages,
    }
}

fn is_new(resource: &ResourceState, baseline: Option<&Snapshot>) -> bool {
    let before = baseline.and_then(|baseline| baseline.get(resource.resource_type, &resource.name));
    before.map(|before| before.version()) != resource.desired.as_ref()
}

fn rejected(resource: &ResourceState) -> RejectedResource {
    let message = match &resource.state {
        DeliveryState::Rejected { message } => message.trim().to_owned(),
        _ => String::new(),
    };
    RejectedResource {
        resource_type: resource.resource_type,
        name: Arc::clone(&resource.name),
        message,
    }
}
