//! Methods and keys that a looser server would take for those that the policy governs.

use serde_json::Value;

use crate::gateway::{Gateway, Sent};

const META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#;

/// Sends the members on both eras, and asserts the refusal of a malformed message.
#[track_caller]
fn check_refused(members: &str, header: &str, sentence: &str) {
    let gateway = Gateway::new();
    let params = r#""name":"close","uri":"a://b","taskId":"t","arguments":{}"#;
    let legacy = format!(r#"{{"jsonrpc":"2.0","id":1,{members},"params":{{{params}}}}}"#);
    let modern = format!(r#"{{"jsonrpc":"2.0","id":1,{members},"params":{{{META},{params}}}}}"#);
    let requests = [Sent::post(legacy), Sent::modern(header, None, modern)];
    for request in requests {
        let answer = gateway.send(&request).answer();
        assert_eq!(answer.error(), (400, -32600, Value::Null), "{members}");
        assert_eq!(answer.sentence(), sentence, "{members}");
    }
}

#[test]
fn it_refuses_a_method_that_a_looser_server_takes_for_a_known_one() {
    let rows = [
        (r"tools/call\u0000", r"tools/call\u{0}", "tools/call"),
        (r"tools/call\u0000x", r"tools/call\u{0}x", "tools/call"),
        ("Tools/Call", "Tools/Call", "tools/call"),
        ("tool\u{17f}/call", "tool\u{17f}/call", "tools/call"),
        ("tools/call ", "tools/call ", "tools/call"),
        (r"\ttools/call", r"\u{9}tools/call", "tools/call"),
        ("PROMPTS/GET", "PROMPTS/GET", "prompts/get"),
        (
            r"resources/read\n",
            r"resources/read\u{a}",
            "resources/read",
        ),
        (" tasks/cancel", " tasks/cancel", "tasks/cancel"),
        ("Tools/List", "Tools/List", "tools/list"),
        ("TOOLS/LIST", "TOOLS/LIST", "tools/list"),
        (r"tools/list\u0000", r"tools/list\u{0}", "tools/list"),
        ("Initialize", "Initialize", "initialize"),
        ("logging/setlevel", "logging/setlevel", "logging/setLevel"),
        (
            "re\u{17f}ources/subscribe",
            "re\u{17f}ources/subscribe",
            "resources/subscribe",
        ),
    ];
    for (method, shown, known) in rows {
        check_refused(
            &format!(r#""method":"{method}""#),
            known,
            &format!("the method `{shown}` must be written `{known}`; write it so, or use another"),
        );
    }
}

#[test]
fn it_refuses_a_key_that_a_looser_server_takes_for_the_method() {
    let sentence = concat!(
        r"the key `method\u{0}` in the message must be written `method`; ",
        "write it so, or leave it out"
    );
    check_refused(r#""method\u0000":"tools/call""#, "tools/call", sentence);
    check_refused(
        r#""method":"ping","method\u0000":"tools/call""#,
        "ping",
        sentence,
    );
}

#[test]
fn it_passes_methods_that_only_resemble_a_known_one() {
    for method in ["tools/calls", "tools /call", "x/tools/call", "prompts/list"] {
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}"}}"#);
        let outcome = Gateway::new().send(&Sent::post(body));
        assert_eq!(outcome.cluster(), "weather-cluster", "{method}");
    }
}
