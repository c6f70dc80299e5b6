//! The gateway's time-out: the server ends a call before the gateway would have to cut it.

use serde_json::json;

use crate::cancelling::{ENDLESS, PATIENT, sleeping};
use crate::client::{Client, read};
use crate::database::Database;
use crate::server::Server;

const HEADER: &str = "x-envoy-expected-rq-timeout-ms";

#[tokio::test]
async fn it_hints_at_no_tool_that_is_not_offered() {
    let database = Database::with("").await;
    let sleep = json!({"name": "execute_query", "arguments": {"sql": ENDLESS}});
    for (offered, is_named) in [("all", true), ("execute_query", false)] {
        let server = Server::on(&database, &["--tools", offered]).await;
        let client = server.client();
        let sent = client.send("tools/call", sleep.clone(), &[(HEADER, "400")]);
        let answer = read(sent.await).await.result().to_string();
        assert!(answer.contains("ask for less at once"), "{answer}");
        assert_eq!(answer.contains("submit_spark_job"), is_named, "{answer}");
    }
}

#[tokio::test]
async fn it_ends_a_call_with_a_result_before_the_gateway_cuts_it() {
    let database = Database::with("").await;
    let server = Server::on(&database, &[PATIENT]).await;
    let sleep = json!({"name": "execute_query", "arguments": {"sql": ENDLESS}});
    let mut clients = vec![server.client()];
    for revision in ["2025-03-26", "2025-11-25"] {
        clients.push(Client::legacy(&server.address, revision).await);
    }
    for client in clients {
        let sent = client.send("tools/call", sleep.clone(), &[(HEADER, "400")]);
        let answer = read(sent.await).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.result()["isError"], json!(true), "{answer:?}");
        let text = answer.result()["content"][0]["text"].as_str();
        assert!(
            text.is_some_and(|text| text.contains("400 ms")),
            "{answer:?}"
        );
        sleeping(&database, 0).await;
        let quick = json!({"name": "list_tables", "arguments": {}});
        let sent = client.send("tools/call", quick, &[(HEADER, "60000")]);
        assert_eq!(read(sent.await).await.result()["isError"], json!(false));
    }
}
