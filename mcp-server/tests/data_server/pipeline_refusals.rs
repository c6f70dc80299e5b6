//! Pipelines that are refused when they are created, and stages that fail with a reason.

use serde_json::{Value, json};

use crate::database::Database;
use crate::pipelines::Pipelines;
use crate::server::Server;

fn stage(source: &Value, destination: &Value) -> Value {
    json!([{"name": "s", "source": source, "destination": destination}])
}

#[tokio::test]
async fn it_refuses_at_once_what_this_server_cannot_do() {
    let database = Database::with("").await;
    let store = format!(
        "--store-url=postgres://postgres:{}@127.0.0.1:{}/{}",
        crate::database::PASSWORD,
        database.port,
        database.name
    );
    let server = Server::on(&database, &[&store]).await;
    let client = server.client();
    let query = json!({"type": "postgres", "sql": "SELECT 1 AS a"});
    let table = json!({"type": "postgres", "table": "t"});
    let file = json!({"type": "file", "path": "a.ndjson"});
    let spark = json!({"type": "spark_sql", "sql": "SELECT 1"});
    for (stages, code, sentence) in [
        (stage(&query, &table), "25006", "no login that may write"),
        (
            stage(&query, &file),
            "no_files",
            "may not read or write files",
        ),
        (
            stage(&file, &table),
            "no_files",
            "may not read or write files",
        ),
        (
            stage(&spark, &json!({"type": "spark_sql", "table": "t"})),
            "read_only",
            "Spark SQL only reads here",
        ),
        (
            stage(
                &json!({"type": "postgres", "sql": "SELECT 1", "database": "x"}),
                &file,
            ),
            "no_files",
            "",
        ),
        (
            json!([]),
            "invalid_arguments",
            "stages: must be from 1 to 100",
        ),
        (
            json!([{"name": "s", "after": ["s"], "source": spark, "destination": file}]),
            "no_files",
            "",
        ),
    ] {
        let arguments = json!({"name": "p", "stages": stages});
        let answer = client.call("create_etl_pipeline", arguments).await;
        let (found, message) = answer.failure();
        assert_eq!(found, code, "{answer:?}");
        assert!(message.contains(sentence), "{message}");
    }
    for (tool, arguments) in [
        ("execute_pipeline", json!({"name": "p"})),
        ("get_pipeline_status", json!({"run_id": "x"})),
        (
            "cancel_pipeline",
            json!({"run_id": "0199aaaa-0000-7000-8000-000000000000"}),
        ),
    ] {
        let answer = client.call(tool, arguments).await;
        assert_eq!(answer.failure().0, "not_found", "{answer:?}");
    }
    let without = Server::on(&database, &[]).await;
    let answer = without.client().call("list_pipelines", json!({})).await;
    assert_eq!(answer.failure().0, "unavailable");
}

#[tokio::test]
async fn it_stores_no_pipeline_that_is_refused_whatever_comes() {
    let pipelines = Pipelines::with(
        "CREATE TABLE t (a int);
         CREATE TABLE by_trigger (a int);
         CREATE FUNCTION fire() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
         CREATE TRIGGER fires BEFORE INSERT ON by_trigger EXECUTE FUNCTION fire()",
    )
    .await;
    let client = pipelines.client();
    let from = |sql: &str| json!({"type": "postgres", "sql": sql});
    let into = json!({"type": "postgres", "table": "t"});
    let one = from("SELECT 1 AS a");
    let changes =
        |sql: &str| json!({"type": "postgres", "table": "t", "statements": [{"sql": sql}]});
    for (source, destination, code, sentence) in [
        (
            from("DELETE FROM t RETURNING a"),
            into.clone(),
            "42501",
            "its source: only a query",
        ),
        (from("DROP TABLE t"), into.clone(), "42501", "its source: "),
        (from("SELEC 1"), into.clone(), "42601", "its source: "),
        (
            from("SELECT $1::int AS a"),
            into.clone(),
            "invalid_arguments",
            "finds 1 parameters in the SQL, and `bind` names 0",
        ),
        (
            from("SELECT lo_import('/etc/passwd') AS a"),
            into.clone(),
            "42501",
            "its source: ",
        ),
        (
            one.clone(),
            changes("INSERT INTO t SELECT length(pg_read_file('PG_VERSION'))"),
            "42501",
            "pg_read_file",
        ),
        (one.clone(), changes("TRUNCATE t"), "42501", "statement 1: "),
        (
            one,
            changes("INSERT INTO by_trigger VALUES (1)"),
            "42501",
            "fire",
        ),
    ] {
        let arguments = json!({"name": "p", "stages": stage(&source, &destination)});
        let answer = client.call("create_etl_pipeline", arguments).await;
        let (found, message) = answer.failure();
        assert_eq!(found, code, "{answer:?}");
        assert!(
            message.starts_with("stage `s`, ") && message.contains(sentence),
            "{message}"
        );
    }
    let listed = client.call("list_pipelines", json!({})).await;
    assert_eq!(listed.structured()["pipelines"], json!([]));
}

