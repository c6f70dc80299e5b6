//! Before a statement changes every row, the client's user is asked, where the client can.

use serde_json::{Value, json};

use crate::client::{Answer, MODERN, read};
use crate::database::{Database, PASSWORD};
use crate::event_streams::StreamClient;
use crate::server::Server;

const DELETE: &str = "DELETE FROM shops";

async fn shops() -> (Database, Server) {
    let database = Database::with(
        "CREATE TABLE shops (id int PRIMARY KEY); INSERT INTO shops VALUES (1), (2), (3)",
    )
    .await;
    let writer = [
        "--postgres-write-user=postgres",
        "--postgres-write-password",
        PASSWORD,
    ];
    let server = Server::on(&database, &writer).await;
    (database, server)
}

async fn check_rows(database: &Database, expected: i64) {
    database
        .wait_for_count("SELECT count(*) FROM shops", expected)
        .await;
}

/// The call of a client of 2026-07-28 with these capabilities, perhaps with its user's answer.
async fn call(server: &Server, capabilities: Value, answer: Option<Value>) -> Answer {
    let mut params = json!({"name": "execute_dml", "arguments": {"sql": DELETE}, "_meta": {
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": capabilities}});
    if let Some(answer) = answer {
        params["inputResponses"] = json!({"confirm": answer});
    }
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params});
    let headers = [("mcp-method", "tools/call"), ("mcp-name", "execute_dml")];
    read(server.client().post(&body.to_string(), &headers).await).await
}

#[tokio::test]
async fn it_has_the_client_ask_and_changes_nothing_before_the_user_says_yes() {
    let (database, server) = shops().await;
    let able = || json!({"elicitation": {}});
    let asked = call(&server, able(), None).await;
    assert_eq!(asked.result()["resultType"], json!("input_required"));
    let question = &asked.result()["inputRequests"]["confirm"];
    assert_eq!(question["method"], json!("elicitation/create"));
    let message = question["params"]["message"].as_str().expect("a question");
    assert!(message.contains("every row"), "{message}");
    for no in [
        json!({"action": "decline"}),
        json!({"action": "cancel"}),
        json!({"action": "accept", "content": {"confirm": false}}),
    ] {
        let refused = call(&server, able(), Some(no)).await;
        assert_eq!(refused.failure().0, "not_confirmed");
    }
    check_rows(&database, 3).await;
    let yes = json!({"action": "accept", "content": {"confirm": true}});
    let done = call(&server, able(), Some(yes)).await;
    assert_eq!(done.structured()["affected_rows"], json!(3));
    check_rows(&database, 0).await;
}

#[tokio::test]
async fn it_refuses_and_says_how_to_confirm_where_the_client_cannot_ask() {
    let (database, server) = shops().await;
    let refused = call(&server, json!({}), None).await;
    assert_eq!(refused.failure().0, "not_confirmed");
    let text = refused.result()["content"][0]["text"].as_str();
    assert!(text.expect("a text").contains("`confirm: true`"));
    check_rows(&database, 3).await;
}

#[tokio::test]
async fn it_asks_on_the_event_stream_of_an_older_client_that_can() {
    let (database, server) = shops().await;
    let able = json!({"elicitation": {}});
    let mut client = StreamClient::able(&server.address, "/sse", "2025-11-25", able).await;
    let arguments = json!({"sql": DELETE});
    let params = json!({"name": "execute_dml", "arguments": arguments});
    for (answer, error, rows) in [
        (json!({"action": "decline"}), true, 3),
        (
            json!({"action": "accept", "content": {"confirm": true}}),
            false,
            0,
        ),
    ] {
        client.send(5, "tools/call", params.clone()).await;
        let question = client.message().await;
        assert_eq!(
            question["method"],
            json!("elicitation/create"),
            "{question}"
        );
        let said = json!({"jsonrpc": "2.0", "id": question["id"], "result": answer});
        assert_eq!(client.post(&said.to_string(), &[]).await, 202);
        let over = client.answer().await;
        assert_eq!(
            (&over["id"], &over["result"]["isError"]),
            (&json!(5), &json!(error))
        );
        check_rows(&database, rows).await;
    }
}
