//! A request of an Envoy as the transport gives it, in either variant of the protocol.

use envoy_types::pb::envoy::{
    config::core::v3::Node,
    service::discovery::v3::{DeltaDiscoveryRequest, DiscoveryRequest},
};
use prost::Message as _;
use tonic::{Status, codegen::Bytes};

/// The variant of the protocol that an Envoy's bootstrap asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Variant {
    Incremental,
    World,
}

/// A request that is not read yet. Its bytes have their part of the memory for messages; what they
/// are read into has none, may be many times as large, and goes at once.
#[derive(Clone, Debug)]
pub(super) struct EncodedMessage {
    pub(super) variant: Variant,
    pub(super) bytes: Bytes,
}

impl EncodedMessage {
    pub(super) fn read(&self) -> Result<Message, Status> {
        let bytes = self.bytes.as_ref();
        let message = match self.variant {
            Variant::Incremental => DeltaDiscoveryRequest::decode(bytes).map(Message::from),
            Variant::World => DiscoveryRequest::decode(bytes).map(Message::from),
        };
        message.map_err(|error| Status::internal(error.to_string()))
    }
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

    pub(super) fn type_url(&self) -> &str {
        match self {
            Self::Incremental(request) => &request.type_url,
            Self::World(request) => &request.type_url,
        }
    }
}
