//! Jobs that end before their time.

use serde_json::json;

use crate::database::{Database, run};
use crate::master::Master;
use crate::{server, server_with, status, submit, text, until, until_status};

#[tokio::test]
async fn it_cancels_a_job_and_leaves_one_that_is_over_as_it_is() {
    let (database, master) = (Database::with("").await, Master::start().await);
    let server = server(&database, &master).await;
    let client = server.client();
    let job = submit(&client).await;
    master.only_driver("RUNNING");
    for _ in 0..2 {
        let answer = client.call("cancel_job", json!({"job_id": job})).await;
        assert_eq!(answer.structured()["status"], "killed");
    }
    let ended = status(&client, &job).await;
    assert_eq!(ended["message"], "it was cancelled", "{ended}");
    assert_eq!(master.cluster().kills, ["driver-0000"]);

    let answer = client.call("cancel_job", json!({"job_id": "x"})).await;
    assert_eq!(answer.failure().0, "not_found");
    let sql = "UPDATE portcullis.spark_jobs SET owner = 'alice', state = 'running'";
    run(&mut database.connection().await, sql).await;
    let answer = client.call("cancel_job", json!({"job_id": job})).await;
    assert_eq!(answer.failure().0, "not_found", "it is another's");
}

#[tokio::test]
async fn it_ends_a_cancelled_job_although_the_server_dies_before_the_master_listens() {
    let (database, master) = (Database::with("").await, Master::start().await);
    let first = server(&database, &master).await;
    let client = first.client();
    let job = submit(&client).await;
    master.only_driver("RUNNING");
    until_status(&client, &job, "running").await;
    master.cluster().ignored_kills = 1;
    let cancel = tokio::spawn({
        let (client, job) = (first.client(), job.clone());
        async move { client.call("cancel_job", json!({"job_id": job})).await }
    });
    until("the master was asked", async || {
        (!master.cluster().kills.is_empty()).then_some(())
    })
    .await;
    cancel.abort();
    drop(first);
    let second = server(&database, &master).await;
    let ended = until_status(&second.client(), &job, "killed").await;
    assert_eq!(ended["message"], "it was cancelled", "{ended}");
}

#[tokio::test]
async fn it_ends_a_job_that_runs_for_longer_than_it_may_and_no_other() {
    let (database, master) = (Database::with("").await, Master::start().await);
    let server = server(&database, &master).await;
    let client = server.client();
    let mut jobs = Vec::new();
    for most in [json!(1), json!(3600), json!(null)] {
        let arguments = json!({"source": "x", "max_run_seconds": most});
        let answer = client.call("submit_spark_job", arguments).await;
        assert_eq!(answer.structured()["max_run_seconds"], most);
        jobs.push(text(&answer.structured()["job_id"]));
    }
    for driver in master.cluster().drivers.values_mut() {
        "RUNNING".clone_into(&mut driver.state);
    }
    let ended = until_status(&client, &jobs[0], "killed").await;
    let message = ended["message"].as_str().unwrap_or_default();
    assert!(message.contains("it ran for 1 s"), "{ended}");
    for job in &jobs[1..] {
        assert_eq!(status(&client, job).await["status"], "running");
    }
    assert_eq!(master.cluster().kills, ["driver-0000"]);
    for most in [0, 400 * 24 * 60 * 60] {
        let arguments = json!({"source": "x", "max_run_seconds": most});
        let answer = client.call("submit_spark_job", arguments).await;
        assert_eq!(answer.failure().0, "invalid_arguments", "{most}");
    }
}

#[tokio::test]
async fn it_says_so_where_the_job_runs_on_a_cluster_that_it_does_not_watch() {
    let (database, master) = (Database::with("").await, Master::start().await);
    let first = server(&database, &master).await;
    let job = submit(&first.client()).await;
    let other = server_with(&database, &master, "spark://127.0.0.2:7077").await;
    let client = other.client();
    for tool in ["cancel_job", "get_job_logs"] {
        let answer = client.call(tool, json!({"job_id": job})).await;
        let (code, message) = answer.failure();
        assert_eq!(code, "unavailable");
        assert!(message.contains("spark://127.0.0.1:7077"), "{message}");
    }
    assert!(master.cluster().kills.is_empty());
}
