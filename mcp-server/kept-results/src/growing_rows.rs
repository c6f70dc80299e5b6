//! Rows as lines of JSON or as CSV: in the answer while they are few, on the disk when they are
//! many.

use results::{
    Cell, CellPart, Column, Limits, OversizedCell, Room, RowForm, RowSink, RowWriter, SinkError,
    TextForModels, Truncation,
};

use crate::growing::{GrowingBytes, GrownResult, Keeping};

/// A cell longer than this need not wait for the end of its row to go to the disk.
const LONG_CELL: usize = 64 << 10;

/// Rows of any number, with a model's text beside them.
#[derive(Debug)]
pub struct GrowingRows {
    writer: RowWriter,
    /// The limits that hold where nothing can be kept.
    limits: Limits,
    bytes: GrowingBytes,
    text: TextForModels,
    rows: u64,
    row: Option<RowSoFar>,
    first: FirstRows,
}

/// The row that is being written.
#[derive(Debug)]
struct RowSoFar {
    start: u64,
    cells: usize,
    /// The place of its longest cell, and the bytes of that.
    longest: (usize, usize),
}

/// The first rows, which an answer may hold whatever becomes of the others.
#[derive(Debug, Default)]
struct FirstRows {
    /// Their bytes, once these are no longer in memory as the beginning of all.
    copied: Option<Vec<u8>>,
    bytes: usize,
    rows: u64,
    /// The bytes and the number of those that the text shows.
    shown: (usize, u64),
    /// The limit that ended them, and the cell that is to blame.
    end: Option<(Truncation, Option<OversizedCell>)>,
}

/// Rows at their end.
#[derive(Debug)]
pub struct GrownRows {
    /// The rows in their form: all of them, or the first.
    pub first: Vec<u8>,
    /// How the result ended.
    pub result: GrownResult,
    /// The text that a model reads, which is not finished yet.
    pub text: TextForModels,
}

impl GrowingRows {
    /// A result without rows. Without `keeping` they are cut at the `limits`; with it they are cut
    /// there only where they outgrow an answer and cannot be kept.
    pub fn new(
        form: RowForm,
        limits: Limits,
        text: TextForModels,
        keeping: Option<Keeping>,
    ) -> Self {
        Self {
            writer: RowWriter::new(form),
            limits,
            bytes: GrowingBytes::new(keeping, form.mime_type()),
            text,
            rows: 0,
            row: None,
            first: FirstRows::default(),
        }
    }

    /// Whether [`GrowingRows::finish`] may write to the disk.
    pub fn ends_on_disk(&self) -> bool {
        !self.bytes.fits_answer() || self.is_offered()
    }

    /// Whether blocks are offered beside an answer that holds all rows.
    fn is_offered(&self) -> bool {
        self.bytes.may_be_kept() && !self.text.shows_everything()
    }

    /// Ends the result. Where it has to survive the machine this waits for the disk.
    pub fn finish(self) -> GrownRows {
        let offered = self.is_offered();
        let Self {
            bytes,
            text,
            rows,
            first,
            ..
        } = self;
        let mut result = GrownResult {
            first_rows: first.rows,
            rows: first.rows,
            ..GrownResult::default()
        };
        let is_whole = bytes.fits_answer();
        let may_be_kept = bytes.may_be_kept();
        let (rest, kept) = bytes.finish(rows, offered);
        let first = match kept {
            Ok(handle) if is_whole && may_be_kept => {
                (result.first_rows, result.rows) = (rows, rows);
                result.handle = handle;
                rest
            }
            Ok(Some(handle)) => {
                let mut shown = first.copied.unwrap_or_default();
                shown.truncate(first.shown.0);
                (result.first_rows, result.rows) = (first.shown.1, rows);
                result.handle = Some(handle);
                shown
            }
            kept => {
                let mut held = first.copied.unwrap_or(rest);
                held.truncate(first.bytes);
                if let Some((truncation, oversized)) = first.end {
                    (result.truncation, result.oversized) = (Some(truncation), oversized);
                }
                result.not_kept = kept.err();
                held
            }
        };
        GrownRows {
            first,
            result,
            text,
        }
    }

