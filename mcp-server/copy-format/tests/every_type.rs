//! Every type of Spark in every type of PostgreSQL that takes it, byte for byte as COPY reads it.

use std::sync::Arc;

use arrow_array::types::{Int32Type, IntervalMonthDayNanoType};
use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, DurationMicrosecondArray,
    Float32Array, Float64Array, Int8Array, Int16Array, Int32Array, Int64Array,
    IntervalMonthDayNanoArray, IntervalYearMonthArray, LargeBinaryArray, LargeStringArray,
    ListArray, NullArray, RecordBatch, StringArray, StructArray, Time64NanosecondArray,
    TimestampMicrosecondArray,
};
use arrow_schema::{DataType, Field, IntervalUnit, Schema, TimeUnit};
use copy_format::{ColumnSummary, CopyWriter, LoadPlan, UnwritableValue, created_columns};
use postgres::TargetColumn;

/// Bytes before a row of one column.
const ONE_FIELD: [u8; 2] = [0, 1];

/// Microseconds from 1970 to 2000, where PostgreSQL begins.
const MILLENNIUM: i64 = 946_684_800_000_000;

fn target(kind: &str) -> TargetColumn {
    TargetColumn {
        name: "v".to_owned(),
        type_name: kind.to_owned(),
        kind: Some(kind.to_owned()),
        modifier: -1,
        ..TargetColumn::default()
    }
}

fn array_of(kind: &str, element_type: u32) -> TargetColumn {
    TargetColumn {
        kind: None,
        element: Some((element_type, Some(kind.to_owned()))),
        ..target(&format!("{kind}[]"))
    }
}

/// The only row of a load of one value, and what is told of the column.
fn load(
    value: ArrayRef,
    target: TargetColumn,
) -> Result<(Vec<u8>, ColumnSummary), UnwritableValue> {
    let batch = RecordBatch::try_from_iter([("v", value)]).expect("one column");
    let plan = LoadPlan::new(&batch.schema(), &[target]).expect("it fits");
    let mut writer = CopyWriter::new(plan);
    let mut out = Vec::new();
    writer.rows(&batch, 0, usize::MAX, &mut out)?;
    assert_eq!(writer.row_count(), 1);
    let summary = writer.summaries().remove(0);
    assert_eq!(out.drain(..2).as_slice(), ONE_FIELD);
    Ok((out, summary))
}

/// Checks the field that a value becomes: its length, then these bytes.
#[track_caller]
fn check(value: impl arrow_array::Array + 'static, target: TargetColumn, expected: &[u8]) {
    let type_name = target.type_name.clone();
    let (field, summary) = load(Arc::new(value), target).expect("it is written");
    let length = i32::try_from(expected.len()).expect("short");
    assert_eq!(field[..4], length.to_be_bytes(), "{type_name}");
    assert_eq!(&field[4..], expected, "{type_name}");
    assert_eq!((summary.nulls, summary.type_name), (0, type_name));
}

#[test]
fn it_writes_numbers_and_truths() {
    check(BooleanArray::from(vec![true]), target("bool"), &[1]);
    check(Int8Array::from(vec![-2]), target("int2"), &[255, 254]);
    check(Int16Array::from(vec![258]), target("int4"), &[0, 0, 1, 2]);
    check(
        Int32Array::from(vec![-1]),
        target("int8"),
        &(-1_i64).to_be_bytes(),
    );
    // Two groups of four digits: their number, weight, sign and scale, and the groups.
    let negative = [0, 2, 0, 1, 0x40, 0, 0, 0, 0, 1, 9, 41];
    check(
        Int64Array::from(vec![-12_345]),
        target("numeric"),
        &negative,
    );
    let decimal = Decimal128Array::from(vec![12_345]);
    let decimal = decimal.with_precision_and_scale(10, 2).expect("it fits");
    check(
        decimal,
        target("numeric"),
        &[0, 2, 0, 0, 0, 0, 0, 2, 0, 123, 17, 148],
    );
    let half = 1.5_f32;
    check(
        Float32Array::from(vec![half]),
        target("float4"),
        &half.to_be_bytes(),
    );
    check(
        Float32Array::from(vec![half]),
        target("float8"),
        &f64::from(half).to_be_bytes(),
    );
    check(
        Float64Array::from(vec![f64::NAN]),
        target("float8"),
        &f64::NAN.to_be_bytes(),
    );
}

