//! `access: deny` closes methods, not tools alone.

use serde_json::{Value, json};

use crate::gateway::{Gateway, Sent, configuration};

fn gateway() -> Gateway {
    let mut configuration = configuration();
    configuration["defaults"]["access"] = json!("deny");
    Gateway::with(&configuration)
}

fn request(method: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":41,"method":"{method}","params":{{}}}}"#)
}

fn modern_request(method: &str) -> String {
    let meta = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#;
    format!(r#"{{"jsonrpc":"2.0","id":"a","method":"{method}","params":{{{meta}}}}}"#)
}

#[test]
fn it_refuses_closed_methods_in_the_form_of_each_era() {
    let gateway = gateway();
    for method in ["resources/read", "prompts/get", "tasks/result", "x"] {
        let answer = gateway.send(&Sent::post(request(method))).answer();
        // A 4xx would end the session of old SDKs.
        assert_eq!(answer.error(), (200, 40300, json!(41)), "{method}");
        let sentence = format!("the method `{method}` is not open on this gateway");
        assert!(answer.sentence().starts_with(&sentence));
        // Nobody knows what an unknown method is called on.
        let name = ["resources/read", "prompts/get"]
            .contains(&method)
            .then_some("x");
        let sent = Sent::modern(method, name, modern_request(method));
        let answer = gateway.send(&sent).answer();
        assert_eq!(answer.error(), (403, 40300, json!("a")), "{method}");
    }
    let reason = "portcullis_refusals.server.none.tool.none.reason.closed_method";
    assert_eq!(gateway.counter(reason), 8);
}

#[test]
fn it_passes_what_a_client_needs_to_speak_at_all_and_answers_of_clients() {
    let gateway = gateway();
    for method in ["initialize", "ping", "tools/list", "resources/list"] {
        let outcome = gateway.send(&Sent::post(request(method)));
        assert_eq!(outcome.cluster(), "weather-cluster", "{method}");
    }
    let sent = Sent::modern("server/discover", None, modern_request("server/discover"));
    assert_eq!(gateway.send(&sent).cluster(), "weather-cluster");
    for body in [
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#,
        r#"{"jsonrpc":"2.0","id":3,"result":{"roots":[]}}"#,
        r#"{"jsonrpc":"2.0","id":4,"method":"tasks/cancel","params":{"taskId":"1"}}"#,
    ] {
        assert_eq!(gateway.send(&Sent::post(body)).cluster(), "weather-cluster");
    }
}

#[test]
fn it_refuses_a_closed_method_as_soon_as_it_stands() {
    let gateway = gateway();
    let body = r#"{"method":"resources/read","params":{"uri":"a://b","x":"#;
    let (pieces, id) = (
        [body.as_bytes(), b"[[", b"]]},\"jsonrpc\":\"2.0\",\"id\":7}"],
        json!(7),
    );
    let answer = gateway.send(&Sent::post("").body(pieces)).answer();
    assert_eq!(answer.error(), (200, 40300, id));
    // Under 200 nobody would hear an answer without an id.
    let sent = Sent::post("").body([body.as_bytes(), &[b'['; 4000]]);
    assert_eq!(gateway.send(&sent).answer().reply.status, 400);
}

#[test]
fn it_takes_no_notification_for_a_request_nor_the_reverse() {
    let gateway = gateway();
    let with_id = gateway.send(&Sent::post(request("notifications/initialized")));
    assert_eq!(with_id.answer().error(), (200, 40300, json!(41)));
    let without = r#"{"jsonrpc":"2.0","method":"resources/read","params":{"uri":"a"}}"#;
    let without_id = gateway.send(&Sent::post(without));
    assert_eq!(without_id.answer().error(), (400, -32600, Value::Null));
    let without = r#"{"jsonrpc":"2.0","method":"resources/read","params":{"uri":"a"}}"#;
    let modern = gateway.send(&Sent::modern("resources/read", Some("a"), without));
    assert_eq!(modern.answer().error(), (403, 40300, Value::Null));
}
