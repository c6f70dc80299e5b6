//! `execute_query` cannot write, whatever SQL it is given, even connected as a superuser: every
//! attack is tried on a real PostgreSQL, and afterwards everything that could have changed is
//! compared with what it was.
//!
//! Invariant 6 of `docs/architecture.md`.

use serde_json::json;
use sqlx::Row as _;

use crate::attacks::{ATTACK_ON_A_POLICY, ATTACKS, VICTIM};
use crate::database::{Database, PASSWORD, run};
use crate::server::Server;

/// Everything that an attack might have changed.
pub async fn snapshot(database: &Database) -> Vec<String> {
    let mut connection = database.connection().await;
    let mut lines = Vec::new();
    for sql in [
        "SELECT format('%s %s %s %s', oid, relname, relnamespace, relkind) FROM pg_class \
         WHERE relpersistence <> 't' ORDER BY oid",
        "SELECT format('%s %s %s', oid, proname, prosrc) FROM pg_proc WHERE oid >= 16384 \
         ORDER BY oid",
        "SELECT format('%s %s', rolname, rolpassword) FROM pg_authid \
         WHERE rolname NOT IN ('narrow', 'ordinary', 'silent') AND rolname NOT LIKE 'teller%' \
         ORDER BY 1",
        "SELECT format('%s', oid) FROM pg_largeobject_metadata ORDER BY 1",
        "SELECT format('%s %s', loid, encode(data, 'hex')) FROM pg_largeobject \
         ORDER BY loid, pageno",
        "SELECT format('%s %s', name, setting) FROM pg_settings \
         WHERE source NOT IN ('session', 'client') ORDER BY name",
        "SELECT format('%s %s', s.last_value, s.is_called) FROM s",
        "SELECT format('%s %s', id, secret) FROM t ORDER BY id",
        "SELECT format('%s', slot_name) FROM pg_replication_slots ORDER BY 1",
        "SELECT format('%s', roname) FROM pg_replication_origin ORDER BY 1",
        "SELECT format('%s %s', classid, objid) FROM pg_locks WHERE locktype = 'advisory' \
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
    ] {
        let rows = sqlx::query(sql)
            .fetch_all(&mut connection)
            .await
            .expect("the snapshot's query runs");
        lines.push(sql.to_owned());
        lines.extend(rows.iter().map(|row| row.get::<String, _>(0)));
    }
    lines.extend(files());
    lines
}

/// The files that an attack on the file system would make or change: those of this machine's
/// temporary folder that attacks name, and all of PostgreSQL's own but the ones that it writes
/// itself while it works.
pub fn files() -> Vec<String> {
    let cluster = local_postgres::TestCluster::of_this_run(PASSWORD).folder();
    let mut lines = Vec::new();
    let mut folders = vec![cluster];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            let name = name.to_string_lossy().into_owned();
            let is_written_at_work = ["base", "global", "postmaster.pid", "unfinished"]
                .contains(&name.as_str())
                || name.starts_with("pg_") && !name.ends_with(".conf") && name != "pg_tblspc";
            if path.is_dir() && !is_written_at_work {
                folders.push(path);
            } else if !path.is_dir() && !is_written_at_work && !name.ends_with(".log") {
                let bytes = entry.metadata().map_or(0, |metadata| metadata.len());
                lines.push(format!("{} {bytes}", path.display()));
            }
        }
    }
    let temporary = std::fs::read_dir("/tmp").into_iter().flatten().flatten();
    let named = temporary.map(|entry| entry.file_name().to_string_lossy().into_owned());
    lines.extend(named.filter(|name| name.starts_with("portcullis-attack")));
    lines.sort();
    assert!(
        lines.iter().any(|line| line.contains("postgresql.conf")),
        "{lines:?}"
    );
    lines
}

#[track_caller]
pub fn check_unchanged(before: &[String], after: &[String]) {
    let gone: Vec<_> = before.iter().filter(|line| !after.contains(line)).collect();
    let come: Vec<_> = after.iter().filter(|line| !before.contains(line)).collect();
    assert!(
        gone.is_empty() && come.is_empty(),
        "gone: {gone:#?}, come: {come:#?}"
    );
}

