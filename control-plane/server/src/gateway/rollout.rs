//! From a generation to the Envoys' verdict, and back where it is bad.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use store::AuditEntry;
use time::OffsetDateTime;
use xds::{DeliveryState, Generation, NodeState};

use super::Gateway;
use super::state::{RejectedResource, Rejection};
use crate::generation::Built;

/// What became of a change.
#[derive(Debug, Clone, Serialize)]
pub struct WriteReport {
    /// The revision that the change made.
    pub revision: u64,
    /// The generation that the Envoys were sent.
    pub generation: String,
    /// What became of it.
    pub outcome: Outcome,
    /// What each connected Envoy answered.
    pub envoys: Vec<EnvoyAnswer>,
    /// Listed tools that are refused all the same.
    pub held: Vec<gateway_document::HeldTool>,
}

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Every connected Envoy acknowledged it.
    Accepted,
    /// It is published; not every Envoy has answered yet.
    Pending,
    /// No Envoy is connected; the next one gets it.
    NoEnvoys,
    /// It says what was in force already.
    Unchanged,
    /// An Envoy rejected it; what was accepted before is in force again.
    Rejected,
}

/// What one Envoy answered.
#[derive(Debug, Clone, Serialize)]
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

/// What is put on the audit trail when Envoys reject a revision.
pub(super) const REJECTED: &str = "rejected by Envoy";

impl Gateway {
    /// Publishes a generation, waits for the Envoys within the document's deadline, and acts on what they say. The
    /// caller holds `changing`.
    pub(super) async fn roll_out(&self, built: Arc<Built>) -> WriteReport {
        {
            let mut state = self.write();
            state.current = Arc::clone(&built);
            state.rejection = None;
        }
        self.document.send_if_modified(|document| {
            let changed = *document != built.document;
            *document = Arc::clone(&built.document);
            changed
        });
        self.publisher.publish(Arc::clone(&built.snapshot));
        let deadline = built.document.rollout.ack_deadline.duration();
        let nodes = self.publisher.settled(built.generation(), deadline).await;
        let nodes: Vec<&NodeState> = nodes.iter().filter(|node| node.is_connected()).collect();
        let envoys: Vec<EnvoyAnswer> = nodes
            .iter()
            .map(|node| answer(node, built.generation()))
            .collect();
        let outcome = if envoys
            .iter()
            .any(|envoy| envoy.state == EnvoyVerdict::Rejected)
        {
            self.fall_back(&built, &nodes).await;
            Outcome::Rejected
        } else if envoys.is_empty() {
            Outcome::NoEnvoys
        } else if envoys
            .iter()
            .all(|envoy| envoy.state == EnvoyVerdict::Acked)
        {
            self.remember_accepted(&built).await;
            Outcome::Accepted
        } else {
            Outcome::Pending
        };
        tracing::info!(
            revision = built.revision.0, generation = %built.generation(), ?outcome, envoys = envoys.len(), "rolled out"
        );
        report(&built, outcome, envoys)
    }

    /// Follows what Envoys say after a change was answered: late acknowledgements, and late rejections. Never returns.
    pub async fn follow(&self) {
        let mut changes = self.publisher.changes();
        loop {
            changes.changed().await;
            let _changing = self.changing.lock().await;
            let (current, accepted) = {
                let state = self.read();
                (Arc::clone(&state.current), state.accepted.clone())
            };
            let is_accepted =
                accepted.is_some_and(|accepted| accepted.generation() == current.generation());
            if is_accepted {
                continue;
            }
            let nodes = self.publisher.nodes();
            let rejecting: Vec<&NodeState> = nodes
                .iter()
                .filter(|node| {
                    node.is_connected()
                        && answer(node, current.generation()).state == EnvoyVerdict::Rejected
                })
                .filter(|node| node.desired.as_ref() == Some(current.generation()))
                .collect();
            if !rejecting.is_empty() {
                if self.read().rejection.is_none() {
                    self.fall_back(&current, &rejecting).await;
                }
            } else if self
                .publisher
                .last_accepted()
                .is_some_and(|last| last.generation() == current.generation())
            {
                self.remember_accepted(&current).await;
            }
        }
    }

