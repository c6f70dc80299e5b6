//! Arrow's values as cells, by the type of their array.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, DurationMicrosecondType, Float32Type, Float64Type, Int8Type,
    Int16Type, Int32Type, Int64Type, IntervalMonthDayNanoType, IntervalYearMonthType,
    Time64NanosecondType, TimestampMicrosecondType,
};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, IntervalUnit, TimeUnit};

use results::{Cell, write_string};

use super::calendar;

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
    /// The array, or one within it, is of a type that has no JSON form here ([`UnsupportedType`]).
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
        match &self.kind {
            Kind::Null => out.extend_from_slice(b"null"),
            Kind::Boolean => {
                let text = if array.as_boolean().value(row) {
                    "true"
                } else {
                    "false"
                };
                out.extend_from_slice(text.as_bytes());
            }
            Kind::Int8 => write_integer(array.as_primitive::<Int8Type>().value(row), out),
            Kind::Int16 => write_integer(array.as_primitive::<Int16Type>().value(row), out),
            Kind::Int32 => write_integer(array.as_primitive::<Int32Type>().value(row), out),
            Kind::Int64 => write_integer(array.as_primitive::<Int64Type>().value(row), out),
            Kind::Float32 => write_float32(array.as_primitive::<Float32Type>().value(row), out),
            Kind::Float64 => write_float64(array.as_primitive::<Float64Type>().value(row), out),
            Kind::Decimal(scale) => {
                write_decimal(
                    array.as_primitive::<Decimal128Type>().value(row),
                    *scale,
                    out,
                );
            }
            Kind::Text => out.extend_from_slice(array.as_string::<i32>().value(row).as_bytes()),
            Kind::LargeText => {
                out.extend_from_slice(array.as_string::<i64>().value(row).as_bytes());
            }
            Kind::Binary => write_hex(array.as_binary::<i32>().value(row), out),
            Kind::LargeBinary => write_hex(array.as_binary::<i64>().value(row), out),
            Kind::Date => {
                calendar::write_date(array.as_primitive::<Date32Type>().value(row), out);
            }
            Kind::Timestamp(zone) => {
                let micros = array.as_primitive::<TimestampMicrosecondType>().value(row);
                calendar::write_timestamp(micros, out);
                if *zone == Zone::Utc {
                    out.push(b'Z');
                }
            }
            Kind::Time => {
                calendar::write_time(array.as_primitive::<Time64NanosecondType>().value(row), out);
            }
            Kind::Duration => {
                let micros = array.as_primitive::<DurationMicrosecondType>().value(row);
                out.extend_from_slice(calendar::duration(micros).as_bytes());
            }
            Kind::Months => {
                let months = array.as_primitive::<IntervalYearMonthType>().value(row);
                out.extend_from_slice(calendar::months(months).as_bytes());
            }
            Kind::MonthDayNano => {
                let part = array.as_primitive::<IntervalMonthDayNanoType>().value(row);
                let text = calendar::interval(part.months, part.days, part.nanoseconds);
                out.extend_from_slice(text.as_bytes());
            }
            Kind::List(values) => {
                let offsets = array.as_list::<i32>().value_offsets();
                let entries = index(offsets[row].into())..index(offsets[row + 1].into());
                write_list(entries, out, |at, out| values.write_json(at, out));
            }
            Kind::LargeList(values) => {
                let offsets = array.as_list::<i64>().value_offsets();
                let entries = index(offsets[row])..index(offsets[row + 1]);
                write_list(entries, out, |at, out| values.write_json(at, out));
            }
            Kind::Struct(fields) => {
                let fields = fields.iter();
                write_object(fields, out, |(name, values), out| {
                    write_string(name, out);
                    out.push(b':');
                    values.write_json(row, out);
                });
            }
            Kind::Map(keys, values) => {
                let offsets = array.as_map().value_offsets();
                let entries = index(offsets[row].into())..index(offsets[row + 1].into());
                if matches!(keys.kind, Kind::Text | Kind::LargeText) {
                    write_object(entries, out, |at, out| {
                        keys.write_json(at, out);
                        out.push(b':');
                        values.write_json(at, out);
                    });
                } else {
                    write_list(entries, out, |at, out| {
                        out.push(b'[');
                        keys.write_json(at, out);
                        out.push(b',');
                        values.write_json(at, out);
                        out.push(b']');
                    });
                }
            }
        }
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

fn write_integer(value: impl itoa::Integer, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Writes a float by the shortest digits that mean it, not by those of the double next to it.
fn write_float32(value: f32, out: &mut Vec<u8>) {
    write_float64(value.to_string().parse().unwrap_or(f64::from(value)), out);
}

fn write_float64(value: f64, out: &mut Vec<u8>) {
    if value.is_finite() {
        // The digits of serde_json, so that a number has one spelling; into memory nothing fails.
        serde_json::to_writer(out, &value).unwrap_or_default();
    } else {
        let text = match (value.is_nan(), value > 0.0) {
            (true, _) => "NaN",
            (_, true) => "Infinity",
            _ => "-Infinity",
        };
        out.extend_from_slice(text.as_bytes());
    }
}

fn write_hex(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(hex::encode(bytes).as_bytes());
}

fn write_decimal(unscaled: i128, scale: i8, out: &mut Vec<u8>) {
    if unscaled < 0 {
        out.push(b'-');
    }
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(unscaled.unsigned_abs()).as_bytes();
    match usize::try_from(scale) {
        Ok(0) => out.extend_from_slice(digits),
        Ok(scale) => {
            let (whole, fraction) = digits.split_at(digits.len().saturating_sub(scale));
            out.extend_from_slice(if whole.is_empty() { b"0" } else { whole });
            out.push(b'.');
            out.resize(out.len() + scale - fraction.len(), b'0');
            out.extend_from_slice(fraction);
        }
        Err(_) => {
            out.extend_from_slice(digits);
            out.resize(out.len() + usize::from(scale.unsigned_abs()), b'0');
        }
    }
}

#[cfg(test)]
mod tests;