#[test]
fn it_writes_texts_bytes_and_json() {
    for kind in ["text", "varchar", "bpchar", "enum"] {
        check(StringArray::from(vec!["é"]), target(kind), "é".as_bytes());
        check(LargeStringArray::from(vec![""]), target(kind), b"");
    }
    let id = "00112233-4455-6677-8899-aabbccddeeff";
    let bytes: Vec<u8> = (0..16).map(|digit| digit * 17).collect();
    check(StringArray::from(vec![id]), target("uuid"), &bytes);
    let raw: &[u8] = &[0, 255];
    check(BinaryArray::from(vec![raw]), target("bytea"), raw);
    check(LargeBinaryArray::from(vec![raw]), target("bytea"), raw);
    let object = r#"{"x":1}"#;
    check(
        StringArray::from(vec![object]),
        target("json"),
        object.as_bytes(),
    );
    // Behind the version of its form.
    let versioned = [b"\x01", object.as_bytes()].concat();
    check(StringArray::from(vec![object]), target("jsonb"), &versioned);
    let x: ArrayRef = Arc::new(Int32Array::from(vec![1]));
    let fields = vec![(Arc::new(Field::new("x", DataType::Int32, true)), x)];
    check(StructArray::from(fields), target("jsonb"), &versioned);
}

#[test]
fn it_counts_time_from_the_year_2000() {
    let second = 1_000_000_i64;
    check(
        Date32Array::from(vec![10_958]),
        target("date"),
        &1_i32.to_be_bytes(),
    );
    let at = TimestampMicrosecondArray::from(vec![MILLENNIUM - second]);
    let before = (-second).to_be_bytes();
    check(at.clone(), target("timestamp"), &before);
    check(at.with_timezone("UTC"), target("timestamptz"), &before);
    check(
        Time64NanosecondArray::from(vec![1_999]),
        target("time"),
        &1_i64.to_be_bytes(),
    );
    let interval = |microseconds: i64, days: i32, months: i32| {
        let parts = [&microseconds.to_be_bytes()[..], &days.to_be_bytes()];
        [parts.concat(), months.to_be_bytes().to_vec()].concat()
    };
    check(
        DurationMicrosecondArray::from(vec![second]),
        target("interval"),
        &interval(second, 0, 0),
    );
    check(
        IntervalYearMonthArray::from(vec![14]),
        target("interval"),
        &interval(0, 0, 14),
    );
    let mixed = IntervalMonthDayNanoType::make_value(-1, 2, 3_000);
    check(
        IntervalMonthDayNanoArray::from(vec![mixed]),
        target("interval"),
        &interval(3, 2, -1),
    );
}

#[test]
fn it_writes_arrays_with_their_elements_types_and_nulls() {
    let list = |elements: Vec<Option<i32>>| {
        ListArray::from_iter_primitive::<Int32Type, _, _>([Some(elements)])
    };
    let words = |words: &[i32]| -> Vec<u8> { words.iter().flat_map(|w| w.to_be_bytes()).collect() };
    // Dimensions, whether there are NULLs, the elements' type; size and first index; elements.
    let with_null = words(&[1, 1, 23, 2, 1, 4, 7, -1]);
    check(list(vec![Some(7), None]), array_of("int4", 23), &with_null);
    let whole = words(&[1, 0, 20, 1, 1, 8, 0, 7]);
    check(list(vec![Some(7)]), array_of("int8", 20), &whole);
    check(list(vec![]), array_of("int4", 23), &words(&[0, 0, 23]));
}

