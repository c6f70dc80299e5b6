//! Jobs are listed in pages.

use serde_json::json;

use crate::database::Database;
use crate::master::Master;
use crate::{server, submit, text};

#[tokio::test]
async fn it_lists_all_jobs_newest_first_in_pages() {
    let (database, master) = (Database::with("").await, Master::start().await);
    let server = server(&database, &master).await;
    let client = server.client();
    let mut submitted = Vec::new();
    for _ in 0..5 {
        submitted.push(submit(&client).await);
    }
    submitted.reverse();
    let mut listed = Vec::new();
    let mut arguments = json!({"limit": 2});
    loop {
        let answer = client.call("list_spark_jobs", arguments.clone()).await;
        let page = answer.structured();
        let jobs = page["jobs"].as_array().expect("jobs");
        let lines: Vec<&str> = answer.texts()[0].lines().collect();
        for (job, line) in jobs.iter().zip(&lines) {
            assert!(line.starts_with(&text(&job["job_id"])), "{line}");
        }
        let cursor = page["next_cursor"].as_str();
        let more = cursor.map(|cursor| format!("more with cursor {cursor}"));
        assert_eq!(lines.get(jobs.len()).copied(), more.as_deref());
        listed.extend(jobs.iter().map(|job| text(&job["job_id"])));
        if page["next_cursor"].is_null() {
            break;
        }
        arguments["cursor"] = page["next_cursor"].clone();
    }
    assert_eq!(listed, submitted);
}

#[tokio::test]
async fn it_filters_by_status_and_time() {
    let (database, master) = (Database::with("").await, Master::start().await);
    let server = server(&database, &master).await;
    let client = server.client();
    let job = submit(&client).await;
    for (arguments, count) in [
        (json!({}), 1),
        (json!({"status": "submitted"}), 1),
        (json!({"status": "finished"}), 0),
        (json!({"since": "2020-01-01T00:00:00+02:00"}), 1),
        (json!({"since": "2999-01-01T00:00:00Z"}), 0),
        (json!({"until": "2020-01-01T00:00:00Z"}), 0),
        (json!({"until": "2999-01-01T00:00:00Z"}), 1),
    ] {
        let answer = client.call("list_spark_jobs", arguments.clone()).await;
        let jobs = answer.structured()["jobs"]
            .as_array()
            .expect("jobs")
            .clone();
        assert_eq!(jobs.len(), count, "{arguments}");
        assert!(jobs.iter().all(|listed| listed["job_id"] == job));
    }
    for arguments in [
        json!({"status": "done"}),
        json!({"since": "yesterday"}),
        json!({"cursor": "x"}),
        json!({"limit": 0}),
        json!({"limit": 501}),
    ] {
        let answer = client.call("list_spark_jobs", arguments).await;
        assert_eq!(answer.failure().0, "invalid_arguments");
    }
}
