//! A store that does not take one kind of write, as where its disk is full at that moment.

use std::cell::Cell;
use std::path::Path;
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection};

use crate::fake_server::{FakeServer, Speaks, tools};
use crate::harness::{ControlPlane, document_with, folder, until};
use crate::lost_envoys::MINUTE;
use crate::modules::{hash, upload};
use crate::rollouts::version;
use crate::waiting_changes::SHADOW;
use crate::wasm;
use crate::waves::{Fleet, WAVES};

const FILE: &str = "control-plane.db";

/// Writes into the store behind the control plane's back.
pub async fn execute(folder: &Path, sql: &str) {
    let file = folder.join(FILE);
    let options = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(file)
        .foreign_keys(false);
    let mut store = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::query(AssertSqlSafe(sql))
        .execute(&mut store)
        .await
        .unwrap();
}

/// The number of rows of a table.
async fn count(folder: &Path, table: &str) -> i64 {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(folder.join(FILE));
    let mut store = SqliteConnection::connect_with(&options).await.unwrap();
    let count = AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
    sqlx::query_scalar(count)
        .fetch_one(&mut store)
        .await
        .unwrap()
}

/// Has the store refuse new rows of a table.
async fn refuse(folder: &Path, table: &str) {
    let trigger = format!(
        "CREATE TRIGGER broken BEFORE INSERT ON {table} \
         BEGIN SELECT RAISE(ABORT, 'no room'); END"
    );
    execute(folder, &trigger).await;
}

async fn mend(folder: &Path) {
    execute(folder, "DROP TRIGGER broken").await;
}

#[tokio::test]
async fn it_gives_no_envoy_a_wave_that_the_store_does_not_know_of() {
    for table in ["rollout", "rollout_generation"] {
        check_a_wave_that_is_not_stored(table).await;
    }
}

async fn check_a_wave_that_is_not_stored(table: &str) {
    let folder = folder();
    let fleet = Fleet::start(folder.path(), WAVES).await;
    refuse(folder.path(), table).await;
    let answer = fleet.put(&format!("{WAVES}{SHADOW}")).await;
    assert_eq!(answer.json["outcome"], "waiting", "{}", answer.text);
    let rollout = fleet.until("waiting_for_envoys", 1).await;
    // Each look is a turn of every task, and the actor tries it again in the meantime.
    for _ in 0..10 {
        fleet.clock.advance(Duration::from_secs(1));
        assert!(fleet.having(&rollout["generation"]).await.is_empty());
    }
    mend(folder.path()).await;
    until(|| async {
        let state = fleet.rollout().await["state"].take();
        if state == "waiting_for_envoys" {
            fleet.clock.advance(Duration::from_secs(1));
        }
        state == "soaking"
    })
    .await;
    assert_eq!(fleet.having(&rollout["generation"]).await.len(), 1);
}

#[tokio::test]
async fn it_begins_a_promoted_wave_soon_after_a_start_as_soon_as_the_store_takes_it() {
    let folder = folder();
    let fleet = Fleet::start(folder.path(), WAVES).await;
    let fleet = fleet.start_again(folder.path()).await;
    fleet.put(&format!("{WAVES}{SHADOW}")).await;
    fleet.until("waiting_for_envoys", 1).await;
    refuse(folder.path(), "rollout_generation").await;
    fleet.want("promote").await;
    fleet.check_stays("waiting_for_envoys", 1).await;
    mend(folder.path()).await;
    let step = Duration::from_millis(100);
    let steps = Cell::new(0);
    until(|| async {
        let state = fleet.rollout().await["state"].take();
        if state == "waiting_for_envoys" {
            fleet.clock.advance(step);
            steps.set(steps.get() + 1);
        }
        state == "soaking"
    })
    .await;
    assert!(step * steps.get() < MINUTE, "{steps:?} steps");
    fleet.check_stays("soaking", 1).await;
}

#[tokio::test]
async fn it_takes_no_change_whose_lists_the_store_does_not_take() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), "").await;
    let server = FakeServer::start(Speaks::Stateless, tools(&["a"])).await;
    let document = document_with(&[("data", &server)]);
    // What is long of a list is stored before anybody has to wait for it.
    for (table, tools) in [("tool_list", 0), ("catalogue", 1)] {
        refuse(folder.path(), table).await;
        let refused = control_plane.put_yaml("/api/v1/config", &document).await;
        let said = &refused.text;
        assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE, "{said}");
        assert_eq!(refused.json["type"], "urn:portcullis:store", "{said}");
        assert_eq!(version(&control_plane).await["newest_revision"], 1);
        assert_eq!(count(folder.path(), "tool").await, tools, "{table}");
        mend(folder.path()).await;
    }
    let taken = control_plane.put_yaml("/api/v1/config", &document).await;
    assert_eq!(taken.status, StatusCode::OK, "{}", taken.text);
    control_plane.until_offered("data", &["a"]).await;
}

#[tokio::test]
async fn it_keeps_and_takes_back_no_module_that_does_not_go_on_record() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), "").await;
    let listed = || async { control_plane.get("/api/v1/modules").await.json["modules"].take() };
    let module = wasm::other_filter();
    refuse(folder.path(), "audit").await;
    let refused = upload(&control_plane, &module).await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(listed().await, json!([]));
    mend(folder.path()).await;
    assert_eq!(
        upload(&control_plane, &module).await.status,
        StatusCode::CREATED
    );
    refuse(folder.path(), "audit").await;
    let path = format!("/api/v1/modules/{}", hash(&module));
    let refused = control_plane.delete(&path).await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(listed().await[0]["sha256"], hash(&module));
    mend(folder.path()).await;
    assert_eq!(
        control_plane.delete(&path).await.status,
        StatusCode::NO_CONTENT
    );
    let trail = control_plane.get("/api/v1/audit?kind=modules").await.json;
    assert_eq!(trail["records"].as_array().unwrap().len(), 2, "{trail}");
}
