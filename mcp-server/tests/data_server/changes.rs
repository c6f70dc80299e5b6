//! `execute_dml`: what it changes, what it refuses, and what stays as it was.

use serde_json::{Value, json};

use crate::attacks::{ATTACKS, VICTIM};
use crate::change_attacks::{CHANGE_ATTACK_ON_A_POLICY, CHANGE_ATTACKS, TABLES, UNCONDITIONAL};
use crate::client::Client;
use crate::database::{Database, PASSWORD, run};
use crate::read_only::{check_unchanged, snapshot};
use crate::server::Server;

/// The login of a superuser for writing.
const WRITER: [&str; 2] = [
    "--postgres-write-user=postgres",
    "--postgres-write-password",
];

pub async fn writing_server(database: &Database, flags: &[&str]) -> Server {
    Server::on(database, &[&WRITER[..], &[PASSWORD], flags].concat()).await
}

/// A server on the database of the attacks, which reads and writes as a user without rights.
pub async fn ordinary_server(database: &Database) -> Server {
    let user = database.ordinary_user().await;
    let flags = [
        "--postgres-write-user",
        user,
        "--postgres-write-password",
        PASSWORD,
    ];
    Server::as_user(database, user, &flags).await
}

async fn victim() -> Database {
    let database = Database::with(VICTIM).await;
    run(&mut database.connection().await, TABLES).await;
    database
}

/// The rows of every table beside those of [`snapshot`].
pub async fn all_rows(database: &Database) -> Vec<String> {
    let mut lines = snapshot(database).await;
    let mut connection = database.connection().await;
    // To read an indexed table is to plan it, which calls functions of the attacks.
    run(&mut connection, "SET track_functions = none").await;
    let rows: Vec<String> = sqlx::query_scalar(
        "SELECT format('%s %s', c.relname, query_to_xml(format('TABLE %s', c.oid::regclass), \
         true, true, '')) FROM pg_class c WHERE c.relkind = 'r' AND c.oid >= 16384 \
         AND c.relnamespace IN ('public'::regnamespace, 'portcullis'::regnamespace) ORDER BY 1",
    )
    .fetch_all(&mut connection)
    .await
    .expect("the tables can be read");
    lines.extend(rows);
    lines
}

/// Sends every attack; each is refused by the judge or by PostgreSQL, and changes nothing.
async fn check_attacks(database: &Database, server: Server, attacks: &[&str], arguments: Value) {
    let client = server.client();
    let before = all_rows(database).await;
    let mut let_through = Vec::new();
    for attack in attacks {
        let mut arguments = arguments.clone();
        arguments["sql"] = json!(attack);
        let answer = client.call("execute_dml", arguments).await;
        if answer.result()["isError"] == json!(false) {
            let_through.push(*attack);
        }
    }
    check_unchanged(&before, &all_rows(database).await);
    assert!(!std::path::Path::new("/tmp/portcullis-attack").exists());
    assert!(let_through.is_empty(), "{let_through:#?}");
    drop(server);
    assert_eq!(database.calls_of_functions().await, Vec::<String>::new());
}

#[tokio::test]
async fn it_lets_no_change_call_what_is_not_harmless_as_a_superuser() {
    let database = victim().await;
    let server = writing_server(&database, &[]).await;
    check_attacks(&database, server, CHANGE_ATTACKS, json!({"confirm": true})).await;
}

#[tokio::test]
async fn it_lets_no_change_call_what_is_not_harmless_as_an_ordinary_role() {
    let database = victim().await;
    let server = ordinary_server(&database).await;
    let attacks = [CHANGE_ATTACKS, &[CHANGE_ATTACK_ON_A_POLICY]].concat();
    check_attacks(&database, server, &attacks, json!({"confirm": true})).await;
}

#[tokio::test]
async fn it_lets_no_attack_on_queries_through_either() {
    let database = victim().await;
    let server = writing_server(&database, &["--postgres-statement-timeout-ms=500"]).await;
    let arguments = json!({"confirm": true, "max_affected_rows": 0});
    check_attacks(&database, server, ATTACKS, arguments).await;
}