#[test]
fn it_writes_null_as_a_length_alone_and_counts_it() {
    for value in [
        Arc::new(NullArray::new(1)) as ArrayRef,
        Arc::new(StringArray::from(vec![None::<&str>])),
    ] {
        let (field, summary) = load(value, target("text")).expect("it is written");
        assert_eq!(field, (-1_i32).to_be_bytes());
        assert_eq!((summary.nulls, summary.min, summary.max), (1, None, None));
    }
}

#[test]
fn it_refuses_values_that_postgresql_cannot_hold_by_row_and_column() {
    let outside = TimestampMicrosecondArray::from(vec![i64::MIN]);
    for (value, kind) in [
        (
            Arc::new(Date32Array::from(vec![i32::MIN])) as ArrayRef,
            "date",
        ),
        (Arc::new(outside), "timestamp"),
        (Arc::new(StringArray::from(vec!["0011"])), "uuid"),
    ] {
        let refused = load(value, target(kind)).expect_err(kind).to_string();
        let expected = format!("row 1: `v` has a value that is no {kind}");
        assert_eq!(refused, expected);
    }
}

#[test]
fn it_tells_the_ends_of_what_has_an_order_and_of_nothing_else() {
    let ends = |value: ArrayRef, target: TargetColumn| {
        let (_, summary) = load(value, target).expect("it is written");
        summary
            .min
            .clone()
            .filter(|min| Some(min) == summary.max.as_ref())
    };
    let date: ArrayRef = Arc::new(Date32Array::from(vec![10_957]));
    assert_eq!(ends(date, target("date")).as_deref(), Some("2000-01-01"));
    let number: ArrayRef = Arc::new(Float64Array::from(vec![1.5]));
    assert_eq!(ends(number, target("float8")).as_deref(), Some("1.5"));
    let text: ArrayRef = Arc::new(StringArray::from(vec!["é".repeat(300)]));
    assert_eq!(ends(text, target("text")), Some("é".repeat(100)));
    for kind in ["timestamp", "time"] {
        let at: ArrayRef = match kind {
            "time" => Arc::new(Time64NanosecondArray::from(vec![0])),
            _ => Arc::new(TimestampMicrosecondArray::from(vec![0])),
        };
        assert!(ends(at, target(kind)).is_some(), "{kind}");
    }
    let unordered: ArrayRef = Arc::new(BooleanArray::from(vec![true]));
    assert_eq!(ends(unordered, target("bool")), None);
}

#[test]
fn it_makes_a_column_that_holds_each_type_of_spark() {
    let field = |kind: &DataType| Field::new("v", kind.clone(), true);
    for (kind, made) in [
        (DataType::Boolean, "boolean"),
        (DataType::Int8, "smallint"),
        (DataType::Int16, "smallint"),
        (DataType::Int32, "integer"),
        (DataType::Int64, "bigint"),
        (DataType::Float32, "real"),
        (DataType::Float64, "double precision"),
        (DataType::Null, "text"),
        (DataType::LargeUtf8, "text"),
        (DataType::Binary, "bytea"),
        (
            DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            "timestamptz",
        ),
        (
            DataType::Timestamp(TimeUnit::Microsecond, None),
            "timestamp",
        ),
        (DataType::Time64(TimeUnit::Nanosecond), "time"),
        (DataType::Interval(IntervalUnit::YearMonth), "interval"),
        (DataType::new_list(DataType::Int64, true), "bigint[]"),
        (
            DataType::Struct(vec![field(&DataType::Int32)].into()),
            "jsonb",
        ),
    ] {
        let schema = Schema::new(vec![field(&kind)]);
        let columns = created_columns(&schema).expect("it fits");
        assert_eq!(columns, [("v".to_owned(), made.to_owned())], "{kind}");
    }
}
