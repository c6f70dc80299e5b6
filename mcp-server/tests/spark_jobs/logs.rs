//! Logs of jobs, by their end, by ranges, and while they grow.

use serde_json::json;

use crate::database::Database;
use crate::master::{Application, Master};
use crate::{server, submit, until_status};

#[tokio::test]
async fn it_reads_the_end_of_a_log_or_a_range_and_shows_no_credential() {
    let (database, master) = (Database::with("").await, Master::start().await);
    let server = server(&database, &master).await;
    let client = server.client();
    let job = submit(&client).await;
    let output = "one\ntwo\nlogin password=s3cret\nfour\n";
    master.change_driver(|driver| {
        output.clone_into(&mut driver.output);
        "the driver's own\n".clone_into(&mut driver.log);
    });
    let read = async |more: serde_json::Value| {
        let mut arguments = json!({"job_id": job});
        arguments
            .as_object_mut()
            .expect("one")
            .extend(more.as_object().expect("one").clone());
        let answer = client.call("get_job_logs", arguments).await;
        let text = answer.result()["content"][0]["text"]
            .as_str()
            .expect("a text")
            .to_owned();
        assert!(!format!("{:?}", answer.result()).contains("s3cret"));
        (answer.structured().clone(), text)
    };
    let (whole, text) = read(json!({})).await;
    assert_eq!(whole["text"], "one\ntwo\nlogin password=***\nfour\n");
    assert_eq!(
        (&whole["offset"], &whole["total_bytes"]),
        (&json!(0), &json!(output.len()))
    );
    assert!(text.ends_with("password=***\nfour\n"), "{text}");
    let (tail, _) = read(json!({"bytes": 6})).await;
    assert_eq!(tail["text"], "four\n");
    let (driver, _) = read(json!({"log": "driver"})).await;
    assert_eq!(driver["text"], "the driver's own\n");

    // Page by page, from wherever: whole lines, nothing twice, no part of the credential.
    let (mut offset, mut seen) = (0, String::new());
    while offset < output.len() {
        let (page, _) = read(json!({"offset": offset, "bytes": 24})).await;
        seen += page["text"].as_str().expect("a text");
        let next = page["next_offset"].as_u64().expect("a number");
        assert!(next > offset as u64, "{page}");
        offset = usize::try_from(next).expect("small");
    }
    assert_eq!(seen, "one\ntwo\nlogin password=***\nfour\n");
    for offset in 0..output.len() {
        let (page, _) = read(json!({"offset": offset, "bytes": 100})).await;
        let text = page["text"].as_str().expect("a text");
        assert!(
            text.ends_with("\nfour\n") || text.len() <= 5,
            "{offset}: {text}"
        );
        assert!(!text.contains("cret"), "{offset}: {text}");
    }
}

#[tokio::test]
async fn it_reads_the_log_of_an_executor() {
    let (database, master) = (Database::with("").await, Master::start().await);
    let server = server(&database, &master).await;
    let client = server.client();
    let job = submit(&client).await;
    let arguments = json!({"job_id": job, "log": "executor"});
    let early = client.call("get_job_logs", arguments.clone()).await;
    assert_eq!(early.failure().0, "not_found", "it has no application yet");
    master.cluster().executors = vec![
        json!({"id": 11, "appid": "app-1"}),
        json!({"id": 2, "appid": "app-1"}),
        json!({"id": 3, "appid": "app-2"}),
    ];
    let application = Application {
        jobs: json!([]),
        ..Application::default()
    };
    master.run_application(application);
    until_status(&client, &job, "running").await;
    for (executor, expected) in [(json!(null), "2"), (json!("11"), "11")] {
        let arguments = json!({"job_id": job, "log": "executor", "executor": executor});
        let answer = client.call("get_job_logs", arguments).await;
        let log = answer.structured();
        assert_eq!(log["text"], format!("log of executor {expected}\n"));
        assert_eq!(
            (&log["executor"], &log["executors"]),
            (&json!(expected), &json!(["2", "11"]))
        );
    }
    let arguments = json!({"job_id": job, "log": "executor", "executor": "3"});
    let other = client.call("get_job_logs", arguments).await;
    let (code, message) = other.failure();
    assert!(
        code == "not_found" && message.contains("2, 11"),
        "{message}"
    );
}

#[tokio::test]
async fn it_follows_a_log_until_the_job_is_over() {
    let (database, master) = (Database::with("").await, Master::start().await);
    let server = server(&database, &master).await;
    let client = server.client();
    let job = submit(&client).await;
    master.change_driver(|driver| driver.output = "first\n".to_owned());
    master.only_driver("RUNNING");
    let follow = tokio::spawn({
        let (client, job) = (server.client(), job.clone());
        async move {
            let arguments = json!({"job_id": job, "follow_seconds": 60});
            client
                .call("get_job_logs", arguments)
                .await
                .structured()
                .clone()
        }
    });
    until_status(&client, &job, "running").await;
    master.change_driver(|driver| {
        driver.output += "second\n";
        "FINISHED".clone_into(&mut driver.state);
    });
    let log = follow.await.expect("it answers");
    assert_eq!(log["text"], "first\nsecond\n", "{log}");
    assert_eq!(log["status"], "finished");
}
