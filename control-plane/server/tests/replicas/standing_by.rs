//! One control plane leads, the others stand by, and one of them takes over.

use reqwest::StatusCode;
use store::{AuditEntry, SqlStore};
use tokio::net::TcpStream;

use crate::database::{Database, PASSWORD};
use crate::envoy::{Envoy, Held};
use crate::replica::{Replica, until};

/// The filter's configuration, which a change of the policy changes alone.
const FILTER: &str = "portcullis.mcp.mcp";

async fn store() -> String {
    let Database { port, name } = Database::with("").await;
    format!("postgres://postgres:{PASSWORD}@127.0.0.1:{port}/{name}")
}

#[tokio::test]
async fn it_ends_a_leader_that_was_given_up_for_dead_and_is_not() {
    let (folder, store) = (tempfile::tempdir().unwrap(), store().await);
    let mut first = Replica::start(&store, folder.path());
    first.until_it_leads().await;
    let second = Replica::start(&store, folder.path());
    second.until_it_stands_by().await;
    first.signal("STOP");
    second.until_it_leads().await;
    let (status, report) = second.set_timeout(7).await;
    assert_eq!(status, StatusCode::OK, "{report}");
    first.signal("CONT");
    until(async || first.has_ended().then_some(())).await;
    assert_eq!(second.until_it_leads().await["newest_revision"], 2);
}

#[tokio::test]
async fn it_ends_when_its_store_is_replaced_and_goes_on_from_what_was_restored() {
    let folder = tempfile::tempdir().unwrap();
    let (file, backup) = (
        folder.path().join("store.db"),
        folder.path().join("backup.db"),
    );
    let store = file.to_str().unwrap();
    let mut control_plane = Replica::start(store, folder.path());
    control_plane.until_it_leads().await;
    let (_, before) = control_plane.set_timeout(7).await;
    assert_eq!(before["revision"], 2, "{before}");
    let command = SqlStore::open(file.as_path()).await.unwrap();
    command.back_up(&backup).await.unwrap();
    let (_, later) = control_plane.set_timeout(8).await;
    assert_eq!(later["revision"], 3, "{later}");
    let deed = AuditEntry {
        who: "ada".to_owned(),
        what: "portcullis store restore".to_owned(),
        revision: None,
        origin: String::new(),
        reason: String::new(),
    };
    command.restore(&backup, true, &deed).await.unwrap();
    until(async || control_plane.has_ended().then_some(())).await;
    let again = Replica::start(store, folder.path());
    assert_eq!(again.until_it_leads().await["newest_revision"], 2);
}

#[tokio::test]
async fn it_takes_over_from_a_killed_leader_and_sends_envoys_nothing_that_they_have() {
    let (folder, store) = (tempfile::tempdir().unwrap(), store().await);
    let first = Replica::start(&store, folder.path());
    first.until_it_leads().await;
    let second = Replica::start(&store, folder.path());
    assert_eq!(second.until_it_stands_by().await, first.rest.to_string());
    // It sends operators on to the leader, is not ready itself, and Envoys do not wait at it.
    let (status, report) = second.set_timeout(7).await;
    assert_eq!(
        (status, &report["revision"]),
        (StatusCode::OK, &2.into()),
        "{report}"
    );
    let path = "/api/v1/versions?limit=1";
    let there = format!("http://{}{path}", first.rest);
    assert_eq!(
        second.look(path).await,
        (StatusCode::TEMPORARY_REDIRECT, Some(there))
    );
    for path in ["/readyz", "/metrics", "/"] {
        assert_eq!(
            second.look(path).await,
            (StatusCode::SERVICE_UNAVAILABLE, None),
            "{path}"
        );
    }
    TcpStream::connect(second.xds).await.unwrap_err();

    let envoy = Envoy::connect(first.xds, "envoy", Held::new()).await;
    until(async || {
        envoy
            .transferred()
            .contains(&FILTER.to_owned())
            .then_some(())
    })
    .await;
    let (status, report) = first.set_timeout(8).await;
    assert_eq!(status, StatusCode::OK, "{report}");
    assert_eq!(report["outcome"], "accepted", "{report}");
    let held = envoy.held();
    let (_, before) = first.get("/api/v1/version").await.unwrap();
    first.kill();
    drop(envoy);

    let after = second.until_it_leads().await;
    for field in ["revision", "generation", "newest_revision"] {
        assert_eq!(after[field], before[field], "{field}");
    }
    let envoy = Envoy::connect(second.xds, "envoy", held.clone()).await;
    let (status, report) = second.set_timeout(9).await;
    assert_eq!(status, StatusCode::OK, "{report}");
    assert_eq!(report["outcome"], "accepted", "{report}");
    // Whatever comes first is what has changed, and nothing else comes.
    assert_eq!(envoy.transferred(), [FILTER]);
    assert_eq!(envoy.held().len(), held.len());

    // Whoever comes back stands by.
    let again = Replica::start(&store, folder.path());
    assert_eq!(again.until_it_stands_by().await, second.rest.to_string());
}
