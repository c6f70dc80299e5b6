//! The snapshots for Envoys that connect.

use std::sync::Arc;

use super::node::Identity;
use crate::{Newcomers, NodeSelector, Snapshot};

impl Newcomers {
    /// Every snapshot that a newcomer may be given all or a part of.
    pub(super) fn snapshots(&self) -> impl Iterator<Item = &Arc<Snapshot>> {
        let by_group = self.by_group.iter().map(|(_, snapshot)| snapshot);
        let by_node = self.by_node.values().chain(by_group);
        let for_all = self.first.iter().chain(&self.others).chain(&self.supplies);
        by_node.chain(for_all)
    }

    /// Takes the snapshot for a newcomer, if `may_have` lets it have that.
    pub(super) fn take_for(
        &mut self,
        identity: &Identity,
        may_have: impl Fn(&Arc<Snapshot>) -> bool,
    ) -> Option<Arc<Snapshot>> {
        let mut groups = self.by_group.iter();
        let of_group = || {
            let group = groups.find(|(group, _)| group.selects(&identity.description))?;
            Some(&group.1)
        };
        if let Some(snapshot) = self.by_node.get(&identity.id).or_else(of_group) {
            return Some(Arc::clone(snapshot)).filter(may_have);
        }
        if self.first.as_ref().is_some_and(&may_have) {
            return self.first.take();
        }
        self.others.clone().filter(may_have)
    }

    /// The snapshot that the next newcomer of a group gets, if it has not a name of its own here.
    pub(super) fn for_group(&self, group: &NodeSelector) -> Option<&Arc<Snapshot>> {
        let mut groups = self.by_group.iter();
        let own = groups.find(|(other, _)| other == group);
        let own = own.map(|(_, snapshot)| snapshot);
        own.or(self.first.as_ref()).or(self.others.as_ref())
    }
}
