//! A dry run refuses a message for the reason and in the words of the filter, whatever else could
//! be said against it.

use std::path::Path;
use std::sync::Arc;

use mcp_message::{PROTOCOL_VERSION, header_text_of};
use policy_engine::wire::FilterConfig;
use policy_engine::{Policy, SchemaCache, compile};
use proptest::prelude::*;
use proptest::sample::select;
use request_path::{DryRun, Fate};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::gateway::{Gateway, Sent, configuration};

const VERSION: &str = r#""io.modelcontextprotocol/protocolVersion":"2026-07-28""#;

/// A filter, and the policy of its configuration.
struct Both {
    gateway: Gateway,
    policy: Arc<Policy>,
}

/// The end of a message: the cluster that it reached, or the reason and the words against it.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Reached(String),
    Refused { reason: String, sentence: String },
}

impl Both {
    fn new(configuration: &str) -> Self {
        let config: FilterConfig = serde_json::from_str(configuration).unwrap();
        let mut gateway = Gateway::without_configuration();
        gateway.configure_by(configuration.as_bytes()).unwrap();
        Self {
            gateway,
            policy: Arc::new(compile(&config, &mut SchemaCache::default()).unwrap()),
        }
    }

    fn filter(&self, sent: &Sent) -> End {
        let outcome = self.gateway.send(sent);
        match outcome.reply() {
            None => End::Reached(outcome.cluster()),
            Some(reply) => End::Refused {
                reason: reply.details.replace("portcullis_", ""),
                sentence: outcome.answer().sentence().to_owned(),
            },
        }
    }

    fn dry_run(&self, path: &str, body: &[u8]) -> End {
        let endpoint = self.policy.endpoint(path.as_bytes()).unwrap();
        match DryRun::of(&self.policy, endpoint, body).fate {
            Fate::Passes(target) => End::Reached(self.policy.cluster(target).to_owned()),
            Fate::Refused { reason, sentence } => End::Refused {
                reason: reason.to_owned(),
                sentence,
            },
        }
    }
}

/// A message, with the headers that go with it in its era.
#[derive(Debug, Clone)]
struct Written {
    method: &'static str,
    name: Option<String>,
    /// The revision that the header and the body say; empty where neither says one.
    version: &'static str,
    body: String,
}

impl Written {
    fn sent(&self, path: &str) -> Sent {
        let sent = match self.version {
            "2026-07-28" => Sent::modern(self.method, self.name.as_deref(), &self.body),
            "" => Sent::post(&self.body),
            version => Sent::post(&self.body).with("mcp-protocol-version", version),
        };
        sent.replacing(":path", path)
    }
}

#[derive(Deserialize)]
struct CaseFile {
    filter_config: Box<RawValue>,
    cases: Vec<Case>,
}

/// A policy case; `tests/policy-cases/README.md` says what it holds.
#[derive(Deserialize)]
struct Case {
    name: String,
    endpoint: Option<String>,
    tool: Option<String>,
    method: Option<String>,
    form: Option<String>,
    params: Option<serde_json::Map<String, Value>>,
    #[serde(default, deserialize_with = "present")]
    arguments: Option<Box<RawValue>>,
    arguments_raw: Option<String>,
    principal: Option<Value>,
    repeat: Option<u32>,
    expect: Value,
}

/// `null` is a value of the arguments, not their absence.
fn present<'de, D: serde::Deserializer<'de>>(source: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(source).map(Some)
}

