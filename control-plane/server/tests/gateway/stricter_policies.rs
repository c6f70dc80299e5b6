//! Policies that an Envoy rejects and another runs: no fall-back by itself allows more.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::changes::{connected, node};
use crate::fake_envoy::FakeEnvoy;
use crate::harness::{ControlPlane, folder, until};
use crate::rollouts::{DENY, FILTER, PATIENT, desired, until_accepted, version};

/// Denies everything in revision 2, which the Envoy `strict` runs and the Envoy `bad` rejects;
/// between the two comes `meanwhile`.
async fn keep_a_stricter_policy<T>(
    control_plane: &ControlPlane,
    meanwhile: impl AsyncFnOnce(FakeEnvoy) -> T,
) -> (T, FakeEnvoy) {
    let (strict, bad) = (
        connected(control_plane, "strict").await,
        connected(control_plane, "bad").await,
    );
    until_accepted(control_plane).await;
    bad.pause();
    bad.reject(FILTER);
    let body = format!("{DENY}{PATIENT}");
    let write = control_plane.put_yaml("/api/v1/config", &body);
    let strict_runs_it = async {
        until(|| async {
            let node = node(control_plane, "strict").await.unwrap();
            node["generation"]["in_force"] == version(control_plane).await["generation"]
                && version(control_plane).await["revision"] == 2
        })
        .await;
        let strict = meanwhile(strict).await;
        bad.go_on();
        strict
    };
    let (answer, strict) = tokio::join!(write, strict_runs_it);
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        answer.json["detail"].as_str().unwrap().contains("keep it"),
        "{}",
        answer.text
    );
    (strict, bad)
}

#[tokio::test]
async fn it_keeps_a_stricter_policy_where_it_runs_until_an_operator_decides() {
    let folder = folder();
    let kept = {
        let control_plane = ControlPlane::start(folder.path(), PATIENT).await;
        let (strict, _bad) = keep_a_stricter_policy(&control_plane, async |strict| strict).await;
        let kept = version(&control_plane).await["generation"].clone();
        assert_eq!(desired(&control_plane, "strict").await, kept);
        // A newcomer gets neither what was rejected nor what would allow more.
        let _newcomer = FakeEnvoy::connect(control_plane.xds, "newcomer").await;
        until(|| async { node(&control_plane, "newcomer").await.is_some() }).await;
        assert_eq!(desired(&control_plane, "newcomer").await, Value::Null);
        drop(strict);
        kept
    };
    // A restart decides nothing either.
    let control_plane = ControlPlane::start(folder.path(), "").await;
    let _strict = FakeEnvoy::connect(control_plane.xds, "strict").await;
    let _newcomer = FakeEnvoy::connect(control_plane.xds, "newcomer").await;
    until(|| async { node(&control_plane, "newcomer").await.is_some() }).await;
    assert_eq!(desired(&control_plane, "strict").await, kept);
    assert_eq!(desired(&control_plane, "newcomer").await, Value::Null);
    assert_eq!(version(&control_plane).await["generation"], kept);
    // The operator does.
    let answer = control_plane.put_yaml("/api/v1/config", PATIENT).await;
    assert_eq!(
        (answer.status, &answer.json["outcome"]),
        (StatusCode::OK, &json!("accepted")),
        "{}",
        answer.text
    );
}

#[tokio::test]
async fn it_keeps_a_stricter_policy_on_an_envoy_that_is_away_for_the_moment() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), PATIENT).await;
    keep_a_stricter_policy(&control_plane, async |strict| {
        drop(strict);
        until(|| async { node(&control_plane, "strict").await.unwrap()["connected"] == false })
            .await;
    })
    .await;
    let _strict = connected(&control_plane, "strict").await;
    assert_eq!(version(&control_plane).await["revision"], 2);
}

