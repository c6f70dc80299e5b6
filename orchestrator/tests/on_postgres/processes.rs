//! Workers in processes of their own, which are killed as nobody can prepare for (Invariant 8).

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use orchestrator::store::Submission;
use orchestrator::{RunState, Worker};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::workers::{notes, settings};
use super::{Database, Records, pipeline, store};

/// Names the database that this process is to work on, as `port/name`.
const WORK_ON: &str = "ORCHESTRATOR_TEST_WORKS_ON";

/// The test below, which in a process with [`WORK_ON`] is the worker.
const THIS_TEST: &str = "processes::it_loses_no_accepted_run_when_its_workers_are_killed";

struct Process(Child);

impl Process {
    fn start(database: &Database) -> Self {
        let child = Command::new(std::env::current_exe().expect("it is known"))
            .args([THIS_TEST, "--exact", "--nocapture"])
            .env(WORK_ON, format!("{}/{}", database.port, database.name))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Self(child.expect("the worker starts"))
    }

    /// Ends it by a signal that no process hears.
    fn kill(mut self) {
        self.0.kill().expect("it runs");
        self.0.wait().expect("it has ended");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn work_on(address: &str) {
    let (port, name) = address.split_once('/').expect("port/name");
    let port = port.parse().expect("a port");
    let holder = format!("process {}", std::process::id());
    let settings = settings(&holder, Duration::from_secs(3));
    let worker = Worker::new(store(name, port), notes(name, port), settings);
    worker.work(CancellationToken::new()).await;
}

#[tokio::test]
async fn it_loses_no_accepted_run_when_its_workers_are_killed() {
    if let Ok(address) = std::env::var(WORK_ON) {
        return work_on(&address).await;
    }
    let records = Records::new().await;
    let hanging = records
        .submit(json!([
            {"name": "before", "kind": "note"},
            {"name": "hangs", "kind": "note", "after": ["before"], "config": "hang once"},
            {"name": "then", "kind": "note", "after": ["hangs"]}
        ]))
        .await;
    let first = Process::start(&records.database);
    let sql = "SELECT count(*) FROM done WHERE step = 'hangs' AND token = 1";
    records.database.wait_for_count(sql, 1).await;
    first.kill();

    // Two at once, with more to do than they have time for before one is killed in their middle.
    let quick = pipeline(
        "quick",
        &json!([
            {"name": "a", "kind": "note"},
            {"name": "b", "kind": "note", "after": ["a"]},
            {"name": "c", "kind": "note", "after": ["a"]}
        ]),
    );
    records.store.create(None, &quick).await.expect("stored");
    for _ in 0..30 {
        let submission = Submission {
            pipeline: "quick",
            ..Submission::default()
        };
        let submitted = records.store.submit(submission).await;
        submitted.expect("it is accepted");
    }
    let second = Process::start(&records.database);
    let _third = Process::start(&records.database);
    let sql = "SELECT (count(*) > 12)::integer::bigint FROM done";
    records.database.wait_for_count(sql, 1).await;
    second.kill();
    let _fourth = Process::start(&records.database);
    records.wait_until_over(31).await;

    assert_eq!(records.state(hanging).await, RunState::Succeeded);
    for (sql, expected) in [
        (
            "SELECT count(*) FROM portcullis.pipeline_runs WHERE state = 'succeeded'",
            31,
        ),
        (
            "SELECT count(*) FROM portcullis.pipeline_steps WHERE state <> 'succeeded'",
            0,
        ),
        // Of each step the record is that of its last lease, and no earlier one was recorded.
        (
            "SELECT count(*) FROM portcullis.pipeline_steps AS step
             WHERE step.attempts <> 1 OR step.token <> step.losses + 1
               OR step.token <> (SELECT max(token) FROM done
                   WHERE done.run = step.run AND done.step = step.name)",
            0,
        ),
    ] {
        records.database.wait_for_count(sql, expected).await;
    }
}
