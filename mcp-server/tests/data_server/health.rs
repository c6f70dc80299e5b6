//! `/health`, and calls while PostgreSQL is away.
//!
//! Invariant 7 of `docs/architecture.md`.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket};

use crate::database::{Database, PASSWORD};
use crate::server::Server;

/// A port at which nobody listens as long as the socket lives: nobody else gets it.
fn nobody() -> (TcpSocket, u16) {
    let socket = TcpSocket::new_v4().expect("a socket");
    let any = "127.0.0.1:0".parse().expect("an address");
    socket.bind(any).expect("a port is free");
    let port = socket.local_addr().expect("it is bound").port();
    (socket, port)
}

#[tokio::test]
async fn it_reports_what_answers() {
    let database = Database::with("").await;
    let server = Server::on(&database, &[]).await;
    let (status, report) = server.health().await;
    // No Spark runs here; what needs PostgreSQL alone works.
    assert_eq!(
        (status, &report["status"]),
        (200, &json!("degraded")),
        "{report}"
    );
    assert_eq!(report["down"], json!(["spark_connect", "spark_master"]));
    let postgres = &report["services"]["postgres"];
    assert_eq!(postgres["status"], json!("up"), "{report}");
    assert!(postgres["latency_ms"].is_f64(), "{report}");
    assert!(
        postgres["detail"]
            .as_str()
            .is_some_and(|detail| detail.starts_with("PostgreSQL 1")),
        "{report}"
    );
}

#[tokio::test]
async fn it_starts_without_postgresql_and_says_what_is_missing() {
    let (_nobody, port) = nobody();
    let server = Server::at(port, "postgres", &[]).await;
    let (status, report) = server.health().await;
    assert_eq!(
        (status, &report["status"]),
        (503, &json!("down")),
        "{report}"
    );
    let detail = report["services"]["postgres"]["detail"]
        .as_str()
        .expect("a detail");
    assert!(
        detail.contains(&format!("127.0.0.1:{port}")) && detail.contains("refused"),
        "{detail}"
    );
    // Its reader is the operator, and looks at it already.
    assert!(
        detail.contains("see that it runs") && !detail.contains("operator"),
        "{detail}"
    );

    let answer = server.client().query("SELECT 1", json!([])).await;
    let (code, message) = answer.failure();
    assert_eq!(code, "unavailable");
    assert!(
        message.contains("does not answer: connection refused"),
        "{message}"
    );
    assert!(!answer.body.to_string().contains(PASSWORD));
}

#[tokio::test]
async fn it_shows_no_credentials_when_they_are_wrong() {
    let database = Database::with("").await;
    let server = Server::on(&database, &["--postgres-role=nobody_of_that_name"]).await;
    let answer = server.client().query("SELECT 1", json!([])).await;
    assert_eq!(answer.failure().0, "22023", "{answer:?}");

    let absent = Server::at(database.port, "no_such_database", &[]).await;
    let answer = absent.client().query("SELECT 1", json!([])).await;
    assert_eq!(answer.failure().0, "3D000", "{answer:?}");
    assert!(!answer.body.to_string().contains(PASSWORD));
}

#[tokio::test]
async fn it_tells_nothing_of_what_is_behind_it_to_hosts_that_are_not_allowed() {
    let database = Database::with("").await;
    let server = Server::on(&database, &[]).await;
    for (header, value, told) in [
        ("host", "evil.example", false),
        ("origin", "http://evil.example", false),
        ("host", "localhost", true),
    ] {
        let request = reqwest::Client::new().get(format!("http://{}/health", server.address));
        let answer = request
            .header(header, value)
            .send()
            .await
            .expect("an answer");
        assert_eq!(answer.status(), 200, "{value}");
        let report: Value = answer.json().await.expect("JSON");
        assert_eq!(report["status"], json!("degraded"), "{value}");
        assert_eq!(report.get("version").is_some(), told, "{value}: {report}");
        assert_eq!(report.get("services").is_some(), told, "{value}: {report}");
    }
}

/// A server that refuses everyone with this SQLSTATE and this message.
async fn refusing_postgresql(code: &'static str, message: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port is free");
    let port = listener.local_addr().expect("it is bound").port();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let _ = socket.read(&mut [0; 4096]).await;
            let fields = format!("SFATAL\0VFATAL\0C{code}\0M{message}\0\0");
            let length = u32::try_from(fields.len() + 4).expect("it is short");
            let refusal = [b"E", &length.to_be_bytes()[..], fields.as_bytes()].concat();
            let _ = socket.write_all(&refusal).await;
        }
    });
    port
}

#[tokio::test]
async fn it_tells_a_postgresql_that_will_be_back_from_one_that_needs_its_operator() {
    for (code, message, is_back_soon) in [
        ("57P03", "the database system is starting up", true),
        (
            "57P03",
            "the database system is not yet accepting connections",
            true,
        ),
        (
            "57P01",
            "terminating connection due to administrator command",
            true,
        ),
        ("53300", "sorry, too many clients already", true),
        ("28P01", "password authentication failed", false),
        ("3D000", "database does not exist", false),
    ] {
        let port = refusing_postgresql(code, message).await;
        let server = Server::at(port, "postgres", &[]).await;
        let answer = server.client().query("SELECT 1", json!([])).await;
        assert_eq!(answer.failure().0, code, "{answer:?}");
        let error = &answer.result()["structuredContent"]["error"];
        let hint = error["hint"].as_str().expect("a hint");
        assert_eq!(
            hint == "try again in a few seconds",
            is_back_soon,
            "{error}"
        );
        let (_, report) = server.health().await;
        let detail = report["services"]["postgres"]["detail"].to_string();
        assert_eq!(
            detail.contains("try again in a few seconds"),
            is_back_soon,
            "{detail}"
        );
    }
}

#[tokio::test]
async fn it_says_to_try_again_where_nobody_listens() {
    let (_nobody, port) = nobody();
    let server = Server::at(port, "postgres", &[]).await;
    let answer = server.client().query("SELECT 1", json!([])).await;
    let error = &answer.result()["structuredContent"]["error"];
    let hint = error["hint"].as_str().expect("a hint");
    assert!(
        hint.starts_with("try again in a few seconds; if it stays away"),
        "{error}"
    );
}

#[test]
fn it_tells_why_it_does_not_start_in_one_line() {
    let holder = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = holder.local_addr().expect("it is bound").to_string();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_mcp-server"))
        .args(["--address", &taken])
        .env("RUST_BACKTRACE", "1")
        .output()
        .expect("it runs");
    assert!(!output.status.success());
    let said = String::from_utf8(output.stderr).expect("text");
    let [line] = said.lines().collect::<Vec<_>>().try_into().expect("a line");
    let expected = format!("mcp-server: cannot listen on `{taken}`; set MCP_SERVER_ADDRESS");
    assert!(line.starts_with(&expected), "{said}");
}
