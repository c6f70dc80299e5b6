//! A request of an Envoy as the transport gives it, in either variant of the protocol.

use envoy_types::pb::envoy::{
    config::core::v3::Node,
    service::discovery::v3::{DeltaDiscoveryRequest, DiscoveryRequest},
};

/// The variant of the protocol that an Envoy's bootstrap asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Variant {
    Incremental,
    World,
}

/// A request in either variant of the protocol.
#[derive(Debug)]
pub(super) enum Message {
    Incremental(DeltaDiscoveryRequest),
    World(DiscoveryRequest),
}

impl From<DeltaDiscoveryRequest> for Message {
    fn from(request: DeltaDiscoveryRequest) -> Self {
        Self::Incremental(request)
    }
}

impl From<DiscoveryRequest> for Message {
    fn from(request: DiscoveryRequest) -> Self {
        Self::World(request)
    }
}

impl Message {
    pub(super) fn node(&self) -> Option<&Node> {
        match self {
            Self::Incremental(request) => request.node.as_ref(),
            Self::World(request) => request.node.as_ref(),
        }
    }

    pub(super) fn variant(&self) -> Variant {
        match self {
            Self::Incremental(_) => Variant::Incremental,
            Self::World(_) => Variant::World,
        }
    }

    pub(super) fn type_url(&self) -> &str {
        match self {
            Self::Incremental(request) => &request.type_url,
            Self::World(request) => &request.type_url,
        }
    }
}
