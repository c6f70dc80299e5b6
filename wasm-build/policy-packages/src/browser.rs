//! From a module with descriptions of its functions in it to a package of JavaScript modules.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::json;
use wasm_bindgen_cli_support::Bindgen;

use crate::NAME;

/// Writes the package: the module, what calls it, its types for TypeScript, and `package.json`.
/// Answers with the module as it is there.
pub(crate) fn write(module: Vec<u8>, folder: &Path) -> Result<Vec<u8>> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
    Bindgen::new()
        .input_bytes(NAME, module)
        .web(true)?
        .typescript(true)
        // A page says `await init()`, and the module is found beside the code.
        .omit_default_module_path(false)
        .generate(folder)?;
    let package = json!({
        "name": "@portcullis/policy-engine",
        "version": env!("CARGO_PKG_VERSION"),
        "description": "The policy engine of Portcullis",
        "license": "Apache-2.0",
        "private": true,
        "type": "module",
        "main": format!("{NAME}.js"),
        "types": format!("{NAME}.d.ts"),
        "sideEffects": false,
    });
    let file = folder.join("package.json");
    fs::write(&file, format!("{package:#}\n"))
        .with_context(|| format!("cannot write `{}`", file.display()))?;
    let module = folder.join(format!("{NAME}_bg.wasm"));
    fs::read(&module).with_context(|| format!("cannot read `{}`", module.display()))
}