#[tokio::test]
async fn it_keeps_a_stricter_policy_on_an_envoy_that_comes_back_last_after_a_restart() {
    // The strict policy is the one that is rejected, or one before it.
    for correction in [None, Some("defaults: {validate: shadow}\n")] {
        let folder = folder();
        {
            let control_plane = ControlPlane::start(folder.path(), PATIENT).await;
            let strict = connected(&control_plane, "strict").await;
            let silent = connected(&control_plane, "bad").await;
            until_accepted(&control_plane).await;
            silent.pause();
            let body = format!("{DENY}{PATIENT}");
            let write = control_plane.put_yaml("/api/v1/config", &body);
            let strict_runs_it = until(|| async {
                let node = node(&control_plane, "strict").await.unwrap();
                let version = version(&control_plane).await;
                node["generation"]["in_force"] == version["generation"] && version["revision"] == 2
            });
            tokio::select! {
                answer = write => panic!("it is not judged yet: {}", answer.text),
                () = strict_runs_it => {}
            }
            // The strict one leaves first, so that nothing is judged when the silent one leaves.
            drop(strict);
            until(|| async { node(&control_plane, "strict").await.unwrap()["connected"] == false })
                .await;
            drop(control_plane);
            drop(silent);
        }
        let mut control_plane = ControlPlane::start(folder.path(), "").await;
        if let Some(correction) = correction {
            let body = format!("{correction}{PATIENT}");
            let answer = control_plane.put_yaml("/api/v1/config", &body).await;
            assert_eq!(answer.json["outcome"], "no_envoys", "{}", answer.text);
            drop(control_plane);
            control_plane = ControlPlane::start(folder.path(), "").await;
        }
        let rejected = version(&control_plane).await["generation"].clone();
        let bad = FakeEnvoy::connect_rejecting(control_plane.xds, "bad", &[FILTER]).await;
        until(|| async {
            let node = node(&control_plane, "bad").await;
            node.is_some_and(|node| node["rejected"]["generation"].is_string())
        })
        .await;
        let _strict = FakeEnvoy::connect(control_plane.xds, "strict").await;
        until(|| async { node(&control_plane, "strict").await.is_some() }).await;
        assert_eq!(desired(&control_plane, "strict").await, Value::Null);
        assert_eq!(version(&control_plane).await["generation"], rejected);
        // The operator decides.
        drop(bad);
        until(|| async { node(&control_plane, "bad").await.unwrap()["connected"] == false }).await;
        let answer = control_plane.put_yaml("/api/v1/config", PATIENT).await;
        assert_eq!(answer.json["outcome"], "accepted", "{}", answer.text);
    }
}

#[tokio::test]
async fn it_takes_nobody_back_past_a_stricter_policy_when_the_next_change_is_rejected_too() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), PATIENT).await;
    let permissive = version(&control_plane).await["generation"].clone();
    let (strict, _bad) = keep_a_stricter_policy(&control_plane, async |strict| strict).await;
    strict.reject(FILTER);
    let next = format!("defaults: {{access: deny, validate: shadow}}\n{PATIENT}");
    let answer = control_plane.put_yaml("/api/v1/config", &next).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_ne!(desired(&control_plane, "strict").await, permissive);
    assert_ne!(version(&control_plane).await["generation"], permissive);
}

#[tokio::test]
async fn it_is_done_with_a_kept_policy_once_an_operator_has_decided() {
    let other = b"\0asm\x01\0\0\0\0\x02\x01x";
    // With an Envoy that takes the decision, and with none that hears of it before the restart.
    for (hears, outcome) in [(true, "accepted"), (false, "no_envoys")] {
        let folder = folder();
        {
            let control_plane = ControlPlane::start(folder.path(), PATIENT).await;
            let (strict, bad) = keep_a_stricter_policy(&control_plane, async |strict| strict).await;
            drop(bad);
            let _strict = hears.then_some(strict);
            let gone = if hears {
                vec!["bad"]
            } else {
                vec!["bad", "strict"]
            };
            for id in gone {
                until(|| async { node(&control_plane, id).await.unwrap()["connected"] == false })
                    .await;
            }
            let answer = control_plane.put_yaml("/api/v1/config", PATIENT).await;
            assert_eq!(answer.json["outcome"], outcome, "{}", answer.text);
        }
        let control_plane = ControlPlane::start_with_module(folder.path(), "", other).await;
        let _newcomer = connected(&control_plane, "newcomer").await;
        assert_eq!(version(&control_plane).await["revision"], 3);
    }
}
