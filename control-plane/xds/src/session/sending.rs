//! The response that a step of the plan becomes, and the notes that are taken of it.

use std::{collections::BTreeSet, sync::Arc, time::Instant};

use super::subscription::{NextSet, Outstanding, TakenBack};
use super::{DeltaResponse, Session, plan};
use crate::{Resource, ResourceType, Snapshot};

impl Session {
    pub(super) fn take(
        &mut self,
        step: plan::Step,
        snapshot: &Snapshot,
        now: Instant,
    ) -> DeltaResponse {
        let nonce = format!("{}-{}", self.stream.0, self.next_nonce);
        self.next_nonce += 1;
        let resource_type = step.resource_type();
        let takes_back = matches!(step, plan::Step::TakeBack { .. });
        let (resources, removed) = match step {
            plan::Step::Send {
                resource_type,
                names,
            } => (self.contents(resource_type, &names, snapshot), Vec::new()),
            plan::Step::Remove { names, .. } => (Vec::new(), names),
            plan::Step::Greet { .. } | plan::Step::TakeBack { .. } => (Vec::new(), Vec::new()),
        };
        for resource in &resources {
            self.resend_endpoints_of(resource);
        }
        let mut taken_back = match self.subscriptions.get_mut(&resource_type) {
            Some(subscription) if takes_back => subscription.take_all_back(),
            _ => TakenBack::default(),
        };
        let subscription = self.subscriptions.get_mut(&resource_type);
        let set = subscription.and_then(|subscription| subscription.next_set(&resources, &removed));
        let set = set.unwrap_or_else(|| NextSet {
            contents: resources.clone(),
            unanswered: resources,
        });
        if let Some(subscription) = self.subscriptions.get_mut(&resource_type)
            && !takes_back
        {
            taken_back = subscription.take_back(resource_type, &set.contents);
        }
        let outstanding = Outstanding {
            nonce: nonce.clone(),
            resources: set.unanswered,
            asked: BTreeSet::new(),
            removed: removed.clone(),
            sent_at: now,
        };
        let mut set_version = None;
        if let Some(subscription) = self.subscriptions.get_mut(&resource_type) {
            subscription.sent(outstanding, snapshot, now);
            set_version = subscription.set_version();
        }
        DeltaResponse {
            resource_type,
            nonce,
            resources: [set.contents, taken_back.resources].concat(),
            removed: [removed, taken_back.removed].concat(),
            set_version,
        }
    }

    fn contents(
        &self,
        resource_type: ResourceType,
        names: &[Arc<str>],
        snapshot: &Snapshot,
    ) -> Vec<Arc<Resource>> {
        let Some(subscription) = self.subscriptions.get(&resource_type) else {
            return Vec::new();
        };
        names
            .iter()
            .filter_map(|name| {
                let desired = snapshot.get(resource_type, name)?;
                Some(subscription.next_content(name, desired))
            })
            .collect()
    }

    /// A cluster that Envoy receives anew warms until it receives its endpoints again, changed or
    /// not, and asks for nothing; its ACK waits for them (envoy#13009).
    fn resend_endpoints_of(&mut self, cluster: &Resource) {
        let Some(awaited) = cluster.resource_type().warms_with() else {
            return;
        };
        let references = cluster.references().iter();
        let names = references.filter(|reference| reference.resource_type == awaited);
        let names = names.map(|reference| &reference.name);
        match self.subscriptions.get_mut(&awaited) {
            Some(endpoints) => names.for_each(|name| endpoints.force(name)),
            None => self.awaited_endpoints.extend(names.map(Arc::clone)),
        }
    }
}
