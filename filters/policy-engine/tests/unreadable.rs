//! What is not JSON that everyone reads alike is refused, whatever the schema says, even where it says nothing.

use std::sync::LazyLock;

use policy_engine::{Invalid, MAX_DEPTH, Schema, compile_schema};
use proptest::prelude::*;
use serde_json::value::RawValue;

fn schema(text: &str) -> Schema {
    compile_schema(&RawValue::from_string(text.to_owned()).unwrap()).unwrap()
}

/// The same instance under schemas that look at it in different ways.
fn schemas() -> &'static [Schema] {
    static SCHEMAS: LazyLock<Vec<Schema>> = LazyLock::new(|| {
        [
        "true",
        "{}",
        r#"{"type":"object","properties":{"a":{},"b":{"type":"object"}},"additionalProperties":true}"#,
        r#"{"anyOf":[{"type":"object"},{"properties":{"a":true}}]}"#,
        r##"{"anyOf":[{"$ref":"#/$defs/t"},{"type":"null"}],"$defs":{"t":{"additionalProperties":{"$ref":"#"}}}}"##,
        r#"{"type":"string","maxLength":0}"#,
        "false",
    ]
    .map(schema)
    .into()
    });
    &SCHEMAS
}

fn refuse(instance: &[u8], expected: &str) {
    for schema in schemas() {
        match schema.validate(instance, 16) {
            Err(Invalid::Unreadable(violation)) => {
                assert!(
                    violation.to_string().contains(expected),
                    "{}: {violation}",
                    String::from_utf8_lossy(instance)
                );
            }
            other => panic!("{}: {other:?}", String::from_utf8_lossy(instance)),
        }
    }
}

