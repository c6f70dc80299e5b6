//! The job tools over HTTP, on a real PostgreSQL and a stand-in for Spark's master, which does what
//! a test tells it.
//! The same tools on a real Spark are tested end to end.

#[path = "../data_server/client.rs"]
#[allow(dead_code)]
mod client;
#[path = "../data_server/database.rs"]
#[allow(dead_code)]
mod database;
#[path = "../data_server/server.rs"]
#[allow(dead_code)]
mod server;

mod arguments;
mod cancelling;
mod keys;
mod listing;
mod logs;
mod master;
mod records;
mod restarts;
mod retention;
mod watching;

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use client::Client;
use database::{Database, PASSWORD};
use master::Master;
use server::Server;

/// Polls until `look` gives something.
async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: not within a minute");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A server that keeps its jobs in `database` and submits them to `master`.
async fn server(database: &Database, master: &Master) -> Server {
    server_with(database, master, "spark://127.0.0.1:7077").await
}

/// The same for a master that calls itself `spark_master`.
async fn server_with(database: &Database, master: &Master, spark_master: &str) -> Server {
    let store = format!(
        "--store-url=postgres://postgres:{PASSWORD}@127.0.0.1:{}/{}",
        database.port, database.name
    );
    let address = format!("http://{}", master.address);
    let data = master.folder.path().display().to_string();
    Server::on(
        database,
        &[
            &store,
            "--data",
            &data,
            "--spark-master",
            spark_master,
            "--spark-master-rest",
            &address,
            "--spark-master-ui",
            &address,
            "--spark-python=/the/python",
        ],
    )
    .await
}

/// Submits a script of no importance; gives the job's id.
async fn submit(client: &Client) -> String {
    let answer = client
        .call("submit_spark_job", json!({"source": "print(1)"}))
        .await;
    text(&answer.structured()["job_id"])
}

async fn status(client: &Client, job: &str) -> Value {
    let answer = client.call("get_job_status", json!({"job_id": job})).await;
    answer.structured().clone()
}

async fn until_status(client: &Client, job: &str, wanted: &str) -> Value {
    until(wanted, async || {
        let seen = status(client, job).await;
        (seen["status"] == wanted).then_some(seen)
    })
    .await
}

fn text(value: &Value) -> String {
    value.as_str().expect("a string").to_owned()
}

/// The file that the launcher of a submission reads: the last argument of its command line names
/// the file.
fn launched(created: &Value) -> Value {
    let command = created["appArgs"].as_array().expect("an array");
    let file = text(command.last().expect("an argument"));
    serde_json::from_str(&std::fs::read_to_string(file).expect("a file")).expect("JSON")
}
