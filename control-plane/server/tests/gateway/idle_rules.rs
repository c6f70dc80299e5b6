//! Rules about tools that nobody lists.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::captured_log::CapturedLog;
use crate::fake_server::{FakeServer, Speaks, tools};
use crate::harness::{ControlPlane, document_with, folder};

#[tokio::test]
async fn it_warns_of_a_rule_for_a_tool_that_nobody_lists_wherever_an_operator_looks() {
    let log = CapturedLog::begin();
    let folder = folder();
    let server = FakeServer::start(Speaks::Stateless, tools(&["execute_query", "other"])).await;
    let document = document_with(&[("data", &server)]);
    let control_plane = ControlPlane::start(folder.path(), &document).await;
    control_plane
        .until_offered("data", &["execute_query", "other"])
        .await;

    let rules = "tools: [{name: slow, match: {tool: execut_query}, timeout: 1s}]\n";
    let put = control_plane
        .put_yaml("/api/v1/config", &(document + rules))
        .await;
    assert_eq!(put.status, StatusCode::OK, "{}", put.text);
    let warning = &put.json["warnings"][0];
    assert_eq!(
        (&warning["path"], &warning["rule"], &warning["near"]),
        (
            &json!("/tools/0/match/tool"),
            &json!("slow"),
            &json!(["execute_query"])
        ),
        "{}",
        put.text
    );
    let reason = warning["reason"].as_str().unwrap();
    assert!(reason.contains("did you mean `execute_query`?"), "{reason}");
    assert!(log.text().contains(reason), "{}", log.text());

    let shown = |path: &'static str| {
        let control_plane = &control_plane;
        async move { control_plane.get(path).await.json["warnings"].take() }
    };
    assert_eq!(shown("/api/v1/tools").await, json!([warning]));
    assert_eq!(
        shown("/api/v1/tools/execute_query/policy").await,
        json!([warning])
    );
    assert_eq!(shown("/api/v1/tools/other/policy").await, Value::Null);

    // It is listed now.
    server.list(tools(&["execut_query"]));
    control_plane.until_offered("data", &["execut_query"]).await;
    assert_eq!(shown("/api/v1/tools").await, json!([]));
}

#[tokio::test]
async fn it_names_the_tools_that_may_be_meant_where_one_is_in_no_list() {
    let folder = folder();
    let server = FakeServer::start(Speaks::Stateless, tools(&["execute_query"])).await;
    let control_plane =
        ControlPlane::start(folder.path(), &document_with(&[("data", &server)])).await;
    control_plane
        .until_offered("data", &["execute_query"])
        .await;
    let path = "/api/v1/tools/execute_qurey/policy";
    for answer in [
        control_plane.get(path).await,
        control_plane
            .put_json(path, &json!({"timeout": "1s"}))
            .await,
        control_plane.delete(path).await,
    ] {
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
        let detail = answer.json["detail"].as_str().unwrap();
        assert!(detail.contains("did you mean `execute_query`?"), "{detail}");
    }
}
