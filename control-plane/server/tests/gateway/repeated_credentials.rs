//! Servers that repeat the credential that they are shown, wherever they can.

use std::fs;
use std::net::SocketAddr;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

use crate::captured_log::CapturedLog;
use crate::harness::{Answer, ControlPlane, folder, until};
use crate::reach;
use crate::secrets::holds;

const VALUE: &str = "sword/fish+\"7zqx\\2kvz";

/// Makes an answer of the header that the server is shown.
type Repeat = fn(&str) -> (StatusCode, String);

/// A server that answers every request with what it was shown; gone when dropped.
struct Parrot {
    address: SocketAddr,
    task: AbortHandle,
}

impl Parrot {
    async fn start(repeat: Repeat) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        reach::allow(address.port());
        let router = Router::new().route("/mcp", post(answer)).with_state(repeat);
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            address,
            task: task.abort_handle(),
        }
    }
}

impl Drop for Parrot {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(
    State(repeat): State<Repeat>,
    headers: HeaderMap,
) -> (StatusCode, [(&'static str, &'static str); 1], String) {
    let shown = headers
        .get("x-api-key")
        .map(|value| value.to_str().unwrap());
    let (status, text) = repeat(shown.unwrap_or_default());
    (status, [("content-type", "application/json")], text)
}

fn refusal(words: &str) -> String {
    let message = format!("the key {words} is not known");
    json!({"jsonrpc": "2.0", "id": 1, "error": {"code": -32000, "message": message}}).to_string()
}

fn result(result: &Value) -> (StatusCode, String) {
    let reply = json!({"jsonrpc": "2.0", "id": 1, "result": result});
    (StatusCode::OK, reply.to_string())
}

fn listing(description: &str) -> Value {
    json!({"tools": [{"name": "a", "description": description,
        "inputSchema": {"type": "object"}}], "protocolVersion": "2025-11-25"})
}

/// Every way of repeating it, and the words by which an operator is told.
const WAYS: [(&str, Repeat, &str); 8] = [
    (
        "an error",
        |key| (StatusCode::OK, refusal(key)),
        "are not shown",
    ),
    (
        "an error with its status, in base64",
        |key| (StatusCode::UNAUTHORIZED, refusal(&STANDARD.encode(key))),
        "are not shown",
    ),
    (
        "an error that is cut",
        |key| {
            let padded = format!("{}{key}", "x".repeat(270));
            (StatusCode::OK, refusal(&padded))
        },
        "are not shown",
    ),
    (
        "an error that is percent-encoded",
        |key| {
            let encoded = utf8_percent_encode(key, NON_ALPHANUMERIC).to_string();
            (StatusCode::OK, refusal(&encoded))
        },
        "are not shown",
    ),
    (
        "an answer that cannot be read",
        |key| result(&json!({"tools": key, "protocolVersion": {key: 1}})),
        "repeats the credential",
    ),
    (
        "a part of it in an answer that cannot be read",
        |key| result(&json!({"tools": &key[..12], "protocolVersion": "2025-11-25"})),
        "are not shown",
    ),
    (
        "a list",
        |key| result(&listing(&format!("uses {key}"))),
        "repeats the credential",
    ),
    (
        "a list with it in a form",
        |key| result(&listing(&hex::encode(format!("Bearer {key}")))),
        "repeats the credential",
    ),
];

/// The credential in the forms in which the servers repeat it, and parts of it.
fn traces() -> Vec<String> {
    vec![
        VALUE[..10].to_owned(),
        "7zqx".to_owned(),
        STANDARD.encode(VALUE)[..10].to_owned(),
        utf8_percent_encode(VALUE, NON_ALPHANUMERIC).to_string()[..12].to_owned(),
        hex::encode(VALUE),
    ]
}

#[tokio::test]
async fn it_shows_nowhere_what_a_server_repeats_of_its_credential() {
    for (way, repeat, told) in WAYS {
        let log = CapturedLog::begin();
        let folder = folder();
        fs::write(folder.path().join("token"), VALUE).unwrap();
        let parrot = Parrot::start(repeat).await;
        let control_plane = ControlPlane::start(folder.path(), "").await;
        let mut document = control_plane.document().await;
        document["secrets"] = json!({"key": {"file": folder.path().join("token")}});
        let put = control_plane.put_json("/api/v1/config", &document).await;
        assert_eq!(put.status, StatusCode::OK, "{way}: {}", put.text);
        let server = json!({
            "name": "parrot",
            "url": format!("http://{}/mcp", parrot.address),
            "credentials": {"secret": "key", "header": "x-api-key"},
        });
        let added = control_plane
            .request(Method::POST, "/api/v1/servers")
            .header("content-type", "application/json")
            // Its answer is stored.
            .header("idempotency-key", "once")
            .body(server.to_string());
        let added = Answer::of(added).await;
        assert_eq!(added.status, StatusCode::CREATED, "{way}: {}", added.text);
        until(|| async {
            let servers = control_plane.get("/api/v1/servers").await.text;
            servers.contains(told)
        })
        .await;
        until(|| async { has_told_of_it(&control_plane) }).await;
        let mut shown = added.text + &log.text() + &events(&control_plane);
        for path in [
            "servers",
            "servers/parrot",
            "tools",
            "nodes",
            "audit",
            "config/snapshot",
        ] {
            shown += &control_plane.get(&format!("/api/v1/{path}")).await.text;
        }
        for trace in traces() {
            assert!(!shown.contains(&trace), "{way}: {trace} in {shown}");
            assert!(!holds(folder.path(), &trace), "{way}: {trace} is stored");
        }
    }
}

fn events(control_plane: &ControlPlane) -> String {
    let events = control_plane.gateway.events().after(0, 1000).unwrap();
    let events = events.iter().map(|event| event.data.to_string());
    events.collect()
}

fn has_told_of_it(control_plane: &ControlPlane) -> bool {
    let events = control_plane.gateway.events().after(0, 1000).unwrap();
    let mut events = events.iter();
    events.any(|event| event.kind == "server" && event.data["state"] == "down")
}
