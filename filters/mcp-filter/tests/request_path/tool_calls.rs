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
        assert_eq!(
            gateway.send(&Sent::post(&body)).answer().error(),
            (403, 40300, json!(41)),
            "{body}"
        );
    }
}

#[test]
fn it_sets_the_time_that_a_rule_gives() {
    let gateway = Gateway::new();
    let timeout = |tool| {
        gateway
            .send(&Sent::post(call(tool, "{}")))
            .header("x-envoy-upstream-rq-timeout-ms")
    };
    assert_eq!(timeout("slow"), ["2500"]);
    assert_eq!(timeout("add"), [""; 0]);
}

#[test]
fn it_refuses_unknown_tools_in_band() {
    let gateway = Gateway::new();
    let check = |request: &Sent, id| {
        let answer = gateway.send(request).answer();
        assert_eq!(answer.error(), (200, -32602, id));
        assert!(
            answer.sentence().contains("is not known yet"),
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
    assert_eq!(answer.error(), (403, 40300, json!(41)));
    assert!(answer.sentence().contains("rule `closed`"));
    assert_eq!(
        gateway.counter("portcullis_refusals.server.weather.tool.close.reason.forbidden"),
        1
    );
    assert_eq!(
        gateway.counter("portcullis_calls.server.weather.tool.close"),
        1
    );
}

#[test]
fn it_answers_bad_arguments_in_the_form_of_the_callers_revision() {
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
            Some("2025-06-18"),
            Some("2025-03-26"),
            Some("2024-11-05"),
        ] {
            let request = Sent::post(call("forecast", arguments));
            let request = version.map_or(request.clone(), |version| {
                request.with("mcp-protocol-version", version)
            });
            let answer = gateway.send(&request).answer();
            assert_eq!(answer.error(), (200, -32602, json!(41)));
            assert!(
                answer.sentence().contains("do not fit its schema"),
                "{}",
                answer.sentence()
            );
        }
        let request =
            Sent::post(call("forecast", arguments)).with("mcp-protocol-version", "2025-11-25");
        let answer = gateway.send(&request).answer();
        assert_eq!(
            (answer.reply.status, &answer.json["result"]["isError"]),
            (200, &json!(true))
        );
        assert_eq!(answer.json["result"].get("resultType"), None);

        let request = Sent::modern(
            "tools/call",
            Some("forecast"),
            modern_call("forecast", arguments),
        );
        let answer = gateway.send(&request).answer();
        assert_eq!(
            (answer.reply.status, &answer.json["result"]["isError"]),
            (200, &json!(true))
        );
        assert_eq!(answer.json["result"]["resultType"], "complete");
        assert!(
            answer.json["result"]["content"][0]["text"]
                .as_str()
                .unwrap()
                .contains("do not fit its schema")
        );
    }
}

#[test]
fn it_takes_missing_arguments_for_an_empty_object() {
    let body = r#"{"jsonrpc":"2.0","id":41,"method":"tools/call","params":{"name":"forecast"}}"#;
    assert_eq!(
        Gateway::new().send(&Sent::post(body)).answer().error(),
        (200, -32602, json!(41))
    );
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