#[tokio::test]
async fn it_changes_every_row_only_when_that_is_confirmed() {
    let database = victim().await;
    let server = writing_server(&database, &[]).await;
    let client = server.client();
    let before = all_rows(&database).await;
    for sql in UNCONDITIONAL {
        let refused = client.call("execute_dml", json!({"sql": sql})).await;
        assert_eq!(refused.failure().0, "not_confirmed", "{sql}: {refused:?}");
        let arguments = json!({"sql": sql, "confirm": true, "dry_run": true});
        let rehearsed = client.call("execute_dml", arguments).await;
        assert!(
            rehearsed.structured()["changes"][0]["table"].is_string(),
            "{sql}"
        );
    }
    check_unchanged(&before, &all_rows(&database).await);
}

#[tokio::test]
async fn it_writes_nothing_while_a_literal_is_read() {
    let database = victim().await;
    let sql = "CREATE FUNCTION writes(text) RETURNS bool LANGUAGE plpgsql AS $$ \
        BEGIN INSERT INTO t VALUES (668, 'x'); RETURN true; END $$; \
        CREATE DOMAIN writing AS text CHECK (writes(VALUE))";
    run(&mut database.connection().await, sql).await;
    let server = writing_server(&database, &[]).await;
    let before = all_rows(&database).await;
    let sql = "INSERT INTO t VALUES (100, ('{x}'::writing[])[1])";
    let refused = server
        .client()
        .call("execute_dml", json!({"sql": sql}))
        .await;
    refused.failure();
    check_unchanged(&before, &all_rows(&database).await);
}

#[tokio::test]
async fn it_fires_triggers_only_when_the_operator_allows_them_and_says_which() {
    let database = victim().await;
    let insert = json!({"sql": "INSERT INTO audited VALUES ('x')"});
    let strict = writing_server(&database, &[]).await;
    let refused = strict.client().call("execute_dml", insert.clone()).await;
    let (code, message) = refused.failure();
    assert_eq!(code, "42501");
    assert!(
        message.contains("`audit` of `public.audited`") && message.contains("`public.fires()`"),
        "{message}"
    );
    for flag in [
        "--postgres-allow-triggers",
        "--postgres-allowed-functions=public.fires()",
    ] {
        let told = writing_server(&database, &[flag]).await;
        let changed = told.client().call("execute_dml", insert.clone()).await;
        assert_eq!(changed.structured()["affected_rows"], json!(1), "{flag}");
    }
}

const SHOP: &str = "
CREATE TABLE shops (id serial PRIMARY KEY, name text NOT NULL UNIQUE, tags text[], info jsonb,
    size int CHECK (size > 0), double_size int GENERATED ALWAYS AS (size * 2) STORED,
    opened date DEFAULT current_date, token uuid DEFAULT gen_random_uuid());
INSERT INTO shops (name, size) VALUES ('a', 1), ('b', 2), ('c', 3);
CREATE TABLE orders (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    shop int REFERENCES shops ON DELETE CASCADE, total numeric(10, 2));
INSERT INTO orders (shop, total) SELECT n % 3 + 1, n FROM generate_series(1, 9) n;
CREATE INDEX ON shops (lower(name)) WHERE size > 1;
CREATE VIEW large_shops AS SELECT id, name, size FROM shops WHERE size > 1 WITH CHECK OPTION;
CREATE TABLE days (day date, value int) PARTITION BY RANGE (day);
CREATE TABLE days_2024 PARTITION OF days FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE days_2025 PARTITION OF days FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
INSERT INTO days VALUES ('2024-05-01', 1);
CREATE TABLE texts (id int, body text, words tsvector);
CREATE TRIGGER words BEFORE INSERT OR UPDATE ON texts FOR EACH ROW
    EXECUTE FUNCTION tsvector_update_trigger(words, 'pg_catalog.english', body);
