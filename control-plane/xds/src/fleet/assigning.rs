//! Each Envoy is given what it is to have: a generation, with what is known of its endpoints at the
//! moment and with the secrets that it names.

use std::{sync::Arc, time::Instant};

use super::{
    Fleet,
    live_endpoints::{EndpointMarks, LiveEndpoints},
    node::Assigned,
    with_secrets::WithSecrets,
};
use crate::{Assignments, Distribution, Newcomers, NodeId, SecretTable, Snapshot};

impl Fleet {
    /// Gives every connected Envoy what `distribution` says of it. An Envoy that has left comes
    /// back as a newcomer, unless nothing is said of it.
    pub(crate) fn distribute(&mut self, distribution: Distribution, now: Instant) {
        self.ack_deadline = distribution.ack_deadline;
        match distribution.connected {
            Assignments::Everyone(snapshot) => {
                step_count::count(self.nodes.len());
                let ids: Vec<NodeId> = self.nodes.keys().cloned().collect();
                for id in ids {
                    self.assign(&id, &snapshot, now);
                }
            }
            Assignments::ByNode(table) => {
                step_count::count(table.len());
                for (id, snapshot) in &table {
                    self.assign(id, snapshot, now);
                }
            }
        }
        self.offer(distribution.newcomers, now);
    }

    /// Lays these marks over what every Envoy has, and over all that Envoys are given from now on.
    /// Tells whether one has something else now.
    pub(crate) fn mark_endpoints(&mut self, marks: EndpointMarks, now: Instant) -> bool {
        if !self.live.replace(marks) {
            return false;
        }
        step_count::count(self.nodes.len());
        let mut changed = Vec::new();
        for (id, node) in &mut self.nodes {
            let is_up = node.is_up();
            let Some(assigned) = &mut node.assigned else {
                continue;
            };
            if is_up {
                changed.push((id.clone(), Arc::clone(&assigned.snapshot)));
            } else {
                // It keeps what it is to have, and comes back to it as it is by now.
                assigned.live = given(&mut self.live, &mut self.secrets, &assigned.snapshot);
            }
        }
        let last_assignment = self.last_assignment;
        for (id, snapshot) in changed {
            self.assign(&id, &snapshot, now);
        }
        let has_supplied = self.supply_waiting();
        self.last_assignment != last_assignment || has_supplied
    }

    /// Says what those Envoys get that connect from now on, and those that have been waiting with
    /// nothing. Tells whether one of these was given something.
    pub(crate) fn offer(&mut self, newcomers: Newcomers, now: Instant) -> bool {
        self.newcomers = newcomers;
        if self.newcomers == Newcomers::default() {
            return false;
        }
        step_count::count(self.nodes.len());
        let last_assignment = self.last_assignment;
        let waiting: Vec<NodeId> = self
            .nodes
            .values()
            .filter(|node| node.is_up() && node.assigned.is_none())
            .map(|node| node.identity.id.clone())
            .collect();
        for id in waiting {
            let snapshot = match self.nodes.get(&id) {
                Some(node) => self
                    .newcomers
                    .take_for(&node.identity, |snapshot| !node.is_kept_from(snapshot)),
                None => None,
            };
            if let Some(snapshot) = snapshot {
                self.assign(&id, &snapshot, now);
            }
        }
        self.supply_waiting();
        self.last_assignment != last_assignment
    }

    /// Gives those that wait with nothing the endpoints and secrets of the moment. Tells whether
    /// one has others now.
    fn supply_waiting(&mut self) -> bool {
        let supplies = supplies(&mut self.live, &mut self.secrets, &self.newcomers);
        let Some(supplies) = supplies else {
            return false;
        };
        step_count::count(self.nodes.len());
        let mut has_supplied = false;
        for node in self.nodes.values_mut() {
            has_supplied |= node.take_supplies(&supplies, self.ack_deadline);
        }
        has_supplied
    }

    /// Gives newcomers nothing that the first of them would have to judge, until the next offer.
    pub(crate) fn offer_nothing_to_judge(&mut self) {
        self.newcomers.first = None;
    }

    /// Gives every Envoy that has to do with them other secrets; what they are to have besides
    /// stays the same. Tells whether they are others.
    pub(crate) fn supply(&mut self, secrets: SecretTable) -> bool {
        let is_new = self.secrets.replace(secrets);
        if is_new {
            step_count::count(self.nodes.len());
            for node in self.nodes.values_mut() {
                if let Some(snapshot) = node.snapshot() {
                    let live = given(&mut self.live, &mut self.secrets, snapshot);
                    node.take_anew(live, self.ack_deadline);
                }
            }
            self.supply_waiting();
        }
        is_new
    }

    fn assign(&mut self, id: &NodeId, snapshot: &Arc<Snapshot>, now: Instant) {
        let Some(node) = self.nodes.get_mut(id) else {
            return;
        };
        let live = given(&mut self.live, &mut self.secrets, snapshot);
        let has_it = node.assigned.as_ref().is_some_and(|assigned| {
            Arc::ptr_eq(&assigned.snapshot, snapshot) && Arc::ptr_eq(&assigned.live, &live)
        });
        if !node.is_up() {
            if !has_it {
                node.assigned = None;
            }
            return;
        }
        if has_it || node.is_kept_from(snapshot) {
            return;
        }
        node.supplies = None;
        self.last_assignment += 1;
        node.assigned = Some(Assigned {
            snapshot: Arc::clone(snapshot),
            live,
            number: self.last_assignment,
            at: now,
        });
        let assignment = node.assignment(self.ack_deadline);
        step_count::count(node.streams.len());
        for open in node.streams.values() {
            open.assignment.send_replace(assignment.clone());
        }
        self.recount(id, now);
    }
}

/// A snapshot as an Envoy gets it: with what is known of its endpoints at the moment, and with the
/// secrets that it names.
pub(super) fn given(
    live: &mut LiveEndpoints,
    secrets: &mut WithSecrets,
    snapshot: &Arc<Snapshot>,
) -> Arc<Snapshot> {
    secrets.complete(&live.over(snapshot))
}

/// The endpoints and secrets for those that wait, as given at the moment.
pub(super) fn supplies(
    live: &mut LiveEndpoints,
    secrets: &mut WithSecrets,
    newcomers: &Newcomers,
) -> Option<Arc<Snapshot>> {
    let supplies = newcomers.supplies.as_ref()?;
    Some(given(live, secrets, supplies))
}