#[test]
fn it_refuses_keys_that_come_twice_at_every_level() {
    refuse(br#"{"a":1,"a":1}"#, "`a` comes twice");
    refuse(br#"{"x":1,"y":2,"x":3}"#, "`x` comes twice");
    refuse(br#"{"a":1,"\u0061":1}"#, "`a` comes twice");
    refuse(br#"{"\u0078":1,"x":1}"#, "`x` comes twice");
    refuse(br#"{"\u0078":1,"\u0078":1}"#, "`x` comes twice");
    refuse(
        br#"{"b":{"a":1,"c":2,"a":3}}"#,
        "/b: expected each key once, but `a` comes twice",
    );
    refuse(
        br#"{"x":[{"y":{"z":1,"z":2}}]}"#,
        "/x/0/y: expected each key once, but `z` comes twice",
    );
    refuse(br#"{"":1,"":2}"#, "comes twice");
    refuse("{\"é\":1,\"\\u00e9\":2}".as_bytes(), "comes twice");
    let many: Vec<String> = (0..200)
        .map(|number| format!("\"key{}\":1", number % 199))
        .collect();
    refuse(
        format!("{{{}}}", many.join(",")).as_bytes(),
        "`key0` comes twice",
    );
}

#[test]
fn it_refuses_what_is_no_json() {
    for instance in [
        "",
        " ",
        "{",
        "[",
        "}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{,}",
        "{a:1}",
        "{'a':1}",
        "[1,]",
        "[,1]",
        "[1 2]",
        "{\"a\":1 \"b\":2}",
        "nul",
        "True",
        "NaN",
        "Infinity",
        "-",
        "01",
        "1.",
        ".5",
        "+1",
        "1e",
        "0x10",
        "\"",
        "\"a",
        "\"\\",
        "\"\\x\"",
        "\"\\u12\"",
        "\"a\nb\"",
        "\"\u{1}\"",
        "// x\n1",
        "[1]]",
        "1 2",
        "{}x",
        "\u{feff}{}",
        "\u{a0}1",
    ] {
        refuse(instance.as_bytes(), "expected");
    }
}

#[test]
fn it_refuses_text_that_is_no_unicode() {
    refuse(b"\"\xff\"", "UTF-8");
    refuse(b"{\"a\":\"\xc0\xaf\"}", "UTF-8");
    refuse(b"\"\xed\xa0\x80\"", "UTF-8");
    refuse(br#""\ud800""#, "surrogates in pairs");
    refuse(br#""\udc00\ud800""#, "surrogates in pairs");
    refuse(br#"{"\ud800":1}"#, "surrogates in pairs");
}

#[test]
fn it_refuses_what_is_nested_too_deep() {
    refuse(
        format!("{}{}", "[".repeat(17), "]".repeat(17)).as_bytes(),
        "at most 16 levels",
    );
    refuse(
        format!("{}1{}", "{\"a\":".repeat(17), "}".repeat(17)).as_bytes(),
        "at most 16 levels",
    );
    refuse("[".repeat(1_000_000).as_bytes(), "at most 16 levels");
    let just = format!("{}{}", "[".repeat(16), "]".repeat(16));
    assert_eq!(schema("true").validate(just.as_bytes(), 16), Ok(()));
    let deepest = format!("{}{}", "[".repeat(256), "]".repeat(256));
    assert_eq!(
        schema("true").validate(deepest.as_bytes(), MAX_DEPTH),
        Ok(())
    );
    assert!(
        schema("true")
            .validate(format!("[{deepest}]").as_bytes(), u32::MAX)
            .is_err()
    );
}

#[test]
fn it_refuses_what_would_take_too_long() {
    // Both alternatives look at everything below, so each level doubles the work.
    let doubling = schema(
        r##"{"anyOf":[{"properties":{"a":{"$ref":"#"}},"required":["x"]},{"properties":{"a":{"$ref":"#"}},"required":["y"]}]}"##,
    );
    let instance = format!("{}1{}", "{\"a\":".repeat(100), "}".repeat(100));
    match doubling.validate(instance.as_bytes(), MAX_DEPTH) {
        Err(Invalid::Unreadable(violation)) => {
            assert!(violation.to_string().contains("fewer"), "{violation}");
        }
        other => panic!("{other:?}"),
    }
    let chain: Vec<String> = (0..10)
        .map(|_| r##"{"allOf":[{"type":["array","null"]}]}"##.to_owned())
        .collect();
    let wide = schema(&format!(
        r##"{{"items":{{"$ref":"#"}},"allOf":[{}]}}"##,
        chain.join(",")
    ));
    let deepest = format!("{}{}", "[".repeat(256), "]".repeat(256));
    assert_eq!(wide.validate(deepest.as_bytes(), MAX_DEPTH), Ok(()));
}

/// JSON-like text: mostly tokens, some of them broken.
fn jsonish() -> impl Strategy<Value = Vec<u8>> {
    let token = prop_oneof![
        8 => prop::sample::select(vec!["{", "}", "[", "]", ",", ":", "\"a\"", "\"b\"", "\"\\u0061\"", "1", "-1.5e3", "true", "null", " "])
            .prop_map(|token| token.as_bytes().to_vec()),
        1 => prop::sample::select(vec!["\"\\ud800\"", "\"", "\\", "tru", "1e", "\u{0}", "é"]).prop_map(|token| token.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..4),
    ];
    prop::collection::vec(token, 0..40).prop_map(|tokens| tokens.concat())
}

proptest! {
    #[test]
    fn it_agrees_with_serde_json_on_what_is_json(bytes in jsonish()) {
        let ours = schema("true").validate(&bytes, MAX_DEPTH);
        let theirs = serde_json::from_slice::<serde_json::Value>(&bytes);
        match (&ours, theirs) {
            (Ok(()), Ok(_)) | (Err(_), Err(_)) => {}
            (Err(Invalid::Unreadable(violation)), Ok(_)) if violation.to_string().contains("twice") => {}
            (ours, theirs) => return Err(TestCaseError::fail(format!("{ours:?} {theirs:?} {:?}", String::from_utf8_lossy(&bytes)))),
        }
    }

    #[test]
    fn it_reads_the_same_under_every_schema(bytes in jsonish()) {
        let readable = |schema: &Schema| !matches!(schema.validate(&bytes, MAX_DEPTH), Err(Invalid::Unreadable(_)));
        let all: Vec<bool> = schemas().iter().map(readable).collect();
        prop_assert!(all.iter().all(|one| *one == all[0]), "{all:?}");
    }

    #[test]
    fn it_never_panics_whatever_the_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for schema in schemas() {
            let _ = schema.validate(&bytes, MAX_DEPTH);
        }
    }

    #[test]
    fn it_never_panics_whatever_the_schema(text in jsonish()) {
        if let Ok(raw) = serde_json::from_slice::<Box<RawValue>>(&text) {
            let _ = compile_schema(&raw);
        }
    }
}
