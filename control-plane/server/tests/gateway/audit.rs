//! The audit trail at `/api/v1/audit`.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::broken_stores::execute;
use crate::harness::{Answer, ControlPlane, folder};
use crate::waiting_changes::SHADOW;
use crate::waves::{Fleet, WAVES};

async fn change(control_plane: &ControlPlane, path: &str, who: &str, body: &str) {
    let request = control_plane
        .request(Method::PUT, path)
        .header("content-type", "application/yaml")
        .header("x-portcullis-author", who)
        .header("x-portcullis-reason", "because")
        .body(body.to_owned());
    let answer = Answer::of(request).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
}

async fn revisions(control_plane: &ControlPlane, query: &str) -> Vec<Value> {
    let trail = control_plane.get(&format!("/api/v1/audit?{query}")).await;
    let records = trail.json["records"].as_array();
    let records = records.unwrap_or_else(|| panic!("{query}: {}", trail.text));
    records
        .iter()
        .map(|record| record["revision"].clone())
        .collect()
}

#[tokio::test]
async fn it_says_who_changed_what_when_from_where_and_why_with_before_and_after() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), "").await;
    change(&control_plane, "/api/v1/defaults", "ada", "access: deny").await;
    change(&control_plane, "/api/v1/config", "bob", "{}").await;
    let trail = control_plane.get("/api/v1/audit").await.json;
    let record = &trail["records"][1];
    assert_eq!(
        (&record["who"], &record["what"], &record["reason"]),
        (
            &json!("ada"),
            &json!("PUT /api/v1/defaults"),
            &json!("because")
        )
    );
    assert_eq!(
        (&record["origin"], &record["revision"]),
        (&json!("127.0.0.1"), &json!(2))
    );
    let sequence = &record["sequence"];
    let one = control_plane
        .get(&format!("/api/v1/audit/{sequence}"))
        .await
        .json;
    assert_eq!(one["at"], record["at"]);
    assert_eq!(
        one["changes"],
        json!([{"kind": "defaults", "change": "changed", "fields":
            [{"path": "/access", "before": "allow", "after": "deny"}]}])
    );
    for (query, found) in [
        ("", vec![3, 2, 1]),
        ("who=ada", vec![2]),
        ("who=ad", vec![]),
        ("kind=defaults", vec![2]),
        ("what=PUT%20/api/v1/def", vec![2]),
        ("revision=3", vec![3]),
        ("origin=127.0.0.1", vec![3, 2]),
        ("since=2000-01-01T00:00:00Z", vec![3, 2, 1]),
        ("until=2000-01-01T00:00:00Z", vec![]),
        ("since=2999-01-01T00:00:00Z", vec![]),
        ("who=bob&limit=1", vec![3]),
    ] {
        assert_eq!(revisions(&control_plane, query).await, found, "{query}");
    }
    let page = control_plane.get("/api/v1/audit?limit=2").await.json;
    let cursor = page["next_cursor"].as_str().unwrap();
    let rest = revisions(&control_plane, &format!("cursor={cursor}")).await;
    assert_eq!(rest, [1]);
    for (path, status) in [
        ("/api/v1/audit?since=yesterday", StatusCode::BAD_REQUEST),
        ("/api/v1/audit?cursor=x", StatusCode::BAD_REQUEST),
        ("/api/v1/audit?kind=def", StatusCode::BAD_REQUEST),
        ("/api/v1/audit/x", StatusCode::BAD_REQUEST),
        ("/api/v1/audit/99", StatusCode::NOT_FOUND),
        ("/api/v1/audit/18446744073709551615", StatusCode::NOT_FOUND),
    ] {
        assert_eq!(control_plane.get(path).await.status, status, "{path}");
    }
}

#[tokio::test]
async fn it_refuses_a_kind_that_no_record_can_have_and_names_the_near_one() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), "").await;
    for kind in [
        "config", "rollback", "rollouts", "modules", "tools", "rules",
    ] {
        let found = control_plane
            .get(&format!("/api/v1/audit?kind={kind}"))
            .await;
        assert_eq!(found.status, StatusCode::OK, "{}", found.text);
    }
    let near = control_plane.get("/api/v1/audit?kind=sevrers").await;
    assert_eq!(near.status, StatusCode::BAD_REQUEST, "{}", near.text);
    assert!(
        near.text.contains("did you mean `servers`"),
        "{}",
        near.text
    );
}

