//! The judgements that the body alone allows.

use mcp_filter::Flow;
use serde_json::Value;

use crate::gateway::{End, Gateway, Sent, call};

#[test]
fn it_refuses_what_it_cannot_read_whatever_the_era_and_the_cut() {
    let check = |body: &[u8], status: u16, code: i64| {
        let gateway = Gateway::new();
        let whole = gateway.send(&Sent::post(body)).answer();
        assert_eq!(
            whole.error(),
            (status, code, Value::Null),
            "{}",
            String::from_utf8_lossy(body)
        );
        for end in [End::Alone, End::WithTheLastChunk] {
            let bytes: Vec<&[u8]> = body.chunks(1).collect();
            let outcome = gateway.send(&Sent::post("").body(bytes).ending(end));
            // The upstream may have the beginning of what was in order so far, but never the end.
            assert_eq!(outcome.late_answer().reply, whole.reply);
        }
        let modern = Sent::modern("tools/call", Some("add"), body);
        assert_eq!(gateway.send(&modern).answer().reply, whole.reply);
    };
    check(b"not json", 400, -32700);
    check(b"{", 400, -32700);
    check(b"[]", 400, -32600);
    check(
        br#"[{"jsonrpc":"2.0","id":1,"method":"tools/list"}]"#,
        400,
        -32600,
    );
    check(b"1", 400, -32600);
    check(b"{}", 400, -32600);
    check(
        br#"{"jsonrpc":"2.0","id":1.5,"method":"tools/list"}"#,
        400,
        -32600,
    );
    check(
        br#"{"jsonrpc":"2.0","id":null,"method":"tools/list"}"#,
        400,
        -32600,
    );
    check(
        br#"{"jsonrpc":"2.0","id":1,"method":"tools/list"} {}"#,
        400,
        -32700,
    );
    check(
        br#"{"jsonrpc":"2.0","id":1,"id":2,"method":"tools/list"}"#,
        400,
        -32600,
    );
    for params in [
        r#"{"name":"add","n\u0061me":"close"}"#,
        r#"{"name":"add"},"params":{"name":"close"}"#,
    ] {
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#);
        check(body.as_bytes(), 400, -32600);
    }
    check(
        b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"\xff\"}}",
        400,
        -32700,
    );
    check(
        br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"\ud800"}}"#,
        400,
        -32700,
    );
    let deep = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"x","params":{{"a":{}"#,
        "[".repeat(1000)
    );
    check(deep.as_bytes(), 400, -32600);
}

#[test]
fn it_refuses_a_request_without_a_body() {
    let outcome = Gateway::new().send(&Sent::post("").body([]));
    assert_eq!(outcome.answer().error(), (400, -32700, Value::Null));
}

#[test]
fn it_refuses_trailers() {
    let gateway = Gateway::new();
    for body in [call("add", "{}"), call("forecast", "{}")] {
        let outcome = gateway.send(&Sent::post(body).ending(End::Trailers));
        assert_eq!(outcome.answer().error(), (400, -32600, Value::Null));
    }
    // A refusal that was waiting for the end keeps its reason.
    let outcome = gateway.send(
        &Sent::post("{}")
            .replacing(":authority", "evil")
            .ending(End::Trailers),
    );
    assert_eq!(outcome.answer().reply.status, 403);
}

#[test]
fn it_refuses_a_body_over_the_limit_at_once() {
    let body = call("forecast", &format!(r#"{{"city":"{}"}}"#, "x".repeat(5000)));
    let (first, second) = body.as_bytes().split_at(3000);
    let outcome = Gateway::new().send(&Sent::post("").body([first, second]).ending(End::Never));
    assert_eq!(outcome.flows, [Flow::Wait; 3]);
    assert_eq!(outcome.answer().error(), (413, -32600, Value::Null));
}

#[test]
fn it_passes_nothing_of_a_body_that_never_ends() {
    let body = call("forecast", r#"{"city":"x"}"#);
    for cut in 0..body.len() {
        let outcome = Gateway::new().send(
            &Sent::post("")
                .body([&body.as_bytes()[..cut]])
                .ending(End::Never),
        );
        assert!(!outcome.upstream.began);
    }
}

#[test]
fn it_forwards_other_messages_to_the_endpoints_server() {
    let gateway = Gateway::new();
    for body in [
        concat!(
            r#"{"jsonrpc":"2.0","id":1,"method":"initialize","#,
            r#""params":{"protocolVersion":"2025-11-25","capabilities":{},"#,
            r#""clientInfo":{"name":"c","version":"1"}}}"#
        ),
        r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
        r#"{"jsonrpc":"2.0","id":"x","method":"tools/list","params":{"cursor":"a"}}"#,
        r#"{"jsonrpc":"2.0","id":2,"method":"prompts/get","params":{"name":"p"}}"#,
        r#"{"jsonrpc":"2.0","id":2,"method":"resources/read","params":{"uri":"a://b"}}"#,
        concat!(
            r#"{"jsonrpc":"2.0","id":2,"method":"completion/complete","#,
            r#""params":{"ref":{"name":"p"},"argument":{}}}"#
        ),
        r#"{"jsonrpc":"2.0","id":3,"result":{"roots":[]}}"#,
        r#"{"jsonrpc":"2.0","id":3,"error":{"code":-1,"message":"no"}}"#,
    ] {
        let outcome = gateway.send(&Sent::post(body));
        assert_eq!(outcome.cluster(), "weather-cluster", "{body}");
        assert_eq!(outcome.upstream.body, body.as_bytes());
        let request = Sent::post(body).replacing(":path", "/servers/math/mcp");
        assert_eq!(gateway.send(&request).cluster(), "math-cluster", "{body}");
    }
}
