//! The lock by which one process at a time leads on a SQLite file. The system gives it back however
//! the process ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A file beside the store that whoever leads keeps locked. It is not the store's own file: closing
/// that once more would give back the locks that SQLite has on it.
#[derive(Debug)]
pub(crate) struct FileLock {
    path: PathBuf,
    held: Mutex<Option<File>>,
}

impl FileLock {
    /// The lock of the store in `file`, by whatever link that is reached.
    pub(super) fn of(file: &Path) -> io::Result<Self> {
        let mut path = file.canonicalize()?.into_os_string();
        path.push(".lock");
        Ok(Self {
            path: path.into(),
            held: Mutex::default(),
        })
    }

    /// Takes the lock, unless another process has it. Tells whether this one has it.
    pub(super) fn take(&self) -> io::Result<bool> {
        let mut held = self.held();
        if held.is_some() {
            return Ok(true);
        }
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&self.path)?;
        match file.try_lock() {
            Ok(()) => {
                *held = Some(file);
                Ok(true)
            }
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Lets another process take the lock.
    pub(super) fn give_back(&self) {
        self.held().take();
    }

    fn held(&self) -> MutexGuard<'_, Option<File>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