";

async fn dry(client: &Client, sql: &str, parameters: Value) -> Value {
    let arguments = json!({"sql": sql, "parameters": parameters, "dry_run": true});
    client
        .call("execute_dml", arguments)
        .await
        .structured()
        .clone()
}

#[tokio::test]
async fn it_runs_the_changes_that_people_write_and_a_dry_run_leaves_nothing() {
    let database = Database::with(SHOP).await;
    let server = writing_server(&database, &[]).await;
    let client = server.client();
    for (sql, parameters, affected, changes) in [
        (
            "INSERT INTO shops (name, size) VALUES ($1, $2)",
            json!(["d", 4]),
            1,
            "1 0 0",
        ),
        (
            "INSERT INTO shops (name, tags, info) VALUES ($1, $2, $3)",
            json!(["d", ["x", "y,z"], {"a": [1]}]),
            1,
            "1 0 0",
        ),
        (
            "INSERT INTO shops (name) SELECT 'n' || n FROM generate_series(1, 50) n",
            json!([]),
            50,
            "50 0 0",
        ),
        (
            "INSERT INTO shops (id, name) VALUES (nextval('shops_id_seq'), 'd')",
            json!([]),
            1,
            "1 0 0",
        ),
        (
            "INSERT INTO shops (name, size) VALUES ('a', 9), ('e', 1) ON CONFLICT (name) DO UPDATE \
          SET size = excluded.size",
            json!([]),
            2,
            "1 1 0",
        ),
        (
            "INSERT INTO shops (name) VALUES ('a') ON CONFLICT DO NOTHING",
            json!([]),
            0,
            "",
        ),
        (
            "INSERT INTO orders (shop, total) VALUES (1, '12.50') RETURNING id, total",
            json!([]),
            1,
            "1 0 0",
        ),
        (
            "UPDATE shops SET size = size + 1, opened = DEFAULT WHERE name = ANY ($1)",
            json!([["a", "b"]]),
            2,
            "0 2 0",
        ),
        (
            "UPDATE orders o SET total = 0 FROM shops s WHERE s.id = o.shop AND s.name = 'a'",
            json!([]),
            3,
            "0 3 0",
        ),
        (
            "UPDATE large_shops SET size = 9 WHERE name = 'b'",
            json!([]),
            1,
            "0 1 0",
        ),
        ("DELETE FROM large_shops", json!([]), 2, "0 0 6; 0 0 2"),
        (
            "DELETE FROM shops WHERE id = $1",
            json!([1]),
            1,
            "0 0 3; 0 0 1",
        ),
        (
            "DELETE FROM orders WHERE id IN (SELECT id FROM orders ORDER BY id LIMIT 2 FOR UPDATE \
          SKIP LOCKED)",
            json!([]),
            2,
            "0 0 2",
        ),
        (
            "WITH gone AS (DELETE FROM orders WHERE total > 7 RETURNING id) \
             SELECT count(*) FROM gone",
            json!([]),
            1,
            "0 0 2",
        ),
        (
            "MERGE INTO shops s USING (VALUES ('a', 5), ('z', 6)) v (name, size) \
          ON s.name = v.name WHEN MATCHED THEN UPDATE SET size = v.size \
          WHEN NOT MATCHED THEN INSERT (name, size) VALUES (v.name, v.size)",
            json!([]),
            2,
            "1 1 0",
        ),
        (
            "UPDATE days SET day = '2025-05-01' WHERE value = 1",
            json!([]),
            1,
            "0 0 1; 1 0 0",
        ),
        (
            "INSERT INTO texts VALUES (1, 'the words')",
            json!([]),
            1,
            "1 0 0",
        ),
    ] {
        let changed = dry(&client, sql, parameters).await;
        let counts: Vec<String> = changed["changes"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|c| format!("{} {} {}", c["inserted"], c["updated"], c["deleted"]))
            .collect();
        assert_eq!(
            changed["affected_rows"],
            json!(affected),
            "{sql}: {changed}"
        );
        assert_eq!(counts.join("; "), changes, "{sql}: {changed}");
    }
    let sql = "SELECT (SELECT count(*) FROM shops) * 100 + (SELECT count(*) FROM orders)";
    database.wait_for_count(sql, 309).await;
}

