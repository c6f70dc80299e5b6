//! The border besides the policy cases: faults with their places, and counts.

use policy_text::{Counts, Fault, TextPolicy};
use serde_json::{Value, json};

const NOW: u64 = 1_800_000_000_000_000_000;

fn configuration() -> Value {
    json!({
        "version": 1, "listener": "mcp", "allowed_hosts": ["*"], "allowed_origins": [],
        "max_body_bytes": 1048576, "max_depth": 32,
        "endpoints": [{"path": "/mcp", "servers": ["data"], "forward": "data"}],
        "servers": {"data": {"cluster": "alpha", "path": "/there", "tools": {
            "query": {"input_schema": "query"}, "open": {}}}},
        "defaults": {"access": "allow", "validate": "enforce"},
        "rules": [
            {"name": "mild", "match": {"tool": "query"}, "validate": "shadow", "timeout_ms": 1500},
            {"name": "twice", "match": {"tool": "query"},
             "limits": [{"id": "each", "per": ["tool"], "requests": 2, "window_ms": 60000}]}],
        "schemas": {"query": {"type": "object", "required": ["sql"]}}
    })
}

fn policy(configuration: &Value) -> TextPolicy {
    TextPolicy::compile(configuration.to_string().as_bytes()).unwrap()
}

fn decide(policy: &TextPolicy, counts: &mut Counts, call: &Value) -> Result<Value, Vec<Fault>> {
    let decision = policy.decide(&call.to_string(), counts, NOW)?;
    Ok(serde_json::from_str(&decision).unwrap())
}

fn paths(faults: &[Fault]) -> Vec<&str> {
    faults.iter().map(|fault| fault.path.as_str()).collect()
}

#[test]
fn it_says_where_a_call_goes_and_which_rules_decided() {
    let found = decide(
        &policy(&configuration()),
        &mut Counts::new(1),
        &json!({"endpoint": "/mcp", "tool": "query", "arguments": "{}"}),
    );
    let expected = json!({
        "decision": "allow", "server": "data", "cluster": "alpha", "path": "/there",
        "timeout_ms": 1500, "credentials": "home", "arguments_read": true,
        "shadowed": [{"pointer": "", "expected": "the property `sql`"}],
        "rules": {"validate": "mild", "timeout": "mild"}
    });
    assert_eq!(found, Ok(expected));
}

#[test]
fn it_says_that_nobody_has_read_arguments_without_a_schema() {
    let call = json!({"endpoint": "/mcp", "tool": "open", "arguments": "{\"a\":1,\"a\":2}"});
    let found = decide(&policy(&configuration()), &mut Counts::new(1), &call).unwrap();
    assert_eq!(found["decision"], "allow");
    assert_eq!(found["arguments_read"], false);
}

#[test]
fn it_goes_on_counting_under_the_next_policy() {
    let mut counts = Counts::new(1);
    let call = json!({"endpoint": "/mcp", "tool": "query", "arguments": "{\"sql\":\"\"}"});
    let mut configuration = configuration();
    let first = policy(&configuration);
    for _ in 0..2 {
        assert_eq!(
            decide(&first, &mut counts, &call).unwrap()["decision"],
            "allow"
        );
    }
    configuration["rules"][0]["timeout_ms"] = 9.into();
    let next = policy(&configuration);
    let found = decide(&next, &mut counts, &call).unwrap();
    assert_eq!(found["reason"], "limited");
    assert_eq!(found["retry_after_seconds"], 30);
    let fresh = decide(&next, &mut Counts::new(1), &call).unwrap();
    assert_eq!(fresh["decision"], "allow");
}

