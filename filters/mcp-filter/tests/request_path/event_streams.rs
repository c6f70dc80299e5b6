//! Clients that read their answers on an event stream and post their messages beside it.

use serde_json::{Value, json};

use crate::gateway::{Gateway, Sent, call, configuration};

/// The endpoints of the old pair beside the others; `math` is slow and moved, for its streams' sake
/// in vain.
fn gateway() -> Gateway {
    let mut configuration = configuration();
    let endpoints = configuration["endpoints"].as_array_mut().unwrap();
    for (path, exchange) in [("/sse", "event_stream"), ("/messages", "messages")] {
        endpoints.push(
            json!({"path": path, "servers": ["weather"], "forward": "weather",
            "exchange": exchange}),
        );
    }
    let rules = configuration["rules"].as_array_mut().unwrap();
    rules.push(
        json!({"name": "moved", "match": {"tool": "forecast"}, "timeout_ms": 2500,
        "route": {"cluster": "math-cluster"}}),
    );
    Gateway::with(&configuration)
}

fn message(body: &str) -> Sent {
    Sent::post(body).replacing(":path", "/messages?sessionId=7")
}

const PARIS: &str = r#"{"city":"Paris"}"#;

#[test]
fn it_sends_a_stream_and_its_messages_to_the_server_that_has_it_at_the_clients_own_path() {
    let gateway = gateway();
    let opened = gateway.send(&Sent::bare("GET").replacing(":path", "/sse"));
    assert_eq!(opened.cluster(), "weather-cluster");
    assert_eq!(opened.header(":path"), ["/sse"]);
    for (body, time) in [
        (call("forecast", PARIS), Some("2500")),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#.to_owned(),
            None,
        ),
    ] {
        let sent = gateway.send(&message(&body).with("x-portcullis-answered", "1"));
        assert_eq!(sent.cluster(), "weather-cluster");
        assert_eq!(sent.header(":path"), ["/messages?sessionId=7"]);
        assert_eq!(sent.upstream.body, body.as_bytes());
        assert!(sent.header("x-portcullis-answered").is_empty());
        let told = sent.header("x-envoy-expected-rq-timeout-ms");
        assert_eq!(told.first().map(String::as_str), time);
    }
}

#[test]
fn it_answers_a_refused_message_on_the_stream_and_shows_the_server_nothing_of_it() {
    let gateway = gateway();
    for (body, word) in [
        (call("close", "{}"), "closed"),
        (call("get_weather", r#"{"town":"Paris"}"#), "city"),
        (call("add", "{}"), "add"),
    ] {
        let sent = message(&body)
            .with("content-length", body.len().to_string())
            .with("authorization", "Bearer secret");
        let refused = gateway.send(&sent);
        assert_eq!(refused.cluster(), "weather-cluster", "{body}");
        assert_eq!(refused.header(":path"), ["/messages?sessionId=7"]);
        assert_eq!(refused.header("x-portcullis-answered"), ["1"]);
        assert!(refused.header("content-length").is_empty());
        assert!(refused.header("authorization").is_empty());
        let said: Value = serde_json::from_slice(&refused.upstream.body).unwrap();
        assert_eq!(said["id"], 41);
        assert!(
            said.get("method").is_none() && said.get("params").is_none(),
            "{said}"
        );
        assert!(said.to_string().contains(word), "{said}");
    }
}

#[test]
fn it_answers_a_limited_message_on_the_stream() {
    let gateway = gateway();
    let calls = || gateway.send(&message(&call("get_weather", PARIS)));
    for _ in 0..2 {
        assert!(calls().header("x-portcullis-answered").is_empty());
    }
    let limited = calls();
    assert_eq!(limited.header("x-portcullis-answered"), ["1"]);
    let said: Value = serde_json::from_slice(&limited.upstream.body).unwrap();
    let text = said["result"]["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("try again in"), "{text}");
    assert_eq!(said["result"]["isError"], true);
}

#[test]
fn it_answers_by_the_response_what_has_no_place_on_the_stream() {
    let gateway = gateway();
    for (sent, status) in [
        (message("{"), 400),
        (
            message(r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"close"}}"#),
            400,
        ),
        (
            message(&call("add", "{}")).replacing(":authority", "evil.example"),
            403,
        ),
        (
            message(&call("add", "{}")).with("origin", "http://evil.example"),
            403,
        ),
        (Sent::bare("GET").replacing(":path", "/messages"), 405),
        (Sent::bare("DELETE").replacing(":path", "/sse"), 405),
        (Sent::post("{}").replacing(":path", "/sse"), 405),
        (Sent::bare("GET").replacing(":path", "/SSE"), 404),
    ] {
        let answer = gateway.send(&sent).answer();
        assert_eq!(answer.reply.status, status, "{sent:?}");
    }
}
