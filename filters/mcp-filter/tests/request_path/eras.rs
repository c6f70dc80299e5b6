//! The two eras of the protocol.
//!
//! Invariant 9 of `docs/architecture.md`.

use serde_json::{Value, json};

use crate::gateway::{Gateway, Sent, call, modern_call};

fn modern(method: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":"a","method":"{method}","params":{params}}}"#)
}

const META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#;

#[test]
fn it_passes_modern_messages_whose_headers_say_what_the_body_says() {
    let check = |method: &str, name: Option<&str>, params: &str, cluster: &str| {
        let outcome = Gateway::new().send(&Sent::modern(method, name, modern(method, params)));
        assert_eq!(outcome.cluster(), cluster, "{method}");
        // They go on as they came.
        assert_eq!(outcome.header("mcp-method"), [method]);
    };
    check(
        "tools/call",
        Some("add"),
        &format!(r#"{{{META},"name":"add"}}"#),
        "math-cluster",
    );
    check(
        "tools/call",
        Some("=?base64?YWRk?="),
        &format!(r#"{{"name":"\u0061dd",{META}}}"#),
        "math-cluster",
    );
    check(
        "prompts/get",
        Some(" p "),
        &format!(r#"{{{META},"name":"p"}}"#),
        "weather-cluster",
    );
    check(
        "resources/read",
        Some("=?base64?w6k=?="),
        &format!(r#"{{{META},"uri":"é"}}"#),
        "weather-cluster",
    );
    check(
        "tasks/get",
        Some("t"),
        &format!(r#"{{{META},"taskId":"t"}}"#),
        "weather-cluster",
    );
    check(
        "tasks/update",
        Some("t"),
        &format!(r#"{{{META},"taskId":"t"}}"#),
        "weather-cluster",
    );
    check(
        "tasks/cancel",
        Some("t"),
        &format!(r#"{{{META},"taskId":"t"}}"#),
        "weather-cluster",
    );
    check(
        "tools/list",
        None,
        &format!("{{{META}}}"),
        "weather-cluster",
    );
    check(
        "server/discover",
        None,
        &format!("{{{META}}}"),
        "weather-cluster",
    );
    check(
        "subscriptions/listen",
        None,
        &format!("{{{META}}}"),
        "weather-cluster",
    );
}

#[test]
fn it_passes_parameter_headers_of_the_modern_era_untouched() {
    let request = Sent::modern("tools/call", Some("add"), modern_call("add", "{}"))
        .with("mcp-param-region", "eu");
    assert_eq!(
        Gateway::new().send(&request).header("mcp-param-region"),
        ["eu"]
    );
}

#[test]
fn it_refuses_modern_messages_whose_headers_disagree() {
    let check = |request: Sent, part: &str| {
        let answer = Gateway::new().send(&request).answer();
        assert_eq!(
            answer.error(),
            (400, -32020, json!("a")),
            "{}",
            answer.reply.body
        );
        assert!(answer.sentence().contains(part), "{}", answer.sentence());
        assert!(!answer.sentence().contains('"'));
    };
    let body = modern_call("add", "{}");
    check(
        Sent::modern("tools/list", Some("add"), &body),
        "the header Mcp-Method says `tools/list`, `method` says `tools/call`",
    );
    check(Sent::modern("Tools/Call", Some("add"), &body), "Mcp-Method");
    check(
        Sent::modern("tools/call", Some("close"), &body),
        "the header Mcp-Name says `close`, `params.name` says `add`",
    );
    check(Sent::modern("tools/call", Some("ADD"), &body), "Mcp-Name");
    check(
        Sent::modern("tools/call", Some("=?base64?Y2xvc2U=?="), &body),
        "`close`",
    );
    check(
        Sent::modern("tools/call", Some("=?base64?####?="), &body),
        "Base64",
    );
    check(
        Sent::modern("tools/call", None, &body),
        "the header Mcp-Name is missing",
    );
    let list = modern("tools/list", &format!("{{{META}}}"));
    check(
        Sent::modern("tools/list", Some("add"), list),
        "the header Mcp-Name says `add`, but `tools/list` is called on nothing",
    );
    check(
        Sent::modern("tools/call", Some("add"), &body).without("mcp-method"),
        "the header Mcp-Method is missing",
    );
    check(
        Sent::modern("tools/call", Some("add"), &body).replacing("mcp-name", b"ad\xff"),
        "ASCII",
    );
    let uri = modern(
        "resources/read",
        &format!(r#"{{{META},"uri":"a://b","name":"a://c"}}"#),
    );
    check(
        Sent::modern("resources/read", Some("a://c"), uri),
        "`params.uri`",
    );
    let old = body.replace("2026-07-28", "2025-11-25");
    check(
        Sent::modern("tools/call", Some("add"), old),
        "MCP-Protocol-Version",
    );
}

#[test]
fn it_refuses_a_modern_request_without_its_version_in_the_body() {
    for params in [
        "{}",
        r#"{"_meta":{}}"#,
        r#"{"name":"add","_meta":{"protocolVersion":"2026-07-28"}}"#,
    ] {
        let answer = Gateway::new()
            .send(&Sent::modern(
                "tools/call",
                Some("add"),
                modern("tools/call", params),
            ))
            .answer();
        assert_eq!(answer.error(), (400, -32602, json!("a")));
    }
    let without_params = r#"{"jsonrpc":"2.0","id":"a","method":"tools/list"}"#;
    let answer = Gateway::new()
        .send(&Sent::modern("tools/list", None, without_params))
        .answer();
    assert_eq!(answer.error(), (400, -32602, json!("a")));
}

#[test]
fn it_refuses_responses_on_the_modern_era() {
    let body = r#"{"jsonrpc":"2.0","id":3,"result":{}}"#;
    let answer = Gateway::new()
        .send(&Sent::modern("tools/call", None, body))
        .answer();
    assert_eq!(answer.error(), (400, -32600, json!(3)));
}

#[test]
fn it_passes_modern_notifications_without_a_version_in_the_body() {
    let body = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;
    assert_eq!(
        Gateway::new()
            .send(&Sent::modern("notifications/cancelled", None, body))
            .cluster(),
        "weather-cluster"
    );
    let answer = Gateway::new()
        .send(&Sent::modern("notifications/other", None, body))
        .answer();
    assert_eq!(answer.error(), (400, -32020, Value::Null));
}

#[test]
fn it_takes_modern_headers_away_on_older_revisions() {
    for version in [
        None,
        Some("2025-11-25"),
        Some("2025-06-18"),
        Some("2025-03-26"),
        Some("2024-11-05"),
    ] {
        let request = Sent::post(call("add", "{}"))
            .with("mcp-method", "tools/list")
            .with("mcp-name", "subtract")
            .with("mcp-param-region", "eu")
            .with("mcp-param-x", "1")
            .with("mcp-session-id", "s");
        let request = version.map_or(request.clone(), |version| {
            request.with("mcp-protocol-version", version)
        });
        let outcome = Gateway::new().send(&request);
        // The body decides.
        assert_eq!(outcome.cluster(), "math-cluster");
        for name in ["mcp-method", "mcp-name", "mcp-param-region", "mcp-param-x"] {
            assert_eq!(outcome.header(name), [""; 0], "{name}");
        }
        assert_eq!(outcome.header("mcp-session-id"), ["s"]);
        assert_eq!(
            outcome.header("mcp-protocol-version").len(),
            usize::from(version.is_some())
        );
    }
}

#[test]
fn it_refuses_a_body_of_the_modern_era_under_an_older_header() {
    for version in [None, Some("2025-11-25")] {
        let request = Sent::post(modern_call("add", "{}"));
        let request = version.map_or(request.clone(), |version| {
            request.with("mcp-protocol-version", version)
        });
        assert_eq!(
            Gateway::new().send(&request).answer().error(),
            (400, -32020, json!("a"))
        );
    }
}
