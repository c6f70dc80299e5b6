//! How many streams of an Envoy ask for a name.

use std::{collections::BTreeMap, sync::Arc};

use crate::ResourceType;

/// How many open streams ask for a name, by type: a client may have a thousand streams, and ask for
/// tens of thousands of names on each.
#[derive(Debug, Default)]
pub(super) struct Holders(BTreeMap<ResourceType, BTreeMap<Arc<str>, usize>>);

impl Holders {
    /// One stream more asks for a name.
    pub(super) fn hold(&mut self, only: ResourceType, name: &Arc<str>) {
        let names = self.0.entry(only).or_default();
        *names.entry(Arc::clone(name)).or_default() += 1;
    }

    /// One stream fewer asks for a name.
    pub(super) fn release(&mut self, only: ResourceType, name: &Arc<str>) {
        let Some(names) = self.0.get_mut(&only) else {
            return;
        };
        if let Some(count) = names.get_mut(name) {
            *count -= 1;
            if *count == 0 {
                names.remove(name);
            }
        }
    }

    /// Those names that no stream asks for.
    pub(super) fn held_by_none<'n>(
        &self,
        only: ResourceType,
        names: impl Iterator<Item = &'n Arc<str>>,
    ) -> Vec<Arc<str>> {
        let held = self.0.get(&only);
        names
            .filter(|name| !held.is_some_and(|held| held.contains_key(*name)))
            .map(Arc::clone)
            .collect()
    }
}
