//! `execute_query` cannot write, whatever SQL it is given, even connected as a superuser: every attack is tried on a real PostgreSQL, and
//! afterwards everything that could have changed is compared with what it was.

use serde_json::json;
use sqlx::Row as _;

use crate::database::{Database, run};
use crate::server::Server;

const VICTIM: &str = r#"
CREATE EXTENSION IF NOT EXISTS plpgsql;
CREATE TABLE t (id int PRIMARY KEY, secret text);
INSERT INTO t SELECT n, 'row ' || n FROM generate_series(1, 20) n;
CREATE SEQUENCE s;
SELECT nextval('s');
CREATE FUNCTION write_it() RETURNS int LANGUAGE sql AS $$ INSERT INTO t VALUES (666, 'written') RETURNING id $$;
CREATE FUNCTION write_stable() RETURNS int LANGUAGE plpgsql STABLE AS $$ BEGIN EXECUTE 'INSERT INTO t VALUES (667, ''x'')'; RETURN 1; END $$;
CREATE FUNCTION run_it(text) RETURNS text LANGUAGE plpgsql AS $$ DECLARE r text; BEGIN EXECUTE $1 INTO r; RETURN r; END $$;
CREATE FUNCTION run_stable(text) RETURNS text LANGUAGE plpgsql STABLE AS $$ DECLARE r text; BEGIN EXECUTE $1 INTO r; RETURN r; END $$;
CREATE SCHEMA other;
CREATE FUNCTION other.count(t) RETURNS int LANGUAGE plpgsql AS $$ BEGIN DELETE FROM t; RETURN 1; END $$;
CREATE PROCEDURE do_it() LANGUAGE sql AS $$ DELETE FROM t $$;
CREATE VIEW v AS SELECT * FROM t;
SELECT lo_create(4711);
"#;

