//! A leader whose own way to the PostgreSQL is cut, while others reach it.

use reqwest::StatusCode;

use crate::database::{Database, PASSWORD};
use crate::envoy::{Envoy, Held};
use crate::replica::{Replica, until};
use crate::way::Way;

/// The filter's configuration, which a change of the policy changes alone.
const FILTER: &str = "portcullis.mcp.mcp";

/// Longer than the lease, and shorter than an Envoy stays with a leader that has lost it.
const SOAK: &str = "8s";

#[tokio::test]
async fn it_hands_out_nothing_new_once_its_lease_has_ended_and_its_envoys_move() {
    let folder = tempfile::tempdir().unwrap();
    let Database { port, name } = Database::with("").await;
    let mut way = Way::to(port).await;
    let at = |place: String| format!("postgres://postgres:{PASSWORD}@{place}/{name}");
    let mut first = Replica::start(&at(way.address.to_string()), folder.path());
    first.until_it_leads().await;
    let second = Replica::start(&at(format!("127.0.0.1:{port}")), folder.path());
    second.until_it_stands_by().await;
    let mut envoys = Vec::new();
    for id in ["a", "b"] {
        envoys.push(Envoy::connect(first.xds, id, Held::new()).await);
    }
    let (status, report) = first.set_timeout(7).await;
    assert_eq!(
        (status, &report["outcome"]),
        (StatusCode::OK, &"accepted".into()),
        "{report}"
    );
    let before = envoys[0].held();
    assert_eq!(envoys[1].held(), before);

    let (status, report) = first.begin_rollout(8, SOAK).await;
    assert_eq!(
        (status, &report["outcome"]),
        (StatusCode::OK, &"rolling_out".into()),
        "{report}"
    );
    way.cut().await;
    second.until_it_leads().await;
    for envoy in &envoys {
        until(async || envoy.has_ended().then_some(())).await;
    }
    let held: Vec<Held> = envoys.iter().map(Envoy::held).collect();
    let with_change = held.iter().filter(|held| **held != before).count();
    assert_eq!(with_change, 1, "one Envoy was to have it first");

    // The new leader goes on with the rollout, and sends nobody what they have.
    let again = |xds| async move {
        let a = Envoy::connect(xds, "a", held[0].clone()).await;
        let b = Envoy::connect(xds, "b", held[1].clone()).await;
        [a, b]
    };
    let moved = again(second.xds).await;
    let (status, report) = second.set_timeout(9).await;
    assert_eq!(status, StatusCode::OK, "{report}");
    until(async || {
        // They are all back.
        second.wait_for_no_more_envoys().await?;
        let (_, version) = second.get("/api/v1/version").await?;
        let is_over = version["accepted_generation"] == version["generation"]
            && version["revision"] == report["revision"];
        is_over.then_some(())
    })
    .await;
    let now = moved[0].held();
    assert_eq!(moved[1].held(), now);
    for envoy in &moved {
        assert!(
            envoy.transferred().iter().all(|name| name == FILTER),
            "{:?}",
            envoy.transferred()
        );
    }

    // Whoever comes back to the former leader keeps what it has.
    let back = Envoy::connect(first.xds, "a", now.clone()).await;
    until(async || back.has_ended().then_some(())).await;
    assert_eq!((back.transferred(), back.held()), (Vec::new(), now));
    let fresh = Envoy::connect(first.xds, "fresh", Held::new()).await;
    until(async || (fresh.held() == before).then_some(())).await;

    way.mend().await;
    until(async || first.has_ended().then_some(())).await;
}
