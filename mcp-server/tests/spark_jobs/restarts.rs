//! The records that survive when the server, or the master, goes away.
//!
//! Invariant 8 of `docs/architecture.md`.

use serde_json::json;
use sqlx::Row as _;
use uuid::{ContextV7, Timestamp, Uuid};

use crate::database::{Database, run};
use crate::master::{Application, Driver, Master};
use crate::{server, status, submit, until, until_status};

#[tokio::test]
async fn it_keeps_a_job_when_the_server_goes_and_its_end_when_the_master_goes() {
    let (database, master) = (Database::with("").await, Master::start().await);
    let first = server(&database, &master).await;
    let job = submit(&first.client()).await;
    drop(first);
    master.only_driver("FINISHED");

    // Nobody asks for the job: the watcher alone must record its end.
    let second = server(&database, &master).await;
    let mut connection = database.connection().await;
    until("the end is recorded", async || {
        let row = sqlx::query("SELECT state FROM portcullis.spark_jobs")
            .fetch_one(&mut connection)
            .await
            .expect("a row");
        (row.get::<String, _>("state") == "finished").then_some(())
    })
    .await;
    master.cluster().drivers.clear();
    let found = status(&second.client(), &job).await;
    assert_eq!(found["status"], "finished", "{found}");
}

/// A job that some server was about to submit two minutes ago when it was killed.
async fn cut_off(database: &Database) -> Uuid {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("after 1970");
    let then = Timestamp::from_unix(ContextV7::new(), now.as_secs() - 120, 0);
    let id = Uuid::new_v7(then);
    let sql = format!(
        "INSERT INTO portcullis.spark_jobs (id, state, master, script, arguments, conf)
         VALUES ('{id}', 'submitting', 'spark://127.0.0.1:7077', '/x.py', '{{}}', '{{}}')"
    );
    run(&mut database.connection().await, &sql).await;
    id
}

#[tokio::test]
async fn it_finds_the_driver_of_a_submission_that_was_cut_off() {
    let (database, master) = (Database::with("").await, Master::start().await);
    let client = server(&database, &master).await;
    // Makes the tables.
    let other = submit(&client.client()).await;
    let id = cut_off(&database).await;
    let driver = |of: &str| Driver {
        state: "RUNNING".to_owned(),
        log: format!("Launch Command: \"--conf\" \"spark.portcullis.job.id={of}\" \"/x.py\"\n"),
        ..Driver::default()
    };
    master.cluster().drivers.extend([
        ("driver-0000".to_owned(), driver(&other)),
        ("driver-0007".to_owned(), driver(&id.to_string())),
        (
            "driver-0008".to_owned(),
            Driver {
                state: "RUNNING".to_owned(),
                log: "Launch Command: \"somebody\" \"else's\"\n".to_owned(),
                ..Driver::default()
            },
        ),
    ]);
    // Its log names no application, so the settings of the running ones are asked.
    let application = |job_id: Option<String>| Application {
        job_id,
        jobs: json!([]),
        ..Application::default()
    };
    master.cluster().applications.extend([
        ("app-0".to_owned(), application(None)),
        ("app-1".to_owned(), application(Some(id.to_string()))),
    ]);
    let found = until_status(&client.client(), &id.to_string(), "running").await;
    assert_eq!(found["submission_id"], "driver-0007");
    assert_eq!(found["application_id"], "app-1");
}

#[tokio::test]
async fn it_says_so_when_a_cut_off_submission_never_reached_the_master() {
    let (database, master) = (Database::with("").await, Master::start().await);
    let server = server(&database, &master).await;
    submit(&server.client()).await;
    master.cluster().drivers.clear();
    let id = cut_off(&database).await;
    let lost = until_status(&server.client(), &id.to_string(), "unknown").await;
    let message = lost["message"].as_str().unwrap_or_default();
    assert!(message.contains("submit it again"), "{lost}");
    assert!(lost["finished_at"].is_string(), "{lost}");
}
