//! Tells an Envoy that comes from another server, which gave it other contents than its snapshot
//! here has.

use std::{collections::BTreeSet, sync::Arc};

use super::{DeltaRequest, Session, WorldRequest, subscription::WILDCARD};
use crate::{Resource, Version};

impl Session {
    /// Whether this is the first request for a type, and reports contents that differ from those
    /// of the snapshot.
    pub(crate) fn reports_other_contents(&self, request: &DeltaRequest) -> bool {
        let resource_type = request.resource_type;
        if self.subscriptions.contains_key(&resource_type) {
            return false;
        }
        let Some(snapshot) = &self.snapshot else {
            return false;
        };
        request.initial_versions.iter().any(|(name, version)| {
            let here = snapshot.get(resource_type, name);
            here.is_none_or(|here| here.version() != version)
        })
    }

    /// Whether this is the first request for a type, and says by its version that the Envoy has
    /// accepted other contents than those of the snapshot.
    pub(crate) fn reports_another_set(&self, request: &WorldRequest) -> bool {
        let resource_type = request.resource_type;
        if self.subscriptions.contains_key(&resource_type) {
            return false;
        }
        let (Some(snapshot), Some(accepted)) = (&self.snapshot, &request.accepted) else {
            return false;
        };
        let names: BTreeSet<&Arc<str>> = request.names.iter().collect();
        let asks_for_all = names.iter().any(|name| &***name == WILDCARD)
            || (names.is_empty() && resource_type.empty_subscription_is_wildcard());
        let here: Vec<&Arc<Resource>> = if asks_for_all {
            snapshot.of_type(resource_type).collect()
        } else {
            let named = names.into_iter();
            let here = named.filter_map(|name| snapshot.get(resource_type, name));
            here.collect()
        };
        let here = here.iter().map(|one| (one.name(), one.version()));
        Version::of_set(here) != *accepted
    }
}
