//! The attacks of all tools together: how many there are, and that they fail by the ways into
//! PostgreSQL that take SQL or names and are no tool for queries: steps of pipelines, previews of
//! tables, plans in prompts, and the targets of loads.

use std::slice::from_ref;

use mcp_server::pipelines::{InvalidFlow, Pipeline};
use orchestrator::{PipelineDefinition, Store};
use serde_json::{Value, json};

use crate::attacks::{ATTACKS, VICTIM};
use crate::change_attacks::{self, CHANGE_ATTACKS, UNCONDITIONAL};
use crate::changes::all_rows;
use crate::database::{Database, PASSWORD, run};
use crate::legitimate::QUERIES;
use crate::pipelines::{execute, over};
use crate::read_only::check_unchanged;
use crate::server::Server;
use crate::table_attacks;

/// The stages of one pipeline may be so many.
const STAGES: usize = 100;

#[test]
fn it_tries_as_many_attacks_and_as_many_plain_queries_as_were_asked_for() {
    let attacks = ATTACKS.len() + CHANGE_ATTACKS.len() + UNCONDITIONAL.len();
    let attacks = attacks + table_attacks::attacks().len();
    assert!(ATTACKS.len() >= 250 && attacks >= 500, "{attacks}");
    assert!(QUERIES.len() >= 80, "{}", QUERIES.len());
}

/// A database to be attacked, and a server on it with records, files and a login that writes.
struct Attacked {
    database: Database,
    server: Server,
    /// The records of pipelines, past the server.
    records: Store,
    _files: tempfile::TempDir,
}

impl Attacked {
    async fn by(user: &str) -> Self {
        let database = Database::with(VICTIM).await;
        let mut connection = database.connection().await;
        run(&mut connection, change_attacks::TABLES).await;
        run(&mut connection, table_attacks::TABLES).await;
        database.ordinary_user().await;
        // The records of pipelines are elsewhere: their schema is one of the attacked.
        let records = Database::with("").await;
        let url = format!(
            "postgres://postgres:{PASSWORD}@127.0.0.1:{}/{}",
            records.port, records.name
        );
        let pool = store_pool::open(&url, "attacker", 1).expect("an address");
        let store = format!("--store-url={url}");
        let files = tempfile::tempdir().expect("a folder");
        let folder = format!("--pipeline-files={}", files.path().display());
        let writer = format!("--postgres-write-user={user}");
        let password = format!("--postgres-write-password={PASSWORD}");
        let flags = [
            store.as_str(),
            &folder,
            &writer,
            &password,
            "--postgres-statement-timeout-ms=500",
            "--postgres-allow-superuser=postgres",
        ];
        let server = Server::as_user(&database, user, &flags).await;
        Self {
            database,
            server,
            records: Store::new(pool),
            _files: files,
        }
    }

    /// Everything that an attack might change, the files of this machine among it.
    async fn state(&self) -> Vec<String> {
        all_rows(&self.database).await
    }

    /// Has the server create a pipeline of each stage; how many it refuses.
    async fn refused_at_creation(&self, stages: &[Value]) -> usize {
        let client = self.server.client();
        let mut refused = 0;
        for stage in stages {
            let answer = client
                .call("create_etl_pipeline", pipeline(from_ref(stage)))
                .await;
            refused += usize::from(answer.result()["isError"] == json!(true));
        }
        refused
    }

    /// Runs these stages, in as many pipelines as they need; those that succeed. They are stored
    /// past the judge of the creation, as what an older server has stored, or what has become an
    /// attack since. Only what no server can store is left out.
    async fn stages_that_succeed(&self, stages: &[Value]) -> Vec<Value> {
        let client = self.server.client();
        let is_one = |stage: &&Value| definition(from_ref(*stage)).is_ok();
        let stages: Vec<Value> = stages.iter().filter(is_one).cloned().collect();
        let mut succeeded = Vec::new();
        for some in stages.chunks(STAGES) {
            let definition = definition(some).expect("each is a stage");
            let stored = self.records.create(None, &definition).await;
            stored.expect("the records take it");
            let run = execute(&client, json!({"name": "p"})).await;
            let seen = over(&client, &run).await;
            let states = seen["stages"].as_array().expect("a list").clone();
            assert_eq!(states.len(), some.len());
            let pairs = states.iter().zip(some);
            let good = pairs.filter(|(state, _)| state["status"] == "succeeded");
            succeeded.extend(good.map(|(state, stage)| json!([state, stage])));
        }
        succeeded
    }

