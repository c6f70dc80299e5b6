//! The records and the workers on a real PostgreSQL.

#[path = "../../../mcp-server/tests/data_server/database.rs"]
#[allow(dead_code)]
mod database;
mod processes;
mod records;
mod retention;
mod runners;
mod workers;

use orchestrator::store::Submission;
use orchestrator::{PipelineDefinition, RunId, RunState, Store};
use serde_json::{Value, json};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use database::{Database, PASSWORD};

/// A database of a test with the records in it.
struct Records {
    database: Database,
    store: Store,
}

impl Records {
    async fn new() -> Self {
        let database = Database::with(runners::TABLES).await;
        let store = store(&database.name, database.port);
        Self { database, store }
    }

    /// Stores a pipeline of these steps and submits a run of it.
    async fn submit(&self, steps: Value) -> RunId {
        let pipeline = pipeline("p", &steps);
        let stored = self.store.create(None, &pipeline).await;
        stored.expect("it is stored");
        let submission = Submission {
            pipeline: "p",
            ..Submission::default()
        };
        let submitted = self.store.submit(submission).await;
        submitted.expect("it is accepted").run
    }

    async fn state(&self, run: RunId) -> RunState {
        let run = self.store.run(run, None).await.expect("it is read");
        run.expect("there is one").state
    }

    /// The states of a run's steps, in the order of the pipeline.
    async fn steps(&self, run: RunId) -> Vec<String> {
        let run = self.store.run(run, None).await.expect("it is read");
        let steps = run.expect("there is one").steps.into_iter();
        steps.map(|step| step.state).collect()
    }

    async fn wait_until_over(&self, count: i64) {
        let sql = "SELECT count(*) FROM portcullis.pipeline_runs WHERE ended_at IS NOT NULL";
        self.database.wait_for_count(sql, count).await;
    }
}

fn store(database: &str, port: u16) -> Store {
    let options = PgConnectOptions::new_without_pgpass()
        .host("127.0.0.1")
        .port(port)
        .username("postgres")
        .password(PASSWORD)
        .database(database)
        .options([("statement_timeout", "60000")]);
    let pool = PgPoolOptions::new().max_connections(8);
    Store::new(pool.connect_lazy_with(options))
}

fn pipeline(name: &str, steps: &Value) -> PipelineDefinition {
    let definition = json!({"name": name, "steps": steps});
    serde_json::from_value(definition).expect("a definition")
}
