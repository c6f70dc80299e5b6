//! Rows that arrive cell by cell, in Arrow's own batches.
//!
//! Whole numbers, floating-point numbers and booleans keep their types; every other value is text,
//! as JSON would hold it, so that nothing is lost: a decimal has any number of digits, and a date
//! may be `infinity`.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use arrow_array::builder::{
    BooleanBuilder, Float32Builder, Float64Builder, Int16Builder, Int32Builder, Int64Builder,
    StringBuilder,
};
use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{Field, Schema, SchemaRef};

use super::{BatchSink, Cell, Column, Room, RowSink, SinkError};

/// The rows of one batch. A batch costs some hundred bytes beside its values, and its rows are in
/// memory until it is full.
const ROWS_OF_A_BATCH: usize = 1024;

/// The bytes of values after which a batch is full, so that a long row is looked at as it comes.
const BYTES_OF_A_BATCH: usize = 64 << 10;

/// Rows on their way into a sink of batches.
pub struct BatchedRows<'a> {
    batches: &'a mut dyn BatchSink,
    schema: SchemaRef,
    values: Vec<Values>,
    /// The place of the next cell in its row.
    at: usize,
    rows: usize,
    bytes: usize,
    has_begun: bool,
}

impl fmt::Debug for BatchedRows<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BatchedRows({:?}, {} rows wait)", self.schema, self.rows)
    }
}

impl<'a> BatchedRows<'a> {
    /// No rows yet, for this sink of batches.
    pub fn new(batches: &'a mut dyn BatchSink) -> Self {
        Self {
            batches,
            schema: Arc::new(Schema::empty()),
            values: Vec::new(),
            at: 0,
            rows: 0,
            bytes: 0,
            has_begun: false,
        }
    }

    /// Hands over the rows that wait; a result without rows is one batch without rows.
    ///
    /// # Errors
    /// The disk refuses them, or they cannot be written as Arrow ([`SinkError`]).
    pub fn finish(mut self) -> Result<Room, SinkError> {
        match self.rows > 0 || !self.has_begun {
            true => self.flush(),
            false => Ok(Room::More),
        }
    }

    fn flush(&mut self) -> Result<Room, SinkError> {
        let columns = self.values.iter_mut().map(Values::take).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        let schema = Arc::clone(&self.schema);
        let batch = RecordBatch::try_new_with_options(schema, columns, &options)?;
        (self.rows, self.bytes, self.has_begun) = (0, 0, true);
        self.batches.batch(&batch)
    }
}

impl RowSink for BatchedRows<'_> {
    fn most_rows(&self) -> Option<usize> {
        self.batches.most_rows()
    }

    fn columns(&mut self, columns: &[Column]) -> Result<(), SinkError> {
        self.values = columns
            .iter()
            .map(|column| Values::of(&column.type_name))
            .collect();
        let fields = columns
            .iter()
            .zip(&mut self.values)
            .map(|(column, values)| {
                let data_type = values.take().data_type().clone();
                Field::new(&column.name, data_type, true)
            });
        self.schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        self.batches.columns(columns)
    }

    fn cell(&mut self, cell: Cell<'_>) -> Result<(), SinkError> {
        let text = match cell {
            Cell::Null => None,
            Cell::Text(text) | Cell::Json(text) => Some(text),
        };
        self.bytes += text.map_or(0, str::len);
        if let Some(values) = self.values.get_mut(self.at) {
            values.push(text);
        }
        self.at += 1;
        Ok(())
    }

    fn end_row(&mut self) -> Result<Room, SinkError> {
        self.at = 0;
        self.rows += 1;
        match self.rows < ROWS_OF_A_BATCH && self.bytes < BYTES_OF_A_BATCH {
            true => Ok(Room::More),
            false => self.flush(),
        }
    }
}

/// The values of one column that wait for their batch.
enum Values {
    Boolean(BooleanBuilder),
    Int16(Int16Builder),
    Int32(Int32Builder),
    Int64(Int64Builder),
    Float32(Float32Builder),
    Float64(Float64Builder),
    Text(StringBuilder),
}

impl Values {
    /// Those of a column of this type, as SQL writes it.
    fn of(type_name: &str) -> Self {
        match type_name {
            "boolean" => Self::Boolean(BooleanBuilder::new()),
            "smallint" => Self::Int16(Int16Builder::new()),
            "integer" | "int" => Self::Int32(Int32Builder::new()),
            "bigint" => Self::Int64(Int64Builder::new()),
            "real" | "float" => Self::Float32(Float32Builder::new()),
            "double precision" | "double" => Self::Float64(Float64Builder::new()),
            _ => Self::Text(StringBuilder::new()),
        }
    }

