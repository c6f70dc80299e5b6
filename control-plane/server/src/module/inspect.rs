//! Whether bytes are a module that Envoy can run as a filter, and what they say of themselves.

use policy_engine::wire::{MANIFEST_SECTION, ModuleManifest};
use thiserror::Error;
use wasmparser::{ExternalKind, Parser, Payload, TypeRef, Validator};

/// The functions that Envoy 1.40 gives to filters of ABI 0.2.1.
const PROXY: [&str; 40] = [
    "proxy_add_header_map_value",
    "proxy_call_foreign_function",
    "proxy_close_stream",
    "proxy_continue_stream",
    "proxy_define_metric",
    "proxy_dequeue_shared_queue",
    "proxy_done",
    "proxy_enqueue_shared_queue",
    "proxy_get_buffer_bytes",
    "proxy_get_buffer_status",
    "proxy_get_current_time_nanoseconds",
    "proxy_get_header_map_pairs",
    "proxy_get_header_map_size",
    "proxy_get_header_map_value",
    "proxy_get_log_level",
    "proxy_get_metric",
    "proxy_get_property",
    "proxy_get_shared_data",
    "proxy_get_status",
    "proxy_grpc_call",
    "proxy_grpc_cancel",
    "proxy_grpc_close",
    "proxy_grpc_send",
    "proxy_grpc_stream",
    "proxy_http_call",
    "proxy_increment_metric",
    "proxy_log",
    "proxy_record_metric",
    "proxy_register_shared_queue",
    "proxy_remove_header_map_value",
    "proxy_replace_header_map_value",
    "proxy_resolve_shared_queue",
    "proxy_send_local_response",
    "proxy_set_buffer_bytes",
    "proxy_set_effective_context",
    "proxy_set_header_map_pairs",
    "proxy_set_property",
    "proxy_set_shared_data",
    "proxy_set_tick_period_milliseconds",
    "proxy_unregister_shared_queue",
];

/// The namespace of what Envoy has of WASI; it answers most of it with an error, and which of it a
/// module needs, only its own tests can tell.
const WASI: &str = "wasi_snapshot_preview1";

/// The callbacks without which a module would not be asked about every part of a request: as the
/// gateway's own filter it would let pass what it does not see.
const OF_OWN_FILTER: [&str; 5] = [
    "proxy_on_configure",
    "proxy_on_request_body",
    "proxy_on_request_headers",
    "proxy_on_request_trailers",
    "proxy_on_vm_start",
];

/// The knowledge of a module that its bytes give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleFacts {
    /// The size of the module in bytes.
    pub bytes: u64,
    /// Its name and version, as its builder wrote them into it, and whether it is a filter of the
    /// gateway's own kind.
    pub manifest: Option<ModuleManifest>,
}

/// Why bytes are no module that is kept.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum UnusableModule {
    /// They are no valid module.
    #[error("this is not a valid WebAssembly module: {0}; send the `.wasm` file itself")]
    Invalid(String),
    /// It asks for what Envoy does not have.
    #[error(
        "the module imports {0}, which Envoy does not give to filters; build it for \
         `wasm32-wasip1` with a proxy-wasm SDK of ABI 0.2.1"
    )]
    Imports(String),
    /// It lacks what Envoy calls.
    #[error("the module does not export {0}, which Envoy calls; build it with a proxy-wasm SDK")]
    Exports(String),
    /// Its own description cannot be read.
    #[error("the section `{MANIFEST_SECTION}` of the module cannot be read: {0}")]
    Manifest(String),
}

/// Reads a module.
///
/// # Errors
/// When Envoy could not run it, or not as what it says that it is.
pub fn inspect(module: &[u8]) -> Result<ModuleFacts, UnusableModule> {
    let invalid = |error: wasmparser::BinaryReaderError| UnusableModule::Invalid(error.to_string());
    Validator::new().validate_all(module).map_err(invalid)?;
    let mut unknown = Vec::new();
    let mut functions = Vec::new();
    let mut has_memory = false;
    let mut manifest = None;
    for payload in Parser::new(0).parse_all(module) {
        match payload.map_err(invalid)? {
            Payload::ImportSection(imports) => {
                for import in imports {
                    let import = import.map_err(invalid)?;
                    let is_function = matches!(import.ty, TypeRef::Func(_));
                    let is_known = match import.module {
                        "env" => PROXY.contains(&import.name),
                        other => other == WASI,
                    };
                    if !is_function || !is_known {
                        unknown.push(format!("`{}.{}`", import.module, import.name));
                    }
                }
            }
            Payload::ExportSection(exports) => {
                for export in exports {
                    let export = export.map_err(invalid)?;
                    match export.kind {
                        ExternalKind::Func => functions.push(export.name),
                        ExternalKind::Memory => has_memory |= export.name == "memory",
                        _ => {}
                    }
                }
            }
            Payload::CustomSection(section) if section.name() == MANIFEST_SECTION => {
                let read = serde_json::from_slice::<ModuleManifest>(section.data());
                let read = read.map_err(|error| UnusableModule::Manifest(error.to_string()))?;
                manifest = Some(read);
            }
            _ => {}
        }
    }
    if !unknown.is_empty() {
        return Err(UnusableModule::Imports(unknown.join(", ")));
    }
    let missing = missing_exports(&functions, has_memory, manifest.as_ref());
    if !missing.is_empty() {
        let names: Vec<String> = missing.iter().map(|name| format!("`{name}`")).collect();
        return Err(UnusableModule::Exports(names.join(", ")));
    }
    Ok(ModuleFacts {
        bytes: u64::try_from(module.len()).unwrap_or(u64::MAX),
        manifest,
    })
}

fn missing_exports(
    functions: &[&str],
    has_memory: bool,
    manifest: Option<&ModuleManifest>,
) -> Vec<&'static str> {
    let has_one = |names: &[&str]| functions.iter().any(|function| names.contains(function));
    let mut missing = Vec::new();
    if !has_memory {
        missing.push("memory");
    }
    if !has_one(&["proxy_abi_version_0_2_1", "proxy_abi_version_0_2_0"]) {
        missing.push("proxy_abi_version_0_2_1");
    }
    if !has_one(&["proxy_on_memory_allocate", "malloc"]) {
        missing.push("proxy_on_memory_allocate");
    }
    if !has_one(&["proxy_on_context_create"]) {
        missing.push("proxy_on_context_create");
    }
    if manifest.is_some_and(|manifest| manifest.wire_form.is_some()) {
        missing.extend(
            OF_OWN_FILTER
                .iter()
                .filter(|name| !functions.contains(*name)),
        );
    }
    missing
}
