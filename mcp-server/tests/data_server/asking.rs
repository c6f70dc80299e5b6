//! Before a statement changes every row, the client's user is asked, where the client can.

use serde_json::{Value, json};

use crate::client::{Answer, Client, Events, MODERN, read};
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
    assert!(
        message.contains("every row") && message.contains(DELETE),
        "{message}"
    );
    for no in [
        json!({"action": "decline"}),
        json!({"action": "cancel"}),
        json!({"action": "accept", "content": {"confirm": false}}),
    ] {
        let refused = call(&server, able(), Some(no)).await;
        assert_eq!(refused.failure().0, "declined");
        let text = refused.result()["content"][0]["text"].as_str();
        assert!(!text.expect("a text").contains("confirm: true"));
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

/// A call that an older client makes in its session, and the question that comes on the way.
async fn asked_in_session(client: &Client) -> (Events, Value) {
    let params = json!({"name": "execute_dml", "arguments": {"sql": DELETE}});
    let mut events = Events::of(client.send("tools/call", params, &[]).await);
    let question = events.next().await;
    let method = &question["method"];
    assert_eq!(method, &json!("elicitation/create"), "{question}");
    (events, question["id"].clone())
}

/// The status with which a client's answer to a question is taken.
async fn say(client: &Client, question: &Value, answer: Value) -> u16 {
    let said = json!({"jsonrpc": "2.0", "id": question, "result": answer});
    client.post(&said.to_string(), &[]).await.status().as_u16()
}

/// The end of a call whose question has been answered.
async fn check_end(mut events: Events, is_error: bool) {
    let over = events.next().await;
    let ended = (&over["id"], &over["result"]["isError"]);
    assert_eq!(ended, (&json!(1), &json!(is_error)), "{over}");
    assert_eq!(events.next_or_end().await, None);
}

fn yes() -> Value {
    json!({"action": "accept", "content": {"confirm": true}})
}

#[tokio::test]
async fn it_asks_in_a_session_in_the_middle_of_a_call_that_becomes_an_event_stream() {
    let (database, server) = shops().await;
    for revision in ["2025-06-18", "2025-11-25"] {
        let client = Client::able(&server.address, revision, json!({"elicitation": {}})).await;
        let (events, question) = asked_in_session(&client).await;
        assert_eq!(
            say(&client, &question, json!({"action": "decline"})).await,
            202
        );
        check_end(events, true).await;
        check_rows(&database, 3).await;
    }
    let client = Client::able(&server.address, "2025-11-25", json!({"elicitation": {}})).await;
    let (events, question) = asked_in_session(&client).await;
    assert_eq!(say(&client, &question, yes()).await, 202);
    check_end(events, false).await;
    check_rows(&database, 0).await;
}

#[tokio::test]
async fn it_asks_a_session_that_an_earlier_process_of_the_server_began() {
    let (database, before) = shops().await;
    let able = json!({"elicitation": {}});
    let client = Client::able(&before.address, "2025-11-25", able).await;
    drop(before);
    let writer = [
        "--postgres-write-user=postgres",
        "--postgres-write-password",
        PASSWORD,
    ];
    let after = Server::on(&database, &writer).await;
    let client = client.moved_to(&after.address);
    let (events, question) = asked_in_session(&client).await;
    assert_eq!(say(&client, &question, yes()).await, 202);
    check_end(events, false).await;
    check_rows(&database, 0).await;
}

#[tokio::test]
async fn it_asks_no_session_whose_client_has_not_said_that_it_can_ask_its_user() {
    let (database, server) = shops().await;
    for capabilities in [
        json!({}),
        json!({"sampling": {}}),
        json!({"elicitation": {"url": {}}}),
    ] {
        let client = Client::able(&server.address, "2025-11-25", capabilities).await;
        let arguments = json!({"name": "execute_dml", "arguments": {"sql": DELETE}});
        let response = client.send("tools/call", arguments, &[]).await;
        assert_eq!(response.headers()["content-type"], "application/json");
        assert_eq!(read(response).await.failure().0, "not_confirmed");
    }
    check_rows(&database, 3).await;
}

#[tokio::test]
async fn it_takes_the_answer_of_the_session_that_was_asked_and_no_other() {
    let (database, server) = shops().await;
    let able = || json!({"elicitation": {}});
    let client = Client::able(&server.address, "2025-11-25", able()).await;
    let other = Client::able(&server.address, "2025-11-25", able()).await;
    let (events, question) = asked_in_session(&client).await;
    // Nobody is hurt by an answer that comes too late, or twice.
    assert_eq!(say(&other, &question, yes()).await, 202);
    assert_eq!(say(&client, &json!(0), yes()).await, 202);
    let foreign = client.moved_to(&server.address).in_session("x");
    assert_eq!(say(&foreign, &question, yes()).await, 404);
    assert_eq!(
        say(&client, &question, json!({"action": "decline"})).await,
        202
    );
    check_end(events, true).await;
    assert_eq!(say(&client, &question, yes()).await, 202);
    check_rows(&database, 3).await;
}
