//! The filter's configuration, as the extension that a listener discovers.

use envoy_types::pb::envoy::config::core::v3::{BackoffStrategy, TypedExtensionConfig};
use envoy_types::pb::envoy::extensions::filters::http::wasm::v3::Wasm;
use envoy_types::pb::envoy::extensions::wasm::v3::plugin_config::Vm;
use envoy_types::pb::envoy::extensions::wasm::v3::{
    FailurePolicy, PluginConfig, ReloadConfig, VmConfig,
};
use envoy_types::pb::google::protobuf::{Any, StringValue};
use envoy_types::util::pack_any;
use gateway_document::Listener;
use policy_engine::wire::{FilterConfig, travel};
use prost::Message as _;
use xds::Resource;

use super::{RenderError, milliseconds, module_code, truth};
use crate::module::ModuleFile;

/// The name of the gateway's own filter among the modules that Envoy runs.
pub(crate) const OWN_PLUGIN: &str = "portcullis";
/// How long a virtual machine that trapped is down on its worker.
const RELOAD_BACKOFF_MS: u32 = 50;

/// The filter's name on a listener, under which its configuration is discovered.
pub(super) fn resource_name(listener: &Listener) -> String {
    format!("portcullis.mcp.{}", listener.name)
}

/// The configuration that the filter of a listener is given by its resource, as JSON: what travels
/// beside that is named there by its hash.
pub(super) fn configuration(resource: &Resource) -> Option<Vec<u8>> {
    let extension = TypedExtensionConfig::decode(resource.content()).ok()?;
    let wasm = Wasm::decode(extension.typed_config?.value.as_slice()).ok()?;
    let configuration = wasm.config?.configuration?;
    if configuration.type_url == travel::TYPE_URL {
        return Some(travel::json_of(&configuration.value).to_vec());
    }
    let text = StringValue::decode(configuration.value.as_slice()).ok()?;
    Some(text.value.into_bytes())
}

/// The filter of a listener: its configuration, and the module that it runs.
#[derive(Debug)]
pub(super) struct FilterParts<'a> {
    listener: &'a Listener,
    config: &'a FilterConfig,
    module: ModuleFile,
}

impl<'a> FilterParts<'a> {
    pub(super) fn of(listener: &'a Listener, config: &'a FilterConfig, module: ModuleFile) -> Self {
        Self {
            listener,
            config,
            module,
        }
    }

    pub(super) fn resource_name(&self) -> String {
        resource_name(self.listener)
    }
}

impl PartialEq for FilterParts<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.listener.name == other.listener.name
            && self.module == other.module
            && is_same(self.config, other.config)
    }
}

/// Whether two configurations say the same, in the same texts.
fn is_same(one: &FilterConfig, other: &FilterConfig) -> bool {
    let FilterConfig {
        version,
        listener,
        allowed_hosts,
        allowed_origins,
        max_body_bytes,
        max_depth,
        endpoints,
        servers,
        defaults,
        roles,
        rules,
        schemas,
        access_log,
    } = one;
    *version == other.version
        && *listener == other.listener
        && *allowed_hosts == other.allowed_hosts
        && *allowed_origins == other.allowed_origins
        && *max_body_bytes == other.max_body_bytes
        && *max_depth == other.max_depth
        && *endpoints == other.endpoints
        && *servers == other.servers
        && *defaults == other.defaults
        && *roles == other.roles
        && *rules == other.rules
        && *access_log == other.access_log
        && schemas
            .iter()
            .map(|(name, text)| (name, text.get()))
            .eq(other.schemas.iter().map(|(name, text)| (name, text.get())))
}

pub(super) fn extension(parts: &FilterParts<'_>) -> Result<TypedExtensionConfig, RenderError> {
    let FilterParts {
        listener,
        config,
        module,
    } = parts;
    let configuration = Any {
        type_url: travel::TYPE_URL.to_owned(),
        value: travel::encode(config)?,
    };
    Ok(TypedExtensionConfig {
        name: resource_name(listener),
        typed_config: Some(pack_any(Wasm {
            // One for all listeners: the same module and id share a virtual machine per worker.
            config: Some(plugin(OWN_PLUGIN, "mcp", Some(configuration), module)?),
        })),
    })
}

/// A module as a filter: `name` tells its virtual machines apart from those of others, and
/// `root_id` the filters in one module.
pub(super) fn plugin(
    name: &str,
    root_id: &str,
    configuration: Option<Any>,
    module: &ModuleFile,
) -> Result<PluginConfig, RenderError> {
    Ok(PluginConfig {
        name: name.to_owned(),
        root_id: root_id.to_owned(),
        failure_policy: FailurePolicy::FailReload.into(),
        reload_config: Some(ReloadConfig {
            backoff: Some(BackoffStrategy {
                base_interval: milliseconds(RELOAD_BACKOFF_MS),
                ..Default::default()
            }),
        }),
        // Without it a paused request would never see its body.
        allow_on_headers_stop_iteration: truth(true),
        configuration,
        vm: Some(Vm::VmConfig(VmConfig {
            vm_id: name.to_owned(),
            runtime: "envoy.wasm.runtime.v8".to_owned(),
            code: Some(module_code::code(module)?),
            // What is not there yet is fetched, and the filter that is there serves on.
            nack_on_code_cache_miss: module.shelf.origin().is_some(),
            ..Default::default()
        })),
        ..Default::default()
    })
}
