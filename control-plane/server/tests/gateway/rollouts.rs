//! Faults on the way of a change: sick, silent and crashing Envoys, and what must never follow from
//! them.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::changes::{connected, node, rejections};
use crate::fake_envoy::{FakeEnvoy, REJECTION};
use crate::fake_server::{FakeServer, Speaks, tools};
use crate::harness::{ControlPlane, document_with, folder, until};

pub const FILTER: &str = "portcullis.mcp.mcp";
pub const DENY: &str = "defaults: {access: deny}\n";
const HASTY: &str = "rollout: {ack_deadline: 100ms}\n";
/// Longer than any test waits: an answer that comes before it did not wait for it.
pub const PATIENT: &str = "rollout: {ack_deadline: 59s}\n";

pub async fn version(control_plane: &ControlPlane) -> Value {
    control_plane.get("/api/v1/version").await.json
}

/// Waits until the Envoys have accepted what they are meant to have.
pub async fn until_accepted(control_plane: &ControlPlane) -> Value {
    until(|| async {
        let version = version(control_plane).await;
        version["accepted_generation"] == version["generation"]
    })
    .await;
    version(control_plane).await
}

pub async fn desired(control_plane: &ControlPlane, id: &str) -> Value {
    let node = node(control_plane, id).await;
    node.map_or(Value::Null, |mut node| node["generation"]["desired"].take())
}

#[tokio::test]
async fn it_never_starts_a_newcomer_permissive_behind_a_silent_connection() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), PATIENT).await;
    let silent = connected(&control_plane, "silent").await;
    let permissive = until_accepted(&control_plane).await;
    silent.pause();
    let strict = format!("{DENY}{HASTY}");
    let write = control_plane.put_yaml("/api/v1/config", &strict);
    let newcomer = async {
        // From then on the change is handed out.
        until(|| async { desired(&control_plane, "silent").await != permissive["generation"] })
            .await;
        let newcomer = FakeEnvoy::connect(control_plane.xds, "newcomer").await;
        until(|| async {
            let desired = desired(&control_plane, "newcomer").await;
            assert_ne!(desired, permissive["generation"]);
            desired == version(&control_plane).await["generation"]
        })
        .await;
        newcomer
    };
    let (answer, _newcomer) = tokio::join!(write, newcomer);
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    // The newcomer has become the judge, and the silent one stops nobody.
    let accepted = until_accepted(&control_plane).await;
    assert_eq!(accepted["revision"], 2);
    let _later = connected(&control_plane, "later").await;
    assert_eq!(
        desired(&control_plane, "later").await,
        accepted["generation"]
    );
}

#[tokio::test]
async fn it_takes_a_rejection_back_at_once_however_long_others_take() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), PATIENT).await;
    let (slow, bad) = (
        connected(&control_plane, "slow").await,
        connected(&control_plane, "bad").await,
    );
    until_accepted(&control_plane).await;
    slow.pause();
    bad.reject("second");
    let second =
        "listeners: [{name: mcp, address: 127.0.0.1:10000}, {name: second, address: 127.0.0.1:1}]";
    let answer = control_plane
        .put_yaml("/api/v1/config", &format!("{PATIENT}{second}"))
        .await;
    assert_eq!(
        (&answer.json["outcome"], &answer.json["in_force"]),
        (&json!("rejected"), &json!(1)),
        "{}",
        answer.text
    );
}

#[tokio::test]
async fn it_goes_on_without_an_envoy_that_finds_fault_with_every_filter() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), "").await;
    let _good = connected(&control_plane, "good").await;
    until_accepted(&control_plane).await;
    let _sick = FakeEnvoy::connect_rejecting(control_plane.xds, "sick", &[FILTER]).await;
    until(|| async {
        node(&control_plane, "sick").await.is_some()
            && rejections(&control_plane, "sick").await == [REJECTION]
    })
    .await;
    for body in [DENY, "defaults: {validate: shadow}", DENY] {
        let answer = control_plane.put_yaml("/api/v1/config", body).await;
        assert_eq!(
            (answer.status, &answer.json["outcome"]),
            (StatusCode::OK, &json!("partial")),
            "{}",
            answer.text
        );
        let sick = &answer.json["envoys"][1];
        assert_eq!(
            (&sick["id"], &sick["broken"]),
            (&json!("sick"), &json!(true))
        );
    }
}

