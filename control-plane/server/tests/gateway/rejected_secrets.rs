//! Secrets that Envoys reject: what they keep from being in force, and what is shown of them.

use serde_json::json;

use crate::captured_log::CapturedLog;
use crate::fake_envoy::{FakeEnvoy, REJECTION};
use crate::harness::until;
use crate::rollouts::{until_accepted, version};
use crate::secrets::{Fixture, VALUE, holds};

#[tokio::test]
async fn it_takes_a_change_back_whose_secret_the_first_envoy_rejects_and_says_why() {
    let fixture = Fixture::new().await;
    fixture.write(VALUE);
    let xds = fixture.control_plane.xds;
    let _envoy = FakeEnvoy::connect_rejecting_all_with(xds, "one", VALUE).await;
    until_accepted(&fixture.control_plane).await;
    let mut document = fixture.with_secret("token").await;
    document["rollout"] = json!({"waves": [1], "soak": "1h", "ack_deadline": "5s"});
    let answer = fixture.put(&document).await;
    assert_eq!(answer.json["outcome"], "rejected", "{}", answer.text);
    let rollouts = fixture.control_plane.get("/api/v1/rollouts").await.json;
    let reason = rollouts["rollouts"][0]["reason"].as_str().unwrap();
    let said = format!("`: {REJECTION})");
    assert!(
        reason.contains("`one` (secret `token@") && reason.contains(&said),
        "{reason}"
    );
    assert!(!reason.contains(VALUE), "{reason}");
}

#[tokio::test]
async fn it_calls_no_change_accepted_whose_secret_every_envoy_rejects_and_shows_none_of_it() {
    let log = CapturedLog::begin();
    let fixture = Fixture::new().await;
    fixture.write(VALUE);
    let xds = fixture.control_plane.xds;
    let _envoy = FakeEnvoy::connect_rejecting_all_with(xds, "one", VALUE).await;
    let before = until_accepted(&fixture.control_plane).await;
    let accepted = async || version(&fixture.control_plane).await["accepted_generation"].take();
    let mut document = fixture.with_secret("token").await;
    document["rollout"] = json!({"ack_deadline": "100ms"});
    let answer = fixture.put(&document).await;
    assert_eq!(answer.json["outcome"], "pending", "{}", answer.text);
    let is_rejected = async || {
        let secret = fixture.secret_of_the_envoy().await;
        secret["state"]["rejected"]["message"] == REJECTION
    };
    until(is_rejected).await;
    let shown = fixture.shown().await;
    assert!(
        shown.contains(REJECTION) && shown.contains("token@"),
        "{shown}"
    );
    assert!(!shown.contains(VALUE), "{shown}");
    assert!(!holds(fixture.folder.path(), VALUE));
    assert!(!log.text().contains(VALUE), "{}", log.text());
    assert_eq!(accepted().await, before["accepted_generation"]);
    // Another content is all that is missing.
    fixture.write("another");
    until(|| async { accepted().await != before["accepted_generation"] }).await;
}