#[tokio::test]
async fn it_shows_the_changes_of_a_revision_with_the_record_that_stored_it_alone() {
    let folder = folder();
    let fleet = Fleet::start(folder.path(), WAVES).await;
    fleet.put(&format!("{WAVES}{SHADOW}")).await;
    let rollout = fleet.until("soaking", 1).await;
    let path = format!("/api/v1/rollouts/{}", rollout["id"].as_str().unwrap());
    for verb in ["pause", "abort"] {
        let steered = fleet
            .control_plane
            .post(&format!("{path}/{verb}"), &json!({}))
            .await;
        assert_eq!(steered.status, StatusCode::OK, "{}", steered.text);
    }
    fleet.until("aborted", 1).await;
    let trail = fleet.control_plane.get("/api/v1/audit?revision=2").await;
    let records = trail.json["records"].as_array().unwrap();
    assert!(records.len() >= 3, "{}", trail.text);
    for record in records {
        let path = format!("/api/v1/audit/{}", record["sequence"]);
        let changes = fleet.control_plane.get(&path).await.json["changes"].take();
        let has_stored = record["what"] == "PUT /api/v1/config";
        assert_eq!(changes.is_array(), has_stored, "{record}: {changes}");
    }
}

#[tokio::test]
async fn it_compares_a_revision_with_the_newest_before_it_that_is_kept() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), "").await;
    for (who, body) in [
        ("ada", "access: deny"),
        ("bob", "validate: shadow"),
        ("cyd", "{validate: shadow, access: deny}"),
        ("dan", "{}"),
        ("eve", "access: deny"),
        ("fay", "{}"),
    ] {
        change(&control_plane, "/api/v1/defaults", who, body).await;
    }
    let shown = |revision: u64| {
        let control_plane = &control_plane;
        async move {
            let path = format!("/api/v1/audit?revision={revision}");
            let sequence = control_plane.get(&path).await.json["records"][0]["sequence"].take();
            let path = format!("/api/v1/audit/{sequence}");
            control_plane.get(&path).await.json
        }
    };
    let whole = shown(1).await;
    assert!(whole["changes"].is_array() && whole.get("compared_with").is_none());
    assert_eq!(shown(4).await["compared_with"], 3);
    let may_delete = "DROP TRIGGER revision_is_never_deleted";
    for sql in [may_delete, "DELETE FROM revision WHERE number IN (1, 3)"] {
        execute(folder.path(), sql).await;
    }
    let beside_a_gap = shown(4).await;
    assert_eq!(beside_a_gap["compared_with"], 2, "{beside_a_gap}");
    let fields = &beside_a_gap["changes"][0]["fields"];
    assert_eq!(fields[0]["path"], "/validate", "{beside_a_gap}");
    for nobody_knows in [2, 3] {
        let shown = shown(nobody_knows).await;
        assert_eq!(shown["changes"], Value::Null, "{shown}");
    }
    // Whoever changed something last is found beyond a gap.
    let stale = control_plane
        .request(Method::PUT, "/api/v1/rollout")
        .header("content-type", "application/yaml")
        .header("if-match", "\"0\"");
    let unknown = Answer::of(stale.body("{}")).await;
    assert_eq!(unknown.json.get("changed_by"), None, "{}", unknown.text);
    let since = control_plane
        .request(Method::PUT, "/api/v1/config")
        .header("content-type", "application/yaml")
        .header("if-match", "\"2\"");
    let late = Answer::of(since.body("{}")).await;
    let by = late.json["changed_by"].as_array().unwrap();
    let authors: Vec<&Value> = by.iter().map(|change| &change["author"]).collect();
    assert_eq!(authors, ["fay", "eve", "dan", "cyd"], "{}", late.text);
}
