//! Copies of a store, while it is in use: into a file, and from one.
//!
//! A backup is a SQLite store of today's layout, whatever database it was taken from. So it can be
//! restored into either, and brought to a later layout by the steps that any store takes.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use futures::StreamExt as _;
use thiserror::Error;

use super::retention::DeletableRevisions;
use super::tables::TABLES;
use super::{SqlStore, audit, natural};
use crate::database::Session;
use crate::{AuditEntry, OpenError, RevisionNumber, StoreError};

/// A backup was not made, or not restored; nothing has changed then.
#[derive(Debug, Error)]
pub enum BackupError {
    /// There is a file of that name.
    #[error("`{}` is there already: name another file, or move it away", .0.display())]
    Exists(PathBuf),
    /// There is no file of that name.
    #[error("there is no backup `{}`", .0.display())]
    Missing(PathBuf),
    /// The store is in use.
    #[error(
        "the configuration store holds revisions up to {0}: `--replace` puts the backup in their \
         place; take a backup of them first"
    )]
    NotEmpty(i64),
    /// The backup holds nothing.
    #[error("the backup `{}` holds no revision", .0.display())]
    Empty(PathBuf),
    /// A file cannot be read or written.
    #[error("cannot copy to or from `{}`", path.display())]
    File {
        /// The path of the file.
        path: PathBuf,
        /// The operating system's own error.
        source: io::Error,
    },
    /// The file is no backup, or one that this version cannot read.
    #[error("`{}` is no backup that can be read: {reason}", path.display())]
    Unreadable {
        /// The path of the file.
        path: PathBuf,
        /// The sentence that says why.
        reason: String,
    },
    /// The file of a new backup could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A store could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl SqlStore {
    /// Copies everything in this store into the new file `path`, as it is at one moment; writers
    /// do not wait. The file is complete or not there. Tells how many rows were copied.
    ///
    /// # Errors
    /// When `path` is there already or cannot be written, or the store cannot be read.
    pub async fn back_up(&self, path: &Path) -> Result<u64, BackupError> {
        if path.exists() {
            return Err(BackupError::Exists(path.to_owned()));
        }
        let failed = |source| BackupError::File {
            path: path.to_owned(),
            source,
        };
        // What an attempt left that was killed is of no use.
        let partial = PartialFile::of(path).map_err(failed)?;
        let backup = Self::open(partial.file()).await?;
        let mut from = self.read("read the store for a backup").await?;
        from.take_its_time().await?;
        let mut to = backup.write("write the backup").await?;
        let rows = copy(&mut from, &mut to).await?;
        to.commit().await?;
        from.commit().await?;
        backup.0.database.close_as_one_file().await?;
        partial.become_whole(path).map_err(failed)?;
        Ok(rows)
    }

    /// Puts what the backup `path` holds into this store, all or nothing; where `replace` is set,
    /// in the place of what is there. A control plane that runs on the store starts anew from what
    /// was restored. The audit trail says so, as the deed of `by` about the newest revision of the
    /// backup, with the newest that gave way. Tells how many rows were copied.
    ///
    /// # Errors
    /// When the backup cannot be read, or the store cannot be written or is not empty.
    pub async fn restore(
        &self,
        path: &Path,
        replace: bool,
        by: &AuditEntry,
    ) -> Result<u64, BackupError> {
        if !path.exists() {
            return Err(BackupError::Missing(path.to_owned()));
        }
        let failed = |source| BackupError::File {
            path: path.to_owned(),
            source,
        };
        // A copy is brought to today's layout; the backup stays as it is.
        let copied = ScratchFolder::new().map_err(|source| BackupError::File {
            path: std::env::temp_dir(),
            source,
        })?;
        let file = copied.0.join("backup.db");
        fs::copy(path, &file).map_err(failed)?;
        let backup = Self::open(file.as_path()).await;
        let backup = backup.map_err(|error| BackupError::Unreadable {
            path: path.to_owned(),
            reason: reason_of(error),
        })?;
        let mut from = backup.read("read the backup").await?;
        let (mut to, leader) = self.0.database.write("restore the backup").await?;
        to.take_its_time().await?;
        let restored = newest(&mut from).await?;
        let restored = restored.ok_or_else(|| BackupError::Empty(path.to_owned()))?;
        let gone = newest(&mut to).await?;
        if let Some(number) = gone.filter(|_| !replace) {
            return Err(BackupError::NotEmpty(number));
        }
        let deletable = DeletableRevisions::within(&mut to).await?;
        for table in TABLES.iter().rev() {
            to.execute(table.clear(), &[]).await?;
        }
        deletable.end(&mut to).await?;
        let rows = copy(&mut from, &mut to).await?;
        to.continue_numbering().await?;
        let gone = gone.map(|number| format!(" in the place of those up to {number}"));
        let about = format!("versions up to {restored}{}", gone.unwrap_or_default());
        let by = AuditEntry {
            revision: Some(RevisionNumber(natural("revision number", restored)?)),
            ..by.clone()
        };
        audit::insert_deed(&mut to, &by, &about).await?;
        // Whoever leads is not to go on with what it remembers.
        let token = leader.number("token")? + 1;
        to.execute("UPDATE leader SET token = $1, ends_at = 0", &[token.into()])
            .await?;
        to.announce().await?;
        to.commit().await?;
        from.commit().await?;
        backup.close().await;
        Ok(rows)
    }
}

