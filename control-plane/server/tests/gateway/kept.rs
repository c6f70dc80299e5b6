//! A change that was rejected and is kept, and a control plane that starts again meanwhile: each
//! Envoy has what it had, and follows endpoints and secrets as ever.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::changes::node;
use crate::fake_envoy::{FakeEnvoy, REJECTION};
use crate::fake_server::{FakeServer, Speaks, tools};
use crate::harness::{folder, until};
use crate::rollouts::{DENY, FILTER, PATIENT, desired, until_accepted, version};
use crate::waiting_changes::SHADOW;
use crate::waves::{CANARY_FIRST, Fleet, SOAK, all};

/// Two Envoys first, watched for ten minutes.
const TWO_FIRST: &str = "rollout: {waves: [2, 100%], soak: 10m, ack_deadline: 5s}\n";

/// A document of a server with these endpoints, which is shown the secret of the folder.
fn document(folder: &Path, servers: &[FakeServer; 2]) -> String {
    let urls = servers.each_ref().map(FakeServer::url).join(", ");
    let token = folder.join("token");
    let token = token.display();
    format!(
        "secrets: {{token: {{file: '{token}'}}}}\n\
         servers: {{data: {{endpoints: [{urls}], credentials: {{secret: token}}}}}}\n"
    )
}

/// Has the file of the secret hold this.
fn write_secret(folder: &Path, value: &str) {
    let beside = folder.join("beside");
    fs::write(&beside, value).unwrap();
    fs::rename(beside, folder.join("token")).unwrap();
}

/// A fleet that has accepted a document whose server has two endpoints and is shown a secret; with
/// the endpoints and the document.
async fn fleet_of_two_endpoints(folder: &Path) -> ([FakeServer; 2], String, Fleet) {
    write_secret(folder, "first");
    let servers = [
        FakeServer::start(Speaks::Stateless, tools(&["a"])).await,
        FakeServer::start(Speaks::Sessions, tools(&["a"])).await,
    ];
    let base = document(folder, &servers);
    let fleet = Fleet::start(folder, &base).await;
    fleet.control_plane.until_offered("data", &["a"]).await;
    until_accepted(&fleet.control_plane).await;
    (servers, base, fleet)
}

impl Fleet {
    /// Denies everything in revision 2, which all Envoys that are given it run but for one, which
    /// rejects it. Tells who rejects it.
    async fn keep(&self, base: &str, rollout: &str) -> String {
        for envoy in self.envoys.values() {
            envoy.pause();
        }
        let body = format!("{base}{rollout}{DENY}");
        let (answer, bad) = tokio::join!(self.put(&body), async {
            until(|| async { self.rollout().await["revision"] == 2 }).await;
            let members = || async {
                let generation = self.rollout().await["generation"].take();
                self.having(&generation).await
            };
            until(|| async { members().await.len() >= 2 }).await;
            let mut members = members().await;
            let bad = members.pop_first().unwrap();
            self.envoys[&*bad].reject(FILTER);
            for strict in members {
                self.envoys[&*strict].go_on();
                until(|| async {
                    let node = node(&self.control_plane, &strict).await.unwrap();
                    node["generation"]["in_force"] == node["generation"]["desired"]
                })
                .await;
            }
            self.envoys[&*bad].go_on();
            bad
        });
        assert_eq!(
            (answer.status, &answer.json["kept"]),
            (StatusCode::UNPROCESSABLE_ENTITY, &json!(true)),
            "{}",
            answer.text
        );
        for envoy in self.envoys.values() {
            envoy.go_on();
        }
        bad
    }

    /// Whether each Envoy that is known has acknowledged so many endpoints, and no others.
    async fn all_have(&self, endpoints: usize) -> bool {
        let snapshot = self.control_plane.get("/api/v1/config/snapshot").await;
        let is_of_data = |one: &&Value| one["type"] == "endpoints" && one["name"] == "data";
        let resources = snapshot.json["resources"].as_array().unwrap().iter();
        let of_data = resources.clone().find(is_of_data).unwrap();
        let count = of_data["content"]
            .to_string()
            .matches("\"hostname\"")
            .count();
        let nodes = self.control_plane.get("/api/v1/nodes").await.json;
        let mut nodes = nodes["nodes"].as_array().unwrap().iter();
        let has_them = |node: &Value| {
            let mut resources = node["resources"].as_array().unwrap().iter();
            let own = resources.find(is_of_data);
            own.is_some_and(|own| own["acked"] == of_data["version"])
        };
        count == endpoints && nodes.all(has_them)
    }

