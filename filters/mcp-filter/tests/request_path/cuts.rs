//! The outcome of a request never depends on how its body was cut, nor on how its end was told.

use proxy_host::fake::SentReply;
use serde_json::json;

use crate::gateway::{End, Gateway, Sent, configuration};

/// The outcome of a request, as its client and an upstream see it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Fate {
    Answered(SentReply),
    Passed { cluster: String, body: Vec<u8> },
}

fn fate(gateway: &Gateway, sent: &Sent) -> Fate {
    let outcome = gateway.send(sent);
    match outcome.reply() {
        Some(reply) => {
            assert!(!outcome.upstream.ended, "an answer, and a whole request");
            Fate::Answered(reply)
        }
        None => Fate::Passed {
            cluster: outcome.cluster(),
            body: outcome.upstream.body,
        },
    }
}

/// A gateway without limits: `add` has no schema, `forecast` has one, nobody may call `close`.
fn gateway() -> Gateway {
    let mut configuration = configuration();
    configuration["servers"]["math"]["tools"]["watched"] = json!({"input_schema": "weather"});
    configuration["rules"] = json!([
        {"name": "closed", "match": {"tool": "close"}, "allow": ["analyst"]},
        {"name": "watch", "match": {"tool": "watched"}, "validate": "shadow"},
    ]);
    Gateway::with(&configuration)
}

const META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#;

/// Bodies of the legacy era. The first was found by a property test with a fresh seed.
fn legacy_bodies() -> Vec<String> {
    let with_params = |params: &str| {
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#)
    };
    let mut bodies = vec![
        concat!(
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"arguments":{},"#,
            r#""name":free"}}"#
        )
        .to_owned(),
        // As the TypeScript SDK orders members: the id comes last.
        concat!(
            r#"{"method":"tools/call","params":{"name":"add","arguments":{}},"jsonrpc":"2.0","#,
            r#""id":1}"#
        )
        .to_owned(),
        concat!(
            r#"{"method":"tools/call","params":{"name":"drop","arguments":{}},"jsonrpc":"2.0","#,
            r#""id":1}"#
        )
        .to_owned(),
        r#"{"method":"tools/call","params":{"name":"close"},"jsonrpc":"2.0","id":"\u0061"}"#
            .to_owned(),
        r#"{"method":"tools/call","params":{"name":"drop"},"jsonrpc":"2.0","id":1.5}"#.to_owned(),
        r#"{"method":"Tools/Call\u0000","params":{"name":"add"},"jsonrpc":"2.0","id":1}"#
            .to_owned(),
        concat!(
            r#"{"params":{"name":"drop","arguments":{"a":[}},"method":"tools/call","id":7,"#,
            r#""jsonrpc":"2.0"}"#
        )
        .to_owned(),
        r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"add"}}"#.to_owned(),
        r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#.to_owned(),
        r#"{"jsonrpc":"2.0","id":3,"result":{"roots":[]}}"#.to_owned(),
        r#"{"jsonrpc":"2.0","id":3,"method":"prompts/get","params":{"name":nul}}"#.to_owned(),
        concat!(
            r#"{"jsonrpc":"2.0","id":3,"method":"prompts/get","params":{"name":[1,{"a":2}],"#,
            r#""x":}}"#
        )
        .to_owned(),
        r#"{"jsonrpc":"2.0","id":3,"method":"resources/read","params":{"uri":-1.5e3,"x":01}}"#
            .to_owned(),
        r#"{"jsonrpc":"2.0","id":3,"method":"tasks/get","params":{"taskId":true}} x"#.to_owned(),
        r#"{"jsonrpc":"2.0","id":4,"method":"ping","Method":"tools/call"}"#.to_owned(),
        r#"{"jsonrpc":"2.0","id":4,"method":"ping","id":5}"#.to_owned(),
        r#"{"jsonrpc":"2.0","id":4,"method":"ping","result":1}"#.to_owned(),
        "[1]".to_owned(),
        " 7 ".to_owned(),
    ];
    bodies.extend(
        [
            r#"{"name":"add","arguments":{"text":"\ud83d\ude00 \u00e5"}}"#,
            r#"{"name":"add","arguments":{"text":"\ud83d"}}"#,
            r#"{"arguments":{"a":[1,2,}},"name":"add"}"#,
            r#"{"arguments":{"a":[1,2,}},"name":"drop"}"#,
            r#"{"arguments":{"city":"Oslo"},"name":"forecast"}"#,
            r#"{"name":"forecast","arguments":{"city":"Oslo","city":"Bergen"}}"#,
            r#"{"name":"forecast","arguments":{"town":"Oslo"},"x":tru}"#,
            r#"{"name":"forecast","arguments":{"city":7},"Name":"add"}"#,
            r#"{"name":"watched","arguments":{"city":07}}"#,
            r#"{"name":"watched","arguments":{"city":7}}"#,
            r#"{"name":"close","arguments":{"a":}}"#,
            r#"{"name":"clo\u0073e","name":"add"}"#,
            r#"{"name":"add","arguments":{},"n\u0061me":"close"}"#,
            r#"{"name":7,"arguments":{"a":}}"#,
            r#"{"name":"add","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}"#,
            r#"{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"},"name":"add"}"#,
            r#"{"name":"forecast","arguments":{"city":"é"}}}"#,
        ]
        .map(with_params),
    );
    bodies
}

