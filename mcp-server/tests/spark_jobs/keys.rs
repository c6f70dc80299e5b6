//! A key makes a submission happen once, however often it is asked for.

use serde_json::{Value, json};

use crate::database::Database;
use crate::master::Master;
use crate::{server, text};

fn with_key(key: &str, source: &str) -> Value {
    json!({"source": source, "idempotency_key": key, "args": ["--password", "s3cret"]})
}

#[tokio::test]
async fn it_submits_a_job_once_for_each_key() {
    let (database, master) = (Database::with("").await, Master::start().await);
    let servers = [
        server(&database, &master).await,
        server(&database, &master).await,
    ];
    let calls = (0..6).map(|at| {
        let client = servers[at % 2].client();
        async move { client.call("submit_spark_job", with_key("a", "1")).await }
    });
    let answers = futures::future::join_all(calls).await;
    let ids: Vec<String> = answers
        .iter()
        .map(|answer| text(&answer.structured()["job_id"]))
        .collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(master.cluster().created.len(), 1);
    assert_eq!(answers[0].structured()["idempotency_key"], "a");

    let client = servers[0].client();
    let other = client.call("submit_spark_job", with_key("b", "1")).await;
    assert_ne!(text(&other.structured()["job_id"]), ids[0]);
    let changed = client.call("submit_spark_job", with_key("a", "2")).await;
    assert_eq!(changed.failure().0, "conflict");
    assert_eq!(master.cluster().created.len(), 2);
    for key in ["", &"x".repeat(201)] {
        let answer = client.call("submit_spark_job", with_key(key, "1")).await;
        assert_eq!(answer.failure().0, "invalid_arguments");
    }
}

#[tokio::test]
async fn it_gives_the_key_of_a_job_back_that_spark_did_not_take() {
    let (database, master) = (Database::with("").await, Master::start().await);
    let server = server(&database, &master).await;
    let client = server.client();
    master.cluster().refusal = Some("no".to_owned());
    let refused = client.call("submit_spark_job", with_key("a", "1")).await;
    assert_eq!(refused.failure().0, "unavailable");
    master.cluster().refusal = None;
    let taken = client.call("submit_spark_job", with_key("a", "1")).await;
    assert_eq!(taken.structured()["status"], "submitted");
}