#[tokio::test]
async fn it_stops_asking_an_envoy_that_alone_rejects_change_after_change() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), "").await;
    let _good = connected(&control_plane, "good").await;
    let picky = connected(&control_plane, "picky").await;
    until_accepted(&control_plane).await;
    picky.reject("second");
    let with_second = |port: u16| {
        format!(
            "listeners: [{{name: mcp, address: 127.0.0.1:10000}}, {{name: second, address: \
             127.0.0.1:{port}}}]"
        )
    };
    for (port, outcome) in [(1, "rejected"), (2, "rejected"), (3, "partial")] {
        let answer = control_plane
            .put_yaml("/api/v1/config", &with_second(port))
            .await;
        assert_eq!(answer.json["outcome"], outcome, "{}", answer.text);
    }
}

#[tokio::test]
async fn it_does_not_believe_a_rejected_filter_that_is_acknowledged_after_a_restart() {
    let folder = folder();
    let accepted = {
        let control_plane = ControlPlane::start(folder.path(), "").await;
        let _good = connected(&control_plane, "good").await;
        let accepted = until_accepted(&control_plane).await;
        let _sick = FakeEnvoy::connect_rejecting(control_plane.xds, "sick", &[FILTER]).await;
        until(|| async {
            node(&control_plane, "sick").await.is_some()
                && rejections(&control_plane, "sick").await == [REJECTION]
        })
        .await;
        // It is shown before it is stored.
        let store = control_plane.gateway.store();
        until(|| async { !store.rejections().await.unwrap().is_empty() }).await;
        accepted
    };
    let control_plane = ControlPlane::start(folder.path(), "").await;
    assert_eq!(version(&control_plane).await, accepted);
    // It says that it has it now, as Envoy does when it meets the same bytes again.
    let _sick = FakeEnvoy::connect(control_plane.xds, "sick").await;
    until(|| async {
        let node = node(&control_plane, "sick").await;
        let resources = node.map_or(Value::Null, |node| node["resources"].clone());
        resources.as_array().is_some_and(|all| {
            all.iter().any(|one| {
                one["name"] == FILTER && one["state"] != "pending" && one["state"] != "sent"
            })
        })
    })
    .await;
    assert_eq!(rejections(&control_plane, "sick").await, [REJECTION]);
    // It takes another one, and then it is believed.
    let answer = control_plane.put_yaml("/api/v1/config", DENY).await;
    assert_eq!(answer.json["outcome"], "accepted", "{}", answer.text);
    assert_eq!(rejections(&control_plane, "sick").await, [""; 0]);
}

/// Has the Envoy `crashing` leave and come back as a new process, twice.
pub async fn crash_twice(control_plane: &ControlPlane, mut crashing: FakeEnvoy) -> FakeEnvoy {
    for _ in 0..2 {
        drop(crashing);
        until(|| async { node(control_plane, "crashing").await.unwrap()["connected"] == false })
            .await;
        crashing = FakeEnvoy::connect(control_plane.xds, "crashing").await;
        until(|| async {
            let node = node(control_plane, "crashing").await.unwrap();
            let generation = &node["generation"];
            node["connected"] == true && generation["in_force"] == generation["desired"]
        })
        .await;
    }
    crashing
}

#[tokio::test]
async fn it_opens_nothing_because_an_envoy_crashes_with_a_stricter_policy() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), "").await;
    let crashing = connected(&control_plane, "crashing").await;
    until_accepted(&control_plane).await;
    let answer = control_plane.put_yaml("/api/v1/config", DENY).await;
    assert_eq!(answer.json["outcome"], "accepted", "{}", answer.text);
    let strict = version(&control_plane).await["generation"].clone();
    let _crashing = crash_twice(&control_plane, crashing).await;
    until(|| async {
        let node = node(&control_plane, "crashing").await.unwrap();
        node["rejected"]["revision"] == 2
    })
    .await;
    assert_eq!(version(&control_plane).await["generation"], strict);
    let _newcomer = FakeEnvoy::connect(control_plane.xds, "newcomer").await;
    until(|| async { node(&control_plane, "newcomer").await.is_some() }).await;
    for id in ["crashing", "newcomer"] {
        assert_eq!(desired(&control_plane, id).await, Value::Null, "{id}");
    }
}

