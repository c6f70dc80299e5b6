//! Submissions, and those that are refused before the master hears of them..
//!
//! Invariant 7 of `docs/architecture.md`.

use serde_json::json;

use crate::database::Database;
use crate::master::Master;
use crate::server;
use crate::server::Server;
use crate::{launched, text};

#[tokio::test]
async fn it_submits_the_source_as_a_file_that_spark_runs() {
    let (database, master) = (Database::with("").await, Master::start().await);
    let server = server(&database, &master).await;
    let arguments = json!({"source": "print('é')", "args": ["1", "--two"],
        "conf": {"spark.driver.memory": "512m"}});
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
    let launch = launched(&created);
    assert_eq!(launch["arguments"], json!(["1", "--two"]));
    assert_eq!(launch["script"], job["script"]);
    let script = std::fs::read_to_string(text(&job["script"])).expect("a file");
    assert_eq!(script, "print('é')");
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

#[tokio::test]
async fn it_lets_no_other_user_read_the_files_of_a_job() {
    let (database, master) = (Database::with("").await, Master::start().await);
    let server = server(&database, &master).await;
    crate::submit(&server.client()).await;
    let jobs = master.folder.path().join("jobs");
    let mut folders = vec![jobs];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        assert_eq!(mode(&folder), 0o700, "{}", folder.display());
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files += 1;
                assert_eq!(mode(&path) & 0o077, 0, "{}", path.display());
            }
        }
    }
    assert_eq!(files, 4, "script, launch, launcher and wrapper");
}

fn mode(path: &std::path::Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path)
        .expect("it is there")
        .permissions()
        .mode()
        & 0o777
}

#[tokio::test]
async fn it_puts_no_argument_and_no_credential_on_a_command_line() {
    let (database, master) = (Database::with("").await, Master::start().await);
    let server = server(&database, &master).await;
    let arguments = json!({
        "source": "x",
        "args": ["--password", "s3cret", "positional-s3cret"],
        "conf": {"spark.hadoop.fs.s3a.secret.key": "s3cret",
            "spark.executorEnv.AWS_SESSION_TOKEN": "s3cret",
            "spark.hadoop.javax.jdo.option.ConnectionURL": "jdbc:postgresql://a:s3cret@db/x",
            "spark.sql.shuffle.partitions": "3"},
    });
    let answer = server.client().call("submit_spark_job", arguments).await;
    let created = master.cluster().created[0].clone();
    assert!(!created.to_string().contains("s3cret"), "{created}");
    let command = created["appArgs"].as_array().expect("an array");
    assert!(
        command.contains(&json!("spark.sql.shuffle.partitions=3")),
        "{created}"
    );
    let launch = launched(&created);
    assert_eq!(launch["arguments"][2], json!("positional-s3cret"));
    assert_eq!(
        launch["settings"]["spark.hadoop.fs.s3a.secret.key"],
        json!("s3cret")
    );
    assert_eq!(
        launch["settings"]["spark.executorEnv.AWS_SESSION_TOKEN"],
        json!("s3cret")
    );
    assert_eq!(
        launch["settings"]["spark.hadoop.javax.jdo.option.ConnectionURL"],
        json!("jdbc:postgresql://a:s3cret@db/x")
    );
    let shown = answer.structured();
    assert!(!shown["conf"].to_string().contains("s3cret"), "{shown}");
    assert_eq!(
        shown["args"],
        json!(["--password", "***", "positional-s3cret"])
    );
    assert_eq!(
        shown["conf"]["spark.hadoop.fs.s3a.secret.key"],
        json!("***")
    );
}

#[tokio::test]
async fn it_refuses_a_credential_that_it_could_only_put_on_a_command_line() {
    let (database, master) = (Database::with("").await, Master::start().await);
    // The script lies on a cluster that does not see this server's files.
    let server = crate::server_with(&database, &master, "spark://10.0.0.1:7077").await;
    let client = server.client();
    for arguments in [
        json!({"script": "/jobs/a.py", "args": ["--password", "x"]}),
        json!({"script": "/jobs/a.py", "conf": {"spark.hadoop.fs.s3a.secret.key": "x"}}),
    ] {
        let answer = client.call("submit_spark_job", arguments).await;
        let (code, message) = answer.failure();
        assert_eq!(code, "invalid_arguments", "{message}");
        assert!(message.contains("looks like a credential"), "{message}");
    }
    for name in ["spark.executor.extraJavaOptions", "spark.jars.repositories"] {
        let value = "-Dpassword=s3cret https://a:s3cret@repository";
        let arguments = json!({"source": "x", "conf": {name: value}});
        let answer = client.call("submit_spark_job", arguments).await;
        let (code, message) = answer.failure();
        assert_eq!(code, "invalid_arguments", "{message}");
        assert!(
            message.contains(name) && !message.contains("s3cret"),
            "{message}"
        );
    }
    assert!(master.cluster().created.is_empty());
    let plain = json!({"script": "/jobs/a.py", "args": ["--rows", "3"]});
    client.call("submit_spark_job", plain).await.structured();
    let created = master.cluster().created[0].clone();
    let args = created["appArgs"].as_array().expect("an array");
    assert_eq!(
        args[args.len() - 3..],
        [json!("/jobs/a.py"), json!("--rows"), json!("3")]
    );
}
