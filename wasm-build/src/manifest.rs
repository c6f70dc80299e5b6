//! The modules by their content.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

/// The modules that one run has built.
#[derive(Debug, Serialize)]
pub struct Manifest {
    /// The modules, each with its hash.
    pub modules: Vec<Entry>,
}

/// One module, named by its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// The name of the package, and of its file without the ending.
    pub name: String,
    /// The hash of the module's bytes, in hexadecimal.
    pub sha256: String,
    /// The size of the module.
    pub bytes: usize,
    /// The path of its file, from the manifest's folder.
    pub file: String,
    /// Everything that the module wants of its host, as `module.name`, in order; absent where all
    /// of it comes with the module.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub imports: Option<Vec<String>>,
}

impl Entry {
    /// The entry of a module.
    #[must_use]
    pub fn of(name: &str, module: &[u8]) -> Self {
        Self {
            name: name.to_owned(),
            sha256: hex::encode(Sha256::digest(module)),
            bytes: module.len(),
            file: format!("{name}.wasm"),
            imports: None,
        }
    }

    /// The same module with what it wants of its host.
    #[must_use]
    pub fn importing(self, mut imports: Vec<String>) -> Self {
        imports.sort();
        Self {
            imports: Some(imports),
            ..self
        }
    }

    /// The same module, if it has no more bytes than it may.
    ///
    /// # Errors
    /// It has more.
    pub fn within(self, max_bytes: usize) -> Result<Self> {
        if self.bytes > max_bytes {
            bail!("it has {} bytes; the budget is {max_bytes}", self.bytes);
        }
        Ok(self)
    }

    /// The same module in another file, which may be in a folder beside the manifest.
    #[must_use]
    pub fn in_file(self, file: String) -> Self {
        Self { file, ..self }
    }
}

impl Manifest {
    /// Writes the modules, then the manifest that names them.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn write(directory: &Path, modules: &[(Entry, Vec<u8>)]) -> Result<Self> {
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

    /// Prints each module, which lies in this directory, with its size and hash.
    pub fn print(&self, directory: &Path) {
        for entry in &self.modules {
            println!(
                "{}  {} bytes  sha256 {}",
                directory.join(&entry.file).display(),
                entry.bytes,
                entry.sha256
            );
        }
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
        assert!(entry.clone().within(3).is_ok());
        assert!(entry.clone().within(2).is_err());
        let entry = entry.importing(vec!["env.b".into(), "env.a".into()]);
        let written = serde_json::to_value(&entry).unwrap();
        assert_eq!(written["imports"], serde_json::json!(["env.a", "env.b"]));
    }
}
