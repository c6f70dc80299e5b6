//! Rules about prompts, resources and methods, as messages of both eras meet them. Which message
//! meets which rule, `tests/policy-cases/items.json` says.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::gateway::{Gateway, Sent, configuration};

fn gateway() -> Gateway {
    let mut configuration = configuration();
    configuration["version"] = json!(3);
    configuration["access_log"] = json!([
        "decision",
        "item",
        "kind",
        "principal",
        "rule",
        "server",
        "tool"
    ]);
    configuration["rules"].as_array_mut().unwrap().extend([
        json!({"name": "reviews", "match": {"prompt": "review_*"}, "allow": ["analyst"]}),
        json!({"name": "slow", "match": {"prompt": "slow"}, "timeout_ms": 2500,
            "route": {"cluster": "reviewers"}}),
        json!({"name": "secrets", "match": {"uri": "file:///secret/*"}, "allow": []}),
        json!({"name": "levels", "match": {"method": "logging/setLevel"},
            "limits": [{"id": "all", "requests": 1, "window_ms": 60000}]}),
        json!({"name": "cancelled", "match": {"method": "notifications/cancelled"},
            "limits": [{"id": "all", "requests": 1, "window_ms": 60000}]}),
        json!({"name": "progress", "match": {"method": "notifications/progress"}, "allow": []}),
    ]);
    Gateway::with(&configuration)
}

fn message(method: &str, params: &Value) -> String {
    json!({"jsonrpc": "2.0", "id": 41, "method": method, "params": params}).to_string()
}

/// The same on 2026-07-28, with the headers that it asks for.
fn modern(method: &str, params: &Value) -> Sent {
    let mut params = params.clone();
    params["_meta"] = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28"});
    let name = match method {
        "prompts/get" => params["name"].as_str(),
        "resources/read" => params["uri"].as_str(),
        _ => None,
    };
    Sent::modern(method, name, message(method, &params))
}

#[test]
fn it_refuses_in_the_form_of_each_era_and_counts_it() {
    let gateway = gateway();
    let uri = json!({"uri": "file:///secret/a"});
    let secret = json!({"ref": {"type": "ref/resource", "uri": "file:///secret/{x}"}});
    for (method, params, sentence) in [
        (
            "prompts/get",
            json!({"name": "review_code"}),
            "prompt `review_code` is not open to anonymous callers (rule `reviews`)",
        ),
        (
            "resources/read",
            uri.clone(),
            "resource `file:///secret/a` is not open to anonymous callers (rule `secrets`)",
        ),
        ("resources/subscribe", uri.clone(), "resource `file:///"),
        ("resources/unsubscribe", uri, "resource `file:///"),
        (
            "completion/complete",
            secret,
            "resource `file:///secret/{x}`",
        ),
    ] {
        let answer = gateway.send(&Sent::post(message(method, &params))).answer();
        // A 4xx would end the session of old SDKs.
        assert_eq!(answer.error(), (200, 40300, json!(41)), "{method}");
        assert!(
            answer.sentence().starts_with(sentence),
            "{}",
            answer.sentence()
        );
        let answer = gateway.send(&modern(method, &params)).answer();
        assert_eq!(answer.error(), (403, 40300, json!(41)), "{method}");
    }
    let refused = "portcullis_refusals.server.weather.kind";
    assert_eq!(
        gateway.counter(&format!("{refused}.prompt.reason.forbidden")),
        2
    );
    assert_eq!(
        gateway.counter(&format!("{refused}.resource.reason.forbidden")),
        8
    );
    assert_eq!(
        gateway.counter("portcullis_calls.server.weather.kind.resource"),
        8
    );
    assert_eq!(
        gateway.counter("portcullis_refusals.server.none.tool.none"),
        0
    );
}

#[test]
fn it_limits_a_method_and_says_when_to_try_again() {
    let gateway = gateway();
    let (method, params) = ("logging/setLevel", json!({"level": "debug"}));
    let level = Sent::post(message(method, &params));
    assert_eq!(gateway.send(&level).cluster(), "weather-cluster");
    let answer = gateway.send(&level).answer();
    assert_eq!(answer.error(), (200, 42900, json!(41)));
    assert!(
        answer
            .sentence()
            .starts_with("method `logging/setLevel` is limited to 1 call")
    );
    let answer = gateway.send(&modern(method, &params)).answer();
    assert_eq!(answer.error(), (429, 42900, json!(41)));
    assert!(
        answer
            .reply
            .headers
            .iter()
            .any(|(name, _)| name == "retry-after")
    );
}

