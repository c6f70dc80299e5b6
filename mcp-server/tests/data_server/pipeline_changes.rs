//! Pipelines that change rows: upserts, files of CSV, and statements in the transaction of a stage.

use serde_json::json;

use crate::database::run;
use crate::pipelines::{Pipelines, TABLES, execute, over, repeat};

#[tokio::test]
async fn it_upserts_rows_by_their_keys_from_a_query_and_from_csv() {
    let pipelines = Pipelines::with(
        "CREATE TABLE t (k int PRIMARY KEY, v text, note jsonb, n numeric DEFAULT 7);
         INSERT INTO t VALUES (1, 'old', NULL, 1), (2, 'old', NULL, 2)",
    )
    .await;
    let csv = "k,v,note\r\n2,\"a \"\"b\"\"\r\nc\",\"{\"\"x\"\": 1}\"\r\n3,\"\",\r\n4,,\r\n";
    let path = pipelines.files.path().join("in.csv");
    std::fs::write(path, csv).expect("written");
    let upsert = json!({"type": "postgres", "table": "t", "mode": "upsert", "keys": ["k"]});
    let stages = json!([
        {
            "name": "query",
            "source": {"type": "postgres",
                "sql": "SELECT n AS k, 'new' AS v FROM generate_series(1, 2) AS n"},
            "destination": upsert
        },
        {
            "name": "csv",
            "after": ["query"],
            "source": {"type": "file", "path": "in.csv", "format": "csv"},
            "destination": upsert
        }
    ]);
    // What is done twice is as what is done once.
    for _ in 0..2 {
        let seen = pipelines.finish(stages.clone(), json!({})).await;
        assert_eq!(seen["status"], "succeeded", "{seen}");
        let rows = [&seen["stages"][0]["rows"], &seen["stages"][1]["rows"]];
        assert_eq!(rows, [&json!(2), &json!(3)]);
    }
    let found = pipelines
        .database
        .texts("SELECT t::text FROM t ORDER BY k")
        .await;
    let expected = [
        "(1,new,,1)",
        "(2,\"a \"\"b\"\"\r\nc\",\"{\"\"x\"\": 1}\",2)",
        "(3,\"\",,7)",
        "(4,,,7)",
    ];
    assert_eq!(found, expected);
    let temporary = "SELECT count(*) FROM pg_class WHERE relname = 'portcullis_load'";
    pipelines.database.wait_for_count(temporary, 0).await;
}

#[tokio::test]
async fn it_runs_statements_that_write_after_the_rows_and_alone_once_and_as_a_whole() {
    let pipelines = Pipelines::with(TABLES).await;
    let mut connection = pipelines.database.connection().await;
    let ready = "CREATE TABLE kept (day date PRIMARY KEY, amount numeric);
        INSERT INTO kept VALUES ('2026-11-02', 0), ('2020-01-01', 5)";
    run(&mut connection, ready).await;
    let merge = "MERGE INTO kept USING (SELECT day, sum(amount) AS amount FROM copies
            GROUP BY day) AS new ON kept.day = new.day
        WHEN MATCHED THEN UPDATE SET amount = kept.amount + new.amount
        WHEN NOT MATCHED THEN INSERT VALUES (new.day, new.amount)";
    let stages = json!([
        {
            "name": "fold",
            "source": {"type": "postgres", "sql": "SELECT * FROM orders"},
            "destination": {"type": "postgres", "table": "copies", "marker_table": "markers",
                "statements": [{"sql": merge}, {"sql": "DELETE FROM copies RETURNING id"}]}
        },
        {
            "name": "trim",
            "after": ["fold"],
            "destination": {"type": "postgres", "marker_table": "markers", "statements": [
                {"sql": "DELETE FROM kept WHERE day < $1::date", "bind": ["day"],
                    "max_affected_rows": 2},
                {"sql": "UPDATE kept SET amount = amount + 1"}
            ]}
        }
    ]);
    let seen = pipelines.finish(stages, json!({})).await;
    assert_eq!(seen["status"], "succeeded", "{seen}");
    let rows = [&seen["stages"][0]["rows"], &seen["stages"][1]["rows"]];
    assert_eq!(rows, [&json!(3000), &json!(4)], "{seen}");
    repeat(&pipelines).await;
    let run_id = seen["run_id"].as_str().expect("an id").to_owned();
    let again = over(&pipelines.client(), &run_id).await;
    assert_eq!(again["status"], "succeeded", "{again}");
    for (sql, expected) in [
        ("SELECT count(*) FROM copies", 0),
        ("SELECT count(*) FROM kept", 2),
        (
            "SELECT count(*) FROM kept WHERE (day, amount - 1) IN
             (SELECT day, sum(amount) FROM orders GROUP BY day)",
            2,
        ),
        ("SELECT count(*) FROM markers", 2),
    ] {
        pipelines.database.wait_for_count(sql, expected).await;
    }
}

