//! Pipelines over HTTP on a real PostgreSQL: flows into tables and files, repeats, crashes,
//! cancelling.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::Client;
use crate::database::{Database, PASSWORD, run};
use crate::schemas::check_form;
use crate::server::Server;

pub const TABLES: &str = "
    CREATE TABLE orders (id int, day date, amount numeric(12, 2), tags text[], note jsonb,
        at timestamptz);
    INSERT INTO orders
    SELECT n, DATE '2026-11-01' + n % 3, n + 0.25, ARRAY['a', 'b\"c'],
        CASE WHEN n % 2 = 0 THEN jsonb_build_object('n', n) END, '2026-11-01 10:00:00+00'
    FROM generate_series(1, 3000) AS n;
    CREATE TABLE copies (LIKE orders);
    CREATE TABLE totals (day date, amount numeric);
    CREATE TABLE markers (key text PRIMARY KEY, rows bigint NOT NULL,
        done_at timestamptz NOT NULL DEFAULT now())";

/// A server with records, a login that writes and a folder for files.
pub struct Pipelines {
    pub database: Database,
    pub files: TempDir,
    server: Server,
}

/// The flags of such a server.
fn flags(database: &Database, files: &TempDir) -> Vec<String> {
    vec![
        format!(
            "--store-url=postgres://postgres:{PASSWORD}@127.0.0.1:{}/{}",
            database.port, database.name
        ),
        "--postgres-write-user=postgres".to_owned(),
        format!("--postgres-write-password={PASSWORD}"),
        format!("--pipeline-files={}", files.path().display()),
    ]
}

impl Pipelines {
    pub async fn with(sql: &str) -> Self {
        let database = Database::with(sql).await;
        let files = tempfile::tempdir().expect("a folder");
        let flags = flags(&database, &files);
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let server = Server::on(&database, &flags).await;
        Self {
            database,
            files,
            server,
        }
    }

    pub fn client(&self) -> Client {
        self.server.client()
    }

    pub fn address(&self) -> &str {
        &self.server.address
    }

    /// Creates a pipeline of these stages and runs it; the run when it is over.
    pub async fn finish(&self, stages: Value, parameters: Value) -> Value {
        let client = self.client();
        create(&client, stages).await;
        let run = execute(&client, json!({"name": "p", "parameters": parameters})).await;
        over(&client, &run).await
    }
}

pub async fn create(client: &Client, stages: Value) {
    let pipeline = json!({"name": "p", "stages": stages, "confirm": true,
        "parameters": {"day": {"type": "string", "default": "2026-11-02"}}});
    client
        .call("create_etl_pipeline", pipeline)
        .await
        .structured();
}

pub async fn execute(client: &Client, arguments: Value) -> String {
    let answer = client.call("execute_pipeline", arguments).await;
    let run = answer.structured()["run_id"].as_str();
    run.expect("an id").to_owned()
}

