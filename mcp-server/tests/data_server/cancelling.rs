//! A query that nobody waits for any more does not run on.

use serde_json::json;

use crate::client::Client;
use crate::database::{Database, PASSWORD};
use crate::process::ServerProcess;
use crate::server::Server;

/// A query that ends when it is stopped, and not by itself as long as a test waits.
pub const ENDLESS: &str = "SELECT pg_sleep(600)";

/// The flag without which the server would stop it sooner than a test gives up.
pub const PATIENT: &str = "--postgres-statement-timeout-ms=600000";

/// Waits until the number of sessions of this database that are in `pg_sleep` is `count`.
pub async fn sleeping(database: &Database, count: i64) {
    let sql = "SELECT count(*) FROM pg_stat_activity \
               WHERE datname = current_database() AND wait_event = 'PgSleep'";
    database.wait_for_count(sql, count).await;
}

#[tokio::test]
async fn it_cancels_the_query_when_the_client_goes_away() {
    let database = Database::with("").await;
    let server = Server::on(&database, &[PATIENT]).await;
    let legacy = Client::legacy(&server.address, "2025-11-25").await;
    for client in [server.client(), legacy] {
        let call = tokio::spawn(async move { client.query(ENDLESS, json!([])).await });
        sleeping(&database, 1).await;
        call.abort();
        sleeping(&database, 0).await;
    }
}

#[tokio::test]
async fn it_cancels_the_query_when_an_older_client_says_so() {
    let database = Database::with("").await;
    let server = Server::on(&database, &[PATIENT]).await;
    let client = std::sync::Arc::new(Client::legacy(&server.address, "2025-11-25").await);
    let caller = std::sync::Arc::clone(&client);
    let call = tokio::spawn(async move { caller.query(ENDLESS, json!([])).await });
    sleeping(&database, 1).await;
    let cancel =
        json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}});
    assert_eq!(client.post(&cancel.to_string(), &[]).await.status(), 202);
    sleeping(&database, 0).await;
    call.abort();
}

#[tokio::test]
async fn it_leaves_nothing_running_in_postgresql_when_its_process_is_killed() {
    let database = Database::with("CREATE TABLE things (a int)").await;
    let data = tempfile::tempdir().expect("a folder");
    let flags = [
        "--tools=all",
        "--postgres-write-user=postgres",
        "--postgres-write-password",
        PASSWORD,
        PATIENT,
    ];
    for (tool, sql) in [
        ("execute_query", ENDLESS),
        (
            "execute_dml",
            "INSERT INTO things SELECT 1 FROM pg_sleep(600)",
        ),
    ] {
        let mut process = ServerProcess::on(&database, data.path(), &flags);
        let client = process.client();
        let params = json!({"name": tool, "arguments": {"sql": sql}});
        let call = tokio::spawn(async move { client.try_request("tools/call", params).await });
        sleeping(&database, 1).await;
        process.kill();
        sleeping(&database, 0).await;
        call.await
            .expect("it has ended")
            .expect_err("nobody answered");
    }
}

#[tokio::test]
async fn it_ends_a_query_at_its_time_limit_and_the_connection_lives_on() {
    let database = Database::with("").await;
    let server = Server::on(
        &database,
        &[
            // Enough for the queries between, on whatever machine.
            "--postgres-statement-timeout-ms=2000",
            "--postgres-connections=1",
        ],
    )
    .await;
    let client = server.client();
    let mut processes = Vec::new();
    for sql in [ENDLESS, "SELECT pg_sleep(0.2) FROM generate_series(1, 500)"] {
        let answer = client.query(sql, json!([])).await;
        assert_eq!(answer.failure().0, "57014", "{sql}");
        let process = client.query("SELECT pg_backend_pid()", json!([])).await;
        processes.push(process.structured()["rows"].clone());
    }
    assert_eq!(processes[0], processes[1]);
}

#[tokio::test]
async fn it_connects_again_after_postgresql_dropped_its_connections() {
    let database = Database::with("").await;
    let server = Server::on(&database, &[]).await;
    let client = server.client();
    client.query("SELECT 1", json!([])).await.structured();
    let mut other = database.connection().await;
    crate::database::run(
        &mut other,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    .await;
    assert_eq!(
        client.query("SELECT 1", json!([])).await.structured()["rows"],
        json!([[1]])
    );
}
