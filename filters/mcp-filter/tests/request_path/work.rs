//! Each byte of a body is looked at a bounded number of times, however the body is cut.

use serde_json::json;
use step_count::taken_by;

use crate::gateway::{End, Gateway, Sent, configuration};

/// How many steps a byte may take: UTF-8, the reader's grammar, the way past skipped arguments and
/// back over them, the schema, and resolving escapes once for the look-up and once for the answer.
const STEPS_PER_BYTE: u64 = 16;

/// The steps that each piece of a body may cost besides, and each request.
const STEPS_PER_PIECE: u64 = 24;
const STEPS_PER_REQUEST: u64 = 4096;

fn gateway() -> Gateway {
    let mut configuration = configuration();
    configuration["max_body_bytes"] = json!(1 << 20);
    configuration["rules"] = json!([
        {"name": "closed", "match": {"tool": "close"}, "allow": ["analyst"]},
    ]);
    configuration["schemas"]["anything"] = json!({"properties": {"number": {"maximum": 7}}});
    configuration["servers"]["math"]["tools"]["free"] = json!({"input_schema": "anything"});
    Gateway::with(&configuration)
}

fn call(name: &str, arguments: &str) -> String {
    let params = format!(r#"{{"name":"{name}","arguments":{arguments}}}"#);
    format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#)
}

/// Bodies of about `size` bytes, each long in another part.
fn bodies(size: usize) -> Vec<(&'static str, String)> {
    let plain = "x".repeat(size);
    let escaped = r"\u0061".repeat(size / 6);
    let digits = "1".repeat(size);
    let keys: Vec<String> = (0..size / 8).map(|key| format!("\"{key}\":1")).collect();
    let keys = keys.join(",");
    let nested = "[".repeat(15) + &"[],".repeat(size / 3) + "0" + &"]".repeat(15);
    let text = |text: &str| format!(r#"{{"city":"{text}"}}"#);
    let message = |members: &str| format!(r#"{{"jsonrpc":"2.0",{members}}}"#);
    vec![
        ("an unknown name", call(&plain, "{}")),
        ("an unknown escaped name", call(&escaped, "{}")),
        (
            "an escaped name before the id",
            message(&format!(
                r#""method":"tools/call","params":{{"name":"{escaped}"}},"id":1"#
            )),
        ),
        (
            "an escaped method",
            message(&format!(r#""id":1,"method":"{escaped}""#)),
        ),
        (
            "an escaped uri before the id",
            message(&format!(
                r#""method":"resources/read","params":{{"uri":"{escaped}","x":[{digits}]}},"id":1"#
            )),
        ),
        (
            "a long id behind an unknown name",
            message(&format!(
                r#""method":"tools/call","params":{{"name":"drop"}},"id":"{escaped}""#
            )),
        ),
        ("escaped text, unchecked", call("add", &text(&escaped))),
        ("text, checked", call("forecast", &text(&plain))),
        ("escaped text, checked", call("forecast", &text(&escaped))),
        (
            "an escaped key, checked",
            call("free", &format!(r#"{{"{escaped}":1}}"#)),
        ),
        (
            "an escaped key, misfit",
            call("forecast", &format!(r#"{{"{escaped}":1}}"#)),
        ),
        (
            "a long number, unchecked",
            call("add", &format!("[{digits}]")),
        ),
        (
            "a long number, compared",
            call("free", &format!(r#"{{"number":{digits}}}"#)),
        ),
        (
            "a long fraction, compared",
            call("free", &format!(r#"{{"number":-0.{digits}e-{digits}}}"#)),
        ),
        ("many keys, checked", call("free", &format!("{{{keys}}}"))),
        ("many keys, unchecked", call("add", &format!("{{{keys}}}"))),
        ("nested, unchecked", call("add", &nested)),
        ("nested, checked", call("free", &nested)),
        ("a forbidden tool", call("close", &text(&escaped))),
        ("an unknown tool", call("drop", &text(&escaped))),
        (
            "a long key of the message",
            message(&format!(r#""id":1,"method":"ping","{escaped}":1"#)),
        ),
        (
            "a key that folds to a known one",
            message(&format!(r#""id":1,"method":"ping","{plain}":1,"Method":1"#)),
        ),
        (
            "broken arguments, skipped",
            call("forecast", &format!("[{nested},}}]")),
        ),
        ("no object", digits.clone()),
        ("white space", " ".repeat(size)),
    ]
}

#[track_caller]
fn check(gateway: &Gateway, what: &str, request: &Sent, body: &str) {
    for size in [1, 2, 3, 7, 64, 1000, body.len()] {
        let pieces = body.as_bytes().chunks(size);
        let count = pieces.len() as u64;
        let sent = request.clone().body(pieces).ending(End::Alone);
        let (outcome, steps) = taken_by(|| gateway.send(&sent));
        // Where nothing was refused early, everything was looked at.
        let is_whole = outcome.reply().is_none();
        assert!(!is_whole || steps >= body.len() as u64, "{what}: {steps}");
        let most = STEPS_PER_BYTE * body.len() as u64 + STEPS_PER_PIECE * count + STEPS_PER_REQUEST;
        assert!(
            steps <= most,
            "{what}: {steps} steps for {} bytes in pieces of {size}, more than {most}",
            body.len()
        );
    }
}

#[test]
fn it_looks_at_each_byte_a_bounded_number_of_times_however_the_body_is_cut() {
    let gateway = gateway();
    for (what, body) in bodies(12_000) {
        check(&gateway, what, &Sent::post(""), &body);
        // Refused by a header: what follows is only looked through for the id.
        let refused = Sent::post("").with("mcp-protocol-version", "2027-01-01");
        check(&gateway, what, &refused, &body);
        let name = if what.contains("escaped name") {
            "a"
        } else {
            "add"
        };
        let modern = Sent::modern("tools/call", Some(name), "");
        check(&gateway, what, &modern, &body);
    }
}

#[test]
fn it_refuses_an_unknown_or_forbidden_tool_as_soon_as_its_name_stands() {
    let gateway = gateway();
    for (tool, part) in [("drop", "has listed"), ("close", "not open")] {
        let refused = |text: &str| {
            let head =
                format!(r#"{{"method":"tools/call","params":{{"name":"{tool}","arguments":"#);
            let body = format!(r#"{head}{{"text":"{text}"}}}},"jsonrpc":"2.0","id":9}}"#);
            let sent = Sent::post("").body(body.as_bytes().chunks(1));
            let (outcome, steps) = taken_by(|| gateway.send(&sent));
            let answer = outcome.answer();
            assert_eq!((answer.reply.status, &answer.json["id"]), (200, &9.into()));
            assert!(answer.sentence().contains(part), "{}", answer.sentence());
            (steps, body.len() as u64)
        };
        let (few, short) = refused("");
        let (many, long) = refused(&"x".repeat(50_000));
        // Behind the name only the id is looked for.
        assert!(many - few <= 4 * (long - short), "{few} {many}");
    }
}

#[test]
fn it_reads_checked_arguments_once_where_their_tool_stands_before_them() {
    let gateway = gateway();
    let arguments = format!(r#"{{"city":"{}"}}"#, "x".repeat(20_000));
    let steps = |params: String| {
        let body =
            format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{{params}}}}}"#);
        let sent = Sent::post("").body(body.as_bytes().chunks(1000));
        let (outcome, steps) = taken_by(|| gateway.send(&sent));
        assert!(outcome.reply().is_none(), "{:?}", outcome.reply());
        steps
    };
    let named_first = steps(format!(r#""name":"forecast","arguments":{arguments}"#));
    let named_last = steps(format!(r#""arguments":{arguments},"name":"forecast""#));
    // Those that come first are passed by their brackets before they are read.
    let passed = arguments.len() as u64;
    assert!(
        named_first + passed <= named_last,
        "{named_first} {named_last}"
    );
    assert!(
        named_first <= 2 * passed,
        "{named_first} for {passed} bytes"
    );
}
