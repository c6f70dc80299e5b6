//! Rows as one Arrow IPC stream, with the types of their source.

use std::fmt;

use arrow_array::RecordBatch;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::ArrowError;

use super::{BatchSink, Column, Limits, Room, SinkError, Truncation};

/// So many rows are taken or left together, and fewer near the limit on bytes.
const STEP: usize = 64;

/// Rows as one Arrow IPC stream, up to a limit. Its bytes are counted in base64, the form in which
/// JSON carries them.
pub struct ArrowStream {
    limits: Limits,
    writer: Option<StreamWriter<Vec<u8>>>,
    rows: usize,
    bytes: usize,
}

impl fmt::Debug for ArrowStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ArrowStream({} rows, {:?})", self.rows, self.limits)
    }
}

impl ArrowStream {
    /// An empty stream that grows up to `limits`.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            writer: None,
            rows: 0,
            bytes: 0,
        }
    }

    /// How many rows it has.
    pub fn row_count(&self) -> usize {
        self.rows
    }

    /// The whole stream; empty where there was no batch.
    ///
    /// # Errors
    /// The end of the stream cannot be written ([`SinkError::Arrow`]).
    pub fn into_bytes(self) -> Result<Vec<u8>, SinkError> {
        match self.writer {
            None => Ok(Vec::new()),
            Some(writer) => Ok(writer.into_inner()?),
        }
    }

    fn write(&mut self, step: &RecordBatch) -> Result<(), ArrowError> {
        let writer = match &mut self.writer {
            Some(writer) => writer,
            None => self.writer.insert(StreamWriter::try_new(
                Vec::new(),
                step.schema_ref().as_ref(),
            )?),
        };
        writer.write(step)
    }
}

impl BatchSink for ArrowStream {
    fn most_rows(&self) -> Option<usize> {
        Some(self.limits.rows)
    }

    fn columns(&mut self, _columns: &[Column]) -> Result<(), SinkError> {
        Ok(())
    }

    fn batch(&mut self, batch: &RecordBatch) -> Result<Room, SinkError> {
        let taken = batch
            .num_rows()
            .min(self.limits.rows.saturating_sub(self.rows));
        let (mut from, mut together) = (0, STEP);
        loop {
            let step = batch.slice(from, together.min(taken - from));
            // Encoded alone it has a schema of its own, so that this counts too much, never too
            // little.
            let size = base64_length(encoded(&step)?.len());
            let rows = step.num_rows();
            if self.bytes + size <= self.limits.bytes {
                self.write(&step)?;
                self.rows += rows;
                self.bytes += size;
                from += rows;
            } else if rows > 1 {
                // Fewer of them may have room.
                together = rows / 2;
                continue;
            } else if self.rows > 0 {
                return Ok(Room::Full(Truncation::Bytes));
            } else {
                // Without rows it is a stream all the same.
                self.write(&batch.slice(0, 0))?;
                return Ok(Room::TooLarge);
            }
            if from == taken {
                break;
            }
        }
        Ok(match taken == batch.num_rows() {
            true => Room::More,
            false => Room::Full(Truncation::Rows),
        })
    }
}

fn encoded(batch: &RecordBatch) -> Result<Vec<u8>, ArrowError> {
    let mut writer = StreamWriter::try_new(Vec::new(), batch.schema_ref().as_ref())?;
    writer.write(batch)?;
    writer.into_inner()
}

fn base64_length(bytes: usize) -> usize {
    bytes.div_ceil(3) * 4
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, Int64Array, StringArray};
    use arrow_ipc::reader::StreamReader;

    use super::*;

    fn batch(numbers: std::ops::Range<i64>) -> RecordBatch {
        let texts = numbers
            .clone()
            .map(|n| (n % 2 == 0).then(|| format!("n{n}")));
        let texts: ArrayRef = Arc::new(texts.collect::<StringArray>());
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(numbers));
        RecordBatch::try_from_iter([("n", numbers), ("t", texts)]).expect("even columns")
    }

    fn stream(rows: usize, bytes: usize) -> (ArrowStream, Room) {
        let mut stream = ArrowStream::new(Limits { rows, bytes });
        let mut room = Room::More;
        for part in [batch(0..100), batch(100..200)] {
            room = stream.batch(&part).expect("plain types");
            if room != Room::More {
                break;
            }
        }
        (stream, room)
    }

    #[test]
    fn it_writes_a_stream_that_can_be_read_back_up_to_the_row_limit() {
        for (limit, expected) in [(150, Room::Full(Truncation::Rows)), (200, Room::More)] {
            let (stream, room) = stream(limit, usize::MAX);
            assert_eq!((stream.row_count(), room), (limit, expected));
            let bytes = stream.into_bytes().expect("plain types");
            let reader = StreamReader::try_new(bytes.as_slice(), None).expect("a stream");
            let rows: usize = reader.map(|b| b.expect("a batch").num_rows()).sum();
            assert_eq!(rows, limit);
        }
    }

    #[test]
    fn it_stays_within_the_byte_limit() {
        let (stream, room) = stream(usize::MAX, 1_200);
        assert_eq!(room, Room::Full(Truncation::Bytes));
        assert!(stream.row_count() < 200);
        let bytes = stream.into_bytes().expect("plain types");
        assert!(base64_length(bytes.len()) <= 1_200);
    }

    #[test]
    fn it_takes_as_many_wide_rows_as_have_room() {
        let wide = |rows: usize| {
            let texts: ArrayRef = Arc::new(StringArray::from(vec!["x".repeat(10_000); rows]));
            RecordBatch::try_from_iter([("t", texts)]).expect("one column")
        };
        for (limit, kept, expected) in [
            (100_000, 7, Room::Full(Truncation::Bytes)),
            (15_000, 1, Room::Full(Truncation::Bytes)),
            (10_000, 0, Room::TooLarge),
        ] {
            let mut stream = ArrowStream::new(Limits {
                rows: 1000,
                bytes: limit,
            });
            assert_eq!(stream.batch(&wide(64)).expect("plain types"), expected);
            assert_eq!(stream.row_count(), kept, "{limit}");
            let bytes = stream.into_bytes().expect("plain types");
            assert!(base64_length(bytes.len()) <= limit);
            let reader = StreamReader::try_new(bytes.as_slice(), None).expect("a stream");
            assert_eq!(
                reader
                    .map(|b| b.expect("a batch").num_rows())
                    .sum::<usize>(),
                kept
            );
        }
    }
}
