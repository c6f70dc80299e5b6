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
    let (_, report) = health(&server).await;
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