    /// Nearly all of these stages are refused at the creation of a pipeline; of those stored past
    /// it none succeeds, and nothing is changed.
    async fn check_stages(self, stages: &[Value], before: &[String]) {
        let refused = self.refused_at_creation(stages).await;
        assert!(
            refused * 10 > stages.len() * 9,
            "{refused} of {}",
            stages.len()
        );
        let succeeded = self.stages_that_succeed(stages).await;
        assert!(succeeded.is_empty(), "{succeeded:#?}");
        self.check(before).await;
    }

    async fn check(self, before: &[String]) {
        check_unchanged(before, &self.state().await);
        drop(self.server);
        assert_eq!(
            self.database.calls_of_functions().await,
            Vec::<String>::new()
        );
    }
}

fn pipeline(stages: &[Value]) -> Value {
    json!({"name": "p", "stages": stages, "confirm": true})
}

fn definition(stages: &[Value]) -> Result<PipelineDefinition, InvalidFlow> {
    let pipeline: Pipeline = serde_json::from_value(pipeline(stages)).expect("a pipeline");
    pipeline.definition()
}

fn stage(at: usize, source: &Value, transformations: &Value, destination: &Value) -> Value {
    json!({"name": format!("s{at}"), "required": false, "source": source,
        "transformations": transformations, "destination": destination})
}

async fn check_sources(user: &str) {
    let attacked = Attacked::by(user).await;
    let before = attacked.state().await;
    let harmless = json!({"type": "postgres", "sql": "SELECT 1 AS a"});
    let file = json!({"type": "file", "path": "made.ndjson"});
    let is_text = |sql: &&&str| !sql.is_empty() && !sql.contains('\0');
    let sources = ATTACKS.iter().filter(is_text).enumerate();
    let mut stages: Vec<Value> = sources
        .map(|(at, sql)| {
            let source = json!({"type": "postgres", "sql": sql});
            stage(at, &source, &json!([]), &file)
        })
        .collect();
    // Those that end the brackets of a transformation, and some that do not.
    let tricky = ATTACKS.iter().filter(is_text).rev().take(60).enumerate();
    stages.extend(tricky.map(|(at, sql)| {
        let transformations = json!([{"name": "one", "sql": sql}]);
        stage(STAGES * 5 + at, &harmless, &transformations, &file)
    }));
    attacked.check_stages(&stages, &before).await;
}

#[tokio::test]
async fn it_lets_no_step_of_a_pipeline_read_what_queries_may_not_as_a_superuser() {
    check_sources("postgres").await;
}

#[tokio::test]
async fn it_lets_no_step_of_a_pipeline_read_what_queries_may_not_as_an_ordinary_role() {
    check_sources("ordinary").await;
}

#[tokio::test]
async fn it_lets_no_statement_of_a_pipeline_do_what_execute_dml_may_not() {
    for user in ["postgres", "ordinary"] {
        let attacked = Attacked::by(user).await;
        let before = attacked.state().await;
        let others = ATTACKS.iter().rev().take(60);
        let statements = CHANGE_ATTACKS.iter().chain(others);
        let statements = statements.filter(|sql| !sql.trim().is_empty() && !sql.contains('\0'));
        let stages = statements.enumerate().map(|(at, sql)| {
            let destination = json!({"type": "postgres", "statements": [{"sql": sql}]});
            json!({"name": format!("s{at}"), "required": false, "destination": destination})
        });
        let stages: Vec<Value> = stages.collect();
        attacked.check_stages(&stages, &before).await;
    }
}

/// The tables whose defaults, triggers, checks, indexes or types call what is not harmless, or that
/// are none to be loaded into.
const TARGETS: &[&str] = &[
    "audited",
    "audited_at_the_end",
    "computed",
    "tested",
    "indexed",
    "indexed_in_part",
    "defaulted",
    "of_domain",
    "of_composite",
    "of_operators",
    "parted",
    "parted_of",
    "ruled",
    "ruled_to_tell",
    "fired",
    "of_extension",
    "forced",
    "passwords",
    "parent",
    "v",
    "s",
    "pg_class",
    "t\" (id) VALUES (666); --",
    "t; DROP TABLE t",
];

