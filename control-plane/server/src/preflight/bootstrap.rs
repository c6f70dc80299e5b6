//! A configuration file for Envoy with the resources of a snapshot, each at the place where it is
//! used, since nobody is there to discover them from.

use std::path::Path;

use envoy_types::pb::envoy::config::bootstrap::v3::{Bootstrap, bootstrap::StaticResources};
use envoy_types::pb::envoy::config::cluster::v3::Cluster;
use envoy_types::pb::envoy::config::cluster::v3::cluster::{ClusterDiscoveryType, DiscoveryType};
use envoy_types::pb::envoy::config::core::v3::async_data_source::Specifier as CodeSpecifier;
use envoy_types::pb::envoy::config::core::v3::data_source::Specifier;
use envoy_types::pb::envoy::config::core::v3::{DataSource, Node, TypedExtensionConfig};
use envoy_types::pb::envoy::config::endpoint::v3::ClusterLoadAssignment;
use envoy_types::pb::envoy::config::listener::v3::{Listener, filter::ConfigType};
use envoy_types::pb::envoy::config::route::v3::RouteConfiguration;
use envoy_types::pb::envoy::extensions::filters::http::wasm::v3::Wasm;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::{
    HttpConnectionManager, HttpFilter, http_connection_manager::RouteSpecifier, http_filter,
};
use envoy_types::pb::envoy::extensions::wasm::v3::plugin_config::Vm;
use envoy_types::util::pack_any;
use prost::{DecodeError, Message, Name};
use xds::{Resource, ResourceType, Snapshot};

use super::undiscovered;

/// Whether Envoy is to compile and start the modules, too.
#[derive(Debug, Clone, Copy)]
pub(super) enum Depth<'a> {
    /// It is, from the files in this folder: nothing is fetched.
    WithModulesIn(&'a Path),
    WithoutModules,
}

/// Writes the configuration, as Envoy reads it from a file `*.pb`.
pub(super) fn of(snapshot: &Snapshot, depth: &Depth<'_>) -> Result<Vec<u8>, DecodeError> {
    let clusters = snapshot.of_type(ResourceType::Cluster);
    let clusters = clusters.map(|resource| cluster(read(resource)?, snapshot));
    let listeners = snapshot.of_type(ResourceType::Listener);
    let listeners = listeners.map(|resource| listener(read(resource)?, snapshot, depth));
    let bootstrap = Bootstrap {
        node: Some(Node {
            id: "preflight".to_owned(),
            cluster: "preflight".to_owned(),
            ..Default::default()
        }),
        static_resources: Some(StaticResources {
            clusters: clusters.collect::<Result<_, _>>()?,
            listeners: listeners.collect::<Result<_, _>>()?,
            ..Default::default()
        }),
        ..Default::default()
    };
    Ok(bootstrap.encode_to_vec())
}

fn read<M: Message + Default>(resource: &Resource) -> Result<M, DecodeError> {
    M::decode(resource.content())
}

/// A cluster with its endpoints in it.
fn cluster(mut cluster: Cluster, snapshot: &Snapshot) -> Result<Cluster, DecodeError> {
    undiscovered::in_socket(cluster.transport_socket.as_mut())?;
    for options in cluster.typed_extension_protocol_options.values_mut() {
        undiscovered::in_options(options)?;
    }
    if cluster.eds_cluster_config.take().is_some() {
        let kind = DiscoveryType::Static.into();
        cluster.cluster_discovery_type = Some(ClusterDiscoveryType::Type(kind));
        let assigned = snapshot.get(ResourceType::Endpoints, &cluster.name);
        cluster.load_assignment = Some(match assigned {
            Some(resource) => read(resource)?,
            None => ClusterLoadAssignment {
                cluster_name: cluster.name.clone(),
                ..Default::default()
            },
        });
    }
    Ok(cluster)
}

/// A listener with its routes and filters in it.
fn listener(
    mut listener: Listener,
    snapshot: &Snapshot,
    depth: &Depth<'_>,
) -> Result<Listener, DecodeError> {
    for chain in &mut listener.filter_chains {
        undiscovered::in_socket(chain.transport_socket.as_mut())?;
    }
    let chains = listener.filter_chains.iter_mut();
    for filter in chains.flat_map(|chain| &mut chain.filters) {
        let Some(ConfigType::TypedConfig(config)) = &mut filter.config_type else {
            continue;
        };
        if config.type_url != HttpConnectionManager::type_url() {
            continue;
        }
        let mut manager = HttpConnectionManager::decode(config.value.as_slice())?;
        if let Some(RouteSpecifier::Rds(discovered)) = &manager.route_specifier
            && let Some(routes) = snapshot.get(ResourceType::Route, &discovered.route_config_name)
        {
            let routes: RouteConfiguration = read(routes)?;
            manager.route_specifier = Some(RouteSpecifier::RouteConfig(routes));
        }
        let mut filters = Vec::new();
        for mut filter in manager.http_filters {
            undiscovered::in_filter(&mut filter)?;
            filters.extend(inlined(filter, snapshot, depth)?);
        }
        manager.http_filters = filters;
        *config = pack_any(manager);
    }
    Ok(listener)
}

/// A filter with its configuration in it; none where it is left out.
fn inlined(
    mut filter: HttpFilter,
    snapshot: &Snapshot,
    depth: &Depth<'_>,
) -> Result<Option<HttpFilter>, DecodeError> {
    let Some(http_filter::ConfigType::ConfigDiscovery(_)) = &filter.config_type else {
        return Ok(Some(filter));
    };
    let Some(resource) = snapshot.get(ResourceType::ExtensionConfig, &filter.name) else {
        return Ok(None);
    };
    let extension: TypedExtensionConfig = read(resource)?;
    let Some(config) = extension.typed_config else {
        return Ok(None);
    };
    let config = match depth {
        _ if config.type_url != Wasm::type_url() => config,
        Depth::WithModulesIn(folder) => {
            pack_any(with_file(Wasm::decode(config.value.as_slice())?, folder))
        }
        Depth::WithoutModules => return Ok(None),
    };
    filter.config_type = Some(http_filter::ConfigType::TypedConfig(config));
    Ok(Some(filter))
}

/// A module that is read from its file, where Envoys are told to fetch it.
fn with_file(mut wasm: Wasm, folder: &Path) -> Wasm {
    let config = wasm.config.as_mut();
    if let Some(Vm::VmConfig(machine)) = config.and_then(|config| config.vm.as_mut())
        && let Some(code) = &mut machine.code
        && let Some(CodeSpecifier::Remote(remote)) = &code.specifier
    {
        let file = folder.join(format!("{}.wasm", remote.sha256));
        code.specifier = Some(CodeSpecifier::Local(DataSource {
            specifier: Some(Specifier::Filename(file.to_string_lossy().into_owned())),
            ..Default::default()
        }));
        machine.nack_on_code_cache_miss = false;
    }
    wasm
}