    fn push(&mut self, text: Option<&str>) {
        fn number<T: FromStr>(text: Option<&str>) -> Option<T> {
            text.and_then(|text| text.parse().ok())
        }
        match self {
            Self::Boolean(values) => values.append_option(number(text)),
            Self::Int16(values) => values.append_option(number(text)),
            Self::Int32(values) => values.append_option(number(text)),
            Self::Int64(values) => values.append_option(number(text)),
            Self::Float32(values) => values.append_option(number(text)),
            Self::Float64(values) => values.append_option(number(text)),
            Self::Text(values) => values.append_option(text),
        }
    }

    fn take(&mut self) -> ArrayRef {
        match self {
            Self::Boolean(values) => Arc::new(values.finish()),
            Self::Int16(values) => Arc::new(values.finish()),
            Self::Int32(values) => Arc::new(values.finish()),
            Self::Int64(values) => Arc::new(values.finish()),
            Self::Float32(values) => Arc::new(values.finish()),
            Self::Float64(values) => Arc::new(values.finish()),
            Self::Text(values) => Arc::new(values.finish()),
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::{Array as _, Float64Array, Int64Array, StringArray};
    use arrow_ipc::reader::StreamReader;

    use super::*;
    use crate::{ArrowStream, Limits, Truncation};

    const LARGE: Limits = Limits {
        rows: 5_000,
        bytes: 1 << 20,
    };

    /// Writes so many rows; whether the last had room, and the batches that came of them.
    fn written(count: usize, limits: Limits) -> (Room, Vec<RecordBatch>) {
        let column = |name: &str, type_name: &str| Column {
            name: name.to_owned(),
            type_name: type_name.to_owned(),
        };
        let columns = [
            column("n", "bigint"),
            column("f", "double precision"),
            column("t", "timestamp with time zone"),
        ];
        let mut stream = ArrowStream::new(limits);
        let mut sink = BatchedRows::new(&mut stream);
        sink.columns(&columns).expect("plain types");
        let mut room = Room::More;
        for n in 0..count {
            let number = n.to_string();
            let float = if n == 1 { "-Infinity" } else { "0.5" };
            let text = match n {
                2 => Cell::Null,
                _ => Cell::Text("2024-01-31T00:00:00+00:00"),
            };
            for cell in [Cell::Json(&number), Cell::Text(float), text] {
                sink.cell(cell).expect("it fits its type");
            }
            room = sink.end_row().expect("plain types");
            if room != Room::More {
                break;
            }
        }
        let last = sink.finish().expect("plain types");
        let bytes = stream.into_bytes().expect("plain types");
        let reader = StreamReader::try_new(bytes.as_slice(), None).expect("a stream");
        let batches = reader.map(|batch| batch.expect("a batch")).collect();
        (if room == Room::More { last } else { room }, batches)
    }

    fn rows_of(batches: &[RecordBatch]) -> usize {
        batches.iter().map(RecordBatch::num_rows).sum()
    }

    #[test]
    fn it_keeps_the_types_of_numbers_and_the_text_of_the_rest() {
        let (room, batches) = written(3, LARGE);
        assert_eq!((rows_of(&batches), room), (3, Room::More));
        let batch = batches.iter().find(|batch| batch.num_rows() == 3);
        let batch = batch.expect("they are in one batch");
        let numbers = batch.column(0).as_any().downcast_ref::<Int64Array>();
        assert_eq!(numbers.expect("whole numbers").values(), &[0, 1, 2]);
        let floats = batch.column(1).as_any().downcast_ref::<Float64Array>();
        let infinite = floats.expect("numbers").value(1);
        assert!(infinite.is_infinite() && infinite.is_sign_negative());
        let texts = batch.column(2).as_any().downcast_ref::<StringArray>();
        let texts = texts.expect("texts");
        assert_eq!(texts.value(0), "2024-01-31T00:00:00+00:00");
        assert!(texts.is_null(2));
    }

    #[test]
    fn it_gives_one_batch_with_its_columns_where_there_are_no_rows() {
        let (room, batches) = written(0, LARGE);
        assert_eq!((rows_of(&batches), room), (0, Room::More));
        assert_eq!(batches[0].schema().field(2).name(), "t");
    }

    #[test]
    fn it_stops_where_its_sink_is_full_whether_a_batch_is_or_not() {
        for (count, limit) in [(11, 10), (3_000, 1_500), (2_049, 2_048)] {
            let limits = Limits {
                rows: limit,
                ..LARGE
            };
            let (room, batches) = written(count, limits);
            assert_eq!(rows_of(&batches), limit);
            assert_eq!(room, Room::Full(Truncation::Rows));
        }
        let limits = Limits {
            bytes: 50_000,
            ..LARGE
        };
        let (room, batches) = written(5_000, limits);
        assert_eq!(room, Room::Full(Truncation::Bytes));
        assert!(rows_of(&batches) > 0);
    }
}
