//! Takes rejected clusters back from an Envoy.
//!
//! A cluster that passes validation and cannot be made stays with Envoy among those that are
//! warming, although it was rejected: from the next response on Envoy answers nothing about
//! clusters any more, until it is told to drop that one, or to have it as it was. Sent again it is
//! passed over without a word.

use std::{collections::BTreeSet, sync::Arc};

use super::Subscription;
use crate::{Resource, ResourceType};

/// The part of a response that takes clusters back.
#[derive(Debug, Default)]
pub(in crate::session) struct TakenBack {
    /// The last good versions.
    pub(in crate::session) resources: Vec<Arc<Resource>>,
    /// Those that the Envoy has no good version of.
    pub(in crate::session) removed: Vec<Arc<str>>,
}

impl Subscription {
    /// Takes back what the Envoy rejected, along with a response that sends `sent`. A whole set
    /// does so by what it holds.
    pub(in crate::session) fn take_back(
        &mut self,
        resource_type: ResourceType,
        sent: &[Arc<Resource>],
    ) -> TakenBack {
        let is_concerned = resource_type.is_taken_back() && !self.is_sent_whole();
        if !is_concerned || self.rejected.is_empty() {
            return TakenBack::default();
        }
        let sent: BTreeSet<&Arc<str>> = sent.iter().map(|resource| resource.name()).collect();
        let rejected = self.rejected.difference(&self.taken_back);
        let names: Vec<_> = rejected
            .filter(|name| !sent.contains(name))
            .cloned()
            .collect();
        self.take_these_back(names)
    }

    /// Takes back all of a batch that was not answered. Where a cluster of it is such a one,
    /// nothing but this has the Envoy answer again, and say which it is; the others go out again
    /// then.
    pub(in crate::session) fn take_all_back(&mut self) -> TakenBack {
        let names = std::mem::take(&mut self.to_take_back);
        if self.is_sent_whole() {
            for name in &names {
                self.fall_back(name);
            }
            return TakenBack::default();
        }
        self.take_these_back(names)
    }

    fn take_these_back(&mut self, names: Vec<Arc<str>>) -> TakenBack {
        let mut taken_back = TakenBack::default();
        for name in names {
            let is_new = self
                .tracked
                .get(&name)
                .is_some_and(|tracked| tracked.acked.is_none());
            match self.good.get(&name) {
                Some(good) => taken_back.resources.push(Arc::clone(good)),
                None if is_new => taken_back.removed.push(Arc::clone(&name)),
                // The Envoy has a version from before this stream, which nobody here knows.
                None => {}
            }
            self.taken_back.insert(name);
        }
        taken_back
    }
}
