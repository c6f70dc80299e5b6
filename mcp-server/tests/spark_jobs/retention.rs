//! A job's files and record go when nobody needs them any more.

use std::path::PathBuf;

use serde_json::json;
use uuid::{ContextV7, Timestamp, Uuid};

use crate::database::{Database, run};
use crate::master::Master;
use crate::{server, submit, until, until_status};

fn folder(master: &Master, job: &str) -> PathBuf {
    master.folder.path().join("jobs").join(job)
}

#[tokio::test]
async fn it_removes_what_a_script_was_called_with_when_its_job_is_over_and_keeps_the_source() {
    for end in ["FINISHED", "FAILED", "KILLED"] {
        let (database, master) = (Database::with("").await, Master::start().await);
        let server = server(&database, &master).await;
        let job = submit(&server.client()).await;
        let folder = folder(&master, &job);
        assert!(folder.join("launch.json").exists());
        master.only_driver("RUNNING");
        until_status(&server.client(), &job, "running").await;
        assert!(folder.join("launch.json").exists(), "it still runs");
        master.only_driver(end);
        until_status(&server.client(), &job, &end.to_lowercase()).await;
        until("the arguments are gone", async || {
            (!folder.join("launch.json").exists()).then_some(())
        })
        .await;
        assert!(folder.join("script.py").exists(), "{end}");
    }
}

#[tokio::test]
async fn it_forgets_a_job_and_its_files_together_some_days_after_its_end() {
    let (database, master) = (Database::with("").await, Master::start().await);
    let first = server(&database, &master).await;
    let [stuck, old, young, open] = [
        submit(&first.client()).await,
        submit(&first.client()).await,
        submit(&first.client()).await,
        submit(&first.client()).await,
    ];
    drop(first);
    let mut connection = database.connection().await;
    for (job, state, days) in [
        (&stuck, "finished", 31),
        (&old, "finished", 31),
        (&young, "failed", 29),
    ] {
        let sql = format!(
            "UPDATE portcullis.spark_jobs
             SET state = '{state}', finished_at = now() - interval '{days} days'
             WHERE id = '{job}'"
        );
        run(&mut connection, &sql).await;
    }
    // Files of jobs that another server forgot, or never recorded: 31 days old, and new.
    let then = std::time::SystemTime::now() - std::time::Duration::from_secs(31 * 24 * 60 * 60);
    let then = then
        .duration_since(std::time::UNIX_EPOCH)
        .expect("after 1970");
    let stamp = Timestamp::from_unix(ContextV7::new(), then.as_secs(), 0);
    let orphan = Uuid::new_v7(stamp).to_string();
    let unrecorded = Uuid::now_v7().to_string();
    for job in [&orphan, &unrecorded] {
        std::fs::create_dir(folder(&master, job)).expect("a folder");
        std::fs::write(folder(&master, job).join("script.py"), "").expect("a file");
    }
    // What cannot be removed as a folder keeps nothing else from being removed.
    std::fs::remove_dir_all(folder(&master, &stuck)).expect("a folder");
    std::fs::write(folder(&master, &stuck), "").expect("a file");
    let second = server(&database, &master).await;
    until("the old ones are gone", async || {
        let is_there = |job: &String| folder(&master, job).exists();
        (!is_there(&old) && !is_there(&orphan)).then_some(())
    })
    .await;
    let client = second.client();
    let gone = client.call("get_job_status", json!({"job_id": old})).await;
    assert_eq!(gone.failure().0, "not_found");
    for job in [&young, &open, &unrecorded] {
        assert!(folder(&master, job).join("script.py").exists(), "{job}");
    }
    until_status(&client, &young, "failed").await;
}

#[tokio::test]
async fn it_keeps_no_file_of_a_job_that_was_refused() {
    let (database, master) = (Database::with("").await, Master::start().await);
    let server = server(&database, &master).await;
    master.cluster().refusal = Some("no".to_owned());
    let source = json!({"source": "print(1)"});
    let refused = server.client().call("submit_spark_job", source).await;
    refused.failure();
    let entries = std::fs::read_dir(master.folder.path().join("jobs")).expect("a folder");
    let folders = entries.filter(|entry| entry.as_ref().is_ok_and(|entry| entry.path().is_dir()));
    assert_eq!(folders.count(), 0);
}

#[tokio::test]
async fn it_counts_the_workers_that_are_alive() {
    let (database, master) = (Database::with("").await, Master::start().await);
    let server = server(&database, &master).await;
    let health = reqwest::get(format!("http://{}/health", server.address)).await;
    let report: serde_json::Value = health.expect("an answer").json().await.expect("JSON");
    let detail = report["services"]["spark_master"]["detail"].as_str();
    assert!(
        detail.is_some_and(|detail| detail.contains("workers: 1,")),
        "{report}"
    );
}