pub async fn over(client: &Client, run: &str) -> Value {
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        let seen = client
            .call("get_pipeline_status", json!({"run_id": run}))
            .await;
        let seen = seen.structured();
        if ["succeeded", "failed", "cancelled"]
            .iter()
            .any(|word| seen["status"] == *word)
        {
            return seen.clone();
        }
        assert!(Instant::now() < deadline, "not over: {seen}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Makes the records those of a process that died after the work and before its report.
pub async fn repeat(pipelines: &Pipelines) {
    let mut connection = pipelines.database.connection().await;
    run(
        &mut connection,
        "BEGIN;
         UPDATE portcullis.pipeline_steps SET state = 'ready', wake_at = now(), ended_at = NULL;
         UPDATE portcullis.pipeline_runs SET state = 'running', ended_at = NULL;
         COMMIT",
    )
    .await;
}

fn copy(marker_table: Option<&str>) -> Value {
    json!({
        "name": "copy",
        "source": {"type": "postgres", "sql": "SELECT * FROM orders"},
        "destination": {"type": "postgres", "table": "copies", "marker_table": marker_table}
    })
}

#[tokio::test]
async fn it_moves_rows_through_transformations_into_tables_as_they_are() {
    let pipelines = Pipelines::with(TABLES).await;
    let stages = json!([
        {
            "name": "totals",
            "after": ["copy"],
            "source": {"type": "postgres", "sql": "SELECT * FROM copies -- all"},
            "transformations": [
                {"name": "chosen", "sql": "SELECT day, amount FROM source WHERE day = $1::date;"},
                {"name": "summed",
                    "sql": "SELECT day, sum(amount) AS amount FROM chosen GROUP BY 1"}
            ],
            "bind": ["day"],
            "destination": {"type": "postgres", "table": "totals", "mode": "overwrite"}
        },
        copy(None)
    ]);
    for _ in 0..2 {
        let mut connection = pipelines.database.connection().await;
        run(&mut connection, "TRUNCATE copies").await;
        let seen = pipelines.finish(stages.clone(), json!({})).await;
        assert_eq!(seen["status"], "succeeded", "{seen}");
        assert_eq!(seen["stages"][1]["rows"], 3000, "{seen}");
        assert_eq!(seen["stages"][0]["rows"], 1, "{seen}");
    }
    for (sql, expected) in [
        (
            "SELECT count(*) FROM (TABLE orders EXCEPT ALL TABLE copies) AS d",
            0,
        ),
        ("SELECT count(*) FROM copies", 3000),
        ("SELECT count(*) FROM totals", 1),
        (
            "SELECT count(*) FROM totals WHERE (day, amount) =
             (SELECT day, sum(amount) FROM orders WHERE day = '2026-11-02' GROUP BY 1)",
            1,
        ),
    ] {
        pipelines.database.wait_for_count(sql, expected).await;
    }
}

#[tokio::test]
async fn it_writes_files_as_a_whole_and_loads_them() {
    let pipelines = Pipelines::with(TABLES).await;
    let stages = json!([
        {
            "name": "lines",
            "source": {"type": "postgres", "sql": "SELECT * FROM orders"},
            "destination": {"type": "file", "path": "orders.ndjson"}
        },
        {
            "name": "sheet",
            "source": {"type": "postgres", "sql": "SELECT 1 AS a, NULL AS b, 'x,y' AS c"},
            "destination": {"type": "file", "path": "sheet.csv", "format": "csv"}
        },
        {
            "name": "load",
            "after": ["lines"],
            "source": {"type": "file", "path": "orders.ndjson"},
            "destination": {"type": "postgres", "table": "public.copies"}
        }
    ]);
    let seen = pipelines.finish(stages, json!({})).await;
    assert_eq!(seen["status"], "succeeded", "{seen}");
    let sql = "SELECT count(*) FROM (TABLE orders EXCEPT ALL TABLE copies) AS d";
    pipelines.database.wait_for_count(sql, 0).await;
    let sheet = std::fs::read_to_string(pipelines.files.path().join("sheet.csv"));
    assert_eq!(sheet.expect("a file"), "a,b,c\r\n1,,\"x,y\"\r\n");
    // As if a process had died in the middle of its files.
    let run_id = seen["run_id"].as_str().expect("an id").to_owned();
    for step in [0, 1] {
        let part = pipelines
            .files
            .path()
            .join(format!(".{run_id}-{step}-1.part"));
        std::fs::write(part, "half").expect("written");
    }
    repeat(&pipelines).await;
    let client = pipelines.client();
    assert_eq!(over(&client, &run_id).await["status"], "succeeded");
    let left = std::fs::read_dir(pipelines.files.path()).expect("a folder");
    assert_eq!(left.count(), 2, "nothing half written stays");
}

#[tokio::test]
async fn it_loads_once_under_a_marker_when_the_report_of_a_load_was_lost() {
    let pipelines = Pipelines::with(TABLES).await;
    let client = pipelines.client();
    create(&client, json!([copy(Some("markers"))])).await;
    let run_id = execute(&client, json!({"name": "p"})).await;
    over(&client, &run_id).await;
    repeat(&pipelines).await;
    let seen = over(&client, &run_id).await;
    assert_eq!(seen["status"], "succeeded", "{seen}");
    for (sql, expected) in [
        ("SELECT count(*) FROM copies", 3000),
        ("SELECT count(*) FROM markers WHERE rows = 3000", 1),
        ("SELECT token FROM portcullis.pipeline_steps", 2),
    ] {
        pipelines.database.wait_for_count(sql, expected).await;
    }
}

#[tokio::test]
async fn it_loads_once_under_a_marker_that_another_attempt_is_keeping() {
    let pipelines = Pipelines::with(TABLES).await;
    let client = pipelines.client();
    create(&client, json!([copy(Some("markers"))])).await;
    let run_id = execute(&client, json!({"name": "p"})).await;
    over(&client, &run_id).await;
    let first = "INSERT INTO copies TABLE orders; INSERT INTO markers TABLE first";
    let mut other = pipelines.database.connection().await;
    run(&mut other, "CREATE TABLE first AS TABLE markers").await;
    // The first attempt has not ended when the second one looks for its mark, or sets it after.
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
         AND wait_event IN ('transactionid', 'relation')";
    for (before, after) in [(first, ""), ("LOCK TABLE orders", first)] {
        run(&mut other, "TRUNCATE copies, markers").await;
        run(&mut other, &format!("BEGIN; {before}")).await;
        repeat(&pipelines).await;
        pipelines.database.wait_for_count(waiting, 1).await;
        run(&mut other, &format!("{after}; COMMIT")).await;
        let seen = over(&client, &run_id).await;
        assert_eq!(seen["status"], "succeeded", "{seen}");
        let rows = "SELECT count(*) FROM copies";
        pipelines.database.wait_for_count(rows, 3000).await;
    }
}

#[tokio::test]
async fn it_gives_the_same_run_for_the_same_key_and_lists_what_there_is() {
    let pipelines = Pipelines::with(TABLES).await;
    let client = pipelines.client();
    create(&client, json!([copy(None)])).await;
    let arguments = json!({"name": "p", "idempotency_key": "monday"});
    let first = execute(&client, arguments.clone()).await;
    assert_eq!(execute(&client, arguments).await, first);
    over(&client, &first).await;
    let second = execute(&client, json!({"name": "p"})).await;
    over(&client, &second).await;
    let listed = client.call("list_pipelines", json!({})).await;
    assert_eq!(
        listed.structured()["pipelines"][0]["stages"],
        json!(["copy"])
    );
    let page = client
        .call("list_pipelines", json!({"name": "p", "limit": 1}))
        .await;
    let page = page.structured();
    assert_eq!(page["runs"][0]["run_id"], json!(second));
    let cursor = &page["next_cursor"];
    let arguments = json!({"name": "p", "status": "succeeded", "limit": 1, "cursor": cursor});
    let page = client.call("list_pipelines", arguments).await;
    let page = page.structured();
    assert_eq!(page["runs"][0]["run_id"], json!(first));
    assert_eq!(page["next_cursor"], json!(null));
}

#[tokio::test]
async fn it_shows_a_stored_pipeline_as_it_can_be_written_again_and_its_versions() {
    let pipelines = Pipelines::with(TABLES).await;
    let client = pipelines.client();
    let written = |description: &str| {
        json!({"name": "p", "description": description, "confirm": true,
        "parameters": {"day": {"type": "string", "default": "2026-11-02"}},
        "stages": [copy(None), {
            "name": "trim", "after": ["copy"], "required": false, "timeout_s": 60,
            "destination": {"type": "postgres",
                "statements": [{"sql": "DELETE FROM copies WHERE day < $1::date",
                    "bind": ["day"]}]}
        }]})
    };
    for description in ["first", "second"] {
        let created = client.call("create_etl_pipeline", written(description));
        created.await.structured();
    }
    let run = execute(&client, json!({"name": "p", "version": 1})).await;
    over(&client, &run).await;
    let look = async |arguments: Value| client.call("list_pipelines", arguments).await;
    let latest = look(json!({"name": "p"})).await;
    let seen = latest.structured();
    assert_eq!(
        (&seen["version"], &seen["definition"]["description"]),
        (&json!(2), &json!("second"))
    );
    let numbers: Vec<&Value> = seen["versions"]
        .as_array()
        .expect("a list")
        .iter()
        .collect();
    let numbers: Vec<&Value> = numbers.iter().map(|version| &version["version"]).collect();
    assert_eq!(numbers, [&json!(2), &json!(1)]);
    assert_eq!(seen["runs"][0]["run_id"], json!(run));
    let text = latest.texts()[0];
    assert!(text.starts_with("p version 2 of 2, 1\n{"), "{text}");
    assert!(
        text.contains("SELECT * FROM orders") && text.contains(&run),
        "{text}"
    );
    // What it shows is the pipeline itself: written again it makes no new version.
    let again = client
        .call("create_etl_pipeline", seen["definition"].clone())
        .await;
    assert_eq!(again.structured()["version"], json!(2));
    let first = look(json!({"name": "p", "version": 1})).await;
    assert_eq!(
        first.structured()["definition"]["description"],
        json!("first")
    );
    let absent = look(json!({"name": "p", "version": 9})).await;
    assert_eq!(absent.failure().0, "not_found");
    let nameless = look(json!({"version": 1})).await;
    assert_eq!(nameless.failure().0, "invalid_arguments");
    let none = look(json!({"name": "none"})).await;
    assert_eq!(none.structured()["versions"], json!(null));
}

#[tokio::test]
async fn it_names_the_cell_that_no_row_of_a_flow_can_hold() {
    let pipelines = Pipelines::with(TABLES).await;
    let stages = json!([{
        "name": "long",
        "source": {"type": "postgres",
            "sql": "SELECT n, repeat('x', 9000000 * (n - 1)) AS text FROM generate_series(1, 2) n"},
        "destination": {"type": "file", "path": "long.ndjson"}
    }]);
    let seen = pipelines.finish(stages, json!({})).await;
    assert_eq!(seen["status"], "failed", "{seen}");
    let told = seen.to_string();
    assert!(
        told.contains("row 2 alone is over the byte limit"),
        "{told}"
    );
    assert!(told.contains("`text` has 9000000 bytes"), "{told}");
}

#[tokio::test]
async fn it_ends_the_statement_of_a_run_that_is_cancelled() {
    let pipelines = Pipelines::with(TABLES).await;
    let client = pipelines.client();
    let stages = json!([{
        "name": "long",
        "source": {"type": "postgres",
            "sql": "SELECT count(*) AS id FROM generate_series(1, 100000000000) AS endless"},
        "destination": {"type": "postgres", "table": "copies"}
    }]);
    create(&client, stages).await;
    let run = execute(&client, json!({"name": "p"})).await;
    let running = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active'
         AND query LIKE '%endless%' AND pid <> pg_backend_pid()";
    pipelines.database.wait_for_count(running, 1).await;
    client
        .call("cancel_pipeline", json!({"run_id": run}))
        .await
        .structured();
    let seen = over(&client, &run).await;
    assert_eq!(seen["status"], "cancelled", "{seen}");
    pipelines.database.wait_for_count(running, 0).await;
}

/// The server as a process, which can be killed.
struct Process(Child);

impl Process {
    fn start(database: &Database, files: &TempDir) -> Self {
        let port = database.port.to_string();
        let child = Command::new(env!("CARGO_BIN_EXE_mcp-server"))
            .args(["--address=127.0.0.1:0", "--tools=all"])
            .args(["--postgres-host=127.0.0.1", "--postgres-port", &port])
            .args(["--postgres-user=postgres", "--postgres-password", PASSWORD])
            .args(["--postgres-db", &database.name])
            .args(["--postgres-allow-superuser=postgres"])
            .args(["--spark-remote=sc://127.0.0.1:1"])
            .args(["--spark-master-rest=http://127.0.0.1:1"])
            .args(["--spark-master-ui=http://127.0.0.1:1"])
            .args(flags(database, files))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Self(child.expect("the server starts"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The signal that no process hears.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn it_ends_a_run_once_whose_server_was_killed_in_its_middle() {
    let database = Database::with(TABLES).await;
    let files = tempfile::tempdir().expect("a folder");
    let first = Process::start(&database, &files);
    let holds = "SELECT count(*) FROM pg_tables WHERE tablename = 'pipeline_runs'";
    database.wait_for_count(holds, 1).await;

    // A run of the first process waits in its source, which somebody has locked.
    let mut lock = database.connection().await;
    run(&mut lock, "BEGIN; LOCK TABLE orders").await;
    let store = flags(&database, &files)[0].replace("--store-url=", "");
    let pool = sqlx::PgPool::connect(&store).await.expect("it connects");
    let store = orchestrator::Store::new(pool);
    let flow = json!({
        "source": {"type": "postgres", "sql": "SELECT * FROM orders"},
        "destination": {"type": "postgres", "table": "copies"}
    });
    let pipeline =
        json!({"name": "p", "steps": [{"name": "copy", "kind": "flow", "config": flow}]});
    let pipeline = serde_json::from_value(pipeline).expect("a definition");
    store.create(None, &pipeline).await.expect("it is stored");
    let submission = orchestrator::store::Submission {
        pipeline: "p",
        ..Default::default()
    };
    let submitted = store.submit(submission).await.expect("it is accepted");
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'
         AND datname = current_database()";
    database.wait_for_count(waiting, 1).await;
    drop(first);

    let _second = Process::start(&database, &files);
    run(&mut lock, "ROLLBACK").await;
    let over = "SELECT count(*) FROM portcullis.pipeline_runs WHERE state = 'succeeded'";
    database.wait_for_count(over, 1).await;
    let seen = store.run(submitted.run, None).await.expect("it is read");
    let step = &seen.expect("there is one").steps[0];
    assert_eq!((step.losses, step.rows), (1, Some(3000)));
    let sql = "SELECT count(*) FROM copies";
    database.wait_for_count(sql, 3000).await;
}

#[tokio::test]
async fn it_gives_answers_that_fit_the_output_schemas() {
    let pipelines = Pipelines::with(TABLES).await;
    let client = pipelines.client();
    let seen = pipelines.finish(json!([copy(None)]), json!({})).await;
    let run = json!({"run_id": seen["run_id"]});
    let stages = json!([copy(Some("absent"))]);
    let failed = pipelines.finish(stages, json!({})).await;
    for (tool, arguments) in [
        (
            "create_etl_pipeline",
            json!({"name": "p", "stages": [copy(None)]}),
        ),
        (
            "create_etl_pipeline",
            json!({"name": "1", "stages": [copy(None)]}),
        ),
        ("execute_pipeline", json!({"name": "p"})),
        (
            "execute_pipeline",
            json!({"name": "p", "parameters": {"x": 1}}),
        ),
        ("get_pipeline_status", run.clone()),
        ("get_pipeline_status", json!({"run_id": failed["run_id"]})),
        ("list_pipelines", json!({})),
        ("list_pipelines", json!({"status": "failed"})),
        ("cancel_pipeline", run),
        ("cancel_pipeline", json!({"run_id": "x"})),
    ] {
        check_form(tool, &client.call(tool, arguments).await);
    }
}
