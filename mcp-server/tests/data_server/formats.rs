//! `execute_query`: the forms of its rows, and the time that its caller gives it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::client::Client;
use crate::database::Database;
use crate::server::Server;

const ROWS: &str = "SELECT n, n::float8 / 2 AS half, CASE WHEN n > 1 THEN 'a,\"' || n END AS text \
                    FROM generate_series(1, 3) n";

#[tokio::test]
async fn it_gives_rows_as_csv() {
    let database = Database::with("").await;
    let server = Server::on(&database, &[]).await;
    let arguments = json!({"sql": ROWS, "format": "csv"});
    let answer = server.client().call("execute_query", arguments).await;
    let given = answer.structured();
    assert_eq!(
        given["data"],
        json!("n,half,text\r\n1,0.5,\r\n2,1,\"a,\"\"2\"\r\n3,1.5,\"a,\"\"3\"\r\n")
    );
    assert_eq!(
        (&given["row_count"], &given["truncated"]),
        (&json!(3), &json!(false))
    );
}

#[tokio::test]
async fn it_gives_rows_as_an_arrow_stream_up_to_its_limits() {
    let database = Database::with("").await;
    let server = Server::on(&database, &["--postgres-max-rows=2000"]).await;
    let client = server.client();
    for (rows, shown) in [(0, 0), (3, 3), (1_500, 1_500), (5_000, 2_000)] {
        let arguments = json!({"format": "arrow", "use_block_transport": false,
            "sql": "SELECT n, 'x' AS x FROM generate_series(1, $1) n", "parameters": [rows]});
        let answer = client.call("execute_query", arguments).await;
        let given = answer.structured();
        assert_eq!(given["row_count"], json!(shown), "{rows}");
        assert_eq!(given["truncated"], json!(rows > shown), "{rows}");
        let data = given["data"].as_str().expect("base64");
        let stream = STANDARD.decode(data).expect("base64");
        let reader = arrow_ipc::reader::StreamReader::try_new(stream.as_slice(), None);
        let reader = reader.expect("a stream");
        let names: Vec<String> = reader
            .schema()
            .fields()
            .iter()
            .map(|field| format!("{} {}", field.name(), field.data_type()))
            .collect();
        assert_eq!(names, ["n Int32", "x Utf8"]);
        let held: usize = reader.map(|batch| batch.expect("a batch").num_rows()).sum();
        assert_eq!(held, shown);
    }
}

/// How many rows an Arrow IPC stream in base64 has.
fn rows_of_stream(data: &Value) -> usize {
    let stream = STANDARD.decode(data.as_str().expect("base64"));
    let stream = stream.expect("base64");
    let reader = arrow_ipc::reader::StreamReader::try_new(stream.as_slice(), None);
    let batches = reader.expect("a stream");
    batches
        .map(|batch| batch.expect("a batch").num_rows())
        .sum()
}

#[tokio::test]
async fn it_shows_a_model_the_rows_of_an_arrow_result_in_every_revision() {
    let server = Server::on(&Database::with("").await, &[]).await;
    let arguments = json!({"sql": ROWS, "format": "arrow"});
    let rows = "n,half,text\n1,0.5,\n2,1.0,\"a,\"\"2\"\n3,1.5,\"a,\"\"3\"";
    let client = server.client();
    let answer = client.call("execute_query", arguments.clone()).await;
    assert_eq!(answer.texts(), [format!("3 rows\n{rows}")]);
    assert_eq!(rows_of_stream(&answer.structured()["data"]), 3);
    for revision in ["2024-11-05", "2025-03-26"] {
        let client = Client::legacy(&server.address, revision).await;
        let answer = client.call("execute_query", arguments.clone()).await;
        let texts = answer.texts();
        let whole: Value = serde_json::from_str(texts[0]).expect("JSON");
        assert_eq!(rows_of_stream(&whole["data"]), 3, "{revision}");
        assert_eq!(texts[1..], [format!("3 rows\n{rows}")], "{revision}");
    }
}

#[tokio::test]
async fn it_shows_the_rows_of_an_arrow_result_that_is_kept_in_blocks() {
    let flags = ["--block-threshold-bytes=20000", "--block-bytes=16384"];
    let server = Server::on(&Database::with("").await, &flags).await;
    let client = server.client();
    let arguments = json!({"format": "arrow",
        "sql": "SELECT n, 'é' AS x FROM generate_series(1, 9000) n"});
    let answer = client.call("execute_query", arguments).await;
    let handle = &answer.structured()["result"];
    let preview = rows_of_stream(&answer.structured()["data"]);
    assert!((100..=1_000).contains(&preview), "{preview}");
    let text = answer.texts()[0];
    assert!(
        text.starts_with("9000 rows, ") && text.contains("\nn,x\n1,é\n2,é\n"),
        "{text}"
    );
    let old = Client::legacy(&server.address, "2025-03-26").await;
    let blocks = handle["blocks"].as_u64().expect("a number");
    let mut row = 0;
    for block in 0..blocks {
        let arguments = json!({"uri": handle["uri"], "block": block});
        let answer = client.call("read_result_block", arguments.clone()).await;
        let text = answer.texts()[0];
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("n,x"), "block {block}");
        for line in lines {
            row += 1;
            assert_eq!(line, format!("{row},é"));
        }
        let older = old.call("read_result_block", arguments).await;
        let whole: Value = serde_json::from_str(older.texts()[0]).expect("JSON");
        assert_eq!(whole["data"], answer.structured()["data"]);
        assert_eq!(older.texts()[1..], *answer.texts());
    }
    assert!(blocks > 5 && row == 9_000, "{row} rows in {blocks} blocks");
}

#[tokio::test]
async fn it_ends_a_query_when_its_callers_time_is_over() {
    let database = Database::with("").await;
    let server = Server::on(&database, &["--postgres-connections=1"]).await;
    let client = server.client();
    let arguments = json!({"sql": "SELECT pg_sleep(600)", "timeout": 1});
    let late = client.call("execute_query", arguments).await;
    assert_eq!(late.failure().0, "57014");
    let running = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%' \
                   AND datname = current_database() AND pid <> pg_backend_pid()";
    database.wait_for_count(running, 0).await;
    client.query("SELECT 1", json!([])).await.structured();
    let none = json!({"sql": "SELECT 1", "timeout": 0});
    assert!(
        client
            .call("execute_query", none)
            .await
            .body
            .to_string()
            .contains("timeout")
    );
}
