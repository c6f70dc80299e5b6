//! An MCP server that only lists, in the era that a test wants.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinSet;

use crate::reach;

/// How the server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaks {
    /// MCP 2026-07-28, answering in JSON.
    Stateless,
    /// MCP 2025-11-25 with a session, answering in event streams, a page for each tool.
    Sessions,
}

/// A port that is kept from others, and the address.
pub type Place = (TcpSocket, SocketAddr);

/// A server; gone when dropped.
pub struct FakeServer {
    place: Arc<Place>,
    script: Arc<Script>,
    _tasks: JoinSet<()>,
}

struct Script {
    speaks: Speaks,
    /// Each definition, byte for byte.
    tools: Mutex<Vec<String>>,
    methods: Mutex<Vec<String>>,
    /// Whether every answer is an error.
    fails: Mutex<bool>,
    /// Whether the answers to signs of life are.
    fails_probes: Mutex<bool>,
    /// Whether every list has a tool of another name.
    is_restless: Mutex<bool>,
}

/// A definition with this input schema.
pub fn tool(name: &str, schema: &str) -> String {
    format!(r#"{{"name":"{name}","inputSchema":{schema}}}"#)
}

/// Definitions that take anything.
pub fn tools(names: &[&str]) -> Vec<String> {
    names
        .iter()
        .map(|name| tool(name, r#"{"type":"object"}"#))
        .collect()
}

impl FakeServer {
    pub async fn start(speaks: Speaks, tools: Vec<String>) -> Self {
        Self::start_at(Arc::new(reach::reserve()), speaks, tools).await
    }

    /// Starts where another one was.
    pub async fn start_at(place: Arc<Place>, speaks: Speaks, tools: Vec<String>) -> Self {
        let script = Arc::new(Script {
            speaks,
            tools: Mutex::new(tools),
            methods: Mutex::default(),
            fails: Mutex::default(),
            fails_probes: Mutex::default(),
            is_restless: Mutex::default(),
        });
        let listener = TcpListener::bind(place.1).await.unwrap();
        reach::allow(place.1.port());
        let router = Router::new()
            .route("/mcp", post(answer).delete(end))
            .with_state(Arc::clone(&script));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            place,
            script,
            _tasks: tasks,
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}/mcp", self.place.1)
    }

    /// The address where it listens; nobody else can while this lives.
    pub fn place(&self) -> Arc<Place> {
        Arc::clone(&self.place)
    }

    /// Sets what it lists from now on.
    pub fn list(&self, tools: Vec<String>) {
        *self.script.tools.lock().unwrap() = tools;
    }

    /// Has it answer every request with an error from now on, or no longer.
    pub fn fail(&self, fails: bool) {
        *self.script.fails.lock().unwrap() = fails;
    }

    /// Has it answer who asks for a sign of life with an error, and list its tools all the same.
    pub fn fail_probes(&self) {
        *self.script.fails_probes.lock().unwrap() = true;
    }

    /// Has it list another tool each time it is asked.
    pub fn list_another_each_time(&self) {
        *self.script.is_restless.lock().unwrap() = true;
    }

    /// Every method that it was asked but for signs of life, in order.
    pub fn methods(&self) -> Vec<String> {
        self.script.methods.lock().unwrap().clone()
    }
}

const SESSION: &str = "a-session";

async fn answer(State(script): State<Arc<Script>>, headers: HeaderMap, body: Bytes) -> Response {
    let message: Value = serde_json::from_slice(&body).unwrap();
    let method = message["method"].as_str().unwrap().to_owned();
    let is_probe = method == "server/discover";
    // The control plane asks each endpoint again and again; that is no conversation.
    if !is_probe {
        script.methods.lock().unwrap().push(method.clone());
    }
    if *script.is_restless.lock().unwrap() {
        let asked = script.methods.lock().unwrap().len();
        *script.tools.lock().unwrap() = tools(&[&format!("tool_{asked}")]);
    }
    if *script.fails.lock().unwrap() || is_probe && *script.fails_probes.lock().unwrap() {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let text = |name| {
        headers
            .get(name)
            .map(|value: &http::HeaderValue| value.to_str().unwrap().to_owned())
    };
    match script.speaks {
        Speaks::Stateless => {
            assert_eq!(text("mcp-protocol-version").as_deref(), Some("2026-07-28"));
            assert_eq!(text("mcp-method"), Some(method.clone()));
            let meta = &message["params"]["_meta"];
            assert_eq!(
                meta["io.modelcontextprotocol/protocolVersion"],
                "2026-07-28"
            );
            assert!(meta["io.modelcontextprotocol/clientCapabilities"].is_object());
            if method == "server/discover" {
                let reply = json!({"jsonrpc": "2.0", "id": message["id"], "result": {
                    "resultType": "complete", "supportedVersions": ["2026-07-28"],
                    "capabilities": {"tools": {}},
                    "_meta": {"io.modelcontextprotocol/serverInfo":
                        {"name": "fake", "version": "1.2.0"}}}});
                return ([("content-type", "application/json")], reply.to_string()).into_response();
            }
            let tools = script.tools.lock().unwrap().join(",");
            let reply = format!(
                concat!(
                    r#"{{"jsonrpc":"2.0","id":{},"result":{{"resultType":"complete","#,
                    r#""tools":[{tools}]}}}}"#
                ),
                message["id"],
                tools = tools
            );
            ([("content-type", "application/json")], reply).into_response()
        }
        Speaks::Sessions => in_session(&script, &message, &method, text),
    }
}

fn in_session(
    script: &Script,
    message: &Value,
    method: &str,
    header: impl Fn(&'static str) -> Option<String>,
) -> Response {
    let known = header("mcp-session-id").as_deref() == Some(SESSION);
    let result = match method {
        "initialize" => json!({"protocolVersion": "2025-11-25", "capabilities": {"tools": {}},
            "serverInfo": {"name": "x", "version": "1"}})
        .to_string(),
        _ if !known => return (StatusCode::BAD_REQUEST, "no session").into_response(),
        "notifications/initialized" => return StatusCode::ACCEPTED.into_response(),
        "tools/list" => {
            assert_eq!(
                header("mcp-protocol-version").as_deref(),
                Some("2025-11-25")
            );
            let tools = script.tools.lock().unwrap();
            let page: usize = message["params"]["cursor"]
                .as_str()
                .map_or(0, |cursor| cursor.parse().unwrap());
            let next = if page + 1 < tools.len() {
                format!(r#","nextCursor":"{}""#, page + 1)
            } else {
                String::new()
            };
            format!(r#"{{"tools":[{}]{next}}}"#, tools[page])
        }
        other => panic!("asked for `{other}`"),
    };
    let event = format!(
        ": priming\n\ndata: \
         {{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{{}}}}\n\ndata: \
         {{\"jsonrpc\":\"2.0\",\"id\":{},\"result\":{result}}}\n\n",
        message["id"]
    );
    (
        [
            ("content-type", "text/event-stream"),
            ("mcp-session-id", SESSION),
        ],
        event,
    )
        .into_response()
}

async fn end(State(script): State<Arc<Script>>) -> StatusCode {
    script.methods.lock().unwrap().push("DELETE".to_owned());
    StatusCode::OK
}
