//! Each refusal in JSON-RPC has one line in the audit log, by whichever way its request came.

use std::process::Stdio;

use reqwest::{Client as Http, Method};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::Command;

use crate::audit::{AuditedProgram, lines_of};
use crate::client::Client;
use crate::event_streams::StreamClient;

const MODERN: (&str, &str) = ("mcp-protocol-version", "2026-07-28");
const LEGACY: (&str, &str) = ("mcp-protocol-version", "2025-11-25");
const NOBODY: (&str, &str) = ("mcp-session-id", "x");

/// A request that is refused, and the call, the outcome and the code of its line.
struct Row<'a> {
    http: Method,
    path: &'a str,
    headers: Vec<(&'a str, &'a str)>,
    body: String,
    expected: (&'a str, &'a str, i64),
}

fn row<'a>(
    headers: &[(&'a str, &'a str)],
    body: &Value,
    expected: (&'a str, &'a str, i64),
) -> Row<'a> {
    Row {
        http: Method::POST,
        path: "/mcp",
        headers: headers.to_vec(),
        body: body.to_string(),
        expected,
    }
}

fn asking(method: &str, params: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params})
}

/// The same as the revision without sessions has it.
fn asking_alone(method: &str, mut params: Value) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": MODERN.1,
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"}
    });
    asking(method, &params)
}

/// Params with which every method has what it needs, but for `tools/call`.
fn any_params() -> Value {
    json!({"uri": "pipelines://active", "level": "info", "notifications": {}, "taskId": "x",
        "inputResponses": {}})
}

fn rows_without_sessions() -> Vec<Row<'static>> {
    let mut rows = Vec::new();
    for method in [
        "ping",
        "resources/subscribe",
        "resources/unsubscribe",
        "logging/setLevel",
    ] {
        let body = asking_alone(method, any_params());
        let headers = [
            MODERN,
            ("mcp-method", method),
            ("mcp-name", "pipelines://active"),
        ];
        rows.push(row(&headers, &body, (method, "unknown", -32601)));
    }
    let listing = |params: Value| asking_alone("tools/list", params);
    let lists = [MODERN, ("mcp-method", "tools/list")];
    let calls = [MODERN, ("mcp-method", "tools/call")];
    let call = asking_alone(
        "tools/call",
        json!({"name": "list_tables", "arguments": {}}),
    );
    let refused = |code| ("tools/list", "refused", code);
    rows.extend([
        row(
            &[MODERN, ("mcp-method", "nobody/knows")],
            &asking_alone("nobody/knows", json!({})),
            ("method", "unknown", -32601),
        ),
        row(&lists, &listing(json!({"cursor": "x"})), refused(-32602)),
        row(&lists, &listing(json!({"cursor": 1})), refused(-32602)),
        row(&lists, &asking("tools/list", &json!({})), refused(-32602)),
        row(&calls, &listing(json!({})), refused(-32020)),
        row(&[MODERN, LEGACY], &listing(json!({})), refused(-32020)),
        row(&calls, &call, ("tools/call", "refused", -32020)),
        row(
            &[MODERN, ("mcp-method", "tools/call"), ("mcp-name", "other")],
            &call,
            ("tools/call", "refused", -32020),
        ),
        row(
            &[MODERN, ("mcp-method", "tasks/get"), ("mcp-name", "x")],
            &asking_alone("tasks/get", any_params()),
            ("tasks/get", "refused", -32021),
        ),
        row(
            &[MODERN, ("mcp-method", "subscriptions/listen")],
            &asking_alone(
                "subscriptions/listen",
                json!({"notifications": {"taskIds": []}}),
            ),
            ("subscriptions/listen", "refused", -32021),
        ),
        row(
            &[MODERN, ("mcp-method", "subscriptions/listen")],
            &asking_alone("subscriptions/listen", json!({"notifications": 5})),
            ("subscriptions/listen", "refused", -32602),
        ),
    ]);
    rows
}

