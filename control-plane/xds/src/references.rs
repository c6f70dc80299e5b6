//! Which resources Envoy asks for because another one names them.

use std::sync::Arc;

use envoy_types::pb::envoy::{
    config::{
        cluster::v3::{Cluster, cluster},
        listener::v3::{Filter, Listener, filter, listener_filter},
    },
    extensions::filters::network::http_connection_manager::v3::{
        HttpConnectionManager, http_connection_manager::RouteSpecifier, http_filter,
    },
};
use prost::{DecodeError, Message, Name};

use crate::ResourceType;

/// A resource that another one names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) resource_type: ResourceType,
    pub(crate) name: Arc<str>,
}

impl Reference {
    fn new(resource_type: ResourceType, name: &str) -> Self {
        Self {
            resource_type,
            name: name.into(),
        }
    }
}

/// The endpoints of an EDS cluster, which go by its `service_name` if it has one.
pub(crate) fn of_cluster(cluster: &Cluster) -> Vec<Reference> {
    let discovered = matches!(
        cluster.cluster_discovery_type,
        Some(cluster::ClusterDiscoveryType::Type(kind))
            if kind == cluster::DiscoveryType::Eds as i32
    );
    if !discovered {
        return Vec::new();
    }
    let service = cluster
        .eds_cluster_config
        .as_ref()
        .map(|eds| eds.service_name.as_str())
        .filter(|name| !name.is_empty());
    vec![Reference::new(
        ResourceType::Endpoints,
        service.unwrap_or(&cluster.name),
    )]
}

/// The route and extension configurations that a listener has Envoy subscribe to.
pub(crate) fn of_listener(listener: &Listener) -> Result<Vec<Reference>, DecodeError> {
    let mut references = Vec::new();
    for listener_filter in &listener.listener_filters {
        if let Some(listener_filter::ConfigType::ConfigDiscovery(_)) = listener_filter.config_type {
            references.push(Reference::new(
                ResourceType::ExtensionConfig,
                &listener_filter.name,
            ));
        }
    }
    let chains = listener.filter_chains.iter();
    for filter in chains
        .chain(&listener.default_filter_chain)
        .flat_map(|chain| &chain.filters)
    {
        of_network_filter(filter, &mut references)?;
    }
    Ok(references)
}

fn of_network_filter(filter: &Filter, references: &mut Vec<Reference>) -> Result<(), DecodeError> {
    let config = match &filter.config_type {
        Some(filter::ConfigType::TypedConfig(config)) => config,
        Some(filter::ConfigType::ConfigDiscovery(_)) => {
            references.push(Reference::new(ResourceType::ExtensionConfig, &filter.name));
            return Ok(());
        }
        None => return Ok(()),
    };
    if config.type_url != HttpConnectionManager::type_url() {
        return Ok(());
    }
    let manager = HttpConnectionManager::decode(config.value.as_slice())?;
    if let Some(RouteSpecifier::Rds(rds)) = &manager.route_specifier {
        references.push(Reference::new(ResourceType::Route, &rds.route_config_name));
    }
    for http_filter in &manager.http_filters {
        if let Some(http_filter::ConfigType::ConfigDiscovery(_)) = http_filter.config_type {
            references.push(Reference::new(
                ResourceType::ExtensionConfig,
                &http_filter.name,
            ));
        }
    }
    Ok(())
}
