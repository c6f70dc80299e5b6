//! Changes of the document, and the ways in which Envoys may answer them.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::fake_envoy::{FakeEnvoy, REJECTION};
use crate::harness::{ControlPlane, folder, until};

pub async fn connected(control_plane: &ControlPlane, id: &str) -> FakeEnvoy {
    let envoy = FakeEnvoy::connect(control_plane.xds, id).await;
    until(|| async {
        let version = control_plane.get("/api/v1/version").await.json;
        node(control_plane, id)
            .await
            .is_some_and(|node| node["generation"]["in_force"] == version["generation"])
    })
    .await;
    envoy
}

pub async fn node(control_plane: &ControlPlane, id: &str) -> Option<Value> {
    let nodes = control_plane.get("/api/v1/nodes").await.json["nodes"].take();
    nodes
        .as_array()?
        .iter()
        .find(|node| node["id"] == id)
        .cloned()
}

pub async fn rejections(control_plane: &ControlPlane, id: &str) -> Vec<Value> {
    let node = node(control_plane, id).await.unwrap();
    let resources = node["resources"].as_array().unwrap();
    resources
        .iter()
        .map(|resource| resource["state"]["rejected"]["message"].clone())
        .filter(Value::is_string)
        .collect()
}

const SECOND: &str = "
listeners:
  - {name: mcp, address: 127.0.0.1:10000}
  - {name: second, address: 127.0.0.1:1}
";

#[tokio::test]
async fn it_answers_when_every_envoy_has_acknowledged() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), "").await;
    let _envoys = (
        connected(&control_plane, "one").await,
        connected(&control_plane, "two").await,
    );
    let answer = control_plane
        .put_yaml("/api/v1/config", "defaults: {access: deny}")
        .await;
    assert_eq!(
        (answer.status, &answer.json["outcome"]),
        (StatusCode::OK, &json!("accepted")),
        "{}",
        answer.text
    );
    assert_eq!(
        answer.json["envoys"],
        json!([{"id": "one", "state": "acked"}, {"id": "two", "state": "acked"}])
    );
    let version = control_plane.get("/api/v1/version").await.json;
    assert_eq!(version["accepted_generation"], version["generation"]);
}

#[tokio::test]
async fn it_takes_back_a_change_that_an_envoy_rejects_and_shows_it_until_the_next() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), "").await;
    let (_good, bad) = (
        connected(&control_plane, "good").await,
        connected(&control_plane, "bad").await,
    );
    let before = control_plane.get("/api/v1/version").await.json;
    let document = control_plane.document().await;
    bad.reject("second");

    let answer = control_plane.put_yaml("/api/v1/config", SECOND).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(
        (&answer.json["outcome"], &answer.json["revision"]),
        (&json!("rejected"), &json!(2))
    );
    assert!(
        answer.json["detail"].as_str().unwrap().contains(REJECTION),
        "{}",
        answer.text
    );

    assert_eq!(control_plane.document().await, document);
    let after = control_plane.get("/api/v1/version").await.json;
    assert_eq!(
        (&after["revision"], &after["newest_revision"]),
        (&json!(1), &json!(2))
    );
    assert_eq!(after["generation"], before["generation"]);
    assert_eq!(rejections(&control_plane, "bad").await, [REJECTION]);
    assert_eq!(rejections(&control_plane, "good").await, [""; 0]);
    assert_eq!(
        node(&control_plane, "bad").await.unwrap()["rejected"]["revision"],
        2
    );
    until(|| async {
        node(&control_plane, "good").await.unwrap()["generation"]["in_force"]
            == before["generation"]
    })
    .await;

    // Saying again what is in force is a change of its own then: the newest revision is not the bad
    // one any more.
    let confirmed = control_plane.put_json("/api/v1/config", &document).await;
    assert_eq!(
        (confirmed.status, &confirmed.json["revision"]),
        (StatusCode::OK, &json!(3)),
        "{}",
        confirmed.text
    );
    assert_eq!(rejections(&control_plane, "bad").await, [""; 0]);
}

#[tokio::test]
async fn it_never_serves_a_rejected_change_to_a_new_envoy_or_after_a_restart() {
    let folder = folder();
    let before = {
        let control_plane = ControlPlane::start(folder.path(), "").await;
        let bad = connected(&control_plane, "bad").await;
        bad.reject("second");
        assert_eq!(
            control_plane
                .put_yaml("/api/v1/config", SECOND)
                .await
                .status,
            StatusCode::UNPROCESSABLE_ENTITY
        );
        let _new = connected(&control_plane, "new").await;
        assert!(
            !node(&control_plane, "new").await.unwrap()["resources"]
                .to_string()
                .contains("second")
        );
        control_plane.get("/api/v1/version").await.json
    };
    let control_plane = ControlPlane::start(folder.path(), "").await;
    assert_eq!(control_plane.get("/api/v1/version").await.json, before);
}

