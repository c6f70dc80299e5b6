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

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, DurationMicrosecondType, Float32Type, Float64Type, Int8Type,
    Int16Type, Int32Type, Int64Type, IntervalMonthDayNanoType, IntervalYearMonthType,
    Time64NanosecondType, TimestampMicrosecondType,
};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{DataType, IntervalUnit, TimeUnit};

use results::{Cell, OversizedCell, Room, RowSink, SinkError, Written, write_string};

mod calendar;

/// The largest magnitude that a double holds exactly, as RFC 8259 § 6 advises to stay within.
const SAFE_INTEGER: u64 = (1 << 53) - 1;

/// A column whose Arrow type Spark does not send today.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "column `{column}` has a type that cannot be shown ({arrow_type}): cast it, to a string say"
)]
pub struct UnsupportedType {
    /// The column, or the field within it.
    pub column: String,
    /// Its type in Arrow's words.
    pub arrow_type: String,
}

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
                let length = match cell {
                    Cell::Null => 0,
                    Cell::Text(text) | Cell::Json(text) => text.len(),
                };
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

/// An array by the type of its elements.
#[derive(Debug)]
pub struct Values<'a> {
    array: &'a ArrayRef,
    kind: Kind<'a>,
}

#[derive(Debug)]
enum Kind<'a> {
    Null,
    Boolean,
    Int8,
    Int16,
    Int32,
    Int64,
    Float32,
    Float64,
    Decimal(i8),
    Text,
    LargeText,
    Binary,
    LargeBinary,
    Date,
    Timestamp(Zone),
    Time,
    Duration,
    Months,
    MonthDayNano,
    List(Box<Values<'a>>),
    LargeList(Box<Values<'a>>),
    Struct(Vec<(&'a str, Values<'a>)>),
    Map(Box<Values<'a>>, Box<Values<'a>>),
}

/// Whether a timestamp is a point in time or only a reading of some clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Zone {
    Utc,
    None,
}

impl<'a> Values<'a> {
    /// Prepares to read the values of an array; `name` is told where its type is not known.
    ///
    /// # Errors
    /// [`UnsupportedType`].
    pub fn new(name: &str, array: &'a ArrayRef) -> Result<Self, UnsupportedType> {
        let inner = |array| Values::new(name, array).map(Box::new);
        let kind = match array.data_type() {
            DataType::Null => Kind::Null,
            DataType::Boolean => Kind::Boolean,
            DataType::Int8 => Kind::Int8,
            DataType::Int16 => Kind::Int16,
            DataType::Int32 => Kind::Int32,
            DataType::Int64 => Kind::Int64,
            DataType::Float32 => Kind::Float32,
            DataType::Float64 => Kind::Float64,
            DataType::Decimal128(_, scale) => Kind::Decimal(*scale),
            DataType::Utf8 => Kind::Text,
            DataType::LargeUtf8 => Kind::LargeText,
            DataType::Binary => Kind::Binary,
            DataType::LargeBinary => Kind::LargeBinary,
            DataType::Date32 => Kind::Date,
            DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => Kind::Timestamp(Zone::Utc),
            DataType::Timestamp(TimeUnit::Microsecond, None) => Kind::Timestamp(Zone::None),
            DataType::Time64(TimeUnit::Nanosecond) => Kind::Time,
            DataType::Duration(TimeUnit::Microsecond) => Kind::Duration,
            DataType::Interval(IntervalUnit::YearMonth) => Kind::Months,
            DataType::Interval(IntervalUnit::MonthDayNano) => Kind::MonthDayNano,
            DataType::List(_) => Kind::List(inner(array.as_list::<i32>().values())?),
            DataType::LargeList(_) => Kind::LargeList(inner(array.as_list::<i64>().values())?),
            DataType::Struct(fields) => {
                let columns = fields.iter().zip(array.as_struct().columns());
                let columns = columns.map(|(field, column)| {
                    Ok((field.name().as_str(), Values::new(field.name(), column)?))
                });
                Kind::Struct(columns.collect::<Result<_, _>>()?)
            }
            DataType::Map(..) => {
                let map = array.as_map();
                Kind::Map(inner(map.keys())?, inner(map.values())?)
            }
            other => {
                return Err(UnsupportedType {
                    column: name.to_owned(),
                    arrow_type: other.to_string(),
                });
            }
        };
        Ok(Self { array, kind })
    }

