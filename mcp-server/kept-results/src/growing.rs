//! The bytes of a result while it grows: in memory as long as an answer can hold them, on the disk
//! from then on.

use std::fmt;
use std::sync::Arc;

use results::{Column, OversizedCell, Truncation};

use crate::aside::aside;
use crate::cutting::{Cut, Cutter};
use crate::{KeptResults, NotKept, Purpose, ResultDraft, ResultHandle, ResultUri};

/// How large a result and its blocks may become before something else happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockLimits {
    /// The most bytes of a result that goes into the answer as a whole.
    pub answer_bytes: u64,
    /// The most bytes of a block.
    pub block_bytes: usize,
    /// The most bytes of a block of a result that goes into the answer too: for a model, which has
    /// to read the block as a whole.
    pub offered_block_bytes: usize,
    /// The most rows of a block, where the caller has said.
    pub block_rows: Option<u32>,
}

impl BlockLimits {
    /// Of a result that must fit its answer, for which other limits hold.
    const NONE: Self = Self {
        answer_bytes: u64::MAX,
        block_bytes: usize::MAX,
        offered_block_bytes: usize::MAX,
        block_rows: None,
    };
}

/// Where a result is kept that outgrows its answer, and who hears of it.
#[derive(Clone)]
pub struct Keeping {
    /// The store that keeps it.
    pub store: Arc<KeptResults>,
    /// Under whom it is kept.
    pub owner: Option<String>,
    /// The limits that decide.
    pub limits: BlockLimits,
    /// Hears of every block that can be read before the whole is there.
    pub listener: Option<BlockListener>,
}

impl fmt::Debug for Keeping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keeping({:?})", self.limits)
    }
}

/// How a result ended, wherever its rows went.
#[derive(Debug, Default)]
pub struct GrownResult {
    /// How many rows the answer can hold: all of them, or the first.
    pub first_rows: u64,
    /// How many rows the statement gave, as far as they were read.
    pub rows: u64,
    /// The limit that cut the result, where rows are lost.
    pub truncation: Option<Truncation>,
    /// The cell that keeps the next row out, where one does.
    pub oversized: Option<OversizedCell>,
    /// Where all rows are kept.
    pub handle: Option<ResultHandle>,
    /// Why they are not, where they were to be.
    pub not_kept: Option<NotKept>,
}

/// Hears of the blocks of a result while it is written.
pub type BlockListener = Arc<dyn Fn(BlocksSoFar) + Send + Sync>;

/// The blocks that can be read while the rest of a result is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlocksSoFar {
    /// The URI of the result.
    pub uri: ResultUri,
    /// How many blocks there are.
    pub blocks: usize,
    /// How many bytes they have.
    pub bytes: u64,
}

/// Where blocks of one size end.
#[derive(Debug)]
struct BlockPlan {
    cutter: Cutter,
    cuts: Vec<Cut>,
}

impl BlockPlan {
    fn new(bytes: usize, rows: Option<u32>) -> Self {
        Self {
            cutter: Cutter::new(bytes, rows),
            cuts: Vec::new(),
        }
    }
}

/// The bytes of a result while it grows.
#[derive(Debug)]
pub(crate) struct GrowingBytes {
    /// Where it is kept; nowhere, where it must fit its answer.
    keeping: Option<Keeping>,
    answer_bytes: u64,
    mime_type: &'static str,
    columns: Vec<Column>,
    /// The bytes that are not on the disk.
    bytes: Vec<u8>,
    /// How many bytes are on the disk.
    on_disk: u64,
    blocks: BlockPlan,
    /// The plan for a result that its answer holds too; none once it has outgrown that.
    offered: Option<BlockPlan>,
    draft: Option<ResultDraft>,
    not_kept: Option<NotKept>,
}

impl GrowingBytes {
    pub(crate) fn new(keeping: Option<Keeping>, mime_type: &'static str) -> Self {
        let limits = keeping
            .as_ref()
            .map_or(BlockLimits::NONE, |keeping| keeping.limits);
        Self {
            answer_bytes: limits.answer_bytes,
            keeping,
            mime_type,
            columns: Vec::new(),
            bytes: Vec::new(),
            on_disk: 0,
            blocks: BlockPlan::new(limits.block_bytes, limits.block_rows),
            offered: Some(BlockPlan::new(
                limits.offered_block_bytes,
                limits.block_rows,
            )),
            draft: None,
            not_kept: None,
        }
    }

    pub(crate) fn set_columns(&mut self, columns: &[Column]) {
        self.columns = columns.to_vec();
    }

    pub(crate) fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Takes the bytes that come next; [`GrowingBytes::settle`] sees to them.
    pub(crate) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// The bytes from this place on, which must be in memory still.
    pub(crate) fn since(&self, place: u64) -> Option<&[u8]> {
        let start = usize::try_from(place.checked_sub(self.on_disk)?).ok()?;
        self.bytes.get(start..)
    }

    /// How many bytes the result has.
    pub(crate) fn length(&self) -> u64 {
        self.on_disk + self.bytes.len() as u64
    }

    /// Whether all of it is in memory, and may stay there.
    pub(crate) fn fits_answer(&self) -> bool {
        self.on_disk == 0 && self.draft.is_none() && self.length() <= self.answer_bytes
    }

    /// Whether it may be kept at all.
    pub(crate) fn may_be_kept(&self) -> bool {
        self.keeping.is_some() && self.not_kept.is_none()
    }

    /// Rows that stay together begin here.
    pub(crate) fn begin_rows(&mut self, rows: u32) {
        let at = self.length();
        for plan in [Some(&mut self.blocks), self.offered.as_mut()]
            .into_iter()
            .flatten()
        {
            plan.cuts.extend(plan.cutter.begin_rows(at, rows));
        }
    }