impl Case {
    fn written(&self, is_modern: bool) -> (String, Option<String>, String) {
        let method = self.method.as_deref().unwrap_or("tools/call");
        let mut params = self.params.clone().unwrap_or_default();
        if let Some(tool) = &self.tool {
            params.insert("name".to_owned(), json!(tool));
        }
        let name = match method {
            "tools/call" | "prompts/get" => params.get("name"),
            "resources/read" => params.get("uri"),
            "tasks/get" | "tasks/update" | "tasks/cancel" => params.get("taskId"),
            _ => None,
        };
        let name = name.and_then(Value::as_str).map(str::to_owned);
        let mut members: Vec<String> = params
            .iter()
            .map(|(key, value)| format!("{}:{value}", json!(key)))
            .collect();
        let arguments = self.arguments.as_deref().map(RawValue::get);
        if let Some(text) = self.arguments_raw.as_deref().or(arguments) {
            members.push(format!(r#""arguments":{text}"#));
        }
        if is_modern {
            members.push(format!(r#""_meta":{{{VERSION}}}"#));
        }
        let id = match self.form {
            Some(_) => "",
            None => r#""id":1,"#,
        };
        let params = members.join(",");
        let method_text = json!(method);
        let body =
            format!(r#"{{"jsonrpc":"2.0",{id}"method":{method_text},"params":{{{params}}}}}"#);
        (method.to_owned(), name, body)
    }
}

#[test]
fn it_gives_the_reason_of_the_filter_for_every_policy_case() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/policy-cases");
    let files = std::fs::read_dir(&folder).unwrap();
    let files = files.map(|entry| entry.unwrap().path());
    let mut count = 0;
    for path in files.filter(|path| path.extension().is_some_and(|it| it == "json")) {
        let file: CaseFile = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        for is_modern in [false, true] {
            let both = Both::new(file.filter_config.get());
            // The filter knows no caller yet.
            for case in file.cases.iter().filter(|case| case.principal.is_none()) {
                let (method, name, body) = case.written(is_modern);
                let endpoint = case.endpoint.as_deref().unwrap_or("/mcp");
                let sent = match is_modern {
                    true => {
                        let name = name.as_deref().map(|name| header_text_of(name.as_bytes()));
                        Sent::modern(&method, name.as_deref(), &body)
                    }
                    false => Sent::post(&body),
                };
                let sent = sent.replacing(":path", endpoint);
                for _ in 0..case.repeat.unwrap_or(1) {
                    let (filter, dry) =
                        (both.filter(&sent), both.dry_run(endpoint, body.as_bytes()));
                    let reason = match &filter {
                        End::Refused { reason, .. } => json!(reason),
                        End::Reached(_) => Value::Null,
                    };
                    if case.expect["over_http"].is_null() && case.form.is_none() {
                        assert_eq!(reason, case.expect["reason"], "{}: {body}", case.name);
                    }
                    // Nothing is used up of the limits of a dry run.
                    match reason == "limited" {
                        true => assert!(matches!(dry, End::Reached(_)), "{}", case.name),
                        false => assert_eq!(dry, filter, "{}: {body}", case.name),
                    }
                    count += 1;
                }
            }
        }
    }
    assert!(count >= 120, "only {count} messages were sent");
}

/// Configurations that open and close what rules do not name.
fn gateways() -> [Both; 2] {
    ["allow", "deny"].map(|access| {
        let mut configuration = configuration();
        configuration["version"] = json!(3);
        configuration["defaults"]["access"] = json!(access);
        configuration["schemas"]["place"] = json!({"type": "object", "properties":
            {"city": {"type": "string", "x-mcp-header": "City"}}});
        let tools = &mut configuration["servers"]["math"]["tools"];
        tools["place"] = json!({"input_schema": "place"});
        configuration["rules"] = json!([
            {"name": "closed", "match": {"tool": "close"}, "allow": ["analyst"]},
            {"name": "open", "match": {"tool": "*"}, "allow": ["*"]},
            {"name": "watch", "match": {"tool": "place"}, "validate": "shadow"},
            {"name": "reviews", "match": {"prompt": "review_*"}, "allow": ["analyst"]},
            {"name": "prompts", "match": {"prompt": "*"}, "allow": ["*"],
             "limits": [{"id": "all", "requests": 1_000_000, "window_ms": 1000}]},
            {"name": "secrets", "match": {"uri": "file:///secret/*"}, "allow": []},
            {"name": "pings", "match": {"method": "ping"}, "allow": []},
        ]);
        Both::new(&configuration.to_string())
    })
}

#[test]
fn it_gives_the_reason_of_the_filter_on_endpoints_of_the_old_transport() {
    let mut configuration = configuration();
    let endpoints = configuration["endpoints"].as_array_mut().unwrap();
    for (path, exchange) in [("/sse", "event_stream"), ("/messages", "messages")] {
        endpoints.push(
            json!({"path": path, "servers": ["weather"], "forward": "weather",
            "exchange": exchange}),
        );
    }
    let both = Both::new(&configuration.to_string());
    let call = crate::gateway::call("close", "{}");
    let sent = Sent::post(&call);
    assert_eq!(
        both.dry_run("/sse", call.as_bytes()),
        both.filter(&sent.clone().replacing(":path", "/sse"))
    );
    // There the answer is sent to the server of the stream.
    assert_eq!(
        both.dry_run("/messages", call.as_bytes()),
        both.filter(&sent)
    );
}

/// Messages whose members come in any order, and may each be wrong or missing.
fn message() -> impl Strategy<Value = Written> {
    let method = select(vec![
        "tools/call",
        "tools/call",
        "prompts/get",
        "resources/read",
        "completion/complete",
        "logging/setLevel",
        "notifications/cancelled",
        "ping",
        "Tools/call",
    ]);
    let text = |texts: &[&'static str]| select(texts.to_vec());
    let envelope = (
        text(&[
            r#""jsonrpc":"2.0""#,
            r#""jsonrpc":"2.0""#,
            r#""jsonrpc":"1.0""#,
            "",
        ]),
        text(&[r#""id":1"#, r#""id":1"#, r#""id":{}"#, r#""id":null"#, ""]),
        text(&[
            "",
            "",
            "",
            r#""Method":"ping""#,
            r#""result":1"#,
            r#""x":tru"#,
        ]),
    );
    let params = (
        text(&[
            "forecast",
            "add",
            "close",
            "place",
            "nobody",
            "review_code",
            "summary",
            "file:///secret/a",
            "FILE:///a",
            "",
        ]),
        text(&[
            "",
            r#""arguments":{"city":"Oslo"}"#,
            r#""arguments":{"city":7}"#,
            r#""arguments":{"city":"a","city":"b"}"#,
            r#""arguments":[}"#,
            r#""arguments":{"city":"\ud83d"}"#,
        ]),
        text(&[
            "",
            "",
            "",
            r#""name":"add""#,
            r#""uri":7"#,
            r#""Name":"add""#,
            r#""x":01"#,
            r#""ref":{"type":"ref/prompt","name":"review_code"}"#,
            r#""ref":{"type":"ref/tool","name":"x"}"#,
        ]),
    );
    let orders = (
        Just([0, 1, 2, 3, 4]).prop_shuffle(),
        Just([0, 1, 2, 3]).prop_shuffle(),
    );
    let version = text(&[
        "2026-07-28",
        "2026-07-28",
        "2026-07-28",
        "",
        "",
        "2025-06-18",
        "2025-03-26",
        "2027-01-01",
    ]);
    (method, envelope, params, version, orders).prop_map(
        |(method, (jsonrpc, id, other), (name, arguments, second), version, orders)| {
            let key = match method {
                "resources/read" => "uri",
                _ => "name",
            };
            let named = match name {
                "" => String::new(),
                name => format!(r#""{key}":"{name}""#),
            };
            let meta = match version {
                "" => String::new(),
                version => format!(r#""_meta":{{"{PROTOCOL_VERSION}":"{version}"}}"#),
            };
            let params = [&*named, arguments, second, &meta];
            let params = in_order(&params, &orders.1);
            let (method_text, params) = (
                format!(r#""method":"{method}""#),
                format!(r#""params":{{{params}}}"#),
            );
            let members = [jsonrpc, id, other, &method_text, &params];
            let has_name = matches!(method, "tools/call" | "prompts/get" | "resources/read");
            // The header says what the body does, wherever that says it.
            let name = match (name, second) {
                ("", r#""name":"add""#) if key == "name" => "add",
                (name, _) => name,
            };
            Written {
                method,
                name: (has_name && !name.is_empty()).then(|| name.to_owned()),
                version,
                body: format!("{{{}}}", in_order(&members, &orders.0)),
            }
        },
    )
}

fn in_order(members: &[&str], order: &[usize]) -> String {
    let members = order.iter().map(|place| members[*place]);
    let members: Vec<&str> = members.filter(|member| !member.is_empty()).collect();
    members.join(",")
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 4000, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn it_gives_the_reason_of_the_filter_where_there_are_several(written in message()) {
        thread_local!(static GATEWAYS: [Both; 2] = gateways());
        GATEWAYS.with(|gateways| {
            for both in gateways {
                let dry = both.dry_run("/mcp", written.body.as_bytes());
                prop_assert_eq!(dry, both.filter(&written.sent("/mcp")), "{:?}", written);
            }
            Ok(())
        })?;
    }
}
