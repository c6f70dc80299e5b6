//! Validation looks at each byte a bounded number of times, whatever the schema and the instance.

use policy_engine::{Invalid, MAX_DEPTH, Schema, compile_schema};
use serde_json::json;
use serde_json::value::RawValue;
use step_count::taken_by;

fn schema(text: &str) -> Schema {
    compile_schema(&RawValue::from_string(text.to_owned()).unwrap()).unwrap()
}

/// The most steps for a body of that many bytes: one reading, the replay budget, and its free part.
fn most(bytes: usize) -> u64 {
    const READING: u64 = 24;
    const REPLAYS: u64 = 32;
    const FREE: u64 = 1024 * 1024;
    // A byte that is looked at again is read by as many readers as the first time.
    (READING + 4 * REPLAYS) * bytes as u64 + 4 * FREE
}

#[track_caller]
fn steps(schema: &Schema, instance: &str) -> (Result<(), Invalid>, u64) {
    let (outcome, steps) = taken_by(|| schema.validate(instance.as_bytes(), MAX_DEPTH));
    let most = most(instance.len());
    assert!(
        steps <= most,
        "{steps} steps for {} bytes, more than {most}",
        instance.len()
    );
    assert!(steps >= instance.len() as u64, "{steps}");
    (outcome, steps)
}

const SIZE: usize = 200_000;

fn repeated(item: &str) -> String {
    format!("[{}]", vec![item; SIZE / (item.len() + 1)].join(","))
}

#[test]
fn it_compares_a_string_with_a_long_list_of_choices_in_few_steps() {
    let names: Vec<String> = (0..2000).map(|name| format!("name {name:05}")).collect();
    let many = schema(&json!({"items": {"enum": names}}).to_string());
    let (outcome, _) = steps(&many, &repeated("\"name 01999\""));
    assert_eq!(outcome, Ok(()));
    let (outcome, _) = steps(&many, &repeated("\"name 02000\""));
    assert!(matches!(outcome, Err(Invalid::Misfit(_))));
    // One long string, escaped, against each of the choices.
    let long = format!("[\"{}\"]", r"\u006e".repeat(SIZE / 6));
    let (outcome, _) = steps(&many, &long);
    assert!(matches!(outcome, Err(Invalid::Misfit(_))));
}

#[test]
fn it_compares_a_number_with_a_long_list_of_choices_in_few_steps() {
    let numbers: Vec<u32> = (0..2000).collect();
    let many = schema(&json!({"items": {"enum": numbers}}).to_string());
    assert_eq!(steps(&many, &repeated("1999.0")).0, Ok(()));
    let (outcome, _) = steps(&many, &format!("[1{}]", "0".repeat(SIZE)));
    assert!(matches!(outcome, Err(Invalid::Misfit(_))));
}

