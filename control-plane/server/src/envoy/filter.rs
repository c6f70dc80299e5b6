//! The filter's configuration, as the extension that a listener discovers.

use envoy_types::pb::envoy::config::core::v3::async_data_source::Specifier as CodeSpecifier;
use envoy_types::pb::envoy::config::core::v3::data_source::Specifier;
use envoy_types::pb::envoy::config::core::v3::{
    AsyncDataSource, BackoffStrategy, DataSource, TypedExtensionConfig,
};
use envoy_types::pb::envoy::extensions::filters::http::wasm::v3::Wasm;
use envoy_types::pb::envoy::extensions::wasm::v3::plugin_config::Vm;
use envoy_types::pb::envoy::extensions::wasm::v3::{
    FailurePolicy, PluginConfig, ReloadConfig, VmConfig,
};
use envoy_types::pb::google::protobuf::StringValue;
use envoy_types::util::pack_any;
use gateway_document::Listener;
use policy_engine::wire::FilterConfig;

use super::{ModuleFile, RenderError, milliseconds, truth};

/// How long a virtual machine that trapped is down on its worker.
const RELOAD_BACKOFF_MS: u32 = 50;

/// The filter's name on a listener, under which its configuration is discovered.
pub(super) fn resource_name(listener: &Listener) -> String {
    format!("portcullis.mcp.{}", listener.name)
}

pub(super) fn extension(
    listener: &Listener,
    config: &FilterConfig,
    module: &ModuleFile,
) -> Result<TypedExtensionConfig, RenderError> {
    let Some(path) = module.path.to_str() else {
        return Err(RenderError::ModulePath(module.path.clone()));
    };
    let plugin = PluginConfig {
        name: "portcullis".to_owned(),
        root_id: "mcp".to_owned(),
        failure_policy: FailurePolicy::FailReload.into(),
        reload_config: Some(ReloadConfig {
            backoff: Some(BackoffStrategy {
                base_interval: milliseconds(RELOAD_BACKOFF_MS),
                ..Default::default()
            }),
        }),
        // Without it a paused request would never see its body.
        allow_on_headers_stop_iteration: truth(true),
        configuration: Some(pack_any(StringValue {
            value: serde_json::to_string(config)?,
        })),
        vm: Some(Vm::VmConfig(VmConfig {
            // One for all listeners: the same module and id share a virtual machine per worker.
            vm_id: "portcullis".to_owned(),
            runtime: "envoy.wasm.runtime.v8".to_owned(),
            code: Some(AsyncDataSource {
                specifier: Some(CodeSpecifier::Local(DataSource {
                    specifier: Some(Specifier::Filename(path.to_owned())),
                    ..Default::default()
                })),
            }),
            ..Default::default()
        })),
        ..Default::default()
    };
    Ok(TypedExtensionConfig {
        name: resource_name(listener),
        typed_config: Some(pack_any(Wasm {
            config: Some(plugin),
        })),
    })
}
