//! Sessions of the revisions before 2026-07-28: nothing is kept of them, and nothing is lost.

use serde_json::json;

use crate::client::{Client, read};
use crate::database::Database;
use crate::server::Server;

const LEGACY: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];

#[tokio::test]
async fn it_takes_up_every_session_after_a_restart() {
    let database = Database::with("").await;
    let before = Server::on(&database, &[]).await;
    let mut clients = Vec::new();
    for revision in LEGACY {
        clients.push(Client::legacy(&before.address, revision).await);
    }
    drop(before);
    let after = Server::on(&database, &[]).await;
    for client in clients {
        let client = client.moved_to(&after.address);
        let called = client.call("list_tables", json!({})).await;
        assert_eq!(called.result()["isError"], json!(false), "{called:?}");
    }
}

#[tokio::test]
async fn it_answers_older_clients_with_one_json_object_and_no_events() {
    let database = Database::with("").await;
    let server = Server::on(&database, &[]).await;
    for revision in LEGACY {
        let client = Client::legacy(&server.address, revision).await;
        for (method, params) in [
            ("tools/list", json!({})),
            (
                "tools/call",
                json!({"name": "list_tables", "arguments": {}}),
            ),
            ("ping", json!({})),
        ] {
            let response = client.send(method, params, &[]).await;
            let media_type = response.headers()["content-type"].clone();
            assert_eq!(media_type, "application/json", "{revision} {method}");
            read(response).await.result();
        }
    }
}

#[tokio::test]
async fn it_announces_output_schemas_to_revisions_that_have_structured_content_alone() {
    let database = Database::with("").await;
    let server = Server::on(&database, &[]).await;
    for revision in LEGACY {
        let client = Client::legacy(&server.address, revision).await;
        let listed = client.request("tools/list", json!({})).await;
        let called = client.call("list_tables", json!({})).await;
        let tools = listed.result()["tools"].as_array().expect("a list");
        let announced = tools
            .iter()
            .filter(|tool| tool.get("outputSchema").is_some());
        let knows = revision >= "2025-06-18";
        let expected = if knows { tools.len() } else { 0 };
        assert_eq!(announced.count(), expected, "{revision}");
        let structured = called.result().get("structuredContent");
        assert_eq!(structured.is_some(), knows, "{revision}");
    }
}

#[tokio::test]
async fn it_knows_the_revision_of_a_session_whose_client_does_not_name_it() {
    let database = Database::with("").await;
    let server = Server::on(&database, &[]).await;
    let id = "00000000000040008000000000000001";
    for (session, has_structure) in [("2025-06-18", true), ("2025-03-26", false)] {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": {"name": "list_tables", "arguments": {}}});
        let response = reqwest::Client::new()
            .post(format!("http://{}/mcp", server.address))
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .header("mcp-session-id", format!("{session}.{id}"))
            .body(body.to_string())
            .send()
            .await
            .expect("an answer");
        let answer = read(response).await;
        let structured = answer.result().get("structuredContent");
        assert_eq!(structured.is_some(), has_structure, "{session}");
    }
}

#[tokio::test]
async fn it_ends_a_session_that_its_client_ends_and_no_other() {
    let database = Database::with("").await;
    let server = Server::on(&database, &[]).await;
    let ending = Client::legacy(&server.address, "2025-11-25").await;
    let staying = Client::legacy(&server.address, "2025-11-25").await;
    assert_eq!(ending.end_at("evil.example").await, 403);
    ending.call("list_tables", json!({})).await.structured();
    assert_eq!(ending.end().await, 204);
    let after = ending.call("list_tables", json!({})).await;
    assert_eq!((after.status, after.error()), (404, -32600), "{after:?}");
    staying.call("list_tables", json!({})).await.structured();
}

#[tokio::test]
async fn it_refuses_a_session_id_that_is_not_its_own() {
    let database = Database::with("").await;
    let server = Server::on(&database, &[]).await;
    let client = Client::legacy(&server.address, "2025-11-25").await;
    for id in ["x", "6f1c1c0e-7b7e-4e0e-9c56-0d2d5a1f0a11", "2025-11-25.1"] {
        let answer = client.in_session(id).call("list_tables", json!({})).await;
        assert_eq!((answer.status, answer.error()), (404, -32600), "{id}");
        assert_eq!(answer.body["id"], json!(1), "{id}");
    }
}
