//! State that outlives a restart of the control plane.

use serde_json::json;

use crate::fake_server::{FakeServer, Speaks, tools};
use crate::harness::{ControlPlane, document_with, folder};

#[tokio::test]
async fn it_keeps_the_document_the_lists_and_every_byte_that_envoys_are_sent() {
    let folder = folder();
    let (before, snapshot) = {
        let server = FakeServer::start(Speaks::Stateless, tools(&["a", "b"])).await;
        let control_plane =
            ControlPlane::start(folder.path(), &document_with(&[("data", &server)])).await;
        control_plane.until_offered("data", &["a", "b"]).await;
        let put = control_plane
            .put_json("/api/v1/tools/a/policy", &json!({"timeout": "1s"}))
            .await;
        assert_eq!(put.json["revision"], 2, "{}", put.text);
        (
            control_plane.get("/api/v1/config").await.json,
            control_plane.get("/api/v1/config/snapshot").await.json,
        )
    };
    // The server is gone now, and the document given at the start does not count any more.
    let control_plane = ControlPlane::start(folder.path(), "defaults: {access: deny}").await;
    assert_eq!(control_plane.get("/api/v1/config").await.json, before);
    assert_eq!(
        control_plane.get("/api/v1/config/snapshot").await.json,
        snapshot
    );
}