    /// Takes the Envoys back to what they accepted last; with nothing to go back to, the rejection is only recorded.
    async fn fall_back(&self, rejected: &Arc<Built>, nodes: &[&NodeState]) {
        let rejection = Rejection {
            revision: rejected.revision,
            generation: rejected.generation().clone(),
            at: OffsetDateTime::now_utc(),
            nodes: rejections(nodes),
        };
        let texts: Vec<String> = rejection
            .nodes
            .iter()
            .flat_map(|(node, resources)| resources.iter().map(move |resource| (node, resource)))
            .map(
                |(
                    node,
                    RejectedResource {
                        resource_type,
                        name,
                        message,
                    },
                )| {
                    format!("Envoy `{node}`, {resource_type} `{name}`: {message}")
                },
            )
            .collect();
        let texts = texts.join("; ");
        tracing::warn!(revision = rejected.revision.0, generation = %rejected.generation(), "{texts}");
        let entry = AuditEntry {
            who: "control plane".to_owned(),
            what: REJECTED.to_owned(),
            revision: Some(rejected.revision),
            origin: String::new(),
            reason: texts,
        };
        if let Err(error) = self.store.record(&entry).await {
            tracing::error!(%error, "the rejection is not on the audit trail");
        }
        let back = {
            let mut state = self.write();
            state.rejection = Some(rejection);
            match state.accepted.clone() {
                Some(accepted) if accepted.generation() != rejected.generation() => {
                    state.current = Arc::clone(&accepted);
                    Some(accepted)
                }
                _ => None,
            }
        };
        let Some(accepted) = back else {
            return;
        };
        self.publisher.publish(Arc::clone(&accepted.snapshot));
        self.document.send_replace(Arc::clone(&accepted.document));
        let deadline = accepted.document.rollout.ack_deadline.duration();
        self.publisher
            .settled(accepted.generation(), deadline)
            .await;
    }

    async fn remember_accepted(&self, built: &Arc<Built>) {
        self.write().accepted = Some(Arc::clone(built));
        if let Err(error) = self.store.set_accepted(&built.parts()).await {
            tracing::error!(%error, "the accepted generation is not stored; after a restart an older one counts");
        }
    }
}

pub(super) fn report(built: &Built, outcome: Outcome, envoys: Vec<EnvoyAnswer>) -> WriteReport {
    let mut held: Vec<_> = built.held().map(|(_, held)| held.clone()).collect();
    held.sort();
    held.dedup();
    WriteReport {
        revision: built.revision.0,
        generation: built.generation().as_str().to_owned(),
        outcome,
        envoys,
        held,
    }
}

fn answer(node: &NodeState, generation: &Generation) -> EnvoyAnswer {
    let messages: Vec<String> = rejected_resources(node)
        .map(|resource| resource.message)
        .collect();
    let state = if !messages.is_empty() {
        EnvoyVerdict::Rejected
    } else if node.in_force.as_ref() == Some(generation) {
        EnvoyVerdict::Acked
    } else if node
        .resources
        .iter()
        .any(|resource| resource.state == DeliveryState::Unknown)
    {
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

fn rejections(nodes: &[&NodeState]) -> BTreeMap<xds::NodeId, Vec<RejectedResource>> {
    let each = nodes.iter().map(|node| {
        (
            node.id.clone(),
            rejected_resources(node).collect::<Vec<_>>(),
        )
    });
    each.filter(|(_, resources)| !resources.is_empty())
        .collect()
}

fn rejected_resources(node: &NodeState) -> impl Iterator<Item = RejectedResource> {
    node.rejections()
        .filter_map(|resource| match &resource.state {
            DeliveryState::Rejected { message } => Some(RejectedResource {
                resource_type: resource.resource_type,
                name: Arc::clone(&resource.name),
                message: message.trim().to_owned(),
            }),
            _ => None,
        })
}