#[tokio::test]
async fn it_warns_of_what_is_not_there_yet_and_stores_the_pipeline() {
    let pipelines = Pipelines::with("CREATE TABLE t (a int)").await;
    let client = pipelines.client();
    let folder = pipelines.files.path().to_owned();
    let stages = json!([
        {
            "name": "one",
            "source": {"type": "postgres", "sql": "SELECT * FROM nope"},
            "destination": {"type": "postgres", "table": "no_such", "marker_table": "no_markers",
                "statements": [{"sql": "DELETE FROM t WHERE b = 1"}]}
        },
        {
            "name": "two",
            "source": {"type": "spark_sql", "sql": "SELECT 1"},
            "destination": {"type": "file", "path": "a.csv"}
        }
    ]);
    // A server starts only where the folder is there.
    client.call("list_pipelines", json!({})).await.structured();
    std::fs::remove_dir_all(&folder).expect("it was empty");
    let arguments = json!({"name": "p", "stages": stages});
    let answer = client.call("create_etl_pipeline", arguments).await;
    let warnings = answer.structured()["warnings"].as_array().expect("a list");
    let text = answer.texts()[0];
    for (warning, expected) in warnings.iter().zip([
        "stage `one`, its source: not yet: relation \"nope\" does not exist",
        "stage `one`, statement 1: not yet: column \"b\" does not exist",
        "stage `one`: there is no table `no_such` yet",
        "stage `one`: there is no table `no_markers` yet",
        "stage `two`, its source: not looked at: ",
        "stage `two`: the folder of pipelines is not there",
    ]) {
        let warning = warning.as_str().expect("text");
        assert!(warning.starts_with(expected), "{warning}");
        assert!(text.contains(&format!("\nwarning: {warning}")), "{text}");
    }
    assert_eq!(warnings.len(), 6, "{warnings:?}");
}

