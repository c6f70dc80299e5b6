//! The deepest schema that compiles, against the deepest instance that may be sent.
//!
//! `tests/e2e/life_of_a_request/test_depth.py` sends the same to the module in the real Envoy,
//! whose stack is smaller.

use policy_engine::{Invalid, MAX_DEPTH, Schema, compile_schema};
use serde_json::value::RawValue;

fn compile(text: String) -> Option<Schema> {
    compile_schema(&RawValue::from_string(text).unwrap()).ok()
}

/// The deepest of these that compiles.
fn deepest(schema: impl Fn(usize) -> String) -> Schema {
    let found = (1..200).rev().find_map(|depth| compile(schema(depth)));
    found.expect("one that compiles")
}

/// Schemas that lead back to themselves from as deep as they go, each in another way.
fn schemas() -> Vec<(&'static str, Schema)> {
    let nested = |depth: usize, open: &str, innermost: &str, close: &str| {
        format!("{}{innermost}{}", open.repeat(depth), close.repeat(depth))
    };
    let back = r##"{"properties":{"a":{"$ref":"#"}},"items":{"$ref":"#"}}"##;
    vec![
        ("a circle", deepest(|_| back.to_owned())),
        (
            "properties and items",
            deepest(|depth| nested(depth, r#"{"properties":{"a":"#, r##"{"$ref":"#"}"##, "}}")),
        ),
        (
            "everything once more",
            deepest(|depth| nested(depth, r#"{"required":["a"],"allOf":["#, back, "]}")),
        ),
        (
            "alternatives that are tried",
            deepest(|depth| {
                nested(
                    depth,
                    r#"{"required":["a"],"anyOf":[{"required":["b"]},"#,
                    back,
                    "]}",
                )
            }),
        ),
        (
            "alternatives by kind",
            deepest(|depth| nested(depth, r#"{"anyOf":[{"type":"null"},"#, back, "]}")),
        ),
        (
            "one alternative of each value",
            deepest(|_| {
                r##"{"properties":{"a":{"anyOf":[{"type":"null"},{"$ref":"#"}]}},
                "items":{"oneOf":[{"type":"null"},{"$ref":"#"}]}}"##
                    .to_owned()
            }),
        ),
    ]
}

fn objects(depth: u32) -> String {
    let depth = depth as usize;
    format!("{}1{}", r#"{"a":"#.repeat(depth), "}".repeat(depth))
}

fn arrays(depth: u32) -> String {
    let depth = depth as usize;
    format!("{}{}", "[".repeat(depth), "]".repeat(depth))
}

#[test]
fn it_judges_the_deepest_instance_by_the_deepest_schema() {
    for (name, schema) in schemas() {
        for depth in [1, 100, MAX_DEPTH - 2, MAX_DEPTH] {
            for instance in [objects(depth), arrays(depth)] {
                match schema.validate(instance.as_bytes(), MAX_DEPTH) {
                    Ok(()) | Err(Invalid::Misfit(_)) => {}
                    // The bound on what is nested together: values, and alternatives on them.
                    Err(Invalid::Unreadable(why)) => assert!(
                        why.expected.contains("fewer") && depth > 1,
                        "{name} at {depth}: {why}"
                    ),
                }
            }
        }
        for instance in [objects(MAX_DEPTH + 1), arrays(MAX_DEPTH + 1)] {
            let outcome = schema.validate(instance.as_bytes(), MAX_DEPTH);
            assert!(matches!(outcome, Err(Invalid::Unreadable(_))), "{name}");
        }
    }
}

#[test]
fn it_judges_the_deepest_instance_by_a_schema_that_asks_little_at_each_level() {
    for (name, schema) in &schemas()[..1] {
        for instance in [objects(MAX_DEPTH), arrays(MAX_DEPTH)] {
            let outcome = schema.validate(instance.as_bytes(), MAX_DEPTH);
            assert_eq!(outcome, Ok(()), "{name}");
        }
    }
    let (name, by_kind) = &schemas()[5];
    for instance in [objects(MAX_DEPTH), arrays(MAX_DEPTH)] {
        // The innermost value may be of any kind but one that no alternative takes.
        let outcome = by_kind.validate(instance.as_bytes(), MAX_DEPTH);
        assert_eq!(outcome, Ok(()), "{name}");
    }
}
