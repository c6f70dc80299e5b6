//! The running program as its operator sees it, and the numbers that Prometheus reads of it.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};

use crate::blocks::whole;
use crate::client::Client;
use crate::database::{Database, PASSWORD};

/// A text of a caller's that no log may hold.
pub const SECRET: &str = "the secret of a caller";

/// The program itself, as an operator starts it; it is killed when this is dropped.
pub struct Program {
    _child: Child,
    log: Lines<BufReader<ChildStderr>>,
}

impl Program {
    pub fn on(database: &Database, settings: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_mcp-server"))
            .env_clear()
            .env("MCP_SERVER_ADDRESS", "127.0.0.1:0")
            .env("POSTGRES_PORT", database.port.to_string())
            .env("POSTGRES_DB", &database.name)
            .env("POSTGRES_USER", "postgres")
            .env("POSTGRES_ALLOW_SUPERUSER", "postgres")
            .env("POSTGRES_PASSWORD", PASSWORD)
            .env("SPARK_REMOTE", "sc://127.0.0.1:1")
            .env("SPARK_MASTER_REST", "http://127.0.0.1:1")
            .env("SPARK_MASTER_UI", "http://127.0.0.1:1")
            .envs(settings.iter().copied())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the program was built");
        let log = child.stderr.take().expect("it is piped");
        Self {
            _child: child,
            log: BufReader::new(log).lines(),
        }
    }

    /// The next line of the log that says `message`, and the lines before it.
    pub async fn until(&mut self, message: &str) -> (Value, Vec<Value>) {
        let mut before = Vec::new();
        while let Some(line) = self.log.next_line().await.expect("it is text") {
            let line: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}"));
            if line["message"] == message {
                return (line, before);
            }
            before.push(line);
        }
        panic!("the program ended: {before:?}");
    }

    /// The address that the log says it has, once it says `message`.
    pub async fn address(&mut self, message: &str) -> String {
        let (line, _) = self.until(message).await;
        line["address"].as_str().expect("an address").to_owned()
    }
}

/// A call that goes well and one that fails.
pub async fn one_of_each(client: &Client) {
    client.query("SELECT 1", json!([])).await.structured();
    let asked = format!("SELECT '{SECRET}'::int");
    let refused = client.query(&asked, json!([SECRET])).await;
    assert_eq!(refused.result()["isError"], json!(true));
}

#[tokio::test]
async fn it_tells_prometheus_of_calls_where_the_operator_wants_it_and_nowhere_else() {
    let database = Database::with("").await;
    let folder = tempfile::tempdir().expect("a folder");
    let settings = [
        ("MCP_METRICS_ADDRESS", "127.0.0.1:0"),
        ("POSTGRES_POOL_MAX_SIZE", "3"),
        ("PORTCULLIS_DATA", folder.path().to_str().expect("text")),
    ];
    let mut program = Program::on(&database, &settings);
    let address = program.address("listening").await;
    let metrics = program.address("metrics").await;
    one_of_each(&Client::modern(&address)).await;
    let legacy = Client::legacy(&address, "2025-11-25").await;
    let other = Client::legacy(&address, "2025-06-18").await;
    let _listening = other.listen(&[]).await;
    let ending = Client::legacy(&address, "2025-11-25").await;
    assert_eq!(ending.end().await, 204);
    let in_blocks = json!({"sql": "SELECT generate_series(1, 10) AS n",
        "use_block_transport": true, "fetch_size": 4});
    let answer = legacy.call("execute_query", in_blocks).await;
    whole(&legacy, &answer.structured()["result"]).await;
    let read = |address: &str| reqwest::get(format!("http://{address}/metrics"));
    let answer = read(&metrics).await.expect("it listens");
    let kind = answer.headers()["content-type"].to_str().expect("text");
    assert!(kind.starts_with("application/openmetrics-text"), "{kind}");
    let text = answer.text().await.expect("text");
    for line in [
        r#"portcullis_calls_total{call="execute_query",outcome="ok"} 2"#,
        r#"portcullis_calls_total{call="execute_query",outcome="failed"} 1"#,
        r#"portcullis_calls_running{call="execute_query"} 0"#,
        r#"portcullis_call_duration_seconds_count{call="execute_query"} 3"#,
        r#"portcullis_errors_total{call="execute_query",kind="sqlstate_22"} 1"#,
        "portcullis_plain_calls_total 3",
        r#"portcullis_postgres_sessions_max{database="default",pool="queries"} 3"#,
        r#"portcullis_postgres_calls_waiting{database="default",pool="queries"} 0"#,
        "portcullis_http_streams 1",
        "portcullis_sessions_begun_total 3",
        "portcullis_sessions_ended_total 1",
        "portcullis_sessions_connected 1",
        "portcullis_results_kept_total 1",
        "portcullis_result_blocks_written_total 3",
        "portcullis_result_blocks_read_total 3",
        r#"portcullis_results_refused_total{reason="quota"} 0"#,
        r#"portcullis_results_refused_total{reason="disk"} 0"#,
        "# EOF",
    ] {
        assert!(
            text.lines().any(|found| found == line),
            "no `{line}` in\n{text}"
        );
    }
    assert!(text.contains("portcullis_http_connections "));
    assert!(!text.contains(SECRET) && !text.contains("SELECT"));
    let elsewhere = read(&address).await.expect("it listens");
    assert_eq!(elsewhere.status(), 404);
    let other = reqwest::get(format!("http://{metrics}/mcp")).await;
    assert_eq!(other.expect("it listens").status(), 404);
}

#[tokio::test]
async fn it_opens_the_sessions_that_the_operator_wants_open_before_anybody_calls() {
    let database = Database::with("").await;
    let mut program = Program::on(&database, &[("POSTGRES_POOL_MIN_SIZE", "4")]);
    program.address("listening").await;
    let sessions = "SELECT count(*) FROM pg_stat_activity \
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    database.wait_for_count(sessions, 4).await;
}
