//! The revisions: listed, compared, tried, and gone back to.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::changes::connected;
use crate::fake_server::{FakeServer, Speaks, tools};
use crate::harness::{Answer, ControlPlane, folder};

/// Stores these documents, one after the other, as revisions from 2 on.
async fn stored(control_plane: &ControlPlane, documents: &[&str]) {
    for (index, document) in documents.iter().enumerate() {
        let request = control_plane
            .request(Method::PUT, "/api/v1/config")
            .header("content-type", "application/yaml")
            .header("x-portcullis-author", format!("author-{}", index + 2))
            .body((*document).to_owned());
        let answer = Answer::of(request).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    }
}

const DENY: &str = "defaults: {access: deny}";
const SHADOW: &str = "defaults: {access: deny, validate: shadow}";

#[tokio::test]
async fn it_lists_the_revisions_page_by_page_and_shows_each() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), "").await;
    stored(&control_plane, &[DENY, SHADOW]).await;
    let mut path = "/api/v1/versions?limit=2".to_owned();
    let mut seen: Vec<Vec<Value>> = Vec::new();
    loop {
        let page = control_plane.get(&path).await.json;
        let versions = page["versions"].as_array().unwrap();
        seen.push(versions.iter().map(|one| one["revision"].clone()).collect());
        match page["next_cursor"].as_str() {
            Some(cursor) => path = format!("/api/v1/versions?limit=2&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(seen, [vec![json!(3), json!(2)], vec![json!(1)]]);
    let shown = control_plane.get("/api/v1/versions/2").await;
    assert_eq!(shown.etag.as_deref(), Some("\"2\""));
    assert_eq!(shown.json["author"], "author-2");
    assert_eq!(shown.json["document"]["defaults"]["access"], "deny");
    for (path, status) in [
        ("/api/v1/versions/9", StatusCode::NOT_FOUND),
        ("/api/v1/versions/two", StatusCode::BAD_REQUEST),
        ("/api/v1/versions/%ff", StatusCode::BAD_REQUEST),
        ("/api/v1/versions/1/diff/9", StatusCode::NOT_FOUND),
        ("/api/v1/versions?limit=0", StatusCode::BAD_REQUEST),
        ("/api/v1/versions?limit=many", StatusCode::BAD_REQUEST),
        ("/api/v1/versions?cursor=x", StatusCode::BAD_REQUEST),
        ("/api/v1/versions?limit=1&limit=2", StatusCode::BAD_REQUEST),
    ] {
        assert_eq!(control_plane.get(path).await.status, status, "{path}");
    }
}

#[tokio::test]
async fn it_tells_two_revisions_apart_by_resources_and_fields_also_those_of_envoy() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), "").await;
    stored(
        &control_plane,
        &["defaults: {access: deny}\nroles: {r: {claims: {g: [a]}}}"],
    )
    .await;
    let difference = control_plane.get("/api/v1/versions/1/diff/2").await.json;
    assert_eq!(
        difference["changes"],
        json!([
            {"kind": "roles", "name": "r", "change": "added", "after":
                {"name": "r", "claims": {"g": ["a"]}}},
            {"kind": "defaults", "change": "changed", "fields":
                [{"path": "/access", "before": "allow", "after": "deny"}]},
        ])
    );
    let envoy = difference["envoy"].as_array().unwrap();
    assert_eq!(envoy.len(), 1, "{difference}");
    assert_eq!(
        (&envoy[0]["kind"], &envoy[0]["name"]),
        (&json!("extension"), &json!("portcullis.mcp.mcp"))
    );
    let fields = envoy[0]["fields"].to_string();
    assert!(
        fields.contains("/configuration/value/0/defaults/access"),
        "{fields}"
    );
    let back = control_plane.get("/api/v1/versions/2/diff/1").await.json;
    assert_eq!(back["changes"][0]["change"], "removed");
    let same = control_plane.get("/api/v1/versions/2/diff/2").await.json;
    assert_eq!((&same["changes"], &same["envoy"]), (&json!([]), &json!([])));
}

