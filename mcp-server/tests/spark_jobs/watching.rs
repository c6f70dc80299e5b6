//! A job from its submission to its end.

use serde_json::json;

use crate::database::Database;
use crate::master::{Application, Driver, Master};
use crate::{server, status, submit, until_status};

#[tokio::test]
async fn it_follows_a_job_to_its_end() {
    let (database, master) = (Database::with("").await, Master::start().await);
    let server = server(&database, &master).await;
    let client = server.client();

    let job = submit(&client).await;
    let waiting = until_status(&client, &job, "submitted").await;
    let message = waiting["message"].as_str().unwrap_or_default();
    assert!(message.contains("8 of 8 cores are in use"), "{waiting}");

    let application = Application {
        state: "WAITING".to_owned(),
        jobs: json!([]),
        ..Application::default()
    };
    master.run_application(application);
    let running = until_status(&client, &job, "running").await;
    assert_eq!(running["application_id"], "app-1");
    let message = running["message"].as_str().unwrap_or_default();
    assert!(message.contains("waits for cores"), "{running}");

    let application = Application {
        state: "RUNNING".to_owned(),
        jobs: json!([{"numTasks": 12, "numSkippedTasks": 4, "numCompletedTasks": 8,
            "numActiveTasks": 0,
            "numFailedTasks": 1, "numCompletedStages": 1, "numSkippedStages": 1,
            "stageIds": [0, 1]}]),
        executors: json!([
            {"id": "driver", "isActive": true, "totalCores": 0},
            {"id": "0", "isActive": false, "failedTasks": 1},
            {"id": "1", "isActive": true, "totalCores": 2, "completedTasks": 8,
             "totalDuration": 70, "totalGCTime": 3, "maxMemory": 100, "totalShuffleRead": 5},
        ]),
        ..Application::default()
    };
    master
        .cluster()
        .applications
        .insert("app-1".to_owned(), application);
    let done = client.call("get_job_status", json!({"job_id": job})).await;
    let text = done.texts()[0];
    for part in [
        "tasks: 8 of 8 done, 0 running, 1 failed; stages: 1 of 1 done",
        "executor 0, gone: 0 cores; tasks: 0 done, 0 running, 1 failed; ",
        "executor 1: 2 cores; tasks: 8 done, 0 running, 0 failed; 70 ms, 3 ms of them collecting",
        "application app-1",
        ", began ",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let done = done.structured();
    assert_eq!(done["progress"], 99, "not over yet: {done}");
    assert_eq!(
        done["tasks"],
        json!({"total": 8, "done": 8, "running": 0, "failed": 1})
    );
    assert_eq!(done["stages"], json!({"total": 1, "done": 1}));
    assert_eq!(done["message"], json!(null));
    let executors = done["executors"].as_array().expect("executors");
    let [there, gone] = executors.as_slice() else {
        panic!("two of them: {done}");
    };
    assert_eq!(
        (&there["id"], &gone["id"]),
        (&json!("1"), &json!("0")),
        "{done}"
    );
    for (name, expected) in [
        ("cores", 2),
        ("tasks_done", 8),
        ("run_ms", 70),
        ("gc_ms", 3),
    ] {
        assert_eq!(there[name], expected, "{name}: {done}");
    }
    assert_eq!(
        (&there["memory"], &there["shuffle_read"]),
        (&json!(100), &json!(5))
    );
    assert_eq!(gone["tasks_failed"], 1);

    master.only_driver("FINISHED");
    let finished = until_status(&client, &job, "finished").await;
    assert_eq!(finished["progress"], 100);
    assert_eq!(finished["error"], json!(null));
    for time in ["submitted_at", "started_at", "finished_at", "updated_at"] {
        assert!(finished[time].is_string(), "{time}: {finished}");
    }
}

#[tokio::test]
async fn it_says_why_a_job_failed_and_shows_no_credential() {
    let (database, master) = (Database::with("").await, Master::start().await);
    let server = server(&database, &master).await;
    let client = server.client();
    let submitted = client
        .call(
            "submit_spark_job",
            json!({"source": "x", "args": ["--password=s3cret"],
                "conf": {"spark.hadoop.fs.s3a.secret.key": "s3cret"}}),
        )
        .await;
    let job = crate::text(&submitted.structured()["job_id"]);
    // The script itself gets what the caller gave.
    let launch = crate::launched(&master.cluster().created[0].clone());
    assert_eq!(launch["arguments"], json!(["--password=s3cret"]));
    master.change_driver(|driver| {
        *driver = Driver {
            state: "FAILED".to_owned(),
            output: "7\nTraceback (most recent call last):\nRuntimeError: no way in with \
                     password=s3cret\n"
                .to_owned(),
            log: "Launch Command: java\n26/11/20 11:38:01 INFO X: Connected to Spark cluster with \
                  app ID app-7\n"
                .to_owned(),
        };
    });
    let failed = until_status(&client, &job, "failed").await;
    assert_eq!(
        failed["error"],
        "Traceback (most recent call last):\nRuntimeError: no way in with password=***"
    );
    assert_eq!(failed["application_id"], "app-7");
    assert!(!failed.to_string().contains("s3cret"), "{failed}");
}

#[tokio::test]
async fn it_answers_with_what_it_last_saw_while_the_master_is_away() {
    let (database, master) = (Database::with("").await, Master::start().await);
    let server = server(&database, &master).await;
    let client = server.client();
    let job = submit(&client).await;
    master.only_driver("RUNNING");
    until_status(&client, &job, "running").await;
    drop(master);
    let seen = crate::until("the master is gone", async || {
        let seen = status(&client, &job).await;
        let message = seen["message"].as_str().unwrap_or_default();
        message.contains("as last seen").then_some(seen)
    })
    .await;
    assert_eq!(seen["status"], "running");
}

#[tokio::test]
async fn it_tells_in_health_of_the_master_and_the_registry() {
    let (database, master) = (Database::with("").await, Master::start().await);
    let server = server(&database, &master).await;
    let report: serde_json::Value = reqwest::get(format!("http://{}/health", server.address))
        .await
        .expect("an answer")
        .json()
        .await
        .expect("JSON");
    let services = &report["services"];
    assert_eq!(services["spark_master"]["status"], "up", "{report}");
    assert_eq!(
        services["spark_master"]["detail"],
        "Spark master, workers: 1, cores in use: 8 of 8"
    );
    assert_eq!(services["job_registry"]["status"], "up", "{report}");
}
