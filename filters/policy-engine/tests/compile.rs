//! Configurations that do not compile, each with all its errors; and what a compiled one answers.

use policy_engine::wire::FilterConfig;
use policy_engine::{Arguments, Decision, Principal, SchemaCache, compile};
use serde_json::{Value, json};

/// A configuration that compiles.
fn good() -> Value {
    json!({
        "version": 1, "listener": "mcp",
        "allowed_hosts": ["localhost"], "allowed_origins": ["http://localhost:*"],
        "max_body_bytes": 1024, "max_depth": 16,
        "endpoints": [{"path": "/mcp", "servers": ["data", "math"], "forward": "data"}],
        "servers": {
            "data": {"cluster": "alpha", "path": "/mcp",
                "tools": {"query": {"input_schema": "q"}, "list": {}}},
            "math": {"cluster": "beta", "path": "/m", "tools": {"add": {}}},
        },
        "defaults": {"access": "allow", "validate": "enforce"},
        "roles": {"analyst": {"claims": {"groups": ["analysts"]}}},
        "rules": [
            {"name": "first", "match": {"server": "data", "tool": "que*"}, "allow": ["analyst"],
             "timeout_ms": 1500,
             "limits": [{"id": "each", "per": ["tool", "principal"], "requests": 60,
                 "window_ms": 60000, "burst": 10}]},
            {"name": "second", "match": {"tool": "query"}, "allow": ["*"], "validate": "shadow",
             "constraints": "c", "route": {"cluster": "gamma"},
             "limits": [{"id": "all", "requests": 600, "window_ms": 60000}]},
        ],
        "schemas": {"q": {"type": "object"}, "c": {"required": ["sql"]}},
    })
}

fn read(config: &Value) -> FilterConfig {
    serde_json::from_str(&config.to_string()).unwrap()
}

/// Replaces the value at a pointer, or adds the member that its last segment names.
fn with(changes: &[(&str, Value)]) -> FilterConfig {
    let mut config = good();
    for (pointer, value) in changes {
        let (parent, last) = pointer.rsplit_once('/').unwrap();
        match config.pointer_mut(parent).unwrap() {
            Value::Array(items) if last == "-" => items.push(value.clone()),
            Value::Array(items) => items[last.parse::<usize>().unwrap()] = value.clone(),
            Value::Object(members) => {
                members.insert(last.to_owned(), value.clone());
            }
            other => panic!("{pointer}: {other}"),
        }
    }
    read(&config)
}

#[track_caller]
fn check(changes: &[(&str, Value)], expected: &[(&str, &str)]) {
    let errors: Vec<_> = match compile(&with(changes), &mut SchemaCache::new()) {
        Ok(_) => panic!("{changes:?} compiles"),
        Err(errors) => errors.into_iter().collect(),
    };
    assert_eq!(errors.len(), expected.len(), "{errors:#?}");
    for (error, (path, reason)) in errors.iter().zip(expected) {
        assert_eq!(error.path, *path, "{errors:#?}");
        assert!(error.reason.contains(reason), "{errors:#?}");
    }
}

#[test]
fn it_refuses_what_it_would_not_understand() {
    check(&[("/version", json!(9))], &[("/version", "version 9")]);
    check(&[("/max_depth", json!(0))], &[("/max_depth", "between")]);
    check(&[("/max_depth", json!(257))], &[("/max_depth", "between")]);
    check(
        &[("/max_body_bytes", json!(0))],
        &[("/max_body_bytes", "between")],
    );
    check(
        &[("/max_body_bytes", json!(1_u64 << 32))],
        &[("/max_body_bytes", "between")],
    );
}

