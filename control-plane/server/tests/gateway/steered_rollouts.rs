//! Operators' wishes about rollouts, and the changes that wait behind them.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::changes::connected;
use crate::harness::{Answer, ControlPlane, folder, until};
use crate::rollouts::{DENY, PATIENT, until_accepted, version};
use crate::waiting_changes::SHADOW;
use crate::waves::{Fleet, SOAK, WAVES};

impl Fleet {
    /// Wants something of the newest rollout.
    pub async fn want(&self, verb: &str) -> Answer {
        self.want_with(verb, "").await
    }

    async fn want_with(&self, verb: &str, body: &str) -> Answer {
        let id = self.rollout().await["id"].take();
        let path = format!("/api/v1/rollouts/{}/{verb}", id.as_str().unwrap());
        let request = self
            .control_plane
            .request(Method::POST, &path)
            .header("x-portcullis-author", "ada")
            .header("x-portcullis-reason", "she had one");
        Answer::of(request.body(body.to_owned())).await
    }

    /// A fleet with a change that one Envoy has and that is watched.
    async fn with_change(folder: &std::path::Path, change: &str) -> Self {
        let fleet = Self::start(folder, WAVES).await;
        let answer = fleet.put(&format!("{WAVES}{change}")).await;
        assert_eq!(answer.json["outcome"], "rolling_out", "{}", answer.text);
        fleet
    }

    async fn trail(&self) -> Vec<(String, String)> {
        let records = self.control_plane.gateway.store().audit(None, 100).await;
        let records = records.unwrap().into_iter();
        records
            .map(|record| (record.entry.who, record.entry.what))
            .collect()
    }
}

#[tokio::test]
async fn it_answers_at_once_that_a_change_waits_behind_a_rollout() {
    let folder = folder();
    let fleet = Fleet::with_change(folder.path(), SHADOW).await;
    let answer = fleet.put(&format!("{WAVES}{DENY}")).await;
    assert_eq!(
        (
            answer.status,
            &answer.json["outcome"],
            &answer.json["revision"],
            &answer.json["in_force"]
        ),
        (StatusCode::OK, &json!("waiting"), &json!(3), &json!(1)),
        "{}",
        answer.text
    );
    let same = fleet.put(&format!("{WAVES}{DENY}")).await;
    assert_eq!(same.json["outcome"], "unchanged", "{}", same.text);
    let latest = fleet.control_plane.get("/api/v1/config").await.json;
    assert_eq!(latest["revision"], 3);
    assert_eq!(version(&fleet.control_plane).await["revision"], 2);
    fleet.check_stays("soaking", 1).await;
    for wave in 1..=2 {
        fleet.until("soaking", wave).await;
        fleet.clock.advance(SOAK);
    }
    until(|| async { fleet.rollout().await["revision"] == 3 }).await;
    fleet.until("soaking", 1).await;
}

#[tokio::test]
async fn it_ends_a_soak_when_an_operator_promotes_it() {
    let folder = folder();
    let fleet = Fleet::with_change(folder.path(), SHADOW).await;
    let promoted = fleet.want("promote").await;
    assert_eq!(promoted.status, StatusCode::OK, "{}", promoted.text);
    assert_eq!(promoted.json["wave"], 2, "{}", promoted.text);
    fleet.until("soaking", 2).await;
    let promoted = fleet.want("promote").await;
    assert_eq!(promoted.json["state"], "accepted", "{}", promoted.text);
    assert_eq!(until_accepted(&fleet.control_plane).await["revision"], 2);
    let by_ada = |verb: &str| {
        let path = format!(
            "POST /api/v1/rollouts/{}/{verb}",
            promoted.json["id"].as_str().unwrap()
        );
        ("ada".to_owned(), path)
    };
    let trail = fleet.trail().await;
    let count = trail
        .iter()
        .filter(|entry| **entry == by_ada("promote"))
        .count();
    assert_eq!(count, 2, "{trail:?}");
    for verb in ["promote", "abort", "pause", "resume"] {
        let late = fleet.want(verb).await;
        assert_eq!(late.status, StatusCode::CONFLICT, "{verb}: {}", late.text);
    }
}

#[tokio::test]
async fn it_ends_no_soak_while_an_operator_pauses_the_rollout() {
    let folder = folder();
    let fleet = Fleet::with_change(folder.path(), SHADOW).await;
    let paused = fleet.want("pause").await;
    assert_eq!(paused.json["paused"], true, "{}", paused.text);
    fleet.clock.advance(2 * SOAK);
    fleet.check_stays("soaking", 1).await;
    // One wave at a time goes on all the same.
    let promoted = fleet.want("promote").await;
    assert_eq!(
        (&promoted.json["wave"], &promoted.json["paused"]),
        (&json!(2), &json!(true))
    );
    fleet.until("soaking", 2).await;
    fleet.clock.advance(2 * SOAK);
    fleet.check_stays("soaking", 2).await;
    let resumed = fleet.want("resume").await;
    assert_eq!(resumed.json["state"], "accepted", "{}", resumed.text);
}

