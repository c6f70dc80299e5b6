//! Servers whose words are made for a log or a terminal, which would obey them.

use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::captured_log::CapturedLog;
use crate::fake_server::{FakeServer, Speaks, tool};
use crate::harness::{ControlPlane, document_with, folder, until};
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

#[tokio::test]
async fn it_tells_why_a_tool_is_withheld_on_one_line_of_bounded_length() {
    let log = CapturedLog::begin();
    let folder = folder();
    let long = format!("{}{}", words(), "x".repeat(200_000));
    let odd = |name: &str, property: &str, schema: Value| {
        tool(name, &json!({"properties": {property: schema}}).to_string())
    };
    let tools = vec![
        // The engine finds the fault of the first, the draft of JSON Schema that of the others.
        odd("engine", &long, json!({"pattern": "(?=a)"})),
        odd("draft", &long, json!({"type": 7})),
        odd("draft_in_short", &words(), json!({"type": words()})),
    ];
    let server = FakeServer::start(Speaks::Stateless, tools).await;
    let control_plane =
        ControlPlane::start(folder.path(), &document_with(&[("liar", &server)])).await;
    let withheld = || async {
        let mut tools = control_plane.get("/api/v1/tools").await.json;
        let tools = tools["tools"].take();
        let reasons = tools.as_array().into_iter().flatten();
        let reasons = reasons.filter_map(|tool| Some(tool["reason"].as_str()?.to_owned()));
        reasons.collect::<Vec<String>>()
    };
    until(|| async { withheld().await.len() == 3 }).await;
    for reason in withheld().await {
        assert!(reason.chars().count() <= 1_000, "{}", reason.len());
        assert!(reason.contains("server"), "{reason}");
        assert!(!reason.contains(char::is_control), "{reason:?}");
        assert!(!reason.contains(OBEYED), "{reason:?}");
    }
    until(|| async { log.text().matches("the tool is withheld").count() >= 3 }).await;
    let text = log.text();
    assert!(
        !text.contains(OBEYED) && text.len() < 20_000,
        "{}",
        text.len()
    );
    assert!(!text.lines().any(|line| line.starts_with(FORGED)));
}
