//! Arguments that headers repeat on 2026-07-28.

use serde_json::json;

use crate::gateway::{Gateway, Sent, call, configuration, modern_call};

/// A gateway whose tool `query` repeats four arguments in headers; `query_watched` is the same in
/// shadow, `query_trusted` unchecked, `query_few` with one call a minute.
fn gateway() -> Gateway {
    let mut configuration = configuration();
    configuration["schemas"]["query"] = json!({"type": "object", "properties": {
        "region": {"type": "string", "x-mcp-header": "Region"},
        "dry": {"type": "boolean", "x-mcp-header": "Dry-Run"},
        "page": {"type": "object",
            "properties": {"size": {"type": "integer", "x-mcp-header": "Page"}}},
        "sql": {"type": "string"},
    }});
    for tool in ["query", "query_watched", "query_trusted", "query_few"] {
        configuration["servers"]["math"]["tools"][tool] = json!({"input_schema": "query"});
    }
    let rules = configuration["rules"].as_array_mut().unwrap();
    rules.push(json!({"name": "watch", "match": {"tool": "query_watched"}, "validate": "shadow"}));
    rules.push(json!({"name": "trust", "match": {"tool": "query_trusted"}, "validate": "off"}));
    rules.push(json!({"name": "seldom", "match": {"tool": "query_few"},
        "limits": [{"id": "each", "requests": 1, "window_ms": 60000}]}));
    Gateway::with(&configuration)
}

fn with_headers(tool: &str, arguments: &str, headers: &[(&str, &str)]) -> Sent {
    let sent = Sent::modern("tools/call", Some(tool), modern_call(tool, arguments));
    headers
        .iter()
        .fold(sent, |sent, (name, value)| sent.with(name, value))
}