#[test]
fn it_refuses_names_that_nothing_has() {
    check(
        &[("/rules/0/match/server", json!("dta"))],
        &[("/rules/0/match/server", "unknown server `dta`")],
    );
    check(
        &[("/rules/0/allow", json!(["analyst", "analist"]))],
        &[("/rules/0/allow/1", "unknown role `analist`")],
    );
    check(
        &[("/rules/1/constraints", json!("x"))],
        &[("/rules/1/constraints", "unknown schema `x`")],
    );
    check(
        &[("/servers/data/tools", json!({"a/b": {"input_schema": "x"}}))],
        &[(
            "/servers/data/tools/a~1b/input_schema",
            "unknown schema `x`",
        )],
    );
    check(
        &[("/endpoints/0/servers", json!(["data", "none"]))],
        &[("/endpoints/0/servers/1", "unknown server `none`")],
    );
    check(
        &[("/endpoints/0/forward", json!("none"))],
        &[("/endpoints/0/forward", "unknown server `none`")],
    );
    check(
        &[("/endpoints/0/servers", json!(["math"]))],
        &[("/endpoints/0/forward", "not one of this endpoint's")],
    );
}

#[test]
fn it_refuses_names_that_come_twice() {
    check(
        &[("/rules/1/name", json!("first"))],
        &[("/rules/1/name", "already named `first`")],
    );
    let limit = json!({"id": "each", "requests": 1, "window_ms": 1});
    check(
        &[("/rules/0/limits/-", limit)],
        &[("/rules/0/limits/1/id", "already has the id `each`")],
    );
    let endpoint = json!({"path": "/mcp", "servers": ["data"], "forward": "data"});
    check(
        &[("/endpoints/-", endpoint)],
        &[("/endpoints/1/path", "already has the path")],
    );
    check(
        &[("/endpoints/0/servers", json!(["data", "data"]))],
        &[("/endpoints/0/servers/1", "already listed")],
    );
    check(
        &[("/servers/math/tools", json!({"list": {}}))],
        &[(
            "/endpoints/0/servers/1",
            "`list` of server `data` and of server `math`",
        )],
    );
    check(
        &[("/rules/0/limits/0/per", json!(["tool", "tool"]))],
        &[("/rules/0/limits/0/per/1", "already listed")],
    );
}

#[test]
fn it_refuses_names_and_paths_that_cannot_be() {
    check(
        &[("/rules/0/match/tool", json!(""))],
        &[("/rules/0/match/tool", "matches no tool")],
    );
    check(
        &[("/rules/0/name", json!(""))],
        &[("/rules/0/name", "needs a name")],
    );
    check(
        &[("/rules/0/limits/0/id", json!(""))],
        &[("/rules/0/limits/0/id", "needs an id")],
    );
    check(
        &[("/roles/*", json!({}))],
        &[("/roles/*", "other than `*`")],
    );
    check(
        &[("/roles/analyst", json!({"claims": {"groups": []}}))],
        &[("/roles/analyst/claims/groups", "no value")],
    );
    check(
        &[("/servers/data/cluster", json!("a b"))],
        &[("/servers/data/cluster", "printable ASCII")],
    );
    check(
        &[("/servers/data/path", json!("mcp"))],
        &[("/servers/data/path", "starts with `/`")],
    );
    check(
        &[("/rules/1/route/cluster", json!("x\r\ny: z"))],
        &[("/rules/1/route/cluster", "printable ASCII")],
    );
    check(
        &[("/endpoints/0/path", json!("/mcp?x"))],
        &[("/endpoints/0/path", "no query")],
    );
}

#[test]
fn it_refuses_numbers_that_mean_nothing() {
    check(
        &[("/rules/0/limits/0/requests", json!(0))],
        &[("/rules/0/limits/0/requests", "at least 1")],
    );
    check(
        &[("/rules/0/limits/0/window_ms", json!(0))],
        &[("/rules/0/limits/0/window_ms", "longer than nothing")],
    );
    check(
        &[("/rules/0/limits/0/burst", json!(0))],
        &[("/rules/0/limits/0/burst", "at least 1")],
    );
    check(
        &[("/rules/0/limits/0/window_ms", json!(u64::MAX))],
        &[("/rules/0/limits/0/window_ms", "ten years")],
    );
    check(
        &[("/rules/0/timeout_ms", json!(0))],
        &[("/rules/0/timeout_ms", "at least 1")],
    );
}

