//! The gateway document at `/api/v1/config`.

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::harness::{Answer, ControlPlane, folder};
use crate::reach;

#[tokio::test]
async fn it_begins_with_the_document_that_it_is_given() {
    let folder = folder();
    let control_plane = ControlPlane::start(
        folder.path(),
        "tools: [{name: slow, limits: [{requests: 1, window: 1s}]}]",
    )
    .await;
    let answer = control_plane.get("/api/v1/config").await;
    assert_eq!(answer.etag.as_deref(), Some("\"1\""));
    assert_eq!(answer.json["revision"], 1);
    assert_eq!(answer.json["document"]["tools"][0]["name"], "slow");
    assert_eq!(
        answer.json["document"]["servers"]["data"]["url"],
        "http://127.0.0.1:8000/mcp"
    );
    let version = control_plane.get("/api/v1/version").await.json;
    assert_eq!(
        (&version["revision"], &version["catalogue"]["data"]),
        (&json!(1), &json!(null))
    );
    assert_eq!(control_plane.get("/healthz").await.status, StatusCode::OK);
}

#[tokio::test]
async fn it_takes_and_shows_a_document_in_json_and_yaml() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), "").await;
    let mut document = control_plane.document().await;
    document["tools"] = json!([{"name": "slow", "limits": [{"requests": 1, "window": "1000ms"}]}]);
    let answer = control_plane.put_json("/api/v1/config", &document).await;
    assert_eq!(
        (answer.status, answer.etag.as_deref()),
        (StatusCode::OK, Some("\"2\"")),
        "{}",
        answer.text
    );
    assert_eq!(answer.json["outcome"], "no_envoys");
    // Nothing is in force where nobody runs it.
    assert_eq!(answer.json.get("in_force"), None);

    let yaml = Answer::of(
        control_plane
            .request(Method::GET, "/api/v1/config")
            .header("accept", "application/yaml"),
    )
    .await;
    assert!(
        yaml.content_type.contains("yaml") && yaml.text.contains("window: 1s"),
        "{}",
        yaml.text
    );
    let unchanged = control_plane.put_yaml("/api/v1/config", &yaml.text).await;
    assert_eq!(
        (&unchanged.json["outcome"], &unchanged.json["revision"]),
        (&json!("unchanged"), &json!(2))
    );
    assert_eq!(unchanged.json.get("in_force"), None);
}

#[tokio::test]
async fn it_refuses_a_bad_document_with_every_fault_and_changes_nothing() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), "").await;
    let before = (
        control_plane.document().await,
        control_plane.get("/api/v1/version").await.json,
    );
    let unreadable = control_plane
        .put_yaml(
            "/api/v1/config",
            "tools:\n  - {name: a, colour: red}\n  - {name: b, timeout: soon}\n",
        )
        .await;
    assert_eq!(unreadable.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(unreadable.content_type, "application/problem+json");
    assert_eq!(unreadable.paths(), ["/tools/0/colour", "/tools/1/timeout"]);
    assert_eq!(unreadable.json["errors"][0]["line"], 2);

    let senseless = control_plane
        .put_json(
            "/api/v1/config",
            &json!({"tools": [{"name": "a", "allow": ["nobody"]},
                {"name": "b", "constraints": {"contains": {}}}], "secrets": {"s": {}}}),
        )
        .await;
    assert_eq!(
        senseless.paths(),
        [
            "/tools/0/allow/0",
            "/tools/1/constraints/contains",
            "/secrets/s"
        ]
    );
    assert_eq!(
        (
            control_plane.document().await,
            control_plane.get("/api/v1/version").await.json
        ),
        before
    );
}

#[tokio::test]
async fn it_refuses_a_change_to_a_revision_that_is_no_longer_in_force_and_says_whose_is() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), "").await;
    let put = |tag: &'static str, author: &'static str, body: &'static str| {
        let request = control_plane
            .request(Method::PUT, "/api/v1/config")
            .header("content-type", "application/yaml");
        Answer::of(
            request
                .header("if-match", tag)
                .header("x-portcullis-author", author)
                .body(body),
        )
    };
    let first = put("\"1\"", "ada", "defaults: {access: deny}").await;
    assert_eq!(first.status, StatusCode::OK, "{}", first.text);
    for tag in ["\"1\"", "\"3\"", "W/\"2\"", "\"nonsense\"", "\"1\", \"3\""] {
        let second = put(tag, "bob", "defaults: {validate: shadow}").await;
        assert_eq!(second.status, StatusCode::PRECONDITION_FAILED, "{tag}");
        assert!(
            second.json["detail"].as_str().unwrap().contains("`ada`"),
            "{}",
            second.text
        );
    }
    // A tag as nobody gave it is refused as such, so that nobody looks for whoever changed it.
    for tag in ["2", "nonsense", "", "\"2", "\"1\" \"2\""] {
        let unread = put(tag, "bob", "defaults: {validate: shadow}").await;
        assert_eq!(unread.status, StatusCode::BAD_REQUEST, "{tag}");
        assert!(
            unread.json["detail"]
                .as_str()
                .unwrap()
                .contains("If-Match: \"3\""),
            "{}",
            unread.text
        );
    }
    assert_eq!(
        put("\"1\", \"2\"", "bob", "defaults: {validate: shadow}")
            .await
            .status,
        StatusCode::OK
    );
    let shown = control_plane.get("/api/v1/config").await.json;
    assert_eq!(
        (&shown["revision"], &shown["author"]),
        (&json!(3), &json!("bob"))
    );
}

