//! Where Envoys, and the policies that were written, stand while a change is on its way.

use serde_json::{Value, json};

use crate::changes::{connected, node};
use crate::fake_server::{FakeServer, Speaks, tools};
use crate::harness::{ControlPlane, document_with, folder, until};
use crate::rollouts::until_accepted;
use crate::waves::{Fleet, SOAK, WAVES};

async fn standings(control_plane: &ControlPlane, ids: &[&str]) -> Vec<Value> {
    let mut found = Vec::new();
    for id in ids {
        found.push(node(control_plane, id).await.unwrap()["standing"].take());
    }
    found
}

#[tokio::test]
async fn it_tells_an_envoy_that_waits_for_its_wave_from_one_that_runs_the_change() {
    let folder = folder();
    let mut fleet = Fleet::start(folder.path(), WAVES).await;
    let names = ["a", "b", "c"];
    let all = [json!("in_force"), json!("in_force"), json!("in_force")];
    assert_eq!(standings(&fleet.control_plane, &names).await, all);
    fleet
        .put(&format!("{WAVES}defaults: {{access: deny}}"))
        .await;
    fleet.until("soaking", 1).await;
    let canary = fleet.canary().await;
    let others: Vec<&str> = names.into_iter().filter(|name| *name != canary).collect();
    assert_eq!(
        standings(&fleet.control_plane, &[&canary]).await,
        [json!("in_force")]
    );
    let waiting = [json!("waiting"), json!("waiting")];
    assert_eq!(standings(&fleet.control_plane, &others).await, waiting);
    fleet.envoys.remove(others[0]);
    until(|| async {
        standings(&fleet.control_plane, &others).await == [json!("gone"), json!("waiting")]
    })
    .await;
}

#[tokio::test]
async fn it_shows_the_policy_in_force_beside_the_one_that_waits() {
    let folder = folder();
    let server = FakeServer::start(Speaks::Stateless, tools(&["add"])).await;
    let mut fleet = Fleet::start(folder.path(), &document_with(&[("math", &server)])).await;
    fleet.control_plane.until_offered("math", &["add"]).await;
    until_accepted(&fleet.control_plane).await;
    let waves = json!({"waves": [1, "100%"], "soak": "10m", "ack_deadline": "5s"});
    let set = fleet.control_plane.put_json("/api/v1/rollout", &waves);
    let set = set.await;
    assert_eq!(set.json["outcome"], "accepted", "{}", set.text);
    let path = "/api/v1/tools/add/policy";
    let control_plane = &fleet.control_plane;
    let policy = async || {
        let shown = control_plane.get(path).await.json;
        let in_force = &shown["in_force"]["policy"]["timeout_ms"]["value"];
        (
            shown["standing"].as_str().unwrap().to_owned(),
            shown["policy"]["timeout_ms"]["value"].clone(),
            in_force.clone(),
        )
    };
    let standing = |word: &str, latest: Value, in_force: Value| (word.to_owned(), latest, in_force);
    assert_eq!(
        policy().await,
        standing("in_force", json!(null), json!(null))
    );
    let first = control_plane
        .put_json(path, &json!({"timeout": "1s"}))
        .await;
    assert_eq!(first.json["outcome"], "rolling_out", "{}", first.text);
    assert_eq!(
        policy().await,
        standing("in_part", json!(1000), json!(null))
    );
    let listed = control_plane.get("/api/v1/tools").await.json;
    assert_eq!(listed["standing"], "in_part");
    let second = control_plane
        .put_json(path, &json!({"timeout": "2s"}))
        .await;
    assert_eq!(second.json["outcome"], "waiting", "{}", second.text);
    assert_eq!(
        policy().await,
        standing("waiting", json!(2000), json!(null))
    );
    let shown = control_plane.get(path).await.json;
    let on_its_way = &shown["in_part"]["policy"]["timeout_ms"]["value"];
    assert_eq!(
        (on_its_way, &shown["in_part"]["revision"]),
        (&json!(1000), &json!(3))
    );
    // What was shown can be put back.
    let shown = control_plane.get(path).await;
    let back = control_plane.put_json(path, &shown.json).await;
    assert_eq!(back.json["outcome"], "unchanged", "{}", back.text);
    // The waves of both changes.
    for (revision, wave) in [(3, 1), (3, 2), (4, 1), (4, 2)] {
        until(|| async {
            let rollout = fleet.rollout().await;
            rollout["revision"] == revision
                && rollout["state"] == "soaking"
                && rollout["wave"] == wave
        })
        .await;
        fleet.clock.advance(SOAK);
    }
    fleet.until("accepted", 2).await;
    assert_eq!(
        policy().await,
        standing("in_force", json!(2000), json!(null))
    );
    fleet.envoys.clear();
}

#[tokio::test]
async fn it_says_of_a_policy_that_no_envoy_has_that_it_is_not_in_force() {
    let folder = folder();
    let server = FakeServer::start(Speaks::Stateless, tools(&["add"])).await;
    let document = document_with(&[("math", &server)]);
    let control_plane = ControlPlane::start(folder.path(), &document).await;
    control_plane.until_offered("math", &["add"]).await;
    let shown = control_plane.get("/api/v1/tools/add/policy").await.json;
    assert_eq!(shown["standing"], "in_part");
    assert_eq!(shown.get("in_force"), None);
    let _envoy = connected(&control_plane, "one").await;
    until_accepted(&control_plane).await;
    let shown = control_plane.get("/api/v1/tools/add/policy").await.json;
    assert_eq!(shown["standing"], "in_force");
}