/// The reason why the copy of a backup cannot be opened, without the name of that.
fn reason_of(error: OpenError) -> String {
    match error {
        OpenError::Damaged { detail, .. } => detail,
        OpenError::Layout { source, .. } => {
            format!("another version of this program wrote it ({source}); restore it with that one")
        }
        OpenError::Newer { needs, known, .. } => format!(
            "a later version of this program wrote it (it needs layout {needs}, and this version \
             knows {known}); restore it with that one"
        ),
        OpenError::Inaccessible { source, .. } => source.to_string(),
        OpenError::Unreachable { source, .. } => source.to_string(),
        // None of these is about a file that holds a store.
        other @ (OpenError::AddressFile { .. }
        | OpenError::NoAddress(_)
        | OpenError::Address(_)) => other.to_string(),
    }
}

async fn newest(session: &mut Session) -> Result<Option<i64>, StoreError> {
    let row = session
        .row(
            "SELECT number FROM revision ORDER BY number DESC LIMIT 1",
            &[],
        )
        .await?;
    row.map(|row| row.number("number")).transpose()
}

/// Copies every row of every table.
async fn copy(from: &mut Session, to: &mut Session) -> Result<u64, StoreError> {
    let mut copied = 0;
    for table in &TABLES {
        let mut rows = from.stream(table.select());
        while let Some(row) = rows.next().await {
            let cells = table.cells(&row?)?;
            let values: Vec<_> = cells.iter().map(|cell| cell.value()).collect();
            copied += to.execute(table.insert(), &values).await?;
        }
    }
    Ok(copied)
}

/// A file that is not complete yet, beside the place where it will be.
struct PartialFile(PathBuf);

impl PartialFile {
    fn of(path: &Path) -> io::Result<Self> {
        let mut folder = path.as_os_str().to_owned();
        folder.push(".partial");
        let folder = PathBuf::from(folder);
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        DirBuilder::new().mode(0o700).create(&folder)?;
        Ok(Self(folder))
    }

    fn file(&self) -> PathBuf {
        self.0.join("backup.db")
    }

    /// Gives the file its name, once the disk has it.
    fn become_whole(self, path: &Path) -> io::Result<()> {
        File::open(self.file())?.sync_all()?;
        fs::rename(self.file(), path)?;
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }
}

impl Drop for PartialFile {
    fn drop(&mut self) {
        // Where it stays, the next attempt removes it.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A folder for this user's eyes, removed when it is dropped.
struct ScratchFolder(PathBuf);

impl ScratchFolder {
    fn new() -> io::Result<Self> {
        let at = time::OffsetDateTime::now_utc().unix_timestamp_nanos();
        let name = format!("portcullis-restore-{}-{at}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        DirBuilder::new().mode(0o700).create(&folder)?;
        Ok(Self(folder))
    }
}

impl Drop for ScratchFolder {
    fn drop(&mut self) {
        // Where it stays, whoever clears the temporary folder removes it.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_names_no_copy_where_it_says_what_is_wrong_with_a_backup() {
        let copy = || "/tmp/copy/backup.db".to_owned();
        for error in [
            OpenError::Damaged {
                path: copy().into(),
                detail: "it is torn".to_owned(),
            },
            OpenError::Newer {
                store: copy(),
                needs: 9,
                known: 8,
            },
            OpenError::Inaccessible {
                path: copy().into(),
                source: io::ErrorKind::StorageFull.into(),
            },
            OpenError::Unreachable {
                store: copy(),
                source: sqlx::Error::RowNotFound,
            },
        ] {
            let reason = reason_of(error);
            assert!(!reason.is_empty() && !reason.contains("copy"), "{reason}");
        }
    }
}
