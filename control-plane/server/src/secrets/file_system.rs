//! The file system that a file is on, by the system's table of mounts and the links that lead to
//! the file: to ask the file itself would wait for a file system that does not answer.

use std::collections::HashMap;
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
/// The links that are followed to one file: as many as Linux follows (`path_resolution(7)`).
const MOST_LINKS: usize = 40;

static KNOWN: Mutex<Option<(Instant, Arc<Mounts>)>> = Mutex::new(None);

/// The way to a file along its links, from one file system to the next: whoever follows it has to
/// wait for one of them at a time, and knows for which.
#[derive(Debug, Clone)]
pub(super) struct Way {
    mounts: Arc<Mounts>,
    /// The part that is behind: an absolute path without links.
    behind: PathBuf,
    /// The part that is ahead, from there.
    ahead: PathBuf,
    /// How many links may still come.
    links_left: usize,
}

impl Way {
    /// The way to the file of an absolute path.
    pub(super) fn to(path: &Path) -> Self {
        Self::by(mounts(), path, MOST_LINKS)
    }

    fn by(mounts: Arc<Mounts>, path: &Path, links_left: usize) -> Self {
        // The places of the table have no links in them: nobody is asked about those.
        let nearest = mounts.nearest(path);
        let behind = nearest.map_or(Path::new("/"), |(place, _)| place);
        let ahead = path.strip_prefix(behind).unwrap_or(path).to_owned();
        Self {
            behind: behind.to_owned(),
            ahead,
            links_left,
            mounts,
        }
    }

    /// The file system that the next step waits for.
    pub(super) fn file_system(&self) -> FileSystem {
        match self.mounts.nearest(&self.behind) {
            Some((_, device)) => FileSystem::Device(device.clone()),
            None => {
                let path = self.path();
                FileSystem::Folder(path.parent().unwrap_or(&path).to_owned())
            }
        }
    }

    /// A path to the file that begins on this file system.
    pub(super) fn path(&self) -> PathBuf {
        joined(self.behind.clone(), &self.ahead)
    }

    /// Follows the links of this file system. Gives the way from where another one begins, or
    /// nothing where the file is on this one, is missing, or has too many links: whoever reads it
    /// is told. Asks no other file system, but may wait for this one for as long as it likes.
    pub(super) fn onwards(mut self) -> Option<Self> {
        let here = self.file_system();
        if matches!(here, FileSystem::Folder(_)) {
            return None;
        }
        loop {
            let mut ahead = self.ahead.components();
            let step = ahead.next()?;
            let ahead = ahead.as_path().to_owned();
            match step {
                Component::ParentDir => {
                    self.behind.pop();
                }
                Component::CurDir => {}
                step => self.behind.push(step),
            }
            self.ahead = ahead;
            if self.file_system() != here {
                return Some(self);
            }
            let Ok(target) = fs::read_link(&self.behind) else {
                continue;
            };
            let links_left = self.links_left.checked_sub(1)?;
            // A link is followed from the folder that it is in.
            self.behind.pop();
            let path = joined(target, &self.ahead);
            if path.is_absolute() {
                self = Self::by(self.mounts, &path, links_left);
                if self.file_system() != here {
                    return Some(self);
                }
            } else {
                self.ahead = path;
                self.links_left = links_left;
            }
        }
    }
}

