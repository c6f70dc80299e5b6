//! A start from a revision that an operator names, whatever Envoys say of it.

use std::path::Path;

use control_plane::gateway::put_in_force;
use control_plane::module;
use store::{RevisionNumber, SqlStore};

use crate::changes::{connected, node};
use crate::fake_envoy::FakeEnvoy;
use crate::fake_server::{FakeServer, Speaks, tools};
use crate::harness::{ControlPlane, document_with, folder, until};
use crate::rollouts::{DENY, FILTER, until_accepted, version};
use crate::waiting_changes::SHADOW;

async fn break_glass(folder: &Path, revision: u64) -> Result<u64, String> {
    let store = SqlStore::open(folder.join("control-plane.db"))
        .await
        .unwrap();
    let source = folder.join("filter.wasm");
    let (module, _) = module::keep(&source, &folder.join("modules"), None).unwrap();
    let put = put_in_force(&store, RevisionNumber(revision), &module).await;
    put.map(|number| number.0)
        .map_err(|error| error.to_string())
}

#[tokio::test]
async fn it_starts_from_the_revision_that_an_operator_names_and_nobody_judges_it() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), SHADOW).await;
    let envoy = connected(&control_plane, "one").await;
    control_plane.put_yaml("/api/v1/config", DENY).await;
    until_accepted(&control_plane).await;
    control_plane
        .put_yaml("/api/v1/config", "tools: [{name: r, timeout: 1s}]")
        .await;
    until_accepted(&control_plane).await;
    drop((control_plane, envoy));

    assert_eq!(break_glass(folder.path(), 1).await, Ok(4));
    let control_plane = ControlPlane::start(folder.path(), "").await;
    let now = version(&control_plane).await;
    assert_eq!(
        (&now["revision"], &now["generation"]),
        (&4.into(), &now["accepted_generation"])
    );
    assert_eq!(
        control_plane.document().await["defaults"]["validate"],
        "shadow"
    );
    // Whatever an Envoy says of it.
    let _rejecting = FakeEnvoy::connect_rejecting(control_plane.xds, "two", &[FILTER]).await;
    until(|| async {
        let node = node(&control_plane, "two").await;
        node.is_some_and(|node| node.to_string().contains("rejected"))
    })
    .await;
    let _one = connected(&control_plane, "one").await;
    assert_eq!(version(&control_plane).await, now);
    let audit = control_plane.get("/api/v1/audit").await.json;
    let entry = &audit["records"][0];
    assert_eq!(entry["what"], "start --start-from-revision 1", "{audit}");
    assert!(entry["reason"].as_str().unwrap().contains("break-glass"));
    drop(control_plane);

    // A service manager that starts it again with the same flag adds nothing.
    assert_eq!(break_glass(folder.path(), 1).await, Ok(4));
    let control_plane = ControlPlane::start(folder.path(), "").await;
    assert_eq!(version(&control_plane).await["newest_revision"], 4);
    // What is written later is judged as ever.
    let envoy = connected(&control_plane, "one").await;
    envoy.reject(FILTER);
    let answer = control_plane.put_yaml("/api/v1/config", "{}").await;
    assert_eq!(answer.json["outcome"], "rejected", "{}", answer.text);
    until_accepted(&control_plane).await;
    assert_eq!(
        version(&control_plane).await["generation"],
        now["generation"]
    );
}

#[tokio::test]
async fn it_ends_a_rollout_that_was_in_hand() {
    let folder = folder();
    let waves = "rollout: {waves: [1, 100%], soak: 10m}\n";
    let control_plane = ControlPlane::start(folder.path(), waves).await;
    let envoy = connected(&control_plane, "one").await;
    until_accepted(&control_plane).await;
    let answer = control_plane
        .put_yaml("/api/v1/config", &format!("{waves}{SHADOW}"))
        .await;
    assert_eq!(answer.json["outcome"], "rolling_out", "{}", answer.text);
    drop((control_plane, envoy));
    // The newest one as it stands is put in force, too.
    assert_eq!(break_glass(folder.path(), 2).await, Ok(2));
    let control_plane = ControlPlane::start(folder.path(), "").await;
    let now = version(&control_plane).await;
    assert_eq!(now["generation"], now["accepted_generation"]);
    let rollouts = control_plane.get("/api/v1/rollouts").await.json;
    assert_eq!(rollouts["rollouts"][0]["state"], "superseded");
    let audit = control_plane.get("/api/v1/audit").await.json;
    assert_eq!(audit["records"][0]["what"], "start --start-from-revision 2");
}

#[tokio::test]
async fn it_knows_the_tools_of_a_server_where_the_revision_says_that_it_is() {
    let folder = folder();
    let old = FakeServer::start(Speaks::Stateless, tools(&["a"])).await;
    let new = FakeServer::start(Speaks::Stateless, tools(&["b"])).await;
    let first = document_with(&[("data", &old)]);
    let control_plane = ControlPlane::start(folder.path(), &first).await;
    let envoy = connected(&control_plane, "one").await;
    control_plane.until_offered("data", &["a"]).await;
    until_accepted(&control_plane).await;
    let moved = document_with(&[("data", &new)]);
    let answer = control_plane.put_yaml("/api/v1/config", &moved).await;
    assert_eq!(answer.json["outcome"], "accepted", "{}", answer.text);
    control_plane.until_offered("data", &["b"]).await;
    until_accepted(&control_plane).await;
    // Neither of them is there to be asked again.
    drop((control_plane, envoy, old, new));
    assert_eq!(break_glass(folder.path(), 1).await, Ok(3));
    let control_plane = ControlPlane::start(folder.path(), "").await;
    assert_eq!(control_plane.offered("data").await, ["a"]);
}

#[tokio::test]
async fn it_changes_nothing_where_there_is_no_such_revision() {
    let folder = folder();
    drop(ControlPlane::start(folder.path(), "").await);
    let refused = break_glass(folder.path(), 7).await.unwrap_err();
    assert!(refused.contains("revisions 1 to 1"), "{refused}");
    let control_plane = ControlPlane::start(folder.path(), "").await;
    assert_eq!(version(&control_plane).await["newest_revision"], 1);
}
