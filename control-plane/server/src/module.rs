//! The filter module, kept by the hash of its bytes where Envoy can read it.

use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf, absolute};

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};

use crate::envoy::ModuleFile;

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
pub fn keep(module: &Path, folder: &Path) -> Result<(ModuleFile, u64)> {
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
    let sha256 = hex::encode(Sha256::digest(&bytes));
    let folder =
        absolute(folder).with_context(|| format!("`{}` is not a folder", folder.display()))?;
    let path = folder.join(format!("{sha256}.wasm"));
    let unchanged = fs::read(&path).is_ok_and(|kept| kept == bytes);
    if !unchanged {
        write_whole(&folder, &path, &bytes).with_context(|| {
            format!("cannot write the filter module into `{}`", folder.display())
        })?;
    }
    Ok((ModuleFile { sha256, path }, bytes.len() as u64))
}

fn write_whole(folder: &Path, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    fs::create_dir_all(folder)?;
    let temporary: PathBuf = path.with_extension(format!("wasm.{}", std::process::id()));
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
        let (module, bytes) = keep(&source, &kept).unwrap();
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
        assert_eq!(keep(&source, &kept).unwrap().0, module);
        assert_eq!(fs::read(&module.path).unwrap(), b"\0asm\x01\0\0\0");
        assert_eq!(fs::read_dir(&kept).unwrap().count(), 1);
    }

    #[test]
    fn it_refuses_what_is_no_module() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("filter.wasm");
        assert!(
            keep(&source, folder.path())
                .unwrap_err()
                .to_string()
                .contains("cannot read")
        );
        fs::write(&source, b"#!/bin/sh").unwrap();
        assert!(
            keep(&source, folder.path())
                .unwrap_err()
                .to_string()
                .contains("not a WebAssembly module")
        );
    }
}
