//! Generated schemas and instances: the engine and the crate `jsonschema` must agree on every one.
//!
//! `PROPTEST_CASES=100000` looks longer than every day's tests do.

use json_reader::{Input, Scanner};
use policy_engine::{CheckProgress, Invalid, MAX_DEPTH, Schema, compile_schema};
use proptest::prelude::*;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

const NAMES: [&str; 5] = ["a", "b", "c", "é", "a/b"];

fn name() -> impl Strategy<Value = String> {
    prop::sample::select(NAMES.to_vec()).prop_map(str::to_owned)
}

fn number() -> impl Strategy<Value = Value> {
    prop_oneof![
        (-6i64..6).prop_map(Value::from),
        prop::sample::select(vec![0.5, 1.5, -2.5, 2.0, 0.1, 1e3]).prop_map(|number| json!(number)),
        prop::sample::select(vec![i64::MAX, i64::MIN, 9_007_199_254_740_993]).prop_map(Value::from),
        Just(json!(u64::MAX)),
    ]
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
        3 => number(),
        3 => prop::sample::select(vec!["", "a", "ab", "é😀", "abc\n", "\u{1}\"\\"])
            .prop_map(Value::from),
    ]
}

fn instance() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(name(), inner, 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// One keyword with its value; a schema is a few of them.
fn keyword(
    inner: impl Strategy<Value = Value> + Clone + 'static,
) -> impl Strategy<Value = (&'static str, Value)> {
    let kind = || {
        prop::sample::select(vec![
            "null", "boolean", "integer", "number", "string", "array", "object",
        ])
    };
    let schemas = || prop::collection::vec(inner.clone(), 1..4).prop_map(Value::from);
    prop_oneof![
        3 => kind().prop_map(|kind| ("type", json!(kind))),
        2 => prop::sample::subsequence(
            vec!["null", "boolean", "integer", "number", "string", "array", "object"], 1..4,
        )
            .prop_map(|kinds| ("type", json!(kinds))),
        2 => prop::collection::btree_map(name(), inner.clone(), 0..4)
            .prop_map(|members| ("properties", Value::Object(members.into_iter().collect()))),
        1 => prop::sample::subsequence(NAMES.to_vec(), 0..3)
            .prop_map(|names| ("required", json!(names))),
        1 => inner.clone().prop_map(|schema| ("additionalProperties", schema)),
        1 => inner.clone().prop_map(|schema| ("items", schema)),
        1 => prop::collection::vec(instance(), 1..4).prop_map(|mut choices| {
            // The dialect wants them unique.
            let mut unique: Vec<Value> = Vec::new();
            choices.retain(|choice| {
                let is_new = !unique.contains(choice);
                if is_new {
                    unique.push(choice.clone());
                }
                is_new
            });
            ("enum", Value::from(choices))
        }),
        1 => instance().prop_map(|value| ("const", value)),
        1 => number().prop_map(|bound| ("minimum", bound)),
        1 => number().prop_map(|bound| ("maximum", bound)),
        1 => number().prop_map(|bound| ("exclusiveMinimum", bound)),
        1 => number().prop_map(|bound| ("exclusiveMaximum", bound)),
        1 => (1i64..5).prop_map(|divisor| ("multipleOf", json!(divisor))),
        1 => (0u64..4).prop_map(|length| ("minLength", json!(length))),
        1 => (0u64..4).prop_map(|length| ("maxLength", json!(length))),
        1 => (0u64..3).prop_map(|length| ("minItems", json!(length))),
        1 => (0u64..3).prop_map(|length| ("maxItems", json!(length))),
        1 => schemas().prop_map(|schemas| ("allOf", schemas)),
        2 => schemas().prop_map(|schemas| ("anyOf", schemas)),
        2 => schemas().prop_map(|schemas| ("oneOf", schemas)),
        1 => Just(("description", json!("text"))),
    ]
}

fn object_schema(
    inner: impl Strategy<Value = Value> + Clone + 'static,
) -> impl Strategy<Value = Value> {
    prop::collection::vec(keyword(inner), 0..5).prop_map(|keywords| {
        let members: Map<String, Value> = keywords
            .into_iter()
            .map(|(keyword, value)| (keyword.to_owned(), value))
            .collect();
        Value::Object(members)
    })
}

fn schema() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(true)),
        Just(json!(false)),
        Just(json!({"$ref": "#/$defs/d"})),
        Just(json!({"type": "string"})),
        Just(json!({"type": "integer"})),
    ];
    let nested = leaf.prop_recursive(4, 32, 5, |inner| object_schema(inner.boxed()));
    (
        object_schema(nested.clone().boxed()),
        object_schema(nested.boxed()),
    )
        .prop_map(|(mut schema, definition)| {
            // A definition that leads to itself at once is an error for the engine, and endless for
            // others.
            let in_place = ["$ref", "allOf", "anyOf", "oneOf"]
                .iter()
                .any(|keyword| definition.get(keyword).is_some());
            let definition = if in_place {
                json!({"type": ["array", "null"]})
            } else {
                definition
            };
            if let Some(members) = schema.as_object_mut() {
                members.insert("$defs".to_owned(), json!({"d": definition}));
            }
            schema
        })
}

/// Checks a value while its bytes come, in pieces that end where `cuts` says.
fn in_pieces(schema: &Schema, instance: &str, cuts: &[usize]) -> Result<(), Invalid> {
    // Behind a value there is something, or a number would not end.
    let text = format!("{instance} ");
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % text.len()).collect();
    cuts.sort_unstable();
    let mut scanner = Scanner::new(MAX_DEPTH as usize);
    let mut validation = schema.begin();
    for cut in cuts.into_iter().chain([text.len()]) {
        let input = Input::new(&text.as_bytes()[..cut], 0);
        match schema.read_on(&mut validation, &mut scanner, input) {
            CheckProgress::Partial => assert!(!validation.is_over()),
            CheckProgress::Ended => break,
            other => panic!("{other:?}: {instance}"),
        }
    }
    validation.into_outcome()
}

proptest! {
    #[test]
    fn it_agrees_with_the_reference(
        schema in schema(),
        instances in prop::collection::vec(instance(), 12),
        cuts in prop::collection::vec(any::<usize>(), 0..8),
    ) {
        let raw = RawValue::from_string(schema.to_string()).unwrap();
        let ours = compile_schema(&raw)
            .map_err(|errors| TestCaseError::fail(format!("{schema}: {errors}")))?;
        let theirs = jsonschema::validator_for(&schema)
            .map_err(|error| TestCaseError::fail(format!("{schema}: {error}")))?;
        for instance in instances {
            let text = instance.to_string();
            let outcome = ours.validate(text.as_bytes(), MAX_DEPTH);
            prop_assert!(
                !matches!(outcome, Err(Invalid::Unreadable(_))),
                "{} on {}: {:?}", schema, text, outcome
            );
            prop_assert_eq!(
                outcome.is_ok(), theirs.is_valid(&instance),
                "{} on {}: {:?}", schema, text, outcome
            );
            prop_assert_eq!(&in_pieces(&ours, &text, &cuts), &outcome, "{:?} of {}", cuts, text);
            let every_byte: Vec<usize> = (0..text.len()).collect();
            prop_assert_eq!(&in_pieces(&ours, &text, &every_byte), &outcome, "{}", text);
            let pretty = serde_json::to_string_pretty(&instance).unwrap();
            prop_assert_eq!(
                &ours.validate(pretty.as_bytes(), MAX_DEPTH), &outcome,
                "white space makes a difference"
            );
        }
    }
}
