//! Servers whose words are made for a log or a terminal, which would obey them.

use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::captured_log::CapturedLog;
use crate::harness::{ControlPlane, folder, until};
use crate::reach;

/// A line feed and a line as the log has them, and what a terminal obeys: C0, C1, a mark that turns
/// the direction of text.
const FORGED: &str = "2026-11-23T10:30:00.000000Z  INFO control_plane: all Envoys accepted it";
const OBEYED: [char; 6] = ['\r', '\u{1b}', '\u{7}', '\u{9b}', '\u{2028}', '\u{202e}'];

fn words() -> String {
    let obeyed: String = OBEYED.iter().collect();
    format!("x{obeyed}\n{FORGED}")
}

/// A server that refuses every request in such words; gives its URL.
async fn start_refusing(tasks: &mut JoinSet<()>) -> String {
    async fn refuse() -> Json<Value> {
        let error = json!({"code": -32000, "message": words()});
        Json(json!({"jsonrpc": "2.0", "id": 1, "error": error}))
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    reach::allow(address.port());
    let router = Router::new().route("/mcp", post(refuse));
    tasks.spawn(async move { axum::serve(listener, router).await.unwrap() });
    format!("http://{address}/mcp")
}

#[tokio::test]
async fn it_lets_no_line_of_the_log_begin_with_a_servers_words_and_tells_them_on_one() {
    let log = CapturedLog::begin();
    let (folder, mut tasks) = (folder(), JoinSet::new());
    let url = start_refusing(&mut tasks).await;
    let document = format!("servers: {{liar: {{url: '{url}'}}}}");
    let control_plane = ControlPlane::start(folder.path(), &document).await;
    let status = || async {
        let mut servers = control_plane.get("/api/v1/servers").await.json;
        servers["servers"][0]["status"].take()
    };
    until(|| async { status().await["state"] == "down" }).await;
    let reason = status().await["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains(FORGED), "{reason}");
    assert!(!reason.contains(char::is_control), "{reason:?}");
    assert!(!reason.contains(OBEYED), "{reason:?}");
    until(|| async { log.text().contains(FORGED) }).await;
    let text = log.text();
    assert!(!text.contains(OBEYED), "{text:?}");
    let told: Vec<&str> = text.lines().filter(|line| line.contains(FORGED)).collect();
    for line in told {
        assert!(!line.starts_with(FORGED), "{text}");
        // The words are no part of the message, behind which a reader looks for fields.
        let (message, said) = line.split_once(" reason=\"").unwrap_or_default();
        assert!(message.contains("cannot list the server's tools"), "{text}");
        assert!(said.contains(FORGED), "{text}");
    }
}
