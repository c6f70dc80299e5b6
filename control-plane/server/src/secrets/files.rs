//! The files that hold secrets and certificates: what they hold, and whether they are others than
//! before.

use std::fs::{self, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use gateway_document::{FilePath, near_names};
use rustix::fs::OFlags;

use super::in_time::{in_time, may_wait_for};

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
    /// Looks at a file. It may wait for a file system for as long as that likes: call it by
    /// [`in_time`].
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        may_wait_for(path);
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

/// Reads a file aside, and for some seconds at most.
///
/// # Errors
/// A sentence that says why it cannot be read, and what to do about it.
pub(crate) async fn read_file(path: &FilePath) -> Result<Vec<u8>, String> {
    let outcome = in_time(path.as_str(), Path::new(path.as_str()), read).await;
    outcome.unwrap_or_else(|error| Err(format!("`{}`: {error}", path.as_str())))
}

/// Reads a file. It may wait for a file system for as long as that likes: call it by [`in_time`].
///
/// # Errors
/// A sentence that says why it cannot be read, and what to do about it.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, String> {
    may_wait_for(path);
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
    // To open a pipe would wait for somebody who writes into it.
    let mut opening = OpenOptions::new();
    opening.custom_flags(OFlags::NONBLOCK.bits().cast_signed());
    let file = opening.read(true).open(path).map_err(failed)?;
    // A pipe or a device would never end, and a folder is none.
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(format!(
            "`{shown}` is not a file; name one that is, and no pipe or folder"
        ));
    }
    let mut bytes = Vec::new();
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