    /// The cell of a row. What is not there as text is written into `scratch`.
    pub fn cell<'s>(&'s self, row: usize, scratch: &'s mut Vec<u8>) -> Cell<'s> {
        if self.array.is_null(row) {
            return Cell::Null;
        }
        if let Some(text) = self.text(row) {
            return Cell::Text(text);
        }
        scratch.clear();
        self.spell(row, scratch);
        let spelt = std::str::from_utf8(scratch).unwrap_or_default();
        match (&self.kind, self.is_string(row)) {
            (Kind::Null, _) => Cell::Null,
            (_, true) => Cell::Text(spelt),
            (_, false) => Cell::Json(spelt),
        }
    }

    /// Text that stands in the array as it is.
    fn text(&self, row: usize) -> Option<&str> {
        match self.kind {
            Kind::Text => Some(self.array.as_string::<i32>().value(row)),
            Kind::LargeText => Some(self.array.as_string::<i64>().value(row)),
            _ => None,
        }
    }

    /// Whether a value is a string in JSON.
    fn is_string(&self, row: usize) -> bool {
        let array = self.array;
        match self.kind {
            Kind::Int64 => !is_safe(array.as_primitive::<Int64Type>().value(row)),
            Kind::Float32 => !array.as_primitive::<Float32Type>().value(row).is_finite(),
            Kind::Float64 => !array.as_primitive::<Float64Type>().value(row).is_finite(),
            Kind::Decimal(_)
            | Kind::Text
            | Kind::LargeText
            | Kind::Binary
            | Kind::LargeBinary
            | Kind::Date
            | Kind::Timestamp(_)
            | Kind::Time
            | Kind::Duration
            | Kind::Months
            | Kind::MonthDayNano => true,
            _ => false,
        }
    }

    /// Writes a value as JSON.
    fn write_json(&self, row: usize, out: &mut Vec<u8>) {
        if self.array.is_null(row) {
            out.extend_from_slice(b"null");
        } else if let Some(text) = self.text(row) {
            write_string(text, out);
        } else if self.is_string(row) {
            // Digits, letters and signs that need no escape.
            out.push(b'"');
            self.spell(row, out);
            out.push(b'"');
        } else {
            self.spell(row, out);
        }
    }

