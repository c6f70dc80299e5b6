//! The way back from a generation that is being judged.

use std::sync::Arc;

use xds::{ResourceType, Snapshot};

use super::super::loosening::may_loosen;
use crate::generation::Built;

/// The accepted generation while another one is being judged.
#[derive(Debug)]
pub(super) struct WayBack {
    /// Its snapshot, with today's endpoints.
    pub(super) snapshot: Arc<Snapshot>,
    /// Whether it may allow what the one being judged refuses.
    pub(super) may_allow_more: bool,
}

impl WayBack {
    /// The way back to `accepted` from `current`, and from the `unaccepted` ones before it.
    pub(super) fn new(current: &Built, unaccepted: &[Arc<Built>], accepted: &Built) -> Self {
        let endpoints = current.snapshot.of_type(ResourceType::Endpoints);
        let accepted_endpoints = endpoints
            .filter(|resource| {
                accepted
                    .snapshot
                    .get(ResourceType::Endpoints, resource.name())
                    .is_some()
            })
            .cloned();
        Self {
            snapshot: Arc::new(accepted.snapshot.with_endpoints(accepted_endpoints)),
            may_allow_more: may_loosen(current, accepted)
                || unaccepted.iter().any(|built| may_loosen(built, accepted)),
        }
    }
}
