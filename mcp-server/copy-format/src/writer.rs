//! Writes batches of Arrow as rows of a binary COPY.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, DurationMicrosecondType, Float32Type, Float64Type, Int8Type,
    Int16Type, Int32Type, Int64Type, IntervalMonthDayNanoType, IntervalYearMonthType,
    Time64NanosecondType, TimestampMicrosecondType,
};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{DataType, IntervalUnit};
use results::Cell;
use spark_rows::{Rows, UnsupportedType, Values};

use super::plan::LoadPlan;
use super::ranges::{ColumnSummary, Key, Range};
use super::{Encoding, numeric};

/// The form's name, and two fields for what this one does not have.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// In place of the number of a row's fields.
const END: [u8; 2] = (-1_i16).to_be_bytes();
/// In place of the length of a field.
const NULL: [u8; 4] = (-1_i32).to_be_bytes();
/// From 1970-01-01, where Arrow begins, to 2000-01-01, where PostgreSQL does.
const DAYS: i32 = 10_957;
const MICROSECONDS: i64 = 946_684_800_000_000;
/// The version of the form of `jsonb`.
const JSONB: u8 = 1;

/// A value that its column cannot hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnwritableValue {
    /// A text that is no UUID, say.
    #[error("row {row}: `{column}` has a value that is no {wanted}")]
    Value {
        /// The number of the row, counted from 1.
        row: u64,
        /// The name of the column.
        column: String,
        /// The type that it should be of.
        wanted: String,
    },
    /// Spark has sent what it had not announced.
    #[error(transparent)]
    Type(#[from] UnsupportedType),
}

/// Writes the rows of one load.
#[derive(Debug)]
pub struct CopyWriter {
    plan: LoadPlan,
    ranges: Vec<Range>,
    rows: u64,
}

impl CopyWriter {
    /// A writer by this plan.
    pub fn new(plan: LoadPlan) -> Self {
        Self {
            ranges: plan.columns.iter().map(|_| Range::default()).collect(),
            plan,
            rows: 0,
        }
    }

    /// Writes the header, which stands before the rows.
    pub fn begin(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(HEADER);
    }

    /// Writes rows of a batch from the one at `from` on, until `out` has `most` bytes; gives the
    /// place of the first one that is left.
    ///
    /// # Errors
    /// A value is none of its column's type, or Spark has sent one of a type that it had not
    /// announced ([`UnwritableValue`]).
    pub fn rows(
        &mut self,
        batch: &RecordBatch,
        from: usize,
        most: usize,
        out: &mut Vec<u8>,
    ) -> Result<usize, UnwritableValue> {
        let rows = Rows::new(batch)?;
        let fields = u16::try_from(self.plan.columns.len()).unwrap_or_default();
        let mut scratch = Vec::new();
        let mut at = from;
        while at < batch.num_rows() && out.len() < most {
            out.extend_from_slice(&fields.to_be_bytes());
            let columns = self.plan.columns.iter().zip(batch.columns());
            for (((planned, array), values), range) in
                columns.zip(rows.columns()).zip(&mut self.ranges)
            {
                if array.is_null(at) || array.data_type() == &DataType::Null {
                    range.nulls += 1;
                    out.extend_from_slice(&NULL);
                    continue;
                }
                if let Some(key) = key(array, at) {
                    range.take(at, &key);
                }
                let encoding = &planned.encoding;
                if write(encoding, array, Some(values), at, &mut scratch, out).is_none() {
                    return Err(UnwritableValue::Value {
                        row: self.rows + 1,
                        column: planned.name.clone(),
                        wanted: planned.type_name.clone(),
                    });
                }
            }
            self.rows += 1;
            at += 1;
        }
        for (values, range) in rows.columns().iter().zip(&mut self.ranges) {
            range.spell(|row, take| take(values.cell(row, &mut scratch)));
        }
        Ok(at)
    }

    /// Writes the trailer, which stands behind the rows.
    pub fn end(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&END);
    }

    /// How many rows have been written.
    pub fn row_count(&self) -> u64 {
        self.rows
    }

    /// The columns with the NULLs and the ends of what they held.
    pub fn summaries(&self) -> Vec<ColumnSummary> {
        let columns = self.plan.columns.iter().zip(&self.ranges);
        columns
            .map(|(column, range)| range.summary(&column.name, &column.type_name))
            .collect()
    }
}

