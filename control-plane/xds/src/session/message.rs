//! Messages of an Envoy and to it, in this crate's terms.

use std::{collections::BTreeMap, sync::Arc};

use crate::{Resource, ResourceType, Version};

/// A question or an answer of an Envoy: a `DeltaDiscoveryRequest` in this crate's terms.
#[derive(Clone, Debug)]
pub(crate) struct DeltaRequest {
    pub(crate) resource_type: ResourceType,
    pub(crate) subscribe: Vec<Arc<str>>,
    pub(crate) unsubscribe: Vec<Arc<str>>,
    /// The versions that the Envoy has from an earlier stream; only the first request of a type
    /// carries them.
    pub(crate) initial_versions: BTreeMap<Arc<str>, Version>,
    pub(crate) answer: Option<Answer>,
}

impl DeltaRequest {
    /// A request that asks for nothing, and answers nothing.
    pub(crate) fn nothing(resource_type: ResourceType) -> Self {
        Self {
            resource_type,
            subscribe: Vec::new(),
            unsubscribe: Vec::new(),
            initial_versions: BTreeMap::new(),
            answer: None,
        }
    }
}

/// An Envoy's answer to the response of that nonce.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) nonce: String,
    /// Envoy's words if it rejected the response. Nothing else tells a rejection (envoy#14841).
    pub(crate) rejection: Option<String>,
}

/// A message to be sent: a `DeltaDiscoveryResponse`, or a `DiscoveryResponse`, in this crate's
/// terms.
#[derive(Clone, Debug)]
pub(crate) struct DeltaResponse {
    pub(crate) resource_type: ResourceType,
    pub(crate) nonce: String,
    /// As many as one batch holds. A rejection says nothing of the others, so they are sent again
    /// in smaller batches (envoy#5739).
    pub(crate) resources: Vec<Arc<Resource>>,
    pub(crate) removed: Vec<Arc<str>>,
    /// The hash of all that the Envoy is to have of the type, in the state-of-the-world protocol.
    pub(crate) set_version: Option<Version>,
}

impl DeltaResponse {
    /// The bytes of its resources, which are nearly all of the message.
    pub(crate) fn content_bytes(&self) -> usize {
        let resources = self.resources.iter();
        resources.map(|resource| resource.content().len()).sum()
    }
}
