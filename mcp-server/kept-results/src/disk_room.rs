//! The room on the disk that results leave to everyone else.

use std::io;
use std::path::Path;

/// Results leave a twentieth of the disk free: databases and logs on it need room to end in order.
const SHARE_LEFT: u64 = 20;

/// On large disks a twentieth is more than anybody needs for that.
const MOST_LEFT: u64 = 1 << 30;

/// The bytes of a disk, and those of them that this process may still use.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DiskRoom {
    pub(crate) size: u64,
    pub(crate) free: u64,
}

impl DiskRoom {
    /// The room on the disk of this folder.
    pub(crate) fn of(folder: &Path) -> io::Result<Self> {
        let facts = rustix::fs::statvfs(folder)?;
        Ok(Self {
            size: facts.f_blocks.saturating_mul(facts.f_frsize),
            free: facts.f_bavail.saturating_mul(facts.f_frsize),
        })
    }

    /// Whether enough is left once so many bytes more are written. A file system that does not tell
    /// its size takes everything, until it refuses.
    pub(crate) fn takes(self, bytes: u64) -> bool {
        let left = (self.size / SHARE_LEFT).min(MOST_LEFT);
        self.size == 0 || self.free >= left.saturating_add(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_leaves_a_twentieth_of_a_small_disk_and_a_gibibyte_of_a_large_one() {
        for (size, free, bytes, takes) in [
            (1_000, 60, 10, true),
            (1_000, 60, 11, false),
            (1_000, 0, 0, false),
            (1 << 40, (1 << 30) + 1, 1, true),
            (1 << 40, 1 << 30, 1, false),
            (0, 0, 1 << 30, true),
        ] {
            let room = DiskRoom { size, free };
            assert_eq!(room.takes(bytes), takes, "{room:?} {bytes}");
        }
    }

    #[test]
    fn it_knows_the_room_of_a_folder() {
        let folder = tempfile::tempdir().expect("a disk");
        let room = DiskRoom::of(folder.path()).expect("it is there");
        assert!(room.free <= room.size, "{room:?}");
        assert!(DiskRoom::of(&folder.path().join("none")).is_err());
    }
}
