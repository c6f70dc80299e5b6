//! One cluster per server and per entry of `clusters`.

use std::sync::Arc;

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
use gateway_document::{Endpoint as DocumentEndpoint, EndpointHealth, GatewayDocument, Rule};
use gateway_document::{SecretCredentials, Server, Upstream, UpstreamAuthority, UpstreamTls};
use prost::Name;
use xds::{EarlierResources, InvalidResource, Resource};

use super::upstream::{health_check, lb_policy, outlier_detection, thresholds};
use super::{BUILT_IN_SERVER, ads, milliseconds, number, secret, socket_address, span, tls};

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
    tls: Option<UpstreamTls>,
    credentials: Option<&'a SecretCredentials>,
}

pub(super) fn resources(
    document: &GatewayDocument,
    earlier: EarlierResources<'_>,
) -> Result<Vec<Arc<Resource>>, InvalidResource> {
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
            tls: server.tls(),
            credentials: server.own_credentials(),
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
        tls: cluster.upstream.tls.clone(),
        credentials: None,
    });
    let all: Vec<Behind<'_>> = servers.chain(clusters).collect();
    let mut resources = Vec::new();
    for behind in &all {
        resources.push(earlier.encode(behind.name, &whole(document, behind))?);
        if behind.are_discovered() {
            let assignment = load_assignment(behind.name, &behind.endpoints);
            resources.push(earlier.encode(behind.name, &assignment)?);
        }
    }
    for rule in &document.tools {
        if let Some(cluster) = stand_in(document, rule, &all) {
            resources.push(earlier.encode(&cluster.name, &cluster)?);
        }
    }
    Ok(resources)
}

impl Behind<'_> {
    /// Whether its endpoints reach Envoys by themselves. Endpoint discovery takes addresses only;
    /// names are resolved by the cluster itself.
    fn are_discovered(&self) -> bool {
        let mut endpoints = self.endpoints.iter();
        endpoints.all(|endpoint| endpoint.place.ip().is_some())
    }
}

/// A cluster, with its endpoints where these are not discovered.
fn whole(document: &GatewayDocument, behind: &Behind<'_>) -> Cluster {
    if behind.are_discovered() {
        return cluster(document, behind, DiscoveryType::Eds);
    }
    Cluster {
        load_assignment: Some(load_assignment(behind.name, &behind.endpoints)),
        ..cluster(document, behind, DiscoveryType::StrictDns)
    }
}

/// A cluster by the name under which a rule spreads its calls, where it does: the one of the most
/// weight once more. Routes change before the filter does and clusters go last, so while such a
/// rule goes, the filter names the spread for a moment when its route is gone.
fn stand_in(document: &GatewayDocument, rule: &Rule, all: &[Behind<'_>]) -> Option<Cluster> {
    let target = rule.route.as_ref()?;
    let (heaviest, _) = target.weights.iter().max_by_key(|(_, weight)| **weight)?;
    let behind = all.iter().find(|one| one.name == heaviest.as_str())?;
    let mut cluster = whole(document, behind);
    cluster.name = rule.split();
    if let Some(discovery) = &mut cluster.eds_cluster_config {
        behind.name.clone_into(&mut discovery.service_name);
    }
    // Its endpoints are asked already.
    cluster.health_checks.clear();
    Some(cluster)
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

fn cluster(document: &GatewayDocument, behind: &Behind<'_>, discovery: DiscoveryType) -> Cluster {
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
        transport_socket: behind
            .tls
            .as_ref()
            .map(|tls| tls::for_endpoints(document, tls, first)),
        typed_extension_protocol_options: [(
            UpstreamHttpOptions::full_name(),
            pack_any(UpstreamHttpOptions {
                http_filters: behind
                    .credentials
                    .map(|credentials| secret::injecting(document, credentials))
                    .unwrap_or_default(),
                ..http1(upstream)
            }),
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
