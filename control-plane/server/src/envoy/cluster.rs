//! One cluster per server and per entry of `clusters`.

use envoy_types::pb::envoy::config::cluster::v3::circuit_breakers::Thresholds;
use envoy_types::pb::envoy::config::cluster::v3::cluster::{
    ClusterDiscoveryType, DiscoveryType, DnsLookupFamily, EdsClusterConfig, LbPolicy,
};
use envoy_types::pb::envoy::config::cluster::v3::{CircuitBreakers, Cluster};
use envoy_types::pb::envoy::config::core::v3::{Http1ProtocolOptions, HttpProtocolOptions};
use envoy_types::pb::envoy::config::endpoint::v3::lb_endpoint::HostIdentifier;
use envoy_types::pb::envoy::config::endpoint::v3::{
    ClusterLoadAssignment, Endpoint, LbEndpoint, LocalityLbEndpoints,
};
use envoy_types::pb::envoy::extensions::upstreams::http::v3::{
    HttpProtocolOptions as UpstreamHttpOptions,
    http_protocol_options::{
        ExplicitHttpConfig, UpstreamProtocolOptions, explicit_http_config::ProtocolConfig,
    },
};
use envoy_types::util::pack_any;
use gateway_document::{EndpointUrl, GatewayDocument, UpstreamAuthority};
use prost::Name;
use xds::{InvalidResource, Resource};

use super::{BUILT_IN_SERVER, ads, milliseconds, number, socket_address};

const CONNECT_MS: u32 = 2_000;
/// Shorter than the hour that Envoy allows: servers and what lies between close idle connections
/// earlier.
const UPSTREAM_IDLE_MS: u32 = 60_000;
/// Each stream of server events holds a connection of its own; Envoy's default of 1024 would be the
/// gateway's limit.
const MOST_CONNECTIONS: u32 = 16_384;
/// The built-in server serves 512 connections, and some of them are the control plane's and those
/// of whoever asks for its health. What is beyond waits here, where it costs the server nothing.
const MOST_CONNECTIONS_TO_BUILT_IN: u32 = 500;

pub(super) fn resources(document: &GatewayDocument) -> Result<Vec<Resource>, InvalidResource> {
    let servers = document.servers.iter().map(|(name, server)| {
        let endpoints = server.all_endpoints().map(EndpointUrl::authority).collect();
        let name = name.as_str();
        let usual = match name {
            BUILT_IN_SERVER => MOST_CONNECTIONS_TO_BUILT_IN,
            _ => MOST_CONNECTIONS,
        };
        (name, endpoints, server.max_connections.unwrap_or(usual))
    });
    let clusters = document.clusters.iter().map(|cluster| {
        let endpoints = cluster.endpoints.iter().collect();
        let connections = cluster.max_connections.unwrap_or(MOST_CONNECTIONS);
        (cluster.name.as_str(), endpoints, connections)
    });
    let mut resources = Vec::new();
    for (name, endpoints, connections) in servers.chain(clusters) {
        let endpoints: Vec<&UpstreamAuthority> = endpoints;
        let cluster = |discovery| cluster(name, connections, discovery);
        let assignment = load_assignment(name, &endpoints);
        if endpoints.iter().all(|endpoint| endpoint.ip().is_some()) {
            resources.push(Resource::encode(&cluster(DiscoveryType::Eds))?);
            resources.push(Resource::encode(&assignment)?);
        } else {
            // Endpoint discovery takes addresses only; names are resolved by the cluster itself.
            resources.push(Resource::encode(&Cluster {
                load_assignment: Some(assignment),
                ..cluster(DiscoveryType::StrictDns)
            })?);
        }
    }
    Ok(resources)
}

fn cluster(name: &str, connections: u32, discovery: DiscoveryType) -> Cluster {
    Cluster {
        name: name.to_owned(),
        cluster_discovery_type: Some(ClusterDiscoveryType::Type(discovery.into())),
        eds_cluster_config: (discovery == DiscoveryType::Eds).then(|| EdsClusterConfig {
            eds_config: Some(ads()),
            ..Default::default()
        }),
        // A server seldom listens on every address that its name has, `localhost` least of all.
        dns_lookup_family: DnsLookupFamily::V4Preferred.into(),
        connect_timeout: milliseconds(CONNECT_MS),
        lb_policy: LbPolicy::LeastRequest.into(),
        circuit_breakers: Some(CircuitBreakers {
            thresholds: vec![Thresholds {
                max_connections: number(connections),
                // Those that wait for a connection: with none, a short peak would be refused.
                max_pending_requests: number(connections),
                max_requests: number(connections),
                ..Default::default()
            }],
            ..Default::default()
        }),
        typed_extension_protocol_options: [(UpstreamHttpOptions::full_name(), pack_any(http1()))]
            .into(),
        ..Default::default()
    }
}

fn http1() -> UpstreamHttpOptions {
    UpstreamHttpOptions {
        common_http_protocol_options: Some(HttpProtocolOptions {
            idle_timeout: milliseconds(UPSTREAM_IDLE_MS),
            ..Default::default()
        }),
        upstream_protocol_options: Some(UpstreamProtocolOptions::ExplicitHttpConfig(
            ExplicitHttpConfig {
                protocol_config: Some(ProtocolConfig::HttpProtocolOptions(
                    Http1ProtocolOptions::default(),
                )),
            },
        )),
        ..Default::default()
    }
}

fn load_assignment(name: &str, endpoints: &[&UpstreamAuthority]) -> ClusterLoadAssignment {
    let lb_endpoints = endpoints.iter().map(|endpoint| LbEndpoint {
        host_identifier: Some(HostIdentifier::Endpoint(Endpoint {
            address: Some(socket_address(&endpoint.host(), endpoint.port())),
            // What the route rewrites `Host` to.
            hostname: endpoint.to_string(),
            ..Default::default()
        })),
        ..Default::default()
    });
    ClusterLoadAssignment {
        cluster_name: name.to_owned(),
        endpoints: vec![LocalityLbEndpoints {
            lb_endpoints: lb_endpoints.collect(),
            ..Default::default()
        }],
        ..Default::default()
    }
}
