//! Where an Envoy finds the resources that a cluster or listener names, if it has no aggregated
//! stream: each from the service of its type, by the bootstrap's name for this control plane.

use envoy_types::pb::{
    envoy::config::core::v3::{
        ApiConfigSource, ApiVersion, GrpcService,
        api_config_source::ApiType,
        config_source::ConfigSourceSpecifier,
        grpc_service::{EnvoyGrpc, TargetSpecifier},
    },
    google::protobuf::Any,
};
use prost::Message as _;
use tonic::codegen::Bytes;

use super::{authority::Authority, message::Variant};
use crate::{Resource, references::reader};

/// The source that takes the place of "from the aggregated stream".
#[derive(Clone, Debug, PartialEq)]
pub(super) struct NestedSource(ConfigSourceSpecifier);

impl NestedSource {
    pub(super) fn new(authority: &Authority, variant: Variant) -> Self {
        let api_type = match variant {
            Variant::Incremental => ApiType::DeltaGrpc,
            Variant::World => ApiType::Grpc,
        };
        let control_plane = GrpcService {
            target_specifier: Some(TargetSpecifier::EnvoyGrpc(EnvoyGrpc {
                cluster_name: authority.0.clone(),
                ..EnvoyGrpc::default()
            })),
            ..GrpcService::default()
        };
        Self(ConfigSourceSpecifier::ApiConfigSource(ApiConfigSource {
            api_type: api_type.into(),
            transport_api_version: ApiVersion::V3.into(),
            grpc_services: vec![control_plane],
            set_node_on_first_message_only: true,
            ..ApiConfigSource::default()
        }))
    }

    /// The content of a resource with this source in place of the aggregated stream, as an encoded
    /// `Any`; none where such resources name no source. Its version stays that of the content as it
    /// was distributed.
    pub(super) fn within(&self, resource: &Resource) -> Option<Bytes> {
        let resource_type = resource.resource_type();
        let any = Any {
            type_url: resource_type.type_url().to_owned(),
            value: reader(resource_type).replace_source(resource.content(), &self.0)?,
        };
        Some(any.encode_to_vec().into())
    }
}
