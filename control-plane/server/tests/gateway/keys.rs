//! Keys by which a request can be sent again, and tags by which an answer need not be.

use std::time::Instant;

use control_plane::lease::LeaseEnd;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use store::{KeptAnswer, MOST_KEYS};

use crate::broken_stores::execute;
use crate::changes::connected;
use crate::harness::{Answer, ControlPlane, folder};
use crate::rollouts::until_accepted;

/// Sends a request with a key, and tells whether its answer is one that was given before.
async fn send(
    control_plane: &ControlPlane,
    (method, path): (Method, &str),
    key: &str,
    body: &Value,
) -> (Answer, bool) {
    let request = control_plane
        .request(method, path)
        .header("content-type", "application/json")
        .header("idempotency-key", key)
        .body(body.to_string());
    let response = request.send().await.unwrap();
    let is_replayed = response.headers().contains_key("idempotency-replayed");
    (Answer::from(response).await, is_replayed)
}

async fn add_role(control_plane: &ControlPlane, key: &str, body: &Value) -> (Answer, bool) {
    send(control_plane, (Method::POST, "/api/v1/roles"), key, body).await
}

#[tokio::test]
async fn it_does_once_what_is_sent_twice_under_one_key() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), "").await;
    let role = json!({"name": "r", "claims": {"g": ["a"]}});
    let (answer, first_was_replayed) = add_role(&control_plane, "k1", &role).await;
    assert!(!first_was_replayed);
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
    assert_eq!(answer.json["revision"], 2);
    let (again, is_replayed) = add_role(&control_plane, "k1", &role).await;
    assert!(is_replayed);
    assert_eq!((again.status, &again.text), (answer.status, &answer.text));
    // Under another key it is another request, for which there is no room.
    let (other, _) = add_role(&control_plane, "k2", &role).await;
    assert_eq!(other.status, StatusCode::CONFLICT);
    let (reused, _) = add_role(&control_plane, "k1", &json!({"name": "s", "claims": {}})).await;
    assert_eq!(reused.json["type"], "urn:portcullis:key-reused");
    // Its answer outlives the process.
    drop(control_plane);
    let control_plane = ControlPlane::start(folder.path(), "").await;
    let (later, is_replayed) = add_role(&control_plane, "k1", &role).await;
    assert!(is_replayed);
    assert_eq!((later.status, &later.text), (answer.status, &answer.text));
    let (empty, _) = add_role(&control_plane, " ", &role).await;
    assert_eq!(empty.status, StatusCode::BAD_REQUEST);
    let twice = control_plane
        .request(Method::POST, "/api/v1/roles")
        .header("idempotency-key", "k3")
        .header("idempotency-key", "k4");
    let of_a_question = control_plane
        .request(Method::GET, "/api/v1/config")
        .header("idempotency-key", "k3");
    for (request, why) in [(twice, "is there twice"), (of_a_question, "leave it out")] {
        let refused = Answer::of(request).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{}", refused.text);
        assert!(refused.text.contains(why), "{}", refused.text);
    }
    assert_eq!(
        control_plane.get("/api/v1/config").await.json["revision"],
        2
    );
}

#[tokio::test]
async fn it_does_not_undo_by_a_request_sent_again_what_somebody_did_in_between() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), "").await;
    let role = json!({"claims": {"g": ["a"]}});
    let put = (Method::PUT, "/api/v1/roles/r");
    let remove = (Method::DELETE, "/api/v1/roles/r");
    let (first, is_replayed) = send(&control_plane, put.clone(), "put", &role).await;
    assert_eq!(
        (first.status, is_replayed),
        (StatusCode::OK, false),
        "{}",
        first.text
    );
    let (gone, is_replayed) = send(&control_plane, remove.clone(), "gone", &Value::Null).await;
    assert_eq!(
        (gone.status, is_replayed),
        (StatusCode::OK, false),
        "{}",
        gone.text
    );
    let (again, is_replayed) = send(&control_plane, put.clone(), "put", &role).await;
    assert_eq!((&again.text, is_replayed), (&first.text, true));
    let there = control_plane.get("/api/v1/roles/r").await;
    assert_eq!(there.status, StatusCode::NOT_FOUND, "{}", there.text);
    control_plane.put_json("/api/v1/roles/r", &role).await;
    let (again, is_replayed) = send(&control_plane, remove.clone(), "gone", &Value::Null).await;
    assert_eq!((&again.text, is_replayed), (&gone.text, true));
    assert_eq!(
        control_plane.get("/api/v1/roles/r").await.status,
        StatusCode::OK
    );
    // Another method is another request.
    let (reused, _) = send(&control_plane, remove, "put", &role).await;
    assert_eq!(
        reused.json["type"], "urn:portcullis:key-reused",
        "{}",
        reused.text
    );
}

