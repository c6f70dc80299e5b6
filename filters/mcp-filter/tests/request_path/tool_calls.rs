//! Calls of tools: known, allowed, well formed.

use serde_json::json;

use crate::gateway::{End, Gateway, Sent, call, configuration, modern_call};

#[test]
fn it_sends_each_tool_to_its_server() {
    let gateway = Gateway::new();
    for (tool, arguments, cluster) in [
        ("add", "{}", "math-cluster"),
        ("forecast", r#"{"city":"x"}"#, "weather-cluster"),
        ("slow", "[]", "math-cluster"),
    ] {
        let body = call(tool, arguments);
        for end in [End::Alone, End::WithTheLastChunk] {
            let outcome = gateway.send(&Sent::post(&body).ending(end));
            assert_eq!(outcome.cluster(), cluster);
            assert_eq!(outcome.upstream.body, body.as_bytes());
        }
        let outcome = gateway.send(&Sent::modern(
            "tools/call",
            Some(tool),
            modern_call(tool, arguments),
        ));
        assert_eq!(outcome.cluster(), cluster);
        let bytes: Vec<&[u8]> = body.as_bytes().chunks(1).collect();
        let outcome = gateway.send(&Sent::post("").body(bytes));
        assert_eq!(outcome.cluster(), cluster);
        assert_eq!(outcome.upstream.body, body.as_bytes());
    }
}

#[test]
fn it_reads_names_as_the_upstream_will() {
    let gateway = Gateway::new();
    for (method, tool) in [
        (r"tools\/call", "close"),
        (r"tools/c\u0061ll", r"cl\u006fse"),
        (r"\u0074ools\u002fcall", "close"),
    ] {
        let body = call(tool, "{}").replace("tools/call", method);
        let answer = gateway.send(&Sent::post(&body)).answer();
        assert_eq!(answer.tool_error(), (200, json!(41)), "{body}");
        assert!(answer.sentence().contains("`close`"), "{body}");
    }
}

#[test]
fn it_sets_the_time_that_a_rule_gives_and_tells_the_server() {
    let gateway = Gateway::new();
    for name in [
        "x-envoy-upstream-rq-timeout-ms",
        "x-envoy-expected-rq-timeout-ms",
    ] {
        let timeout = |tool| {
            let request = Sent::post(call(tool, "{}")).with(name, "99000");
            gateway.send(&request).header(name)
        };
        assert_eq!(timeout("slow"), ["2500"]);
        assert_eq!(timeout("add"), [""; 0]);
    }
}

#[test]
fn it_refuses_unknown_tools_in_band() {
    let gateway = Gateway::new();
    let check = |request: &Sent, id| {
        let answer = gateway.send(request).answer();
        assert_eq!(answer.error(), (200, -32602, id));
        assert!(
            answer.sentence().contains("has listed"),
            "{}",
            answer.sentence()
        );
    };
    check(&Sent::post(call("drop", "{}")), json!(41));
    check(
        &Sent::modern("tools/call", Some("drop"), modern_call("drop", "{}")),
        json!("a"),
    );
    // A tool of a server that the endpoint does not have.
    check(
        &Sent::post(call("forecast", "{}")).replacing(":path", "/servers/math/mcp"),
        json!(41),
    );
    check(&Sent::post(call(r"a\n\u0000\ud83d\ude00", "{}")), json!(41));
    assert_eq!(
        gateway.counter("portcullis_refusals.server.none.tool.none.reason.unknown_tool"),
        4
    );
}

#[test]
fn it_refuses_calls_that_rules_close() {
    let gateway = Gateway::new();
    let answer = gateway.send(&Sent::post(call("close", "{}"))).answer();
    assert_eq!(answer.tool_error(), (200, json!(41)));
    assert!(answer.sentence().contains("rule `closed`"));
    let modern = Sent::modern("tools/call", Some("close"), modern_call("close", "{}"));
    let answer = gateway.send(&modern).answer();
    assert_eq!(answer.error(), (403, 40300, json!("a")));
    assert!(answer.sentence().contains("rule `closed`"));
    assert_eq!(
        gateway.counter("portcullis_refusals.server.weather.tool.close.reason.forbidden"),
        2
    );
    assert_eq!(
        gateway.counter("portcullis_calls.server.weather.tool.close"),
        2
    );
}

#[test]
fn it_answers_bad_arguments_where_a_model_reads_it_on_every_revision() {
    let gateway = Gateway::new();
    for arguments in [
        "{}",
        r#"{"city":1}"#,
        r#"{"city":"x","other":1}"#,
        r#"{"city":"a","city":"b"}"#,
        "[]",
        "null",
    ] {
        for version in [
            None,
            Some("2025-11-25"),
            Some("2025-06-18"),
            Some("2025-03-26"),
            Some("2024-11-05"),
        ] {
            let request = Sent::post(call("forecast", arguments));
            let request = version.map_or(request.clone(), |version| {
                request.with("mcp-protocol-version", version)
            });
            let answer = gateway.send(&request).answer();
            assert_eq!(answer.tool_error(), (200, json!(41)));
            assert_eq!(answer.json["result"].get("resultType"), None);
            assert!(answer.sentence().contains("do not fit its schema"));
        }
        let request = Sent::modern(
            "tools/call",
            Some("forecast"),
            modern_call("forecast", arguments),
        );
        let answer = gateway.send(&request).answer();
        assert_eq!(answer.tool_error(), (200, json!("a")));
        assert_eq!(answer.json["result"]["resultType"], "complete");
        assert!(answer.sentence().contains("do not fit its schema"));
    }
}

#[test]
fn it_notes_the_id_of_what_passes_for_the_proxys_own_answers() {
    let noted = |request: &Sent| Gateway::new().send(request).notes();
    let one = |name: &str, id: &str| vec![(name.to_owned(), id.to_owned())];
    let list = r#"{"jsonrpc":"2.0","id":"l","method":"tools/list"}"#;
    let add = Sent::post(call("add", "{}"));
    assert_eq!(noted(&add), one("portcullis_call_id", "41"));
    assert_eq!(
        noted(&Sent::post(list)),
        one("portcullis_request_id", r#""l""#)
    );
    let modern = Sent::modern("tools/call", Some("add"), modern_call("add", "{}"));
    assert_eq!(noted(&modern), one("portcullis_modern_id", r#""a""#));
    // Nobody waits for an answer to these, or it is not ours to give.
    for body in [
        r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#.to_owned(),
        r#"{"jsonrpc":"2.0","id":7,"result":{}}"#.to_owned(),
        call("close", "{}"),
        call("add", "{}").replace("41", &"7".repeat(2000)),
    ] {
        assert_eq!(noted(&Sent::post(&body)), [], "{body}");
    }
    assert_eq!(noted(&Sent::bare("GET")), []);
}

#[test]
fn it_answers_nothing_under_200_without_the_callers_id() {
    let check = |body: &str, expected: (u16, i64)| {
        let bytes: Vec<&[u8]> = body.as_bytes().chunks(1).collect();
        let answer = Gateway::new().send(&Sent::post("").body(bytes)).answer();
        let (status, code, id) = answer.error();
        assert_eq!(((status, code), id), (expected, json!(null)), "{body}");
    };
    let begin = r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"drop","arguments":{}}"#;
    check(&format!("{begin}}}"), (400, -32600));
    check(&format!(r#"{begin},"id":"#), (400, -32700));
    check(&format!(r#"{begin},"id":x}}"#), (400, -32700));
    check(&format!("{begin}{}", " ".repeat(5000)), (413, -32600));
}

#[test]
fn it_takes_missing_arguments_for_an_empty_object() {
    let body = r#"{"jsonrpc":"2.0","id":41,"method":"tools/call","params":{"name":"forecast"}}"#;
    let answer = Gateway::new().send(&Sent::post(body)).answer();
    assert_eq!(answer.tool_error(), (200, json!(41)));
    assert_eq!(
        Gateway::new()
            .send(&Sent::post(body.replace("forecast", "add")))
            .cluster(),
        "math-cluster"
    );
}

#[test]
fn it_passes_shadowed_violations() {
    let mut configuration = configuration();
    configuration["rules"][2] =
        json!({"name": "shadow", "match": {"tool": "forecast"}, "validate": "shadow"});
    let gateway = Gateway::with(&configuration);
    let name = "portcullis_shadowed.server.weather.tool.forecast";
    for (arguments, counted) in [
        (r#"{"city":"x"}"#, 0),
        ("{}", 1),
        (r#"{"city":1,"a":2}"#, 2),
    ] {
        let outcome = gateway.send(&Sent::post(call("forecast", arguments)));
        assert_eq!(outcome.cluster(), "weather-cluster");
        assert_eq!(gateway.counter(name), counted, "{arguments}");
    }
}

#[test]
fn it_refuses_calls_without_a_name_or_an_id() {
    let gateway = Gateway::new();
    for params in [
        "{}",
        r#"{"name":1}"#,
        r#"{"name":null}"#,
        r#"{"name":["add"]}"#,
        r#"{"uri":"add"}"#,
    ] {
        let body =
            format!(r#"{{"jsonrpc":"2.0","id":41,"method":"tools/call","params":{params}}}"#);
        assert_eq!(
            gateway.send(&Sent::post(body)).answer().error(),
            (200, -32602, json!(41)),
            "{params}"
        );
    }
    let body = call("add", "{}").replace(r#""id":41,"#, "");
    assert_eq!(gateway.send(&Sent::post(body)).answer().error().0, 400);
}

#[test]
fn it_echoes_ids_byte_for_byte() {
    for id in [
        "0",
        "-1",
        "12345678901234567890123456789",
        r#""""#,
        r#""\u00e9 \" \\""#,
    ] {
        let body = call("drop", "{}").replace("41", id);
        let answer = Gateway::new().send(&Sent::post(body)).answer();
        assert!(
            answer.reply.body.contains(&format!(r#""id":{id},"#)),
            "{}",
            answer.reply.body
        );
    }
}