/// Each is refused, or fails in PostgreSQL.
const ATTACKS: &[&str] = &[
    // More than one statement, and statements that are no query
    "COMMIT; CREATE TABLE escaped (a int)",
    "SELECT 1; DELETE FROM t",
    "SELECT 1; COMMIT; DELETE FROM t",
    "; DELETE FROM t",
    "INSERT INTO t VALUES (100, 'x')",
    "UPDATE t SET secret = 'x'",
    "DELETE FROM t",
    "TRUNCATE t",
    "MERGE INTO t USING (VALUES (1)) x (id) ON t.id = x.id WHEN MATCHED THEN DELETE",
    "DROP TABLE t",
    "CREATE TABLE escaped AS SELECT 1",
    "ALTER SYSTEM SET work_mem = '1GB'",
    "ALTER ROLE postgres PASSWORD 'x'",
    "GRANT ALL ON t TO PUBLIC",
    "VACUUM t",
    "LOCK TABLE t",
    "COMMIT",
    "ROLLBACK",
    "END",
    "ABORT",
    "SAVEPOINT a",
    "SET ROLE postgres",
    "SET SESSION AUTHORIZATION postgres",
    "RESET ROLE",
    "RESET ALL",
    "SET transaction_read_only = off",
    "BEGIN READ WRITE",
    "DISCARD ALL",
    "DO $$ BEGIN DELETE FROM t; END $$",
    "CALL do_it()",
    "EXECUTE x",
    "PREPARE x AS DELETE FROM t",
    "DECLARE c CURSOR FOR SELECT 1",
    "FETCH ALL FROM portcullis",
    "LISTEN x",
    "NOTIFY x",
    "LOAD '/tmp/x.so'",
    "EXPLAIN ANALYZE DELETE FROM t",
    "EXPLAIN (ANALYZE) SELECT write_it()",
    "COPY t TO PROGRAM 'touch /tmp/portcullis-attack'",
    "COPY t TO '/tmp/portcullis-attack'",
    "COPY t FROM '/etc/passwd'",
    "COPY (SELECT 1) TO PROGRAM 'touch /tmp/portcullis-attack'",
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    // Queries that write
    "WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d",
    "WITH i AS (INSERT INTO t VALUES (101, 'x') RETURNING *) SELECT * FROM i",
    "WITH u AS (UPDATE t SET secret = 'x' RETURNING *) SELECT * FROM u",
    "WITH a AS (SELECT 1), d AS (DELETE FROM t) SELECT * FROM a",
    "WITH a AS (WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d) SELECT * FROM a",
    "SELECT * FROM (WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d) x",
    "WITH x AS (SELECT 1) DELETE FROM t",
    "WITH x AS (SELECT 1) INSERT INTO t SELECT 102, 'x'",
    "SELECT * INTO escaped FROM t",
    "SELECT * INTO TEMP escaped FROM t",
    "SELECT 1 AS a INTO UNLOGGED escaped",
    "SELECT * FROM t FOR UPDATE",
    "SELECT * FROM t FOR NO KEY UPDATE",
    "SELECT * FROM t FOR SHARE SKIP LOCKED",
    "SELECT * FROM (SELECT * FROM t FOR UPDATE) x",
    // Functions that write, or run what they are given
    "SELECT write_it()",
    "SELECT write_stable()",
    "SELECT public.write_it()",
    "SELECT * FROM write_it()",
    "SELECT (SELECT write_it())",
    "SELECT 1 WHERE write_it() = 1",
    "SELECT 1 ORDER BY write_it()",
    "SELECT CASE WHEN true THEN write_it() END",
    "SELECT * FROM t, LATERAL write_it() w",
    "SELECT * FROM ROWS FROM (write_it()) x",
    "SELECT run_it('DELETE FROM t')",
    "SELECT run_it('RESET ROLE')",
    "SELECT run_stable('DELETE FROM t')",
    "SELECT run_stable('SELECT lo_import(''/etc/passwd'')')",
    "SELECT run_stable('SELECT set_config(''role'', ''postgres'', true)') || run_stable('COPY t TO PROGRAM ''touch /tmp/portcullis-attack''')",
    "SELECT run_stable('RESET ROLE'), run_stable('SELECT lo_create(4712)::text')",
    "SELECT run_stable('SELECT set_config(''role'', ''postgres'', true)'), run_stable('SELECT lo_export(4711, ''/tmp/portcullis-attack'')')",
    "SELECT run_stable('SELECT set_config(''role'', ''none'', true)'), run_stable('SELECT pg_read_file(''/etc/passwd'')')",
    "SELECT other.count(t) FROM t",
    // Sequences
    "SELECT nextval('s')",
    "SELECT NEXTVAL('s')",
    "SELECT \"nextval\"('s')",
    "SELECT pg_catalog.nextval('s')",
    "SELECT pg_catalog . \"nextval\" /* x */ ('s')",
    "SELECT nextval -- (\n('s')",
    "SELECT setval('s', 100)",
    "SELECT setval('s'::regclass, 100, true)",
    // Files and programs
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT pg_read_binary_file('/etc/passwd')",
    "SELECT PG_READ_FILE('/etc/passwd')",
    "SELECT * FROM pg_read_file('/etc/passwd')",
    "SELECT pg_ls_dir('/')",
    "SELECT * FROM pg_ls_logdir()",
    "SELECT pg_stat_file('/etc/passwd')",
    "SELECT U&\"pg\\005fread_file\"('/etc/passwd')",
    "SELECT U&\"pg!005fread_file\" UESCAPE '!' ('/etc/passwd')",
    "SELECT /* ' */ pg_read_file('/etc/passwd') /* ' */",
    "SELECT '/*', pg_read_file('/etc/passwd'), '*/'",
    "SELECT $a$ ' $a$, pg_read_file('/etc/passwd')",
    "SELECT E'\\'', pg_read_file('/etc/passwd'), '\\'",
    "SELECT pg_catalog.pg_file_write('/tmp/portcullis-attack', 'x', false)",
    // Large objects
    "SELECT lo_import('/etc/passwd')",
    "SELECT lo_import('/etc/passwd', 4713)",
    "SELECT lo_export(4711, '/tmp/portcullis-attack')",
    "SELECT lo_create(4714)",
    "SELECT lo_creat(-1)",
    "SELECT lo_unlink(4711)",
    "SELECT lo_put(4711, 0, 'x')",
    "SELECT lo_from_bytea(4715, 'x')",
    "SELECT lo_open(4711, 131072)",
    "SELECT * FROM pg_largeobject",
    // The session and its limits
    "SELECT set_config('transaction_read_only', 'off', true)",
    "SELECT set_config('transaction_read_only', 'off', false)",
    "SELECT set_config('role', 'postgres', true)",
    "SELECT set_config('role', 'none', false)",
    "SELECT set_config('session_authorization', 'postgres', false)",
    "SELECT set_config('statement_timeout', '0', true), pg_sleep(40)",
    "SELECT set_config('log_statement', 'all', false)",
    "SELECT pg_sleep(40)",
    "SELECT count(*) FROM generate_series(1, 1000000000000) n",
    "WITH RECURSIVE r AS (SELECT 1 UNION ALL SELECT 1 FROM r) SELECT count(*) FROM r",
    "SELECT pg_reload_conf()",
    "SELECT pg_rotate_logfile()",
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity",
    "SELECT pg_cancel_backend(pid) FROM pg_stat_activity",
    "SELECT pg_advisory_lock(1)",
    "SELECT pg_try_advisory_lock(1)",
    "SELECT pg_advisory_xact_lock(1)",
    "SELECT pg_notify('x', 'y')",
    "SELECT pg_export_snapshot()",
    "SELECT pg_switch_wal()",
    "SELECT pg_create_restore_point('x')",
    "SELECT pg_create_physical_replication_slot('x')",
    "SELECT pg_create_logical_replication_slot('x', 'test_decoding')",
    "SELECT pg_logical_emit_message(false, 'x', 'y')",
    "SELECT pg_replication_origin_create('x')",
    "SELECT pg_stat_reset()",
    "SELECT pg_promote()",
    "SELECT txid_current()",
    // SQL in strings
    "SELECT query_to_xml('DELETE FROM t', true, true, '')",
    "SELECT query_to_xml('SELECT pg_read_file(''/etc/passwd'')', true, true, '')",
    "SELECT database_to_xml(true, true, '')",
    "SELECT table_to_xml('pg_authid', true, true, '')",
    "SELECT ts_stat('SELECT write_it()::text::tsvector')",
    "SELECT cursor_to_xml('portcullis', 1, true, true, '')",
    "SELECT dblink('host=127.0.0.1', 'DELETE FROM t')",
    "SELECT * FROM dblink_exec('host=127.0.0.1', 'DELETE FROM t')",
    "SELECT * FROM crosstab('DELETE FROM t') AS x (a int)",
    // Passwords
    "SELECT rolpassword FROM pg_authid",
    "SELECT passwd FROM pg_shadow",
    "SELECT * FROM pg_catalog . \"pg_authid\"",
    "TABLE pg_authid",
    "SELECT a.rolpassword FROM pg_authid a",
    "SELECT umoptions FROM pg_user_mappings",
    "SELECT * FROM pg_hba_file_rules",
    // What the checks and PostgreSQL might read in two ways
    "SELECT 1) UNION (SELECT write_it()",
    "SELECT 1 --\n; DELETE FROM t",
    "SELECT 1 /* /* */ ; DELETE FROM t -- */ */",
    "SELECT 'a' /* \\*/ */ '; DELETE FROM t'",
    "SELECT 1\u{a0}; DELETE FROM t",
    "SELECT 1 \u{2028}; DELETE FROM t",
    "SELECT $$a$$; DELETE FROM t; $$b$$",
    "SELECT \"a\"\"; DELETE FROM t; --\"",
    "SELECT '\\'; DELETE FROM t; --'",
    "SELECT 1 \\; DELETE FROM t",
    "\\! touch /tmp/portcullis-attack",
    "SELECT 1\u{0}; DELETE FROM t",
    "",
    "   -- nothing",
];

