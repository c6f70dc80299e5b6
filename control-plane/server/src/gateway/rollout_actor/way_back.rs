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
    may_allow_more_than_current: bool,
    /// Whether it may allow what one refuses that was handed out before that and never accepted.
    pub(super) may_allow_more_than_unaccepted: bool,
}

impl WayBack {
    /// The way back to `accepted` from `current`, and from the `unaccepted` ones before it.
    pub(super) fn new(current: &Built, unaccepted: &[Arc<Built>], accepted: &Built) -> Self {
        let endpoints = current.snapshot.of_type(ResourceType::Endpoints);
        let moved: Vec<_> = endpoints
            .filter(|resource| {
                let before = accepted
                    .snapshot
                    .get(ResourceType::Endpoints, resource.name());
                before.is_some_and(|before| before.version() != resource.version())
            })
            .cloned()
            .collect();
        Self {
            // The very snapshot, where it is the same: whoever has that is left alone.
            snapshot: if moved.is_empty() {
                Arc::clone(&accepted.snapshot)
            } else {
                Arc::new(accepted.snapshot.with_endpoints(moved))
            },
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
