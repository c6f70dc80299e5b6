//! Arrow batches as one IPC stream: in the answer while it is short, on the disk when it is not.

use std::fmt;

use arrow_array::RecordBatch;
use arrow_ipc::writer::StreamWriter;
use results::{ArrowStream, BatchSink, Column, Limits, Room, SinkError};

use crate::file::ARROW;
use crate::growing::{GrowingBytes, GrownResult, Keeping};

/// Batches of any number. The blocks together are one IPC stream; each is cut between two of its
/// messages where these are not longer than a block.
pub struct GrowingBatches {
    /// The rows that an answer may hold whatever becomes of the rest.
    first: ArrowStream,
    room: Room,
    growing: Option<Growing>,
}

struct Growing {
    bytes: GrowingBytes,
    writer: Option<StreamWriter<Vec<u8>>>,
    rows: u64,
    /// The first rows, which the answer shows where all of them are read in blocks.
    preview: ArrowStream,
    preview_room: Room,
    /// The most bytes and rows of one message.
    message_bytes: usize,
    message_rows: usize,
}

/// Batches at their end.
#[derive(Debug)]
pub struct GrownBatches {
    /// The stream of all batches, or of the first rows; empty where there was no batch.
    pub first: Vec<u8>,
    /// How the result ended.
    pub result: GrownResult,
}

impl fmt::Debug for GrowingBatches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.growing.as_ref().map(|growing| &growing.bytes);
        write!(f, "GrowingBatches({:?}, {bytes:?})", self.first)
    }
}

impl GrowingBatches {
    /// A stream without batches. Without `keeping` they are cut at the `limits`; with it they are
    /// cut there only where they outgrow an answer and cannot be kept. The answer shows the first
    /// rows of those that are kept, up to `preview_bytes` in base64.
    pub fn new(limits: Limits, preview_bytes: usize, keeping: Option<Keeping>) -> Self {
        let growing = keeping.map(|mut keeping| {
            let blocks = &mut keeping.limits;
            // The answer carries it in base64.
            blocks.answer_bytes = blocks.answer_bytes / 4 * 3;
            Growing {
                // A message has a header beside its rows.
                message_bytes: blocks.block_bytes / 4 * 3,
                message_rows: blocks.block_rows.map_or(usize::MAX, |rows| {
                    usize::try_from(rows).unwrap_or(usize::MAX)
                }),
                bytes: GrowingBytes::new(Some(keeping), ARROW),
                writer: None,
                rows: 0,
                preview: ArrowStream::new(Limits {
                    bytes: preview_bytes.min(limits.bytes),
                    ..limits
                }),
                preview_room: Room::More,
            }
        });
        Self {
            first: ArrowStream::new(limits),
            room: Room::More,
            growing,
        }
    }

    /// How many rows are in, be it in memory or on the disk.
    pub fn row_count(&self) -> u64 {
        match &self.growing {
            Some(growing) if growing.bytes.may_be_kept() => growing.rows,
            _ => self.first.row_count() as u64,
        }
    }

    /// Ends the result. Where it has to survive the machine this waits for the disk.
    ///
    /// # Errors
    /// The end of the stream cannot be written ([`SinkError::Arrow`]).
    pub fn finish(self) -> Result<GrownBatches, SinkError> {
        let rows = self.first.row_count() as u64;
        let mut result = GrownResult {
            first_rows: rows,
            rows,
            truncation: self.room.truncation(),
            ..GrownResult::default()
        };
        if let Some(mut growing) = self.growing {
            growing.end_stream()?;
            let is_whole = growing.bytes.fits_answer();
            let (whole, kept) = growing.bytes.finish(growing.rows, false);
            match kept {
                Ok(handle) => {
                    result.rows = growing.rows;
                    (result.truncation, result.handle) = (None, handle);
                    let first = if is_whole {
                        result.first_rows = growing.rows;
                        whole
                    } else {
                        result.first_rows = growing.preview.row_count() as u64;
                        growing.preview.into_bytes()?
                    };
                    return Ok(GrownBatches { first, result });
                }
                Err(not_kept) => result.not_kept = Some(not_kept),
            }
        }
        let first = self.first.into_bytes()?;
        Ok(GrownBatches { first, result })
    }
}

impl Growing {
    fn put(&mut self, batch: &RecordBatch) -> Result<(), SinkError> {
        if self.preview_room == Room::More {
            self.preview_room = self.preview.batch(batch)?;
        }
        let rows = batch.num_rows();
        let row_bytes = (batch.get_array_memory_size() / rows.max(1)).max(1);
        let together = (self.message_bytes / row_bytes).clamp(1, self.message_rows);
        let writer = match &mut self.writer {
            Some(writer) => writer,
            None => self.writer.insert(StreamWriter::try_new(
                Vec::new(),
                batch.schema_ref().as_ref(),
            )?),
        };
        self.bytes.buffer().append(writer.get_mut());
        let mut from = 0;
        while from < rows {
            let message = batch.slice(from, together.min(rows - from));
            writer.write(&message)?;
            let count = u32::try_from(message.num_rows()).unwrap_or(u32::MAX);
            self.bytes.begin_rows(count);
            self.bytes.buffer().append(writer.get_mut());
            self.bytes.settle();
            from += message.num_rows();
        }
        self.rows += rows as u64;
        Ok(())
    }

