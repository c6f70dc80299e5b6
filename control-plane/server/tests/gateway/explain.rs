//! `/api/v1/explain`: which rule decides about a message, and where it is in the document.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::fake_server::{FakeServer, Speaks, tool};
use crate::harness::{ControlPlane, document_with, folder};

const EXPLAIN: &str = "/api/v1/explain";

fn call(tool: &str, arguments: &Value) -> Value {
    json!({"message": {"jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {"name": tool, "arguments": arguments}}})
}

async fn control_plane(folder: &std::path::Path, rest: &str) -> (ControlPlane, FakeServer) {
    let schema = r#"{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]}"#;
    let tools = vec![tool("add", schema), tool("drop", r#"{"type":"object"}"#)];
    let server = FakeServer::start(Speaks::Stateless, tools).await;
    let document = document_with(&[("math", &server)]) + rest;
    let control_plane = ControlPlane::start(folder, &document).await;
    control_plane.until_offered("math", &["add", "drop"]).await;
    (control_plane, server)
}

const RULES: &str = "tools:
  - {name: quick, match: {server: math}, timeout: 2s}
  - {name: closed, match: {tool: drop}, allow: []}
  - {name: small, match: {tool: add}, constraints: {properties: {a: {maximum: 10}}},
     limits: [{per: [tool], requests: 2, window: 1m}]}
";

const ITEMS: &str = "tools:
  - {name: reviews, match: {prompt: 'review_*'}, allow: []}
  - {name: secrets, match: {uri: 'file:///secret/*'}, allow: [], timeout: 2s}
  - {name: lists, match: {method: 'tools/list'}, limits: [{requests: 2, window: 1m}]}
";

#[tokio::test]
async fn it_explains_prompts_resources_and_methods() {
    let folder = folder();
    let (control_plane, _server) = control_plane(folder.path(), ITEMS).await;
    let closed = |rule: &str, place: &str| json!({"field": "allow", "rule": rule, "place": place});
    let open = json!({"field": "allow", "rule": null, "place": "/defaults/access"});
    let default = json!({"field": "access", "rule": null, "place": "/defaults/access"});
    let review = json!({"kind": "prompt", "name": "review_code"});
    let secret = json!({"kind": "resource", "name": "file:///secret/a"});
    let reference = json!({"type": "ref/prompt", "name": "review_code"});
    for (method, params, reason, by, item) in [
        (
            "prompts/get",
            json!({"name": "review_code"}),
            json!("forbidden"),
            closed("reviews", "/tools/0/allow"),
            review.clone(),
        ),
        (
            "completion/complete",
            json!({"ref": reference}),
            json!("forbidden"),
            closed("reviews", "/tools/0/allow"),
            review,
        ),
        (
            "resources/read",
            json!({"uri": "file:///secret/a"}),
            json!("forbidden"),
            closed("secrets", "/tools/1/allow"),
            secret,
        ),
        (
            "resources/read",
            json!({"uri": "FILE:///secret/a"}),
            json!("not_normal"),
            json!({"field": "name", "rule": null, "place": null}),
            Value::Null,
        ),
        (
            "tools/list",
            json!({}),
            Value::Null,
            open,
            json!({"kind": "method", "name": "tools/list"}),
        ),
        (
            "prompts/get",
            json!({"name": "x"}),
            Value::Null,
            default,
            Value::Null,
        ),
    ] {
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let answer = control_plane
            .post(EXPLAIN, &json!({"message": message}))
            .await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        let found = &answer.json;
        assert_eq!(found["reason"], reason, "{}", answer.text);
        assert_eq!(found["decided_by"], by, "{}", answer.text);
        assert_eq!(found["item"], item, "{}", answer.text);
        let fields = found["fields"].as_array().into_iter().flatten();
        let named: Vec<_> = fields.map(|field| &field["field"]).collect();
        let expected: &[&str] = match method {
            _ if item.is_null() => &[],
            "tools/list" => &["allow", "timeout_ms", "cluster", "limits"],
            _ => &["allow", "timeout_ms", "cluster"],
        };
        assert_eq!(named, expected, "{}", answer.text);
    }
}

/// `explain` refuses in the same words whatever Envoys refuse before a rule is asked.
#[tokio::test]
async fn it_refuses_what_envoys_cannot_read_or_do_not_find_named() {
    let folder = folder();
    let (control_plane, _server) = control_plane(folder.path(), ITEMS).await;
    let named = |method: &str, params: &str| {
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#)
    };
    let unreadable = "unreadable";
    for (message, reason, sentence) in [
        (
            named("prompts/get", "{}"),
            "nameless",
            "a string in `params.name`",
        ),
        (
            named("resources/read", "{\"uri\": 1}"),
            "nameless",
            "in `params.uri`",
        ),
        (named("tasks/get", "{}"), "nameless", "in `params.taskId`"),
        (
            named("tools/call", "{}"),
            "nameless",
            "a string in `params.name`",
        ),
        (
            named("completion/complete", "{}"),
            "nameless",
            "`params.ref`",
        ),
        (
            named(
                "completion/complete",
                r#"{"ref":{"type":"ref/prompt","name":"x","uri":"file:///secret/a"}}"#,
            ),
            "nameless",
            "`params.ref`",
        ),
        (
            named(
                "completion/complete",
                r#"{"ref":{"type":"ref/Prompt","name":"x"}}"#,
            ),
            "nameless",
            "`params.ref`",
        ),
        (
            named(
                "completion/complete",
                r#"{"ref":{"type":"ref/tool","name":"x"}}"#,
            ),
            "nameless",
            "`params.ref`",
        ),
        (
            r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"add"}}"#.to_owned(),
            "invalid_request",
            "needs an `id`",
        ),
        (
            r#"{"id":1,"method":"ping"}"#.to_owned(),
            unreadable,
            "`jsonrpc` is missing",
        ),
        (
            r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#.to_owned(),
            unreadable,
            "`jsonrpc` must be",
        ),
        (
            r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#.to_owned(),
            unreadable,
            "`id` must be",
        ),
        (
            named("tools/call", r#"{"NAME":"add"}"#),
            unreadable,
            "`NAME`",
        ),
        (
            named("tools/call", r#"{"name":"add","Arguments":{}}"#),
            unreadable,
            "`Arguments`",
        ),
        (
            named("Tools/call", r#"{"name":"add"}"#),
            unreadable,
            "must be written",
        ),
        (format!("[{}]", named("ping", "{}")), unreadable, "batches"),
        ("7".to_owned(), unreadable, "one JSON object"),
        (
            named("ping", &format!("{{\"a\":\"{}\"}}", "a".repeat(2 << 20))),
            "body_too_large",
            "is larger than",
        ),
    ] {
        let sent = format!(r#"{{"message": {message}}}"#);
        let answer = control_plane.post_text(EXPLAIN, &sent).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        let found = &answer.json;
        let shown = &message[..message.len().min(200)];
        assert_eq!(found["decision"], "refuse", "{shown}");
        assert_eq!(found["reason"], reason, "{shown}");
        assert_eq!(found["decided_by"]["field"], "message", "{shown}");
        let told = found["sentence"].as_str().unwrap();
        assert!(told.contains(sentence), "{told}");
    }
    let fields = control_plane.post_text(EXPLAIN, "[{}, null, null]").await;
    assert_eq!(fields.status, StatusCode::BAD_REQUEST, "{}", fields.text);
}

#[tokio::test]
async fn it_names_the_rule_that_decides_and_its_place_in_the_document() {
    let folder = folder();
    let (control_plane, _server) = control_plane(folder.path(), RULES).await;
    for (message, decision, reason, by) in [
        (
            call("add", &json!({"a": 1})),
            "allow",
            Value::Null,
            json!({"field": "allow", "rule": null, "place": "/defaults/access"}),
        ),
        (
            call("drop", &json!({})),
            "refuse",
            json!("forbidden"),
            json!({"field": "allow", "rule": "closed", "place": "/tools/1/allow"}),
        ),
        (
            call("add", &json!({"a": 11})),
            "refuse",
            json!("bad_arguments"),
            json!({"field": "constraints", "rule": "small", "place": "/tools/2/constraints"}),
        ),
        (
            call("add", &json!({"a": "eleven"})),
            "refuse",
            json!("bad_arguments"),
            json!({"field": "input_schema", "rule": null, "place": null}),
        ),
        (
            call("ad", &json!({})),
            "refuse",
            json!("unknown_tool"),
            json!({"field": "catalogue", "rule": null, "place": null}),
        ),
    ] {
        let answer = control_plane.post(EXPLAIN, &message).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        let found = &answer.json;
        assert_eq!(found["decision"], decision, "{}", answer.text);
        assert_eq!(found["reason"], reason, "{}", answer.text);
        assert_eq!(found["decided_by"], by, "{}", answer.text);
        assert_eq!(found["revision"], 1);
    }
    let shown = control_plane
        .post(EXPLAIN, &call("add", &json!({"a": 1})))
        .await;
    let place = |name: &str| {
        let fields = shown.json["fields"].as_array().unwrap();
        let field = fields.iter().find(|field| field["field"] == name).unwrap();
        field["place"].clone()
    };
    assert_eq!(place("timeout_ms"), "/tools/0/timeout");
    assert_eq!(place("limits"), "/tools/2/limits");
    assert_eq!(place("validate"), "/defaults/validate");
    assert_eq!(shown.json["cluster"], "math");
    let near = control_plane.post(EXPLAIN, &call("ad", &json!({}))).await;
    assert_eq!(near.json["meant"], "did you mean `add`?");
}

/// The filter says that a tool is closed before it comes to what it cannot read.
#[tokio::test]
async fn it_gives_the_reason_of_the_filter_where_there_are_several() {
    let folder = folder();
    let (control_plane, _server) = control_plane(folder.path(), RULES).await;
    let closed = r#""method":"tools/call","params":{"name":"drop","Name":"add"}"#;
    for (members, reason, rule) in [
        (format!(r#""id":1,{closed}"#), "forbidden", json!("closed")),
        (format!(r#"{closed},"id":1"#), "unreadable", Value::Null),
    ] {
        let sent = format!(r#"{{"message": {{"jsonrpc":"2.0",{members}}}}}"#);
        let answer = control_plane.post_text(EXPLAIN, &sent).await;
        assert_eq!(answer.json["reason"], reason, "{}", answer.text);
        assert_eq!(answer.json["decided_by"]["rule"], rule, "{}", answer.text);
    }
}

#[tokio::test]
async fn it_tells_of_faults_that_pass_in_shadow_also_where_calls_are_limited() {
    let folder = folder();
    let (control_plane, _server) = control_plane(
        folder.path(),
        "tools: [{name: watched, match: {tool: add}, validate: shadow,
          limits: [{requests: 2, window: 1m}]}]",
    )
    .await;
    let found = control_plane
        .post(EXPLAIN, &call("add", &json!({"a": "no"})))
        .await;
    assert_eq!(found.json["decision"], "allow", "{}", found.text);
    let told = found.json["shadowed"][0].as_str().unwrap_or_default();
    assert!(told.contains("/a: expected"), "{}", found.text);
}

#[tokio::test]
async fn it_says_of_a_revision_that_nobody_knows_what_the_filter_says() {
    let folder = folder();
    let (control_plane, _server) = control_plane(folder.path(), "").await;
    let mut asked = call("add", &json!({"a": 1}));
    let version = "io.modelcontextprotocol/protocolVersion";
    for (written, decision, reason) in [
        ("2027-01-01", "refuse", json!("unsupported_version")),
        // Older revisions say it in the header alone.
        ("2025-06-18", "refuse", json!("header_mismatch")),
    ] {
        asked["message"]["params"]["_meta"] = json!({version: written});
        let found = control_plane.post(EXPLAIN, &asked).await.json;
        assert_eq!(
            (&found["decision"], &found["reason"]),
            (&json!(decision), &reason)
        );
    }
}

#[tokio::test]
async fn it_says_why_a_listed_tool_is_withheld_and_does_not_suggest_it() {
    let folder = folder();
    let wrong = tool("wrong", r#"{"type":"no such type"}"#);
    let tools = vec![tool("right", r#"{"type":"object"}"#), wrong];
    let server = FakeServer::start(Speaks::Stateless, tools).await;
    let document = document_with(&[("math", &server)]);
    let control_plane = ControlPlane::start(folder.path(), &document).await;
    control_plane.until_offered("math", &["right"]).await;
    let listed = control_plane.get("/api/v1/tools/wrong").await.json;
    let answer = control_plane
        .post(EXPLAIN, &call("wrong", &json!({})))
        .await;
    assert_eq!(answer.json["reason"], "unknown_tool", "{}", answer.text);
    assert_eq!(answer.json["withheld"], listed["reason"], "{}", answer.text);
    assert!(listed["reason"].is_string(), "{listed}");
    assert_eq!(answer.json["meant"], Value::Null);
    // Nobody is sent to a tool that cannot be called either.
    let near = control_plane.post(EXPLAIN, &call("wrog", &json!({}))).await;
    assert_eq!(near.json["meant"], Value::Null, "{}", near.text);
}

#[tokio::test]
async fn it_explains_messages_that_call_no_tool() {
    let folder = folder();
    let rest = "defaults: {access: deny}\n";
    let (control_plane, _server) = control_plane(folder.path(), rest).await;
    for (message, decision) in [
        (json!({"id": 1, "method": "tools/list"}), "allow"),
        (json!({"method": "notifications/initialized"}), "allow"),
        (
            json!({"id": 1, "method": "notifications/initialized"}),
            "refuse",
        ),
        (
            json!({"id": 1, "method": "resources/read", "params": {"uri": "x"}}),
            "refuse",
        ),
    ] {
        let mut message = message;
        message["jsonrpc"] = json!("2.0");
        let sent = json!({"message": message});
        let answer = control_plane.post(EXPLAIN, &sent).await;
        assert_eq!(answer.json["decision"], decision, "{}", answer.text);
        assert_eq!(answer.json["decided_by"]["place"], "/defaults/access");
    }
}

#[tokio::test]
async fn it_says_what_it_cannot_explain() {
    let folder = folder();
    let (control_plane, _server) = control_plane(folder.path(), "").await;
    let at = |field: &str, value: &str| {
        let mut sent = call("add", &json!({}));
        sent[field] = json!(value);
        sent
    };
    for (sent, status, expected) in [
        (at("listener", "mpc"), 422, "did you mean `mcp`?"),
        (at("endpoint", "/mpc"), 422, "`/mcp`"),
        (at("endpiont", "/mcp"), 400, "unknown field `endpiont`"),
        (json!([{"message": {}}]), 400, "send `"),
        (json!({}), 400, "missing field `message`"),
    ] {
        let answer = control_plane.post(EXPLAIN, &sent).await;
        assert_eq!(answer.status, status, "{}", answer.text);
        let detail = answer.json["detail"].as_str().unwrap();
        assert!(detail.contains(expected), "{detail}");
    }
}

#[tokio::test]
async fn it_names_the_resource_that_was_meant() {
    let folder = folder();
    let (control_plane, _server) = control_plane(folder.path(), RULES).await;
    for path in ["/api/v1/servers/mth", "/api/v1/rules/clsed"] {
        for answer in [
            control_plane.get(path).await,
            control_plane.delete(path).await,
        ] {
            assert_eq!(answer.status, StatusCode::NOT_FOUND);
            let detail = answer.json["detail"].as_str().unwrap();
            assert!(detail.contains("; did you mean `"), "{detail}");
        }
    }
    let detail = control_plane.get("/api/v1/servers/weather").await.json;
    let detail = detail["detail"].as_str().unwrap();
    assert!(
        detail.ends_with("`GET /api/v1/servers` lists those that there are"),
        "{detail}"
    );
}