/// Everything that an attack might have changed.
async fn snapshot(database: &Database) -> Vec<String> {
    let mut connection = database.connection().await;
    let mut lines = Vec::new();
    for sql in [
        "SELECT format('%s %s %s %s', oid, relname, relnamespace, relkind) FROM pg_class WHERE relpersistence <> 't' ORDER BY oid",
        "SELECT format('%s %s %s', oid, proname, prosrc) FROM pg_proc WHERE oid >= 16384 ORDER BY oid",
        "SELECT format('%s %s', rolname, rolpassword) FROM pg_authid WHERE rolname <> 'narrow' ORDER BY 1",
        "SELECT format('%s', oid) FROM pg_largeobject_metadata ORDER BY 1",
        "SELECT format('%s %s', loid, encode(data, 'hex')) FROM pg_largeobject ORDER BY loid, pageno",
        "SELECT format('%s %s', name, setting) FROM pg_settings WHERE source NOT IN ('session', 'client') ORDER BY name",
        "SELECT format('%s %s', s.last_value, s.is_called) FROM s",
        "SELECT format('%s %s', id, secret) FROM t ORDER BY id",
        "SELECT format('%s', slot_name) FROM pg_replication_slots ORDER BY 1",
        "SELECT format('%s', roname) FROM pg_replication_origin ORDER BY 1",
        "SELECT format('%s %s', classid, objid) FROM pg_locks WHERE locktype = 'advisory'",
    ] {
        let rows = sqlx::query(sql)
            .fetch_all(&mut connection)
            .await
            .expect("the snapshot's query runs");
        lines.push(sql.to_owned());
        lines.extend(rows.iter().map(|row| row.get::<String, _>(0)));
    }
    lines
}