#[tokio::test]
async fn it_publishes_the_schema_that_it_reads_by() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), "").await;
    let answer = control_plane.get("/api/v1/config/schema").await;
    assert_eq!(answer.content_type, "application/schema+json");
    assert!(answer.json["properties"]["servers"].is_object());
}

#[tokio::test]
async fn it_takes_back_what_it_gave_unless_somebody_changed_it_meanwhile() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), "").await;
    let mut given = control_plane.get("/api/v1/config").await.json;
    let unchanged = control_plane.put_json("/api/v1/config", &given).await;
    assert_eq!(
        (unchanged.status, &unchanged.json["outcome"]),
        (StatusCode::OK, &json!("unchanged")),
        "{}",
        unchanged.text
    );
    given["document"]["defaults"]["access"] = json!("deny");
    let changed = control_plane.put_json("/api/v1/config", &given).await;
    assert_eq!(
        (changed.status, &changed.json["revision"]),
        (StatusCode::OK, &json!(2)),
        "{}",
        changed.text
    );
    // It was read before that change.
    given["document"]["defaults"]["access"] = json!("allow");
    let late = control_plane.put_json("/api/v1/config", &given).await;
    assert_eq!(
        late.status,
        StatusCode::PRECONDITION_FAILED,
        "{}",
        late.text
    );

    let mut faulty = control_plane.get("/api/v1/config").await.json;
    faulty["document"]["tools"] = json!([{"name": "a", "colour": 1}]);
    let refused = control_plane.put_json("/api/v1/config", &faulty).await;
    assert_eq!(refused.paths(), ["/document/tools/0/colour"]);
    faulty["document"]["tools"] = json!([{"name": "a", "allow": ["nobody"]}]);
    let refused = control_plane.put_json("/api/v1/config", &faulty).await;
    assert_eq!(refused.paths(), ["/document/tools/0/allow/0"]);
}

#[tokio::test]
async fn it_tells_of_a_server_that_answers_404_to_a_document_that_names_it() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), "").await;
    // Where REST listens there is no MCP.
    reach::allow(control_plane.rest.port());
    let document = format!(
        "servers: {{wrong: {{url: http://{}/mcp}}}}",
        control_plane.rest
    );
    let answer = control_plane.put_yaml("/api/v1/config", &document).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let unlisted = answer.json["unlisted"].as_array().unwrap();
    assert_eq!(unlisted.len(), 1, "{}", answer.text);
    assert_eq!(unlisted[0]["name"], "wrong");
    let reason = unlisted[0]["reason"].as_str().unwrap();
    assert!(reason.contains("HTTP 404"), "{reason}");
    assert!(reason.contains("is it an MCP endpoint?"), "{reason}");
}

#[tokio::test]
async fn it_takes_no_list_for_a_document_or_a_part_of_one() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), "").await;
    let before = control_plane.document().await;
    for document in [
        json!([]),
        json!({"rollout": ["5s"]}),
        json!({"tools": [["a"]]}),
    ] {
        let answer = control_plane.put_json("/api/v1/config", &document).await;
        assert_eq!(
            answer.status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{document}"
        );
        assert!(
            answer.text.contains("this is a list; write an object"),
            "{}",
            answer.text
        );
    }
    assert_eq!(control_plane.document().await, before);
}

#[tokio::test]
async fn it_takes_no_text_that_says_nothing_for_one_that_leaves_everything_out() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), "").await;
    let closed = "defaults: {access: deny}";
    let written = control_plane.put_yaml("/api/v1/config", closed).await;
    assert_eq!(written.status, StatusCode::OK, "{}", written.text);
    for nothing in ["", "\n", "# nothing\n", "---\n", "--- \n...\n"] {
        for path in [
            "/api/v1/config",
            "/api/v1/defaults",
            "/api/v1/tools/add/policy",
        ] {
            let refused = control_plane.put_yaml(path, nothing).await;
            assert_eq!(
                refused.status,
                StatusCode::BAD_REQUEST,
                "{path} {nothing:?}"
            );
        }
    }
    let kept = control_plane.get("/api/v1/config").await;
    assert_eq!(
        kept.json["document"]["defaults"]["access"], "deny",
        "{}",
        kept.text
    );
}