#[tokio::test]
async fn it_fails_a_stage_with_its_reason_and_changes_nothing() {
    let pipelines = Pipelines::with(
        "CREATE TABLE t (a int);
         CREATE VIEW v AS TABLE t;
         CREATE FUNCTION own() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END';
         CREATE TABLE by_default (a int, b int DEFAULT own());
         CREATE TABLE by_check (a int CHECK (a = own()));
         CREATE DOMAIN odd AS int CHECK (value = own());
         CREATE TABLE by_domain (a odd);
         CREATE TABLE by_trigger (a int);
         CREATE FUNCTION fire() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
         CREATE TRIGGER fires BEFORE INSERT ON by_trigger EXECUTE FUNCTION fire();
         CREATE TABLE parent (a int) PARTITION BY LIST (a);
         CREATE TABLE child PARTITION OF parent DEFAULT;
         CREATE TRIGGER fires BEFORE INSERT ON child FOR EACH ROW EXECUTE FUNCTION fire();
         CREATE TABLE by_rule (a int);
         CREATE RULE other AS ON INSERT TO by_rule DO ALSO DELETE FROM t;
         CREATE TABLE no_markers (key text, rows bigint)",
    )
    .await;
    let outside = pipelines.files.path().with_extension("outside");
    std::fs::write(&outside, "{}").expect("written");
    let link = pipelines.files.path().join("link");
    std::os::unix::fs::symlink(&outside, link).expect("linked");
    std::fs::write(
        pipelines.files.path().join("odd.ndjson"),
        "{\"a\":1}\n{\"b\":1}\n",
    )
    .expect("written");
    let one = json!({"type": "postgres", "sql": "SELECT 1 AS a"});
    let into = |table: &str| json!({"type": "postgres", "table": table});
    let from = |sql: &str| json!({"type": "postgres", "sql": sql});
    let file = |path: &str| json!({"type": "file", "path": path});
    let csv = |path: &str| json!({"type": "file", "path": path, "format": "csv"});
    let changes =
        |sql: &str| json!({"type": "postgres", "table": "t", "statements": [{"sql": sql}]});
    let pipe = pipelines.files.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(pipe).status();
    assert!(made.is_ok_and(|made| made.success()));
    for (name, text) in [
        ("ends.csv", "a\n1\n\\.\n2\n"),
        ("leads.csv", "\na\n1\n"),
        ("returns.csv", "a\r1\r\\.\r2\r"),
        ("odd.csv", "b\n1\n"),
        ("empty.csv", ""),
        ("words.csv", "a\n1\nx\n"),
    ] {
        std::fs::write(pipelines.files.path().join(name), text).expect("written");
    }
    let marked = json!({"type": "postgres", "table": "t", "marker_table": "no_markers"});
    for (source, destination, code, sentence) in [
        (
            &one,
            into("absent"),
            "not_found",
            "there is no table `absent`",
        ),
        (&one, into("v"), "not_loadable", "it is a view"),
        (
            &one,
            into("pg_catalog.pg_class"),
            "42501",
            "belongs to PostgreSQL",
        ),
        (&one, into("portcullis.pipelines"), "42501", "this server"),
        (&one, into("by_default"), "42501", "`public.own()`"),
        (&one, into("by_check"), "42501", "`public.own()`"),
        (&one, into("by_domain"), "42501", "`public.own()`"),
        (&one, into("by_trigger"), "42501", "`public.fire()`"),
        (&one, into("parent"), "42501", "`public.fire()`"),
        (&one, into("by_rule"), "not_loadable", "rules"),
        (
            &one,
            marked,
            "no_markers",
            "CREATE TABLE no_markers (key text PRIMARY KEY",
        ),
        (&from("SELECT 1 AS b"), into("t"), "42703", "column \"b\""),
        (&from("SELECT 'x' AS a"), into("t"), "22P02", "integer"),
        (
            &from("SELECT 1 AS a, 2 AS a"),
            into("t"),
            "invalid_arguments",
            "named `a`",
        ),
        (
            &file("absent.ndjson"),
            into("t"),
            "not_found",
            "cannot be read",
        ),
        (&file("link"), into("t"), "invalid_arguments", "leads out"),
        (
            &file("odd.ndjson"),
            into("t"),
            "invalid_arguments",
            "row 2 of the file has `b`",
        ),
        (
            &file("pipe"),
            into("t"),
            "invalid_arguments",
            "no plain file",
        ),
        (
            &csv("ends.csv"),
            into("t"),
            "invalid_arguments",
            "line 3 of the file",
        ),
        (
            &csv("leads.csv"),
            into("t"),
            "invalid_arguments",
            "no header",
        ),
        (
            &csv("returns.csv"),
            into("t"),
            "invalid_arguments",
            "a carriage return alone",
        ),
        (&csv("odd.csv"), into("t"), "42703", "column \"b\""),
        (
            &csv("empty.csv"),
            into("t"),
            "invalid_arguments",
            "no header",
        ),
        (&csv("words.csv"), into("t"), "22P02", "integer"),
        (
            &one,
            json!({"type": "postgres", "table": "t", "mode": "upsert", "keys": ["a"]}),
            "42P10",
            "no unique index of public.t",
        ),
        (&one, changes("UPDATE t SET a = b"), "42703", "column \"b\""),
        (
            &one,
            json!({"type": "postgres", "table": "t",
                "statements": [{"sql": "UPDATE t SET a = 2", "max_affected_rows": 0}]}),
            "too_many_rows",
            "",
        ),
        (&one, file("absent/a.csv"), "not_found", "cannot be written"),
    ] {
        let seen = pipelines
            .finish(stage(source, &destination), json!({}))
            .await;
        assert_eq!(seen["status"], "failed", "{source} {destination}: {seen}");
        let error = &seen["stages"][0]["error"];
        let message = error["message"].as_str().unwrap_or_default();
        assert!(
            error["code"] == code && message.contains(sentence),
            "{source} {destination}: {error}"
        );
    }
    pipelines
        .database
        .wait_for_count("SELECT count(*) FROM t", 0)
        .await;
}