#[test]
fn it_compares_arrays_and_objects_with_choices_under_the_budget() {
    let nested: Vec<_> = (0..2000).map(|last| json!({"a": [1, last]})).collect();
    let many = schema(&json!({"items": {"enum": nested}}).to_string());
    let (outcome, _) = steps(&many, &repeated(r#"{"a":[1,7]}"#));
    assert_eq!(outcome, Ok(()));
    let (outcome, _) = steps(&many, &repeated(r#"{"a":[1,1999]}"#));
    match outcome {
        Err(Invalid::Unreadable(why)) => assert!(why.expected.contains("fewer"), "{why}"),
        other => panic!("{other:?}"),
    }
    let one = schema(&json!({"items": {"const": {"a": [1, 2], "b": null}}}).to_string());
    let (outcome, _) = steps(&one, &repeated(r#"{"b":null,"a":[1.0,2e0]}"#));
    assert_eq!(outcome, Ok(()));
}

#[test]
fn it_passes_names_that_another_object_of_the_schema_spells_so_in_few_steps() {
    let properties = |letter: char| -> serde_json::Map<String, serde_json::Value> {
        let names = (0..4_000).map(|number| (format!("{letter}{number}"), json!({})));
        names.collect()
    };
    let schema = schema(
        &json!({"properties": {"here": {"properties": properties('a')},
            "there": {"properties": properties('A')}}})
        .to_string(),
    );
    let instance = json!({"here": properties('A')}).to_string();
    let (outcome, steps) = steps(&schema, &instance);
    assert_eq!(outcome, Ok(()));
    assert!(steps < 200 * instance.len() as u64, "{steps} steps");
}

#[test]
fn it_compares_long_numbers_with_bounds_in_few_steps() {
    let bounds = schema(
        r#"{"minimum":-1,"exclusiveMinimum":-2,"maximum":2,"exclusiveMaximum":3,"multipleOf":7}"#,
    );
    for number in [
        format!("1.{}", "3".repeat(SIZE)),
        format!("-{}", "9".repeat(SIZE)),
        format!("0.{}1e-{}", "0".repeat(SIZE), "9".repeat(SIZE)),
    ] {
        assert!(matches!(steps(&bounds, &number).0, Err(Invalid::Misfit(_))));
    }
}

#[test]
fn it_passes_by_alternatives_of_other_kinds_in_few_steps() {
    let alternatives: Vec<_> = (0..500)
        .map(|number| json!({"type": "object", "required": [format!("p{number}")]}))
        .chain([json!({"type": "integer"})])
        .collect();
    let chosen = schema(&json!({"items": {"anyOf": alternatives}}).to_string());
    assert_eq!(steps(&chosen, &repeated("1")).0, Ok(()));
    let tried = schema(&json!({"items": {"anyOf": alternatives, "minimum": 0}}).to_string());
    match steps(&tried, &repeated("1")).0 {
        Err(Invalid::Unreadable(why)) => assert!(why.expected.contains("fewer"), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn it_looks_for_missing_properties_in_few_steps() {
    let properties: serde_json::Map<_, _> = (0..2000)
        .map(|number| (format!("p{number}"), json!({})))
        .collect();
    let required: Vec<&String> = properties.keys().collect();
    let none = schema(&json!({"items": {"properties": properties}}).to_string());
    assert_eq!(steps(&none, &repeated("{}")).0, Ok(()));
    let all = json!({"items": {"properties": properties, "required": required}});
    let outcome = steps(&schema(&all.to_string()), &repeated("{}")).0;
    assert!(matches!(outcome, Err(Invalid::Misfit(_))));
    // As an alternative that is tried for each item.
    let tried = json!({"items": {"anyOf": [all["items"], {"type": "object"}]}});
    assert_eq!(
        steps(&schema(&tried.to_string()), &repeated("{}")).0,
        Ok(())
    );
}

#[test]
fn it_reads_long_keys_in_few_steps() {
    let open = schema(r#"{"properties":{"name":{},"nAme2":{}}}"#);
    let closed = schema(r#"{"properties":{"name":{}},"additionalProperties":false}"#);
    let escaped = r"\u0061".repeat(SIZE / 6);
    let plain = "A".repeat(SIZE);
    for key in [&escaped, &plain] {
        let instance = format!(r#"{{"{key}":1}}"#);
        assert_eq!(steps(&open, &instance).0, Ok(()));
        assert!(matches!(
            steps(&closed, &instance).0,
            Err(Invalid::Misfit(_))
        ));
        // Deep below a long key, with as many misfits as are noted.
        let instance = format!(r#"{{"name":1,"{key}":{{"x":[{{}},{{}}]}}}}"#);
        assert!(matches!(
            steps(&closed, &instance).0,
            Err(Invalid::Misfit(_))
        ));
    }
    let many: Vec<String> = (0..SIZE / 12)
        .map(|key| format!("\"key{key:05}\":1"))
        .collect();
    let instance = format!("{{{}}}", many.join(","));
    assert_eq!(steps(&open, &instance).0, Ok(()));
}
