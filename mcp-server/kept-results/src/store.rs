//! Kept results: how they are found, and how they are taken back.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use uuid::Uuid;

use crate::NotKept;
use crate::counts::ResultCounts;
use crate::draft::{Purpose, ResultDraft};
use crate::file::read_facts;
use crate::folder::{COMPLETE, KeptResultsSettings, ResultFolder, UNFINISHED};
use crate::reading::KeptResult;
use crate::result_uri::ResultUri;

/// The results that are kept on this server's disk. Several processes may share the folder.
#[derive(Debug)]
pub struct KeptResults {
    pub(crate) folder: Arc<ResultFolder>,
}

/// No result has this name, or it is another caller's, or it has expired: nobody learns which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no such result: it has expired, or never was")]
pub struct UnknownResult;

impl KeptResults {
    /// Prepares the store without looking at the disk.
    pub fn new(settings: KeptResultsSettings) -> Self {
        Self {
            folder: Arc::new(ResultFolder::new(settings)),
        }
    }

    /// Begins a result of this owner.
    ///
    /// # Errors
    /// The quota or the disk has no room for it, or the disk refuses its file ([`NotKept`]).
    pub fn begin(
        &self,
        purpose: Purpose,
        owner: Option<&str>,
        mime_type: &str,
        columns: serde_json::Value,
    ) -> Result<ResultDraft, NotKept> {
        ResultDraft::begin(&self.folder, purpose, owner, mime_type, columns)
            .inspect_err(|why| self.folder.counts.note_refused(why))
    }

    /// Finds a result of this owner by its URI, or by that of one of its blocks.
    ///
    /// # Errors
    /// No result has this name, it is another owner's, or it has expired ([`UnknownResult`]).
    pub fn open(&self, uri: &ResultUri, owner: Option<&str>) -> Result<KeptResult, UnknownResult> {
        let id: Uuid = uri.id().parse().map_err(|_| UnknownResult)?;
        // A result has one URI, however many spellings a UUID has: whoever keeps account of what
        // was read, or may be, goes by its text.
        let is_spelt_so = id.simple().to_string() == uri.id();
        if !is_spelt_so || self.folder.node().ok() != Some(uri.node()) {
            return Err(UnknownResult);
        }
        // A draft leaves this map after its file has its name: it is found in one or the other.
        let draft = self.folder.drafts().get(&id).map(Arc::clone);
        let found = match draft {
            Some(draft) => KeptResult::of_draft(draft),
            None => self.complete(id).ok_or(UnknownResult)?,
        };
        match found.owner() == owner {
            true => Ok(found.counted_by(&self.folder.counts)),
            false => Err(UnknownResult),
        }
    }

    fn complete(&self, id: Uuid) -> Option<KeptResult> {
        let file = File::open(self.folder.path(id, COMPLETE)).ok()?;
        let expires = file.metadata().and_then(|facts| facts.modified()).ok()?;
        let expires_in = expires.duration_since(SystemTime::now()).ok()?;
        match read_facts(&file) {
            Ok(facts) => Some(KeptResult::complete(file, facts, expires_in)),
            Err(error) => {
                tracing::warn!(%error, %id, "a kept result cannot be read");
                None
            }
        }
    }

    /// Removes what has expired and what killed processes have left half written, and counts the
    /// bytes of the rest. What cannot be removed is logged and counts.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn sweep(&self) -> io::Result<()> {
        let entries = match fs::read_dir(&self.folder.settings.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        let now = SystemTime::now();
        let mut used = 0;
        for entry in entries {
            let path = entry?.path();
            let is_over = match path.extension().and_then(|end| end.to_str()) {
                Some(COMPLETE) => has_expired(&path, now),
                Some(UNFINISHED) => is_left_behind(&path),
                _ => continue,
            };
            let removed = is_over.and_then(|is_over| match is_over {
                true => fs::remove_file(&path).map(|()| true),
                false => Ok(false),
            });
            match removed {
                Ok(true) => continue,
                Ok(false) => {}
                // Another process has removed it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => {
                    let path = path.display();
                    tracing::warn!(%error, %path, "an old result cannot be removed");
                }
            }
            used += fs::metadata(&path).map_or(0, |facts| facts.len());
        }
        self.folder.quota.set_used(used);
        Ok(())
    }

    /// How often to sweep: often enough that what has expired takes no place for long.
    pub fn sweep_interval(&self) -> Duration {
        let expiry = self.folder.settings.expiry;
        (expiry / 4).clamp(Duration::from_millis(100), Duration::from_secs(60))
    }

    /// How many results were kept, read and refused since this process started.
    pub fn counts(&self) -> ResultCounts {
        self.folder.counts.now()
    }

    /// The bytes that results have on the disk now.
    pub fn bytes(&self) -> u64 {
        self.folder.quota.used()
    }
}

fn has_expired(path: &Path, now: SystemTime) -> io::Result<bool> {
    Ok(fs::metadata(path)?.modified()? <= now)
}

fn is_left_behind(path: &Path) -> io::Result<bool> {
    Ok(File::open(path)?.try_lock().is_ok())
}

#[cfg(test)]
mod tests;
