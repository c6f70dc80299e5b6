//! Filter modules, kept by the hash of their bytes where Envoy can read them.

use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf, absolute};
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};
use store::{ConfigStore, StoreError};

mod inspect;
mod origin;
mod shelf;

pub use inspect::{ModuleFacts, UnusableModule, inspect};
pub use origin::{InvalidModuleOrigin, ModuleOrigin};
pub use shelf::{ModuleShelf, ShelvedModule, StartModule};

/// The module that a filter runs.
#[derive(Debug, Clone)]
pub struct ModuleFile {
    /// SHA-256 of its bytes, in hex.
    pub sha256: String,
    /// Where Envoy finds it.
    pub path: PathBuf,
    /// The modules that a document may name in its place, or besides.
    pub shelf: ModuleShelf,
}

/// Every Envoy on the machine may read it, whoever runs it.
const MODE: u32 = 0o644;
/// Each WebAssembly module begins with it (WebAssembly core specification, 5.5.16).
const MAGIC: &[u8] = b"\0asm";

/// Puts a copy of `module` into `folder`, named by its content, and tells where it is. A copy that
/// is there already stays as it is. It is complete or absent at every moment: Envoy never reads
/// half a module.
///
/// # Errors
/// When the module cannot be read or is none, or the folder cannot be written.
pub fn keep(
    module: &Path,
    folder: &Path,
    origin: Option<ModuleOrigin>,
) -> Result<(ModuleFile, u64)> {
    let bytes = fs::read(module).with_context(|| {
        format!(
            "cannot read the filter module `{}`; build it with `cargo run -p wasm-build`",
            module.display()
        )
    })?;
    ensure!(
        bytes.starts_with(MAGIC),
        "`{}` is not a WebAssembly module",
        module.display()
    );
    let folder =
        absolute(folder).with_context(|| format!("`{}` is not a folder", folder.display()))?;
    let shelf = ModuleShelf::new(&folder, origin);
    let sha256 = hash(&bytes);
    let path = put(&bytes, &sha256, &shelf)?;
    shelf.start_with(StartModule {
        sha256: sha256.clone(),
        facts: inspect(&bytes).ok(),
    });
    let module = ModuleFile {
        sha256,
        path,
        shelf,
    };
    Ok((module, bytes.len() as u64))
}

/// The SHA-256 of a module's bytes, in hexadecimal.
#[must_use]
pub fn hash(module: &[u8]) -> String {
    hex::encode(Sha256::digest(module))
}

/// Writes the file of a module, unless it is there as it should be, and tells where it is.
///
/// # Errors
/// When the folder cannot be written.
pub fn put(module: &[u8], sha256: &str, shelf: &ModuleShelf) -> Result<PathBuf> {
    let (folder, path) = (shelf.folder(), shelf.file(sha256));
    let unchanged = fs::read(&path).is_ok_and(|kept| kept == module);
    if !unchanged {
        write_whole(folder, &path, module)
            .with_context(|| format!("cannot write a filter module into `{}`", folder.display()))?;
    }
    Ok(path)
}

/// Puts the modules that operators uploaded earlier on the shelf, and their files into its folder.
/// One of which that fails is missing there, and the log says why.
///
/// # Errors
/// When the store cannot be read.
pub async fn restore(store: &dyn ConfigStore, shelf: &ModuleShelf) -> Result<(), StoreError> {
    for kept in store.modules().await? {
        let Some(content) = store.module_content(&kept.sha256).await? else {
            // It is one that a control plane was started with.
            continue;
        };
        let facts = inspect(&content).map_err(anyhow::Error::from);
        match facts.and_then(|facts| put(&content, &kept.sha256, shelf).map(|_| facts)) {
            Ok(facts) => shelf.add(
                kept.sha256,
                ShelvedModule {
                    facts,
                    uploaded_at: kept.since,
                },
            ),
            Err(error) => {
                tracing::error!(%error, sha256 = kept.sha256, "an uploaded module is missing");
            }
        }
    }
    Ok(())
}

fn write_whole(folder: &Path, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    /// Tells apart those who write the same module at the same moment.
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    fs::create_dir_all(folder)?;
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let own = format!("wasm.{}.{number}", std::process::id());
    let temporary: PathBuf = path.with_extension(own);
    let mut file = File::create(&temporary)?;
    file.write_all(bytes)?;
    file.set_permissions(Permissions::from_mode(MODE))?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_a_module_under_its_hash_readable_for_everyone() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("filter.wasm");
        fs::write(&source, b"\0asm\x01\0\0\0").unwrap();
        let kept = folder.path().join("modules");
        let (module, bytes) = keep(&source, &kept, None).unwrap();
        assert_eq!(
            module.sha256,
            "93a44bbb96c751218e4c00d479e4c14358122a389acca16205b1e4d0dc5f9476"
        );
        assert_eq!(module.path, kept.join(format!("{}.wasm", module.sha256)));
        assert_eq!(bytes, 8);
        assert_eq!(
            fs::metadata(&module.path).unwrap().permissions().mode() & 0o777,
            MODE
        );
        // A damaged copy is replaced, and nothing else is left behind.
        fs::write(&module.path, b"\0as").unwrap();
        assert_eq!(keep(&source, &kept, None).unwrap().0, module);
        assert_eq!(fs::read(&module.path).unwrap(), b"\0asm\x01\0\0\0");
        assert_eq!(fs::read_dir(&kept).unwrap().count(), 1);
    }

    #[test]
    fn it_writes_a_module_for_several_at_the_same_moment() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = ModuleShelf::new(folder.path(), None);
        for round in 0..50_u8 {
            let module = [MAGIC, &[round; 100_000]].concat();
            let sha256 = hash(&module);
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| put(&module, &sha256, &shelf).unwrap());
                }
            });
            assert_eq!(fs::read(shelf.file(&sha256)).unwrap(), module);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 50);
    }

    #[test]
    fn it_refuses_what_is_no_module() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("filter.wasm");
        assert!(
            keep(&source, folder.path(), None)
                .unwrap_err()
                .to_string()
                .contains("cannot read")
        );
        fs::write(&source, b"#!/bin/sh").unwrap();
        assert!(
            keep(&source, folder.path(), None)
                .unwrap_err()
                .to_string()
                .contains("not a WebAssembly module")
        );
    }
}