    fn end_stream(&mut self) -> Result<(), SinkError> {
        if let Some(mut writer) = self.writer.take() {
            writer.finish()?;
            self.bytes.buffer().append(writer.get_mut());
            self.bytes.settle();
        }
        Ok(())
    }
}

impl BatchSink for GrowingBatches {
    fn most_rows(&self) -> Option<usize> {
        match &self.growing {
            Some(growing) if growing.bytes.may_be_kept() => None,
            _ => self.first.most_rows(),
        }
    }

    fn columns(&mut self, columns: &[Column]) -> Result<(), SinkError> {
        if let Some(growing) = &mut self.growing {
            growing.bytes.set_columns(columns);
        }
        self.first.columns(columns)
    }

    fn batch(&mut self, batch: &RecordBatch) -> Result<Room, SinkError> {
        if self.room == Room::More {
            self.room = self.first.batch(batch)?;
        }
        match &mut self.growing {
            Some(growing) => {
                growing.put(batch)?;
                match growing.bytes.may_be_kept() {
                    true => Ok(Room::More),
                    false => Ok(self.room),
                }
            }
            None => Ok(self.room),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use arrow_array::{ArrayRef, Int64Array, StringArray};
    use arrow_ipc::reader::StreamReader;

    use super::*;
    use results::Truncation;

    use crate::{BlockLimits, KeptResults, KeptResultsSettings, NotKept};

    const LIMITS: Limits = Limits {
        rows: 10,
        bytes: 100_000,
    };

    fn batch(rows: i64) -> RecordBatch {
        let texts: ArrayRef = Arc::new(
            (0..rows)
                .map(|n| Some(format!("n{n}")))
                .collect::<StringArray>(),
        );
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows));
        RecordBatch::try_from_iter([("n", numbers), ("t", texts)]).expect("even columns")
    }

    fn rows_of(stream: &[u8]) -> usize {
        let reader = StreamReader::try_new(stream, None).expect("a stream");
        reader.map(|batch| batch.expect("a batch").num_rows()).sum()
    }

    fn grown(answer_bytes: u64, quota: u64) -> (GrownBatches, Arc<KeptResults>, tempfile::TempDir) {
        let folder = tempfile::tempdir().expect("a disk");
        let store = Arc::new(KeptResults::new(KeptResultsSettings {
            folder: folder.path().to_owned(),
            node: Some("n1".to_owned()),
            quota,
            expiry: Duration::from_secs(60),
        }));
        let keeping = Keeping {
            store: Arc::clone(&store),
            owner: None,
            limits: BlockLimits {
                answer_bytes,
                block_bytes: 4_096,
                offered_block_bytes: 4_096,
                block_rows: None,
            },
            listener: None,
        };
        let mut sink = GrowingBatches::new(LIMITS, 4_096, Some(keeping));
        for _ in 0..2 {
            if sink.batch(&batch(1_000)).expect("plain types") != Room::More {
                break;
            }
        }
        (sink.finish().expect("plain types"), store, folder)
    }

    #[test]
    fn it_puts_a_short_stream_into_the_answer() {
        let (grown, _, _folder) = grown(1 << 20, 1 << 30);
        assert_eq!(rows_of(&grown.first), 2_000);
        let result = grown.result;
        assert_eq!((result.first_rows, result.rows), (2_000, 2_000));
        assert!(result.handle.is_none() && result.truncation.is_none());
    }

    #[test]
    fn it_keeps_a_long_stream_in_blocks_that_together_are_one_stream() {
        let (grown, store, _folder) = grown(1_000, 1 << 30);
        let result = grown.result;
        // The first rows are there as a stream of their own, up to the limit on rows.
        assert_eq!((result.first_rows, result.rows), (10, 2_000));
        assert_eq!(rows_of(&grown.first), 10);
        let handle = result.handle.expect("it is kept");
        let kept = store.open(&handle.uri, None).expect("it is kept");
        let mut whole = Vec::new();
        for number in 0..kept.blocks() {
            let block = kept.block(number).expect("a block");
            assert!(block.bytes.len() <= 4_096 && !block.continues_row);
            whole.extend(block.bytes);
        }
        assert!(kept.blocks() > 5, "{}", kept.blocks());
        assert_eq!(rows_of(&whole), 2_000);
    }

    #[test]
    fn it_gives_what_an_answer_holds_where_blocks_cannot_be_had() {
        let (grown, ..) = grown(1_000, 1_000);
        let result = grown.result;
        assert_eq!((result.first_rows, rows_of(&grown.first)), (10, 10));
        assert_eq!(result.truncation, Some(Truncation::Rows));
        assert!(matches!(result.not_kept, Some(NotKept::TooLarge { .. })));
    }
}
