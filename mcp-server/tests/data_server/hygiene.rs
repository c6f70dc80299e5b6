//! A call leaves nothing behind in its session, and a verdict no longer than it is true.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::database::{Database, run};
use crate::server::Server;

const LOCKS: &str = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' \
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";

const LOCKING: &str = "
CREATE FUNCTION lock_it() RETURNS int LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_lock(7);
    RETURN 1; END $$;
CREATE FUNCTION lock_for(text) RETURNS bool LANGUAGE plpgsql AS $$
    BEGIN PERFORM pg_advisory_lock(8); RETURN true; END $$;
CREATE DOMAIN locking AS text CHECK (lock_for(VALUE));
CREATE TYPE holds AS (a locking);
";

/// The sentence about PostgreSQL in a server's health, once that has answered: on a busy machine
/// the time of a report may be over first.
async fn detail_of_postgres(server: &Server) -> String {
    let begun = Instant::now();
    loop {
        let (_, report) = server.health().await;
        let detail = report["services"]["postgres"]["detail"].as_str();
        let detail = detail.expect("a sentence").to_owned();
        if !detail.contains("no answer within") {
            return detail;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{detail}");
    }
}

#[tokio::test]
async fn it_closes_a_session_that_ran_what_the_operator_allowed() {
    let database = Database::with(LOCKING).await;
    let flags = [
        "--postgres-connections=1",
        "--postgres-allowed-functions=public.lock_it()",
    ];
    let server = Server::on(&database, &flags).await;
    let client = server.client();
    let answer = client.query("SELECT lock_it()", json!([])).await;
    assert_eq!(answer.structured()["rows"], json!([[1]]));
    database.wait_for_count(LOCKS, 0).await;
    let answer = client.query("SELECT lock_it() / 0", json!([])).await;
    assert_eq!(answer.failure().0, "22012");
    database.wait_for_count(LOCKS, 0).await;
}

/// PostgreSQL reads the literal, and so runs the check, while it analyses (decision 0008).
#[tokio::test]
async fn it_leaves_nothing_of_a_check_that_ran_during_the_analysis() {
    let database = Database::with(LOCKING).await;
    let server = Server::on(&database, &["--postgres-connections=1"]).await;
    let client = server.client();
    for sql in ["SELECT '{x}'::locking[]", "SELECT '(x)'::holds"] {
        let answer = client.query(sql, json!([])).await;
        let (code, message) = answer.failure();
        assert_eq!(code, "42501", "{sql}");
        assert!(message.contains("whose check calls functions"), "{message}");
        database.wait_for_count(LOCKS, 0).await;
    }
}

#[tokio::test]
async fn it_closes_a_session_whose_random_numbers_a_caller_has_chosen() {
    let database = Database::with("").await;
    let server = Server::on(&database, &["--postgres-connections=1"]).await;
    let client = server.client();
    let mut seen = Vec::new();
    for _ in 0..2 {
        client
            .query("SELECT setseed(0.5)", json!([]))
            .await
            .structured();
        let answer = client.query("SELECT random()", json!([])).await;
        seen.push(answer.structured()["rows"].clone());
    }
    assert_ne!(seen[0], seen[1]);
}

#[tokio::test]
async fn it_shows_the_settings_of_superusers_to_nobody() {
    let database = Database::with("").await;
    let server = Server::on(&database, &["--postgres-role=postgres"]).await;
    for sql in [
        "SELECT current_setting('primary_conninfo')",
        "SELECT setting FROM pg_settings WHERE name = 'primary_conninfo'",
        "SELECT (pg_show_all_settings()).setting",
    ] {
        let answer = server.client().query(sql, json!([])).await;
        let (code, message) = answer.failure();
        assert_eq!(code, "42501", "{sql}");
        assert!(message.contains("holds credentials"), "{message}");
    }
}

#[tokio::test]
async fn it_judges_anew_when_the_catalogue_has_changed() {
    let database = Database::with(
        "CREATE FUNCTION one() RETURNS int LANGUAGE sql STABLE AS 'SELECT 1';
         CREATE VIEW v AS SELECT 1 AS a;
         CREATE DOMAIN small AS int;
         CREATE FUNCTION of(bigint) RETURNS int LANGUAGE sql STABLE AS 'SELECT 1'",
    )
    .await;
    let server = Server::on(&database, &["--postgres-connections=1"]).await;
    let client = server.client();
    let texts = [
        "SELECT one()",
        "SELECT a FROM v",
        "SELECT 1::small",
        "SELECT of(1)",
    ];
    for text in texts {
        for _ in 0..3 {
            let answer = client.query(text, json!([])).await;
            assert_eq!(answer.structured()["rows"], json!([[1]]), "{text}");
        }
    }
    run(
        &mut database.connection().await,
        "CREATE OR REPLACE FUNCTION one() RETURNS int LANGUAGE plpgsql VOLATILE AS 'BEGIN
         RETURN 1; END';
         CREATE OR REPLACE VIEW v AS SELECT one() AS a;
         ALTER DOMAIN small ADD CHECK (one() = 1);
         CREATE FUNCTION of(int) RETURNS int LANGUAGE sql VOLATILE AS 'SELECT 1'",
    )
    .await;
    for text in texts {
        let answer = client.query(text, json!([])).await;
        assert_eq!(answer.failure().0, "42501", "{text}");
    }
}

#[tokio::test]
async fn it_keeps_the_trees_out_of_postgresqls_log_where_it_may() {
    let database = Database::with("").await;
    let ordinary = database.ordinary_user().await;
    let sql = format!(
        "DO $$ BEGIN CREATE ROLE silent LOGIN PASSWORD '{}'; \
         EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$; \
         GRANT SET ON PARAMETER log_min_messages TO silent",
        crate::database::PASSWORD
    );
    run(&mut database.connection().await, &sql).await;
    // The name is that of a column in the tree.
    let in_log = |name: &str| {
        let trees = format!(":resname {name}");
        Database::log().replace('\n', " ").matches(&trees).count()
    };
    let server = Server::as_user(&database, "silent", &[]).await;
    let sql = "SELECT 1 AS tree_of_the_silent";
    server.client().query(sql, json!([])).await.structured();
    assert_eq!(in_log("tree_of_the_silent"), 0);
    let server = Server::as_user(&database, ordinary, &["--postgres-connections=1"]).await;
    let sql = "SELECT 1 AS tree_of_the_ordinary";
    for _ in 0..3 {
        server.client().query(sql, json!([])).await.structured();
    }
    assert!(in_log("tree_of_the_ordinary") >= 1);
    let detail = detail_of_postgres(&server).await;
    assert!(
        detail.contains("GRANT SET ON PARAMETER log_min_messages"),
        "{detail}"
    );
    assert!(detail.contains("temp_file_limit"), "{detail}");
}

#[tokio::test]
async fn it_says_in_health_that_a_superuser_is_allowed() {
    let database = Database::with("").await;
    let server = Server::on(&database, &[]).await;
    let detail = detail_of_postgres(&server).await;
    assert!(
        detail.contains("connected as the superuser `postgres`"),
        "{detail}"
    );
}

#[tokio::test]
async fn it_ends_a_session_that_a_huge_statement_has_made_grow_whatever_became_of_it() {
    const SESSIONS: &str = "SELECT count(*) FROM pg_stat_activity \
        WHERE datname = current_database() AND application_name = 'portcullis'";
    let database = Database::with("").await;
    let server = Server::on(&database, &["--postgres-connections=1"]).await;
    let client = server.client();
    let huge = "x".repeat(300 << 10);
    for (sql, code) in [
        (format!("SELECT pg_notify('a', 'b'), '{huge}'"), "42501"),
        (format!("SELECT 1 / 0, '{huge}'"), "22012"),
    ] {
        let answer = client.query(&sql, json!([])).await;
        assert_eq!(answer.failure().0, code);
        database.wait_for_count(SESSIONS, 0).await;
    }
}
