//! Workers in one process: order, sharing, stopping, failing.

use std::time::Duration;

use orchestrator::store::Submission;
use orchestrator::{RunState, Worker, WorkerSettings};
use serde_json::json;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio_util::sync::CancellationToken;

use super::runners::Notes;
use super::{Database, PASSWORD, Records, store};

pub fn notes(database: &str, port: u16) -> Notes {
    let options = PgConnectOptions::new_without_pgpass()
        .host("127.0.0.1")
        .port(port)
        .username("postgres")
        .password(PASSWORD)
        .database(database);
    let pool = PgPoolOptions::new().max_connections(8);
    Notes {
        pool: pool.connect_lazy_with(options),
    }
}

pub fn settings(holder: &str, lease: Duration) -> WorkerSettings {
    WorkerSettings {
        holder: holder.to_owned(),
        lease,
        grace: Duration::from_millis(200),
        ..WorkerSettings::default()
    }
}

/// Longer than a busy machine keeps a process waiting, so that no lease is lost here; renewed often
/// enough to hear soon that a run was cancelled.
const LEASE: Duration = Duration::from_secs(20);

/// Starts a worker; dropping the guard stops it.
fn start(database: &Database, holder: &str) -> (tokio_util::sync::DropGuard, CancellationToken) {
    let stop = CancellationToken::new();
    let worker = Worker::new(
        store(&database.name, database.port),
        notes(&database.name, database.port),
        settings(holder, LEASE),
    );
    let ended = CancellationToken::new();
    let (stopped, tell) = (stop.clone(), ended.clone());
    tokio::spawn(async move {
        worker.work(stopped).await;
        tell.cancel();
    });
    (stop.drop_guard(), ended)
}

#[tokio::test]
async fn it_does_each_step_of_many_runs_once_with_several_workers() {
    let records = Records::new().await;
    let steps = json!([
        {"name": "join", "kind": "note", "after": ["left", "right"]},
        {"name": "left", "kind": "note", "after": ["first"]},
        {"name": "right", "kind": "note", "after": ["first"]},
        {"name": "first", "kind": "note"}
    ]);
    records.submit(steps).await;
    for _ in 1..20 {
        let submission = Submission {
            pipeline: "p",
            ..Submission::default()
        };
        let submitted = records.store.submit(submission).await;
        submitted.expect("it is accepted");
    }
    let _workers = ["one", "two", "three"].map(|holder| start(&records.database, holder));
    records.wait_until_over(20).await;
    for (sql, expected) in [
        ("SELECT count(*) FROM done", 80),
        ("SELECT count(*) FROM done WHERE token > 1", 0),
        (
            "SELECT count(*) FROM portcullis.pipeline_runs WHERE state = 'succeeded'",
            20,
        ),
        (
            "SELECT count(*) FROM done WHERE step = 'join'
             AND inputs = '{\"left\": {\"step\": \"left\"}, \"right\": {\"step\": \"right\"}}'",
            20,
        ),
        // A step begins after those that it waits for have ended.
        (
            "SELECT count(*) FROM portcullis.pipeline_steps AS later
             JOIN portcullis.pipeline_steps AS earlier ON earlier.run = later.run
               AND earlier.position = ANY(later.waits_for)
             WHERE later.started_at < earlier.ended_at",
            0,
        ),
    ] {
        records.database.wait_for_count(sql, expected).await;
    }
}

#[tokio::test]
async fn it_tells_a_running_step_that_its_run_was_cancelled() {
    let records = Records::new().await;
    let run = records
        .submit(json!([
            {"name": "a", "kind": "note", "config": "until cancelled"},
            {"name": "b", "kind": "note", "after": ["a"]}
        ]))
        .await;
    let _worker = start(&records.database, "one");
    let sql = "SELECT count(*) FROM done";
    records.database.wait_for_count(sql, 1).await;
    records
        .store
        .cancel(run, None)
        .await
        .expect("it is written");
    records.wait_until_over(1).await;
    assert_eq!(records.state(run).await, RunState::Cancelled);
    assert_eq!(records.steps(run).await, ["cancelled", "cancelled"]);
}

#[tokio::test]
async fn it_drops_a_step_that_does_not_end_in_its_time() {
    let records = Records::new().await;
    let run = records
        .submit(json!([
            {"name": "a", "kind": "note", "config": "deaf", "timeout_s": 1, "required": false},
            {"name": "b", "kind": "note", "after": ["a"]}
        ]))
        .await;
    let _worker = start(&records.database, "one");
    records.wait_until_over(1).await;
    assert_eq!(records.state(run).await, RunState::Succeeded);
    assert_eq!(records.steps(run).await, ["skipped", "succeeded"]);
    let seen = records.store.run(run, None).await.expect("it is read");
    let failure = seen.expect("there is one").steps[0].failure.clone();
    assert_eq!(failure.expect("it says why").code, "timeout");
}

#[tokio::test]
async fn it_repeats_a_failure_that_may_pass_and_ends_the_run_when_it_does_not() {
    let records = Records::new().await;
    let run = records
        .submit(json!([
            {"name": "a", "kind": "note", "config": "fail",
             "retry": {"attempts": 3, "backoff_s": 0}},
            {"name": "b", "kind": "note", "after": ["a"]}
        ]))
        .await;
    let _worker = start(&records.database, "one");
    records.wait_until_over(1).await;
    assert_eq!(records.state(run).await, RunState::Failed);
    assert_eq!(records.steps(run).await, ["failed", "cancelled"]);
    let sql = "SELECT count(*) FROM done";
    records.database.wait_for_count(sql, 3).await;
}

#[tokio::test]
async fn it_survives_a_runner_that_panics_and_an_output_that_is_too_large() {
    let records = Records::new().await;
    let run = records
        .submit(json!([
            {"name": "a", "kind": "note", "config": "panic", "required": false},
            {"name": "b", "kind": "note", "config": "large", "required": false}
        ]))
        .await;
    let _worker = start(&records.database, "one");
    records.wait_until_over(1).await;
    let seen = records.store.run(run, None).await.expect("it is read");
    let steps = seen.expect("there is one").steps;
    let codes: Vec<String> = steps
        .into_iter()
        .map(|step| step.failure.expect("it says why").code)
        .collect();
    assert_eq!(codes, ["internal", "output"]);
}

#[tokio::test]
async fn it_gives_back_what_it_has_not_done_when_it_is_stopped() {
    let records = Records::new().await;
    let run = records
        .submit(json!([{"name": "a", "kind": "note", "config": "hang once"}]))
        .await;
    let (stop, ended) = start(&records.database, "one");
    let sql = "SELECT count(*) FROM done";
    records.database.wait_for_count(sql, 1).await;
    drop(stop);
    ended.cancelled().await;
    assert_eq!(records.steps(run).await, ["ready"]);
    let _worker = start(&records.database, "two");
    records.wait_until_over(1).await;
    let seen = records.store.run(run, None).await.expect("it is read");
    let step = &seen.expect("there is one").steps[0];
    assert_eq!((step.state.as_str(), step.losses), ("succeeded", 0));
}