#[test]
fn it_says_which_dimensions_come_later() {
    for dimension in ["session", "address", "header"] {
        check(
            &[("/rules/0/limits/0/per", json!(["tool", dimension]))],
            &[("/rules/0/limits/0/per/1", "comes later")],
        );
    }
    check(
        &[("/rules/0/limits/0/per", json!(["tol"]))],
        &[("/rules/0/limits/0/per/0", "unknown dimension `tol`")],
    );
}

#[test]
fn it_refuses_schemas_that_it_cannot_check_unless_nothing_uses_them() {
    let pattern = json!({"properties": {"sql": {"pattern": "^select"}}});
    check(
        &[("/schemas/q", pattern.clone())],
        &[(
            "/schemas/q/properties/sql/pattern",
            "in the schema of tool `query` of server `data`",
        )],
    );
    check(
        &[("/schemas/c", pattern.clone())],
        &[(
            "/schemas/c/properties/sql/pattern",
            "the constraints of rule `second`",
        )],
    );
    let off = with(&[
        ("/schemas/q", pattern.clone()),
        ("/rules/1/validate", json!("off")),
    ]);
    assert!(compile(&off, &mut SchemaCache::new()).is_ok());
    let unused = with(&[("/schemas/unused", pattern)]);
    assert!(compile(&unused, &mut SchemaCache::new()).is_ok());
}

#[test]
fn it_reports_everything_at_once() {
    check(
        &[
            ("/version", json!(9)),
            ("/rules/0/allow", json!(["nobody"])),
            ("/rules/0/limits/0/requests", json!(0)),
            ("/rules/1/name", json!("first")),
            ("/schemas/q", json!({"not": {}, "if": {}})),
            ("/endpoints/0/forward", json!("none")),
        ],
        &[
            ("/version", ""),
            ("/rules/0/allow/0", ""),
            ("/rules/0/limits/0/requests", ""),
            ("/rules/1/name", ""),
            ("/schemas/q/if", ""),
            ("/schemas/q/not", ""),
            ("/endpoints/0/forward", ""),
        ],
    );
}

#[test]
fn it_explains_which_rule_decides_each_field() {
    let policy = compile(&read(&good()), &mut SchemaCache::new()).unwrap();
    let endpoint = policy.endpoint(b"/mcp").unwrap();
    let explain = |tool: &[u8]| {
        serde_json::to_value(
            policy
                .explain(policy.tool(endpoint, tool).unwrap())
                .unwrap(),
        )
        .unwrap()
    };
    assert_eq!(
        explain(b"query"),
        json!({
            "server": "data", "tool": "query",
            "allow": {"value": ["analyst"], "rule": "first"},
            "validate": {"value": "shadow", "rule": "second"},
            "input_schema": "q",
            "constraints": {"value": "c", "rule": "second"},
            "timeout_ms": {"value": 1500, "rule": "first"},
            "cluster": {"value": "gamma", "rule": "second"},
            "limits": [
                {"rule": "first", "id": "each", "per": ["tool", "principal"], "requests": 60,
                 "window_ms": 60000, "burst": 10},
                {"rule": "second", "id": "all", "per": [], "requests": 600, "window_ms": 60000,
                 "burst": 600},
            ],
        })
    );
    assert_eq!(
        explain(b"add"),
        json!({
            "server": "math", "tool": "add",
            "allow": {"value": ["*"], "rule": null},
            "validate": {"value": "enforce", "rule": null},
            "input_schema": null,
            "constraints": {"value": null, "rule": null},
            "timeout_ms": {"value": null, "rule": null},
            "cluster": {"value": "beta", "rule": null},
            "limits": [],
        })
    );
}

