//! Definitions that are taken, and each kind of fault.

use serde_json::json;

use super::*;

fn pipeline(steps: &Value) -> Result<PipelineDefinition, String> {
    let json = json!({"name": "p", "steps": steps});
    serde_json::from_value(json).map_err(|error| error.to_string())
}

fn fault(steps: &Value) -> String {
    let checked = pipeline(steps).map(|pipeline| pipeline.check());
    match checked {
        Ok(Ok(())) => "none".to_owned(),
        Ok(Err(fault)) => fault.to_string(),
        Err(fault) => fault,
    }
}

fn chain(count: usize) -> Value {
    let step = |number: usize| json!({"name": format!("s{number}"), "kind": "k"});
    (0..count).map(step).collect()
}

#[test]
fn it_names_the_place_of_each_fault() {
    let step = |name: &str, after: &[&str]| json!({"name": name, "kind": "k", "after": after});
    let letters = "x".repeat(64);
    for (steps, expected) in [
        (json!([step("a", &["b"]), step("b", &[])]), "none"),
        (json!([step(&letters, &[])]), "none"),
        (json!([]), "stages: must be from 1 to 100"),
        (chain(101), "stages: must be from 1 to 100"),
        (json!([step("1", &[])]), "stages[0].name: `1` is no name"),
        (
            json!([step("a b", &[])]),
            "stages[0].name: `a b` is no name",
        ),
        (
            json!([step(&format!("{letters}y"), &[])]),
            "stages[0].name: `",
        ),
        (
            json!([step("a", &[]), step("a", &[])]),
            "stages[1].name: there is a stage `a` before",
        ),
        (
            json!([step("a", &["c"])]),
            "stages[0].after: there is no stage `c`",
        ),
        (
            json!([step("a", &["a"])]),
            "in a circle, so that none can begin: a → a",
        ),
        (
            json!([
                step("x", &["a"]),
                step("a", &["b", "y"]),
                step("b", &["a"]),
                step("y", &[])
            ]),
            "in a circle, so that none can begin: a → b → a",
        ),
        (
            json!([{"name": "a", "kind": "k", "timeout_s": 0}]),
            "stages[0].timeout_s: must be from 1 to 604800",
        ),
        (
            json!([{"name": "a", "kind": "k", "retry": {"attempts": 0}}]),
            "stages[0].retry.attempts: must be from 1 to 20",
        ),
        (
            json!([{"name": "a", "kind": "k", "config": {"a": ["\0"]}}]),
            "holds a NUL character",
        ),
        (
            json!([{"name": "a", "kind": "k", "config": "x".repeat(bounds::DEFINITION_BYTES)}]),
            "bytes, and at most 262144 are taken",
        ),
        (
            json!([{"name": "a", "kind": "k", "unknown": 1}]),
            "unknown field `unknown`",
        ),
    ] {
        let found = fault(&steps);
        assert!(found.contains(expected), "{found}, not {expected}");
    }
}

#[test]
fn it_fills_in_defaults_and_refuses_what_does_not_fit() {
    let json = json!({
        "name": "p",
        "parameters": {
            "day": {"type": "string"},
            "most": {"type": "integer", "default": 10}
        },
        "steps": [{"name": "a", "kind": "k"}]
    });
    let pipeline: PipelineDefinition = serde_json::from_value(json).expect("it parses");
    pipeline.check().expect("it is whole");
    let given = |value: Value| match value {
        Value::Object(given) => pipeline.parameters_for(given),
        other => panic!("{other} is no object"),
    };
    assert_eq!(
        given(json!({"day": "monday"})).map(Value::Object),
        Ok(json!({"day": "monday", "most": 10}))
    );
    for (value, expected) in [
        (json!({}), "parameter `day` is missing"),
        (json!({"day": 1}), "parameter `day` must be a string"),
        (json!({"day": "\0"}), "parameter `day` must be a string"),
        (
            json!({"day": "", "most": 1.5}),
            "parameter `most` must be an integer",
        ),
        (
            json!({"dey": ""}),
            "no parameter `dey`; it has `day`, `most`",
        ),
        (
            json!({"day": "x".repeat(bounds::PARAMETER_BYTES)}),
            "at most 65536 are taken",
        ),
    ] {
        let fault = given(value).expect_err(expected).to_string();
        assert!(fault.contains(expected), "{fault}, not {expected}");
    }
}

#[test]
fn it_refuses_a_default_of_another_type() {
    let json = json!({
        "name": "p",
        "parameters": {"most": {"type": "integer", "default": "ten"}},
        "steps": [{"name": "a", "kind": "k"}]
    });
    let pipeline: PipelineDefinition = serde_json::from_value(json).expect("it parses");
    let fault = pipeline.check().expect_err("ten is no integer").to_string();
    assert_eq!(fault, "parameters.most.default: must be an integer");
}

#[test]
fn it_doubles_the_pause_up_to_an_hour() {
    let retry = Retry {
        attempts: 20,
        backoff_s: 5,
    };
    let pauses: Vec<u64> = [1, 2, 3, 10, 11, 40]
        .map(|failures| retry.pause(failures).as_secs())
        .to_vec();
    assert_eq!(pauses, [5, 10, 20, 2560, 3600, 3600]);
}
