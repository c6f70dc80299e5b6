//! A leader whose lease has ended: somebody else may lead, so it does nothing, and goes on where it
//! was if nobody did.

use std::time::Instant;

use control_plane::lease::LeaseEnd;
use reqwest::StatusCode;
use serde_json::json;
use xds::SimulatedClock;

use crate::changes::{node, rejections};
use crate::fake_envoy::FakeEnvoy;
use crate::harness::{ControlPlane, folder, until};
use crate::rollouts::{DENY, FILTER, until_accepted, version};
use crate::waiting_changes::{SHADOW, hand_out, held};
use crate::waves::{Fleet, SOAK, WAVES};

fn end_lease(control_plane: &ControlPlane) {
    let now = LeaseEnd::At(Instant::now());
    control_plane.leadership.renew(now);
}

async fn is_connected(control_plane: &ControlPlane, id: &str) -> bool {
    let node = node(control_plane, id).await.unwrap();
    node["connected"] == true
}

#[tokio::test]
async fn it_begins_no_wave_and_judges_nothing_while_its_lease_has_ended() {
    let folder = folder();
    let mut fleet = Fleet::start(folder.path(), WAVES).await;
    let answer = fleet.put(&format!("{WAVES}{SHADOW}")).await;
    assert_eq!(answer.json["outcome"], "rolling_out", "{}", answer.text);
    let rollout = fleet.until("soaking", 1).await;
    end_lease(&fleet.control_plane);
    fleet.clock.advance(2 * SOAK);
    fleet.check_stays("soaking", 1).await;
    let answer = fleet.put(&format!("{WAVES}{DENY}")).await;
    assert_eq!(
        (answer.status, &answer.json["outcome"]),
        (StatusCode::OK, &json!("pending")),
        "{}",
        answer.text
    );
    // An operator is told that nothing comes of it.
    let path = format!(
        "/api/v1/rollouts/{}/promote",
        rollout["id"].as_str().unwrap()
    );
    let refused = fleet.control_plane.post(&path, &json!({})).await;
    assert!(refused.status.is_server_error(), "{}", refused.text);
    fleet.check_stays("soaking", 1).await;

    // The Envoys come again, and get what they had.
    let names: Vec<&str> = std::mem::take(&mut fleet.envoys).into_keys().collect();
    for name in names {
        let is_gone = || async { !is_connected(&fleet.control_plane, name).await };
        until(is_gone).await;
        let envoy = FakeEnvoy::connect(fleet.control_plane.xds, name).await;
        until(|| async { !envoy.filters().is_empty() }).await;
        fleet.envoys.insert(name, envoy);
    }
    fleet.check_stays("soaking", 1).await;
    assert_eq!(fleet.having(&rollout["generation"]).await.len(), 1);

    fleet.control_plane.leadership.renew(LeaseEnd::Never);
    fleet.until("soaking", 2).await;
    fleet.clock.advance(SOAK);
    let path = format!("/api/v1/rollouts/{}", rollout["id"].as_str().unwrap());
    until(|| async { fleet.control_plane.get(&path).await.json["state"] == "accepted" }).await;
}

#[tokio::test]
async fn it_takes_nothing_back_while_its_lease_has_ended() {
    let folder = folder();
    let clock = SimulatedClock::default();
    let control_plane = ControlPlane::start_with_clock(folder.path(), "", &clock).await;
    let envoy = held(&control_plane, "a").await;
    let write = hand_out(&control_plane, SHADOW, 2).await;
    end_lease(&control_plane);
    let answer = write.await.unwrap();
    assert_eq!(answer.json["outcome"], "pending", "{}", answer.text);
    envoy.reject(FILTER);
    envoy.go_on();
    until(|| async { !rejections(&control_plane, "a").await.is_empty() }).await;
    let trail = control_plane.gateway.store().audit(None, 100).await;
    let trail = trail.unwrap();
    assert!(
        trail
            .iter()
            .all(|record| record.entry.what != "rejected by Envoy")
    );
    assert_eq!(version(&control_plane).await["revision"], 2);

    control_plane.leadership.renew(LeaseEnd::Never);
    until(|| async { version(&control_plane).await["revision"] == 1 }).await;
    until_accepted(&control_plane).await;
}