#[test]
fn it_names_the_candidates_of_a_field_and_those_that_decide_about_a_caller() {
    let config = with(&[("/rules/0/match/roles", json!(["analyst"]))]);
    let policy = compile(&config, &mut SchemaCache::new()).unwrap();
    let tool = policy
        .tool(policy.endpoint(b"/mcp").unwrap(), b"query")
        .unwrap();
    let explanation = serde_json::to_value(policy.explain(tool).unwrap()).unwrap();
    assert_eq!(
        explanation["allow"],
        json!({"value": ["*"], "rule": "second", "candidates": [
            {"roles": ["analyst"], "value": ["analyst"], "rule": "first"}]})
    );
    assert_eq!(
        explanation["timeout_ms"],
        json!({"value": null, "rule": null, "candidates": [
            {"roles": ["analyst"], "value": 1500, "rule": "first"}]})
    );
    // Nothing depends on the caller here: it is settled.
    assert_eq!(
        explanation["cluster"],
        json!({"value": "gamma", "rule": "second"})
    );
    assert_eq!(explanation["limits"][0]["roles"], json!(["analyst"]));
    assert_eq!(explanation["limits"][1].get("roles"), None);
    let analyst = Principal::Known {
        subject: "ada".to_owned(),
        claims: [("groups".to_owned(), vec!["analysts".to_owned()])].into(),
    };
    for (principal, allow, timeout) in [
        (&Principal::Anonymous, Some("second"), None),
        (&analyst, Some("first"), Some("first")),
    ] {
        let trace = policy.trace(tool, principal).unwrap();
        let name = |rule: Option<policy_engine::RuleId>| rule.map(|rule| policy.rule_name(rule));
        assert_eq!((name(trace.allow), name(trace.timeout)), (allow, timeout));
        assert_eq!(name(trace.route), Some("second"));
    }
}

#[test]
fn it_keeps_no_candidate_behind_one_that_holds_for_everyone() {
    let behind = json!({"name": "behind", "match": {"tool": "query", "roles": ["analyst"]},
        "allow": [], "validate": "off", "timeout_ms": 1, "route": {"cluster": "delta"}});
    let config = with(&[("/rules/-", behind)]);
    let policy = compile(&config, &mut SchemaCache::new()).unwrap();
    let plain = compile(&read(&good()), &mut SchemaCache::new()).unwrap();
    let explained = |policy: &policy_engine::Policy| {
        let endpoint = policy.endpoint(b"/mcp").unwrap();
        let tool = policy.tool(endpoint, b"query").unwrap();
        serde_json::to_value(policy.explain(tool).unwrap()).unwrap()
    };
    assert_eq!(explained(&policy), explained(&plain));
}

#[test]
fn it_refuses_conditions_that_nobody_meets() {
    check(
        &[
            ("/rules/0/match/roles", json!([])),
            ("/rules/1/match/roles", json!(["analyst", "nobody"])),
        ],
        &[
            ("/rules/0/match/roles", "names no role"),
            ("/rules/1/match/roles/1", "unknown role `nobody`"),
        ],
    );
}

#[test]
fn it_answers_for_the_listener() {
    let policy = compile(&read(&good()), &mut SchemaCache::new()).unwrap();
    assert_eq!(
        (policy.limits().max_body_bytes, policy.limits().max_depth),
        (1024, 16)
    );
    assert!(policy.host_allowed(b"localhost:10000") && !policy.host_allowed(b"evil.example"));
    assert!(policy.origin_allowed(b"http://localhost:1") && !policy.origin_allowed(b"null"));
    assert_eq!(policy.endpoint(b"/"), None);
    assert_eq!(policy.endpoint(b"/mcp/"), None);
    assert_eq!(policy.endpoint(b"/mcp?a=b?c"), policy.endpoint(b"/mcp"));
    let forward = policy.forward(policy.endpoint(b"/mcp").unwrap()).unwrap();
    assert_eq!(
        (
            policy.server(forward.target()),
            policy.cluster(forward.target()),
            policy.path(forward.target()),
            forward.tool()
        ),
        ("data", "alpha", "/mcp", None)
    );
    let names: Vec<_> = policy
        .tool_names()
        .map(|(id, server, tool)| (id.index(), server, tool))
        .collect();
    assert_eq!(
        names,
        [
            (0, "data", "list"),
            (1, "data", "query"),
            (2, "math", "add")
        ]
    );
}

