//! Names of items are the caller's: no pattern goes over one that is longer than its bound.

use policy_engine::{
    EndpointId, ItemKind, MessageForm, Naming, Policy, Refusal, SchemaCache, compile,
};
use serde_json::{Value, json};

fn policy(rules: &Value) -> Policy {
    let config = json!({
        "version": 3, "listener": "mcp", "allowed_hosts": ["*"], "allowed_origins": ["*"],
        "max_body_bytes": 1_048_576, "max_depth": 64,
        "endpoints": [{"path": "/mcp", "servers": ["data"], "forward": "data"}],
        "servers": {"data": {"cluster": "data", "path": "/mcp", "tools": {}}},
        "defaults": {"access": "allow", "validate": "enforce"}, "rules": rules,
    });
    let config = serde_json::from_value(config).unwrap();
    compile(&config, &mut SchemaCache::new()).unwrap()
}

/// Whether an item of this name is refused for it, at the only endpoint.
fn is_refused(policy: &Policy, kind: ItemKind, method: &str, name: &str) -> bool {
    let endpoint: EndpointId = policy.endpoint(b"/mcp").unwrap();
    let naming = Naming {
        kind,
        method: method.as_bytes(),
        name: name.as_bytes(),
        form: MessageForm::Request,
    };
    let item = policy.item(endpoint, naming);
    let is_refused = matches!(item, Err(Refusal::NotNormal { .. }));
    // Who may be refused is asked about.
    assert!(!is_refused || policy.may_rule_on(endpoint, kind, method.as_bytes()));
    is_refused
}

#[test]
fn it_refuses_names_that_are_longer_than_patterns_go() {
    let rules = json!([
        {"name": "files", "match": {"uri": "file:*"}, "allow": []},
        {"name": "reviews", "match": {"prompt": "review_*"}, "allow": []},
        {"name": "levels", "match": {"method": "logging/*"}, "allow": []},
    ]);
    let policy = policy(&rules);
    let name = |before: &str, bytes: usize| format!("{before}{}", "a".repeat(bytes - before.len()));
    for (kind, method, before, longest) in [
        (ItemKind::Resource, Some("resources/read"), "open:", 4096),
        (ItemKind::Prompt, Some("prompts/get"), "", 512),
        (ItemKind::Method, None, "", 512),
    ] {
        for (bytes, expected) in [(longest, false), (longest + 1, true)] {
            let name = name(before, bytes);
            let method = method.unwrap_or(&name);
            let found = is_refused(&policy, kind, method, &name);
            assert_eq!(found, expected, "{kind:?} {bytes}");
        }
    }
}

#[test]
fn it_asks_nothing_of_a_name_that_no_rule_goes_by() {
    let policy = policy(&json!([{"name": "files", "match": {"uri": "file:*"}, "allow": []}]));
    let long = "a".repeat(5_000);
    for (kind, method) in [
        (ItemKind::Prompt, "prompts/get"),
        (ItemKind::Method, long.as_str()),
    ] {
        assert!(!is_refused(&policy, kind, method, &long), "{kind:?}");
    }
}