/// Sends every attack; each is refused or fails, and changes nothing.
async fn check_attacks(database: &Database, server: Server, attacks: &[&'static str]) {
    check_attacks_on("execute_query", database, server, attacks).await;
}

/// The same by another tool that takes SQL.
async fn check_attacks_on(
    tool: &str,
    database: &Database,
    server: Server,
    attacks: &[&'static str],
) {
    let client = server.client();
    let before = snapshot(database).await;
    let mut let_through = Vec::new();
    for attack in attacks {
        let answer = client.call(tool, json!({"sql": attack})).await;
        let result = answer.result();
        if result["isError"] == json!(false) {
            let_through.push(*attack);
        }
        let text = answer.body.to_string();
        assert!(
            !text.contains("root:x:0:0") && !text.contains("SCRAM-SHA-256$"),
            "{attack}: {text}"
        );
    }
    check_unchanged(&before, &snapshot(database).await);
    assert!(!std::path::Path::new("/tmp/portcullis-attack").exists());
    assert!(let_through.is_empty(), "{let_through:#?}");
    drop(server);
    assert_eq!(database.calls_of_functions().await, Vec::<String>::new());
}

#[tokio::test]
async fn it_lets_no_attack_through_as_a_superuser() {
    let database = Database::with(VICTIM).await;
    let flags = [
        "--postgres-statement-timeout-ms=500",
        "--postgres-role=postgres",
    ];
    let server = Server::on(&database, &flags).await;
    check_attacks(&database, server, ATTACKS).await;
}

#[tokio::test]
async fn it_lets_no_attack_through_as_pg_read_all_data() {
    let database = Database::with(VICTIM).await;
    let flags = ["--postgres-statement-timeout-ms=500"];
    let server = Server::on(&database, &flags).await;
    let attacks = [ATTACKS, &[ATTACK_ON_A_POLICY]].concat();
    check_attacks(&database, server, &attacks).await;
}

#[tokio::test]
async fn it_lets_no_attack_through_as_an_ordinary_role() {
    let database = Database::with(VICTIM).await;
    let user = database.ordinary_user().await;
    let flags = ["--postgres-statement-timeout-ms=500"];
    let server = Server::as_user(&database, user, &flags).await;
    let attacks = [ATTACKS, &[ATTACK_ON_A_POLICY]].concat();
    check_attacks(&database, server, &attacks).await;
}

/// Those that are harmless while nobody runs them.
const ATTACKS_ON_TIME: &[&str] = &["SELECT pg_sleep", "generate_series(1, 1000", "RECURSIVE r"];

#[tokio::test]
async fn it_plans_no_attack_either() {
    let database = Database::with(VICTIM).await;
    let user = database.ordinary_user().await;
    let is_planned = |attack: &&&str| !ATTACKS_ON_TIME.iter().any(|part| attack.contains(part));
    let attacks: Vec<&str> = ATTACKS.iter().filter(is_planned).copied().collect();
    for server in [
        Server::on(&database, &["--postgres-role=postgres"]).await,
        Server::as_user(&database, user, &[]).await,
    ] {
        check_attacks_on("explain_query", &database, server, &attacks).await;
    }
}

/// The planner would run it to simplify the constraint, if constraints could exclude a table.
#[tokio::test]
async fn it_reads_a_table_without_running_what_its_check_calls() {
    let database = Database::with(VICTIM).await;
    let server = Server::on(&database, &[]).await;
    let client = server.client();
    for query in [
        "SELECT * FROM above_constrained WHERE a < 1",
        "SELECT * FROM constrained WHERE a < 1",
    ] {
        let answer = client.query(query, json!([])).await;
        assert_eq!(answer.result()["isError"], json!(false), "{query}");
    }
    drop(server);
    assert_eq!(database.calls_of_functions().await, Vec::<String>::new());
}

/// Behind the judgement stand the transaction and the role: they hold alone, too.
#[tokio::test]
async fn it_cannot_write_in_its_transaction_even_unjudged() {
    use clap::Parser as _;
    let database = Database::with(VICTIM).await;
    let config = config::Config::parse_from([
        "mcp-server",
        "--postgres-port",
        &database.port.to_string(),
        "--postgres-user=postgres",
        "--postgres-allow-superuser=postgres",
        "--postgres-password",
        PASSWORD,
        "--postgres-db",
        &database.name,
    ]);
    let postgres =
        postgres::Database::new("default", &config.postgres).expect("the settings are right");
    let before = snapshot(&database).await;
    for attack in [
        "INSERT INTO t VALUES (100, 'x')",
        "DELETE FROM t",
        "SELECT write_it()",
        "SELECT nextval('s')",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT lo_import('/etc/passwd')",
        "SELECT set_config('transaction_read_only', 'off', true)",
        "COPY t TO PROGRAM 'touch /tmp/portcullis-attack'",
        "ALTER SYSTEM SET work_mem = '1GB'",
    ] {
        let mut transaction = postgres.read().await.expect("it begins");
        assert!(transaction.rows(attack, &[]).await.is_err(), "{attack}");
        transaction.end().await;
    }
    check_unchanged(&before, &snapshot(&database).await);
}

#[tokio::test]
async fn it_refuses_a_superuser_whom_the_operator_has_not_named() {
    let database = Database::with("").await;
    for flags in [&[][..], &["--postgres-allow-superuser=somebody"]] {
        let server = Server::on_unasked(&database, flags).await;
        let answer = server.client().query("SELECT 1", json!([])).await;
        let (code, message) = answer.failure();
        assert_eq!(code, "42501");
        assert!(message.contains("`postgres` is a superuser"), "{message}");
    }
}

#[tokio::test]
async fn it_runs_queries_as_the_configured_role() {
    let database = Database::with(
        "DO $$ BEGIN CREATE ROLE narrow; EXCEPTION WHEN duplicate_object THEN NULL; END $$; \
         CREATE TABLE hidden (a int); CREATE TABLE shown (a int); GRANT SELECT ON shown TO narrow",
    )
    .await;
    let who = "SELECT current_user, current_setting('is_superuser'), \
               current_setting('transaction_read_only')";

    let by_default = Server::on(&database, &[]).await;
    let answer = by_default.client().query(who, json!([])).await;
    assert_eq!(
        answer.structured()["rows"],
        json!([["pg_read_all_data", "off", "on"]])
    );

    let narrow = Server::on(&database, &["--postgres-role=narrow"]).await;
    let client = narrow.client();
    assert_eq!(
        client.query(who, json!([])).await.structured()["rows"],
        json!([["narrow", "off", "on"]])
    );
    client
        .query("SELECT * FROM shown", json!([]))
        .await
        .structured();
    assert_eq!(
        client
            .query("SELECT * FROM hidden", json!([]))
            .await
            .failure()
            .0,
        "42501"
    );
}

#[tokio::test]
async fn it_runs_a_volatile_function_only_when_the_operator_names_its_signature() {
    let database =
        Database::with("CREATE FUNCTION dice() RETURNS int LANGUAGE sql AS 'SELECT 4'").await;
    let strict = Server::on(&database, &[]).await;
    let answer = strict.client().query("SELECT dice()", json!([])).await;
    let (code, message) = answer.failure();
    assert_eq!(code, "42501");
    assert!(
        message.contains("`public.dice()`, which is marked VOLATILE"),
        "{message}"
    );
    let told = Server::on(&database, &["--postgres-allowed-functions=public.dice()"]).await;
    assert_eq!(
        told.client()
            .query("SELECT dice()", json!([]))
            .await
            .structured()["rows"],
        json!([[4]])
    );
    run(
        &mut database.connection().await,
        "ALTER FUNCTION dice() STABLE",
    )
    .await;
    assert_eq!(
        strict
            .client()
            .query("SELECT dice()", json!([]))
            .await
            .structured()["rows"],
        json!([[4]])
    );
}