    /// Cuts what has come into blocks and writes those that are to be written.
    pub(crate) fn settle(&mut self) {
        if self.not_kept.is_some() {
            self.on_disk += self.bytes.len() as u64;
            self.bytes = Vec::new();
            return;
        }
        let end = self.length();
        let floor = |place: u64| floor_of_character(&self.bytes, self.on_disk, place);
        for plan in [Some(&mut self.blocks), self.offered.as_mut()]
            .into_iter()
            .flatten()
        {
            while let Some(cut) = plan.cutter.grow(end, floor) {
                plan.cuts.push(cut);
            }
        }
        let is_due = self.draft.is_none() || !self.blocks.cuts.is_empty();
        if end > self.answer_bytes
            && is_due
            && let Err(not_kept) = aside(|| self.write_blocks())
        {
            self.give_up(not_kept);
        }
    }

    fn give_up(&mut self, not_kept: NotKept) {
        tell_operator(&not_kept);
        self.draft = None;
        self.not_kept = Some(not_kept);
    }

    fn begin(&self, purpose: Purpose) -> Result<ResultDraft, NotKept> {
        let Some(Keeping { store, owner, .. }) = &self.keeping else {
            return Err(NotKept::NotAsked);
        };
        let columns = serde_json::to_value(&self.columns).unwrap_or_default();
        store.begin(purpose, owner.as_deref(), self.mime_type, columns)
    }

    fn write_blocks(&mut self) -> Result<(), NotKept> {
        let draft = match &mut self.draft {
            Some(draft) => draft,
            None => {
                self.offered = None;
                self.draft.insert(self.begin(Purpose::InsteadOfAnswer)?)
            }
        };
        if self.blocks.cuts.is_empty() {
            return Ok(());
        }
        let mut written = self.on_disk;
        for cut in self.blocks.cuts.drain(..) {
            let bytes = part_of(&self.bytes, self.on_disk, &cut);
            draft.append(cut, bytes)?;
            written = cut.end;
        }
        let done = usize::try_from(written - self.on_disk).unwrap_or(usize::MAX);
        // What was gathered for an answer needs no such place any more.
        self.bytes = self.bytes.split_off(done.min(self.bytes.len()));
        self.on_disk = written;
        let listener = self
            .keeping
            .as_ref()
            .and_then(|keeping| keeping.listener.as_ref());
        if let Some(listener) = listener {
            listener(BlocksSoFar {
                uri: draft.uri().clone(),
                blocks: draft.blocks(),
                bytes: written,
            });
        }
        Ok(())
    }

    /// Ends the result: makes it last where it has outgrown its answer, and keeps it beside the
    /// answer where it is `offered`. What is in memory is given back.
    pub(crate) fn finish(
        mut self,
        rows: u64,
        offered: bool,
    ) -> (Vec<u8>, Result<Option<ResultHandle>, NotKept>) {
        if let Some(not_kept) = self.not_kept.take() {
            return (self.bytes, Err(not_kept));
        }
        let end = self.length();
        let Some(draft) = self.draft.take() else {
            let handle = match offered {
                true => self.offer(end, rows),
                false => None,
            };
            return (self.bytes, Ok(handle));
        };
        let last = self.blocks.cutter.finish(end);
        let finished = draft.finish(last, part_of(&self.bytes, self.on_disk, &last), rows);
        let finished = finished.inspect_err(tell_operator);
        (Vec::new(), finished.map(Some))
    }

    /// Keeps a result that its answer holds too. Where that cannot be had nobody misses it.
    fn offer(&mut self, end: u64, rows: u64) -> Option<ResultHandle> {
        let mut plan = self.offered.take()?;
        let last = plan.cutter.finish(end);
        let keep = || {
            let mut draft = self.begin(Purpose::BesideAnswer)?;
            for cut in &plan.cuts {
                draft.append(*cut, part_of(&self.bytes, 0, cut))?;
            }
            draft.finish(last, part_of(&self.bytes, 0, &last), rows)
        };
        let kept = keep();
        kept.inspect_err(|not_kept| tracing::debug!(%not_kept, "a result is not offered in blocks"))
            .ok()
    }
}

/// Writes into the log that the disk keeps results from being kept.
fn tell_operator(not_kept: &NotKept) {
    match not_kept {
        NotKept::Disk(error) => {
            tracing::warn!(%error, "a result cannot be kept on this server's disk");
        }
        NotKept::DiskNearlyFull => tracing::warn!("a result is not kept: {not_kept}"),
        _ => {}
    }
}

/// The bytes of a block, all of which are in memory.
fn part_of<'a>(bytes: &'a [u8], on_disk: u64, cut: &Cut) -> &'a [u8] {
    let place = |at: u64| usize::try_from(at - on_disk).unwrap_or(usize::MAX);
    bytes
        .get(place(cut.offset)..place(cut.end))
        .unwrap_or_default()
}

/// The last place, up to this one, between two characters of UTF-8; the place itself in what is
/// none.
fn floor_of_character(bytes: &[u8], on_disk: u64, place: u64) -> u64 {
    let is_within = |at: u64| {
        let byte = usize::try_from(at - on_disk)
            .ok()
            .and_then(|at| bytes.get(at));
        byte.is_some_and(|byte| byte & 0b1100_0000 == 0b1000_0000)
    };
    let places = (place.saturating_sub(3).max(on_disk + 1)..=place).rev();
    let mut places = places.filter(|at| !is_within(*at));
    places.next().unwrap_or(place)
}