    /// The generations that Envoys run and that was accepted, with those who are to have each.
    async fn haves(&self) -> [BTreeSet<String>; 2] {
        let version = version(&self.control_plane).await;
        [
            self.having(&version["generation"]).await,
            self.having(&version["accepted_generation"]).await,
        ]
    }
}

#[tokio::test]
async fn it_gives_each_envoy_what_it_had_when_it_starts_again_while_a_change_is_kept() {
    for rollout in [TWO_FIRST, PATIENT] {
        let is_in_waves = rollout == TWO_FIRST;
        let folder = folder();
        let (servers, base, fleet) = fleet_of_two_endpoints(folder.path()).await;
        let bad = fleet.keep(&base, rollout).await;
        let before = (version(&fleet.control_plane).await, fleet.haves().await);
        assert_eq!(before.1[0].len(), if is_in_waves { 2 } else { 3 });
        let shown = fleet.rollout().await;
        assert_eq!(shown["state"], "kept");
        let reason = shown["reason"].as_str().unwrap();
        assert!(
            reason.contains(&bad) && reason.contains(REJECTION),
            "{reason}"
        );
        let nodes = shown["waves"][0]["nodes"].as_array().unwrap();
        assert_eq!(nodes.len(), before.1[0].len(), "{shown}");

        let fleet = fleet.start_again(folder.path()).await;
        until(|| async { fleet.haves().await == before.1 }).await;
        let now = version(&fleet.control_plane).await;
        for field in ["revision", "generation", "accepted_generation"] {
            assert_eq!(now[field], before.0[field], "{field}");
        }
        assert_eq!(fleet.rollout().await["reason"], shown["reason"]);
        // One that nobody knows gets what it would have got without the restart.
        let _new = FakeEnvoy::connect_with_cluster(fleet.control_plane.xds, "new", "data").await;
        let everyone = all().into_iter().chain(["new".to_owned()]);
        for id in everyone {
            until(|| async { node(&fleet.control_plane, &id).await.is_some() }).await;
        }
        until(|| fleet.all_have(2)).await;
        let expected = match is_in_waves {
            true => now["accepted_generation"].clone(),
            false => Value::Null,
        };
        assert_eq!(desired(&fleet.control_plane, "new").await, expected);

        servers[0].fail(true);
        until(|| fleet.all_have(1)).await;
        write_secret(folder.path(), "second-7f3a");
        for envoy in fleet.envoys.values() {
            let has_it = |secret: &String| secret.contains("second-7f3a");
            until(|| async { envoy.secrets().iter().any(has_it) }).await;
        }
        assert_eq!(version(&fleet.control_plane).await, now);
        // The operator decides.
        let answer = fleet.put(&format!("{base}{PATIENT}")).await;
        assert_eq!(answer.json["outcome"], "accepted", "{}", answer.text);
        // It is the generation that was accepted before, so nothing was rolled out.
        let now = version(&fleet.control_plane).await;
        assert_eq!(now["generation"], now["accepted_generation"], "{now}");
        assert_eq!(now["generation"], before.0["accepted_generation"], "{now}");
    }
}

