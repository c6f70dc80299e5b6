//! `explain_query`, and the cost above which a query is refused.

use serde_json::{Value, json};

use crate::changes::writing_server;
use crate::client::Answer;
use crate::database::{Database, run};
use crate::server::Server;

const ORDERS: &str = "CREATE TABLE orders (id int PRIMARY KEY, customer int, note text); \
    INSERT INTO orders SELECT n, n % 5000, 'note' FROM generate_series(1, 50000) n";

/// A database with 50 000 orders, which PostgreSQL has counted.
async fn database_with_orders() -> Database {
    let database = Database::with(ORDERS).await;
    run(&mut database.connection().await, "ANALYZE orders").await;
    database
}

fn text(answer: &Answer) -> &str {
    let text = answer.result()["content"][0]["text"].as_str();
    text.expect("a text")
}

#[tokio::test]
async fn it_tells_the_cost_the_plan_and_the_index_that_is_missing() {
    let database = database_with_orders().await;
    let server = Server::on(&database, &[]).await;
    let client = server.client();
    let explain = async |sql: &str, parameters: Value| {
        let arguments = json!({"sql": sql, "parameters": parameters});
        client.call("explain_query", arguments).await
    };
    let scan = explain("SELECT * FROM orders WHERE customer = $1", json!([7])).await;
    let found = scan.structured();
    assert!(
        found["cost"].as_f64().is_some_and(|cost| cost > 100.0),
        "{found}"
    );
    assert_eq!(found["plan"]["Node Type"], json!("Seq Scan"));
    assert_eq!(found["generic"], json!(false));
    let advice = found["advice"].to_string();
    assert!(
        advice.contains("an index on (customer) would help"),
        "{advice}"
    );
    assert!(text(&scan).contains("Seq Scan on orders (cost"), "{scan:?}");
    assert!(
        text(&scan).contains("an index on (customer) would help"),
        "{scan:?}"
    );

    let by_key = explain("SELECT * FROM orders WHERE id = $1", Value::Null).await;
    let found = by_key.structured();
    assert_eq!(
        (&found["generic"], &found["advice"]),
        (&json!(true), &json!([]))
    );
    assert!(found["plan"].to_string().contains("orders_pkey"), "{found}");

    let hidden = explain(
        "SELECT 1 FROM orders WHERE id::text = $1",
        json!(["'; --\\"]),
    )
    .await;
    let advice = hidden.structured()["advice"].to_string();
    assert!(
        advice.contains("begins with `id` but does not serve"),
        "{advice}"
    );
}

#[tokio::test]
async fn it_runs_nothing_of_what_it_explains() {
    let database = database_with_orders().await;
    let server = Server::on(&database, &["--postgres-statement-timeout-ms=5000"]).await;
    let client = server.client();
    for sql in ["SELECT pg_sleep(60)", "SELECT 1 / (id - id) FROM orders"] {
        let explained = client.call("explain_query", json!({"sql": sql})).await;
        assert_eq!(explained.result()["isError"], json!(false), "{explained:?}");
    }
}

#[tokio::test]
async fn it_refuses_arguments_that_do_not_fit_and_says_which() {
    let database = database_with_orders().await;
    let server = Server::on(&database, &[]).await;
    let client = server.client();
    for (sql, parameters, code, words) in [
        (
            "EXPLAIN SELECT 1",
            json!([]),
            "42501",
            "takes the query itself",
        ),
        (
            "EXPLAIN ANALYZE DELETE FROM orders",
            json!([]),
            "42501",
            "takes the query itself",
        ),
        (
            "DELETE FROM orders",
            json!([]),
            "42501",
            "only a query is run",
        ),
        (
            "SELECT $1::int",
            json!([]),
            "invalid_arguments",
            "1 parameters",
        ),
        (
            "SELECT $1::text",
            json!(["a\u{0}"]),
            "invalid_arguments",
            "NUL",
        ),
        (
            "SELECT $1::int",
            json!(["x"]),
            "22P02",
            "invalid input syntax",
        ),
        ("SELECT * FROM absent", json!([]), "42P01", "absent"),
    ] {
        let arguments = json!({"sql": sql, "parameters": parameters});
        let answer = client.call("explain_query", arguments).await;
        let (found, message) = answer.failure();
        assert_eq!(found, code, "{sql}: {message}");
        let hint = &answer.result()["structuredContent"]["error"]["hint"];
        let said = format!("{message}; {hint}");
        assert!(said.contains(words), "{sql}: {said}");
    }
}

