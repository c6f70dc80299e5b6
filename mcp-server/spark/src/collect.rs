//! A statement's rows on their way into a sink.

use arrow_array::RecordBatch;
use results::{BatchSink, Column, Room, RowSink, SinkError, Written};
use spark_rows::Rows;
use tokio::sync::mpsc;

use super::connect::{Event, Execution};
use super::error::Error;

/// The receiver of a statement's result.
pub enum Sink<'a> {
    /// Takes it row by row, cell by cell.
    Rows(&'a mut dyn RowSink),
    /// Takes it in Spark's own batches.
    Batches(&'a mut dyn BatchSink),
    /// Takes it as it comes, and lets Spark wait while its channel is full; nobody cuts it.
    Events(mpsc::Sender<Event>),
}

impl Sink<'_> {
    /// The most rows that it takes, where it has a limit.
    pub(super) fn most_rows(&self) -> Option<usize> {
        match self {
            Self::Rows(sink) => sink.most_rows(),
            Self::Batches(sink) => sink.most_rows(),
            Self::Events(_) => None,
        }
    }

    fn columns(&mut self, columns: &[Column]) -> Result<(), SinkError> {
        match self {
            Self::Rows(sink) => sink.columns(columns),
            Self::Batches(sink) => sink.columns(columns),
            Self::Events(_) => Ok(()),
        }
    }

    fn put(&mut self, batch: &RecordBatch, written: &mut Written) -> Result<Room, Error> {
        let room = match self {
            Self::Rows(sink) => Rows::new(batch)?.write(*sink, written)?,
            Self::Batches(sink) => sink.batch(batch)?,
            Self::Events(_) => Room::More,
        };
        written.truncation = room.truncation();
        Ok(room)
    }
}

/// Runs `execution` to its end, or until the sink is full, where Spark is told to stop.
///
/// # Errors
/// Spark refuses the statement or cannot be reached, or the sink fails ([`Error`]).
pub(super) async fn collect(
    mut execution: Execution,
    sink: &mut Sink<'_>,
) -> Result<Written, Error> {
    let mut written = Written::default();
    // Leaving this function drops the execution, which stops it if it is not over.
    while let Some(event) = execution.next().await? {
        if let Sink::Events(events) = sink {
            if events.send(event).await.is_err() {
                break;
            }
            continue;
        }
        match event {
            Event::Columns(columns) => {
                sink.columns(&columns)?;
                written.columns = columns;
            }
            Event::Batch(batch) => {
                if sink.put(&batch, &mut written)? != Room::More {
                    break;
                }
            }
            Event::Progress(_) => {}
        }
    }
    Ok(written)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, Int64Array, StringArray};
    use serde_json::json;

    use super::*;
    use results::{ArrowStream, JsonRows, Limits, Truncation};

    fn batch(numbers: std::ops::Range<i64>) -> RecordBatch {
        let texts = numbers
            .clone()
            .map(|n| (n % 2 == 0).then(|| "n".repeat(n as usize)));
        let texts: ArrayRef = Arc::new(texts.collect::<StringArray>());
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(numbers));
        RecordBatch::try_from_iter([("n", numbers), ("t", texts)]).expect("even columns")
    }

    fn written() -> Written {
        let column = |name: &str| Column {
            name: name.to_owned(),
            type_name: String::new(),
        };
        Written {
            columns: vec![column("n"), column("t")],
            ..Written::default()
        }
    }

    #[test]
    fn it_hands_over_rows_until_the_sink_is_full_and_says_why() {
        for (rows, bytes, kept, truncation, oversized) in [
            (9, 999, 5, None, None),
            (3, 999, 3, Some(Truncation::Rows), None),
            (9, 28, 3, Some(Truncation::Bytes), None),
            (9, 8, 1, Some(Truncation::Bytes), Some(("n", 1))),
        ] {
            let mut json = JsonRows::new(Limits { rows, bytes });
            let mut result = written();
            let mut sink = Sink::Rows(&mut json);
            for part in [batch(0..2), batch(2..5)] {
                if sink.put(&part, &mut result).expect("plain types") != Room::More {
                    break;
                }
            }
            assert_eq!((json.row_count(), result.truncation), (kept, truncation));
            let found = result.oversized.as_ref();
            let found = found.map(|cell| (cell.column.as_str(), cell.bytes));
            assert_eq!(found, oversized, "{rows} {bytes}");
            let first = &json.into_json().to_value()[0];
            assert_eq!(first, &json!([0, ""]));
        }
    }

    #[test]
    fn it_hands_over_whole_batches_to_a_sink_that_takes_them() {
        let limits = Limits {
            rows: 150,
            bytes: usize::MAX,
        };
        let (mut arrow, mut result) = (ArrowStream::new(limits), written());
        let mut sink = Sink::Batches(&mut arrow);
        let room = sink.put(&batch(0..200), &mut result).expect("plain types");
        assert_eq!(room, Room::Full(Truncation::Rows));
        assert_eq!(result.truncation, Some(Truncation::Rows));
        assert_eq!(arrow.row_count(), 150);
    }
}
