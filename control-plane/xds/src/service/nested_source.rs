//! Where an Envoy finds the resources that a cluster or listener names, if it has no aggregated
//! stream: each from the service of its type, by the bootstrap's name for this control plane.

use envoy_types::pb::{
    envoy::config::{
        cluster::v3::Cluster,
        core::v3::{
            ApiConfigSource, ApiVersion, ConfigSource, GrpcService,
            api_config_source::ApiType,
            config_source::ConfigSourceSpecifier,
            grpc_service::{EnvoyGrpc, TargetSpecifier},
        },
        listener::v3::Listener,
    },
    google::protobuf::Any,
};
use prost::Message as _;

use super::{authority::Authority, message::Variant};
use crate::{
    Resource, ResourceType,
    references::{self, Visitor},
};

/// The source that takes the place of "from the aggregated stream".
#[derive(Clone, Debug, PartialEq)]
pub(super) struct NestedSource(ConfigSource);

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
        Self(ConfigSource {
            resource_api_version: ApiVersion::V3.into(),
            config_source_specifier: Some(ConfigSourceSpecifier::ApiConfigSource(
                ApiConfigSource {
                    api_type: api_type.into(),
                    transport_api_version: ApiVersion::V3.into(),
                    grpc_services: vec![control_plane],
                    set_node_on_first_message_only: true,
                    ..ApiConfigSource::default()
                },
            )),
            ..ConfigSource::default()
        })
    }

    /// The content of a resource with this source in place of the aggregated stream. Its version
    /// stays that of the content as it was distributed.
    pub(super) fn within(&self, resource: &Resource) -> Any {
        let any = resource.any();
        let value = match resource.resource_type() {
            ResourceType::Cluster => self.within_cluster(&any.value),
            ResourceType::Listener => self.within_listener(&any.value),
            ResourceType::Endpoints
            | ResourceType::Secret
            | ResourceType::Route
            | ResourceType::ExtensionConfig => None,
        };
        match value {
            Some(value) => Any {
                type_url: any.type_url.clone(),
                value,
            },
            None => any.clone(),
        }
    }

    fn within_cluster(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let mut cluster = Cluster::decode(bytes).ok()?;
        references::visit_cluster(&mut cluster, &mut Replacing(self)).ok()?;
        Some(cluster.encode_to_vec())
    }

    fn within_listener(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let mut listener = Listener::decode(bytes).ok()?;
        references::visit_listener(&mut listener, &mut Replacing(self)).ok()?;
        Some(listener.encode_to_vec())
    }
}

/// Puts a source into the place of each "from the aggregated stream".
struct Replacing<'a>(&'a NestedSource);

impl Visitor for Replacing<'_> {
    const REPLACES: bool = true;

    fn visit(&mut self, _to: ResourceType, _name: &str, source: &mut Option<ConfigSource>) {
        if let Some(source) = source
            && let Some(ConfigSourceSpecifier::Ads(_)) = source.config_source_specifier
        {
            let Self(NestedSource(other)) = self;
            source.config_source_specifier = other.config_source_specifier.clone();
        }
    }
}
