//! `/api/v1/tools` and the policies under it.

use reqwest::StatusCode;
use serde_json::json;

use crate::fake_server::{FakeServer, Speaks, tool, tools};
use crate::harness::{ControlPlane, document_with, folder};

const ECHO: &str = "/api/v1/tools/echo/policy";

#[tokio::test]
async fn it_keeps_a_tools_policy_as_a_rule_ahead_of_the_others() {
    let folder = folder();
    let server = FakeServer::start(Speaks::Stateless, tools(&["echo"])).await;
    let document = document_with(&[("data", &server)])
        + "tools: [{name: general, timeout: 1m, validate: shadow}]\n";
    let control_plane = ControlPlane::start(folder.path(), &document).await;
    control_plane.until_offered("data", &["echo"]).await;

    let body = json!({"limits": [{"per": ["tool"], "requests": 2, "window": "1m"}],
        "validate": "enforce"});
    let put = control_plane.put_json(ECHO, &body).await;
    assert_eq!(
        (put.status, put.etag.as_deref()),
        (StatusCode::OK, Some("\"2\"")),
        "{}",
        put.text
    );
    let rules = &control_plane.document().await["tools"];
    assert_eq!(rules[0]["name"], "tool:echo");
    assert_eq!(rules[0]["match"], json!({"server": "data", "tool": "echo"}));
    assert_eq!(rules[1]["name"], "general");

    let shown = control_plane.get(ECHO).await.json;
    assert_eq!(
        shown["policy"]["validate"],
        json!({"value": "enforce", "rule": "tool:echo"})
    );
    assert_eq!(
        shown["policy"]["timeout_ms"],
        json!({"value": 60_000, "rule": "general"})
    );
    assert_eq!(
        shown["policy"]["allow"],
        json!({"value": ["*"], "rule": null})
    );
    assert_eq!(shown["policy"]["limits"][0]["rule"], "tool:echo");
    assert_eq!(shown["rule"]["limits"], body["limits"]);

    let again = control_plane.put_json(ECHO, &json!({"allow": []})).await;
    assert_eq!(again.status, StatusCode::OK, "{}", again.text);
    assert_eq!(
        control_plane.document().await["tools"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    assert_eq!(
        control_plane.get(ECHO).await.json["policy"]["limits"],
        json!([])
    );

    assert_eq!(control_plane.delete(ECHO).await.status, StatusCode::OK);
    assert_eq!(
        control_plane.document().await["tools"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(control_plane.get(ECHO).await.json["rule"], json!(null));
    assert_eq!(
        control_plane.delete(ECHO).await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn it_refuses_a_bad_policy_by_the_paths_of_what_was_sent() {
    let folder = folder();
    let server = FakeServer::start(Speaks::Stateless, tools(&["echo"])).await;
    let document = document_with(&[("data", &server)])
        + "tools: [{name: first}, {name: 'tool:echo', timeout: 1s}]\n";
    let control_plane = ControlPlane::start(folder.path(), &document).await;
    control_plane.until_offered("data", &["echo"]).await;
    let cases = [
        (json!({"limit": 2}), vec!["/limit"]),
        (
            json!({"limits": [{"per": ["moon"], "requests": 1, "window": "1m"}]}),
            vec!["/limits/0/per/0"],
        ),
        (
            json!({"allow": ["nobody"], "route": {"cluster": "nowhere"}}),
            vec!["/allow/0", "/route/cluster"],
        ),
        (
            json!({"constraints": {"properties": {"x": {"contains": 1}}}}),
            vec!["/constraints/properties/x/contains"],
        ),
        (json!({"when": "always"}), vec!["/when"]),
    ];
    for (body, paths) in cases {
        let answer = control_plane.put_json(ECHO, &body).await;
        assert_eq!(
            (answer.status, answer.paths()),
            (StatusCode::UNPROCESSABLE_ENTITY, paths),
            "{}",
            answer.text
        );
    }
    assert_eq!(
        control_plane.get("/api/v1/version").await.json["revision"],
        1
    );
}

#[tokio::test]
async fn it_knows_no_policy_of_a_tool_in_no_list() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), "").await;
    for answer in [
        control_plane.get(ECHO).await,
        control_plane.put_json(ECHO, &json!({})).await,
        control_plane.delete(ECHO).await,
    ] {
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
        assert!(
            answer.json["detail"]
                .as_str()
                .unwrap()
                .contains("`GET /api/v1/tools`"),
            "{}",
            answer.text
        );
    }
}

#[tokio::test]
async fn it_withholds_a_tool_that_cannot_be_checked_until_a_rule_lets_it_pass_unchecked() {
    let folder = folder();
    let odd = tool(
        "odd",
        r#"{"type":"object","properties":{"x":{"contains":{}}}}"#,
    );
    let wrong = tool("wrong", r#"{"type":"objekt"}"#);
    let server = FakeServer::start(Speaks::Stateless, vec![odd, wrong, tool("good", "{}")]).await;
    let control_plane =
        ControlPlane::start(folder.path(), &document_with(&[("data", &server)])).await;
    control_plane.until_offered("data", &["good"]).await;

    let listed = control_plane.get("/api/v1/tools").await.json["tools"].take();
    let states: Vec<_> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|tool| (tool["name"].clone(), tool["state"].clone()))
        .collect();
    assert_eq!(
        states,
        [
            (json!("odd"), json!("withheld")),
            (json!("wrong"), json!("withheld")),
            (json!("good"), json!("offered"))
        ]
    );
    assert!(listed[0]["reason"].as_str().unwrap().contains("contains"));
    assert!(
        listed[1]["reason"]
            .as_str()
            .unwrap()
            .contains("not a JSON Schema")
    );
    assert_eq!(
        control_plane.get("/api/v1/tools/odd/policy").await.json["policy"],
        json!(null)
    );

    let put = control_plane
        .put_json("/api/v1/tools/odd/policy", &json!({"validate": "off"}))
        .await;
    assert_eq!(put.status, StatusCode::OK, "{}", put.text);
    assert_eq!(control_plane.offered("data").await, ["good", "odd"]);
}

#[tokio::test]
async fn it_takes_back_the_policy_that_it_gave() {
    let folder = folder();
    let server = FakeServer::start(Speaks::Stateless, tools(&["echo"])).await;
    let control_plane =
        ControlPlane::start(folder.path(), &document_with(&[("data", &server)])).await;
    control_plane.until_offered("data", &["echo"]).await;
    let without_rule = control_plane.get(ECHO).await.json;
    let unchanged = control_plane.put_json(ECHO, &without_rule).await;
    assert_eq!(unchanged.json["outcome"], "unchanged", "{}", unchanged.text);

    control_plane
        .put_json(ECHO, &json!({"timeout": "1s"}))
        .await;
    let mut given = control_plane.get(ECHO).await.json;
    let unchanged = control_plane.put_json(ECHO, &given).await;
    assert_eq!(unchanged.json["outcome"], "unchanged", "{}", unchanged.text);
    given["rule"]["timeout"] = json!("2s");
    let changed = control_plane.put_json(ECHO, &given).await;
    assert_eq!(
        (changed.status, &changed.json["revision"]),
        (StatusCode::OK, &json!(3))
    );
    assert_eq!(control_plane.get(ECHO).await.json["rule"]["timeout"], "2s");
    let late = control_plane.put_json(ECHO, &given).await;
    assert_eq!(
        late.status,
        StatusCode::PRECONDITION_FAILED,
        "{}",
        late.text
    );
    let late = control_plane.put_json(ECHO, &without_rule).await;
    assert_eq!(
        late.status,
        StatusCode::PRECONDITION_FAILED,
        "{}",
        late.text
    );

    let mut given = control_plane.get(ECHO).await.json;
    given["rule"]["match"]["tool"] = json!("other");
    given["rule"]["name"] = json!("other");
    let refused = control_plane.put_json(ECHO, &given).await;
    assert_eq!(
        refused.paths(),
        ["/rule/name", "/rule/match"],
        "{}",
        refused.text
    );
}
