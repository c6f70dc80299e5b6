//! Lists and filter modules that Envoys rejected, and what is made without them.

use crate::changes::{connected, node};
use crate::fake_envoy::FakeEnvoy;
use crate::fake_server::{FakeServer, Speaks, tools};
use crate::harness::{ControlPlane, document_with, folder, until};
use crate::rollouts::{DENY, FILTER, PATIENT, until_accepted, version};

#[tokio::test]
async fn it_makes_no_later_change_from_a_list_that_envoys_rejected() {
    let folder = folder();
    let server = FakeServer::start(Speaks::Stateless, tools(&["a"])).await;
    let document = document_with(&[("data", &server)]);
    {
        let control_plane = ControlPlane::start(folder.path(), &document).await;
        control_plane.until_offered("data", &["a"]).await;
        let envoy = connected(&control_plane, "envoy").await;
        let before = until_accepted(&control_plane).await;
        envoy.reject_once(FILTER);
        server.list(tools(&["a", "poison"]));
        until(|| async {
            let node = node(&control_plane, "envoy").await.unwrap();
            node["rejected"]["generation"].is_string()
                && version(&control_plane).await["generation"] == before["generation"]
        })
        .await;
        assert_eq!(
            version(&control_plane).await["catalogue"],
            before["catalogue"]
        );
        // It is not tried again and again.
        let asked = server.methods().len();
        until(|| async { server.methods().len() > asked + 3 }).await;
        assert_eq!(
            version(&control_plane).await["generation"],
            before["generation"]
        );
    }
    // A restart begins with what was accepted, and an operator's change is made from it.
    let control_plane = ControlPlane::start(folder.path(), "").await;
    assert_eq!(control_plane.offered("data").await, ["a"]);
    let _envoy = connected(&control_plane, "envoy").await;
    let change = format!("{document}{DENY}");
    let answer = control_plane.put_yaml("/api/v1/config", &change).await;
    assert_eq!(answer.json["outcome"], "accepted", "{}", answer.text);
    // What it was rejected for may be mended by that: the list is tried once more.
    control_plane.until_offered("data", &["a", "poison"]).await;
}

#[tokio::test]
async fn it_goes_back_to_the_module_that_envoys_accepted_and_to_the_very_bytes() {
    let folder = folder();
    let (before, snapshot) = {
        let control_plane = ControlPlane::start(folder.path(), "").await;
        let _envoy = connected(&control_plane, "envoy").await;
        let before = until_accepted(&control_plane).await;
        (
            before,
            control_plane.get("/api/v1/config/snapshot").await.json,
        )
    };
    let other = b"\0asm\x01\0\0\0\0\x02\x01x";
    {
        let control_plane = ControlPlane::start_with_module(folder.path(), "", other).await;
        assert_ne!(version(&control_plane).await["module"], before["module"]);
        let _envoy = FakeEnvoy::connect_rejecting(control_plane.xds, "envoy", &[FILTER]).await;
        until(|| async { version(&control_plane).await["module"] == before["module"] }).await;
        let restored = control_plane.get("/api/v1/config/snapshot").await.json;
        assert_eq!(restored, snapshot);
        // Nor is a later change made with it.
        let envoy = connected(&control_plane, "another").await;
        let answer = control_plane.put_yaml("/api/v1/config", DENY).await;
        assert_eq!(
            version(&control_plane).await["module"],
            before["module"],
            "{}",
            answer.text
        );
        drop(envoy);
    }
}

#[tokio::test]
async fn it_tries_a_new_module_again_by_itself_that_a_rejected_document_came_with() {
    let folder = folder();
    {
        let control_plane = ControlPlane::start(folder.path(), PATIENT).await;
        let _envoy = connected(&control_plane, "envoy").await;
        until_accepted(&control_plane).await;
    }
    let other = b"\0asm\x01\0\0\0\0\x02\x01x";
    let control_plane = ControlPlane::start_with_module(folder.path(), "", other).await;
    let with_other = version(&control_plane).await;
    let second =
        "listeners: [{name: mcp, address: 127.0.0.1:10000}, {name: second, address: 127.0.0.1:1}]";
    let body = format!("{PATIENT}{second}");
    // It answers nothing of the module before the document is written.
    let envoy = FakeEnvoy::connect_rejecting(control_plane.xds, "envoy", &["second"]).await;
    envoy.pause();
    let write = control_plane.put_yaml("/api/v1/config", &body);
    let written = async {
        until(|| async { version(&control_plane).await["newest_revision"] == 2 }).await;
        envoy.go_on();
    };
    let (answer, ()) = tokio::join!(write, written);
    assert_eq!(answer.json["outcome"], "rejected", "{}", answer.text);
    until(|| async {
        let version = version(&control_plane).await;
        let accepted = &version["accepted_generation"];
        (accepted, &version["module"]) == (&with_other["generation"], &with_other["module"])
    })
    .await;
}
