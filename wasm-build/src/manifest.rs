//! The modules by their content.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

/// The modules that one run has built.
#[derive(Debug, Serialize)]
pub(crate) struct Manifest {
    pub(crate) modules: Vec<Entry>,
}

/// One module, named by its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Entry {
    pub(crate) name: String,
    /// The hash of the module's bytes, in hexadecimal.
    pub(crate) sha256: String,
    pub(crate) bytes: usize,
    /// The name of its file, which lies beside the manifest.
    pub(crate) file: String,
}

impl Entry {
    pub(crate) fn of(name: &str, module: &[u8]) -> Self {
        Self {
            name: name.to_owned(),
            sha256: hex::encode(Sha256::digest(module)),
            bytes: module.len(),
            file: format!("{name}.wasm"),
        }
    }
}

impl Manifest {
    /// Writes the modules, then the manifest that names them.
    pub(crate) fn write(directory: &Path, modules: &[(Entry, Vec<u8>)]) -> Result<Self> {
        fs::create_dir_all(directory)
            .with_context(|| format!("cannot make `{}`", directory.display()))?;
        for (entry, module) in modules {
            replace(&directory.join(&entry.file), module)?;
        }
        let manifest = Self {
            modules: modules.iter().map(|(entry, _)| entry.clone()).collect(),
        };
        replace(
            &directory.join("manifest.json"),
            &serde_json::to_vec_pretty(&manifest)?,
        )?;
        Ok(manifest)
    }
}

/// Puts a file in the place of another in one step: a process may be reading the old one.
fn replace(file: &Path, content: &[u8]) -> Result<()> {
    let beside = file.with_extension("new");
    fs::write(&beside, content)
        .and_then(|()| fs::rename(&beside, file))
        .with_context(|| format!("cannot write `{}`", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_names_a_module_by_its_content() {
        let entry = Entry::of("mcp-filter", b"abc");
        assert_eq!(
            entry.sha256,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!((entry.bytes, entry.file.as_str()), (3, "mcp-filter.wasm"));
    }
}