#[test]
fn it_passes_headers_that_say_what_the_arguments_say() {
    let gateway = gateway();
    let check = |arguments: &str, headers: &[(&str, &str)]| {
        let outcome = gateway.send(&with_headers("query", arguments, headers));
        assert_eq!(outcome.cluster(), "math-cluster", "{arguments} {headers:?}");
        for (name, value) in headers {
            assert_eq!(outcome.header(name), [*value]);
        }
    };
    check("{}", &[]);
    check(r#"{"region":"eu"}"#, &[("mcp-param-region", "eu")]);
    check(r#"{"region":"eu"}"#, &[("mcp-param-region", " \teu ")]);
    check(r#"{"region":"\u0065u"}"#, &[("mcp-param-region", "eu")]);
    check(
        r#"{"region":"Zürich"}"#,
        &[("mcp-param-region", "=?base64?WsO8cmljaA==?=")],
    );
    check(r#"{"region":""}"#, &[("mcp-param-region", "")]);
    check(r#"{"dry":true}"#, &[("mcp-param-dry-run", "true")]);
    check(r#"{"page":{"size":42}}"#, &[("mcp-param-page", "42.0")]);
    check(r#"{"page":{"size":42.0}}"#, &[("mcp-param-page", "42")]);
    check(r#"{"page":{}}"#, &[]);
    check(
        r#"{"sql":"}","page":{"size":-1},"dry":false,"region":"a"}"#,
        &[
            ("mcp-param-region", "a"),
            ("mcp-param-dry-run", "false"),
            ("mcp-param-page", "-1"),
        ],
    );
}

#[test]
fn it_refuses_headers_that_say_something_else() {
    let gateway = gateway();
    let check = |arguments: &str, headers: &[(&str, &str)], sentence: &str| {
        let answer = gateway
            .send(&with_headers("query", arguments, headers))
            .answer();
        assert_eq!(answer.error(), (400, -32020, json!("a")), "{arguments}");
        assert!(
            answer.sentence().contains(sentence),
            "{}",
            answer.sentence()
        );
    };
    let eu = r#"{"region":"eu"}"#;
    check(
        eu,
        &[("mcp-param-region", "us")],
        "the header Mcp-Param-Region says `us`, `params.arguments.region` says `eu`; send the same",
    );
    check(eu, &[("mcp-param-region", "EU")], "`EU`");
    check(eu, &[], "the header Mcp-Param-Region is missing");
    check(
        eu,
        &[("mcp-param-region", "eu"), ("mcp-param-region", "eu")],
        "the header Mcp-Param-Region occurs twice",
    );
    check(
        "{}",
        &[("mcp-param-region", "eu")],
        "`params.arguments.region` is not there",
    );
    check(eu, &[("mcp-param-region", "=?base64?dXM=?=")], "`us`");
    check(eu, &[("mcp-param-region", "=?base64?*?=")], "Base64");
    check(eu, &[("mcp-param-region", "é")], "ASCII");
    check(r#"{"dry":true}"#, &[("mcp-param-dry-run", "1")], "`true`");
    check(
        r#"{"page":{"size":42}}"#,
        &[("mcp-param-page", "42.5")],
        "`params.arguments.page.size` says `42`",
    );
    check(r#"{"page":{"size":42}}"#, &[], "Mcp-Param-Page is missing");
    let without = concat!(
        r#"{"jsonrpc":"2.0","id":"a","method":"tools/call","#,
        r#""params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"},"#,
        r#""name":"query"}}"#
    );
    let request = Sent::modern("tools/call", Some("query"), without);
    assert_eq!(gateway.send(&request).cluster(), "math-cluster");
    let answer = gateway.send(&request.with("mcp-param-page", "1")).answer();
    assert_eq!(answer.error(), (400, -32020, json!("a")));
}

#[test]
fn it_forwards_headers_that_no_annotation_names() {
    let request = with_headers(
        "query",
        "{}",
        &[("mcp-param-sql", "x"), ("mcp-param-sql", "y")],
    )
    .with("mcp-param-other", "ü");
    let outcome = gateway().send(&request);
    assert_eq!(outcome.cluster(), "math-cluster");
    assert_eq!(outcome.header("mcp-param-sql"), ["x", "y"]);
    assert_eq!(outcome.header("mcp-param-other").len(), 1);
}

#[test]
fn it_asks_older_revisions_for_no_such_header_and_passes_none() {
    let request = Sent::post(call("query", r#"{"region":"eu"}"#)).with("mcp-param-region", "us");
    let outcome = gateway().send(&request);
    assert_eq!(outcome.cluster(), "math-cluster");
    assert_eq!(outcome.header("mcp-param-region"), [""; 0]);
}

#[test]
fn it_compares_in_shadow_too_and_where_nothing_is_checked() {
    let gateway = gateway();
    let send = |tool: &str, arguments: &str, value: &str| {
        gateway.send(&with_headers(
            tool,
            arguments,
            &[("mcp-param-region", value)],
        ))
    };
    let refused = (400, -32020, json!("a"));
    // In shadow a value need not be of the type that the schema says.
    assert_eq!(
        send("query_watched", r#"{"region":7}"#, "7").cluster(),
        "math-cluster"
    );
    assert_eq!(
        send("query_watched", r#"{"region":7}"#, "8")
            .answer()
            .error(),
        refused
    );
    assert_eq!(
        send("query_watched", r#"{"region":[7]}"#, "[7]")
            .answer()
            .error(),
        refused
    );
    assert_eq!(
        send("query_watched", r#"{"region":null}"#, "null")
            .answer()
            .error(),
        refused
    );
    assert_eq!(send("query_watched", "[]", "x").answer().error(), refused);
    let trusted = |arguments: &str, value: &str| send("query_trusted", arguments, value);
    let agreed = trusted(r#"{"region":"eu","sql":7,"sql":8}"#, "eu");
    assert_eq!(agreed.cluster(), "math-cluster");
    for arguments in [r#"{"region":"eu"}"#, "{}", "[]", r#"{"x":{"region":"us"}}"#] {
        assert_eq!(trusted(arguments, "us").answer().error(), refused);
    }
    // Not everyone would read these alike.
    for arguments in [
        r#"{"region":"eu","region":"us"}"#,
        r#"{"region":"us","Region":"eu"}"#,
        r#"{"Region":"us"}"#,
    ] {
        let answer = trusted(arguments, "us").answer();
        assert_eq!(answer.json["result"]["isError"], true, "{arguments}");
    }
    let answer = trusted(r#"{"region":"us","x":}"#, "us").answer();
    assert_eq!(answer.error(), (400, -32700, json!(null)));
}

#[test]
fn it_compares_by_a_schema_that_the_engine_cannot_check() {
    let mut configuration = configuration();
    configuration["schemas"]["odd"] = json!({"if": {}, "properties": {
        "region": {"type": "string", "pattern": "^.", "x-mcp-header": "Region"},
        "price": {"type": "number", "x-mcp-header": "Price"},
    }});
    configuration["servers"]["math"]["tools"]["odd"] = json!({"input_schema": "odd"});
    configuration["rules"] = json!([
        {"name": "trust", "match": {"tool": "odd"}, "validate": "off"},
    ]);
    let gateway = Gateway::with(&configuration);
    let send = |arguments: &str, value: &str| {
        let headers = [("mcp-param-region", value)];
        gateway.send(&with_headers("odd", arguments, &headers))
    };
    assert_eq!(send(r#"{"region":"eu"}"#, "eu").cluster(), "math-cluster");
    let answer = send(r#"{"region":"eu"}"#, "us").answer();
    assert_eq!(answer.error(), (400, -32020, json!("a")));
    // No client sends a header for a number: the annotation drops the tool for it.
    let number = send(r#"{"region":"eu","price":1.5}"#, "eu");
    assert_eq!(number.cluster(), "math-cluster");
}

#[test]
fn it_counts_no_call_whose_headers_disagree() {
    let gateway = gateway();
    let eu = r#"{"region":"eu"}"#;
    for _ in 0..3 {
        let request = with_headers("query_few", eu, &[]);
        assert_eq!(gateway.send(&request).answer().error().1, -32020);
    }
    let request = with_headers("query_few", eu, &[("mcp-param-region", "eu")]);
    assert_eq!(gateway.send(&request).cluster(), "math-cluster");
    assert_eq!(gateway.send(&request).answer().error().0, 429);
}
