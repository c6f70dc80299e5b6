//! COMMIT: whoever does not hear its outcome does not say that nothing was changed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::client::{Client, read};
use crate::database::{Database, PASSWORD, run};
use crate::pipelines::{create, execute, over};
use crate::server::Server;
use crate::tasks::Follower;

const INSERT: &str = "INSERT INTO kept VALUES (1)";

const KEPT: &str = "SELECT count(*) FROM kept";

/// Where a COMMIT waits until it is let on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum WaitsAt {
    /// On its way to PostgreSQL; it is lost when the server hangs up before.
    Sending,
    /// PostgreSQL has heard it, and its answer waits.
    Answer,
}

/// A server whose PostgreSQL hears COMMIT, or answers it, only when it is let on.
struct SlowCommits {
    database: Database,
    server: Server,
    let_on: watch::Sender<bool>,
}

impl SlowCommits {
    async fn start(waits_at: WaitsAt, most_ms: u32) -> Self {
        let timeout = format!("--postgres-statement-timeout-ms={most_ms}");
        Self::start_with(waits_at, &[&timeout]).await
    }

    async fn start_with(waits_at: WaitsAt, flags: &[&str]) -> Self {
        let database = Database::with("CREATE TABLE kept (a int)").await;
        Self::start_on(database, waits_at, flags).await
    }

    async fn start_on(database: Database, waits_at: WaitsAt, flags: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("it is bound").port();
        let (let_on, asked) = watch::channel(true);
        let behind = database.port;
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(("127.0.0.1", behind)).await;
                let (from_server, to_server) = server.expect("a PostgreSQL").into_split();
                let (from_client, to_client) = client.into_split();
                let is_committing = Arc::<AtomicBool>::default();
                let held = |at| (at == waits_at).then(|| asked.clone());
                tokio::spawn(requests(
                    from_client,
                    to_server,
                    Arc::clone(&is_committing),
                    held(WaitsAt::Sending),
                ));
                tokio::spawn(answers(
                    from_server,
                    to_client,
                    is_committing,
                    held(WaitsAt::Answer),
                ));
            }
        });
        let writer = [
            "--postgres-write-user=postgres",
            "--postgres-write-password",
            PASSWORD,
        ];
        let flags = [&writer, flags].concat();
        let server = Server::at(port, &database.name, &flags).await;
        // The session is there and the statement known, so that later calls take little time.
        let client = server.client();
        let first = client.call("execute_dml", json!({"sql": INSERT})).await;
        assert_eq!(first.structured()["affected_rows"], json!(1));
        let_on.send_replace(false);
        Self {
            database,
            server,
            let_on,
        }
    }

    fn client(&self) -> Client {
        self.server.client()
    }
}

async fn requests(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    commits: Arc<AtomicBool>,
    held: Option<watch::Receiver<bool>>,
) {
    let mut buffer = vec![0; 65_536];
    while let Ok(size @ 1..) = from.read(&mut buffer).await {
        let piece = buffer.get(..size).unwrap_or_default();
        if piece.windows(7).any(|bytes| bytes == b"COMMIT\0") {
            commits.store(true, Ordering::SeqCst);
            if let Some(mut asked) = held.clone() {
                tokio::select! {
                    asked = asked.wait_for(|asked| *asked) => drop(asked.expect("it lives")),
                    // Nothing else comes while COMMIT is not answered.
                    _ = from.readable() => return,
                }
            }
        }
        if to.write_all(piece).await.is_err() {
            return;
        }
    }
}