#[tokio::test]
async fn it_takes_nobody_back_past_what_an_envoy_keeps_that_is_not_back_after_a_restart() {
    let folder = folder();
    let fleet = Fleet::start(folder.path(), PATIENT).await;
    let permissive = version(&fleet.control_plane).await["generation"].take();
    fleet.keep("", TWO_FIRST).await;
    let [keepers, others] = fleet.haves().await;
    let other = *fleet
        .envoys
        .keys()
        .find(|id| others.contains(**id))
        .unwrap();
    let strict = *fleet
        .envoys
        .keys()
        .rfind(|id| keepers.contains(**id))
        .unwrap();
    fleet.end();
    let fleet = Fleet::come_back_with(folder.path(), &[other]).await;
    until(|| async { desired(&fleet.control_plane, other).await == permissive }).await;
    fleet.envoys[other].reject(FILTER);
    let answer = fleet.put(&format!("{SHADOW}{PATIENT}")).await;
    assert_eq!(answer.json["kept"], true, "{}", answer.text);
    let control_plane = &fleet.control_plane;
    let _strict = FakeEnvoy::connect(control_plane.xds, strict).await;
    until(|| async { node(control_plane, strict).await.is_some() }).await;
    assert_ne!(desired(control_plane, strict).await, permissive);
}

#[tokio::test]
async fn it_takes_nobody_back_who_keeps_an_earlier_generation_of_the_revision_after_a_restart() {
    let folder = folder();
    let (servers, base, fleet) = fleet_of_two_endpoints(folder.path()).await;
    let permissive = version(&fleet.control_plane).await["generation"].take();
    fleet.keep(&base, TWO_FIRST).await;
    let [keepers, _] = fleet.haves().await;
    let kept = fleet.rollout().await["generation"].take();
    // A server lists another tool, and the revision is tried once more with that.
    for server in &servers {
        server.list(tools(&["a", "b"]));
    }
    until(|| async { fleet.rollout().await["generation"] != kept }).await;
    assert_eq!(fleet.rollout().await["revision"], 2);
    let fleet = fleet.start_again(folder.path()).await;
    for id in all() {
        until(|| async { node(&fleet.control_plane, &id).await.is_some() }).await;
    }
    for id in &keepers {
        assert_ne!(desired(&fleet.control_plane, id).await, permissive, "{id}");
    }
}

#[tokio::test]
async fn it_goes_on_after_a_crash_with_a_later_list_of_a_revision_that_is_kept() {
    for rollout in [TWO_FIRST, PATIENT] {
        let folder = folder();
        let (servers, base, fleet) = fleet_of_two_endpoints(folder.path()).await;
        fleet.keep(&base, rollout).await;
        let kept = fleet.rollout().await["generation"].take();
        let permissive = version(&fleet.control_plane).await["accepted_generation"].take();
        for envoy in fleet.envoys.values() {
            envoy.pause();
        }
        for server in &servers {
            server.list(tools(&["a", "b"]));
        }
        until(|| async { fleet.rollout().await["generation"] != kept }).await;
        let id = fleet.rollout().await["id"].take();
        fleet.end();
        // It is judged: nobody waits for an operator.
        let fleet = Fleet::come_back_with(folder.path(), &[]).await;
        until(|| async { fleet.rollout().await["id"] == id }).await;
        let state = fleet.rollout().await["state"].take();
        assert!(
            state == "rolling_out" || state == "waiting_for_envoys",
            "{state}"
        );
        for id in all() {
            let _back = FakeEnvoy::connect(fleet.control_plane.xds, &id).await;
            until(|| async { node(&fleet.control_plane, &id).await.is_some() }).await;
            assert_ne!(desired(&fleet.control_plane, &id).await, permissive, "{id}");
        }
    }
}

#[tokio::test]
async fn it_gives_what_is_kept_to_no_newcomer_of_a_group_whose_wave_is_over() {
    let folder = folder();
    let waves = CANARY_FIRST;
    let (fleet, _canary) = Fleet::with_canary(folder.path()).await;
    let xds = fleet.control_plane.xds;
    for envoy in fleet.envoys.values() {
        envoy.reject(FILTER);
    }
    fleet.put(&format!("{waves}{DENY}")).await;
    fleet.until("soaking", 1).await;
    let strict = fleet.rollout().await["generation"].take();
    fleet.clock.advance(SOAK);
    until(|| async { fleet.rollout().await["state"] == "kept" }).await;
    let _new = FakeEnvoy::connect_of(xds, "new", "canary").await;
    until(|| async { node(&fleet.control_plane, "new").await.is_some() }).await;
    assert_ne!(desired(&fleet.control_plane, "new").await, strict);
    assert_eq!(desired(&fleet.control_plane, "canary").await, strict);
}
