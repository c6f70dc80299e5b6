//! Bodies that pass before their end, because the policy has seen all that it asks for.

use mcp_filter::Flow;
use serde_json::{Value, json};

use crate::gateway::{End, Gateway, Sent, configuration};

const HEAD: &str = concat!(
    r#"{"jsonrpc":"2.0","id":41,"method":"tools/call","params":{"name":"add","#,
    r#""arguments":{"text":"xxxx"#
);

fn stream(rest: &[&str]) -> Sent {
    let chunks = std::iter::once(HEAD).chain(rest.iter().copied());
    Sent::post("").body(chunks.map(str::as_bytes))
}

#[test]
fn it_passes_a_body_as_it_comes_once_it_knows_enough() {
    let outcome = Gateway::new().send(&stream(&["yyyy", "\"}}", "}"]));
    assert_eq!(
        outcome.flows,
        [
            Flow::Wait,
            Flow::Continue,
            Flow::Continue,
            Flow::Continue,
            Flow::Continue,
            Flow::Continue
        ]
    );
    assert_eq!(outcome.cluster(), "math-cluster");
    assert_eq!(
        outcome.upstream.body,
        format!("{HEAD}yyyy\"}}}}}}").as_bytes()
    );
}

#[test]
fn it_holds_a_body_whose_arguments_must_be_judged() {
    let head = HEAD.replace("add", "forecast").replace("text", "city");
    let outcome = Gateway::new().send(&Sent::post("").body([head.as_bytes(), b"\"}}}"]));
    assert_eq!(
        outcome.flows,
        [Flow::Wait, Flow::Wait, Flow::Wait, Flow::Continue]
    );
}

#[test]
fn it_holds_a_body_until_all_that_matters_is_known() {
    let check = |first: &str, rest: &str| {
        let outcome =
            Gateway::new().send(&Sent::post("").body([first.as_bytes(), rest.as_bytes()]));
        assert_eq!(
            outcome.flows,
            [Flow::Wait, Flow::Wait, Flow::Wait, Flow::Continue],
            "{first}"
        );
    };
    check(
        r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"add","arguments":{"#,
        r#"}},"id":1}"#,
    );
    check(
        r#"{"id":1,"method":"tools/call","params":{"name":"add","arguments":{"#,
        r#"}},"jsonrpc":"2.0"}"#,
    );
    check(
        r#"{"jsonrpc":"2.0","id":1,"params":{"name":"add","arguments":{"#,
        r#"}},"method":"tools/call"}"#,
    );
    check(
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"arguments":{"#,
        r#"},"name":"add"}}"#,
    );
    // A message that is closed waits for its end, which is about to come.
    check(
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add"}}"#,
        " ",
    );

    let meta = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#;
    let body = format!(
        concat!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"add","#,
            r#""arguments":{{}},{meta}}}}}"#
        ),
        meta = meta
    );
    let (first, rest) = body.split_at(body.len() - 30);
    let request =
        Sent::modern("tools/call", Some("add"), "").body([first.as_bytes(), rest.as_bytes()]);
    assert_eq!(
        Gateway::new().send(&request).flows,
        [Flow::Wait, Flow::Wait, Flow::Wait, Flow::Continue]
    );
}

#[test]
fn it_breaks_off_when_what_follows_would_overtake_the_decision() {
    for rest in [
        &["\"},\"name\":\"close\"}}"][..],
        &["\"},\"na", "\\u006de\":\"close\"}}"],
        &["\"}},\"method\":\"x\"}"],
        &["\"}},\"params\":{\"name\":\"close\"}}"],
        &["\"}},\"id\":2}"],
        &["\"}},\"result\":1}"],
        &["\"}}"],
        &["\"}}}}"],
        &["\"}}} x"],
        &["\n\"}}}"],
        &["\"},\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\"}}}"],
    ] {
        for end in [End::Alone, End::WithTheLastChunk] {
            let outcome = Gateway::new().send(&stream(rest).ending(end));
            assert_eq!(outcome.late_answer().reply.status, 400, "{rest:?}");
            let sent: String = std::iter::once(HEAD).chain(rest.iter().copied()).collect();
            assert!(
                outcome.upstream.body.len() < sent.len() || end == End::Alone,
                "{rest:?}"
            );
        }
    }
    let outcome = Gateway::new().send(&stream(&["\"}}}"]).ending(End::Trailers));
    assert_eq!(outcome.late_answer().reply.status, 400);
}

#[test]
fn it_never_lets_an_upstream_have_all_the_bytes_that_it_was_promised() {
    // The client says how long the body is, and the upstream was told: it will not wait for an end.
    let rest = "\"}}";
    let length = (HEAD.len() + rest.len()).to_string();
    for chunks in [&[HEAD, rest][..], &[HEAD, "\"", "}}"]] {
        let request = Sent::post("")
            .with("content-length", &length)
            .body(chunks.iter().map(|chunk| chunk.as_bytes()));
        let outcome = Gateway::new().send(&request);
        assert_eq!(outcome.late_answer().error(), (400, -32700, Value::Null));
        assert!(outcome.upstream.body.len() < HEAD.len() + rest.len());
    }
    let rest = "\"}}}";
    let request = Sent::post("")
        .with("content-length", (HEAD.len() + rest.len()).to_string())
        .body([HEAD.as_bytes(), rest.as_bytes()]);
    assert_eq!(Gateway::new().send(&request).cluster(), "math-cluster");
}

#[test]
fn it_holds_a_refused_body_to_its_end() {
    let head = HEAD.replace("add", "close");
    let outcome = Gateway::new().send(&Sent::post("").body([head.as_bytes(), b"yyyy\"}}}"]));
    assert_eq!(outcome.flows, [Flow::Wait; 4]);
    assert_eq!(outcome.answer().tool_error(), (200, json!(41)));
    // The limit is asked once, not for each piece.
    let mut configuration = configuration();
    configuration["rules"][0]["match"]["tool"] = json!("add");
    let gateway = Gateway::with(&configuration);
    for expected in [true, true, false] {
        let outcome = gateway.send(&stream(&["y", "y", "\"}}}"]));
        assert_eq!(outcome.upstream.ended, expected);
    }
    assert_eq!(gateway.counter("portcullis_calls.server.math.tool.add"), 3);
}

#[test]
fn it_passes_large_bodies_of_other_methods_as_they_come() {
    let head = r#"{"jsonrpc":"2.0","id":41,"method":"completion/complete","params":{"x":""#;
    let filling = "z".repeat(1000);
    let request = Sent::post("").body([
        head.as_bytes(),
        filling.as_bytes(),
        filling.as_bytes(),
        b"\"}}",
    ]);
    let outcome = Gateway::new().send(&request);
    assert_eq!(outcome.flows[1], Flow::Continue);
    assert_eq!(outcome.cluster(), "weather-cluster");
    // The limit holds for what streams, too.
    let endless: Vec<&[u8]> = std::iter::once(head.as_bytes())
        .chain(std::iter::repeat_n(filling.as_bytes(), 9))
        .collect();
    let outcome = Gateway::new().send(&Sent::post("").body(endless));
    assert_eq!(outcome.late_answer().error(), (413, -32600, Value::Null));
}