#[tokio::test]
async fn it_takes_envoys_back_when_an_operator_aborts_the_rollout() {
    let folder = folder();
    let fleet = Fleet::with_change(folder.path(), SHADOW).await;
    let waiting = fleet
        .put(&format!(
            "{WAVES}tools: [{{name: later, limits: [{{requests: 1, window: 1s}}]}}]\n"
        ))
        .await;
    assert_eq!(waiting.json["outcome"], "waiting", "{}", waiting.text);
    let aborted = fleet.want("abort").await;
    assert_eq!(
        (&aborted.json["state"], &aborted.json["reason"]),
        (&json!("aborted"), &json!("she had one")),
        "{}",
        aborted.text
    );
    // What was written meanwhile is tried next.
    until(|| async { fleet.rollout().await["revision"] == 3 }).await;
    let new = aborted.json["generation"].clone();
    assert_eq!(fleet.having(&new).await, [].into());
}

#[tokio::test]
async fn it_opens_nothing_by_an_abort_that_does_not_say_so() {
    let folder = folder();
    let fleet = Fleet::with_change(folder.path(), DENY).await;
    let canary = fleet.canary().await;
    let new = fleet.rollout().await["generation"].take();
    let refused = fleet.want("abort").await;
    assert_eq!(
        (refused.status, &refused.json["type"]),
        (StatusCode::CONFLICT, &json!("urn:portcullis:would-loosen")),
        "{}",
        refused.text
    );
    assert!(
        refused.text.contains(r#"{\"allow_loosening\": true}"#),
        "{}",
        refused.text
    );
    fleet.check_stays("soaking", 1).await;
    assert_eq!(fleet.having(&new).await, [canary].into());
    let aborted = fleet
        .want_with("abort", r#"{"allow_loosening": true}"#)
        .await;
    assert_eq!(aborted.json["state"], "aborted", "{}", aborted.text);
    assert_eq!(fleet.having(&new).await, [].into());
    assert_eq!(until_accepted(&fleet.control_plane).await["revision"], 1);
}

#[tokio::test]
async fn it_refuses_what_it_cannot_do_with_a_rollout() {
    let folder = folder();
    let fleet = Fleet::with_change(folder.path(), SHADOW).await;
    for (verb, body) in [
        ("pause", r#"{"for": "1h"}"#),
        ("abort", r#"{"loose": true}"#),
        ("abort", "loosen"),
    ] {
        let refused = fleet.want_with(verb, body).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{}", refused.text);
    }
    let request = |method, path: &str| fleet.control_plane.request(method, path);
    for (method, path) in [
        (Method::GET, "/api/v1/rollouts/9-none"),
        (Method::POST, "/api/v1/rollouts/9-none/pause"),
    ] {
        let unknown = Answer::of(request(method, path)).await;
        assert_eq!(unknown.status, StatusCode::NOT_FOUND, "{}", unknown.text);
        assert_eq!(unknown.json["type"], "urn:portcullis:unknown-rollout");
    }
    let id = fleet.rollout().await["id"].take();
    let one = format!("/api/v1/rollouts/{}", id.as_str().unwrap());
    let shown: Value = Answer::of(request(Method::GET, &one)).await.json;
    assert_eq!(shown["state"], "soaking");
}

#[tokio::test]
async fn it_lists_a_rollout_to_everyone_and_lets_an_operator_abort_nothing_but_that() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), PATIENT).await;
    let envoy = connected(&control_plane, "one").await;
    until_accepted(&control_plane).await;
    let newest = async || {
        let rollouts = control_plane.get("/api/v1/rollouts").await.json;
        rollouts["rollouts"][0].clone()
    };
    let first = newest().await;
    assert_eq!(
        (&first["revision"], &first["state"]),
        (&json!(1), &json!("accepted"))
    );
    envoy.pause();
    let body = format!("{PATIENT}{SHADOW}");
    let (answer, ()) = tokio::join!(control_plane.put_yaml("/api/v1/config", &body), async {
        until(|| async { newest().await["revision"] == 2 }).await;
        let rollout = newest().await;
        assert_eq!(
            (&rollout["state"], &rollout["of"]),
            (&json!("rolling_out"), &json!(1))
        );
        let path = |verb: &str| {
            let id = rollout["id"].as_str().unwrap();
            format!("/api/v1/rollouts/{id}/{verb}")
        };
        for verb in ["pause", "resume", "promote"] {
            let refused = control_plane.post(&path(verb), &json!({})).await;
            assert_eq!(
                refused.json["type"], "urn:portcullis:rollout-unwatched",
                "{}",
                refused.text
            );
        }
        let aborted = control_plane.post(&path("abort"), &json!({})).await;
        assert_eq!(aborted.json["state"], "aborted", "{}", aborted.text);
    });
    assert_eq!(answer.json["outcome"], "aborted", "{}", answer.text);
    envoy.go_on();
    assert_eq!(until_accepted(&control_plane).await["revision"], 1);
    assert_eq!(newest().await["state"], "aborted");
}
