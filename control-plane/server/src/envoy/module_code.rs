//! The code of a module, as Envoys find it: a file that they read, or an address that they fetch
//! it from.

use envoy_types::pb::envoy::config::cluster::v3::Cluster;
use envoy_types::pb::envoy::config::cluster::v3::cluster::{ClusterDiscoveryType, DiscoveryType};
use envoy_types::pb::envoy::config::core::v3::async_data_source::Specifier as CodeSpecifier;
use envoy_types::pb::envoy::config::core::v3::data_source::Specifier;
use envoy_types::pb::envoy::config::core::v3::http_uri::HttpUpstreamType;
use envoy_types::pb::envoy::config::core::v3::{
    AsyncDataSource, DataSource, HttpUri, RemoteDataSource,
};
use envoy_types::pb::envoy::config::endpoint::v3::lb_endpoint::HostIdentifier;
use envoy_types::pb::envoy::config::endpoint::v3::{
    ClusterLoadAssignment, Endpoint, LbEndpoint, LocalityLbEndpoints,
};
use url::Host;

use super::{RenderError, milliseconds, socket_address};
use crate::module::{ModuleFile, ModuleOrigin};

/// The name of the cluster that leads to the control plane's modules; those of documents have no
/// dot.
pub(super) const CLUSTER: &str = "portcullis.modules";
/// A megabyte takes 2 s over a line of 4 Mbit/s.
const FETCH_MS: u32 = 10_000;
/// A control plane on the same network answers at once.
const CONNECT_MS: u32 = 1_000;

pub(super) fn code(module: &ModuleFile) -> Result<AsyncDataSource, RenderError> {
    let specifier = match module.shelf.origin() {
        Some(origin) => CodeSpecifier::Remote(RemoteDataSource {
            http_uri: Some(HttpUri {
                uri: format!("{origin}/modules/{}.wasm", module.sha256),
                timeout: milliseconds(FETCH_MS),
                http_upstream_type: Some(HttpUpstreamType::Cluster(CLUSTER.to_owned())),
            }),
            sha256: module.sha256.clone(),
            retry_policy: None,
        }),
        None => {
            let Some(path) = module.path.to_str() else {
                return Err(RenderError::ModulePath(module.path.clone()));
            };
            CodeSpecifier::Local(DataSource {
                specifier: Some(Specifier::Filename(path.to_owned())),
                ..Default::default()
            })
        }
    };
    Ok(AsyncDataSource {
        specifier: Some(specifier),
    })
}

/// The cluster that Envoys fetch modules through.
pub(super) fn cluster(origin: &ModuleOrigin) -> Cluster {
    let (host, kind) = match origin.host() {
        Host::Domain(name) => (name.clone(), DiscoveryType::StrictDns),
        Host::Ipv4(address) => (address.to_string(), DiscoveryType::Static),
        Host::Ipv6(address) => (address.to_string(), DiscoveryType::Static),
    };
    let endpoint = LbEndpoint {
        host_identifier: Some(HostIdentifier::Endpoint(Endpoint {
            address: Some(socket_address(&host, origin.port())),
            ..Default::default()
        })),
        ..Default::default()
    };
    Cluster {
        name: CLUSTER.to_owned(),
        connect_timeout: milliseconds(CONNECT_MS),
        cluster_discovery_type: Some(ClusterDiscoveryType::Type(kind.into())),
        load_assignment: Some(ClusterLoadAssignment {
            cluster_name: CLUSTER.to_owned(),
            endpoints: vec![LocalityLbEndpoints {
                lb_endpoints: vec![endpoint],
                ..Default::default()
            }],
            ..Default::default()
        }),
        ..Default::default()
    }
}
