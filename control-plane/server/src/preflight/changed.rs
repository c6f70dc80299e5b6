//! The resources that differ between two snapshots, and that only Envoy can judge.

use std::collections::BTreeSet;
use std::sync::Arc;

use envoy_types::pb::envoy::config::core::v3::TypedExtensionConfig;
use envoy_types::pb::envoy::extensions::filters::http::wasm::v3::Wasm;
use envoy_types::pb::envoy::extensions::wasm::v3::plugin_config::Vm;
use prost::{Message as _, Name as _};
use xds::{Resource, ResourceType, Snapshot};

use crate::envoy::OWN_PLUGIN;

/// A resource that is new or another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedResource {
    /// The type of the resource.
    pub resource_type: ResourceType,
    /// The name of the resource.
    pub name: Arc<str>,
    /// Whether it has Envoy start a module, or start it otherwise than before.
    pub is_module: bool,
}

/// Whether one of these has Envoy start a module.
#[must_use]
pub fn starts_a_module(changed: &[ChangedResource]) -> bool {
    changed.iter().any(|resource| resource.is_module)
}

/// The listeners, routes, clusters and filters that are new in `after`, or others than in `before`;
/// of the gateway's own filter those that run another module, since the engine that compiled its
/// configuration is the one that Envoy runs.
#[must_use]
pub fn changed(before: &Snapshot, after: &Snapshot) -> Vec<ChangedResource> {
    let types = [
        ResourceType::Cluster,
        ResourceType::Listener,
        ResourceType::Route,
        ResourceType::ExtensionConfig,
    ];
    let is_changed = |resource_type, resource: &Resource| {
        let known = before.get(resource_type, resource.name());
        known.is_none_or(|known| known.version() != resource.version())
    };
    let all = types.into_iter().flat_map(|resource_type| {
        let resources = after.of_type(resource_type);
        resources.map(move |resource| (resource_type, resource))
    });
    let changed = all.filter(|(resource_type, resource)| is_changed(*resource_type, resource));
    let mut known_modules = None;
    let judged = changed.filter_map(|(resource_type, resource)| {
        let mut is_module = false;
        if resource_type == ResourceType::ExtensionConfig {
            match Filter::of(resource) {
                Filter::Own(module) => {
                    let known = known_modules.get_or_insert_with(|| own_modules(before));
                    if known.contains(&module) {
                        return None;
                    }
                    is_module = true;
                }
                Filter::Module => is_module = true,
                Filter::Envoys => {}
            }
        }
        Some(ChangedResource {
            resource_type,
            name: Arc::clone(resource.name()),
            is_module,
        })
    });
    judged.collect()
}

/// The code of the gateway's own filters in a snapshot; of several listeners it is commonly one.
fn own_modules(snapshot: &Snapshot) -> BTreeSet<Vec<u8>> {
    let filters = snapshot.of_type(ResourceType::ExtensionConfig);
    let own = filters.filter_map(|resource| match Filter::of(resource) {
        Filter::Own(module) => Some(module),
        Filter::Module | Filter::Envoys => None,
    });
    own.collect()
}

/// The program that a filter runs.
enum Filter {
    /// The gateway's own, with this code.
    Own(Vec<u8>),
    /// A module of somebody else's.
    Module,
    /// One of Envoy's own.
    Envoys,
}

impl Filter {
    fn of(resource: &Resource) -> Self {
        Self::read(resource).unwrap_or(Self::Envoys)
    }

    fn read(resource: &Resource) -> Option<Self> {
        let extension = TypedExtensionConfig::decode(resource.content()).ok()?;
        let config = extension.typed_config?;
        if config.type_url != Wasm::type_url() {
            return None;
        }
        let plugin = Wasm::decode(config.value.as_slice()).ok()?.config?;
        let Some(Vm::VmConfig(machine)) = plugin.vm.filter(|_| plugin.name == OWN_PLUGIN) else {
            return Some(Self::Module);
        };
        Some(Self::Own(machine.code?.encode_to_vec()))
    }
}
