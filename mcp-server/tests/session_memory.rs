//! The cost of many sessions: alone in its process, because it reads what the whole process uses.

use clap::Parser as _;
use mcp_server::config::Config;
use mcp_server::transport::http;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

/// Sessions that are opened and never ended, each by a client with a megabyte to say of itself.
const SESSIONS: usize = 200;

/// Far less than the sessions have said of themselves, far more than what serving them moves.
const MOST_GROWTH: usize = 64 << 20;

fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().nth(1));
    kibibytes
        .and_then(|text| text.parse::<usize>().ok())
        .expect("a number")
        << 10
}

#[tokio::test]
async fn it_keeps_nothing_of_the_sessions_that_clients_open() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/mcp", listener.local_addr().expect("bound"));
    // Nothing but sessions is asked for: the ports lead nowhere, and not to whatever runs here.
    let config = Config::parse_from([
        "mcp-server",
        "--postgres-port=1",
        "--spark-remote=sc://127.0.0.1:1",
        "--spark-master-rest=http://127.0.0.1:1",
        "--spark-master-ui=http://127.0.0.1:1",
    ]);
    let stop = CancellationToken::new();
    let _stop = stop.clone().drop_guard();
    tokio::spawn(async move {
        http::serve_on(listener, &config, stop)
            .await
            .expect("it serves");
    });
    let initialize = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "x".repeat(1 << 20), "version": "1"},
    }})
    .to_string();
    let client = reqwest::Client::new();
    let open = async || {
        let request = client
            .post(&url)
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .body(initialize.clone());
        let response = request.send().await.expect("an answer");
        assert!(response.headers().contains_key("mcp-session-id"));
        response.bytes().await.expect("a body");
    };
    for _ in 0..10 {
        open().await;
    }
    let (tasks, bytes) = (
        Handle::current().metrics().num_alive_tasks(),
        resident_bytes(),
    );
    for _ in 0..SESSIONS {
        open().await;
    }
    let grown = resident_bytes().saturating_sub(bytes);
    let more_tasks = Handle::current()
        .metrics()
        .num_alive_tasks()
        .saturating_sub(tasks);
    assert!(grown < MOST_GROWTH, "{grown} bytes for {SESSIONS} sessions");
    assert!(
        more_tasks < SESSIONS / 10,
        "{more_tasks} tasks for {SESSIONS} sessions"
    );
}