#[test]
fn it_gives_a_plan_with_all_that_the_next_stage_needs() {
    let config = with(&[
        ("/rules/0/allow", json!(["*"])),
        ("/rules/0/limits", json!([])),
        ("/rules/1/limits", json!([])),
    ]);
    let policy = compile(&config, &mut SchemaCache::new()).unwrap();
    let tool = policy
        .tool(policy.endpoint(b"/mcp").unwrap(), b"query")
        .unwrap();
    assert!(policy.needs_arguments(tool, &Principal::Anonymous));
    let Decision::Allow(plan) = policy.decide(tool, &Principal::Anonymous, Arguments::Raw(b"{}"))
    else {
        panic!("refused");
    };
    // It outlives the look at the policy.
    let plan = std::thread::spawn(move || plan).join().unwrap();
    let target = plan.target();
    assert_eq!(
        (
            policy.cluster(target),
            policy.path(target),
            policy.server(target),
            plan.tool(),
            plan.trace().allow.map(|rule| policy.rule_name(rule)),
        ),
        ("gamma", "/mcp", "data", Some(tool), Some("first"))
    );
    assert_eq!(plan.timeout(), Some(std::time::Duration::from_millis(1500)));
    assert_eq!(plan.shadowed().len(), 1);
}

#[test]
fn it_refuses_a_call_whose_arguments_it_needs_and_was_not_given() {
    let config = with(&[("/rules", json!([]))]);
    let policy = compile(&config, &mut SchemaCache::new()).unwrap();
    let tool = policy
        .tool(policy.endpoint(b"/mcp").unwrap(), b"query")
        .unwrap();
    match policy.decide(tool, &Principal::Anonymous, Arguments::NotRead) {
        Decision::Refuse(refusal) => assert_eq!(refusal.reason(), "arguments_not_read"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn it_tells_two_servers_tools_of_one_name_apart_by_their_prefix() {
    let config = with(&[
        ("/servers/math/tools", json!({"list": {}})),
        ("/servers/math/tool_prefix", json!("math__")),
    ]);
    let policy = compile(&config, &mut SchemaCache::new()).unwrap();
    let endpoint = policy.endpoint(b"/mcp").unwrap();
    let names: Vec<_> = policy.tool_names().collect();
    let found = |name: &[u8]| names[policy.tool(endpoint, name).unwrap().index()];
    assert_eq!((found(b"list").1, found(b"list").2), ("data", "list"));
    assert_eq!(
        (found(b"math__list").1, found(b"math__list").2),
        ("math", "list")
    );
}

#[test]
fn it_keeps_a_schema_for_as_long_as_a_policy_uses_it() {
    let mut cache = SchemaCache::new();
    let first = compile(&read(&good()), &mut cache).unwrap();
    assert_eq!(cache.len(), 2);
    // The text counts, whatever name it has.
    let renamed = with(&[
        ("/schemas/again", json!({"type": "object"})),
        ("/servers/data/tools/query/input_schema", json!("again")),
    ]);
    let second = compile(&renamed, &mut cache).unwrap();
    assert_eq!(cache.len(), 2);
    // A configuration that does not compile takes nothing away.
    assert!(compile(&with(&[("/version", json!(9))]), &mut cache).is_err());
    assert_eq!(cache.len(), 2);
    drop(first);
    assert_eq!(cache.len(), 2);
    drop(second);
    assert!(cache.is_empty());
}

#[test]
fn it_judges_by_the_new_schema_that_stands_under_an_old_name() {
    let mut cache = SchemaCache::new();
    let _replaced = compile(&read(&good()), &mut cache).unwrap();
    let changes = [
        ("/schemas/q", json!({"type": "null"})),
        ("/rules", json!([])),
    ];
    let policy = compile(&with(&changes), &mut cache).unwrap();
    let tool = policy
        .tool(policy.endpoint(b"/mcp").unwrap(), b"query")
        .unwrap();
    assert!(matches!(
        policy.decide(tool, &Principal::Anonymous, Arguments::Raw(b"{}")),
        Decision::Refuse(_)
    ));
}