/// Calls on 2026-07-28 whose headers say `tools/call` and `add`.
fn modern_bodies() -> Vec<String> {
    [
        format!(r#"{{"name":"add",{META},"arguments":{{}}}}"#),
        format!(r#"{{"name":"add","arguments":{{"a":[}},{META}}}"#),
        format!(r#"{{{META},"name":"drop"}}"#),
        r#"{"name":"add"}"#.to_owned(),
        META.replace("2026", "2027")
            .replace("\"_meta", "{\"name\":\"add\",\"_meta")
            + "}",
    ]
    .map(|params| format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#))
    .into()
}

fn requests() -> Vec<(Sent, Vec<u8>)> {
    let legacy = legacy_bodies().into_iter().map(|body| {
        let sent = Sent::post("");
        (sent, body.into_bytes())
    });
    let modern = modern_bodies().into_iter().map(|body| {
        let sent = Sent::modern("tools/call", Some("add"), "");
        (sent, body.into_bytes())
    });
    legacy.chain(modern).collect()
}

#[track_caller]
fn check(gateway: &Gateway, request: &Sent, body: &[u8], pieces: &[&[u8]], expected: &Fate) {
    for end in [End::Alone, End::WithTheLastChunk] {
        let sent = request.clone().body(pieces.iter().copied()).ending(end);
        let told = sent
            .clone()
            .with("content-length", body.len().to_string().as_bytes());
        for sent in [sent, told] {
            let shown: Vec<_> = pieces.iter().map(|piece| piece.escape_ascii()).collect();
            let shown: Vec<_> = shown.into_iter().map(|piece| piece.to_string()).collect();
            assert_eq!(fate(gateway, &sent), *expected, "{shown:?} {end:?}");
        }
    }
}

fn whole(gateway: &Gateway, request: &Sent, body: &[u8]) -> Fate {
    let sent = request.clone().body([body]).ending(End::WithTheLastChunk);
    fate(gateway, &sent)
}

#[test]
fn it_answers_the_same_wherever_a_body_is_cut() {
    let gateway = gateway();
    for (request, body) in requests() {
        let expected = whole(&gateway, &request, &body);
        check(&gateway, &request, &body, &[&body], &expected);
        for cut in 1..body.len() {
            let (first, second) = body.split_at(cut);
            check(&gateway, &request, &body, &[first, second], &expected);
            let (middle, last) = second.split_at(1);
            check(&gateway, &request, &body, &[first, middle, last], &expected);
        }
    }
}

#[test]
fn it_answers_the_same_however_small_the_pieces_of_a_body_are() {
    let gateway = gateway();
    for (request, body) in requests() {
        let expected = whole(&gateway, &request, &body);
        for size in (1..20).chain([31, 32, 33, 63, 64, 65]) {
            let pieces: Vec<&[u8]> = body.chunks(size).collect();
            check(&gateway, &request, &body, &pieces, &expected);
        }
    }
}

#[test]
fn it_answers_the_same_for_every_beginning_of_a_body_in_pieces() {
    let gateway = gateway();
    for (request, body) in requests() {
        for length in 1..body.len() {
            let beginning = &body[..length];
            let expected = whole(&gateway, &request, beginning);
            for size in [1, 2, 3] {
                let pieces: Vec<&[u8]> = beginning.chunks(size).collect();
                let sent = request.clone().body(pieces.iter().copied());
                let found = fate(&gateway, &sent);
                assert_eq!(found, expected, "{} {size}", beginning.escape_ascii());
            }
        }
    }
}

#[test]
fn it_refuses_a_name_that_is_not_json_as_unreadable() {
    let body = &legacy_bodies()[0];
    let answer = gateway().send(&Sent::post(body)).answer();
    assert_eq!(answer.error(), (400, -32700, json!(null)));
}
