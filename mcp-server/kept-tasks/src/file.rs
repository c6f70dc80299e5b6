//! The folder of tasks: one file each, whose time of change is the time at which it expires.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use uuid::Uuid;

use crate::record::TaskRecord;

/// The end of the name of a task's file. Whoever runs the task has the file locked, so that a task
/// whose process was killed is known by its lock.
const TASK: &str = "task";

/// The end of the name of a file that will take the place of a task's.
const DRAFT: &str = "draft";

/// A draft that was not touched for so long was left behind by a process that was killed: writing
/// the longest answer takes a second or two.
const WRITING: Duration = Duration::from_secs(60);

/// The folder of the tasks.
#[derive(Debug)]
pub(super) struct TaskFolder(PathBuf);

impl TaskFolder {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self(folder)
    }

    pub(super) fn path(&self, id: Uuid) -> PathBuf {
        self.0.join(format!("{}.{TASK}", id.simple()))
    }

    /// Makes the file of a new task, locked as long as the result lives.
    pub(super) fn create(&self, id: Uuid, record: &TaskRecord) -> io::Result<File> {
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder.create(&self.0)?;
        self.write(id, record)
    }

    /// Writes the file of a task, in the place of the one that there may be.
    pub(super) fn write(&self, id: Uuid, record: &TaskRecord) -> io::Result<File> {
        let draft = self.0.join(format!("{}.{DRAFT}", id.simple()));
        let mut options = File::options();
        let options = options.read(true).write(true).create(true).truncate(true);
        let mut file = options.mode(0o600).open(&draft)?;
        let written = (|| {
            file.try_lock()?;
            file.write_all(&record.to_bytes()?)?;
            file.set_modified(record.times.expiry())?;
            fs::rename(&draft, self.path(id))
        })();
        if written.is_err() {
            let _ = fs::remove_file(&draft);
        }
        written.map(|()| file)
    }

    /// The files of the tasks, and what was to become one.
    pub(super) fn files(&self) -> io::Result<Vec<PathBuf>> {
        let entries = match fs::read_dir(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let paths = entries.map(|entry| entry.map(|entry| entry.path()));
        paths.collect()
    }

    /// Removes a file that nobody has locked; says whether it did.
    pub(super) fn remove(&self, path: &Path) -> io::Result<bool> {
        let is_free = File::open(path)?.try_lock().is_ok();
        if is_free {
            fs::remove_file(path)?;
        }
        Ok(is_free)
    }
}

/// Whether the time of a task is over, or a draft was left behind.
pub(super) fn has_expired(path: &Path, now: SystemTime) -> io::Result<bool> {
    let changed = fs::metadata(path)?.modified()?;
    let is_draft = path.extension().is_some_and(|end| end == DRAFT);
    let grace = if is_draft { WRITING } else { Duration::ZERO };
    Ok(changed + grace <= now)
}