#[tokio::test]
async fn it_goes_back_to_a_revision_as_a_new_one_that_envoys_judge() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), "").await;
    let envoy = connected(&control_plane, "one").await;
    stored(&control_plane, &[SHADOW, DENY]).await;
    let refused = control_plane
        .post("/api/v1/rollback", &json!({"to": 2}))
        .await;
    assert_eq!(
        (refused.status, &refused.json["type"]),
        (StatusCode::CONFLICT, &json!("urn:portcullis:loosens")),
        "{}",
        refused.text
    );
    // Who only tries it allows nothing, and is told.
    let tried = control_plane
        .post("/api/v1/rollback?dry_run=true", &json!({"to": 2}))
        .await;
    assert_eq!(
        (
            &tried.json["changes"][0]["fields"][0]["after"],
            &tried.json["loosens"]
        ),
        (&json!("shadow"), &json!(true)),
        "{}",
        tried.text
    );
    let stricter = control_plane
        .put_yaml("/api/v1/defaults?dry_run=true", "{access: deny}")
        .await;
    assert_eq!(
        stricter.json["valid"].as_bool(),
        Some(true),
        "{}",
        stricter.text
    );
    assert_eq!(stricter.json.get("loosens"), None);
    let latest = control_plane.get("/api/v1/config").await.json;
    assert_eq!(latest["revision"], 3);
    let back = control_plane
        .post(
            "/api/v1/rollback",
            &json!({"to": 2, "allow_loosening": true}),
        )
        .await;
    assert_eq!(
        (&back.json["outcome"], &back.json["revision"]),
        (&json!("accepted"), &json!(4)),
        "{}",
        back.text
    );
    // Stricter it goes without a word more, and without a number to the one before.
    let forth = control_plane.post("/api/v1/rollback", &json!({})).await;
    assert_eq!(forth.json["revision"], 5, "{}", forth.text);
    assert_eq!(forth.json["way_back"], json!({"to": 3, "from": 4}));
    let newest = control_plane.get("/api/v1/versions?limit=1").await.json;
    assert_eq!(newest["versions"][0]["reason"], "back to revision 3");
    let document = control_plane.document().await;
    assert_eq!(
        document["defaults"],
        json!({"access": "deny", "validate": "enforce"})
    );
    // An Envoy may reject what it took once.
    envoy.reject("portcullis.mcp.mcp");
    let rejected = control_plane
        .post(
            "/api/v1/rollback",
            &json!({"to": 1, "allow_loosening": true}),
        )
        .await;
    assert_eq!(
        (rejected.status, &rejected.json["outcome"]),
        (StatusCode::UNPROCESSABLE_ENTITY, &json!("rejected")),
        "{}",
        rejected.text
    );
    // What was taken back is undone already: the change before it would be.
    let next = control_plane
        .post("/api/v1/rollback?dry_run=true", &json!({}))
        .await;
    assert_eq!(
        next.json["way_back"],
        json!({"to": 4, "from": 5, "taken_back": 6}),
        "{}",
        next.text
    );
}