#[tokio::test]
async fn it_looks_at_deferred_constraints_after_the_last_statement_of_a_stage() {
    let pipelines = Pipelines::with(
        "CREATE TABLE parents (id int PRIMARY KEY);
         CREATE TABLE children (parent int REFERENCES parents DEFERRABLE INITIALLY DEFERRED)",
    )
    .await;
    let child = json!({"sql": "INSERT INTO children VALUES (1)"});
    let parent = json!({"sql": "INSERT INTO parents VALUES (1)"});
    for (statements, status, rows) in [
        (json!([child, parent]), "succeeded", 1),
        (
            json!([child, {"sql": "DELETE FROM parents WHERE id = 1"}]),
            "failed",
            1,
        ),
    ] {
        let destination = json!({"type": "postgres", "statements": statements});
        let stages = json!([{"name": "change", "retry": {"attempts": 1},
            "destination": destination}]);
        let seen = pipelines.finish(stages, json!({})).await;
        assert_eq!(seen["status"], status, "{seen}");
        let found = "SELECT count(*) FROM children JOIN parents ON parent = id";
        pipelines.database.wait_for_count(found, rows).await;
    }
}

#[tokio::test]
async fn it_changes_every_row_only_where_the_author_has_said_that_this_is_meant() {
    let pipelines = Pipelines::with("CREATE TABLE things (a int)").await;
    let client = pipelines.client();
    let mut administrator = pipelines.database.connection().await;
    let stages = |table: &str| {
        let some = format!("DELETE FROM {table} WHERE a = 0");
        let every = format!("DELETE FROM {table}");
        json!([{"name": "trim", "retry": {"attempts": 1}, "destination": {"type": "postgres",
            "statements": [{"sql": some}, {"sql": every}]}}])
    };
    let pipeline = json!({"name": "p", "stages": stages("things")});
    let refused = client.call("create_etl_pipeline", pipeline).await;
    let (code, message) = refused.failure();
    assert_eq!(code, "not_confirmed", "{message}");
    assert!(message.contains("statement 2 of stage `trim`"), "{message}");

    // What cannot be judged yet is judged when it runs, and a destination confirms nothing itself.
    let mut later = stages("later");
    later[0]["destination"]["confirmed"] = json!(true);
    // Beside something else that is asked about it stands in the question: the yes is one to all.
    let mut beside = later[0].clone();
    beside["name"] = json!("later");
    beside["source"] = json!({"type": "spark_sql", "sql": "SELECT f('\u{202e}')"});
    beside["destination"]["table"] = json!("later");
    let both = json!([stages("things")[0], beside]);
    let pipeline = json!({"name": "p", "stages": both});
    let refused = client.call("create_etl_pipeline", pipeline).await;
    let (code, message) = refused.failure();
    assert_eq!(code, "not_confirmed", "{message}");
    for named in [
        "SELECT f('\\u{202e}') (stage `later`)",
        "statement 2 of stage `later`",
    ] {
        assert!(message.contains(named), "{message}");
    }
    let pipeline = json!({"name": "p", "stages": later});
    client
        .call("create_etl_pipeline", pipeline)
        .await
        .structured();
    run(
        &mut administrator,
        "CREATE TABLE later AS SELECT 1 AS a; INSERT INTO things VALUES (1)",
    )
    .await;
    let seen = over(&client, &execute(&client, json!({"name": "p"})).await).await;
    let error = &seen["stages"][0]["error"];
    assert_eq!(error["code"], "not_confirmed", "{seen}");
    let kept = "SELECT count(*) FROM later, things";
    pipelines.database.wait_for_count(kept, 1).await;

    let seen = pipelines.finish(stages("things"), json!({})).await;
    assert_eq!(seen["status"], "succeeded", "{seen}");
    pipelines.database.wait_for_count(kept, 0).await;
}