#[tokio::test]
async fn it_keeps_a_change_and_gives_rows_back() {
    let database = Database::with(SHOP).await;
    let server = writing_server(&database, &[]).await;
    let client = server.client();
    for (name, id) in [("d", 4), ("e", 5)] {
        let arguments = json!({"parameters": [name],
            "sql": "INSERT INTO shops (name) VALUES ($1) RETURNING id, name, size"});
        let answer = client.call("execute_dml", arguments).await;
        let changed = answer.structured();
        assert_eq!(changed["rows"], json!([[id, name, null]]));
        let expected = json!([{"table": "public.shops", "inserted": 1, "updated": 0,
            "deleted": 0}]);
        assert_eq!(changed["changes"], expected);
        let text = answer.result()["content"][0]["text"].to_string();
        assert!(
            text.contains("1 row affected") && text.contains(name),
            "{text}"
        );
    }
    let answer = client.query("SELECT count(*) FROM shops", json!([])).await;
    assert_eq!(answer.structured()["rows"], json!([[5]]));
}

#[tokio::test]
async fn it_rolls_back_what_changes_more_rows_than_it_may_cascades_included() {
    let database = Database::with(SHOP).await;
    let server = writing_server(&database, &[]).await;
    let client = server.client();
    for (sql, most, changed) in [
        ("DELETE FROM orders WHERE total > 0", 8, 9),
        ("DELETE FROM shops WHERE id = 1", 3, 4),
        (
            "WITH gone AS (DELETE FROM orders WHERE id > 0) SELECT 1",
            8,
            9,
        ),
        (
            "INSERT INTO shops (name) SELECT 'n' || n FROM generate_series(1, 2000) n",
            1000,
            2000,
        ),
    ] {
        let mut arguments = json!({"sql": sql});
        if most != 1000 {
            arguments["max_affected_rows"] = json!(most);
        }
        let answer = client.call("execute_dml", arguments).await;
        let (code, message) = answer.failure();
        assert_eq!(code, "too_many_rows", "{sql}: {message}");
        let numbers = format!("{changed} rows, and the most is {most}");
        assert!(message.contains(&numbers), "{sql}: {message}");
    }
    let sql = "SELECT (SELECT count(*) FROM shops) * 100 + (SELECT count(*) FROM orders)";
    database.wait_for_count(sql, 309).await;
}

#[tokio::test]
async fn it_tells_what_postgresql_refuses_and_writes_only_where_there_is_a_login_for_it() {
    let database = Database::with(SHOP).await;
    let server = writing_server(&database, &[]).await;
    let client = server.client();
    for (sql, code) in [
        ("INSERT INTO shops (name) VALUES ('a')", "23505"),
        ("INSERT INTO shops (name, size) VALUES ('x', -1)", "23514"),
        ("INSERT INTO orders (shop) VALUES (99)", "23503"),
        ("INSERT INTO shops (name) VALUES (NULL)", "23502"),
        ("UPDATE absent SET a = 1 WHERE a = 2", "42P01"),
        (
            "INSERT INTO large_shops (name, size) VALUES ('x', 1)",
            "44000",
        ),
        ("SELECT * FROM shops", "42501"),
    ] {
        let answer = client.call("execute_dml", json!({"sql": sql})).await;
        assert_eq!(answer.failure().0, code, "{sql}: {answer:?}");
    }
    let reading = Server::on(&database, &[]).await;
    let arguments = json!({"sql": "DELETE FROM orders WHERE id = 1"});
    let answer = reading.client().call("execute_dml", arguments).await;
    assert_eq!(answer.failure().0, "25006");
    database
        .wait_for_count("SELECT count(*) FROM orders", 9)
        .await;
}
