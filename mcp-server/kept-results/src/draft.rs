//! A result that is being written: block by block, until it is finished or given up.

use std::fs;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::NotKept;
use crate::cutting::Cut;
use crate::draft_view::DraftView;
use crate::file::{Record, ResultFacts, end_of_file};
use crate::folder::ResultFolder;
use crate::quota::{OverQuota, Share};
use crate::result_uri::ResultUri;

/// Offers may use this many hundredths of the quota: a crowd of small results that their callers
/// have already must leave room for one that has no other place.
const SHARE_OF_OFFERS: u64 = 50;

/// The reason for which a result is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The answer does not hold it: it is on the disk for good before anybody hears of it, and
    /// survives the machine.
    InsteadOfAnswer,
    /// The answer holds it too: it survives this process, and waits for no disk.
    BesideAnswer,
}

/// A finished result, as its caller hears of it.
#[derive(Debug, Clone, PartialEq)]
pub struct ResultHandle {
    /// The URI that it is read by, block by block.
    pub uri: ResultUri,
    /// The facts about all of it.
    pub facts: ResultFacts,
    /// How long it is kept from now on.
    pub expires_in: Duration,
}

/// A result that is being written. Dropping it removes it.
#[derive(Debug)]
pub struct ResultDraft {
    folder: Arc<ResultFolder>,
    id: Uuid,
    uri: ResultUri,
    path: PathBuf,
    view: Arc<DraftView>,
    purpose: Purpose,
    share: Share,
    sha256: Sha256,
}

impl ResultDraft {
    pub(crate) fn begin(
        folder: &Arc<ResultFolder>,
        purpose: Purpose,
        owner: Option<&str>,
        mime_type: &str,
        columns: Value,
    ) -> Result<Self, NotKept> {
        // Nobody can guess 122 random bits.
        let id = Uuid::new_v4();
        let node = folder.node().map_err(NotKept::Disk)?;
        let uri = ResultUri::new(node, id.simple().to_string());
        let (file, path) = folder.create(id).map_err(NotKept::Disk)?;
        let view = Arc::new(DraftView {
            file,
            owner: owner.map(ToOwned::to_owned),
            mime_type: mime_type.to_owned(),
            columns,
            expiry: folder.settings.expiry,
            records: Mutex::default(),
        });
        folder.drafts().insert(id, Arc::clone(&view));
        let share = match purpose {
            Purpose::InsteadOfAnswer => 100,
            Purpose::BesideAnswer => SHARE_OF_OFFERS,
        };
        Ok(Self {
            share: Share::of(&folder.quota, share),
            folder: Arc::clone(folder),
            id,
            uri,
            path,
            view,
            purpose,
            sha256: Sha256::new(),
        })
    }

    /// The URI that the result is read by, its first blocks already while the others are written.
    pub fn uri(&self) -> &ResultUri {
        &self.uri
    }

    /// How many blocks it has so far.
    pub fn blocks(&self) -> usize {
        self.view.records().len()
    }

    /// Writes the next block, after which another one comes.
    pub(crate) fn append(&mut self, cut: Cut, bytes: &[u8]) -> Result<(), NotKept> {
        let written = self.write(cut, bytes);
        let record = written.inspect_err(|why| self.folder.counts.note_refused(why))?;
        self.view.records().push(record);
        Ok(())
    }

    /// Writes the last block and makes the result last. Where it has to survive the machine this
    /// waits for the disk; where it fails the result is removed.
    pub(crate) fn finish(self, cut: Cut, bytes: &[u8], rows: u64) -> Result<ResultHandle, NotKept> {
        let counts = Arc::clone(&self.folder.counts);
        let finished = self.write_end(cut, bytes, rows);
        match &finished {
            Ok(_) => counts.note_kept(),
            Err(why) => counts.note_refused(why),
        }
        finished
    }

    fn write_end(mut self, cut: Cut, bytes: &[u8], rows: u64) -> Result<ResultHandle, NotKept> {
        let last = self.write(cut, bytes)?;
        // Whoever reads the draft never sees the last block, and so never a next one that is none.
        let mut records = self.view.records().clone();
        records.push(last);
        let facts = ResultFacts {
            owner: self.view.owner.clone(),
            mime_type: self.view.mime_type.clone(),
            columns: self.view.columns.clone(),
            rows,
            bytes: cut.end,
            blocks: records.len() as u64,
            sha256: hex::encode(self.sha256.clone().finalize()),
        };
        let end = end_of_file(&records, &facts).map_err(NotKept::Disk)?;
        self.take(end.len() as u64)?;
        self.complete(&end, cut.end).map_err(NotKept::Disk)?;
        self.share.keep();
        Ok(ResultHandle {
            uri: self.uri.clone(),
            facts,
            expires_in: self.view.expiry,
        })
    }

    fn write(&mut self, cut: Cut, bytes: &[u8]) -> Result<Record, NotKept> {
        self.take(bytes.len() as u64)?;
        let written = self.view.file.write_all_at(bytes, cut.offset);
        written.map_err(NotKept::Disk)?;
        self.folder.counts.note_written();
        self.sha256.update(bytes);
        let sha256 = Sha256::digest(bytes).into();
        Ok(Record { cut, sha256 })
    }

    fn complete(&self, end: &[u8], bytes: u64) -> io::Result<()> {
        let file = &self.view.file;
        file.write_all_at(end, bytes)?;
        file.set_modified(SystemTime::now() + self.view.expiry)?;
        match self.purpose {
            Purpose::BesideAnswer => self.folder.complete(self.id),
            Purpose::InsteadOfAnswer => {
                file.sync_all()?;
                self.folder.complete(self.id)?;
                self.folder.sync_folder()
            }
        }
    }

    fn take(&mut self, bytes: u64) -> Result<(), NotKept> {
        let room = (self.folder.room)(&self.folder.settings.folder).map_err(NotKept::Disk)?;
        if !room.takes(bytes) {
            return Err(NotKept::DiskNearlyFull);
        }
        self.share.take(bytes).map_err(|over| match over {
            OverQuota::One => NotKept::TooLarge {
                most: self.folder.quota.most_of_one(),
            },
            OverQuota::All => NotKept::QuotaUsed {
                most: self.folder.settings.quota,
            },
        })
    }
}

impl Drop for ResultDraft {
    fn drop(&mut self) {
        self.folder.drafts().remove(&self.id);
        // A finished one has another name already.
        let _ = fs::remove_file(&self.path);
    }
}
