//! Rows of Spark, as Arrow brings them: values as cells that lose nothing, written into a sink.
//!
//! | Spark | JSON |
//! |---|---|
//! | integers | number; beyond ±(2⁵³−1), where a reader's double would round, string |
//! | float, double | number; `"NaN"`, `"Infinity"`, `"-Infinity"` |
//! | decimal | string with all its digits |
//! | date, timestamp, timestamp_ntz, time | ISO 8601 string; a timestamp, in UTC, ends in `Z` |
//! | intervals | ISO 8601 duration |
//! | binary | string of hexadecimal digits |
//! | array | array |
//! | struct | object |
//! | map | object if its keys are strings, else array of `[key, value]` |

use arrow_array::RecordBatch;

use results::{OversizedCell, Room, RowSink, SinkError, Written};

mod calendar;
mod values;

pub use values::{UnsupportedType, Values};

/// The rows of one batch.
#[derive(Debug)]
pub struct Rows<'a> {
    columns: Vec<Values<'a>>,
    rows: usize,
}

impl<'a> Rows<'a> {
    /// Prepares to read `batch`.
    ///
    /// # Errors
    /// [`UnsupportedType`] for the first column of a type that has no JSON form here.
    pub fn new(batch: &'a RecordBatch) -> Result<Self, UnsupportedType> {
        let schema = batch.schema_ref();
        let columns = schema.fields().iter().zip(batch.columns());
        let columns = columns.map(|(field, array)| Values::new(field.name(), array));
        Ok(Self {
            columns: columns.collect::<Result<_, _>>()?,
            rows: batch.num_rows(),
        })
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The columns in order.
    pub fn columns(&self) -> &[Values<'a>] {
        &self.columns
    }

    /// Hands the rows to the sink, each cell from Arrow's value straight to the sink's form.
    ///
    /// # Errors
    /// The sink cannot take them ([`SinkError`]).
    pub fn write(&self, sink: &mut dyn RowSink, written: &mut Written) -> Result<Room, SinkError> {
        let mut scratch = Vec::new();
        for row in 0..self.len() {
            let mut longest = None;
            for (at, column) in self.columns().iter().enumerate() {
                let cell = column.cell(row, &mut scratch);
                let length = cell.bytes();
                if longest.is_none_or(|(_, known)| length > known) {
                    longest = Some((at, length));
                }
                sink.cell(cell)?;
            }
            let room = sink.end_row()?;
            if room == Room::TooLarge {
                written.oversized = longest.and_then(|(at, bytes)| {
                    let column = written.columns.get(at)?.name.clone();
                    Some(OversizedCell { column, bytes })
                });
            }
            if room != Room::More {
                return Ok(room);
            }
        }
        Ok(Room::More)
    }
}
