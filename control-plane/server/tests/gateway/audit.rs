//! The audit trail at `/api/v1/audit`.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{Answer, ControlPlane, folder};

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
        ("kind=def", vec![]),
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
        ("/api/v1/audit/x", StatusCode::BAD_REQUEST),
        ("/api/v1/audit/99", StatusCode::NOT_FOUND),
        ("/api/v1/audit/18446744073709551615", StatusCode::NOT_FOUND),
    ] {
        assert_eq!(control_plane.get(path).await.status, status, "{path}");
    }
}