    /// Writes a value that is not NULL as text, or as JSON where that is no string.
    fn spell(&self, row: usize, out: &mut Vec<u8>) {
        let array = self.array;
        let text = match &self.kind {
            Kind::Null => "null".to_owned(),
            Kind::Boolean => array.as_boolean().value(row).to_string(),
            Kind::Int8 => array.as_primitive::<Int8Type>().value(row).to_string(),
            Kind::Int16 => array.as_primitive::<Int16Type>().value(row).to_string(),
            Kind::Int32 => array.as_primitive::<Int32Type>().value(row).to_string(),
            Kind::Int64 => array.as_primitive::<Int64Type>().value(row).to_string(),
            Kind::Float32 => float32(array.as_primitive::<Float32Type>().value(row)),
            Kind::Float64 => float64(array.as_primitive::<Float64Type>().value(row)),
            Kind::Decimal(scale) => {
                decimal(array.as_primitive::<Decimal128Type>().value(row), *scale)
            }
            Kind::Text => array.as_string::<i32>().value(row).to_owned(),
            Kind::LargeText => array.as_string::<i64>().value(row).to_owned(),
            Kind::Binary => hex::encode(array.as_binary::<i32>().value(row)),
            Kind::LargeBinary => hex::encode(array.as_binary::<i64>().value(row)),
            Kind::Date => calendar::date(array.as_primitive::<Date32Type>().value(row)),
            Kind::Timestamp(zone) => {
                let micros = array.as_primitive::<TimestampMicrosecondType>().value(row);
                let mut text = calendar::timestamp(micros);
                if *zone == Zone::Utc {
                    text.push('Z');
                }
                text
            }
            Kind::Time => calendar::time(array.as_primitive::<Time64NanosecondType>().value(row)),
            Kind::Duration => {
                let micros = array.as_primitive::<DurationMicrosecondType>().value(row);
                calendar::duration(micros)
            }
            Kind::Months => {
                calendar::months(array.as_primitive::<IntervalYearMonthType>().value(row))
            }
            Kind::MonthDayNano => {
                let part = array.as_primitive::<IntervalMonthDayNanoType>().value(row);
                calendar::interval(part.months, part.days, part.nanoseconds)
            }
            Kind::List(values) => {
                let offsets = array.as_list::<i32>().value_offsets();
                let entries = index(offsets[row].into())..index(offsets[row + 1].into());
                return write_list(entries, out, |at, out| values.write_json(at, out));
            }
            Kind::LargeList(values) => {
                let offsets = array.as_list::<i64>().value_offsets();
                let entries = index(offsets[row])..index(offsets[row + 1]);
                return write_list(entries, out, |at, out| values.write_json(at, out));
            }
            Kind::Struct(fields) => {
                let fields = fields.iter();
                return write_object(fields, out, |(name, values), out| {
                    write_string(name, out);
                    out.push(b':');
                    values.write_json(row, out);
                });
            }
            Kind::Map(keys, values) => {
                let offsets = array.as_map().value_offsets();
                let entries = index(offsets[row].into())..index(offsets[row + 1].into());
                if matches!(keys.kind, Kind::Text | Kind::LargeText) {
                    return write_object(entries, out, |at, out| {
                        keys.write_json(at, out);
                        out.push(b':');
                        values.write_json(at, out);
                    });
                }
                return write_list(entries, out, |at, out| {
                    out.push(b'[');
                    keys.write_json(at, out);
                    out.push(b',');
                    values.write_json(at, out);
                    out.push(b']');
                });
            }
        };
        out.extend_from_slice(text.as_bytes());
    }
}

fn write_list<T>(
    items: impl Iterator<Item = T>,
    out: &mut Vec<u8>,
    write: impl Fn(T, &mut Vec<u8>),
) {
    out.push(b'[');
    write_items(items, out, write);
    out.push(b']');
}

fn write_object<T>(
    members: impl Iterator<Item = T>,
    out: &mut Vec<u8>,
    write: impl Fn(T, &mut Vec<u8>),
) {
    out.push(b'{');
    write_items(members, out, write);
    out.push(b'}');
}

fn write_items<T>(
    items: impl Iterator<Item = T>,
    out: &mut Vec<u8>,
    write: impl Fn(T, &mut Vec<u8>),
) {
    for (at, item) in items.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write(item, out);
    }
}

/// Arrow's offsets are never negative.
fn index(offset: i64) -> usize {
    usize::try_from(offset).unwrap_or_default()
}

/// Whether a double holds the number, and every one below it.
fn is_safe(value: i64) -> bool {
    value.unsigned_abs() <= SAFE_INTEGER
}

/// A float by the shortest digits that mean it, not by those of the double next to it.
fn float32(value: f32) -> String {
    float64(value.to_string().parse().unwrap_or(f64::from(value)))
}

fn float64(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned()
    } else {
        serde_json::Value::from(value).to_string()
    }
}

