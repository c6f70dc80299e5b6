//! One control plane leads, the others stand by, and one of them takes over.

use reqwest::StatusCode;
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
async fn it_takes_over_from_a_killed_leader_and_sends_envoys_nothing_that_they_have() {
    let (folder, store) = (tempfile::tempdir().unwrap(), store().await);
    let first = Replica::start(&store, folder.path());
    first.until_it_leads().await;
    let second = Replica::start(&store, folder.path());
    assert_eq!(second.until_it_stands_by().await, first.rest.to_string());
    // It tells operators who leads, and Envoys do not wait at it.
    let (status, problem) = second.set_timeout(7).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains(&first.rest.to_string()), "{detail}");
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
