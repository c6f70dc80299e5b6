//! `/health`, and calls while PostgreSQL is away.
//!
//! Invariant 7 of `docs/architecture.md`.

use serde_json::{Value, json};

use crate::database::{Database, PASSWORD};
use crate::server::Server;

async fn health(server: &Server) -> (u16, Value) {
    let response = reqwest::get(format!("http://{}/health", server.address))
        .await
        .expect("an answer");
    (
        response.status().as_u16(),
        response.json().await.expect("JSON"),
    )
}

#[tokio::test]
async fn it_reports_what_answers() {
    let database = Database::with("").await;
    let server = Server::on(&database, &[]).await;
    let (status, report) = health(&server).await;
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
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = nobody.local_addr().expect("it is bound").port();
    drop(nobody);
    let server = Server::at(port, "postgres", &[]).await;
    let (status, report) = health(&server).await;
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
