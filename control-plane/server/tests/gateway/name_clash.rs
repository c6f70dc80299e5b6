//! Two servers that list a tool of one name.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::captured_log::CapturedLog;
use crate::fake_server::{FakeServer, Speaks, tools};
use crate::harness::{ControlPlane, document_with, folder, until};

/// The tools that `/mcp` does not offer, as the filter is told.
async fn withheld(control_plane: &ControlPlane) -> Value {
    let mut config = control_plane.filter_config("mcp").await;
    assert_eq!(config["endpoints"][0]["path"], "/mcp");
    for alone in &config["endpoints"].as_array().unwrap()[1..] {
        assert_eq!(alone["withheld"], Value::Null, "{alone}");
    }
    config["endpoints"][0]["withheld"].take()
}

async fn until_withheld(control_plane: &ControlPlane, expected: Value) {
    until(|| async { withheld(control_plane).await == expected }).await;
}

#[tokio::test]
async fn it_leaves_the_name_to_the_tool_that_was_there_and_says_so_everywhere() {
    let log = CapturedLog::begin();
    let folder = folder();
    let data = FakeServer::start(Speaks::Stateless, tools(&["same", "own"])).await;
    let math = FakeServer::start(Speaks::Stateless, tools(&["same"])).await;
    let control_plane =
        ControlPlane::start(folder.path(), &document_with(&[("math", &math)])).await;
    control_plane.until_offered("math", &["same"]).await;

    let together = document_with(&[("data", &data), ("math", &math)]);
    let put = control_plane.put_yaml("/api/v1/config", &together).await;
    assert_eq!(put.status, StatusCode::OK, "{}", put.text);
    let told = &put.json["withheld"][0];
    assert_eq!(
        (&told["server"], &told["tool"], &told["cause"]),
        (&json!("data"), &json!("same"), &json!("name_clash")),
        "{}",
        put.text
    );
    let reason = told["reason"].as_str().unwrap();
    assert!(reason.contains("`/servers/data/mcp`"), "{reason}");
    assert_eq!(withheld(&control_plane).await, json!({"data": ["same"]}));
    // At its server's own endpoint it is there.
    assert_eq!(control_plane.offered("data").await, ["own", "same"]);

    let listed = control_plane.get("/api/v1/tools").await.json["tools"].take();
    let of = |server: &str| {
        let mut all = listed.as_array().unwrap().iter();
        all.find(|tool| tool["server"] == server && tool["name"] == "same")
            .unwrap()
            .clone()
    };
    assert_eq!(of("math")["state"], "offered");
    assert_eq!(
        (&of("data")["state"], &of("data")["reason"]),
        (&json!("withheld"), &told["reason"])
    );
    let policy = control_plane.get("/api/v1/tools/same/policy").await;
    assert_eq!(policy.json["policy"]["server"], "math", "{}", policy.text);
    assert!(log.text().contains(reason), "{}", log.text());
}

#[tokio::test]
async fn it_remembers_who_was_there_across_restarts_and_in_whatever_order_servers_list() {
    let folder = folder();
    let data = FakeServer::start(Speaks::Stateless, tools(&["own"])).await;
    let math = FakeServer::start(Speaks::Stateless, tools(&["same", "other"])).await;
    let together = document_with(&[("data", &data), ("math", &math)]);
    {
        let control_plane = ControlPlane::start(folder.path(), &together).await;
        control_plane
            .until_offered("math", &["other", "same"])
            .await;
        data.list(tools(&["same", "own"]));
        until_withheld(&control_plane, json!({"data": ["same"]})).await;
        math.list(tools(&["more", "other", "same"]));
        control_plane
            .until_offered("math", &["more", "other", "same"])
            .await;
        assert_eq!(withheld(&control_plane).await, json!({"data": ["same"]}));
    }
    {
        let control_plane = ControlPlane::start(folder.path(), "").await;
        assert_eq!(withheld(&control_plane).await, json!({"data": ["same"]}));
        // A tool that goes is no longer there; when it comes back, it is the newcomer.
        math.list(tools(&["other"]));
        until_withheld(&control_plane, Value::Null).await;
        math.list(tools(&["other", "same"]));
        until_withheld(&control_plane, json!({"math": ["same"]})).await;
    }
    let control_plane = ControlPlane::start(folder.path(), "").await;
    assert_eq!(withheld(&control_plane).await, json!({"math": ["same"]}));
}
