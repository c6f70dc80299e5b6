//! A call that goes past rmcp is answered to the letter as one that goes through it.

use serde_json::{Value, json};

use crate::client::{Client, MODERN};
use crate::database::Database;
use crate::observability::Program;
use crate::server::Server;

/// Status, media type and body of the answer to a call.
async fn answered(client: &Client, params: Value, through_rmcp: bool) -> (u16, String, String) {
    let id = ("x-request-id", "6c9f7a52-0f4b-4c7e-9d37-4f6f6b1f2a11");
    let json = "application/json";
    // It says nothing more, but it is not as a plain call spells it.
    let spelled_out = ("content-type", "application/json; charset=utf-8");
    let kind = if through_rmcp {
        spelled_out
    } else {
        ("content-type", json)
    };
    let response = client.send("tools/call", params, &[id, kind]).await;
    let status = response.status().as_u16();
    let kind = response.headers()["content-type"].to_str().expect("text");
    let kind = kind.to_owned();
    (status, kind, response.text().await.expect("text"))
}

/// The calls that have gone past rmcp so far.
async fn plain_calls(metrics: &str) -> u64 {
    let answer = reqwest::get(format!("http://{metrics}/metrics")).await;
    let text = answer.expect("it listens").text().await.expect("text");
    let mut lines = text.lines();
    let count = lines.find_map(|line| line.strip_prefix("portcullis_plain_calls_total "));
    count.and_then(|count| count.parse().ok()).expect("a count")
}

#[tokio::test]
async fn it_answers_plain_calls_to_the_letter_as_rmcp_does() {
    let database = Database::with("").await;
    let settings = [
        ("MCP_METRICS_ADDRESS", "127.0.0.1:0"),
        ("POSTGRES_CONNECTIONS", "1"),
    ];
    let mut program = Program::on(&database, &settings);
    let address = program.address("listening").await;
    let metrics = program.address("metrics").await;
    let mut counted = 0;
    let query = |sql: &str| json!({"name": "execute_query", "arguments": {"sql": sql}});
    for revision in ["2025-03-26", "2025-06-18", "2025-11-25", MODERN] {
        let client = match revision {
            MODERN => Client::modern(&address),
            _ => Client::legacy(&address, revision).await,
        };
        for params in [
            query("SELECT 1 AS a, 'é\"\n' AS b"),
            query("SELECT n, repeat('x', 100) FROM generate_series(1, 100) n"),
            query("SELECT 1 / 0"),
            query("DELETE FROM pg_class"),
            json!({"name": "execute_query", "arguments": {"sql": 1}}),
            json!({"name": "execute_query", "arguments": {"colour": "blue"}}),
            json!({"name": "no_such_tool", "arguments": {}}),
        ] {
            let plain = answered(&client, params.clone(), false).await;
            let through = answered(&client, params.clone(), true).await;
            assert_eq!(plain, through, "{revision} {params}");
            assert!(
                plain.2.starts_with(r#"{"jsonrpc":"2.0","id":1,"#),
                "{plain:?}"
            );
            // The one has gone past rmcp, and the other has not.
            counted += u64::from(params["name"] == "execute_query");
            assert_eq!(plain_calls(&metrics).await, counted, "{revision} {params}");
        }
    }
}

#[tokio::test]
async fn it_answers_no_plain_call_under_a_name_that_is_not_its_own() {
    let database = Database::with("").await;
    let server = Server::on(&database, &[]).await;
    let legacy = Client::legacy(&server.address, "2025-11-25").await;
    let params = json!({"name": "execute_query", "arguments": {"sql": "SELECT 1"}});
    for client in [legacy, server.client()] {
        let status = async |headers: &[(&'static str, &str)]| {
            let response = client.send("tools/call", params.clone(), headers).await;
            response.status().as_u16()
        };
        for _ in 0..3 {
            assert_eq!(status(&[]).await, 200);
            assert_eq!(status(&[("host", "evil.example")]).await, 403);
            assert_eq!(status(&[("origin", "http://evil.example")]).await, 403);
            assert_eq!(status(&[("origin", "http://localhost:5173")]).await, 200);
        }
    }
}
