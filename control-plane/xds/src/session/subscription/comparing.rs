//! Which names a snapshot makes it necessary to send, or to have asked for.

use std::sync::Arc;

use super::{Demand, Subscription, Wildcard};
use crate::{ResourceType, Snapshot};

impl Subscription {
    /// Works out anew which names need sending, and which are still to be asked for.
    pub(in crate::session) fn compare(&mut self, resource_type: ResourceType, snapshot: &Snapshot) {
        self.pending.clear();
        self.missing.clear();
        if self.wildcard == Wildcard::Yes {
            for resource in snapshot.of_type(resource_type) {
                if !self.tracked.contains_key(resource.name()) {
                    self.pending.insert(Arc::clone(resource.name()));
                }
            }
        }
        let tracked: Vec<Arc<str>> = self.tracked.keys().cloned().collect();
        self.compare_names(resource_type, &tracked, snapshot);
        let not_wanted = snapshot.referred(resource_type);
        let not_wanted = not_wanted.filter(|name| !self.wants(name)).cloned();
        self.missing = not_wanted.collect();
    }

    /// Works out anew whether these names need sending, and whether they are still to be asked for;
    /// nothing has changed about the others.
    pub(in crate::session) fn compare_names<'n>(
        &mut self,
        resource_type: ResourceType,
        names: impl IntoIterator<Item = &'n Arc<str>>,
        snapshot: &Snapshot,
    ) {
        for name in names {
            if self.needs_sending(resource_type, name, snapshot) {
                self.pending.insert(Arc::clone(name));
            } else {
                self.pending.remove(name);
            }
            if snapshot.is_referred(resource_type, name) && !self.wants(name) {
                self.missing.insert(Arc::clone(name));
            } else {
                self.missing.remove(name);
            }
        }
        for names in &mut self.apart {
            names.retain(|name| self.pending.contains(name));
        }
        self.apart.retain(|names| !names.is_empty());
    }

    pub(in crate::session) fn needs_sending(
        &self,
        resource_type: ResourceType,
        name: &Arc<str>,
        snapshot: &Snapshot,
    ) -> bool {
        let desired = snapshot.get(resource_type, name);
        match (self.tracked.get(name), desired) {
            (None, desired) => desired.is_some() && self.wildcard == Wildcard::Yes,
            (Some(tracked), Some(desired)) => {
                tracked.demand != Demand::Answered
                    || tracked.sent.as_ref() != Some(desired.version())
            }
            (Some(_), None) if !self.can_tell_absence(resource_type) => false,
            (Some(tracked), None) => {
                tracked.demand == Demand::Asked || tracked.sent.is_some() || tracked.acked.is_some()
            }
        }
    }
}
