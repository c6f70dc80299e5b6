//! `execute_query`: the forms of its rows, and the time that its caller gives it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

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