/// Appends a field. `values` spells what becomes JSON; elements of arrays are never that.
fn write(
    encoding: &Encoding,
    array: &ArrayRef,
    values: Option<&Values<'_>>,
    row: usize,
    scratch: &mut Vec<u8>,
    out: &mut Vec<u8>,
) -> Option<()> {
    match encoding {
        Encoding::Boolean => field(&[u8::from(array.as_boolean().value(row))], out),
        Encoding::Int2 => field(&i16::try_from(whole(array, row)?).ok()?.to_be_bytes(), out),
        Encoding::Int4 => field(&i32::try_from(whole(array, row)?).ok()?.to_be_bytes(), out),
        Encoding::Int8 => field(&i64::try_from(whole(array, row)?).ok()?.to_be_bytes(), out),
        Encoding::Numeric(scale) => numeric::write(whole(array, row)?, *scale, out),
        Encoding::Float4 => {
            field(
                &array.as_primitive::<Float32Type>().value(row).to_be_bytes(),
                out,
            );
        }
        Encoding::Float8 => field(&real(array, row)?.to_be_bytes(), out),
        Encoding::Text => field(text(array, row)?.as_bytes(), out),
        Encoding::Uuid => field(
            uuid::Uuid::try_parse(text(array, row)?).ok()?.as_bytes(),
            out,
        ),
        Encoding::Bytes => match array.data_type() {
            DataType::LargeBinary => field(array.as_binary::<i64>().value(row), out),
            _ => field(array.as_binary::<i32>().value(row), out),
        },
        Encoding::Json => json(values?, row, None, scratch, out),
        Encoding::Jsonb => json(values?, row, Some(JSONB), scratch, out),
        Encoding::Date => {
            let days = array.as_primitive::<Date32Type>().value(row);
            field(&days.checked_sub(DAYS)?.to_be_bytes(), out);
        }
        Encoding::Timestamp => {
            let at = array.as_primitive::<TimestampMicrosecondType>().value(row);
            field(&at.checked_sub(MICROSECONDS)?.to_be_bytes(), out);
        }
        Encoding::Time => {
            let at = array.as_primitive::<Time64NanosecondType>().value(row);
            field(&(at / 1000).to_be_bytes(), out);
        }
        Encoding::Interval => {
            let (microseconds, days, months) = interval(array, row)?;
            out.extend_from_slice(&16_i32.to_be_bytes());
            out.extend_from_slice(&microseconds.to_be_bytes());
            out.extend_from_slice(&days.to_be_bytes());
            out.extend_from_slice(&months.to_be_bytes());
        }
        Encoding::Array {
            element,
            element_type,
        } => return write_array(element, *element_type, array, row, scratch, out),
    }
    Some(())
}

fn write_array(
    element: &Encoding,
    element_type: u32,
    array: &ArrayRef,
    row: usize,
    scratch: &mut Vec<u8>,
    out: &mut Vec<u8>,
) -> Option<()> {
    let elements = array.as_list::<i32>().value(row);
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    let dimensions = i32::from(!elements.is_empty());
    out.extend_from_slice(&dimensions.to_be_bytes());
    out.extend_from_slice(&i32::from(elements.null_count() > 0).to_be_bytes());
    out.extend_from_slice(&element_type.to_be_bytes());
    if dimensions > 0 {
        out.extend_from_slice(&i32::try_from(elements.len()).ok()?.to_be_bytes());
        // Arrays of SQL begin with 1.
        out.extend_from_slice(&1_i32.to_be_bytes());
    }
    let values = Values::new("element", &elements).ok()?;
    for at in 0..elements.len() {
        if elements.is_null(at) || elements.data_type() == &DataType::Null {
            out.extend_from_slice(&NULL);
        } else {
            write(element, &elements, Some(&values), at, scratch, out)?;
        }
    }
    let length = i32::try_from(out.len() - start - 4).ok()?;
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
    Some(())
}

fn json(
    values: &Values<'_>,
    row: usize,
    version: Option<u8>,
    scratch: &mut Vec<u8>,
    out: &mut Vec<u8>,
) {
    let text = match values.cell(row, scratch) {
        Cell::Null => "null",
        Cell::Text(text) | Cell::Json(text) => text,
    };
    let length = text.len() + usize::from(version.is_some());
    out.extend_from_slice(&i32::try_from(length).unwrap_or(i32::MAX).to_be_bytes());
    out.extend(version);
    out.extend_from_slice(text.as_bytes());
}

fn field(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&i32::try_from(bytes.len()).unwrap_or(i32::MAX).to_be_bytes());
    out.extend_from_slice(bytes);
}

fn whole(array: &ArrayRef, row: usize) -> Option<i128> {
    Some(match array.data_type() {
        DataType::Int8 => array.as_primitive::<Int8Type>().value(row).into(),
        DataType::Int16 => array.as_primitive::<Int16Type>().value(row).into(),
        DataType::Int32 => array.as_primitive::<Int32Type>().value(row).into(),
        DataType::Int64 => array.as_primitive::<Int64Type>().value(row).into(),
        DataType::Decimal128(..) => array.as_primitive::<Decimal128Type>().value(row),
        _ => return None,
    })
}

fn real(array: &ArrayRef, row: usize) -> Option<f64> {
    Some(match array.data_type() {
        DataType::Float32 => array.as_primitive::<Float32Type>().value(row).into(),
        DataType::Float64 => array.as_primitive::<Float64Type>().value(row),
        _ => return None,
    })
}