#[test]
fn it_tells_the_sender_of_a_notification_why_it_is_refused() {
    let gateway = gateway();
    let notification = |method: &str| {
        let params = json!({"requestId": 1, "progressToken": 1, "progress": 1});
        Sent::post(json!({"jsonrpc": "2.0", "method": method, "params": params}).to_string())
    };
    let cancelled = notification("notifications/cancelled");
    assert_eq!(gateway.send(&cancelled).cluster(), "weather-cluster");
    for (sent, code, sentence) in [
        (
            cancelled,
            42900,
            "method `notifications/cancelled` is limited to 1 call",
        ),
        (
            notification("notifications/progress"),
            40300,
            "method `notifications/progress` is not open to",
        ),
    ] {
        let answer = gateway.send(&sent).answer();
        assert_eq!(answer.error(), (400, code, Value::Null));
        assert!(
            answer.sentence().starts_with(sentence),
            "{}",
            answer.sentence()
        );
    }
}

#[test]
fn it_routes_by_a_rule_and_leaves_alone_what_none_names() {
    let gateway = gateway();
    let get =
        |name: &str| gateway.send(&Sent::post(message("prompts/get", &json!({"name": name}))));
    let slow = get("slow");
    assert_eq!(slow.cluster(), "reviewers");
    assert_eq!(slow.header("x-envoy-upstream-rq-timeout-ms"), ["2500"]);
    assert_eq!(get("other").cluster(), "weather-cluster");
    // Whoever names nothing of it, or what is written otherwise, is none of the rules'.
    for (method, params) in [
        (
            "completion/complete",
            json!({"ref": {"type": "ref/prompt", "name": "other"}}),
        ),
        ("resources/list", json!({})),
        (
            "vendor/x",
            json!({"name": "review_code", "uri": "file:///secret/a", "ref": 7}),
        ),
    ] {
        let sent = Sent::post(message(method, &params));
        assert_eq!(gateway.send(&sent).cluster(), "weather-cluster", "{method}");
    }
}

