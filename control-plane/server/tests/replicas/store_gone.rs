//! A PostgreSQL that is gone for a while.

use reqwest::StatusCode;

use crate::database::{Database, PASSWORD};
use crate::envoy::{Envoy, Held};
use crate::replica::{Replica, until};
use crate::way::Way;

#[tokio::test]
async fn it_serves_envoys_and_refuses_changes_while_its_postgresql_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let Database { port, name } = Database::with("").await;
    let mut way = Way::to(port).await;
    let store = format!("postgres://postgres:{PASSWORD}@{}/{name}", way.address);
    let mut control_plane = Replica::start(&store, folder.path());
    control_plane.until_it_leads().await;
    let first = Envoy::connect(control_plane.xds, "first", Held::new()).await;
    let (status, report) = control_plane.set_timeout(7).await;
    assert_eq!(status, StatusCode::OK, "{report}");
    assert_eq!(report["outcome"], "accepted", "{report}");

    way.cut().await;
    let (status, problem) = control_plane.set_timeout(8).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{problem}");
    assert_eq!(problem["type"], "urn:portcullis:store", "{problem}");
    // Whoever watches over the process is not to end it; operators go elsewhere.
    let status = async |path| control_plane.get(path).await.unwrap().0;
    assert_eq!(status("/healthz").await, StatusCode::OK);
    assert_eq!(status("/readyz").await, StatusCode::SERVICE_UNAVAILABLE);
    let second = Envoy::connect(control_plane.xds, "second", Held::new()).await;
    until(async || (second.held() == first.held()).then_some(())).await;

    way.mend().await;
    let (status, report) = until(async || {
        let (status, report) = control_plane.set_timeout(9).await;
        (status != StatusCode::SERVICE_UNAVAILABLE).then_some((status, report))
    })
    .await;
    assert_eq!(status, StatusCode::OK, "{report}");
    assert_eq!(report["revision"], 3, "{report}");
    assert!(!control_plane.has_ended());
}