#[test]
fn it_says_everything_that_is_wrong_with_a_configuration() {
    let mut configuration = configuration();
    configuration["endpoints"][0]["forward"] = "elsewhere".into();
    configuration["rules"][1]["limits"][0]["requests"] = 0.into();
    let faults = TextPolicy::compile(configuration.to_string().as_bytes()).unwrap_err();
    assert_eq!(
        paths(&faults),
        ["/rules/1/limits/0/requests", "/endpoints/0/forward"]
    );
    let faults = TextPolicy::compile(b"{\"version\": 1,").unwrap_err();
    assert_eq!(paths(&faults), [""]);
}

#[test]
fn it_says_what_is_wrong_with_a_call() {
    let policy = policy(&configuration());
    let check = |call: Value, expected: &[&str]| {
        let faults = decide(&policy, &mut Counts::new(1), &call).unwrap_err();
        assert_eq!(paths(&faults), expected, "{call}");
        assert!(faults.iter().all(|fault| !fault.reason.is_empty()));
    };
    check(json!({"endpoint": "/mcp"}), &[""]);
    check(json!({"endpoint": "/mcp", "tol": "query"}), &[""]);
    check(json!({"endpoint": "/mpc", "tool": "query"}), &["/endpoint"]);
    check(
        json!({"endpoint": "/mcp", "tool": "query", "form": "request", "method": "ping",
               "arguments": "{}"}),
        &["/form", "/arguments", "/method"],
    );
    check(
        json!({"endpoint": "/mcp", "tool": "open", "form": "notification"}),
        &["/form"],
    );
    check(
        json!({"endpoint": "/mcp", "form": "notification"}),
        &["/form", ""],
    );
    check(
        json!({"endpoint": "/mcp", "method": "ping", "arguments": "{}"}),
        &["/arguments"],
    );
}

#[test]
fn it_does_not_decide_without_the_name_that_a_rule_may_be_about() {
    let mut configuration = configuration();
    let rules = configuration["rules"].as_array_mut().unwrap();
    rules.push(json!({"name": "no", "match": {"prompt": "x*"}, "allow": []}));
    let policy = policy(&configuration);
    let ask = |call: Value| decide(&policy, &mut Counts::new(1), &call);
    for (call, path) in [
        (
            json!({"endpoint": "/mcp", "method": "prompts/get"}),
            "/prompt",
        ),
        (
            json!({"endpoint": "/mcp", "method": "completion/complete"}),
            "/prompt",
        ),
        (
            json!({"endpoint": "/mcp", "method": "ping", "prompt": "a", "uri": "a:b"}),
            "/uri",
        ),
        (
            json!({"endpoint": "/mcp", "method": "ping", "prompt": "a"}),
            "/prompt",
        ),
        (
            json!({"endpoint": "/mcp", "method": "prompts/get", "uri": "a:b"}),
            "/uri",
        ),
        (
            json!({"endpoint": "/mcp", "tool": "open", "prompt": "a"}),
            "/prompt",
        ),
    ] {
        assert_eq!(paths(&ask(call.clone()).unwrap_err()), [path], "{call}");
    }
    let found = ask(json!({"endpoint": "/mcp", "method": "prompts/get", "prompt": "xy"}));
    let found = found.unwrap();
    assert_eq!(
        (&found["reason"], &found["rules"]["allow"]),
        (&json!("forbidden"), &json!("no"))
    );
    // No rule is about resources there.
    let found = ask(json!({"endpoint": "/mcp", "method": "resources/read"})).unwrap();
    assert_eq!(found["decision"], "allow");
}

#[test]
fn it_explains_a_tool_and_names_what_it_does_not_find() {
    let policy = policy(&configuration());
    let explanation: Value =
        serde_json::from_str(&policy.explain("/mcp", "query").unwrap()).unwrap();
    assert_eq!(
        explanation["validate"],
        json!({"value": "shadow", "rule": "mild"})
    );
    assert_eq!(
        paths(&policy.explain("/mpc", "query").unwrap_err()),
        ["/endpoint"]
    );
    assert_eq!(
        paths(&policy.explain("/mcp", "quer").unwrap_err()),
        ["/tool"]
    );
}