    /// The row that is being written, begun if it has not been.
    fn begin_row(&mut self) {
        if self.row.is_none() {
            let start = self.bytes.length();
            self.bytes.begin_rows(1);
            self.row = Some(RowSoFar {
                start,
                cells: 0,
                longest: (0, 0),
            });
        }
    }

    fn note_cell(&mut self, bytes: usize) {
        if let Some(row) = &mut self.row {
            if bytes > row.longest.1 {
                row.longest = (row.cells, bytes);
            }
            row.cells += 1;
        }
    }

    /// Cuts into blocks what has come, once the first rows are safe.
    fn settle(&mut self) {
        if !self.bytes.fits_answer() && self.first.copied.is_none() {
            let all = self.bytes.since(0).unwrap_or_default();
            let first = all.get(..self.first.bytes).unwrap_or_default();
            self.first.copied = Some(first.to_vec());
        }
        self.bytes.settle();
    }

    /// Counts the row to the first ones where the limits let it in. A row that is partly on the
    /// disk is longer than any limit.
    fn count_first(&mut self, row: &RowSoFar) {
        if self.first.end.is_some() {
            return;
        }
        let held = self.bytes.since(row.start);
        let length = held.map_or(usize::MAX, <[u8]>::len);
        let end = if self.first.rows >= self.limits.rows as u64 {
            Truncation::Rows
        } else if length > self.limits.bytes {
            let column = self.bytes.columns().get(row.longest.0);
            let oversized = column.map(|column| OversizedCell {
                column: column.name.clone(),
                bytes: row.longest.1,
            });
            self.first.end = Some((Truncation::Bytes, oversized));
            return;
        } else if self.first.bytes.saturating_add(length) > self.limits.bytes {
            Truncation::Bytes
        } else {
            if let (Some(copied), Some(held)) = (&mut self.first.copied, held) {
                copied.extend_from_slice(held);
            }
            self.first.bytes += length;
            self.first.rows += 1;
            return;
        };
        self.first.end = Some((end, None));
    }

    fn room(&self) -> Room {
        match &self.first.end {
            Some(_) if self.bytes.may_be_kept() => Room::More,
            None => Room::More,
            Some((_, Some(_))) => Room::TooLarge,
            Some((truncation, None)) => Room::Full(*truncation),
        }
    }
}

impl RowSink for GrowingRows {
    fn most_rows(&self) -> Option<usize> {
        (!self.bytes.may_be_kept()).then_some(self.limits.rows)
    }

    fn columns(&mut self, columns: &[Column]) -> Result<(), SinkError> {
        self.bytes.set_columns(columns);
        self.text.columns(columns);
        self.writer.columns(columns, self.bytes.buffer());
        self.first.bytes = self.bytes.buffer().len();
        Ok(())
    }

    fn cell(&mut self, cell: Cell<'_>) -> Result<(), SinkError> {
        self.begin_row();
        self.note_cell(cell.bytes());
        self.text.cell(cell);
        self.writer.cell(cell, self.bytes.buffer());
        // Many of these would be as much as one that is too long to be held.
        if cell.bytes() > LONG_CELL {
            self.settle();
        }
        Ok(())
    }

    fn takes_parts(&self) -> bool {
        self.bytes.may_be_kept()
    }

    fn part(&mut self, part: CellPart<'_>) -> Result<(), SinkError> {
        self.begin_row();
        if part.is_first {
            self.note_cell(part.cell_bytes);
        }
        self.text.part(part);
        self.writer.part(part, self.bytes.buffer());
        self.settle();
        Ok(())
    }

    fn end_row(&mut self) -> Result<Room, SinkError> {
        self.begin_row();
        self.writer.end_row(self.bytes.buffer());
        if let Some(row) = self.row.take() {
            self.count_first(&row);
        }
        self.rows += 1;
        match self.room() {
            Room::More => {
                self.text.keep_row();
                if self.text.shows_all_rows() && self.first.end.is_none() {
                    self.first.shown = (self.first.bytes, self.first.rows);
                }
            }
            _ => self.text.drop_row(),
        }
        self.settle();
        Ok(self.room())
    }
}

#[cfg(test)]
mod tests;
