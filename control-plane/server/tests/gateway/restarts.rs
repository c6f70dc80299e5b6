//! State that outlives a restart of the control plane.

use std::path::Path;

use envoy_types::pb::envoy::config::listener::v3::Listener;
use envoy_types::pb::google::protobuf::Any;
use prost::Message as _;
use serde_json::{Value, json};
use store::{ConfigStore as _, SqlStore, StoredRollout};
use time::OffsetDateTime;
use xds::{Generation, Resource, ResourceType};

use crate::fake_server::{FakeServer, Speaks, tools};
use crate::harness::{ControlPlane, document_with, folder, until};
use crate::waiting_changes::SHADOW;
use crate::waves::{Fleet, SOAK, WAVES, all};

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

/// Has the rollout in hand be one that another version began: its listeners say something that this
/// version does not write. Tells the name of its generation.
async fn let_another_version_have_begun(folder: &Path) -> Value {
    let file = folder.join("control-plane.db");
    let store = SqlStore::open(file).await.unwrap();
    let own = store.rollouts().await.unwrap().swap_remove(0);
    let mut generation = store.generation_of(&own.id).await.unwrap().unwrap();
    let mut all = Vec::new();
    for stored in &mut generation.resources {
        if stored.type_url == ResourceType::Listener.type_url() {
            let mut listener = Listener::decode(&*stored.value).unwrap();
            listener.stat_prefix = "another version".to_owned();
            stored.value = listener.encode_to_vec();
        }
        let any = Any {
            type_url: stored.type_url.clone(),
            value: stored.value.clone(),
        };
        let resource = Resource::from_any(any).unwrap();
        stored.version = resource.version().as_str().to_owned();
        all.push(resource);
    }
    generation.generation = Generation::of(&all).as_str().to_owned();
    let theirs = StoredRollout {
        id: format!("{}-{}", own.revision, &generation.generation[..8]),
        generation: generation.generation.clone(),
        ..own.clone()
    };
    assert_ne!(theirs.id, own.id);
    let ended = StoredRollout {
        ended_at: Some(OffsetDateTime::now_utc()),
        ..own
    };
    store.put_rollout(&ended).await.unwrap();
    store.put_rollout(&theirs).await.unwrap();
    let kept = store.keep_generation(&theirs.id, &generation).await;
    kept.unwrap();
    store.close().await;
    generation.generation.into()
}

#[tokio::test]
async fn it_goes_on_with_the_bytes_that_envoys_were_given_whatever_it_would_write_itself() {
    let folder = folder();
    let fleet = Fleet::start(folder.path(), WAVES).await;
    fleet.put(&format!("{WAVES}{SHADOW}")).await;
    let own = fleet.until("soaking", 1).await["generation"].take();
    let canary = fleet.canary().await;
    fleet.end();
    let theirs = let_another_version_have_begun(folder.path()).await;
    let fleet = Fleet::come_back(folder.path()).await;
    let rollout = fleet.until("soaking", 1).await;
    assert_eq!(
        (&rollout["generation"], &rollout["revision"]),
        (&theirs, &json!(2))
    );
    until(|| async { fleet.having(&theirs).await == [canary.clone()].into() }).await;
    for query in [
        "revision=2".to_owned(),
        format!("generation={theirs}").replace('"', ""),
    ] {
        let path = format!("/api/v1/config/snapshot?{query}");
        let shown = fleet.control_plane.get(&path).await;
        assert_eq!(shown.json["generation"], theirs, "{query}");
        assert!(shown.text.contains("another version"), "{query}");
    }
    fleet.clock.advance(SOAK);
    fleet.until("soaking", 2).await;
    assert_eq!(fleet.having(&theirs).await, all());
    fleet.clock.advance(SOAK);
    // What this version writes comes next, by itself and as carefully.
    until(|| async { fleet.rollout().await["generation"] == own }).await;
    let rollouts = fleet.control_plane.get("/api/v1/rollouts").await.json;
    assert_eq!(
        (
            &rollouts["rollouts"][1]["generation"],
            &rollouts["rollouts"][1]["state"]
        ),
        (&theirs, &json!("accepted"))
    );
}
