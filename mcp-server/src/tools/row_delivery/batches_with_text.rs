//! A result in Arrow's own batches, with its first rows as text for a model beside them.

use arrow_array::RecordBatch;
use spark_rows::Rows;

use crate::kept_results::GrowingBatches;
use crate::results::{BatchSink, Column, Room, SinkError, TextForModels, Written};

/// Batches, and the text that a model reads of them.
#[derive(Debug)]
pub(in crate::tools) struct BatchesWithText {
    /// The sink that decides which rows are in.
    pub(super) batches: GrowingBatches,
    /// The same rows as text.
    pub(super) text: TextForModels,
}

impl BatchesWithText {
    /// Writes these rows into the text, as far as they have a place there. Those of a type that has
    /// no form as text have none.
    fn show(&mut self, batch: &RecordBatch) -> Result<(), SinkError> {
        if let Ok(rows) = Rows::new(batch)
            && self.text.shows_all_rows()
        {
            rows.write(&mut self.text, &mut Written::default())?;
        }
        Ok(())
    }
}

impl BatchSink for BatchesWithText {
    fn most_rows(&self) -> Option<usize> {
        self.batches.most_rows()
    }

    fn columns(&mut self, columns: &[Column]) -> Result<(), SinkError> {
        self.text.columns(columns);
        self.batches.columns(columns)
    }

    fn batch(&mut self, batch: &RecordBatch) -> Result<Room, SinkError> {
        let before = self.batches.row_count();
        let room = self.batches.batch(batch)?;
        let taken = self.batches.row_count().saturating_sub(before);
        let taken = usize::try_from(taken).unwrap_or(usize::MAX);
        self.show(&batch.slice(0, taken.min(batch.num_rows())))?;
        Ok(room)
    }
}