#[tokio::test]
async fn it_keeps_no_answer_in_the_place_of_a_changes_for_what_changes_nothing() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), "").await;
    let role = json!({"name": "r", "claims": {"g": ["a"]}});
    for (path, body) in [
        ("/api/v1/config/validate", json!({})),
        (
            "/api/v1/explain",
            json!({"message": {"jsonrpc": "2.0", "id": 1, "method": "ping"}}),
        ),
        ("/api/v1/roles?dry_run=true", role.clone()),
        ("/api/v1/roles?dry%5Frun=true", role.clone()),
    ] {
        let (answer, _) = send(&control_plane, (Method::POST, path), "k", &body).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text);
        let kept = control_plane.gateway.store().answer("k").await.unwrap();
        assert_eq!(kept, None, "{path}");
    }
    let made = (Method::POST, "/api/v1/roles?dry_run=false");
    let (answer, is_replayed) = send(&control_plane, made, "k", &role).await;
    assert_eq!(
        (answer.status, is_replayed),
        (StatusCode::CREATED, false),
        "{}",
        answer.text
    );
}

#[tokio::test]
async fn it_takes_a_request_with_another_condition_or_author_for_another_one() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), "").await;
    let add = |name: &'static str, value: &'static str| {
        let request = control_plane
            .request(Method::POST, "/api/v1/roles")
            .header("content-type", "application/json")
            .header("idempotency-key", "k")
            .body(json!({"name": "r", "claims": {"g": ["a"]}}).to_string());
        Answer::of(request.header(name, value))
    };
    let first = add("x-portcullis-author", "ada").await;
    assert_eq!(first.status, StatusCode::CREATED, "{}", first.text);
    for (name, value) in [
        ("x-portcullis-author", "grace"),
        ("x-portcullis-reason", "she had one"),
        ("if-match", "\"1\""),
    ] {
        let other = add(name, value).await;
        assert_eq!(
            other.json["type"], "urn:portcullis:key-reused",
            "{name}: {}",
            other.text
        );
    }
}

#[tokio::test]
async fn it_does_nothing_again_that_a_control_plane_began_and_did_not_answer() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), "").await;
    let role = json!({"name": "r", "claims": {"g": ["a"]}});
    let (answer, _) = add_role(&control_plane, "k", &role).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
    let store = control_plane.gateway.store();
    let mut kept = store.answer("k").await.unwrap().unwrap();
    // From the beginning of a request to its end, and when its answer has made room for others.
    for (state, said) in [
        (KeptAnswer::Begun, "a control plane ended while it ran"),
        (
            KeptAnswer::Status(201),
            "it was answered with 201, and is not done again",
        ),
    ] {
        kept.answer = state;
        store.put_answer(&kept).await.unwrap();
        let (again, _) = add_role(&control_plane, "k", &role).await;
        assert_eq!(again.status, StatusCode::CONFLICT);
        let kind = &again.json["type"];
        assert_eq!(kind, "urn:portcullis:unknown-outcome", "{}", again.text);
        assert!(again.text.contains(said), "{}", again.text);
        let other = json!({"name": "s", "claims": {}});
        let (reused, _) = add_role(&control_plane, "k", &other).await;
        assert_eq!(reused.json["type"], "urn:portcullis:key-reused");
    }
    let head = store.head().await.unwrap().unwrap();
    assert_eq!(head.summary.number.0, 2);
}

#[tokio::test]
async fn it_does_nothing_under_a_key_for_which_there_is_no_place() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), "").await;
    let all = format!(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {MOST_KEYS}) \
         INSERT INTO idempotency (key, request, status, headers, body, ends_at) \
         SELECT CAST(i AS TEXT), '', 200, '', x'', 9000000000000000 FROM n"
    );
    execute(folder.path(), &all).await;
    let role = json!({"name": "r", "claims": {"g": ["a"]}});
    let (refused, _) = add_role(&control_plane, "k", &role).await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    let why = "nothing was done: 100000 keys are kept";
    assert!(refused.text.contains(why), "{}", refused.text);
    let head = control_plane.gateway.store().head().await.unwrap().unwrap();
    assert_eq!(head.summary.number.0, 1);
    let without = control_plane.post("/api/v1/roles", &role).await;
    assert_eq!(without.status, StatusCode::CREATED, "{}", without.text);
}