#[tokio::test]
async fn it_loads_nothing_into_a_table_that_would_call_what_is_not_harmless() {
    for user in ["postgres", "ordinary"] {
        let attacked = Attacked::by(user).await;
        let before = attacked.state().await;
        let source = json!({"type": "postgres", "sql": "SELECT 'x' AS a"});
        let stages = TARGETS.iter().enumerate().map(|(at, table)| {
            let destination = json!({"type": "postgres", "table": table, "mode": "overwrite"});
            stage(at, &source, &json!([]), &destination)
        });
        // A superuser is above policies, and needs none of its own to write there.
        let is_let_in =
            |pair: &Value| user == "postgres" && pair.to_string().contains("\"forced\"");
        let client = attacked.server.client();
        let stages: Vec<Value> = stages.collect();
        attacked.refused_at_creation(&stages).await;
        let mut succeeded = attacked.stages_that_succeed(&stages).await;
        succeeded.retain(|pair| !is_let_in(pair));
        assert!(succeeded.is_empty(), "{user}: {succeeded:#?}");
        // Refused before Spark, which is nowhere here, would be asked.
        for table in TARGETS {
            for mode in ["append", "overwrite", "upsert"] {
                let mut load = json!({"sql": "SELECT 1 AS a", "table": table, "mode": mode,
                    "confirm": true});
                if mode == "upsert" {
                    load["keys"] = json!(["a"]);
                }
                let answer = client.call("bulk_load_from_spark", load).await;
                let (code, message) = answer.failure();
                let is_about_spark = code == "unavailable" && message.contains("Spark");
                let may = user == "postgres" && *table == "forced" && mode != "upsert";
                assert!(!is_about_spark || may, "{table} {mode}: {message}");
            }
        }
        let before: Vec<String> = before
            .into_iter()
            .filter(|line| !is_of_forced(line))
            .collect();
        let mut after = attacked.state().await;
        after.retain(|line| !is_of_forced(line));
        check_unchanged(&before, &after);
    }
}

fn is_of_forced(line: &str) -> bool {
    line.starts_with("forced ")
}

/// Relations whose first rows nobody may be shown, and the rights of a role do not tell.
const PREVIEWS: &[&str] = &[
    "beating",
    "beating_below",
    "of_statistics",
    "passwords",
    "parent",
    "indexed_where",
    "above_indexed",
    "pg_catalog.pg_authid",
    "pg_catalog.pg_shadow",
    "pg_catalog.pg_stats",
    "pg_catalog.pg_stat_activity",
    "pg_catalog.pg_prepared_statements",
    "pg_catalog.pg_hba_file_rules",
    "pg_catalog.pg_user_mapping",
    "t; DROP TABLE t",
    "t\" WHERE beat('x') = 'x'; --",
];

#[tokio::test]
async fn it_previews_nothing_and_plans_nothing_in_a_prompt_that_queries_may_not_read() {
    for user in ["postgres", "ordinary"] {
        let attacked = Attacked::by(user).await;
        let before = attacked.state().await;
        let client = attacked.server.client();
        for relation in PREVIEWS {
            let escaped: String = relation
                .bytes()
                .map(|byte| match byte {
                    b'a'..=b'z' | b'_' | b'.' => char::from(byte).to_string(),
                    byte => format!("%{byte:02X}"),
                })
                .collect();
            let uri = format!("postgres://tables/{escaped}/data");
            let answer = client.request("resources/read", json!({"uri": uri})).await;
            assert!(answer.body.get("error").is_some(), "{relation}: {answer:?}");
        }
        for sql in ATTACKS.iter().filter(|sql| !sql.contains('\0')) {
            let arguments = json!({"name": "sql_best_practices", "arguments": {"sql": sql}});
            let answer = client.request("prompts/get", arguments).await;
            let text = answer.body.to_string();
            assert!(!text.contains("root:x:0:0"), "{sql}: {text}");
        }
        attacked.check(&before).await;
    }
}
