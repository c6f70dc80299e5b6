//! Reading a kept result, block by block.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::counts::GrowingCounts;
use crate::draft_view::DraftView;
use crate::file::{ARROW, Record, ResultFacts, read_block, read_record};

/// A result that its owner has opened.
#[derive(Debug)]
pub struct KeptResult {
    source: Source,
    expires_in: Duration,
    counts: Arc<GrowingCounts>,
}

#[derive(Debug)]
enum Source {
    Complete(File, ResultFacts),
    Draft(Arc<DraftView>),
}

/// One block of a result, with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The number of the block, counted from 0.
    pub number: u64,
    /// The bytes of the block.
    pub bytes: Vec<u8>,
    /// Where it begins in the bytes of the whole result.
    pub offset: u64,
    /// The number of the first row that begins in it, counted from 0.
    pub first_row: u64,
    /// How many rows begin in it.
    pub rows: u32,
    /// Whether it begins within a row, which is longer than a block.
    pub continues_row: bool,
    /// The SHA-256 of its bytes, in hexadecimal digits.
    pub sha256: String,
    /// The number of the next block, if there is one.
    pub next: Option<u64>,
}

/// Why a block cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum UnreadBlock {
    /// The result has so many blocks and no more.
    #[error("the result has {blocks} blocks, counted from 0")]
    Beyond {
        /// How many blocks the result has.
        blocks: u64,
    },
    /// The result is still being written, and has so many blocks so far.
    #[error("the result is being written, and has {blocks} blocks so far")]
    NotYet {
        /// How many blocks it has so far.
        blocks: u64,
    },
    /// The disk does not give it.
    #[error("this server's disk does not give the block")]
    Disk(#[source] io::Error),
}

impl KeptResult {
    pub(crate) fn complete(file: File, facts: ResultFacts, expires_in: Duration) -> Self {
        Self {
            source: Source::Complete(file, facts),
            expires_in,
            counts: Arc::default(),
        }
    }

    pub(crate) fn of_draft(draft: Arc<DraftView>) -> Self {
        Self {
            expires_in: draft.expiry,
            source: Source::Draft(draft),
            counts: Arc::default(),
        }
    }

    /// The same, whose reads count here.
    pub(crate) fn counted_by(self, counts: &Arc<GrowingCounts>) -> Self {
        Self {
            counts: Arc::clone(counts),
            ..self
        }
    }

    pub(crate) fn owner(&self) -> Option<&str> {
        match &self.source {
            Source::Complete(_, facts) => facts.owner.as_deref(),
            Source::Draft(draft) => draft.owner.as_deref(),
        }
    }

    /// How long it is kept from now on.
    pub fn expires_in(&self) -> Duration {
        self.expires_in
    }

    /// The media type of its bytes.
    pub fn mime_type(&self) -> &str {
        match &self.source {
            Source::Complete(_, facts) => &facts.mime_type,
            Source::Draft(draft) => &draft.mime_type,
        }
    }

    /// Whether its blocks are text, whole characters each.
    pub fn is_text(&self) -> bool {
        self.mime_type() != ARROW
    }

    /// Its columns, as answers show them.
    pub fn columns(&self) -> &Value {
        match &self.source {
            Source::Complete(_, facts) => &facts.columns,
            Source::Draft(draft) => &draft.columns,
        }
    }

    /// The facts about the whole; `None` while it is being written.
    pub fn facts(&self) -> Option<&ResultFacts> {
        match &self.source {
            Source::Complete(_, facts) => Some(facts),
            Source::Draft(_) => None,
        }
    }

    /// How many blocks there are, so far where it is being written.
    pub fn blocks(&self) -> u64 {
        match &self.source {
            Source::Complete(_, facts) => facts.blocks,
            Source::Draft(draft) => draft.records().len() as u64,
        }
    }

    /// Reads the block of that number, counted from 0.
    ///
    /// # Errors
    /// There is no such block, not yet, or the disk does not give it ([`UnreadBlock`]).
    pub fn block(&self, number: u64) -> Result<Block, UnreadBlock> {
        let (file, record, has_next) = match &self.source {
            Source::Complete(file, facts) => {
                if number >= facts.blocks {
                    let blocks = facts.blocks;
                    return Err(UnreadBlock::Beyond { blocks });
                }
                let record = read_record(file, facts.bytes, number).map_err(UnreadBlock::Disk)?;
                (file, record, number + 1 < facts.blocks)
            }
            Source::Draft(draft) => {
                let records = draft.records();
                let record = usize::try_from(number)
                    .ok()
                    .and_then(|at| records.get(at).copied());
                let blocks = records.len() as u64;
                let record = record.ok_or(UnreadBlock::NotYet { blocks })?;
                // The last block of all is closed only when the result is finished.
                (&draft.file, record, true)
            }
        };
        let Record { cut, sha256 } = record;
        let bytes = read_block(file, &cut).map_err(UnreadBlock::Disk)?;
        self.counts.note_read();
        Ok(Block {
            number,
            bytes,
            offset: cut.offset,
            first_row: cut.first_row,
            rows: cut.rows,
            continues_row: cut.continues_row,
            sha256: hex::encode(sha256),
            next: has_next.then_some(number + 1),
        })
    }
}
