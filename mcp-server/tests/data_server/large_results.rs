//! Memory is flat in the size of a result and of one cell, and nothing that was handed out is lost.

use serde_json::{Value, json};

use crate::blocks::whole;
use crate::client::Client;
use crate::database::Database;
use crate::process::ServerProcess;

/// A result and a cell that are more than [`MOST_GROWTH`].
const LARGE: usize = 100 << 20;

/// The growth that a large result may cost: what an answer may hold (10 MiB), as its rows grow and
/// are copied, and a block or two; less than half of [`LARGE`].
const MOST_GROWTH: usize = 48 << 20;

const SLOW_MACHINE: &str = "--postgres-statement-timeout-ms=300000";

async fn large(client: &Client, sql: &str) -> Value {
    let answer = client.query(sql, json!([])).await;
    let structured = answer.structured();
    assert_eq!(structured["truncated_by"], json!("blocks"), "{sql}");
    structured["result"].clone()
}

#[tokio::test]
async fn it_holds_neither_a_large_result_nor_a_large_cell_in_memory() {
    let database = Database::with("").await;
    let data = tempfile::tempdir().expect("a folder");
    let server = ServerProcess::on(&database, data.path(), &[SLOW_MACHINE]);
    let client = server.client();
    client.query("SELECT 1", json!([])).await.structured();
    let before = server.peak_of_memory();
    let cell = format!(
        "SELECT 1 AS a, repeat('0123456789', {}) AS b, 2 AS c",
        LARGE / 10
    );
    let rows = format!(
        "SELECT repeat('0123456789', 1000) FROM generate_series(1, {})",
        LARGE / 10_000
    );
    for sql in [&cell, &rows] {
        let handle = large(&client, sql).await;
        let bytes = handle["bytes"].as_u64().expect("a number");
        assert!(bytes >= LARGE as u64, "{bytes}");
        let blocks = handle["blocks"].as_u64().expect("a number");
        for block in [0, blocks / 2, blocks - 1] {
            let arguments = json!({"uri": handle["uri"], "block": block});
            client
                .call("read_result_block", arguments)
                .await
                .structured();
        }
    }
    let grown = server.peak_of_memory().saturating_sub(before);
    assert!(grown < MOST_GROWTH, "{grown} bytes");
}

#[tokio::test]
async fn it_gives_a_long_cell_back_whole_and_shows_a_model_the_beginning_of_it() {
    let database = Database::with("").await;
    let data = tempfile::tempdir().expect("a folder");
    let flags = ["--block-threshold-bytes=100000"];
    let server = ServerProcess::on(&database, data.path(), &flags);
    let client = server.client();
    let sql = "SELECT 1.5 AS a, repeat('é\"', 1500000) AS b, ARRAY[1] AS c, NULL AS d";
    let answer = client.query(sql, json!([])).await;
    let structured = answer.structured();
    let lines = whole(&client, &structured["result"]).await;
    let row: Value = serde_json::from_str(&lines).expect("one row");
    assert_eq!(
        (&row[0], &row[2], &row[3]),
        (&json!("1.5"), &json!([1]), &json!(null))
    );
    assert!(row[1] == "é\"".repeat(1_500_000), "the cell is another");
    let text = answer.result()["content"][0]["text"]
        .as_str()
        .expect("text");
    assert!(text.contains("… (4500000 bytes)"), "{text}");
    assert!(
        text.contains("cells that end in `… (n bytes)` are cut: read_result_block"),
        "{text}"
    );
    // The session that has read it is as good as new.
    let answer = client.query("SELECT 1", json!([])).await;
    assert_eq!(answer.structured()["rows"], json!([[1]]));
}

#[tokio::test]
async fn it_loses_nothing_that_was_handed_out_and_leaves_nothing_half_done_when_it_is_killed() {
    let database = Database::with("").await;
    let data = tempfile::tempdir().expect("a folder");
    let flags = [
        "--block-threshold-bytes=100000",
        "--block-bytes=16384",
        SLOW_MACHINE,
    ];
    let mut server = ServerProcess::on(&database, data.path(), &flags);
    let client = server.client();
    let sql = "SELECT n, md5(n::text) AS h FROM generate_series(1, 20000) AS n";
    let large = large(&client, sql).await;
    let held = client
        .query("SELECT generate_series(1, 9000)", json!([]))
        .await;
    let offered = held.structured()["result"].clone();
    let first = json!({"uri": large["uri"], "block": 0});
    client.call("read_result_block", first).await.structured();
    // One more is half written when the process ends.
    let half = "SELECT n, md5(n::text), CASE WHEN n = 9000 THEN pg_sleep(600) END \
                FROM generate_series(1, 10000) AS n";
    let (slow, half) = (server.client(), half.to_owned());
    let slow = tokio::spawn(async move {
        let call = json!({"name": "execute_query", "arguments": {"sql": half}});
        let _ = slow.try_request("tools/call", call).await;
    });
    let folder = data.path().join("results");
    let unfinished = || {
        let entries = std::fs::read_dir(&folder).expect("it is there");
        let parts = entries.filter_map(Result::ok);
        parts
            .filter(|entry| entry.path().extension().is_some_and(|end| end == "part"))
            .filter(|entry| entry.metadata().is_ok_and(|facts| facts.len() > 0))
            .count()
    };
    database.until(|| unfinished() == 1).await;
    server.kill();
    let _ = slow.await;
    assert_eq!(unfinished(), 1);
    let server = ServerProcess::on(&database, data.path(), &flags);
    let client = server.client();
    assert_eq!(whole(&client, &large).await.lines().count(), 20_000);
    assert_eq!(whole(&client, &offered).await.lines().count(), 9_000);
    database.until(|| unfinished() == 0).await;
}

#[tokio::test]
async fn it_takes_back_the_files_of_results_that_have_expired() {
    let database = Database::with("").await;
    let data = tempfile::tempdir().expect("a folder");
    let server = ServerProcess::on(&database, data.path(), &["--result-expiry-s=1"]);
    let client = server.client();
    let sql = "SELECT n FROM generate_series(1, 9000) AS n";
    let uri = client.query(sql, json!([])).await.structured()["result"]["uri"].clone();
    let folder = data.path().join("results");
    let kept = || {
        let entries = std::fs::read_dir(&folder).expect("it is there");
        let results = entries.filter_map(Result::ok);
        results
            .filter(|entry| entry.path().extension().is_some_and(|end| end == "result"))
            .count()
    };
    database.until(|| kept() == 0).await;
    let answer = client.call("read_result_block", json!({"uri": uri})).await;
    assert_eq!(answer.failure().0, "not_found");
}