#[tokio::test]
async fn it_takes_a_way_back_for_looser_where_nobody_can_compare() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), "").await;
    let old = FakeServer::start(Speaks::Stateless, tools(&["read", "drop"])).await;
    let new = FakeServer::start(Speaks::Stateless, tools(&["read", "drop"])).await;
    let at = |url: &str, rules: &str| format!("servers: {{data: {{url: '{url}'}}}}\n{rules}");
    let rule = "tools: [{name: no, match: {tool: drop}, allow: []}]";
    let nobody = "http://127.0.0.1:1/mcp";
    let reachable = "listeners: [{name: mcp, address: '0.0.0.0:10000', servers: ['*']}]";
    stored(
        &control_plane,
        &[
            &at(&old.url(), ""),
            // The server moves, and one of its tools is closed: its former list is forgotten.
            &at(&new.url(), rule),
            // It is down since it moved once more, so that no list is known.
            &at(nobody, ""),
            &at(nobody, rule),
            reachable,
            "{}",
        ],
    )
    .await;
    for (from, to) in [(3, 2), (5, 4), (7, 6)] {
        control_plane
            .post(
                "/api/v1/rollback",
                &json!({"to": from, "allow_loosening": true}),
            )
            .await;
        let latest = control_plane.get("/api/v1/versions?limit=1").await.json;
        let refused = control_plane
            .post("/api/v1/rollback", &json!({"to": to}))
            .await;
        assert_eq!(
            (refused.status, &refused.json["type"]),
            (StatusCode::CONFLICT, &json!("urn:portcullis:loosens")),
            "{from} to {to}: {}",
            refused.text
        );
        let after = control_plane.get("/api/v1/versions?limit=1").await.json;
        assert_eq!(after, latest);
    }
}

#[tokio::test]
async fn it_refuses_a_way_back_that_it_cannot_read_or_go() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), "").await;
    let cases = [
        (json!({"to": 9}), StatusCode::NOT_FOUND, ""),
        (json!({}), StatusCode::NOT_FOUND, ""),
        (json!({"to": "x"}), StatusCode::UNPROCESSABLE_ENTITY, "/to"),
        (json!({"two": 1}), StatusCode::UNPROCESSABLE_ENTITY, ""),
        (json!([]), StatusCode::UNPROCESSABLE_ENTITY, ""),
    ];
    for (body, status, path) in cases {
        let answer = control_plane.post("/api/v1/rollback", &body).await;
        assert_eq!(answer.status, status, "{body} {}", answer.text);
        if status == StatusCode::UNPROCESSABLE_ENTITY && !path.is_empty() {
            assert_eq!(answer.paths(), [path], "{}", answer.text);
        }
    }
}

#[tokio::test]
async fn it_tells_everything_that_is_wrong_with_a_document_or_what_it_would_change() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), "").await;
    let before = control_plane.get("/api/v1/version").await.json;
    let wrong = control_plane
        .post(
            "/api/v1/config/validate",
            &json!({"tools": [{"name": "a", "colour": 1}, {"name": "b", "timeout": "soon"}]}),
        )
        .await;
    assert_eq!(
        (wrong.status, &wrong.json["valid"]),
        (StatusCode::OK, &json!(false))
    );
    assert_eq!(wrong.paths(), ["/tools/0/colour", "/tools/1/timeout"]);
    let right = control_plane
        .post(
            "/api/v1/config/validate",
            &json!({"defaults": {"access": "deny"}, "tools": [{"name": "a", "match": {"tool": "x"},
                "allow": ["*"]}]}),
        )
        .await;
    assert_eq!(right.json["valid"], true, "{}", right.text);
    let changed: Vec<&Value> = right.json["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| &change["kind"])
        .collect();
    assert_eq!(changed, ["rules", "defaults"]);
    assert_eq!(right.json["envoy"][0]["kind"], "extension");
    assert_eq!(right.json["warnings"][0]["rule"], "a");
    assert_eq!(control_plane.get("/api/v1/version").await.json, before);
}

#[tokio::test]
async fn it_tells_whoever_comes_late_what_others_have_changed() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), "").await;
    stored(&control_plane, &[DENY, SHADOW]).await;
    let late = Answer::of(
        control_plane
            .request(Method::PUT, "/api/v1/config")
            .header("content-type", "application/yaml")
            .header("if-match", "\"1\"")
            .body("{}"),
    )
    .await;
    assert_eq!(late.status, StatusCode::PRECONDITION_FAILED);
    let by = late.json["changed_by"].as_array().unwrap();
    let authors: Vec<&Value> = by.iter().map(|change| &change["author"]).collect();
    assert_eq!(authors, ["author-3", "author-2"]);
    assert_eq!(by[1]["changes"][0]["fields"][0]["path"], "/access");
}