fn text(array: &ArrayRef, row: usize) -> Option<&str> {
    Some(match array.data_type() {
        DataType::Utf8 => array.as_string::<i32>().value(row),
        DataType::LargeUtf8 => array.as_string::<i64>().value(row),
        _ => return None,
    })
}

fn interval(array: &ArrayRef, row: usize) -> Option<(i64, i32, i32)> {
    Some(match array.data_type() {
        DataType::Duration(_) => {
            let length = array.as_primitive::<DurationMicrosecondType>().value(row);
            (length, 0, 0)
        }
        DataType::Interval(IntervalUnit::YearMonth) => {
            let months = array.as_primitive::<IntervalYearMonthType>().value(row);
            (0, 0, months)
        }
        DataType::Interval(IntervalUnit::MonthDayNano) => {
            let part = array.as_primitive::<IntervalMonthDayNanoType>().value(row);
            (part.nanoseconds / 1000, part.days, part.months)
        }
        _ => return None,
    })
}

/// The key by which values of a column are compared; none for those that have no order.
fn key(array: &ArrayRef, row: usize) -> Option<Key<'_>> {
    match array.data_type() {
        DataType::Date32 => {
            let days = array.as_primitive::<Date32Type>().value(row);
            Some(Key::Whole(days.into()))
        }
        DataType::Timestamp(..) => {
            let at = array.as_primitive::<TimestampMicrosecondType>().value(row);
            Some(Key::Whole(at.into()))
        }
        DataType::Time64(_) => {
            let at = array.as_primitive::<Time64NanosecondType>().value(row);
            Some(Key::Whole(at.into()))
        }
        DataType::Utf8 | DataType::LargeUtf8 => text(array, row).map(Key::Text),
        DataType::Float32 | DataType::Float64 => real(array, row).map(Key::Real),
        _ => whole(array, row).map(Key::Whole),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{Int32Array, StringArray};
    use arrow_schema::Schema;

    use super::*;
    use postgres::TargetColumn;

    fn batch(numbers: Vec<Option<i32>>, texts: Vec<Option<&str>>) -> RecordBatch {
        let numbers: ArrayRef = Arc::new(Int32Array::from(numbers));
        let texts: ArrayRef = Arc::new(StringArray::from(texts));
        RecordBatch::try_from_iter([("n", numbers), ("t", texts)]).expect("even")
    }

    fn writer(schema: &Schema, kinds: [&str; 2]) -> CopyWriter {
        let targets = ["n", "t"].into_iter().zip(kinds);
        let targets: Vec<TargetColumn> = targets
            .map(|(name, kind)| TargetColumn {
                name: name.to_owned(),
                type_name: kind.to_owned(),
                kind: Some(kind.to_owned()),
                modifier: -1,
                ..TargetColumn::default()
            })
            .collect();
        CopyWriter::new(LoadPlan::new(schema, &targets).expect("it fits"))
    }

    #[test]
    fn it_writes_rows_as_copy_reads_them_and_notes_what_they_held() {
        let first = batch(vec![Some(7), None], vec![Some("b"), Some("a")]);
        let mut writer = writer(&first.schema(), ["int8", "text"]);
        let mut out = Vec::new();
        assert_eq!(
            writer.rows(&first, 0, usize::MAX, &mut out).expect("plain"),
            2
        );
        let mut expected = vec![0, 2, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 1, b'b'];
        expected.extend([0, 2, 255, 255, 255, 255, 0, 0, 0, 1, b'a']);
        assert_eq!(out, expected);
        let second = batch(vec![Some(-1)], vec![None]);
        assert_eq!(
            writer
                .rows(&second, 0, usize::MAX, &mut out)
                .expect("plain"),
            1
        );
        let [n, t] = writer.summaries().try_into().expect("two");
        let text = |text: &str| Some(text.to_owned());
        assert_eq!((n.nulls, n.min, n.max), (1, text("-1"), text("7")));
        assert_eq!((t.nulls, t.min, t.max), (1, text("a"), text("b")));
    }

    #[test]
    fn it_stops_when_a_slice_is_full_and_names_the_row_that_does_not_fit() {
        let texts = vec![Some("00000000-0000-7000-8000-000000000000"), Some("x")];
        let batch = batch(vec![Some(1), Some(2)], texts);
        let mut writer = writer(&batch.schema(), ["int4", "uuid"]);
        let mut out = Vec::new();
        assert_eq!(writer.rows(&batch, 0, 1, &mut out).expect("a UUID"), 1);
        let refused = writer
            .rows(&batch, 1, usize::MAX, &mut out)
            .expect_err("no UUID");
        assert_eq!(
            refused.to_string(),
            "row 2: `t` has a value that is no uuid"
        );
    }
}
