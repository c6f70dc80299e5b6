//! Measures what validation costs per byte, beside what serde_json takes to skip the same text and
//! to make a tree of it.
//!
//! `cargo bench -p policy-engine`; the best of many rounds counts, so that a busy machine disturbs
//! little.

use std::hint::black_box;
use std::time::{Duration, Instant};

use policy_engine::{MAX_DEPTH, Schema, compile_schema};
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

fn main() {
    println!(
        "{:<34} {:>9} {:>12} {:>12} {:>12}",
        "instance", "bytes", "ours ns/B", "skip ns/B", "tree ns/B"
    );
    for bytes in [200, 4 * 1024, 64 * 1024, 1024 * 1024] {
        row("rows, schema for each cell", &rows(bytes), ROWS_SCHEMA);
        row("rows, schema says nothing", &rows(bytes), "{}");
        row(
            "one long string",
            &text(bytes),
            r#"{"properties":{"sql":{"type":"string","maxLength":2000000}},"required":["sql"]}"#,
        );
    }
    row(
        "rows, two alternatives by kind",
        &rows(4096),
        NULLABLE_SCHEMA,
    );
    row("rows, two alternatives tried", &rows(4096), TRIED_SCHEMA);
}

const ROWS_SCHEMA: &str = r#"{"type":"object","additionalProperties":false,"required":["rows"],
    "properties":{"rows":{"type":"array","items":{
    "type":"object","additionalProperties":false,"required":["id","name"],"properties":{
    "id":{"type":"integer","minimum":0},"name":{"type":"string","minLength":1,"maxLength":100},
    "price":{"type":"number"},
    "tags":{"type":"array","items":{"enum":["new","sale"]}},"ok":{"type":"boolean"}}}}}}"#;

const NULLABLE_SCHEMA: &str = r##"{
    "properties":{"rows":{"anyOf":[{"type":"null"},{"$ref":"#/$defs/rows"}]}},
    "$defs":{"rows":{"type":"array","items":{
    "anyOf":[{"type":"null"},{"type":"object",
    "properties":{"id":{"type":["integer","null"]}}}]}}}}"##;

const TRIED_SCHEMA: &str = r#"{"properties":{"rows":{"type":"array","items":{
    "oneOf":[{"type":"object","properties":{"kind":{"const":"a"}},"required":["kind"]},
    {"type":"object","properties":{"id":{"type":"integer"}}}]}}}}"#;

fn rows(bytes: usize) -> String {
    let mut text = String::from(r#"{"rows":["#);
    let mut id = 0;
    while text.len() + 80 < bytes || id == 0 {
        if id > 0 {
            text.push(',');
        }
        text.push_str(&format!(
            r#"{{"id":{id},"name":"item {id}","price":{}.25,"tags":["new","sale"],"ok":true}}"#,
            id * 3
        ));
        id += 1;
    }
    text + "]}"
}

fn text(bytes: usize) -> String {
    format!(
        r#"{{"sql":"{}"}}"#,
        "select name from shops; ".repeat(bytes / 24)
    )
}

fn row(name: &str, instance: &str, schema: &str) {
    let schema: Schema =
        compile_schema(&RawValue::from_string(schema.to_owned()).unwrap()).unwrap();
    let bytes = instance.as_bytes();
    assert_eq!(schema.validate(bytes, MAX_DEPTH), Ok(()));
    let ours = best(|| schema.validate(black_box(bytes), MAX_DEPTH).is_ok());
    let skip = best(|| serde_json::from_slice::<IgnoredAny>(black_box(bytes)).is_ok());
    let tree = best(|| serde_json::from_slice::<serde_json::Value>(black_box(bytes)).is_ok());
    let per_byte = |time: Duration| time.as_secs_f64() * 1e9 / bytes.len() as f64;
    println!(
        "{name:<34} {:>9} {:>12.2} {:>12.2} {:>12.2}",
        bytes.len(),
        per_byte(ours),
        per_byte(skip),
        per_byte(tree)
    );
}

/// The time of one call in the best of many rounds.
fn best(call: impl Fn() -> bool) -> Duration {
    let budget = Instant::now();
    let mut calls = 1;
    let mut best = Duration::MAX;
    while budget.elapsed() < Duration::from_millis(300) {
        let start = Instant::now();
        for _ in 0..calls {
            assert!(call());
        }
        let elapsed = start.elapsed();
        best = best.min(elapsed / calls);
        if elapsed < Duration::from_millis(2) {
            calls *= 2;
        }
    }
    best
}
