//! A statement's rows in the form that was asked for, up to a limit.

use arrow_array::RecordBatch;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::ArrowError;
use serde_json::Value;

use super::connect::{ConnectError, Event, Execution};
use super::rows::{Rows, UnsupportedType};
use super::types::Column;

mod csv;

/// So many rows of an Arrow result are taken or left together.
const ARROW_STEP: usize = 64;

/// The form of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// JSON values, row by row.
    Json,
    /// RFC 4180 with a header; NULL is empty, an empty string `""`.
    Csv,
    /// One Arrow IPC stream, with Spark's own types.
    Arrow,
}

/// The most that a result may hold.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Rows of the result.
    pub rows: usize,
    /// Bytes of the rows in their format.
    pub bytes: usize,
}

/// Which limit cut a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TruncatedBy {
    /// The limit on rows cut it.
    Rows,
    /// The limit on bytes cut it.
    Bytes,
}

/// A result, whole or cut.
#[derive(Debug, Clone, PartialEq)]
pub struct Collected {
    /// The columns; none for most statements that are no queries.
    pub columns: Vec<Column>,
    /// The rows, in their format.
    pub body: Body,
    /// How many there are in the body.
    pub row_count: usize,
    /// The limit that cut it, if there were more.
    pub truncated_by: Option<TruncatedBy>,
}

/// Rows in their [`Format`].
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// Rows as JSON values.
    Json(Vec<Vec<Value>>),
    /// Rows as one CSV text.
    Csv(String),
    /// [`Format::Arrow`]; empty if the statement gave no columns.
    Arrow(Vec<u8>),
}

/// Why there is no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CollectError {
    /// Spark's error, or that of the way there.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// A column that has no form in this format.
    #[error(transparent)]
    Unsupported(#[from] UnsupportedType),
    /// Arrow data that cannot be written.
    #[error("the rows cannot be written as Arrow: {0}")]
    Arrow(String),
}

/// Runs `execution` to its end or to a limit, where Spark is told to stop.
///
/// # Errors
/// [`CollectError`].
pub async fn collect(
    mut execution: Execution,
    format: Format,
    limits: Limits,
) -> Result<Collected, CollectError> {
    let mut columns = Vec::new();
    let mut sheet = Sheet::new(format, limits);
    // Leaving this function drops the execution, which stops it if it is not over.
    while let Some(event) = execution.next().await? {
        match event {
            Event::Columns(found) => {
                sheet.header(&found);
                columns = found;
            }
            Event::Batch(batch) => {
                sheet.add(&batch)?;
                if sheet.truncated_by.is_some() {
                    break;
                }
            }
            Event::Progress(_) => {}
        }
    }
    sheet.finish(columns)
}

/// A result that grows until a limit is met.
struct Sheet {
    limits: Limits,
    rows: usize,
    bytes: usize,
    truncated_by: Option<TruncatedBy>,
    body: Growing,
}

enum Growing {
    Json(Vec<Vec<Value>>),
    Csv(String),
    Arrow(Option<Box<StreamWriter<Vec<u8>>>>),
}

impl Sheet {
    fn new(format: Format, limits: Limits) -> Self {
        Self {
            limits,
            rows: 0,
            bytes: 0,
            truncated_by: None,
            body: match format {
                Format::Json => Growing::Json(Vec::new()),
                Format::Csv => Growing::Csv(String::new()),
                Format::Arrow => Growing::Arrow(None),
            },
        }
    }

    fn header(&mut self, columns: &[Column]) {
        if let Growing::Csv(text) = &mut self.body {
            csv::header(columns, text);
            self.bytes = text.len();
        }
    }

    fn add(&mut self, batch: &RecordBatch) -> Result<(), CollectError> {
        if matches!(self.body, Growing::Arrow(_)) {
            return self
                .add_arrow(batch)
                .map_err(|error| CollectError::Arrow(error.to_string()));
        }
        for row in Rows::new(batch)?.iter() {
            let mut line = String::new();
            let size = match &self.body {
                Growing::Csv(_) => {
                    csv::line(&row, &mut line);
                    line.len()
                }
                _ => json_length(&row) + 1,
            };
            if !self.admits(1, size) {
                break;
            }
            match &mut self.body {
                Growing::Json(rows) => rows.push(row),
                Growing::Csv(text) => text.push_str(&line),
                Growing::Arrow(_) => {}
            }
        }
        Ok(())
    }