async fn answers(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    is_committing: Arc<AtomicBool>,
    mut held: Option<watch::Receiver<bool>>,
) {
    let mut buffer = vec![0; 65_536];
    while let Ok(size @ 1..) = from.read(&mut buffer).await {
        if let Some(asked) = &mut held
            && is_committing.load(Ordering::SeqCst)
            && asked.wait_for(|asked| *asked).await.is_err()
        {
            return;
        }
        is_committing.store(false, Ordering::SeqCst);
        let piece = buffer.get(..size).unwrap_or_default();
        if to.write_all(piece).await.is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn it_says_that_a_change_may_stand_whose_commit_is_not_answered() {
    let slow = SlowCommits::start(WaitsAt::Answer, 5_000).await;
    let client = slow.client();
    let answer = client.call("execute_dml", json!({"sql": INSERT})).await;
    let (code, message) = answer.failure();
    assert_eq!(code, "unavailable", "{answer:?}");
    assert!(message.contains("may stand or not"), "{answer:?}");
    slow.database.wait_for_count(KEPT, 2).await;

    let table = json!({"table": "made", "columns": [{"name": "a", "type": "integer"}]});
    let answer = client.call("create_table", table).await;
    let (code, message) = answer.failure();
    assert_eq!(code, "unavailable", "{answer:?}");
    assert!(message.contains("may stand or not"), "{answer:?}");
    let made = "SELECT count(*) FROM pg_class WHERE relname = 'made'";
    slow.database.wait_for_count(made, 1).await;
}

#[tokio::test]
async fn it_says_that_a_call_may_have_had_its_effect_that_the_gateway_stopped() {
    let slow = SlowCommits::start(WaitsAt::Answer, 60_000).await;
    let call = json!({"name": "execute_dml", "arguments": {"sql": INSERT}});
    let deadline = [("x-envoy-expected-rq-timeout-ms", "5000")];
    let sent = slow.client().send("tools/call", call, &deadline).await;
    let answer = read(sent).await;
    assert_eq!(answer.failure().0, "timeout", "{answer:?}");
    let text = answer.result().to_string();
    assert!(text.contains("it may have had its effect"), "{answer:?}");
    slow.database.wait_for_count(KEPT, 2).await;
}

#[tokio::test]
async fn it_has_a_change_kept_whose_call_is_stopped_before_postgresql_hears_of_commit() {
    let slow = SlowCommits::start(WaitsAt::Sending, 60_000).await;
    let client = slow.client();
    let call = json!({"name": "execute_dml", "arguments": {"sql": INSERT}});
    let deadline = [("x-envoy-expected-rq-timeout-ms", "5000")];
    let answer = read(client.send("tools/call", call, &deadline).await).await;
    assert_eq!(answer.failure().0, "timeout", "{answer:?}");
    // A server that had hung up on PostgreSQL would have done so by then.
    client.query(KEPT, json!([])).await.structured();
    slow.let_on.send_replace(true);
    slow.database.wait_for_count(KEPT, 2).await;
}

#[tokio::test]
async fn it_says_that_a_task_may_have_had_its_effect_that_was_stopped_in_its_commit() {
    for (ttl, status) in [
        ("--task-ttl-s=60", "cancelled"),
        ("--task-ttl-s=6", "failed"),
    ] {
        let slow = SlowCommits::start_with(WaitsAt::Answer, &["--task-after-ms=0", ttl]).await;
        let follower = Follower::of(slow.client(), "");
        let id = follower
            .begin_call("execute_dml", json!({"sql": INSERT}))
            .await;
        slow.database.wait_for_count(KEPT, 2).await;
        if status == "cancelled" {
            follower.cancel(&id).await.result();
        }
        let over = follower.wait_for(&id, status).await;
        let message = over["statusMessage"].as_str().unwrap_or_default();
        assert!(message.contains("it may have had its effect"), "{over}");
    }
}

#[tokio::test]
async fn it_tells_what_a_flow_did_whose_run_was_cancelled_in_its_commit() {
    let database = Database::with("CREATE TABLE kept (a int)").await;
    let store = format!(
        "--store-url=postgres://postgres:{PASSWORD}@127.0.0.1:{}/{}",
        database.port, database.name
    );
    let slow = SlowCommits::start_on(database, WaitsAt::Answer, &[&store]).await;
    let client = slow.client();
    let stages = json!([{
        "name": "copy",
        "source": {"type": "postgres", "sql": "SELECT 2 AS a"},
        "destination": {"type": "postgres", "table": "kept"}
    }]);
    create(&client, stages).await;
    let run = execute(&client, json!({"name": "p"})).await;
    slow.database.wait_for_count(KEPT, 2).await;
    client
        .call("cancel_pipeline", json!({"run_id": run}))
        .await
        .structured();
    // Two renewals later it has been told to end, and could have been dropped.
    for _ in 0..3 {
        renewed(&slow.database).await;
    }
    slow.let_on.send_replace(true);
    let seen = over(&client, &run).await;
    let stage = &seen["stages"][0];
    assert_eq!(stage["status"], "succeeded", "{seen}");
    assert_eq!(stage["rows"], 1, "{seen}");
}

/// Waits until the lease of the one step is renewed.
async fn renewed(database: &Database) {
    let mut connection = database.connection().await;
    let sql = "CREATE TABLE IF NOT EXISTS seen AS TABLE portcullis.pipeline_steps WITH NO DATA;
         TRUNCATE seen; INSERT INTO seen TABLE portcullis.pipeline_steps";
    run(&mut connection, sql).await;
    let later = "SELECT count(*) FROM portcullis.pipeline_steps AS step, seen
         WHERE step.wake_at > seen.wake_at OR step.state <> 'running'";
    database.wait_for_count(later, 1).await;
}

#[tokio::test]
async fn it_tells_what_a_change_did_when_the_answer_to_its_commit_comes_late() {
    let slow = SlowCommits::start(WaitsAt::Answer, 60_000).await;
    let client = slow.client();
    let kept = async {
        slow.database.wait_for_count(KEPT, 2).await;
        slow.let_on.send_replace(true);
    };
    let (answer, ()) = tokio::join!(client.call("execute_dml", json!({"sql": INSERT})), kept);
    assert_eq!(answer.structured()["affected_rows"], json!(1), "{answer:?}");
}
