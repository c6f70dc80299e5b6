//! Whether bytes are a module that Envoy can run as a filter, and what they say of themselves.

use policy_engine::wire::{MANIFEST_SECTION, ModuleManifest};
use thiserror::Error;
use wasmparser::{
    BinaryReaderError, ExternalKind, Parser, Payload, TypeRef, TypeSectionReader, Validator,
    WasmFeatures,
};

use super::MAGIC;

/// The extensions of WebAssembly that Envoy's engine runs, as compilers of filters use them. Those
/// of garbage-collected languages are left out: their types take longer to compare the more there
/// are.
const FEATURES: WasmFeatures = WasmFeatures::WASM2
    .union(WasmFeatures::EXTENDED_CONST)
    .union(WasmFeatures::RELAXED_SIMD)
    .union(WasmFeatures::TAIL_CALL);

/// The parameters and results of a function together. Each call and jump is checked value by value,
/// and the shortest has one or two bytes: with the 2 000 that engines allow, the largest module
/// would take minutes. Compilers of C, C++ and Rust stay below 30, and pass structures in memory.
const MOST_VALUES: usize = 50;

/// The unit of a module's memory (WebAssembly core specification, 4.2.8).
const PAGE_BYTES: u64 = 64 << 10;
/// The memory of a module at its start, in pages of 64 KiB: 64 MiB. Each worker of each Envoy gives
/// it that much before a request comes. Compilers of C, C++, Go and Rust ask for 1 to 16 MiB, and
/// whoever needs more takes it when it is needed.
const MOST_PAGES: u64 = 1 << 10;
/// The entries of a module's tables at its start, which take memory likewise: one for each function
/// whose address is taken. The largest programs have some ten thousand.
const MOST_ENTRIES: u64 = 1 << 18;

/// The length of a module's description of itself; a name, a version and a number are 100 bytes.
const MOST_MANIFEST_BYTES: usize = 4 << 10;

/// The functions that a refusal names; a module may import a million.
const MOST_NAMED: usize = 5;
/// The beginning of a name, or of words about a module, that is repeated in a refusal.
const MOST_REPEATED: usize = 200;

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
    /// They are something else.
    #[error(
        "this is not a valid WebAssembly module: it does not begin as one; send the `.wasm` file \
         itself"
    )]
    Other,
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
    /// A function takes or gives too many values.
    #[error(
        "a function of the module has {0} parameters and results, and at most {MOST_VALUES} can \
         be checked in time; pass them in memory"
    )]
    Values(usize),
    /// It would take too much memory before it does anything.
    #[error(
        "the module wants {0} bytes of memory at its start, of each worker of each Envoy, and at \
         most {most} are given; have it take more when it needs more",
        most = MOST_PAGES * PAGE_BYTES
    )]
    Memory(u64),
    /// It would take too much memory before it does anything.
    #[error("the tables of the module have {0} entries, and at most {MOST_ENTRIES} are given")]
    Tables(u64),
    /// Its own description cannot be read.
    #[error("the section `{MANIFEST_SECTION}` of the module cannot be read: {0}")]
    Manifest(String),
}

/// Reads a module.
///
/// # Errors
/// When Envoy could not run it, or not as what it says that it is.
pub fn inspect(module: &[u8]) -> Result<ModuleFacts, UnusableModule> {
    if !module.starts_with(MAGIC) {
        return Err(UnusableModule::Other);
    }
    check_values(module)?;
    check_room(module)?;
    let mut validator = Validator::new_with_features(FEATURES);
    validator.validate_all(module)?;
    let mut unknown = Vec::new();
    let mut unknown_count = 0_usize;
    let mut functions = Vec::new();
    let mut has_memory = false;
    let mut manifest = None;
    for payload in Parser::new(0).parse_all(module) {
        match payload? {
            Payload::ImportSection(imports) => {
                for import in imports {
                    let import = import?;
                    let is_function = matches!(import.ty, TypeRef::Func(_));
                    let is_known = match import.module {
                        "env" => PROXY.contains(&import.name),
                        other => other == WASI,
                    };
                    if !is_function || !is_known {
                        unknown_count += 1;
                        if unknown.len() < MOST_NAMED {
                            let (from, name) = (begin(import.module), begin(import.name));
                            unknown.push(format!("`{from}.{name}`"));
                        }
                    }
                }
            }
            Payload::ExportSection(exports) => {
                for export in exports {
                    let export = export?;
                    match export.kind {
                        ExternalKind::Func => functions.push(export.name),
                        ExternalKind::Memory => has_memory |= export.name == "memory",
                        _ => {}
                    }
                }
            }
            Payload::CustomSection(section) if section.name() == MANIFEST_SECTION => {
                if manifest.is_some() {
                    return Err(UnusableModule::Manifest("it is there twice".to_owned()));
                }
                manifest = Some(read_manifest(section.data())?);
            }
            _ => {}
        }
    }
    if unknown_count > 0 {
        let mut named = unknown.join(", ");
        if unknown_count > unknown.len() {
            named = format!("{named} and {} more", unknown_count - unknown.len());
        }
        return Err(UnusableModule::Imports(named));
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

impl From<BinaryReaderError> for UnusableModule {
    fn from(error: BinaryReaderError) -> Self {
        // What it has to say besides is for those who write such readers.
        let line = error.message().lines().next().unwrap_or_default();
        let words = begin(line.trim_end_matches(':'));
        Self::Invalid(format!("{words}, at byte {}", error.offset()))
    }
}

/// Refuses functions with too many values, before anything takes a step for each of them.
fn check_values(module: &[u8]) -> Result<(), UnusableModule> {
    for payload in Parser::new(0).parse_all(module) {
        if let Payload::TypeSection(types) = payload? {
            check_types(types)?;
        }
    }
    Ok(())
}

/// Refuses what would take much memory of every Envoy before it does anything.
fn check_room(module: &[u8]) -> Result<(), UnusableModule> {
    let (mut pages, mut entries) = (0_u64, 0_u64);
    for payload in Parser::new(0).parse_all(module) {
        match payload? {
            Payload::MemorySection(memories) => {
                for memory in memories {
                    pages = pages.saturating_add(memory?.initial);
                }
            }
            Payload::TableSection(tables) => {
                for table in tables {
                    entries = entries.saturating_add(table?.ty.initial);
                }
            }
            _ => {}
        }
    }
    if pages > MOST_PAGES {
        return Err(UnusableModule::Memory(pages.saturating_mul(PAGE_BYTES)));
    }
    if entries > MOST_ENTRIES {
        return Err(UnusableModule::Tables(entries));
    }
    Ok(())
}

fn check_types(types: TypeSectionReader<'_>) -> Result<(), UnusableModule> {
    for function in types.into_iter_err_on_gc_types() {
        let function = function?;
        let values = function.params().len() + function.results().len();
        if values > MOST_VALUES {
            return Err(UnusableModule::Values(values));
        }
    }
    Ok(())
}

fn read_manifest(bytes: &[u8]) -> Result<ModuleManifest, UnusableModule> {
    if bytes.len() > MOST_MANIFEST_BYTES {
        return Err(UnusableModule::Manifest(format!(
            "it has more than {MOST_MANIFEST_BYTES} bytes"
        )));
    }
    let read = serde_json::from_slice(bytes);
    read.map_err(|error: serde_json::Error| UnusableModule::Manifest(error.to_string()))
}

/// The beginning of a text that a module's author chose.
fn begin(text: &str) -> &str {
    text.get(..text.floor_char_boundary(MOST_REPEATED))
        .unwrap_or_default()
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
