//! The resources that a document is made of: each read and changed by itself.

use std::collections::BTreeSet;

use control_plane::sections::KINDS;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::fake_server::{FakeServer, Speaks, tools};
use crate::harness::{Answer, ControlPlane, document_with, folder};

const DOCUMENT: &str = "
servers: {data: {url: 'http://127.0.0.1:1/mcp'}}
roles: {analyst: {claims: {groups: [analysts]}}}
clusters:
  - {name: other, endpoints: ['127.0.0.1:2']}
  - {name: reports, endpoints: ['127.0.0.1:3']}
tools:
  - {name: first, match: {tool: a}, allow: [analyst]}
  - {name: second, match: {tool: b}, route: {cluster: other}}
secrets: {token: {env: PATH}}
routes: [{name: reports, match: {prefix: /reports}, to: {cluster: reports}}]
filters:
  - name: marks
    envoy: envoy.extensions.filters.http.header_mutation.v3.HeaderMutation
    configuration: {mutations: {request_mutations: [{remove: x-debug}]}}
";

/// Resources of the document, of every kind: the path of its list, its name if it has one, and a
/// field that is changed, with its new value.
const RESOURCES: &[(&str, &str, &str, &str)] = &[
    ("listeners", "/mcp", "address", r#""127.0.0.1:10001""#),
    ("servers", "/data", "labels", r#"{"team": "a"}"#),
    ("secrets", "/token", "env", r#""HOME""#),
    ("roles", "/analyst", "claims", r#"{"groups": ["others"]}"#),
    ("rules", "/first", "timeout", r#""7s""#),
    ("rules", "/second", "timeout", r#""7s""#),
    ("clusters", "/other", "max_connections", "7"),
    ("endpoints", "/other", "endpoints", r#"["127.0.0.1:7"]"#),
    ("routes", "/reports", "match", r#"{"prefix": "/report"}"#),
    ("module", "", "sha256", "null"),
    ("filters", "/marks", "place", r#""after""#),
    ("defaults", "", "validate", r#""shadow""#),
    ("rollout", "", "ack_deadline", r#""7s""#),
];

async fn put(control_plane: &ControlPlane, path: &str, tag: &str, body: &Value) -> Answer {
    let request = control_plane
        .request(Method::PUT, path)
        .header("content-type", "application/json")
        .header("x-portcullis-author", "ada")
        .header("if-match", tag)
        .body(body.to_string());
    Answer::of(request).await
}

#[tokio::test]
async fn it_takes_back_every_resource_that_it_shows() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), DOCUMENT).await;
    let of_table: BTreeSet<&str> = KINDS.iter().map(|kind| kind.name).collect();
    let tried: BTreeSet<&str> = RESOURCES.iter().map(|(kind, ..)| *kind).collect();
    assert_eq!(tried, of_table);
    for (kind, name, ..) in RESOURCES {
        let path = format!("/api/v1/{kind}{name}");
        let shown = control_plane.get(&path).await;
        assert_eq!(shown.status, StatusCode::OK, "{path} {}", shown.text);
        let tag = shown.etag.unwrap();
        let back = put(&control_plane, &path, &tag, &shown.json).await;
        assert_eq!(
            (back.status, &back.json["outcome"]),
            (StatusCode::OK, &json!("unchanged")),
            "{path} {}",
            back.text
        );
        if name.is_empty() {
            continue;
        }
        let list = control_plane.get(&format!("/api/v1/{kind}")).await.json;
        let listed = list[*kind].as_array().unwrap();
        let one = listed
            .iter()
            .find(|one| one["name"] == name[1..])
            .unwrap()
            .clone();
        // The state of a server may be another one by now.
        let content = |tag: &str| tag.trim_matches('"').split('.').next().map(str::to_owned);
        assert_eq!(one["etag"].as_str().and_then(content), content(&tag));
        let back = put(&control_plane, &path, &tag, &one).await;
        assert_eq!(back.json["outcome"], "unchanged", "{path} {}", back.text);
    }
    assert_eq!(
        control_plane.get("/api/v1/config").await.json["revision"],
        1
    );
}

#[tokio::test]
async fn it_answers_a_change_with_the_tag_by_which_the_next_one_is_made() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), DOCUMENT).await;
    for (kind, name, field, value) in RESOURCES {
        let path = format!("/api/v1/{kind}{name}");
        let shown = control_plane.get(&path).await;
        let mut changed = shown.json.clone();
        changed[*field] = serde_json::from_str(value).unwrap();
        let tried = format!("{path}?dry_run=true");
        let tried = put(&control_plane, &tried, "*", &changed).await;
        assert_eq!((tried.status, tried.etag), (StatusCode::OK, None), "{path}");
        let first = put(&control_plane, &path, &shown.etag.unwrap(), &changed).await;
        assert_eq!(first.status, StatusCode::OK, "{path} {}", first.text);
        let tag = first.etag.unwrap();
        // The state of a server or of a secret may be another one by now.
        let content = |tag: &str| tag.trim_matches('"').split('.').next().map(str::to_owned);
        let now = control_plane.get(&path).await.etag.unwrap();
        assert_eq!(content(&now), content(&tag), "{path}");
        let second = put(&control_plane, &path, &tag, &shown.json).await;
        assert_eq!(second.status, StatusCode::OK, "{path} {}", second.text);
    }
    let role = json!({"name": "new", "claims": {"groups": ["a"]}});
    let added = control_plane.post("/api/v1/roles", &role).await;
    let tag = added.etag.unwrap();
    let changed = put(&control_plane, "/api/v1/roles/new", &tag, &role).await;
    assert_eq!(changed.status, StatusCode::OK, "{}", changed.text);
    let removed = control_plane.delete("/api/v1/roles/new").await;
    assert_eq!((removed.status, removed.etag), (StatusCode::OK, None));
}

#[tokio::test]
async fn it_adds_changes_and_removes_a_resource_of_each_shape() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), DOCUMENT).await;
    let added = control_plane
        .post(
            "/api/v1/rules?before=second",
            &json!({"name": "tool:x/y", "limits": [{"requests": 1, "window": "1s"}]}),
        )
        .await;
    assert_eq!(added.status, StatusCode::CREATED, "{}", added.text);
    let rules = control_plane.document().await["tools"].take();
    let names: Vec<&Value> = rules
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| &rule["name"])
        .collect();
    assert_eq!(names, ["first", "tool:x/y", "second"]);
    let rule = control_plane.get("/api/v1/rules/tool%3Ax%2Fy").await;
    assert_eq!(rule.json["limits"][0]["requests"], 1, "{}", rule.text);
    let removed = control_plane.delete("/api/v1/rules/tool%3Ax%2Fy").await;
    assert_eq!(removed.status, StatusCode::OK, "{}", removed.text);

    let role = json!({"claims": {"groups": ["b"]}});
    let added = control_plane.put_json("/api/v1/roles/new", &role).await;
    assert_eq!(added.status, StatusCode::OK, "{}", added.text);
    let endpoints = json!({"endpoints": ["127.0.0.1:3"]});
    let changed = control_plane
        .put_json("/api/v1/endpoints/other", &endpoints)
        .await;
    assert_eq!(changed.status, StatusCode::OK, "{}", changed.text);
    let denied = control_plane
        .put_yaml("/api/v1/defaults", "access: deny")
        .await;
    assert_eq!(denied.status, StatusCode::OK, "{}", denied.text);
    let document = control_plane.document().await;
    assert_eq!(document["roles"]["new"]["claims"]["groups"], json!(["b"]));
    assert_eq!(document["clusters"][0]["endpoints"], json!(["127.0.0.1:3"]));
    assert_eq!(document["defaults"]["access"], "deny");
    let tried = control_plane
        .post(
            "/api/v1/roles?dry_run=true",
            &json!({"name": "tried", "claims": {}}),
        )
        .await;
    assert_eq!(tried.status, StatusCode::OK, "{}", tried.text);
    assert_eq!(tried.json["changes"][0]["name"], "tried", "{}", tried.text);
    assert_eq!(control_plane.document().await, document);
    // There is nothing to compare, and an author who writes a condition believes that it counts.
    let conditional = control_plane
        .request(Method::POST, "/api/v1/roles")
        .header("content-type", "application/json")
        .header("if-match", "\"1\"")
        .body(json!({"name": "late", "claims": {}}).to_string());
    let refused = Answer::of(conditional).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{}", refused.text);
    assert_eq!(control_plane.document().await, document);
}

#[tokio::test]
async fn it_names_each_fault_by_the_path_of_what_was_sent_or_of_the_document() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), DOCUMENT).await;
    let before = control_plane.get("/api/v1/config").await.json;
    let send = |method: Method, path: &'static str, body: Value| {
        Answer::of(
            control_plane
                .request(method, &format!("/api/v1/{path}"))
                .header("content-type", "application/json")
                .body(body.to_string()),
        )
    };
    use StatusCode as S;
    let cases = [
        (
            send(
                Method::PUT,
                "rules/second",
                json!({"colour": 1, "timeout": "soon"}),
            )
            .await,
            S::UNPROCESSABLE_ENTITY,
            vec!["/colour", "/timeout"],
        ),
        (
            send(Method::PUT, "rules/second", json!({"allow": ["nobody"]})).await,
            S::UNPROCESSABLE_ENTITY,
            vec!["/allow/0"],
        ),
        (
            send(Method::PUT, "endpoints/other", json!({"endpoints": ["x"]})).await,
            S::UNPROCESSABLE_ENTITY,
            vec!["/endpoints/0"],
        ),
        (
            send(Method::PUT, "rules/second", json!({"name": "third"})).await,
            S::UNPROCESSABLE_ENTITY,
            vec!["/name"],
        ),
        (
            send(Method::POST, "roles", json!({"claims": {}})).await,
            S::UNPROCESSABLE_ENTITY,
            vec!["/name"],
        ),
        (
            send(Method::PUT, "roles/analyst", json!([])).await,
            S::UNPROCESSABLE_ENTITY,
            vec![""],
        ),
        (
            send(Method::DELETE, "roles/analyst", json!({})).await,
            S::CONFLICT,
            vec!["/tools/0/allow/0"],
        ),
        (
            send(Method::DELETE, "roles/nobody", json!({})).await,
            S::NOT_FOUND,
            vec![],
        ),
        (
            send(Method::GET, "servers/nobody", json!({})).await,
            S::NOT_FOUND,
            vec![],
        ),
        (
            send(Method::PUT, "endpoints/nobody", json!({"endpoints": []})).await,
            S::NOT_FOUND,
            vec![],
        ),
        (
            send(
                Method::POST,
                "roles?before=analyst",
                json!({"name": "x", "claims": {}}),
            )
            .await,
            S::BAD_REQUEST,
            vec![],
        ),
        (
            send(Method::GET, "rules?cursor=gone", json!({})).await,
            S::BAD_REQUEST,
            vec![],
        ),
        (
            send(Method::GET, "rules/%ff", json!({})).await,
            S::BAD_REQUEST,
            vec![],
        ),
    ];
    for (answer, status, paths) in cases {
        assert_eq!(answer.status, status, "{}", answer.text);
        assert_eq!(answer.paths(), paths, "{}", answer.text);
        assert_eq!(answer.content_type, "application/problem+json");
        let is_conflict = status == S::CONFLICT;
        assert_eq!(answer.text.contains(r#""of":"document""#), is_conflict);
    }
    assert_eq!(control_plane.get("/api/v1/config").await.json, before);
}

#[tokio::test]
async fn it_says_who_changed_or_took_what_somebody_else_wants_to_change() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), DOCUMENT).await;
    let read = control_plane.get("/api/v1/roles/analyst").await;
    let tag = read.etag.unwrap();
    let role = |value: &str| json!({"claims": {"groups": [value]}});
    let first = put(&control_plane, "/api/v1/roles/analyst", &tag, &role("a")).await;
    assert_eq!(first.status, StatusCode::OK, "{}", first.text);
    // What others change elsewhere does not matter.
    let elsewhere = control_plane
        .put_yaml("/api/v1/defaults", "validate: shadow")
        .await;
    assert_eq!(elsewhere.status, StatusCode::OK, "{}", elsewhere.text);
    let late = put(&control_plane, "/api/v1/roles/analyst", &tag, &role("b")).await;
    assert_eq!(
        late.status,
        StatusCode::PRECONDITION_FAILED,
        "{}",
        late.text
    );
    let detail = late.json["detail"].as_str().unwrap();
    assert!(
        detail.contains("`ada`") && detail.contains("revision 2"),
        "{detail}"
    );
    let change = &late.json["changed_by"][0]["changes"][0];
    assert_eq!(
        change["fields"][0]["path"], "/claims/groups/0",
        "{}",
        late.text
    );
    let fresh = control_plane
        .get("/api/v1/roles/analyst")
        .await
        .etag
        .unwrap();
    let again = put(&control_plane, "/api/v1/roles/analyst", &fresh, &role("b")).await;
    assert_eq!(again.status, StatusCode::OK, "{}", again.text);
    let taken = control_plane
        .post("/api/v1/roles", &json!({"name": "analyst", "claims": {}}))
        .await;
    assert_eq!(taken.status, StatusCode::CONFLICT, "{}", taken.text);
    assert!(taken.text.contains("`ada`"), "{}", taken.text);
    for tag in ["*", "\"0\"", "W/\"0\""] {
        let missing = put(&control_plane, "/api/v1/roles/new", tag, &role("c")).await;
        assert_eq!(missing.status, StatusCode::PRECONDITION_FAILED, "{tag}");
    }
    let any = put(&control_plane, "/api/v1/roles/analyst", "*", &role("d")).await;
    assert_eq!(any.status, StatusCode::OK, "{}", any.text);
}

#[tokio::test]
async fn it_lists_resources_in_pages_and_servers_with_their_state() {
    let folder = folder();
    let server = FakeServer::start(Speaks::Stateless, tools(&["a"])).await;
    let document = document_with(&[("one", &server), ("two", &server)]);
    let control_plane = ControlPlane::start(folder.path(), &document).await;
    control_plane.until_offered("two", &["a"]).await;
    let first = control_plane.get("/api/v1/servers?limit=1").await.json;
    assert_eq!(first["servers"][0]["name"], "one");
    assert_eq!(first["servers"][0]["url"], server.url());
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = control_plane
        .get(&format!("/api/v1/servers?limit=1&cursor={cursor}"))
        .await
        .json;
    assert_eq!(second["servers"][0]["name"], "two");
    assert_eq!(second["servers"][0]["status"]["state"], "up");
    assert_eq!(second.get("next_cursor"), None);
}
