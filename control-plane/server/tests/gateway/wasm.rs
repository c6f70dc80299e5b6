//! Modules that are written here: each exports functions that do nothing.

use policy_engine::wire::{MANIFEST_SECTION, VERSION};
use wasm_encoder::{
    CodeSection, CustomSection, Encode as _, EntityType, ExportKind, ExportSection, Function,
    FunctionSection, ImportSection, MemorySection, MemoryType, Module, RefType, Section as _,
    TableSection, TableType, TypeSection,
};

/// The functions that Envoy calls of any filter.
pub const OF_ANY_FILTER: [&str; 3] = [
    "proxy_abi_version_0_2_1",
    "proxy_on_memory_allocate",
    "proxy_on_context_create",
];

/// The functions that it calls of the gateway's own.
const OF_OWN_FILTER: [&str; 5] = [
    "proxy_on_configure",
    "proxy_on_request_body",
    "proxy_on_request_headers",
    "proxy_on_request_trailers",
    "proxy_on_vm_start",
];

/// The description of itself that a build of the gateway's own filter has.
pub fn own_manifest(version: &str) -> String {
    format!(r#"{{"name":"mcp-filter","version":"{version}","wire_form":{VERSION}}}"#)
}

/// A module that can be taken for a build of the gateway's own filter.
pub fn own_filter(version: &str) -> Vec<u8> {
    let exports = [&OF_ANY_FILTER[..], &OF_OWN_FILTER].concat();
    module(
        &[("env", "proxy_log")],
        &exports,
        Some(&own_manifest(version)),
    )
}

/// A module of somebody else's.
pub fn other_filter() -> Vec<u8> {
    module(
        &[("wasi_snapshot_preview1", "fd_write")],
        &OF_ANY_FILTER,
        None,
    )
}

/// A module with so many bytes more, which nothing reads.
pub fn padded(mut module: Vec<u8>, bytes: usize) -> Vec<u8> {
    let padding = CustomSection {
        name: "padding".into(),
        data: vec![0; bytes].into(),
    };
    module.push(padding.id());
    padding.encode(&mut module);
    module
}

/// A module that imports and exports functions of these names, and describes itself like this.
pub fn module(imports: &[(&str, &str)], exports: &[&str], manifest: Option<&str>) -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([], []);
    module_of_types(&types, imports, exports, manifest)
}

/// The same with these types, the first of which its functions have.
pub fn module_of_types(
    types: &TypeSection,
    imports: &[(&str, &str)],
    exports: &[&str],
    manifest: Option<&str>,
) -> Vec<u8> {
    module_with_room(types, imports, exports, manifest, (1, 0))
}

/// The same with this much room at its start: pages of memory, and entries of a table.
pub fn module_with_room(
    types: &TypeSection,
    imports: &[(&str, &str)],
    exports: &[&str],
    manifest: Option<&str>,
    (pages, entries): (u64, u64),
) -> Vec<u8> {
    let mut module = Module::new();
    module.section(types);
    let mut section = ImportSection::new();
    for (from, name) in imports {
        section.import(from, name, EntityType::Function(0));
    }
    module.section(&section);
    let mut functions = FunctionSection::new();
    functions.function(0);
    module.section(&functions);
    let mut tables = TableSection::new();
    tables.table(TableType {
        element_type: RefType::FUNCREF,
        table64: false,
        minimum: entries,
        maximum: None,
        shared: false,
    });
    module.section(&tables);
    let mut memories = MemorySection::new();
    memories.memory(MemoryType {
        minimum: pages,
        maximum: None,
        memory64: false,
        shared: false,
        page_size_log2: None,
    });
    module.section(&memories);
    let mut section = ExportSection::new();
    section.export("memory", ExportKind::Memory, 0);
    let function = u32::try_from(imports.len()).unwrap();
    for name in exports {
        section.export(name, ExportKind::Func, function);
    }
    module.section(&section);
    let mut code = CodeSection::new();
    let mut function = Function::new([]);
    function.instructions().end();
    code.function(&function);
    module.section(&code);
    if let Some(manifest) = manifest {
        module.section(&CustomSection {
            name: MANIFEST_SECTION.into(),
            data: manifest.as_bytes().into(),
        });
    }
    module.finish()
}
