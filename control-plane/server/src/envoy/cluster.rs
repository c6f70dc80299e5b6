//! One cluster per server and per entry of `clusters`.

use envoy_types::pb::envoy::config::cluster::v3::cluster::{
    ClusterDiscoveryType, DiscoveryType, DnsLookupFamily, EdsClusterConfig,
};
use envoy_types::pb::envoy::config::cluster::v3::{CircuitBreakers, Cluster};
use envoy_types::pb::envoy::config::core::v3::{
    HealthStatus, Http1ProtocolOptions, HttpProtocolOptions,
};
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
use gateway_document::{Endpoint as DocumentEndpoint, EndpointHealth, GatewayDocument, Upstream};
use gateway_document::{Server, UpstreamAuthority};
use prost::Name;
use xds::{InvalidResource, Resource};

use super::upstream::{health_check, lb_policy, outlier_detection, thresholds};
use super::{BUILT_IN_SERVER, ads, milliseconds, number, socket_address, span, tls};

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

/// Endpoints as one cluster, whatever implied it.
struct Behind<'a> {
    name: &'a str,
    endpoints: Vec<DocumentEndpoint<&'a UpstreamAuthority>>,
    connections: u32,
    upstream: &'a Upstream,
}

pub(super) fn resources(document: &GatewayDocument) -> Result<Vec<Resource>, InvalidResource> {
    let servers = document.servers.iter().map(|(name, server)| {
        let name = name.as_str();
        let usual = match name {
            BUILT_IN_SERVER => MOST_CONNECTIONS_TO_BUILT_IN,
            _ => MOST_CONNECTIONS,
        };
        Behind {
            name,
            endpoints: endpoints_of(server),
            connections: server.max_connections.unwrap_or(usual),
            upstream: &server.upstream,
        }
    });
    let clusters = document.clusters.iter().map(|cluster| Behind {
        name: cluster.name.as_str(),
        endpoints: cluster
            .endpoints
            .iter()
            .map(|endpoint| at(endpoint, &endpoint.place))
            .collect(),
        connections: cluster.max_connections.unwrap_or(MOST_CONNECTIONS),
        upstream: &cluster.upstream,
    });
    let mut resources = Vec::new();
    for behind in servers.chain(clusters) {
        let assignment = load_assignment(behind.name, &behind.endpoints);
        let has_addresses =
            |endpoint: &DocumentEndpoint<&UpstreamAuthority>| endpoint.place.ip().is_some();
        if behind.endpoints.iter().all(has_addresses) {
            resources.push(Resource::encode(&cluster(&behind, DiscoveryType::Eds))?);
            resources.push(Resource::encode(&assignment)?);
        } else {
            // Endpoint discovery takes addresses only; names are resolved by the cluster itself.
            resources.push(Resource::encode(&Cluster {
                load_assignment: Some(assignment),
                ..cluster(&behind, DiscoveryType::StrictDns)
            })?);
        }
    }
    Ok(resources)
}

fn endpoints_of(server: &Server) -> Vec<DocumentEndpoint<&UpstreamAuthority>> {
    let one = server.url.iter().map(|url| url.authority().into());
    let several = server.endpoints.iter();
    one.chain(several.map(|endpoint| at(endpoint, endpoint.place.authority())))
        .collect()
}

/// Names the place to connect to in the stead of the endpoint's own form of it.
fn at<'a, P>(
    endpoint: &DocumentEndpoint<P>,
    place: &'a UpstreamAuthority,
) -> DocumentEndpoint<&'a UpstreamAuthority> {
    DocumentEndpoint {
        place,
        weight: endpoint.weight,
        health: endpoint.health,
    }
}

fn cluster(behind: &Behind<'_>, discovery: DiscoveryType) -> Cluster {
    let upstream = behind.upstream;
    let first = behind.endpoints.first().map(|endpoint| endpoint.place);
    Cluster {
        name: behind.name.to_owned(),
        cluster_discovery_type: Some(ClusterDiscoveryType::Type(discovery.into())),
        eds_cluster_config: (discovery == DiscoveryType::Eds).then(|| EdsClusterConfig {
            eds_config: Some(ads()),
            ..Default::default()
        }),
        // A server seldom listens on every address that its name has, `localhost` least of all.
        dns_lookup_family: DnsLookupFamily::V4Preferred.into(),
        connect_timeout: match upstream.connect_timeout {
            Some(time) => span(time),
            None => milliseconds(CONNECT_MS),
        },
        lb_policy: lb_policy(upstream.balancing).into(),
        circuit_breakers: Some(CircuitBreakers {
            thresholds: vec![thresholds(behind.connections, upstream)],
            ..Default::default()
        }),
        health_checks: upstream.health_check.iter().map(health_check).collect(),
        outlier_detection: upstream.outliers.as_ref().map(outlier_detection),
        transport_socket: upstream
            .tls
            .as_ref()
            .map(|tls| tls::for_endpoints(tls, first)),
        typed_extension_protocol_options: [(
            UpstreamHttpOptions::full_name(),
            pack_any(http1(upstream)),
        )]
        .into(),
        ..Default::default()
    }
}

fn http1(upstream: &Upstream) -> UpstreamHttpOptions {
    UpstreamHttpOptions {
        common_http_protocol_options: Some(HttpProtocolOptions {
            idle_timeout: match upstream.idle_timeout {
                Some(time) => span(time),
                None => milliseconds(UPSTREAM_IDLE_MS),
            },
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

fn load_assignment(
    name: &str,
    endpoints: &[DocumentEndpoint<&UpstreamAuthority>],
) -> ClusterLoadAssignment {
    let lb_endpoints = endpoints.iter().map(|endpoint| LbEndpoint {
        host_identifier: Some(HostIdentifier::Endpoint(Endpoint {
            address: Some(socket_address(
                &endpoint.place.host(),
                endpoint.place.port(),
            )),
            // What the route rewrites `Host` to.
            hostname: endpoint.place.to_string(),
            ..Default::default()
        })),
        health_status: health_status(endpoint.health).into(),
        // Without one it is 1.
        load_balancing_weight: match endpoint.weight {
            1 => None,
            weight => number(weight),
        },
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

/// Nothing is said of one that is healthy, which Envoy takes it for then.
fn health_status(health: EndpointHealth) -> HealthStatus {
    match health {
        EndpointHealth::Healthy => HealthStatus::Unknown,
        EndpointHealth::Degraded => HealthStatus::Degraded,
        EndpointHealth::Draining => HealthStatus::Draining,
        EndpointHealth::Unhealthy => HealthStatus::Unhealthy,
    }
}
