//! What is submitted, and what is refused before the master hears of it

use serde_json::json;

use crate::database::Database;
use crate::master::Master;
use crate::server;
use crate::server::Server;

#[tokio::test]
async fn it_submits_the_source_as_a_file_that_spark_can_read() {
    let (database, master) = (Database::with("").await, Master::start().await);
    let server = server(&database, &master).await;
    let arguments = json!({"source": "print('é')", "args": ["1", "--two"], "conf": {"spark.driver.memory": "512m"}});
    let answer = server.client().call("submit_spark_job", arguments).await;
    let job = answer.structured();
    let created = master.cluster().created[0].clone();
    assert_eq!(created["mainClass"], "org.apache.spark.deploy.SparkSubmit");
    assert_eq!(
        created["environmentVariables"]["PYSPARK_PYTHON"],
        "/the/python"
    );
    assert_eq!(created["sparkProperties"]["spark.driver.memory"], "512m");
    let args = created["appArgs"].as_array().expect("an array");
    let id = job["job_id"].as_str().expect("an id");
    assert!(
        args.contains(&json!(format!("spark.portcullis.job.id={id}"))),
        "{created}"
    );
    assert_eq!(args[args.len() - 2..], [json!("1"), json!("--two")]);
    let script = args[args.len() - 3].as_str().expect("a path");
    assert_eq!(script, job["script"]);
    assert_eq!(
        std::fs::read_to_string(script).expect("a file"),
        "print('é')"
    );
    let mut wrapper = args
        .iter()
        .filter_map(|a| a.as_str()?.strip_prefix("spark.pyspark.driver.python="));
    let wrapper = wrapper.next_back().expect("the wrapper");
    assert!(
        std::fs::read_to_string(wrapper)
            .expect("a file")
            .starts_with("#!/bin/sh")
    );
}

#[tokio::test]
async fn it_refuses_what_cannot_be_submitted() {
    let (database, master) = (Database::with("").await, Master::start().await);
    let server = server(&database, &master).await;
    let client = server.client();
    for (arguments, code, needle) in [
        (json!({}), "invalid_arguments", "either"),
        (
            json!({"script": "/a.py", "source": "x"}),
            "invalid_arguments",
            "either",
        ),
        (json!({"script": "a.py"}), "invalid_arguments", "absolute"),
        (
            json!({"script": "/no/such/file.py"}),
            "not_found",
            "/no/such/file.py",
        ),
        (
            json!({"source": "x", "conf": {"spark.master": "local"}}),
            "invalid_arguments",
            "spark.master",
        ),
        (
            json!({"source": "x", "conf": {"PATH": "x"}}),
            "invalid_arguments",
            "PATH",
        ),
        (
            json!({"source": "x", "conf": {"spark.x": 1}}),
            "invalid_arguments",
            "string",
        ),
        (
            json!({"source": "x", "arguments": []}),
            "invalid_arguments",
            "arguments",
        ),
    ] {
        let answer = client.call("submit_spark_job", arguments).await;
        let (found, message) = answer.failure();
        assert_eq!(found, code, "{message}");
        assert!(message.contains(needle), "{message}");
    }
    assert!(master.cluster().created.is_empty());
    for job in ["x", "00000000-0000-7000-8000-000000000000"] {
        let answer = client.call("get_job_status", json!({"job_id": job})).await;
        assert_eq!(answer.failure().0, "not_found");
    }
}

#[tokio::test]
async fn it_passes_on_what_the_master_says_no_with() {
    let (database, master) = (Database::with("").await, Master::start().await);
    let server = server(&database, &master).await;
    master.cluster().refusal = Some("Current state is not alive: STANDBY".to_owned());
    let answer = server
        .client()
        .call("submit_spark_job", json!({"source": "x"}))
        .await;
    let (code, message) = answer.failure();
    assert_eq!(code, "unavailable");
    assert!(message.contains("STANDBY"), "{message}");
    let listed = server
        .client()
        .call("list_spark_jobs", json!({"status": "failed"}))
        .await;
    assert_eq!(
        listed.structured()["jobs"].as_array().map(Vec::len),
        Some(1)
    );
}

#[tokio::test]
async fn it_keeps_no_jobs_without_a_registry_and_says_what_to_set() {
    let database = Database::with("").await;
    let server = Server::on(&database, &[]).await;
    for (tool, arguments) in [
        ("submit_spark_job", json!({"source": "x"})),
        ("list_spark_jobs", json!({})),
        (
            "get_job_status",
            json!({"job_id": "00000000-0000-7000-8000-000000000000"}),
        ),
    ] {
        let answer = server.client().call(tool, arguments).await;
        assert_eq!(answer.failure().0, "unavailable");
        let hint = answer.result()["structuredContent"]["error"]["hint"].to_string();
        assert!(hint.contains("PORTCULLIS_STORE_URL"), "{hint}");
    }
}