    fn add_arrow(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        for from in (0..batch.num_rows().max(1)).step_by(ARROW_STEP) {
            let left = self.limits.rows.saturating_sub(self.rows);
            let there = ARROW_STEP.min(batch.num_rows() - from);
            let step = batch.slice(from, there.min(left));
            // Encoded alone it has a schema of its own, so that this counts too much, never too
            // little.
            let size = base64_length(encoded(&step)?.len());
            if self.admits(step.num_rows(), size)
                && let Growing::Arrow(writer) = &mut self.body
            {
                let writer = match writer {
                    Some(writer) => writer,
                    None => writer.insert(Box::new(StreamWriter::try_new(
                        Vec::new(),
                        batch.schema_ref().as_ref(),
                    )?)),
                };
                writer.write(&step)?;
            }
            if there > left {
                self.truncated_by.get_or_insert(TruncatedBy::Rows);
            }
            if self.truncated_by.is_some() {
                break;
            }
        }
        Ok(())
    }

    /// Counts rows in, or notes the limit that keeps them out.
    fn admits(&mut self, rows: usize, bytes: usize) -> bool {
        self.truncated_by = if self.rows + rows > self.limits.rows {
            Some(TruncatedBy::Rows)
        } else if self.bytes + bytes > self.limits.bytes {
            Some(TruncatedBy::Bytes)
        } else {
            self.rows += rows;
            self.bytes += bytes;
            None
        };
        self.truncated_by.is_none()
    }

    fn finish(self, columns: Vec<Column>) -> Result<Collected, CollectError> {
        let body = match self.body {
            Growing::Json(rows) => Body::Json(rows),
            Growing::Csv(text) => Body::Csv(text),
            Growing::Arrow(None) => Body::Arrow(Vec::new()),
            Growing::Arrow(Some(writer)) => Body::Arrow(
                writer
                    .into_inner()
                    .map_err(|error| CollectError::Arrow(error.to_string()))?,
            ),
        };
        Ok(Collected {
            columns,
            body,
            row_count: self.rows,
            truncated_by: self.truncated_by,
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

/// The length of a row as JSON, without writing it down.
fn json_length(row: &[Value]) -> usize {
    struct Counter(usize);
    impl std::io::Write for Counter {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut counter = Counter(0);
    // A counter never fails, and neither does a value of string keys.
    let _ = serde_json::to_writer(&mut counter, row);
    counter.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{ArrayRef, Int64Array, StringArray};
    use arrow_ipc::reader::StreamReader;
    use std::sync::Arc;

    fn batch(numbers: std::ops::Range<i64>) -> RecordBatch {
        let texts = numbers
            .clone()
            .map(|n| (n % 2 == 0).then(|| format!("n{n}")));
        let texts: ArrayRef = Arc::new(texts.collect::<StringArray>());
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(numbers));
        RecordBatch::try_from_iter([("n", numbers), ("t", texts)]).expect("even columns")
    }

    fn run(format: Format, rows: usize, bytes: usize) -> Collected {
        let columns = ["n", "t"].map(|name| Column {
            name: name.to_owned(),
            type_name: String::new(),
        });
        let mut sheet = Sheet::new(format, Limits { rows, bytes });
        sheet.header(&columns);
        for part in [batch(0..100), batch(100..200)] {
            sheet.add(&part).expect("plain types");
            if sheet.truncated_by.is_some() {
                break;
            }
        }
        sheet.finish(columns.to_vec()).expect("plain types")
    }

    #[test]
    fn it_cuts_at_the_row_limit_and_says_so() {
        for format in [Format::Json, Format::Csv, Format::Arrow] {
            let cut = run(format, 150, usize::MAX);
            assert_eq!(cut.truncated_by, Some(TruncatedBy::Rows), "{format:?}");
            assert_eq!(cut.row_count, 150, "{format:?}");
            let whole = run(format, 200, usize::MAX);
            assert_eq!(whole.truncated_by, None, "{format:?}");
            assert_eq!(whole.row_count, 200, "{format:?}");
        }
    }

    #[test]
    fn it_cuts_at_the_byte_limit_between_rows() {
        for format in [Format::Json, Format::Csv, Format::Arrow] {
            let cut = run(format, usize::MAX, 1_200);
            assert_eq!(cut.truncated_by, Some(TruncatedBy::Bytes), "{format:?}");
            let size = match &cut.body {
                Body::Json(rows) => serde_json::to_vec(rows).expect("JSON").len() - 2,
                Body::Csv(text) => text.len(),
                Body::Arrow(bytes) => base64_length(bytes.len()),
            };
            assert!(size <= 1_200, "{format:?}: {size}");
            assert!(cut.row_count < 200, "{format:?}");
        }
    }

    #[test]
    fn it_writes_an_arrow_stream_that_can_be_read_back() {
        let Body::Arrow(bytes) = run(Format::Arrow, 150, usize::MAX).body else {
            panic!("Arrow was asked for");
        };
        let reader = StreamReader::try_new(bytes.as_slice(), None).expect("a stream");
        let rows: usize = reader.map(|b| b.expect("a batch").num_rows()).sum();
        assert_eq!(rows, 150);
    }
}
