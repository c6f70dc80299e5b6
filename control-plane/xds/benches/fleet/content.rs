//! The resources that the fleet is given, in any number and revision.

use std::sync::Arc;

use envoy_types::pb::envoy::config::{
    cluster::v3::{Cluster, cluster},
    core::v3::{
        Address, ExtensionConfigSource, SocketAddress, TypedExtensionConfig, address,
        socket_address::PortSpecifier,
    },
    endpoint::v3::{
        ClusterLoadAssignment, Endpoint, LbEndpoint, LocalityLbEndpoints,
        lb_endpoint::HostIdentifier,
    },
    listener::v3::{Filter, FilterChain, Listener, filter},
    route::v3::{
        Route, RouteAction, RouteConfiguration, RouteMatch, VirtualHost, route::Action,
        route_action::ClusterSpecifier, route_match::PathSpecifier,
    },
};
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::{
    HttpConnectionManager, HttpFilter, Rds, http_connection_manager::RouteSpecifier, http_filter,
};
use envoy_types::pb::google::protobuf::{Any, StringValue};
use envoy_types::util::pack_any;
use xds::{Resource, ResourceType};

/// How many routes one table of routes has.
const ROUTES_IN_A_TABLE: usize = 4;

/// How many resources there are of the types that come in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    pub clusters: usize,
    pub routes: usize,
}

impl Size {
    /// A hundred resources: clusters, as many endpoints, tables of routes, a listener and its
    /// filter.
    pub fn usual() -> Self {
        Self::of_routes(38)
    }

    pub fn of_routes(routes: usize) -> Self {
        Self {
            clusters: 30,
            routes,
        }
    }

    pub fn names(self, resource_type: ResourceType) -> Vec<String> {
        let (letter, count) = match resource_type {
            ResourceType::Cluster | ResourceType::Endpoints => ("cluster", self.clusters),
            ResourceType::Secret => ("secret", 0),
            ResourceType::Listener => ("listener", 1),
            ResourceType::Route => ("route", self.routes),
            ResourceType::ExtensionConfig => ("filter", 1),
        };
        (0..count)
            .map(|number| format!("{letter}-{number}"))
            .collect()
    }
}

/// How many resources there are, and of how many bytes.
pub fn describe(size: Size) -> String {
    let all = resources(size).unwrap_or_default();
    let bytes: usize = all.iter().map(|one| one.content().len()).sum();
    format!("{} resources of {bytes} bytes", all.len())
}

/// All resources, in the first revision.
pub fn resources(size: Size) -> anyhow::Result<Vec<Arc<Resource>>> {
    let mut all = Vec::new();
    for name in size.names(ResourceType::Cluster) {
        all.push(Arc::new(Resource::encode(&cluster(&name))?));
        all.push(Arc::new(Resource::encode(&endpoints(&name))?));
    }
    for name in size.names(ResourceType::Listener) {
        all.push(Arc::new(Resource::encode(&listener(&name))?));
    }
    for name in size.names(ResourceType::Route) {
        all.push(Arc::new(table_of_routes(&name, 0)?));
    }
    for name in size.names(ResourceType::ExtensionConfig) {
        let filter = TypedExtensionConfig {
            name,
            typed_config: Some(pack_any(StringValue {
                value: "x".repeat(4_000),
            })),
        };
        all.push(Arc::new(Resource::encode(&filter)?));
    }
    Ok(all)
}

/// A table of routes in a revision.
pub fn table_of_routes(name: &str, revision: usize) -> anyhow::Result<Resource> {
    let routes = (0..ROUTES_IN_A_TABLE).map(|number| Route {
        name: format!("{name}-{number}"),
        r#match: Some(RouteMatch {
            path_specifier: Some(PathSpecifier::Prefix(format!("/{revision}/{number}"))),
            ..RouteMatch::default()
        }),
        action: Some(Action::Route(RouteAction {
            cluster_specifier: Some(ClusterSpecifier::Cluster(format!("cluster-{number}"))),
            ..RouteAction::default()
        })),
        ..Route::default()
    });
    Ok(Resource::encode(&RouteConfiguration {
        name: name.to_owned(),
        virtual_hosts: vec![VirtualHost {
            name: name.to_owned(),
            domains: vec!["*".to_owned()],
            routes: routes.collect(),
            ..VirtualHost::default()
        }],
        ..RouteConfiguration::default()
    })?)
}

fn cluster(name: &str) -> Cluster {
    let by_eds = cluster::DiscoveryType::Eds as i32;
    Cluster {
        name: name.to_owned(),
        cluster_discovery_type: Some(cluster::ClusterDiscoveryType::Type(by_eds)),
        ..Cluster::default()
    }
}

fn endpoints(name: &str) -> ClusterLoadAssignment {
    let address = Address {
        address: Some(address::Address::SocketAddress(SocketAddress {
            address: "192.0.2.1".to_owned(),
            port_specifier: Some(PortSpecifier::PortValue(80)),
            ..SocketAddress::default()
        })),
    };
    let endpoint = LbEndpoint {
        host_identifier: Some(HostIdentifier::Endpoint(Endpoint {
            address: Some(address),
            ..Endpoint::default()
        })),
        ..LbEndpoint::default()
    };
    ClusterLoadAssignment {
        cluster_name: name.to_owned(),
        endpoints: vec![LocalityLbEndpoints {
            lb_endpoints: vec![endpoint],
            ..LocalityLbEndpoints::default()
        }],
        ..ClusterLoadAssignment::default()
    }
}

fn listener(name: &str) -> Listener {
    let manager = HttpConnectionManager {
        route_specifier: Some(RouteSpecifier::Rds(Rds {
            route_config_name: "route-0".to_owned(),
            ..Rds::default()
        })),
        http_filters: vec![HttpFilter {
            name: "filter-0".to_owned(),
            config_type: Some(http_filter::ConfigType::ConfigDiscovery(
                ExtensionConfigSource::default(),
            )),
            ..HttpFilter::default()
        }],
        ..HttpConnectionManager::default()
    };
    let manager: Any = pack_any(manager);
    Listener {
        name: name.to_owned(),
        filter_chains: vec![FilterChain {
            filters: vec![Filter {
                name: "http".to_owned(),
                config_type: Some(filter::ConfigType::TypedConfig(manager)),
            }],
            ..FilterChain::default()
        }],
        ..Listener::default()
    }
}
