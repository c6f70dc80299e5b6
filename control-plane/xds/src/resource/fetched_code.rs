//! Filters whose code Envoys fetch by themselves, as their resources say it.

use envoy_types::pb::envoy::config::core::v3::{
    HttpUri, RemoteDataSource, TypedExtensionConfig, async_data_source::Specifier,
};
use envoy_types::pb::envoy::extensions::filters::http::wasm::v3::Wasm;
use envoy_types::pb::envoy::extensions::wasm::v3::plugin_config::Vm;
use envoy_types::pb::google::protobuf::Any;
use prost::{Message as _, Name as _};

/// A filter's resource, taken apart down to where its code is fetched from.
pub(super) struct FetchedCode {
    extension: TypedExtensionConfig,
    wasm: Wasm,
}

impl FetchedCode {
    /// Takes a filter apart; nothing where its code is not fetched.
    pub(super) fn of(filter: &[u8]) -> Option<Self> {
        let extension = TypedExtensionConfig::decode(filter).ok()?;
        let config = extension.typed_config.as_ref()?;
        if config.type_url != Wasm::type_url() {
            return None;
        }
        let wasm = Wasm::decode(config.value.as_slice()).ok()?;
        let mut code = Self { extension, wasm };
        code.uri()?;
        Some(code)
    }

    fn uri(&mut self) -> Option<&mut HttpUri> {
        let Some(Vm::VmConfig(machine)) = &mut self.wasm.config.as_mut()?.vm else {
            return None;
        };
        match &mut machine.code.as_mut()?.specifier {
            Some(Specifier::Remote(RemoteDataSource { http_uri, .. })) => http_uri.as_mut(),
            _ => None,
        }
    }

    /// The same filter in other bytes: the query of the address counts, which means nothing to
    /// whoever serves the code.
    pub(super) fn counting(mut self, attempt: u32) -> Option<Vec<u8>> {
        let uri = self.uri()?;
        uri.uri = format!("{}?a={attempt}", uri.uri);
        self.extension.typed_config = Some(Any {
            type_url: Wasm::type_url(),
            value: self.wasm.encode_to_vec(),
        });
        Some(self.extension.encode_to_vec())
    }
}