fn rows_of_session(session: Option<&str>) -> Vec<Row<'_>> {
    let mut headers = vec![LEGACY, ("x-caller", "alice")];
    headers.extend(session.map(|session| ("mcp-session-id", session)));
    let mut rows = Vec::new();
    for method in [
        "server/discover",
        "subscriptions/listen",
        "tasks/get",
        "tasks/update",
        "tasks/cancel",
        "logging/setLevel",
    ] {
        for params in [
            any_params(),
            json!({"taskId": 5, "notifications": 5, "level": 5}),
        ] {
            let body = asking(method, &params);
            rows.push(row(&headers, &body, (method, "unknown", -32601)));
        }
    }
    let subscribing = ["resources/subscribe", "resources/unsubscribe"];
    for method in subscribing.into_iter().chain(["initialize"]) {
        let body = asking(method, &json!({"uri": 5}));
        rows.push(row(&headers, &body, (method, "refused", -32602)));
    }
    if session.is_none() {
        for method in subscribing {
            let body = asking(method, &any_params());
            rows.push(row(&headers, &body, (method, "refused", -32600)));
        }
    }
    let cursor = asking("tools/list", &json!({"cursor": "x"}));
    rows.push(row(&headers, &cursor, ("tools/list", "refused", -32602)));
    let unknown = asking("nobody/knows", &json!({}));
    rows.push(row(&headers, &unknown, ("method", "unknown", -32601)));
    rows
}

/// The rows of what is refused before anything but its head is looked at.
fn rows_of_heads<'a>(session: &'a str, long_name: &'a str) -> Vec<Row<'a>> {
    let list = asking("tools/list", &json!({}));
    let unknown = ("tools/list", "unknown", -32600);
    let mut rows = vec![
        row(&[LEGACY, NOBODY], &list, unknown),
        row(
            &[LEGACY, ("mcp-session-id", session), ("x-caller", "mallory")],
            &list,
            unknown,
        ),
        row(
            &[("mcp-protocol-version", "1999-01-01")],
            &list,
            ("tools/list", "refused", -32022),
        ),
        row(
            &[LEGACY, ("host", "evil.example")],
            &list,
            ("tools/list", "refused", -32600),
        ),
        row(
            &[LEGACY, ("x-caller", long_name)],
            &list,
            ("method", "refused", -32600),
        ),
        row(&[LEGACY], &json!([]), ("method", "refused", -32600)),
    ];
    rows.push(Row {
        body: "{".to_owned(),
        ..row(&[LEGACY], &list, ("method", "refused", -32700))
    });
    for http in [Method::GET, Method::DELETE] {
        rows.push(Row {
            http,
            ..row(&[LEGACY, NOBODY], &list, ("method", "unknown", -32600))
        });
    }
    rows.push(Row {
        path: "/messages?sessionId=x",
        ..row(&[LEGACY], &list, unknown)
    });
    rows.push(Row {
        path: "/messages",
        ..row(&[LEGACY], &list, ("tools/list", "refused", -32600))
    });
    rows
}

/// The lines that have been added since there were so many.
fn lines_since(audited: &AuditedProgram, seen: &mut usize) -> Vec<Value> {
    let lines = lines_of(&audited.log).split_off(*seen);
    *seen += lines.len();
    lines
}

#[track_caller]
fn check_line(lines: &[Value], expected: (&str, &str, i64), asked: &str) {
    let [line] = lines else {
        panic!("one line of {asked}: {lines:?}");
    };
    let (call, outcome, code) = expected;
    let found = [&line["call"], &line["outcome"], &line["code"]];
    let code = json!(code.to_string());
    assert_eq!(found, [&json!(call), &json!(outcome), &code], "{asked}");
}

#[tokio::test]
async fn it_writes_one_line_for_each_refusal_over_http_in_both_eras() {
    let audited = AuditedProgram::start(&[("MCP_PRINCIPAL_HEADER", "x-caller")]).await;
    let alice = Client::named(&audited.address, "alice", json!({})).await;
    let long_name = "a".repeat(257);
    let rows = rows_without_sessions()
        .into_iter()
        .chain(rows_of_session(Some(alice.session())))
        .chain(rows_of_session(None))
        .chain(rows_of_heads(alice.session(), &long_name));
    let http = Http::new();
    let mut seen = 0;
    for row in rows {
        let url = format!("http://{}{}", audited.address, row.path);
        let mut request = http.request(row.http.clone(), url);
        for (name, value) in [
            ("content-type", "application/json"),
            ("accept", "application/json, text/event-stream"),
        ]
        .iter()
        .chain(&row.headers)
        {
            request = request.header(*name, *value);
        }
        if row.http == Method::POST {
            request = request.body(row.body.clone());
        }
        let answer = request.send().await.expect("an answer");
        let status = answer.status();
        let answer: Value = answer.json().await.expect("JSON");
        let asked = format!(
            "{} {:?} {}: {status} {answer}",
            row.path, row.headers, row.body
        );
        assert_eq!(answer["error"]["code"], json!(row.expected.2), "{asked}");
        let lines = lines_since(&audited, &mut seen);
        check_line(&lines, row.expected, &asked);
        let caller = row.headers.iter().find(|(name, _)| *name == "x-caller");
        let caller = caller
            .map(|(_, name)| *name)
            .filter(|name| *name != long_name);
        assert_eq!(
            lines[0]["who"],
            json!(caller.unwrap_or("anonymous")),
            "{asked}"
        );
    }
    assert!(seen > 40, "{seen} rows");
}

