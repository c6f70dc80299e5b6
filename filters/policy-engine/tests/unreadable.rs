//! A text that is not JSON which everyone reads alike is refused, whatever the schema says, even
//! where it says nothing.

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
            concat!(
                r#"{"type":"object","properties":{"a":{},"b":{"type":"object"}},"#,
                r#""additionalProperties":true}"#
            ),
            r#"{"anyOf":[{"type":"object"},{"properties":{"a":true}}]}"#,
            concat!(
                r##"{"anyOf":[{"$ref":"#/$defs/t"},{"type":"null"}],"##,
                r##""$defs":{"t":{"additionalProperties":{"$ref":"#"}}}}"##
            ),
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

/// Checks one instance against one schema; `expected` is part of what is said, or nothing where it
/// fits.
#[track_caller]
fn folded(text: &str, instance: &str, expected: Option<&str>) {
    match (schema(text).validate(instance.as_bytes(), 16), expected) {
        (Ok(()), None) => {}
        (Err(Invalid::Unreadable(violation)), Some(expected)) => {
            assert_eq!(violation.to_string(), expected, "{instance}");
        }
        (outcome, _) => panic!("{text} {instance}: {outcome:?}"),
    }
}

#[test]
fn it_refuses_keys_that_a_reader_which_ignores_case_takes_for_a_property() {
    let open = r#"{"properties":{"task":{},"Mixed":{}},"additionalProperties":true}"#;
    let written = |key: &str, name: &str| {
        format!("the arguments: expected the key `{key}` to be written `{name}`")
    };
    for key in [
        "Task",
        "TASK",
        "ta\u{17f}k",
        "tas\u{212a}",
        "TA\u{17f}\u{212a}",
    ] {
        let expected = written(key, "task");
        // Beside the property, on either side, and instead of it.
        for instance in [
            format!(r#"{{"task":1,"{key}":2}}"#),
            format!(r#"{{"{key}":2,"task":1}}"#),
            format!(r#"{{"{key}":2}}"#),
        ] {
            folded(open, &instance, Some(&expected));
        }
        let escaped: String = key
            .encode_utf16()
            .map(|unit| format!("\\u{unit:04X}"))
            .collect();
        folded(open, &format!(r#"{{"{escaped}":2}}"#), Some(&expected));
    }
    folded(open, r#"{"mixed":1}"#, Some(&written("mixed", "Mixed")));
    folded(open, r#"{"task":1,"Mixed":2,"other":3,"Other":4}"#, None);
    // A property that only `required` names, one of many, and one that is refused anyway.
    let required = r#"{"required":["name"]}"#;
    let instance = r#"{"name":1,"Name":2}"#;
    folded(required, instance, Some(&written("Name", "name")));
    let many: Vec<String> = (0..100)
        .map(|name| format!("\"name{name}\":{{}}"))
        .collect();
    let many = format!(r#"{{"properties":{{{}}}}}"#, many.join(","));
    folded(&many, r#"{"NAME77":1}"#, Some(&written("NAME77", "name77")));
    let closed = r#"{"properties":{"name":{}},"additionalProperties":false}"#;
    folded(closed, r#"{"Name":1}"#, Some(&written("Name", "name")));
}

#[test]
fn it_refuses_keys_that_a_reader_which_trims_or_stops_at_a_nul_takes_for_a_property() {
    let open = r#"{"properties":{"task":{}},"required":["task"],"additionalProperties":true}"#;
    for key in [
        "task\\u0000",
        "task\\u0000 and more",
        "Task\\u0000",
        " task",
        "task\\t",
        "\\ufefftask",
    ] {
        for instance in [
            format!(r#"{{"task":1,"{key}":2}}"#),
            format!(r#"{{"{key}":2,"task":1}}"#),
            format!(r#"{{"{key}":2}}"#),
        ] {
            let outcome = schema(open).validate(instance.as_bytes(), 16);
            let Err(Invalid::Unreadable(violation)) = outcome else {
                panic!("{instance}: {outcome:?}");
            };
            let said = violation.to_string();
            assert!(said.ends_with("to be written `task`"), "{said}");
        }
    }
    folded(open, r#"{"task":1,"ta\u0000sk":2,"tasks":3}"#, None);
}

#[test]
fn it_refuses_such_keys_at_every_depth_that_the_schema_reaches() {
    let name = r#"{"properties":{"name":{"type":"integer"}}}"#;
    let check = |text: &str, before: &str, after: &str, pointer: &str| {
        let wrong = format!(r#"{before}{{"Name":1}}{after}"#);
        let expected = format!("{pointer}: expected the key `Name` to be written `name`");
        folded(text, &wrong, Some(&expected));
        let right = format!(r#"{before}{{"name":1}}{after}"#);
        folded(text, &right, None);
    };
    check(
        &format!(r#"{{"properties":{{"a":{name}}}}}"#),
        r#"{"a":"#,
        "}",
        "/a",
    );
    check(&format!(r#"{{"items":{name}}}"#), "[7,", "]", "/1");
    let additional = format!(r#"{{"additionalProperties":{{"items":{name}}}}}"#);
    check(&additional, r#"{"x":["#, "]}", "/x/0");
    let alternatives = format!(r#"{{"items":{{"anyOf":[{{"type":"null"}},{name}]}}}}"#);
    check(&alternatives, "[null,", "]", "/1");
    // Alternatives that are tried, the first of which would fit anything.
    let tried = format!(r#"{{"items":{{"anyOf":[{name},{{"type":"object"}}]}}}}"#);
    check(&tried, "[", "]", "/0");
    check(
        &format!(r#"{{"allOf":[{{}},{name}]}}"#),
        "",
        "",
        "the arguments",
    );
    let own = r##"{"properties":{"name":{},"next":{"$ref":"#"}}}"##;
    check(own, r#"{"next":{"next":"#, "}}", "/next/next");
}

#[test]
fn it_takes_a_spelling_that_the_schema_itself_names_for_another_property() {
    let both = r#"{"properties":{"id":{"type":"integer"},"ID":{"type":"string"}}}"#;
    folded(both, r#"{"id":1,"ID":"x"}"#, None);
    let expected = "the arguments: expected the key `Id` to be written `id`";
    folded(both, r#"{"id":1,"Id":"x"}"#, Some(expected));
    let parts = r#"{"allOf":[{"properties":{"id":{}}},{"properties":{"ID":{}}}]}"#;
    folded(parts, r#"{"id":1,"ID":"x"}"#, None);
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
    let doubling = schema(concat!(
        r##"{"anyOf":[{"properties":{"a":{"$ref":"#"}},"required":["x"]},"##,
        r##"{"properties":{"a":{"$ref":"#"}},"required":["y"]}]}"##
    ));
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
        8 => prop::sample::select(vec![
            "{", "}", "[", "]", ",", ":", "\"a\"", "\"b\"", "\"\\u0061\"", "1", "-1.5e3", "true",
            "null", " ",
        ])
            .prop_map(|token| token.as_bytes().to_vec()),
        1 => prop::sample::select(vec!["\"\\ud800\"", "\"", "\\", "tru", "1e", "\u{0}", "é"])
            .prop_map(|token| token.as_bytes().to_vec()),
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
            (Err(Invalid::Unreadable(violation)), Ok(_))
                if violation.to_string().contains("twice") => {}
            (ours, theirs) => {
                let text = String::from_utf8_lossy(&bytes);
                return Err(TestCaseError::fail(format!("{ours:?} {theirs:?} {text:?}")));
            }
        }
    }

    #[test]
    fn it_reads_the_same_under_every_schema(bytes in jsonish()) {
        let readable = |schema: &Schema| {
            !matches!(schema.validate(&bytes, MAX_DEPTH), Err(Invalid::Unreadable(_)))
        };
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