fn decimal(unscaled: i128, scale: i8) -> String {
    let digits = unscaled.unsigned_abs().to_string();
    let sign = if unscaled < 0 { "-" } else { "" };
    match usize::try_from(scale) {
        Ok(0) => format!("{sign}{digits}"),
        Ok(scale) => {
            let padded = format!("{digits:0>width$}", width = scale + 1);
            let (whole, fraction) = padded.split_at(padded.len() - scale);
            format!("{sign}{whole}.{fraction}")
        }
        Err(_) => format!("{sign}{digits}{}", "0".repeat(scale.unsigned_abs().into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::builder::{Int32Builder, MapBuilder, StringBuilder};
    use arrow_array::{
        BinaryArray, Decimal128Array, Float32Array, Float64Array, Int64Array, ListArray,
        StructArray, TimestampMicrosecondArray,
    };
    use serde_json::{Value, json};
    use std::sync::Arc;

    fn check(array: impl Array + 'static, expected: &Value) {
        let array: ArrayRef = Arc::new(array);
        let values = Values::new("c", &array).expect("supported");
        let mut json = Vec::new();
        write_list(0..array.len(), &mut json, |row, out| {
            values.write_json(row, out);
        });
        let json: Value = serde_json::from_slice(&json).expect("JSON");
        assert_eq!(&json, expected);
        let mut scratch = b"left over".to_vec();
        for (row, expected) in expected.as_array().expect("a list").iter().enumerate() {
            let value = match values.cell(row, &mut scratch) {
                Cell::Null => Value::Null,
                Cell::Text(text) => text.into(),
                Cell::Json(json) => serde_json::from_str(json).expect("JSON"),
            };
            assert_eq!(&value, expected);
        }
    }

    #[test]
    fn it_loses_no_digit_of_a_number() {
        let edge = (1_i64 << 53) - 1;
        check(
            Int64Array::from(vec![Some(edge), Some(edge + 1), Some(i64::MIN), None]),
            &json!([edge, "9007199254740992", "-9223372036854775808", null]),
        );
        check(
            Float64Array::from(vec![0.1, f64::NAN, f64::INFINITY, f64::NEG_INFINITY]),
            &json!([0.1, "NaN", "Infinity", "-Infinity"]),
        );
        check(Float32Array::from(vec![0.1]), &json!([0.1]));
        check(
            Decimal128Array::from(vec![12345, -5, 0])
                .with_precision_and_scale(38, 2)
                .expect("valid"),
            &json!(["123.45", "-0.05", "0.00"]),
        );
    }

    #[test]
    fn it_tells_points_in_time_from_readings_of_a_clock() {
        let micros = vec![1_795_077_037_123_456];
        let plain = TimestampMicrosecondArray::from(micros.clone());
        check(plain, &json!(["2026-11-19T08:30:37.123456"]));
        let zoned = TimestampMicrosecondArray::from(micros).with_timezone("Europe/Berlin");
        check(zoned, &json!(["2026-11-19T08:30:37.123456Z"]));
    }

    #[test]
    fn it_keeps_the_shape_of_nested_values() {
        check(
            ListArray::from_iter_primitive::<Int64Type, _, _>(vec![
                Some(vec![Some(1), None]),
                None,
                Some(vec![]),
            ]),
            &json!([[1, null], null, []]),
        );
        let mut by_name = MapBuilder::new(None, StringBuilder::new(), Int32Builder::new());
        by_name.keys().append_value("a");
        by_name.values().append_value(1);
        by_name.append(true).expect("even");
        check(by_name.finish(), &json!([{"a": 1}]));
        let mut by_number = MapBuilder::new(None, Int32Builder::new(), Int32Builder::new());
        by_number.keys().append_value(7);
        by_number.values().append_value(1);
        by_number.append(true).expect("even");
        check(by_number.finish(), &json!([[[7, 1]]]));
        let field = |name: &str, data_type| arrow_schema::Field::new(name, data_type, true);
        let bytes: ArrayRef = Arc::new(BinaryArray::from_vec(vec![b"\x00\xff"]));
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1]));
        check(
            StructArray::from(vec![
                (Arc::new(field("b", DataType::Binary)), bytes),
                (Arc::new(field("n", DataType::Int64)), numbers),
            ]),
            &json!([{"b": "00ff", "n": 1}]),
        );
    }
}