#[track_caller]
fn check_unchanged(before: &[String], after: &[String]) {
    let gone: Vec<_> = before.iter().filter(|line| !after.contains(line)).collect();
    let come: Vec<_> = after.iter().filter(|line| !before.contains(line)).collect();
    assert!(
        gone.is_empty() && come.is_empty(),
        "gone: {gone:#?}, come: {come:#?}"
    );
}

#[tokio::test]
async fn no_attack_changes_anything_even_as_a_superuser() {
    let database = Database::with(VICTIM).await;
    let server = Server::on(&database, &["--postgres-statement-timeout-ms=500"]).await;
    let client = server.client();
    let before = snapshot(&database).await;
    let mut let_through = Vec::new();
    for attack in ATTACKS {
        let answer = client.query(attack, json!([])).await;
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
    check_unchanged(&before, &snapshot(&database).await);
    assert!(!std::path::Path::new("/tmp/portcullis-attack").exists());
    assert!(let_through.is_empty(), "{let_through:#?}");
}

/// Behind the checks of the text stand the transaction and the role: they hold alone, too.
#[tokio::test]
async fn the_transaction_and_the_role_hold_without_the_checks() {
    use clap::Parser as _;
    let database = Database::with(VICTIM).await;
    let config = mcp_server::config::Config::parse_from([
        "mcp-server",
        "--postgres-port",
        &database.port.to_string(),
        "--postgres-user=postgres",
        "--postgres-password",
        crate::database::PASSWORD,
        "--postgres-db",
        &database.name,
    ]);
    let postgres =
        mcp_server::postgres::Postgres::new(&config.postgres).expect("the settings are right");
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
        let done = sqlx::raw_sql(attack)
            .execute(transaction.connection())
            .await;
        assert!(done.is_err(), "{attack}");
        transaction.end().await;
    }
    check_unchanged(&before, &snapshot(&database).await);
}

#[tokio::test]
async fn queries_run_as_the_configured_role() {
    let database = Database::with("DO $$ BEGIN CREATE ROLE narrow; EXCEPTION WHEN duplicate_object THEN NULL; END $$; CREATE TABLE hidden (a int); CREATE TABLE shown (a int); GRANT SELECT ON shown TO narrow").await;
    let who = "SELECT current_user, current_setting('is_superuser'), current_setting('transaction_read_only')";

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
async fn a_volatile_function_runs_only_when_the_operator_names_it() {
    let database =
        Database::with("CREATE FUNCTION dice() RETURNS int LANGUAGE sql AS 'SELECT 4'").await;
    let strict = Server::on(&database, &[]).await;
    let answer = strict.client().query("SELECT dice()", json!([])).await;
    let (code, message) = answer.failure();
    assert_eq!(code, "42501");
    assert!(
        message.contains("`public.dice`, which is marked VOLATILE"),
        "{message}"
    );
    let told = Server::on(&database, &["--postgres-allowed-functions=dice"]).await;
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
