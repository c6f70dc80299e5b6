//! `/api/v1/traffic`: what Envoys report, as operators read it.

use serde_json::json;

use crate::fake_reporter::FakeReporter;
use crate::fake_server::{FakeServer, Speaks, tools};
use crate::harness::{ControlPlane, document_with, folder, until};

fn calls(tool: &str) -> String {
    format!("wasmcustom.portcullis_calls.server.data.tool.{tool}")
}

fn refusals(tool: &str, reason: &str) -> String {
    format!("wasmcustom.portcullis_refusals.server.data.tool.{tool}.reason.{reason}")
}

#[tokio::test]
async fn it_shows_what_envoys_report_of_each_tool_and_server() {
    let folder = folder();
    let server = FakeServer::start(Speaks::Stateless, tools(&["a.b", "idle", "query"])).await;
    let control_plane =
        ControlPlane::start(folder.path(), &document_with(&[("data", &server)])).await;
    control_plane
        .until_offered("data", &["a.b", "idle", "query"])
        .await;
    let nothing = control_plane.get("/api/v1/traffic").await.json;
    assert_eq!(
        (&nothing["reporting"], &nothing["tools"]),
        (&json!(0), &json!([]))
    );
    // The names are those of the generation that is in hand.
    until(|| async {
        let tools = control_plane.gateway.publisher().reports().traffic().tools;
        tools.iter().any(|tool| tool.tool == "query")
    })
    .await;
    for id in ["one", "two"] {
        let mut envoy = FakeReporter::connect(&control_plane, id).await;
        envoy.count(&calls("query"), 10);
        envoy.count(&calls("a%2eb"), 1);
        envoy.count(&refusals("query", "forbidden"), 2);
        envoy.count(&refusals("query", "limited"), 3);
        envoy.count("cluster.data.upstream_rq_completed", 8);
        envoy.count("cluster.data.upstream_rq_5xx", 1);
        // Of nothing that is kept.
        envoy.show("server.live", 1.0);
        envoy.report().await;
    }
    let traffic = control_plane.get("/api/v1/traffic").await.json;
    let count = |count: u64| json!({"total": count, "last_minute": count});
    assert_eq!(
        traffic["tools"],
        json!([
            {"server": "data", "tool": "a.b", "calls": count(2), "refusals": count(0),
                "refused_for": {}, "shadowed": count(0)},
            {"server": "data", "tool": "query", "calls": count(20), "refusals": count(10),
                "refused_for": {"forbidden": count(4), "limited": count(6)},
                "shadowed": count(0)},
        ])
    );
    assert_eq!(
        traffic["servers"],
        json!([{"server": "data", "requests": count(16), "failures": count(2)}])
    );
    let page = control_plane.get("/api/v1/traffic?limit=1").await.json;
    assert_eq!(page["next_cursor"], "data/a.b");
    let page = control_plane
        .get("/api/v1/traffic?limit=1&cursor=data/a.b")
        .await
        .json;
    assert_eq!(
        (&page["tools"][0]["tool"], page.get("next_cursor")),
        (&json!("query"), None)
    );
}
