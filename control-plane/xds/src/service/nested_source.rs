//! Where an Envoy finds the resources that a cluster or listener names, if it has no aggregated
//! stream: each from the service of its type, by the bootstrap's name for this control plane.

use envoy_types::pb::{
    envoy::{
        config::{
            cluster::v3::Cluster,
            core::v3::{
                ApiConfigSource, ApiVersion, ConfigSource, ExtensionConfigSource, GrpcService,
                api_config_source::ApiType,
                config_source::ConfigSourceSpecifier,
                grpc_service::{EnvoyGrpc, TargetSpecifier},
            },
            listener::v3::{Filter, Listener, filter, listener_filter},
        },
        extensions::filters::network::http_connection_manager::v3::{
            HttpConnectionManager, http_connection_manager::RouteSpecifier, http_filter,
        },
    },
    google::protobuf::Any,
};
use prost::{Message as _, Name as _};

use super::{authority::Authority, message::Variant};
use crate::{Resource, ResourceType};

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
            ResourceType::Endpoints | ResourceType::Route | ResourceType::ExtensionConfig => None,
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
        self.replace(cluster.eds_cluster_config.as_mut()?.eds_config.as_mut());
        Some(cluster.encode_to_vec())
    }

    fn within_listener(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let mut listener = Listener::decode(bytes).ok()?;
        for listener_filter in &mut listener.listener_filters {
            if let Some(listener_filter::ConfigType::ConfigDiscovery(extension)) =
                &mut listener_filter.config_type
            {
                self.replace_in(extension);
            }
        }
        let chains = listener.filter_chains.iter_mut();
        for filter in chains
            .chain(&mut listener.default_filter_chain)
            .flat_map(|chain| &mut chain.filters)
        {
            self.replace_in_filter(filter)?;
        }
        Some(listener.encode_to_vec())
    }

    fn replace_in_filter(&self, filter: &mut Filter) -> Option<()> {
        let config = match &mut filter.config_type {
            Some(filter::ConfigType::TypedConfig(config)) => config,
            Some(filter::ConfigType::ConfigDiscovery(extension)) => {
                self.replace_in(extension);
                return Some(());
            }
            None => return Some(()),
        };
        if config.type_url != HttpConnectionManager::type_url() {
            return Some(());
        }
        let mut manager = HttpConnectionManager::decode(config.value.as_slice()).ok()?;
        if let Some(RouteSpecifier::Rds(rds)) = &mut manager.route_specifier {
            self.replace(rds.config_source.as_mut());
        }
        for http_filter in &mut manager.http_filters {
            if let Some(http_filter::ConfigType::ConfigDiscovery(extension)) =
                &mut http_filter.config_type
            {
                self.replace_in(extension);
            }
        }
        config.value = manager.encode_to_vec();
        Some(())
    }

    fn replace_in(&self, extension: &mut ExtensionConfigSource) {
        self.replace(extension.config_source.as_mut());
    }

    fn replace(&self, source: Option<&mut ConfigSource>) {
        if let Some(source) = source
            && let Some(ConfigSourceSpecifier::Ads(_)) = source.config_source_specifier
        {
            source.config_source_specifier = self.0.config_source_specifier.clone();
        }
    }
}
