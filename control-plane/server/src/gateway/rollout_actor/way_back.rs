//! The way back from a generation that is being judged.

use std::sync::Arc;

use xds::{ResourceType, Snapshot};

use super::super::loosening::may_loosen;
use crate::generation::Built;

/// The same generation with the endpoints that another one has; nothing where these are the same. A
/// cluster that is another one there keeps its own: its endpoints may be for that one alone, where
/// it asks for TLS, say.
pub(super) fn with_endpoints_of(snapshot: &Snapshot, other: &Snapshot) -> Option<Arc<Snapshot>> {
    let version_in = |snapshot: &Snapshot, resource_type, name: &str| {
        let found = snapshot.get(resource_type, name);
        found.map(|found| found.version().clone())
    };
    let is_another = |resource_type, name: &str| {
        version_in(snapshot, resource_type, name) != version_in(other, resource_type, name)
    };
    let moved: Vec<_> = other
        .of_type(ResourceType::Endpoints)
        .filter(|endpoints| {
            let name = endpoints.name();
            version_in(snapshot, ResourceType::Endpoints, name).is_some()
                && is_another(ResourceType::Endpoints, name)
                && !is_another(ResourceType::Cluster, name)
        })
        .cloned()
        .collect();
    (!moved.is_empty()).then(|| Arc::new(snapshot.with_endpoints(moved)))
}

/// The accepted generation while another one is being judged.
#[derive(Debug)]
pub(super) struct WayBack {
    /// Its snapshot, with today's endpoints.
    pub(super) snapshot: Arc<Snapshot>,
    /// The endpoints and secrets for Envoys of which nobody knows whether they run it or the one
    /// being judged.
    pub(super) supplies: Arc<Snapshot>,
    /// Whether it may allow what the one being judged refuses.
    may_allow_more_than_current: bool,
    /// Whether it may allow what one refuses that was handed out before that and never accepted.
    pub(super) may_allow_more_than_unaccepted: bool,
}

impl WayBack {
    /// The way back to `accepted` from `current`, and from the `unaccepted` ones before it.
    pub(super) fn new(current: &Built, unaccepted: &[Arc<Built>], accepted: &Built) -> Self {
        Self {
            // The very snapshot, where it is the same: whoever has that is left alone.
            snapshot: with_endpoints_of(&accepted.snapshot, &current.snapshot)
                .unwrap_or_else(|| Arc::clone(&accepted.snapshot)),
            supplies: Arc::new(Snapshot::supplies_of(&current.snapshot, &accepted.snapshot)),
            may_allow_more_than_current: may_loosen(current, accepted),
            may_allow_more_than_unaccepted: unaccepted
                .iter()
                .any(|built| may_loosen(built, accepted)),
        }
    }

    /// Whether it may allow what one refuses that was handed out since.
    pub(super) fn may_allow_more(&self) -> bool {
        self.may_allow_more_than_current || self.may_allow_more_than_unaccepted
    }
}
