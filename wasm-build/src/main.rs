//! Builds the filters for WebAssembly, checks what they import and how large they are, and writes
//! them, each with its own description inside, with a manifest of their content hashes.
//!
//! ```text
//! cargo run -p wasm-build
//! ```
//!
//! writes `mcp-filter.wasm` and `manifest.json` into `<target directory>/filters`. Each step is a
//! file: [`wasm_build::compile`] runs cargo, [`module`] reads and rewrites sections of a module,
//! [`unreached`] takes out what nobody can call, [`check`] says what a filter may ask of Envoy,
//! [`wasm_build::manifest`] writes.

mod check;
mod module;
mod unreached;

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use check::Allowances;
use clap::Parser;
use policy_engine::wire::{MANIFEST_SECTION, ModuleManifest, VERSION};
use wasm_build::compile::{Target, Workspace};
use wasm_build::manifest::{Entry, Manifest};

/// The filter that is shipped: the package, which is also the module's name.
const SHIPPED: &str = "mcp-filter";

/// The largest module by default, in bytes. Envoy compiles a module on its main thread, a third of
/// a millisecond for each KB; the filter has about 770 KB, so a dependency that doubles it is
/// noticed, and a new check is not.
const MAX_BYTES: usize = 800_000;

/// Builds the filters for WebAssembly.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Packages of the filters to build
    #[arg(default_value = SHIPPED)]
    filters: Vec<String>,
    /// Where to write the modules and the manifest [default: `filters` in the target directory]
    #[arg(long, env = "WASM_BUILD_OUT_DIR")]
    out_dir: Option<PathBuf>,
    /// The largest module, in bytes
    #[arg(long, env = "WASM_BUILD_MAX_BYTES", default_value_t = MAX_BYTES)]
    max_bytes: usize,
}

/// The lists of what filters may import are those of the filter that is shipped; another one may
/// import less.
fn allowances(name: &str) -> Allowances {
    if name == SHIPPED {
        Allowances::AllUsed
    } else {
        Allowances::AtMost
    }
}

/// The module with its own description in it.
fn described(module: Vec<u8>, name: &str) -> Result<Vec<u8>> {
    let manifest = ModuleManifest {
        name: name.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        wire_form: (name == SHIPPED).then_some(VERSION),
    };
    let json = serde_json::to_vec(&manifest)?;
    Ok(module::with_custom_section(module, MANIFEST_SECTION, &json))
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let workspace = Workspace::find()?;
    let out_dir = arguments
        .out_dir
        .unwrap_or_else(|| workspace.target_directory.join("filters"));
    let mut modules = Vec::new();
    for name in &arguments.filters {
        let built = workspace.build(name, Target::Wasi)?;
        let module = module::keep_exports(&built, check::is_needed_export)
            .and_then(|module| unreached::emptied(&module))
            .and_then(|module| check::imports(&module, allowances(name)).map(|()| module))
            .and_then(|module| described(module, name));
        let unusable = || format!("the module of `{name}` must not be used");
        let module = module.with_context(unusable)?;
        let imports = module::imports(&module)?;
        let imports = imports.iter().map(ToString::to_string).collect();
        let entry = Entry::of(name, &module).importing(imports);
        let entry = entry.within(arguments.max_bytes).with_context(unusable)?;
        modules.push((entry, module));
    }
    let manifest = Manifest::write(&out_dir, &modules)?;
    manifest.print(&out_dir);
    Ok(())
}