#[tokio::test]
async fn it_refuses_a_query_that_costs_more_than_it_may_with_the_number() {
    let database = database_with_orders().await;
    let server = Server::on(&database, &["--postgres-max-cost=500"]).await;
    let client = server.client();
    let world = "SELECT count(*) FROM orders a, orders b WHERE a.note < b.note";
    let answer = client.query(world, json!([])).await;
    let (code, message) = answer.failure();
    assert_eq!(code, "too_costly");
    assert!(message.ends_with("and the most is 500"), "{message}");
    // The session serves on, and so does the statement.
    let again = client.query(world, json!([])).await;
    assert_eq!(again.failure().0, "too_costly");
    let by_key = "SELECT note FROM orders WHERE id = $1";
    for id in [7, 8] {
        let answer = client.query(by_key, json!([id])).await;
        assert_eq!(answer.structured()["rows"], json!([["note"]]));
    }
    let answer = client.query(by_key, json!(["x"])).await;
    assert_eq!(answer.failure().0, "22P02");
    // A statement that was cheap enough with some values is not so with others.
    let up_to = "SELECT count(*) FROM orders a JOIN orders b ON b.id = a.customer WHERE a.id < $1";
    for (id, is_cheap) in [(0, true), (0, true), (1_000_000, false), (0, true)] {
        let answer = client.query(up_to, json!([id])).await;
        match is_cheap {
            true => assert_eq!(answer.structured()["rows"], json!([[0]])),
            false => assert_eq!(answer.failure().0, "too_costly"),
        }
    }
    let explained = client.call("explain_query", json!({"sql": world})).await;
    assert_eq!(explained.structured()["max_cost"], json!(500.0));
    assert!(text(&explained).contains("execute_query refuses what costs more than 500"));
}

#[tokio::test]
async fn it_refuses_a_change_that_costs_more_than_it_may_and_changes_nothing() {
    let database = database_with_orders().await;
    let mut administrator = database.connection().await;
    run(
        &mut administrator,
        "CREATE TABLE small (n int);
         CREATE TABLE ruled (n int);
         CREATE RULE beside AS ON INSERT TO ruled DO ALSO
             INSERT INTO small SELECT a.id FROM orders a, orders b WHERE a.note < b.note",
    )
    .await;
    let server = writing_server(&database, &["--postgres-max-cost=500"]).await;
    let client = server.client();
    let change = async |sql: &str, parameters: Value| {
        let arguments = json!({"sql": sql, "parameters": parameters, "max_affected_rows": 1000000});
        client.call("execute_dml", arguments).await
    };
    for costly in [
        "UPDATE orders SET note = $1 WHERE customer + id > 7",
        "DELETE FROM orders WHERE id IN (SELECT a.id FROM orders a, orders b) AND note <> $1",
        "INSERT INTO small SELECT a.id FROM orders a, orders b WHERE a.note < b.note || $1",
        // What a rule adds is counted, too.
        "INSERT INTO ruled VALUES (length($1))",
    ] {
        let answer = change(costly, json!(["x"])).await;
        let (code, message) = answer.failure();
        assert_eq!(code, "too_costly", "{costly}: {message}");
        assert!(message.ends_with("and the most is 500"), "{message}");
    }
    for id in [7, 8] {
        let answer = change("UPDATE orders SET note = 'new' WHERE id = $1", json!([id])).await;
        assert_eq!(answer.structured()["affected_rows"], json!(1));
    }
    let counts = "SELECT (SELECT count(*) FROM orders) || ' ' || (SELECT count(*) FROM small) \
        || ' ' || (SELECT count(*) FROM ruled) || ' ' || \
        (SELECT count(*) FROM orders WHERE id < 100 AND note <> 'note')";
    let unlimited = Server::on(&database, &[]).await;
    let counted = unlimited.client().query(counts, json!([])).await;
    assert_eq!(counted.structured()["rows"], json!([["50000 0 0 2"]]));
}