#[tokio::test]
async fn it_lets_a_request_be_sent_again_that_failed_on_the_control_planes_side() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), "").await;
    let steer = || {
        let request = control_plane.request(Method::POST, "/api/v1/rollouts/none/pause");
        Answer::of(request.header("idempotency-key", "k"))
    };
    let leadership = &control_plane.leadership;
    leadership.renew(LeaseEnd::At(Instant::now()));
    let refused = steer().await;
    assert!(refused.status.is_server_error(), "{}", refused.text);
    leadership.renew(LeaseEnd::Never);
    let again = steer().await;
    assert_eq!(again.status, StatusCode::NOT_FOUND, "{}", again.text);
}

#[tokio::test]
async fn it_does_a_request_anew_whose_answer_said_that_nothing_was_done() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), "").await;
    let post = |key: &'static str, path: &'static str, body: Value| {
        let request = control_plane
            .request(Method::POST, path)
            .header("content-type", "application/json")
            .header("idempotency-key", key)
            .body(body.to_string());
        Answer::of(request)
    };
    // What is refused today, and what makes it go well tomorrow.
    let role = json!({"name": "r", "claims": {"g": ["a"]}});
    let taken = json!({"name": "taken", "claims": {"g": ["a"]}});
    let rule = json!({"name": "x", "match": {"tool": "t"}, "allow": ["r"]});
    let first = add_role(&control_plane, "other", &taken).await.0;
    assert_eq!(first.status, StatusCode::CREATED, "{}", first.text);
    let refused = [
        (post("taken", "/api/v1/roles", taken.clone()).await, 409),
        (post("misfit", "/api/v1/rules", rule.clone()).await, 422),
        (
            post("gone", "/api/v1/rollback", json!({"to": 4})).await,
            404,
        ),
    ];
    for (answer, status) in &refused {
        assert_eq!(answer.status.as_u16(), *status, "{}", answer.text);
    }
    control_plane.delete("/api/v1/roles/taken").await;
    control_plane.put_json("/api/v1/roles/r", &role).await;
    let done = [
        post("taken", "/api/v1/roles", taken).await,
        post("misfit", "/api/v1/rules", rule).await,
        post(
            "gone",
            "/api/v1/rollback",
            json!({"to": 4, "allow_loosening": true}),
        )
        .await,
    ];
    for answer in &done[..2] {
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
    }
    // The other body is another request, and no longer one whose key is taken.
    assert_eq!(done[2].status, StatusCode::OK, "{}", done[2].text);
}

#[tokio::test]
async fn it_keeps_the_answer_of_a_change_that_is_stored_and_was_rejected() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), "").await;
    let envoy = connected(&control_plane, "one").await;
    until_accepted(&control_plane).await;
    envoy.reject("second");
    let listener = json!({"name": "second", "address": "127.0.0.1:1"});
    let send = || {
        let request = control_plane
            .request(Method::POST, "/api/v1/listeners")
            .header("content-type", "application/json")
            .header("idempotency-key", "k")
            .body(listener.to_string());
        Answer::of(request)
    };
    let rejected = send().await;
    assert_eq!(rejected.json["outcome"], "rejected", "{}", rejected.text);
    let again = send().await;
    assert_eq!(
        (again.status, &again.text),
        (rejected.status, &rejected.text)
    );
    let head = control_plane.gateway.store().head().await.unwrap().unwrap();
    assert_eq!(head.summary.number.0, 2);
}

#[tokio::test]
async fn it_sends_nothing_twice_to_whoever_has_it() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), "").await;
    for path in [
        "/api/v1",
        "/api/v1/config",
        "/api/v1/config/schema",
        "/api/v1/config/snapshot",
        "/api/v1/version",
        "/api/v1/versions",
        "/api/v1/versions/1",
        "/api/v1/listeners",
        "/api/v1/listeners/mcp",
        "/api/v1/tools",
        "/api/v1/nodes",
        "/api/v1/audit",
        "/api/v1/openapi.json",
        "/docs",
    ] {
        let tag = control_plane.get(path).await.etag.unwrap();
        let again = |tag: &str| {
            let request = control_plane.request(Method::GET, path);
            Answer::of(request.header("if-none-match", tag))
        };
        let unchanged = again(&format!("\"x\", W/{tag}")).await;
        assert_eq!(unchanged.status, StatusCode::NOT_MODIFIED, "{path}");
        assert_eq!((unchanged.text.as_str(), unchanged.etag), ("", Some(tag)));
        assert_eq!(again("\"x\"").await.status, StatusCode::OK, "{path}");
    }
}
