//! The registry's rows: whose they are, and what is written over what.

use clap::Parser as _;
use mcp_server::config::Config;
use mcp_server::jobs::Jobs;
use serde_json::json;
use sqlx::Row as _;
use tokio_util::sync::CancellationToken;

use crate::database::{Database, PASSWORD, run};
use crate::master::{Application, Driver, Master};
use crate::{server, status, submit, text, until, until_status};

#[tokio::test]
async fn it_shows_a_job_to_its_owner_alone() {
    let (database, master) = (Database::with("").await, Master::start().await);
    let server = server(&database, &master).await;
    let client = server.client();
    let ours = submit(&client).await;
    let theirs = submit(&client).await;
    let sql = format!("UPDATE portcullis.spark_jobs SET owner = 'alice' WHERE id = '{theirs}'");
    run(&mut database.connection().await, &sql).await;
    let found = client
        .call("get_job_status", json!({"job_id": theirs}))
        .await;
    assert_eq!(found.failure().0, "not_found");
    let listed = client.call("list_spark_jobs", json!({})).await;
    let jobs = listed.structured()["jobs"]
        .as_array()
        .expect("jobs")
        .clone();
    let ids: Vec<String> = jobs.iter().map(|job| text(&job["job_id"])).collect();
    assert_eq!(ids, [ours]);
}

#[tokio::test]
async fn it_answers_the_id_of_a_job_that_was_taken_although_the_record_fails() {
    let (database, master) = (Database::with("").await, Master::start().await);
    let server = server(&database, &master).await;
    let client = server.client();
    submit(&client).await;
    let mut connection = database.connection().await;
    run(
        &mut connection,
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''no''; END';
         CREATE TRIGGER refuse BEFORE UPDATE ON portcullis.spark_jobs
         FOR EACH ROW EXECUTE FUNCTION refuse()",
    )
    .await;
    let answer = client
        .call("submit_spark_job", json!({"source": "x"}))
        .await;
    let job = answer.structured();
    assert_eq!(job["status"], "submitted", "{job}");
    assert_eq!(job["submission_id"], "driver-0001", "{job}");
    let row = sqlx::query("SELECT count(*) AS n FROM portcullis.spark_jobs WHERE id = $1::uuid")
        .bind(text(&job["job_id"]))
        .fetch_one(&mut connection)
        .await
        .expect("it counts");
    assert_eq!(row.get::<i64, _>("n"), 1);
}

#[tokio::test]
async fn it_never_writes_an_older_look_over_a_newer_one() {
    let (database, master) = (Database::with("").await, Master::start().await);
    let server = server(&database, &master).await;
    let client = server.client();
    let job = submit(&client).await;
    let jobs = |done: u32| Application {
        state: "RUNNING".to_owned(),
        jobs: json!([{"numTasks": 9, "numCompletedTasks": done, "stageIds": [0]}]),
        ..Application::default()
    };
    let set = |done: u32| {
        let mut cluster = master.cluster();
        cluster.applications.insert("app-1".to_owned(), jobs(done));
    };
    master.run_application(jobs(1));
    until_status(&client, &job, "running").await;
    let mut connection = database.connection().await;
    run(
        &mut connection,
        "CREATE TABLE history (n serial, done bigint);
         CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
         'BEGIN INSERT INTO history (done) VALUES (NEW.tasks_done); RETURN NULL; END';
         CREATE TRIGGER note AFTER UPDATE ON portcullis.spark_jobs
         FOR EACH ROW EXECUTE FUNCTION note()",
    )
    .await;
    // The next look, whoever takes it, reads 2 and is kept waiting; the ones after it read 7.
    set(2);
    let (let_go, delay) = tokio::sync::oneshot::channel();
    master.cluster().delay = Some(delay);
    let look = tokio::spawn({
        let client = server.client();
        let job = job.clone();
        async move { status(&client, &job).await }
    });
    until("a look is under way", async || {
        master.cluster().delay.is_none().then_some(())
    })
    .await;
    set(7);
    until("another look has seen more", async || {
        (status(&client, &job).await["tasks"]["done"] == 7).then_some(())
    })
    .await;
    let_go.send(()).expect("it waits");
    look.await.expect("it answers");
    // Only the watch looks from here on, and a round begins when the one before is over.
    set(8);
    let history = "SELECT coalesce(array_agg(done ORDER BY n), '{}') AS seen FROM history";
    let seen = until("the watch has seen the last", async || {
        let row = sqlx::query(history).fetch_one(&mut connection).await;
        let seen: Vec<i64> = row.expect("a row").get("seen");
        (seen.last() == Some(&8)).then_some(seen)
    })
    .await;
    assert!(seen.is_sorted(), "{seen:?}");
}

