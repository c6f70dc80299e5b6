//! At most one `portcullis up` for each data folder: a lock that the kernel drops with the process,
//! and who holds it.

use std::fs::{DirBuilder, File};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use anyhow::Context;
use rustix::fs::{FlockOperation, flock};

const LOCK: &str = "up.lock";

/// The lock of a data folder, ours as long as the value lives.
#[derive(Debug)]
pub(crate) struct Running {
    _lock: File,
}

/// Tells who has the lock of a data folder.
#[derive(Debug)]
pub(crate) enum Claim {
    /// This process has it now.
    Ours(Running),
    /// The process with this number does.
    Theirs(i32),
}

/// Takes the lock of the folder, or tells who has it. A lock whose process is dead is free,
/// whatever the file says.
pub(crate) fn claim(data: &Path) -> anyhow::Result<Claim> {
    make_data_folder(data).with_context(|| {
        format!(
            "cannot make the folder `{}`: name another one in PORTCULLIS_DATA",
            data.display()
        )
    })?;
    let path = data.join(LOCK);
    let mut lock = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .with_context(|| {
            format!(
                "cannot write `{}`: name another folder in PORTCULLIS_DATA",
                path.display()
            )
        })?;
    if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
        return Ok(Claim::Theirs(read_pid(&mut lock)?));
    }
    lock.set_len(0)?;
    writeln!(lock, "{}", std::process::id())?;
    Ok(Claim::Ours(Running { _lock: lock }))
}

/// A new one can be listed by its owner alone, and passed through by PostgreSQL's user, whose
/// folder is in it.
fn make_data_folder(data: &Path) -> std::io::Result<()> {
    if data.is_dir() {
        return Ok(());
    }
    if let Some(parent) = data.parent() {
        std::fs::create_dir_all(parent)?;
    }
    DirBuilder::new().mode(0o711).create(data)
}

/// The process that has the lock of the folder now.
pub(crate) fn holder(data: &Path) -> anyhow::Result<Option<i32>> {
    let Ok(mut lock) = File::open(data.join(LOCK)) else {
        return Ok(None);
    };
    if flock(&lock, FlockOperation::NonBlockingLockShared).is_ok() {
        return Ok(None);
    }
    read_pid(&mut lock).map(Some)
}

/// Whether that process still has the lock of the folder; another one may have taken it at once.
pub(crate) fn is_held_by(data: &Path, process: i32) -> bool {
    // One that has not written its number yet is another one.
    matches!(holder(data), Ok(Some(holder)) if holder == process)
}

fn read_pid(lock: &mut File) -> anyhow::Result<i32> {
    let mut text = String::new();
    lock.rewind()?;
    lock.read_to_string(&mut text)?;
    text.trim()
        .parse()
        .context("another `portcullis up` is just starting")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_tells_a_second_claim_who_has_the_first() {
        let data = tempfile::tempdir().unwrap();
        let Claim::Ours(running) = claim(data.path()).unwrap() else {
            panic!("not ours")
        };
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(matches!(claim(data.path()).unwrap(), Claim::Theirs(pid) if pid == own));
        assert_eq!(holder(data.path()).unwrap(), Some(own));
        assert!(is_held_by(data.path(), own) && !is_held_by(data.path(), own + 1));
        std::fs::write(data.path().join(LOCK), "").unwrap();
        assert!(!is_held_by(data.path(), own), "it is just starting");
        drop(running);
        assert_eq!(holder(data.path()).unwrap(), None);
    }

    #[test]
    fn it_takes_no_notice_of_what_a_dead_process_wrote() {
        let data = tempfile::tempdir().unwrap();
        std::fs::write(data.path().join(LOCK), "1\n").unwrap();
        assert_eq!(holder(data.path()).unwrap(), None);
        assert!(matches!(claim(data.path()).unwrap(), Claim::Ours(_)));
    }
}