#[tokio::test]
async fn it_is_not_held_up_by_an_envoy_that_cannot_have_what_the_others_have() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), "").await;
    let _good = connected(&control_plane, "good").await;
    let _broken = FakeEnvoy::connect_rejecting(control_plane.xds, "broken", &["mcp"]).await;
    until(|| async {
        node(&control_plane, "broken").await.is_some()
            && rejections(&control_plane, "broken").await == [REJECTION]
    })
    .await;
    for (revision, body) in [
        (2, "defaults: {access: deny}"),
        (3, "defaults: {validate: shadow}"),
    ] {
        let answer = control_plane.put_yaml("/api/v1/config", body).await;
        assert_eq!(
            (answer.status, &answer.json["outcome"]),
            (StatusCode::OK, &json!("partial")),
            "{}",
            answer.text
        );
        let version = control_plane.get("/api/v1/version").await.json;
        assert_eq!(
            (&version["revision"], &version["accepted_generation"]),
            (&json!(revision), &version["generation"])
        );
    }
    // And when a change is bad, they go back to the last one, not to the last that the broken one
    // liked.
    let bad = connected(&control_plane, "bad").await;
    bad.reject("second");
    let second = format!("{SECOND}defaults: {{validate: shadow}}");
    let answer = control_plane.put_yaml("/api/v1/config", &second).await;
    assert_eq!(
        (&answer.json["outcome"], &answer.json["in_force"]),
        (&json!("rejected"), &json!(3)),
        "{}",
        answer.text
    );
}

const HASTY: &str = "rollout: {ack_deadline: 100ms}\n";

#[tokio::test]
async fn it_answers_after_the_deadline_with_each_envoys_state_and_takes_note_of_late_answers() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), "").await;
    let (_prompt, slow) = (
        connected(&control_plane, "prompt").await,
        connected(&control_plane, "slow").await,
    );
    slow.pause();
    let answer = control_plane
        .put_yaml(
            "/api/v1/config",
            // In which the prompt one does answer, on whatever machine.
            "rollout: {ack_deadline: 5s}\ndefaults: {access: deny}",
        )
        .await;
    assert_eq!(
        (answer.status, &answer.json["outcome"]),
        (StatusCode::OK, &json!("partial")),
        "{}",
        answer.text
    );
    assert_eq!(
        answer.json["envoys"],
        json!([{"id": "prompt", "state": "acked"}, {"id": "slow", "state": "silent"}])
    );
    // The change stands for those that answered.
    let version = control_plane.get("/api/v1/version").await.json;
    assert_eq!(
        (&version["revision"], &version["accepted_generation"]),
        (&json!(2), &version["generation"])
    );
    slow.go_on();
    until(|| async {
        node(&control_plane, "slow").await.unwrap()["generation"]["in_force"]
            == version["generation"]
    })
    .await;
}

#[tokio::test]
async fn it_takes_back_a_change_that_an_envoy_rejects_after_it_was_answered() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), HASTY).await;
    let slow = connected(&control_plane, "slow").await;
    until(|| async {
        control_plane.get("/api/v1/version").await.json["accepted_generation"].is_string()
    })
    .await;
    slow.pause();
    slow.reject("second");
    let answer = control_plane
        .put_yaml("/api/v1/config", &format!("{HASTY}{SECOND}"))
        .await;
    assert_eq!(
        (answer.status, &answer.json["outcome"]),
        (StatusCode::OK, &json!("pending")),
        "{}",
        answer.text
    );
    assert_eq!(answer.json.get("in_force"), None);
    slow.go_on();
    until(|| async { control_plane.get("/api/v1/version").await.json["revision"] == 1 }).await;
    assert_eq!(rejections(&control_plane, "slow").await, [REJECTION]);
}

#[tokio::test]
async fn it_says_that_nothing_is_in_force_where_the_first_documents_are_rejected() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), "").await;
    let _bad = FakeEnvoy::connect_rejecting(control_plane.xds, "bad", &["mcp"]).await;
    until(|| async {
        node(&control_plane, "bad").await.is_some()
            && rejections(&control_plane, "bad").await == [REJECTION]
    })
    .await;
    let answer = control_plane
        .put_yaml("/api/v1/config", "defaults: {access: deny}")
        .await;
    assert_eq!(answer.json["outcome"], "rejected", "{}", answer.text);
    assert_eq!(answer.json.get("in_force"), None, "{}", answer.text);
    let detail = answer.json["detail"].as_str().unwrap();
    assert!(detail.contains("there is none before it"), "{detail}");
}
