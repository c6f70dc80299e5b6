//! Changes of where calls go, which are taken back where numbers say so, and there alone.

use std::path::Path;

use serde_json::json;

use crate::changes::node;
use crate::fake_envoy::FakeEnvoy;
use crate::fake_server::{FakeServer, Speaks, tools};
use crate::gated_waves::{Reporting, gated};
use crate::harness::{document_with, folder, until};
use crate::rollouts::{crash_twice, until_accepted};
use crate::waves::{Fleet, SOAK};

/// A server of the tool `a`, a cluster beside it, and a fleet that reports.
struct Canary {
    _server: FakeServer,
    /// The document as it is.
    usual: String,
    reporting: Reporting,
}

impl Canary {
    async fn start(folder: &Path, waves: &str) -> Self {
        let server = FakeServer::start(Speaks::Stateless, tools(&["a"])).await;
        let listed = document_with(&[("data", &server)]);
        let side = "clusters: [{name: side, endpoints: ['127.0.0.1:9']}]";
        let usual = format!("{waves}{listed}{side}\n");
        // The first list of tools is not to go in waves.
        let fleet = Fleet::start(folder, &format!("{listed}{side}\n")).await;
        fleet.control_plane.until_offered("data", &["a"]).await;
        until_accepted(&fleet.control_plane).await;
        let answer = fleet.put(&usual).await;
        assert_eq!(answer.json["outcome"], "accepted", "{}", answer.text);
        let reporting = Reporting::of(fleet).await;
        Self {
            _server: server,
            usual,
            reporting,
        }
    }

    /// Sends the calls of the tool to the cluster, by a rule that says this too, and waits until
    /// the first Envoy has that.
    async fn send_aside(&self, more: &str) {
        let rule = format!("{{name: r, match: {{tool: a}}, route: {{cluster: side}}{more}}}");
        let fleet = &self.reporting.fleet;
        let answer = fleet.put(&format!("{}tools: [{rule}]", self.usual)).await;
        assert_eq!(answer.json["outcome"], "rolling_out", "{}", answer.text);
        fleet.until("soaking", 1).await;
    }
}

#[tokio::test]
async fn it_takes_back_where_calls_go_and_keeps_what_refuses_more_besides() {
    for (more, state) in [("", "taken_back"), (", allow: []", "kept")] {
        let folder = folder();
        let mut canary = Canary::start(folder.path(), &gated("")).await;
        canary.send_aside(more).await;
        canary.reporting.until((20, 20), state, 1).await;
    }
}

#[tokio::test]
async fn it_takes_back_where_calls_go_after_a_restart_in_the_last_wave() {
    let folder = folder();
    let mut canary = Canary::start(folder.path(), &gated("")).await;
    canary.send_aside("").await;
    canary.reporting.fleet.clock.advance(SOAK);
    canary.reporting.until((20, 0), "soaking", 2).await;
    let fleet = canary.reporting.fleet.start_again(folder.path()).await;
    let mut reporting = Reporting::of(fleet).await;
    reporting.fleet.until("soaking", 2).await;
    reporting.until((20, 20), "taken_back", 2).await;
}

#[tokio::test]
async fn it_keeps_where_calls_go_when_an_envoy_crashes_or_an_operator_ends_the_rollout() {
    let folder = folder();
    let by_group = gated("").replace("[1, 100%]", "[canary, 100%]").replace(
        "rollout: {",
        "rollout: {groups: {canary: {cluster: canary}}, ",
    );
    let canary = Canary::start(folder.path(), &by_group).await;
    let fleet = &canary.reporting.fleet;
    let crashing = FakeEnvoy::connect_of(fleet.control_plane.xds, "crashing", "canary").await;
    until(|| async {
        let node = node(&fleet.control_plane, "crashing").await;
        node.is_some_and(|node| node["generation"]["in_force"].is_string())
    })
    .await;
    canary.send_aside("").await;
    let id = fleet.rollout().await["id"].take();
    let path = format!("/api/v1/rollouts/{}/abort", id.as_str().unwrap());
    let refused = fleet.control_plane.post(&path, &json!({})).await;
    assert_eq!(refused.status, 409, "{}", refused.text);
    let _crashing = crash_twice(&fleet.control_plane, crashing).await;
    fleet.until("kept", 1).await;
}
