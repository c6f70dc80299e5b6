//! Each of Spark's types as a cell, with all its digits.

use std::sync::Arc;

use arrow_array::builder::{Int32Builder, MapBuilder, StringBuilder};
use arrow_array::{
    BinaryArray, Decimal128Array, Float32Array, Float64Array, Int64Array, ListArray, StructArray,
    TimestampMicrosecondArray,
};
use serde_json::{Value, json};

use super::*;

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