#[tokio::test]
async fn it_looks_at_every_job_however_many_are_open() {
    let (database, master) = (Database::with("").await, Master::start().await);
    let server = server(&database, &master).await;
    let client = server.client();
    submit(&client).await;
    let old = "INSERT INTO portcullis.spark_jobs
        (id, state, master, script, arguments, conf, submission_id)
        SELECT ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, 'running',
            'spark://127.0.0.1:7077', '/x.py', '{}', '{}', 'old-' || n
        FROM generate_series(1, 501) AS n";
    run(&mut database.connection().await, old).await;
    let running = Driver {
        state: "RUNNING".to_owned(),
        ..Driver::default()
    };
    for n in 1..=501 {
        master
            .cluster()
            .drivers
            .insert(format!("old-{n}"), running.clone());
    }
    master.only_driver("FINISHED");
    // The list shows what the registry has; only the watch writes there.
    until("the newest is seen", async || {
        let listed = client
            .call("list_spark_jobs", json!({"status": "finished"}))
            .await;
        (listed.structured()["jobs"].as_array().map(Vec::len) == Some(1)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn it_stops_watching_while_the_master_owes_an_answer() {
    let (database, master) = (Database::with("").await, Master::start().await);
    let first = server(&database, &master).await;
    submit(&first.client()).await;
    drop(first);
    master.cluster().is_silent = true;
    let store = format!(
        "--store-url=postgres://postgres:{PASSWORD}@127.0.0.1:{}/{}",
        database.port, database.name
    );
    let address = format!("--spark-master-ui=http://{}", master.address);
    let config = Config::parse_from(["mcp-server", &store, &address]);
    let jobs = Jobs::new(&config).expect("a port");
    let asked = master.cluster().unanswered;
    let stop = CancellationToken::new();
    let watching = tokio::spawn(jobs.watch(stop.clone()));
    until("the master is asked", async || {
        (master.cluster().unanswered > asked).then_some(())
    })
    .await;
    stop.cancel();
    let stopped = tokio::time::timeout(std::time::Duration::from_secs(8), watching).await;
    stopped
        .expect("before the question to the master times out")
        .expect("no panic");
}

#[tokio::test]
async fn it_gives_a_call_up_that_waits_for_the_registry_and_answers_the_next_one() {
    let (database, master) = (Database::with("").await, Master::start().await);
    let server = server(&database, &master).await;
    let client = server.client();
    let job = submit(&client).await;
    let mut connection = database.connection().await;
    run(
        &mut connection,
        "BEGIN; LOCK TABLE portcullis.spark_jobs IN ACCESS EXCLUSIVE MODE",
    )
    .await;
    let waiting = client.call("get_job_status", json!({"job_id": job}));
    let answer = tokio::time::timeout(std::time::Duration::from_secs(60), waiting)
        .await
        .expect("PostgreSQL ends the statement");
    let (code, message) = answer.failure();
    assert_eq!(code, "unavailable", "{message}");
    let hint = answer.result()["structuredContent"]["error"]["hint"].to_string();
    assert!(hint.contains("PORTCULLIS_STORE_URL"), "{hint}");
    run(&mut connection, "ROLLBACK").await;
    assert_eq!(status(&client, &job).await["job_id"], json!(job));
}
