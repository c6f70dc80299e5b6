//! Calls composed from the catalogue: every function that may do more than read, by every notation.

use serde_json::json;
use sqlx::Row as _;

use crate::database::{Database, run};
use crate::server::Server;

/// Functions that PostgreSQL marks VOLATILE and that run all the same: their result changes, and
/// nothing else. The server has the same list (`judge/harmless.rs`), written once more here on
/// purpose: a name that slips into that one is refused by this test, until it is argued here too.
const HARMLESS: &[&str] = &[
    "clock_timestamp",
    "currval",
    "gen_random_uuid",
    "lastval",
    "pg_blocking_pids",
    "pg_current_wal_lsn",
    "pg_database_size",
    "pg_get_wal_replay_pause_state",
    "pg_indexes_size",
    "pg_is_in_recovery",
    "pg_is_wal_replay_paused",
    "pg_jit_available",
    "pg_last_wal_receive_lsn",
    "pg_last_wal_replay_lsn",
    "pg_last_xact_replay_timestamp",
    "pg_lock_status",
    "pg_partition_ancestors",
    "pg_partition_tree",
    "pg_relation_size",
    "pg_sequence_last_value",
    "pg_sleep",
    "pg_sleep_for",
    "pg_sleep_until",
    "pg_table_size",
    "pg_tablespace_size",
    "pg_total_relation_size",
    "random",
    "random_normal",
    "setseed",
    "timeofday",
    "uuidv4",
    "uuidv7",
];

/// The functions that are VOLATILE, and those that are not and yet run SQL, call what an argument
/// names, show others' texts or take a transaction number.
const SUSPECTS: &str = "
SELECT p.oid::int8, p.proname::text,
       pg_catalog.array_to_string(ARRAY(
           SELECT CASE WHEN t.typtype = 'p' AND t.typname LIKE 'any%' THEN 'text' ELSE
           format_type(t.oid, NULL) END
           FROM unnest(p.proargtypes) WITH ORDINALITY AS a (type, place) JOIN pg_type t
           ON t.oid = a.type
           ORDER BY a.place
       ), '|') AS types
FROM pg_proc p
WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.prokind = 'f'
  AND NOT ('internal'::regtype = ANY (p.proargtypes::oid[]))
  AND p.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype,
                           'language_handler'::regtype, 'internal'::regtype)
  AND (p.provolatile = 'v' OR p.proname ~ ('to_xml|^ts_stat|^pg_prepared_statement|activity$'
      || '|^pg_cursor$|^(domain|array|record|range|multirange)_in$|xact_id$|^txid_current$'
      || '|satisfies_hash|validator$|input_is_valid|input_error_info'))
ORDER BY p.oid";

/// Hides a call in a view, a body, a domain's check, an operator and a default.
fn disguises(number: usize, name: &str, arguments: &str, types: &[&str]) -> String {
    let call = format!("pg_catalog.{name}({arguments})");
    let mut statements = vec![
        format!("CREATE VIEW hidden.v{number} AS SELECT count(*) FROM {call} AS x"),
        format!(
            "CREATE FUNCTION hidden.b{number}() RETURNS bigint LANGUAGE sql STABLE \
             BEGIN ATOMIC SELECT count(*) FROM {call} AS x; END"
        ),
        format!("CREATE DOMAIN hidden.d{number} AS text CHECK (({call}) IS NULL)"),
        format!(
            "CREATE FUNCTION hidden.a{number}(b bool DEFAULT (({call}) IS NULL)) RETURNS int \
             LANGUAGE sql IMMUTABLE AS $$ SELECT 1 $$"
        ),
    ];
    if let [only] = types {
        statements.push(format!(
            "CREATE SCHEMA o{number}; CREATE OPERATOR o{number}.@@@ (RIGHTARG = {only}, \
             FUNCTION = pg_catalog.{name})"
        ));
    }
    let attempts: Vec<String> = statements
        .iter()
        .map(|sql| format!("BEGIN EXECUTE $ddl${sql}$ddl$; EXCEPTION WHEN OTHERS THEN NULL; END;"))
        .collect();
    format!("DO $do$ BEGIN {} END $do$", attempts.concat())
}

/// The texts that call one function.
fn calls(number: usize, name: &str, arguments: &str, types: &[&str]) -> Vec<String> {
    let mut texts = vec![
        format!("SELECT {name}({arguments})"),
        format!("SELECT count(*) FROM {name}({arguments}) AS x"),
        format!("SELECT 1 WHERE EXISTS (SELECT FROM \"{name}\" ({arguments}))"),
        format!("SELECT * FROM hidden.v{number}"),
        format!("SELECT hidden.b{number}()"),
        format!("SELECT (now()::text)::hidden.d{number}"),
        format!("SELECT hidden.a{number}()"),
    ];
    if let [only] = types {
        texts.push(format!("SELECT (NULL::{only}).{name}"));
        texts.push(format!(
            "SELECT (x.y).\"{name}\" FROM (SELECT NULL::{only} AS y) AS x"
        ));
        texts.push(format!("SELECT OPERATOR(o{number}.@@@) NULL::{only}"));
    }
    texts
}

#[tokio::test]
async fn it_runs_no_function_that_may_do_more_than_read_by_whatever_notation() {
    let database = Database::with("CREATE SCHEMA hidden").await;
    let mut connection = database.connection().await;
    let suspects = sqlx::query(SUSPECTS)
        .fetch_all(&mut connection)
        .await
        .expect("the catalogue is read");
    assert!(suspects.len() > 150, "{} functions", suspects.len());
    let flags = [
        "--postgres-role=postgres",
        "--postgres-statement-timeout-ms=5000",
    ];
    let server = Server::on(&database, &flags).await;
    let client = server.client();
    let (mut let_through, mut judged) = (Vec::new(), 0);
    for (number, suspect) in suspects.iter().enumerate() {
        let name: String = suspect.get(1);
        let types: String = suspect.get(2);
        let types: Vec<&str> = types.split('|').filter(|text| !text.is_empty()).collect();
        let arguments: Vec<String> = types.iter().map(|text| format!("NULL::{text}")).collect();
        let arguments = arguments.join(", ");
        run(
            &mut connection,
            &disguises(number, &name, &arguments, &types),
        )
        .await;
        if HARMLESS.contains(&name.as_str()) {
            continue;
        }
        for text in calls(number, &name, &arguments, &types) {
            let answer = client.query(&text, json!([])).await;
            let error = &answer.result()["structuredContent"]["error"];
            let code = error["code"].as_str().unwrap_or_default();
            let message = error["message"].as_str().unwrap_or_default();
            let is_judged = code == "42501"
                && (message.contains("the query calls") || message.contains("the query reads"));
            // What PostgreSQL cannot even analyse calls nothing.
            let is_no_query = code.starts_with("42") && code != "42501" || code == "0A000";
            judged += usize::from(is_judged);
            if !is_judged && !is_no_query {
                let_through.push(format!("{text}: {code} {message}"));
            }
        }
    }
    assert!(let_through.is_empty(), "{let_through:#?}");
    assert!(
        judged > 5 * (suspects.len() - HARMLESS.len()),
        "{judged} judged"
    );
}