/// Requests of an introduced client of the revisions with sessions, and what their lines say.
fn asked_on_a_connection() -> Vec<(Value, (&'static str, &'static str, i64))> {
    let mut asked = Vec::new();
    for method in ["server/discover", "subscriptions/listen", "tasks/get"] {
        asked.push((asking(method, &any_params()), (method, "unknown", -32601)));
    }
    let cursor = asking("tools/list", &json!({"cursor": "x"}));
    asked.push((cursor, ("tools/list", "refused", -32602)));
    let uri = asking("resources/subscribe", &json!({"uri": 5}));
    asked.push((uri, ("resources/subscribe", "refused", -32602)));
    let foreign = asking("resources/subscribe", &json!({"uri": "x://y"}));
    asked.push((foreign, ("resources/subscribe", "unknown", -32002)));
    let unknown = asking("nobody/knows", &json!({}));
    asked.push((unknown, ("method", "unknown", -32601)));
    asked
}

#[tokio::test]
async fn it_writes_one_line_for_each_refusal_on_an_event_stream() {
    let audited = AuditedProgram::start(&[]).await;
    let mut client = StreamClient::able(&audited.address, "/sse", "2025-11-25", json!({})).await;
    let mut seen = 0;
    for (message, expected) in asked_on_a_connection() {
        let message = message.to_string();
        assert_eq!(client.post(&message, &[]).await, 202);
        let answer = client.answer().await;
        assert_eq!(
            answer["error"]["code"],
            json!(expected.2),
            "{message} {answer}"
        );
        check_line(&lines_since(&audited, &mut seen), expected, &message);
    }
}

#[tokio::test]
async fn it_writes_one_line_for_each_refusal_on_standard_output() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("audit.jsonl");
    let mut server = Command::new(env!("CARGO_BIN_EXE_mcp-server"))
        .arg("--stdio")
        .env_clear()
        .env("MCP_AUDIT_LOG", &log)
        .env("PORTCULLIS_DATA", folder.path())
        .env("POSTGRES_HOST", "127.0.0.1")
        .env("POSTGRES_PORT", "1")
        .env("SPARK_REMOTE", "sc://127.0.0.1:1")
        .env("SPARK_MASTER_REST", "http://127.0.0.1:1")
        .env("SPARK_MASTER_UI", "http://127.0.0.1:1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("the program was built");
    let mut input = server.stdin.take().expect("it is piped");
    let mut output = BufReader::new(server.stdout.take().expect("it is piped")).lines();
    let params = json!({"protocolVersion": "2025-11-25", "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"}});
    let mut asked = vec![(asking("initialize", &params).to_string(), None)];
    for (message, expected) in asked_on_a_connection() {
        asked.push((message.to_string(), Some(expected)));
    }
    asked.push(("nonsense".to_owned(), Some(("method", "refused", -32700))));
    asked.push(("[]".to_owned(), Some(("method", "refused", -32600))));
    let done = json!({"jsonrpc": "2.0", "method": "notifications/initialized"}).to_string();
    let mut seen = 0;
    for (line, expected) in asked {
        let line = format!("{line}\n");
        input.write_all(line.as_bytes()).await.expect("it reads");
        let answer = output.next_line().await.expect("text").expect("an answer");
        let answer: Value = serde_json::from_str(&answer).expect("JSON");
        let Some(expected) = expected else {
            let done = format!("{done}\n");
            input.write_all(done.as_bytes()).await.expect("it reads");
            continue;
        };
        assert_eq!(
            answer["error"]["code"],
            json!(expected.2),
            "{line} {answer}"
        );
        let lines = lines_of(&log).split_off(seen);
        seen += lines.len();
        check_line(&lines, expected, &line);
    }
}
