//! The way back from a generation that Envoys rejected.

use std::sync::Arc;

use store::{AuditEntry, Input, WithheldInput};
use time::OffsetDateTime;
use xds::{DeliveryState, NodeState, ResourceState, ResourceType, Snapshot};

use super::Gateway;
use super::acceptance::Rejections;
use super::loosening::may_loosen;
use super::state::{Rejection, Stage};
use crate::generation::Built;

/// What is put on the audit trail when Envoys reject a revision.
const REJECTED: &str = "rejected by Envoy";

impl Gateway {
    /// Takes the Envoys back to `good`, unless an Envoy runs the rejected generation and `good` may allow what that refuses.
    /// With nothing to go back to, the rejection is only recorded.
    pub(super) async fn fall_back(
        &self,
        rejected: &Arc<Built>,
        good: Option<&Arc<Built>>,
        nodes: &Rejections,
    ) {
        let is_recorded = {
            let state = self.read();
            state.stage == Stage::Rejected
        };
        let Some(good) = good else {
            if !is_recorded {
                self.record(rejected, nodes, false).await;
                self.write().stage = Stage::Rejected;
            }
            return;
        };
        let is_kept = may_loosen(rejected, good)
            && self
                .publisher
                .nodes()
                .iter()
                .any(|node| may_run(node, &rejected.snapshot, &good.snapshot));
        let reason = self.record(rejected, nodes, is_kept).await;
        self.withhold(rejected.inputs_to_blame(good), &reason, is_kept)
            .await;
        if is_kept {
            tracing::warn!(
                revision = rejected.revision.0,
                "Envoys that run the rejected generation keep it, because going back would allow more; an operator has to decide"
            );
            self.write().stage = Stage::Kept;
            self.hand_out(false);
            return;
        }
        {
            let mut state = self.write();
            let state = &mut *state;
            if state
                .accepted
                .as_ref()
                .is_some_and(|accepted| !Arc::ptr_eq(accepted, good))
            {
                // It had been accepted, and turned out bad.
                state.accepted = Some(Arc::clone(good));
                state.earlier.retain(|built| !Arc::ptr_eq(built, good));
            }
            for (node, resources) in nodes {
                if resources.is_empty() {
                    let generation = rejected.generation().clone();
                    state.marks.crashed_with.insert(node.clone(), generation);
                }
            }
            state.current = Arc::clone(good);
            state.stage = Stage::Accepted;
            state.marks.late.clear();
            state.way_back = None;
            state.module = good.module.clone();
            let servers = &good.document.servers;
            state
                .lists
                .retain(|server, _| !servers.contains_key(server));
            state.lists.extend(
                good.lists
                    .iter()
                    .map(|(name, list)| (name.clone(), Arc::clone(list))),
            );
        }
        self.hand_out(true);
        self.show_document(good);
        if let Err(error) = self
            .store
            .remove_accepted(rejected.generation().as_str())
            .await
        {
            tracing::error!(%error, "the store still calls the rejected generation accepted");
        }
    }

    /// Puts a rejection on record; tells the Envoys' words.
    async fn record(&self, rejected: &Built, nodes: &Rejections, is_kept: bool) -> String {
        let texts = nodes.iter().flat_map(|(node, resources)| {
            let crash = resources
                .is_empty()
                .then(|| format!("Envoy `{node}` was lost twice within a minute of being sent it"));
            let words = resources.iter().map(move |rejected| {
                format!(
                    "Envoy `{node}`, {} `{}`: {}",
                    rejected.resource_type, rejected.name, rejected.message
                )
            });
            crash.into_iter().chain(words)
        });
        let reason = texts.collect::<Vec<_>>().join("; ");
        tracing::warn!(revision = rejected.revision.0, generation = %rejected.generation(), "{reason}");
        let entry = AuditEntry {
            who: "control plane".to_owned(),
            what: REJECTED.to_owned(),
            revision: Some(rejected.revision),
            origin: String::new(),
            reason: reason.clone(),
        };
        if let Err(error) = self.store.record(&entry).await {
            tracing::error!(%error, "the rejection is not on the audit trail");
        }
        self.write().rejection = Some(Rejection {
            revision: rejected.revision,
            generation: rejected.generation().clone(),
            at: OffsetDateTime::now_utc(),
            nodes: nodes.clone(),
            is_kept,
            is_counted: false,
            snapshot: Arc::clone(&rejected.snapshot),
        });
        reason
    }

    async fn withhold(&self, inputs: Vec<Input>, reason: &str, is_in_force: bool) {
        for input in inputs {
            if !is_in_force {
                self.write().withheld.insert(input.clone());
            }
            let withheld = WithheldInput {
                input,
                reason: reason.to_owned(),
                at: OffsetDateTime::now_utc(),
                is_in_force,
            };
            if let Err(error) = self.store.withhold(&withheld).await {
                tracing::error!(%error, "after a restart the rejected generation is tried again");
            }
        }
    }

    /// Lets every withheld input be tried again: an operator's change may have mended what it was rejected for.
    pub(super) async fn release_withheld(&self) {
        let is_empty = {
            let mut state = self.write();
            std::mem::take(&mut state.withheld).is_empty()
        };
        let is_kept = self
            .read()
            .rejection
            .as_ref()
            .is_some_and(|rejection| rejection.is_kept);
        if is_empty && !is_kept {
            return;
        }
        if let Err(error) = self.store.release_withheld().await {
            tracing::error!(%error, "after a restart, inputs of rejected generations are still withheld");
        }
    }
}

/// Whether an Envoy may run a part of the rejected generation that decides about calls.
fn may_run(node: &NodeState, rejected: &Snapshot, good: &Snapshot) -> bool {
    let decides = [ResourceType::Listener, ResourceType::ExtensionConfig];
    node.is_connected()
        && node.resources.iter().any(|resource| {
            decides.contains(&resource.resource_type) && has_content_of(resource, rejected, good)
        })
}

/// Whether an Envoy has, or is being sent, the rejected generation's content where the good one has another.
fn has_content_of(resource: &ResourceState, rejected: &Snapshot, good: &Snapshot) -> bool {
    let version = |snapshot: &Snapshot| {
        let found = snapshot.get(resource.resource_type, &resource.name);
        found.map(|found| found.version().clone())
    };
    let theirs = version(rejected);
    let is_out = match resource.state {
        DeliveryState::Rejected { .. } => resource.acked == theirs,
        _ => resource.acked == theirs || resource.sent == theirs,
    };
    theirs != version(good) && is_out
}