#[test]
fn it_refuses_what_servers_might_take_for_something_else() {
    let gateway = gateway();
    let nameless = "needs an object in `params.ref`";
    for (method, params, part) in [
        ("completion/complete", json!({}), nameless),
        (
            "completion/complete",
            json!({"ref": "ref/prompt"}),
            nameless,
        ),
        (
            "completion/complete",
            json!({"ref": {"name": "review_code"}}),
            nameless,
        ),
        (
            "completion/complete",
            json!({"ref": {"type": "ref/prompt", "name": 1}}),
            nameless,
        ),
        (
            "completion/complete",
            json!({"ref": {"type": "ref/Prompt", "name": "x"}}),
            nameless,
        ),
        (
            "completion/complete",
            json!({"ref": {"type": "ref/prompt", "name": "x", "uri": "file:///secret/a"}}),
            nameless,
        ),
        (
            "resources/subscribe",
            json!({}),
            "needs a string in `params.uri`",
        ),
        (
            "resources/subscribe",
            json!({"uri": ["a"]}),
            "needs a string in `params.uri`",
        ),
        (
            "resources/read",
            json!({"uri": "FILE:///secret/a"}),
            "could be taken for another",
        ),
        (
            "resources/subscribe",
            json!({"uri": "file:///x/../secret/a"}),
            "could be taken",
        ),
        (
            "prompts/get",
            json!({"name": "review_code\u{0}"}),
            "could be taken for another",
        ),
    ] {
        let answer = gateway.send(&Sent::post(message(method, &params))).answer();
        assert_eq!(
            answer.error(),
            (200, -32602, json!(41)),
            "{method} {params}"
        );
        assert!(answer.sentence().contains(part), "{}", answer.sentence());
    }
    let complete = |reference: &str| {
        let method = r#""id":1,"method":"completion/complete""#;
        format!(r#"{{"jsonrpc":"2.0",{method},"params":{{"ref":{reference}}}}}"#)
    };
    for reference in [
        r#"{"type":"ref/prompt","name":"other","name":"review_code"}"#,
        r#"{"type":"ref/prompt","name":"other","n\u0061me":"review_code"}"#,
        r#"{"type":"ref/prompt","name":"other","Name":"review_code"}"#,
        r#"{"type":"ref/resource","Type":"ref/prompt","uri":"file:///a"}"#,
        r#"{"type":"ref/prompt","name":"other"},"Ref":{}"#,
    ] {
        let answer = gateway.send(&Sent::post(complete(reference))).answer();
        assert_eq!(answer.error().0, 400, "{reference}");
    }
    // Escapes are no way around.
    let escaped = r#"{"t\u0079pe":"ref\/prompt","name":"review\u005fcode"}"#;
    let answer = gateway.send(&Sent::post(complete(escaped))).answer();
    assert_eq!(answer.error(), (200, 40300, json!(1)));
}

#[test]
fn it_compares_headers_before_it_says_what_a_rule_says() {
    let gateway = gateway();
    for (method, name, sent) in [
        ("prompts/get", Some("other"), "review_code"),
        ("prompts/get", None, "review_code"),
        ("tools/call", Some("review_code"), "review_code"),
    ] {
        let meta = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28"});
        let body = message("prompts/get", &json!({"name": sent, "_meta": meta}));
        let answer = gateway.send(&Sent::modern(method, name, body)).answer();
        assert_eq!(
            answer.error(),
            (400, -32020, json!(41)),
            "{method} {name:?}"
        );
    }
}

#[test]
fn it_decides_the_same_however_the_body_is_cut() {
    let gateway = gateway();
    for (body, passes) in [
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{"ref":
                {"type":"ref/prompt","name":"review_code","title":[1]},"argument":{}}}"#,
            false,
        ),
        (
            r#"{"params":{"ref":{"name":"other","type":"ref/prompt"},"argument":{"name":"a"}},
                "method":"completion/complete","id":1,"jsonrpc":"2.0"}"#,
            true,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"resources/subscribe","params":{"x":1,
                "uri":"file:///secret/a"}}"#,
            false,
        ),
    ] {
        for cut in 1..body.len() {
            let (head, tail) = body.as_bytes().split_at(cut);
            let outcome = gateway.send(&Sent::post("").body([head, tail]));
            match passes {
                true => assert_eq!(outcome.cluster(), "weather-cluster", "{cut}"),
                false => assert_eq!(outcome.answer().error(), (200, 40300, json!(1)), "{cut}"),
            }
        }
    }
}

#[test]
fn it_notes_the_item_and_its_kind() {
    let gateway = gateway();
    let noted = |method: &str, params: Value| -> BTreeMap<String, String> {
        let notes = gateway.send(&Sent::post(message(method, &params))).notes();
        let details = notes.into_iter().filter_map(|(name, value)| {
            let detail = name.strip_prefix("portcullis_")?;
            (!detail.ends_with("_id")).then(|| (detail.to_owned(), value))
        });
        details.collect()
    };
    let expected = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    };
    assert_eq!(
        noted("prompts/get", json!({"name": "review_code"})),
        expected(&[
            ("decision", "forbidden"),
            ("item", "review_code"),
            ("kind", "prompt"),
            ("principal", "anonymous"),
            ("rule", "reviews"),
            ("server", "weather"),
        ])
    );
    assert_eq!(
        noted("logging/setLevel", json!({})),
        expected(&[
            ("decision", "allowed"),
            ("item", "logging/setLevel"),
            ("kind", "method"),
            ("principal", "anonymous"),
            ("server", "weather"),
        ])
    );
    let tool = noted("tools/call", json!({"name": "add", "arguments": {}}));
    assert_eq!(
        (&*tool["item"], &*tool["kind"], &*tool["tool"]),
        ("add", "tool", "add")
    );
    // A caller's own text is short and printable there.
    let long = "review_\n".to_owned() + &"x".repeat(3000);
    let uri = noted(
        "resources/read",
        json!({"uri": format!("file:///secret/{}", "x".repeat(3000))}),
    );
    assert!(uri["item"].len() < 200, "{}", uri["item"]);
    let refused = noted("prompts/get", json!({"name": long}));
    assert_eq!(refused["decision"], "not_normal");
}
