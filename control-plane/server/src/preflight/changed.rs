//! The resources that differ between two snapshots, and that only Envoy can judge.

use std::sync::Arc;

use envoy_types::pb::envoy::config::core::v3::TypedExtensionConfig;
use envoy_types::pb::envoy::extensions::filters::http::wasm::v3::Wasm;
use envoy_types::pb::envoy::extensions::wasm::v3::plugin_config::Vm;
use prost::Message as _;
use xds::{Resource, ResourceType, Snapshot};

/// A resource that is new or another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedResource {
    /// The type of the resource.
    pub resource_type: ResourceType,
    /// The name of the resource.
    pub name: Arc<str>,
}

impl ChangedResource {
    /// Whether it names a module that Envoy has to compile.
    #[must_use]
    pub fn is_module(&self) -> bool {
        self.resource_type == ResourceType::ExtensionConfig
    }
}

/// The listeners, routes, clusters and filters that are new in `after`, or others than in `before`;
/// of filters with a module, those that run another one.
#[must_use]
pub fn changed(before: &Snapshot, after: &Snapshot) -> Vec<ChangedResource> {
    let types = [
        ResourceType::Cluster,
        ResourceType::Listener,
        ResourceType::Route,
        ResourceType::ExtensionConfig,
    ];
    let all = types.into_iter().flat_map(|resource_type| {
        let resources = after.of_type(resource_type);
        resources.map(move |resource| (resource_type, resource))
    });
    let changed =
        all.filter(
            |(resource_type, resource)| match before.get(*resource_type, resource.name()) {
                None => true,
                Some(known) if known.version() == resource.version() => false,
                Some(known) if *resource_type == ResourceType::ExtensionConfig => {
                    let module = module_of(resource);
                    module.is_none() || module != module_of(known)
                }
                Some(_) => true,
            },
        );
    changed
        .map(|(resource_type, resource)| ChangedResource {
            resource_type,
            name: Arc::clone(resource.name()),
        })
        .collect()
}

/// The code that a filter with a module runs, as its resource says it.
fn module_of(resource: &Resource) -> Option<Vec<u8>> {
    let extension = TypedExtensionConfig::decode(resource.content()).ok()?;
    let wasm = Wasm::decode(extension.typed_config?.value.as_slice()).ok()?;
    let Vm::VmConfig(machine) = wasm.config?.vm?;
    Some(machine.code?.encode_to_vec())
}
