//! Which calls are plain, and which go on to rmcp.

use serde_json::{Value, json};

use super::*;

fn head(changes: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let usual = [
        ("host", "127.0.0.1:8000"),
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
        ("mcp-protocol-version", "2025-11-25"),
    ];
    for (name, value) in usual.iter().chain(changes) {
        headers.append(*name, HeaderValue::from_static(value));
    }
    headers
}

fn modern_head(changes: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut headers = head(&[]);
    let version = HeaderValue::from_static("2026-07-28");
    headers.insert(PROTOCOL_VERSION, version);
    let usual = [("mcp-method", CALL), ("mcp-name", "list_tables")];
    for (name, value) in usual.iter().chain(changes) {
        headers.append(*name, HeaderValue::from_static(value));
    }
    headers
}

#[track_caller]
fn check_head(headers: &HeaderMap, is_plain: bool) {
    let uri = Uri::from_static("/mcp");
    let found = plain_head(&Method::POST, &uri, headers);
    assert_eq!(found.is_some(), is_plain, "{headers:?}");
}

#[test]
fn it_leaves_every_unusual_head_to_rmcp() {
    check_head(&head(&[]), true);
    check_head(
        &head(&[("mcp-session-id", "x"), ("origin", "http://a")]),
        true,
    );
    for change in [
        ("host", "another"),
        ("accept", "*/*"),
        ("content-type", "application/json"),
        ("mcp-protocol-version", "2025-11-25"),
        ("mcp-method", "tools/call"),
        ("mcp-name", "execute_query"),
        ("mcp-param-sql", "x"),
    ] {
        check_head(&head(&[change]), false);
    }
    check_head(&modern_head(&[("x-trace", "1")]), true);
    for change in [
        ("mcp-method", CALL),
        ("mcp-name", "list_tables"),
        ("mcp-session-id", "x"),
        ("mcp-param-sql", "x"),
    ] {
        check_head(&modern_head(&[change]), false);
    }
    for (name, value) in [
        ("mcp-method", "tools/list"),
        ("mcp-name", "=?base64?YQ==?="),
    ] {
        let mut headers = modern_head(&[]);
        headers.insert(name, HeaderValue::from_static(value));
        check_head(&headers, false);
        headers.remove(name);
        check_head(&headers, false);
    }
    for (name, value) in [
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-protocol-version", "2019-01-01"),
        ("content-type", "application/json; charset=utf-8"),
        ("accept", "application/json"),
    ] {
        let mut headers = head(&[]);
        headers.insert(name, HeaderValue::from_static(value));
        check_head(&headers, false);
        headers.remove(name);
        check_head(&headers, false);
    }
    let mut nameless = head(&[]);
    nameless.remove(HOST);
    check_head(&nameless, false);
    for (method, uri) in [
        (Method::GET, "/mcp"),
        (Method::POST, "/mcp/"),
        (Method::POST, "http://evil.example/mcp"),
    ] {
        let uri: Uri = uri.parse().expect("a URI");
        assert!(
            plain_head(&method, &uri, &head(&[])).is_none(),
            "{method} {uri}"
        );
    }
}

fn is_plain(body: &str, headers: &HeaderMap) -> bool {
    let head = plain_head(&Method::POST, &Uri::from_static("/mcp"), headers);
    plain_body(body.as_bytes(), &head.expect("a plain head")).is_some()
}

#[track_caller]
fn check_body(body: &Value, expected: bool) {
    assert_eq!(is_plain(&body.to_string(), &head(&[])), expected, "{body}");
}

#[test]
fn it_takes_a_body_of_2026_07_28_that_says_what_its_head_says_and_nothing_more() {
    let usual = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {"elicitation": {}},
        "io.modelcontextprotocol/clientInfo": {"name": "a", "version": "1"}});
    let check = |name: &str, change: &dyn Fn(&mut Value), expected: bool| {
        let mut params = json!({"name": name, "arguments": {}, "_meta": usual});
        change(&mut params);
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": CALL, "params": params});
        let found = is_plain(&body.to_string(), &modern_head(&[]));
        assert_eq!(found, expected, "{body}");
    };
    check("list_tables", &|_| {}, true);
    let with = |key: &'static str, value: Value| {
        move |params: &mut Value| params["_meta"][key] = value.clone()
    };
    check(
        "list_tables",
        &with("traceparent", json!("00-1-2-01")),
        true,
    );
    check("execute_query", &|_| {}, false);
    for change in [
        with("progressToken", json!(1)),
        with(
            "io.modelcontextprotocol/protocolVersion",
            json!("2025-11-25"),
        ),
        with("io.modelcontextprotocol/clientCapabilities", json!([])),
    ] {
        check("list_tables", &change, false);
    }
    for (member, value) in [
        ("_meta", json!(null)),
        ("_meta", json!({})),
        ("inputResponses", json!({})),
        ("requestState", json!("x")),
        ("task", json!({})),
    ] {
        check(
            "list_tables",
            &|params| params[member] = value.clone(),
            false,
        );
    }
}

#[test]
fn it_leaves_every_unusual_body_to_rmcp() {
    let call = |params: Value| {
        let method = "tools/call";
        json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
    };
    check_body(&call(json!({"name": "a", "arguments": {}})), true);
    for params in [
        json!({"name": "a"}),
        json!({"name": "a", "arguments": null}),
        json!({"name": "a", "arguments": []}),
        json!({"name": 1, "arguments": {}}),
        json!({"name": "a", "arguments": {}, "_meta": {"progressToken": 1}}),
        json!({"name": "a", "arguments": {}, "task": {}}),
    ] {
        check_body(&call(params), false);
    }
    for (member, value) in [
        ("jsonrpc", json!("1.0")),
        ("id", json!(1.5)),
        ("id", json!(null)),
        ("method", json!("tools/list")),
        ("result", json!({})),
    ] {
        let mut body = call(json!({"name": "a", "arguments": {}}));
        body[member] = value;
        check_body(&body, false);
    }
    let twice = call(json!({"name": "a", "arguments": {}})).to_string();
    let twice = twice.replacen(r#""id":1"#, r#""id":1,"id":2"#, 1);
    assert!(!is_plain(&twice, &head(&[])) && !is_plain("[]", &head(&[])));
}