/// Two parts of a path as one, without the slash at its end by which only a folder is meant.
fn joined(behind: PathBuf, ahead: &Path) -> PathBuf {
    if ahead.as_os_str().is_empty() {
        behind
    } else {
        behind.join(ahead)
    }
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

/// The device of each place at which something is mounted.
#[derive(Debug)]
pub(super) struct Mounts(HashMap<PathBuf, String>);

impl Mounts {
    fn read(table: &[u8]) -> Self {
        let lines = table.split(|byte| *byte == b'\n');
        let mounts = lines.filter_map(|line| {
            let mut fields = line.split(|byte| *byte == b' ').skip(2);
            let device = String::from_utf8(fields.next()?.to_vec()).ok()?;
            let place = OsString::from_vec(unescaped(fields.nth(1)?));
            Some((PathBuf::from(place), device))
        });
        // What was mounted later comes later, and is on top.
        Self(mounts.collect())
    }

    /// The deepest place around an absolute path, and its device.
    fn nearest<'p>(&self, path: &'p Path) -> Option<(&'p Path, &String)> {
        let mut places = path.ancestors();
        places.find_map(|place| Some((place, self.0.get(place)?)))
    }
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
pub(super) mod tests {
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::*;

    /// A way to a file where these devices are mounted at these places.
    pub(in crate::secrets) fn way(mounts: &[(&Path, &str)], path: &Path) -> Way {
        let mounts = mounts.iter();
        let mounts = mounts.map(|(place, device)| (place.to_path_buf(), (*device).to_owned()));
        Way::by(Arc::new(Mounts(mounts.collect())), path, MOST_LINKS)
    }

    /// The devices along a way, and the path at its end.
    fn devices(mut way: Way) -> (Vec<String>, PathBuf) {
        let mut devices = Vec::new();
        loop {
            let FileSystem::Device(device) = way.file_system() else {
                panic!("there are mounts");
            };
            devices.push(device);
            match way.clone().onwards() {
                Some(next) => way = next,
                None => return (devices, way.path()),
            }
        }
    }

    #[test]
    fn it_tells_the_file_system_of_a_path_by_the_deepest_mount_around_it() {
        let mounts = Arc::new(Mounts::read(
            b"22 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
              23 22 0:45 / /mnt/of\\040ada rw shared:9 - nfs4 nas:/ada rw\n\
              24 23 0:46 /x /mnt/of\\040ada/deep rw - nfs4 nas:/deep rw\n\
              25 22 0:45 / /again rw - nfs4 nas:/ada rw\n\
              26 22 0:50 / /again rw - tmpfs none rw\n\
              27 22 0:51 / /one/file rw - tmpfs none rw\n\
              a line that is none\n",
        ));
        for (path, along) in [
            ("/etc/token", vec!["8:1"]),
            ("/mnt/of ada/token", vec!["0:45"]),
            ("/mnt/of adam/token", vec!["8:1"]),
            ("/mnt/of ada/deep/token", vec!["0:46"]),
            ("/mnt/of ada/deep/../token", vec!["0:46", "0:45"]),
            ("/mnt/../mnt/./of ada/token", vec!["8:1", "0:45"]),
            ("/again/token", vec!["0:50"]),
            ("/one/file", vec!["0:51"]),
        ] {
            let way = Way::by(Arc::clone(&mounts), Path::new(path), MOST_LINKS);
            let (found, end) = devices(way);
            assert_eq!(found, along, "{path}");
            assert!(!end.as_os_str().to_string_lossy().ends_with('/'), "{end:?}");
        }
    }

    #[test]
    fn it_follows_links_from_one_file_system_to_the_next() {
        let folder = TempDir::new().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let at = |path: &str| root.join(path);
        for folder in ["a/v1", "b/deep", "c"] {
            fs::create_dir_all(at(folder)).unwrap();
        }
        fs::write(at("a/v1/token"), "").unwrap();
        fs::write(at("b/token"), "").unwrap();
        for (link, target) in [
            ("a/now", PathBuf::from("v1")),
            ("a/token", PathBuf::from("now/token")),
            ("a/absolute", at("b/token")),
            ("a/relative", PathBuf::from("../b/token")),
            ("a/folder", at("b")),
            ("c/by-two", at("a/folder/token")),
            ("c/nowhere", at("b/deep/missing")),
            ("c/round", PathBuf::from("round")),
        ] {
            symlink(target, at(link)).unwrap();
        }
        let (a, b, c) = (at("a"), at("b"), at("c"));
        let mounts: [(&Path, &str); 4] = [(Path::new("/"), "0"), (&a, "a"), (&b, "b"), (&c, "c")];
        for (path, along, end) in [
            ("a/token", vec!["a"], "a/token"),
            ("a/absolute", vec!["a", "b"], "b/token"),
            ("a/relative", vec!["a", "0", "b"], "b/token"),
            ("a/folder/token", vec!["a", "b"], "b/token"),
            ("c/by-two", vec!["c", "a", "b"], "b/token"),
            ("c/nowhere", vec!["c", "b"], "b/deep/missing"),
            ("c/round", vec!["c"], "c/round"),
        ] {
            let found = devices(way(&mounts, &at(path)));
            let along = along.into_iter().map(str::to_owned).collect();
            assert_eq!(found, (along, at(end)), "{path}");
        }
    }

    #[test]
    fn it_tells_files_apart_by_their_folders_where_no_mounts_are_told() {
        let way = way(&[], Path::new("/etc/tls/a.pem"));
        let folder = FileSystem::Folder(PathBuf::from("/etc/tls"));
        assert_eq!(way.file_system(), folder);
        assert!(way.onwards().is_none());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn it_reads_the_table_of_this_system() {
        let found = |path| Way::to(Path::new(path)).file_system();
        let (proc, etc) = (found("/proc/self/maps"), found("/etc/x"));
        assert!(matches!(proc, FileSystem::Device(_)), "{proc:?}");
        assert_ne!(proc, etc);
    }
}
