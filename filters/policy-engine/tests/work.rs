//! Validation looks at each byte a bounded number of times, whatever the schema and the instance.

use policy_engine::{Invalid, MAX_DEPTH, Schema, compile_schema};
use serde_json::value::RawValue;
use serde_json::{Value, json};
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
    let properties = |letter: char| -> serde_json::Map<String, Value> {
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

/// The same rules thirty times over, for each item.
fn thirty_times(rules: &Value) -> Schema {
    let all = vec![json!({"items": {"$ref": "#/$defs/item"}}); 30];
    schema(&json!({"allOf": all, "$defs": {"item": rules}}).to_string())
}

/// Looks at an array of these items as long as the budget lasts.
#[track_caller]
fn is_bounded(schema: &Schema, item: &str) {
    match steps(schema, &repeated(item)).0 {
        Ok(()) | Err(Invalid::Misfit(_)) => {}
        Err(Invalid::Unreadable(why)) => assert!(why.expected.contains("fewer"), "{why}"),
    }
}

/// A member for each of so many names, the last of which is `z`.
fn members(count: usize) -> serde_json::Map<String, Value> {
    let names = (1..count).map(|number| format!("name {number:04}"));
    let names = names.chain(["z".to_owned()]);
    names.map(|name| (name, json!(true))).collect()
}

#[test]
fn it_looks_at_keys_again_in_few_steps_however_many_properties_there_are() {
    let listed = json!({"properties": members(9_000)});
    // The names of one object are those of another in small letters.
    let spelt = json!({"properties": {"NAME 0001": {}, "Z": {}, "a": listed}});
    let listed = thirty_times(&listed);
    let spelt = thirty_times(&spelt);
    for (schema, item) in [
        (&listed, r#"{"z":0}"#),
        (&listed, r#"{"y":0}"#),
        (&listed, r#"{"":0}"#),
        (&listed, r#"{"y":0,"x":0,"w":0}"#),
        (&spelt, r#"{"z":0}"#),
    ] {
        is_bounded(schema, item);
    }
}

#[test]
fn it_looks_at_choices_again_in_few_steps_however_many_there_are() {
    let texts: Vec<String> = (0..9_000).map(|number| format!("{number:x}")).collect();
    let numbers: Vec<u32> = (0..9_000).collect();
    let lists: Vec<Value> = (0..4_900).map(|number| json!([number])).collect();
    for (choices, item) in [
        (json!(texts), "\"7\""),
        (json!(texts), "\"\\u0037\""),
        (json!(numbers), "7"),
        (json!(lists), "[7]"),
    ] {
        is_bounded(&thirty_times(&json!({"enum": choices})), item);
    }
}

#[test]
fn it_looks_at_numbers_again_in_few_steps_whatever_their_rules() {
    let numbers = [
        "7",
        "1.5",
        "1e60",
        "1e999999999999999999",
        "1e-999999999999999999",
    ];
    let rules = [
        json!({"multipleOf": 0.1}),
        serde_json::from_str(r#"{"multipleOf":0.000000000000000004}"#).unwrap(),
        json!({"minimum": -0.5, "exclusiveMinimum": -0.5}),
        json!({"type": "integer"}),
    ];
    for rules in rules {
        let item = schema(&json!({"items": rules}).to_string());
        let again = thirty_times(&rules);
        let each = schema(&json!({"items": {"allOf": vec![rules; 33]}}).to_string());
        for number in numbers {
            for schema in [&item, &again, &each] {
                is_bounded(schema, number);
            }
        }
    }
}

#[test]
fn it_compares_an_object_with_a_large_one_in_few_steps() {
    let large = Value::Object(members(9_000));
    let schema = schema(&json!({"items": {"const": large}}).to_string());
    let all = large.as_object().unwrap().iter().rev();
    let all: Vec<String> = all.map(|(name, _)| format!("\"{name}\":true")).collect();
    let instance = format!("[{{{}}}]", all.join(","));
    let (outcome, taken) = steps(&schema, &instance);
    assert_eq!(outcome, Ok(()));
    assert!(taken < 40 * instance.len() as u64, "{taken} steps");
}

#[test]
fn it_has_the_same_budget_for_what_stands_early_in_a_value_and_late() {
    let rows = json!({"properties": {"rows": {"items": {"allOf": [{}, {"minimum": 0}]}}}});
    let schema = schema(&json!({"allOf": [{"required": ["rows"]}, rows]}).to_string());
    let text = "x".repeat(1024 * 1024);
    for instance in [
        json!({"rows": [1], "text": text}),
        json!({"a text": text, "rows": [1]}),
    ] {
        assert_eq!(steps(&schema, &instance.to_string()).0, Ok(()));
    }
}
