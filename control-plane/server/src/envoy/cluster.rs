//! One cluster per server and per entry of `clusters`.

use std::collections::BTreeMap;

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
use gateway_document::{Endpoint as DocumentEndpoint, EndpointHealth, GatewayDocument};
use gateway_document::{SecretCredentials, Server, Upstream, UpstreamAuthority, UpstreamTls};
use prost::Name;

use super::secret::NamedSecrets;
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

/// Endpoints as one cluster, whatever implied it: the parts of the document that a cluster is made
/// of.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Behind<'a> {
    name: &'a str,
    endpoints: Vec<DocumentEndpoint<&'a UpstreamAuthority>>,
    connections: u32,
    upstream: &'a Upstream,
    tls: Option<UpstreamTls>,
    credentials: Option<&'a SecretCredentials>,
    secrets: NamedSecrets<'a>,
}

/// The endpoints of a cluster that reach Envoys by themselves.
#[derive(Debug, PartialEq)]
pub(super) struct DiscoveredEndpoints<'a> {
    name: &'a str,
    endpoints: Vec<DocumentEndpoint<&'a UpstreamAuthority>>,
}

/// A cluster by another name than its own.
#[derive(Debug, PartialEq)]
pub(super) struct StandIn<'a> {
    name: String,
    behind: Behind<'a>,
}

/// Every cluster of a document.
pub(super) fn all(document: &GatewayDocument) -> Vec<Behind<'_>> {
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
            secrets: NamedSecrets::default(),
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
        secrets: NamedSecrets::default(),
    });
    let all = servers.chain(clusters);
    all.map(|behind| behind.with_secrets(document)).collect()
}

/// The clusters by the names under which rules spread their calls: for each such rule the one of
/// the most weight once more. Routes change before the filter does and clusters go last, so while
/// such a rule goes, the filter names the spread for a moment when its route is gone.
pub(super) fn stand_ins<'a>(document: &GatewayDocument, all: &[Behind<'a>]) -> Vec<StandIn<'a>> {
    let by_name = all.iter().inspect(|_| step_count::count(1));
    let by_name: BTreeMap<&str, &Behind<'_>> = by_name.map(|one| (one.name, one)).collect();
    let spread = document.tools.iter().filter_map(|rule| {
        let target = rule.route.as_ref()?;
        let (heaviest, _) = target.weights.iter().max_by_key(|(_, weight)| **weight)?;
        Some(StandIn {
            name: rule.split(),
            behind: (*by_name.get(heaviest.as_str())?).clone(),
        })
    });
    spread.collect()
}

impl<'a> Behind<'a> {
    fn with_secrets(mut self, document: &'a GatewayDocument) -> Self {
        let of_tls = self.tls.iter();
        let of_tls = of_tls.flat_map(|tls| [tls.ca_secret.as_ref(), tls.secret.as_ref()]);
        let of_credentials = self.credentials.map(|credentials| &credentials.secret);
        self.secrets = NamedSecrets::of(document, of_tls.chain([of_credentials]));
        self
    }

    pub(super) fn name(&self) -> &'a str {
        self.name
    }

    /// Whether its endpoints reach Envoys by themselves. Endpoint discovery takes addresses only;
    /// names are resolved by the cluster itself.
    fn are_discovered(&self) -> bool {
        let mut endpoints = self.endpoints.iter();
        endpoints.all(|endpoint| endpoint.place.ip().is_some())
    }

    /// The cluster, with its endpoints where these are not discovered.
    pub(super) fn cluster(&self) -> Cluster {
        if self.are_discovered() {
            return cluster(self, DiscoveryType::Eds);
        }
        Cluster {
            load_assignment: Some(load_assignment(self.name, &self.endpoints)),
            ..cluster(self, DiscoveryType::StrictDns)
        }
    }

    /// Its endpoints, to be discovered.
    pub(super) fn discovered(&self) -> Option<DiscoveredEndpoints<'a>> {
        self.are_discovered().then(|| DiscoveredEndpoints {
            name: self.name,
            endpoints: self.endpoints.clone(),
        })
    }
}

impl<'a> DiscoveredEndpoints<'a> {
    pub(super) fn name(&self) -> &'a str {
        self.name
    }

    pub(super) fn load_assignment(&self) -> ClusterLoadAssignment {
        load_assignment(self.name, &self.endpoints)
    }
}

impl StandIn<'_> {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn cluster(&self) -> Cluster {
        let mut cluster = self.behind.cluster();
        cluster.name.clone_from(&self.name);
        if let Some(discovery) = &mut cluster.eds_cluster_config {
            self.behind.name.clone_into(&mut discovery.service_name);
        }
        // Its endpoints are asked already.
        cluster.health_checks.clear();
        cluster
    }
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
        transport_socket: behind
            .tls
            .as_ref()
            .map(|tls| tls::for_endpoints(&behind.secrets, tls, first)),
        typed_extension_protocol_options: [(
            UpstreamHttpOptions::full_name(),
            pack_any(UpstreamHttpOptions {
                http_filters: behind
                    .credentials
                    .map(|credentials| secret::injecting(&behind.secrets, credentials))
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
