//! Results without blocks end at their limits, with whole rows, and say so.

use serde_json::json;

use crate::database::Database;
use crate::server::Server;

/// The limits are for results that are not read in blocks.
const NO_BLOCKS: &str = "--block-transport=false";

#[tokio::test]
async fn it_cuts_at_the_row_limit_and_says_so() {
    let database = Database::with("").await;
    let server = Server::on(&database, &[NO_BLOCKS, "--postgres-max-rows=100"]).await;
    let client = server.client();
    for (rows, shown, truncated) in [
        (0, 0, false),
        (1, 1, false),
        (99, 99, false),
        (100, 100, false),
        (101, 100, true),
        (5000, 100, true),
    ] {
        let answer = client
            .query("SELECT n FROM generate_series(1, $1) n", json!([rows]))
            .await;
        let structured = answer.structured();
        assert_eq!(structured["row_count"], json!(shown), "{rows}");
        assert_eq!(
            structured["rows"].as_array().map(Vec::len),
            Some(shown),
            "{rows}"
        );
        assert_eq!(structured["truncated"], json!(truncated), "{rows}");
        assert_eq!(
            structured["truncated_by"],
            if truncated {
                json!("rows")
            } else {
                json!(null)
            },
            "{rows}"
        );
    }
}

#[tokio::test]
async fn it_cuts_at_the_byte_limit_with_whole_rows() {
    let database = Database::with("").await;
    let server = Server::on(&database, &[NO_BLOCKS]).await;
    let client = server.client();
    for (width, escapes) in [
        (1_000, "x"),
        (10_000, "x"),
        (500_000, "x"),
        (2_000_000, "x"),
        (10_000, "\""),
    ] {
        let answer = client
            .query(
                "SELECT n, repeat($1, $2) FROM generate_series(1, 990) n",
                json!([escapes, width]),
            )
            .await;
        let structured = answer.structured();
        let size = answer.body.to_string().len();
        assert_eq!(structured["truncated_by"], json!("bytes"), "{width}");
        assert!(size < 1 << 20, "{width}: {size}");
        let row = width * if escapes == "\"" { 2 } else { 1 };
        assert!(
            row > 900 << 10 || size + row + 100 > 900 << 10,
            "{width}: more would have fitted into {size}"
        );
        for row in structured["rows"].as_array().expect("rows") {
            assert_eq!(row[1].as_str().map(str::len), Some(width));
        }
    }
}

#[tokio::test]
async fn it_does_not_read_a_big_table_to_its_end() {
    let database = Database::with(
        "CREATE TABLE events AS SELECT n, md5(n::text) AS h FROM generate_series(1, 200000) n",
    )
    .await;
    let server = Server::on(&database, &[NO_BLOCKS]).await;
    let answer = server
        .client()
        .query("SELECT * FROM events", json!([]))
        .await;
    assert_eq!(answer.structured()["row_count"], json!(1000));
    let text = answer.result()["content"][0]["text"]
        .as_str()
        .expect("a text");
    assert!(
        text.starts_with("the first 1000 rows (cut at the row limit; there are more")
            && text.contains(")\nn,h\n1,"),
        "{text}"
    );
    // A number, a comma, 32 letters and a line's end.
    let shown = text.lines().filter(|line| line.len() > 33).count();
    assert!((800..1000).contains(&shown), "{shown}");
    assert!(text.contains("more rows have no place here"), "{text}");
}

#[tokio::test]
async fn it_names_the_column_whose_value_is_too_large_and_says_what_to_do() {
    let database = Database::with("").await;
    let server = Server::on(&database, &[NO_BLOCKS]).await;
    let client = server.client();
    for (sql, shown, column) in [
        ("SELECT 1 AS id, repeat('x', 1000000) AS body", 0, "body"),
        (
            "SELECT 1 AS id, repeat('x', 3000000) AS body, 'y' AS z",
            0,
            "body",
        ),
        (
            "SELECT NULL AS a, repeat('x', 300000000) AS body",
            0,
            "body",
        ),
        (
            "SELECT repeat('x', 1000) AS a, repeat('\"', 600000) AS quotes",
            0,
            "quotes",
        ),
        (
            "SELECT n, repeat('x', CASE n WHEN 3 THEN 2000000 ELSE 1 END) AS body
             FROM generate_series(1, 5) AS n ORDER BY n",
            2,
            "body",
        ),
    ] {
        let answer = client.query(sql, json!([])).await;
        let structured = answer.structured();
        assert_eq!(structured["row_count"], json!(shown), "{sql}");
        let note = structured["note"].as_str().unwrap_or_default();
        let row = format!(
            "row {} alone is over the byte limit: its column `{column}`",
            shown + 1
        );
        assert!(
            note.starts_with(&row) && note.contains("leave the column out"),
            "{note}"
        );
        let text = answer.result()["content"][0]["text"].as_str();
        assert!(text.is_some_and(|text| text.ends_with(note)), "{text:?}");
    }
    let many = "SELECT repeat('x', 500000) AS a FROM generate_series(1, 5)";
    let answer = client.query(many, json!([])).await;
    assert_eq!(
        answer.structured()["note"],
        json!(null),
        "the next row would fit alone"
    );
}

#[tokio::test]
async fn it_says_that_a_call_is_one_statement() {
    let database = Database::with("").await;
    let server = Server::on(&database, &[]).await;
    for sql in ["SELECT 1; SELECT 2", "SELECT 1;\n\nDROP TABLE t"] {
        let answer = server.client().query(sql, json!([])).await;
        let error = &answer.result()["structuredContent"]["error"];
        assert_eq!(
            (&error["code"], &error["hint"]),
            (&json!("42601"), &json!("send one statement in each call")),
            "{answer:?}"
        );
    }
}
