//! The file system that a path is on, by the system's table of mounts: to ask the path itself would
//! wait for a file system that does not answer.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A file system, as files are counted by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum FileSystem {
    /// The number of its device, as `st_dev` has it: the same at each place where it is mounted.
    Device(String),
    /// The folder of a file, where the system tells no mounts.
    Folder(PathBuf),
}

/// Where Linux tells what is mounted for this process (`proc_pid_mountinfo(5)`).
const MOUNTS: &str = "/proc/self/mountinfo";
/// How long the table is believed. It is read for every file otherwise, and has thousands of lines
/// where there are many containers.
const BELIEVED_FOR: Duration = Duration::from_secs(1);

static KNOWN: Mutex<Option<(Instant, Arc<Mounts>)>> = Mutex::new(None);

/// The file systems that these absolute paths are on. A link counts as a file of the one that it is
/// on itself.
pub(super) fn file_systems(paths: &[PathBuf]) -> BTreeSet<FileSystem> {
    if paths.is_empty() {
        return BTreeSet::new();
    }
    let mounts = mounts();
    paths.iter().map(|path| mounts.file_system(path)).collect()
}

fn mounts() -> Arc<Mounts> {
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    match &*known {
        Some((read, mounts)) if read.elapsed() < BELIEVED_FOR => Arc::clone(mounts),
        _ => {
            let text = fs::read(MOUNTS).unwrap_or_default();
            let mounts = Arc::new(Mounts::read(&text));
            *known = Some((Instant::now(), Arc::clone(&mounts)));
            mounts
        }
    }
}

/// The places at which something is mounted, each with the number of its device; what was mounted
/// later comes later.
#[derive(Debug)]
struct Mounts(Vec<(PathBuf, String)>);

impl Mounts {
    fn read(table: &[u8]) -> Self {
        let lines = table.split(|byte| *byte == b'\n');
        let mounts = lines.filter_map(|line| {
            let mut fields = line.split(|byte| *byte == b' ').skip(2);
            let device = String::from_utf8(fields.next()?.to_vec()).ok()?;
            let place = OsString::from_vec(unescaped(fields.nth(1)?));
            Some((PathBuf::from(place), device))
        });
        Self(mounts.collect())
    }

    fn file_system(&self, path: &Path) -> FileSystem {
        let path = without_steps_up(path);
        let around = self.0.iter().filter(|(place, _)| path.starts_with(place));
        // Of equally deep ones the last is on top of the others.
        let nearest = around.max_by_key(|(place, _)| place.components().count());
        match nearest {
            Some((_, device)) => FileSystem::Device(device.clone()),
            None => FileSystem::Folder(path.parent().unwrap_or(&path).to_owned()),
        }
    }
}

/// An absolute path without `.` and `..`.
fn without_steps_up(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            other => plain.push(other),
        }
    }
    plain
}

/// A field of the table, in which spaces and such are three octal digits behind a backslash.
fn unescaped(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [byte, after @ ..] = rest {
        let digits = after.get(..3).filter(|_| *byte == b'\\');
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(code) => {
                bytes.push(code);
                rest = &after[3..];
            }
            None => {
                bytes.push(*byte);
                rest = after;
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_tells_the_file_system_of_a_path_by_the_deepest_mount_around_it() {
        let mounts = Mounts::read(
            b"22 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
              23 22 0:45 / /mnt/of\\040ada rw shared:9 - nfs4 nas:/ada rw\n\
              24 23 0:46 /x /mnt/of\\040ada/deep rw - nfs4 nas:/deep rw\n\
              25 22 0:45 / /again rw - nfs4 nas:/ada rw\n\
              26 22 0:50 / /again rw - tmpfs none rw\n\
              a line that is none\n",
        );
        for (path, device) in [
            ("/etc/token", "8:1"),
            ("/mnt/of ada/token", "0:45"),
            ("/mnt/of adam/token", "8:1"),
            ("/mnt/of ada/deep/token", "0:46"),
            ("/mnt/of ada/deep/../token", "0:45"),
            ("/etc/../mnt/./of ada/token", "0:45"),
            ("/again/token", "0:50"),
        ] {
            let expected = FileSystem::Device(device.to_owned());
            assert_eq!(mounts.file_system(Path::new(path)), expected, "{path}");
        }
    }

    #[test]
    fn it_tells_files_apart_by_their_folders_where_no_mounts_are_told() {
        let mounts = Mounts::read(b"");
        let folder = FileSystem::Folder(PathBuf::from("/etc/tls"));
        assert_eq!(mounts.file_system(Path::new("/etc/tls/a.pem")), folder);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn it_reads_the_table_of_this_system() {
        let found = file_systems(&[PathBuf::from("/proc/self/maps"), PathBuf::from("/etc/x")]);
        assert_eq!(found.len(), 2, "{found:?}");
        let found = |found: &FileSystem| matches!(found, FileSystem::Device(_));
        assert!(file_systems(&[PathBuf::from("/proc/x")]).iter().all(found));
    }
}
