//! The files that hold secrets: what they hold, and whether they are others than before.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use gateway_document::near_names;

/// The largest file that is read: chains of certificates have some KiB, bundles of authorities some
/// hundred.
const MOST_BYTES: u64 = 1 << 20;
/// How many files of a folder are looked at for one that may have been meant.
const MOST_NEIGHBOURS: usize = 1000;

/// Tells a file from what it was before, without reading it: renamed, rewritten or another one by
/// way of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileMark {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl FileMark {
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let found = fs::metadata(path)?;
        Ok(Self {
            device: found.dev(),
            inode: found.ino(),
            bytes: found.len(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        })
    }
}

/// Reads a file.
///
/// # Errors
/// A sentence that says why it cannot be read, and what to do about it.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, String> {
    let shown = path.display();
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => match near(path) {
            Some(near) => format!("there is no file `{shown}`; did you mean `{near}`?"),
            None => format!("there is no file `{shown}` on the control plane's machine"),
        },
        io::ErrorKind::PermissionDenied => {
            format!("the control plane may not read `{shown}`; give its user the right to")
        }
        _ => format!("`{shown}` cannot be read: {error}"),
    };
    // A pipe would never end, and a folder is none.
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(format!("`{shown}` is not a file"));
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(MOST_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(format!("`{shown}` is larger than {MOST_BYTES} bytes"));
    }
    Ok(bytes)
}

/// A file beside the one that is missing whose name is spelt like it.
fn near(path: &Path) -> Option<String> {
    let (folder, name) = (path.parent()?, path.file_name()?.to_str()?);
    let entries = fs::read_dir(folder).ok()?.take(MOST_NEIGHBOURS);
    let names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    let near = near_names(name, names.iter().map(String::as_str));
    Some(folder.join(near.first()?).display().to_string())
}