#[tokio::test]
async fn it_keeps_a_generation_from_others_that_an_envoy_crashes_with() {
    let folder = folder();
    let server = FakeServer::start(Speaks::Stateless, tools(&["a"])).await;
    let document = document_with(&[("data", &server)]);
    let control_plane = ControlPlane::start(folder.path(), &document).await;
    control_plane.until_offered("data", &["a"]).await;
    let crashing = connected(&control_plane, "crashing").await;
    let before = until_accepted(&control_plane).await;
    let looser = format!("{document}defaults: {{validate: shadow}}\n");
    let answer = control_plane.put_yaml("/api/v1/config", &looser).await;
    assert_eq!(answer.json["outcome"], "accepted", "{}", answer.text);
    let _crashing = crash_twice(&control_plane, crashing).await;
    until(|| async { version(&control_plane).await["generation"] == before["generation"] }).await;
    let crashed = node(&control_plane, "crashing").await.unwrap();
    assert_eq!(crashed["crashes"]["count"], 2, "{crashed}");
    assert_eq!(crashed["rejected"]["revision"], 2);
    let _newcomer = connected(&control_plane, "newcomer").await;
    assert_eq!(
        desired(&control_plane, "newcomer").await,
        before["generation"]
    );
}

#[test]
fn it_looks_at_the_fleet_as_often_for_a_change_when_one_envoy_is_broken() {
    const ENVOYS: usize = 30;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let steps_of_a_change = |has_broken_one: bool| {
        let folder = folder();
        let (control_plane, _envoys) = runtime.block_on(async {
            let control_plane = ControlPlane::start(folder.path(), PATIENT).await;
            let mut envoys = vec![connected(&control_plane, "0").await];
            until_accepted(&control_plane).await;
            if has_broken_one {
                let names = [FILTER];
                envoys.push(FakeEnvoy::connect_rejecting(control_plane.xds, "sick", &names).await);
                until(|| async {
                    node(&control_plane, "sick").await.is_some()
                        && rejections(&control_plane, "sick").await == [REJECTION]
                })
                .await;
            }
            for number in 1..ENVOYS {
                envoys.push(connected(&control_plane, &number.to_string()).await);
            }
            control_plane.stop_looking_by_time();
            (control_plane, envoys)
        });
        // Everything runs on this thread.
        let (answer, steps) = step_count::taken_by(|| {
            let body = format!("{DENY}{PATIENT}");
            runtime.block_on(control_plane.put_yaml("/api/v1/config", &body))
        });
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        steps
    };
    let (healthy, with_broken_one) = (steps_of_a_change(false), steps_of_a_change(true));
    let looks = with_broken_one.saturating_sub(healthy) / ENVOYS as u64;
    assert!(looks <= 6, "{looks} more: {healthy}, {with_broken_one}");
}

#[tokio::test]
async fn it_shows_two_envoys_that_share_a_name() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), "").await;
    let _first = connected(&control_plane, "twin").await;
    let second = FakeEnvoy::connect(control_plane.xds, "twin").await;
    until(|| async { node(&control_plane, "twin").await.unwrap()["streams"] == 2 }).await;
    drop(second);
    until(|| async { node(&control_plane, "twin").await.unwrap()["streams"] == 1 }).await;
}

#[tokio::test]
async fn it_sends_new_endpoints_as_the_same_generation() {
    let folder = folder();
    let control_plane = ControlPlane::start(
        folder.path(),
        "servers: {data: {url: http://127.0.0.1:9/mcp}}",
    )
    .await;
    let _envoy = connected(&control_plane, "envoy").await;
    let before = until_accepted(&control_plane).await;
    let answer = control_plane
        .put_yaml(
            "/api/v1/config",
            "servers: {data: {url: http://127.0.0.2:9/mcp}}",
        )
        .await;
    assert_eq!(
        (&answer.json["outcome"], &answer.json["generation"]),
        (&json!("accepted"), &before["generation"]),
        "{}",
        answer.text
    );
    let after = node(&control_plane, "envoy").await.unwrap();
    let endpoints = after["resources"].as_array().unwrap();
    let endpoints = endpoints
        .iter()
        .find(|one| one["type"] == "endpoints")
        .unwrap();
    assert_eq!(endpoints["acked"], endpoints["desired"]);
    let snapshot = control_plane.get("/api/v1/config/snapshot").await.text;
    assert!(
        snapshot.contains("127.0.0.2") && !snapshot.contains("\"127.0.0.1:9\""),
        "{snapshot}"
    );
}
