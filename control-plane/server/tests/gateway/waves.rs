//! Rollouts in waves: a few Envoys first, watched for a time, and then the others. The time passes
//! by a simulated clock.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};
use xds::SimulatedClock;

use crate::changes::{connected, node};
use crate::fake_envoy::{FakeEnvoy, REJECTION};
use crate::harness::{Answer, ControlPlane, folder, until};
use crate::rollouts::{DENY, FILTER, crash_twice, desired, until_accepted, version};
use crate::waiting_changes::{SECOND, SHADOW};

/// One Envoy first, watched for ten minutes.
pub const WAVES: &str = "rollout: {waves: [1, 100%], soak: 10m, ack_deadline: 5s}\n";
/// The Envoys of a cluster first.
pub const BY_GROUP: &str = "rollout: {waves: [canary, 100%], soak: 10m, ack_deadline: 5s, \
                        groups: {canary: {cluster: canary}}}\n";
/// The group of one Envoy first, then two others.
pub const CANARY_FIRST: &str = "rollout: {waves: [canary, 2, 100%], soak: 10m, ack_deadline: 5s, \
                                groups: {canary: {cluster: canary}}}\n";
pub const SOAK: Duration = Duration::from_secs(600);
const NAMES: [&str; 3] = ["a", "b", "c"];

/// A control plane with a clock that is moved, and the Envoys `a`, `b` and `c`.
pub struct Fleet {
    pub clock: SimulatedClock,
    pub control_plane: ControlPlane,
    pub envoys: BTreeMap<&'static str, FakeEnvoy>,
}

impl Fleet {
    /// Envoys that have accepted the first revision, with these waves.
    pub async fn start(folder: &Path, waves: &str) -> Self {
        let clock = SimulatedClock::default();
        let control_plane = ControlPlane::start_with_clock(folder, waves, &clock).await;
        let mut envoys = BTreeMap::new();
        for name in NAMES {
            envoys.insert(name, connected(&control_plane, name).await);
        }
        until_accepted(&control_plane).await;
        Self {
            clock,
            control_plane,
            envoys,
        }
    }

    /// The same with an Envoy more, of the group that has a wave of its own.
    pub async fn with_canary(folder: &Path) -> (Self, FakeEnvoy) {
        let fleet = Self::start(folder, CANARY_FIRST).await;
        let canary = FakeEnvoy::connect_of(fleet.control_plane.xds, "canary", "canary").await;
        until(|| async { node(&fleet.control_plane, "canary").await.is_some() }).await;
        (fleet, canary)
    }

    /// The same store again, as after a crash of the process, with the Envoys that come back.
    pub async fn start_again(self, folder: &Path) -> Self {
        self.end();
        Self::come_back(folder).await
    }

    /// Ends everything, as a crash of the process does.
    pub fn end(self) {
        let Self {
            control_plane,
            envoys,
            ..
        } = self;
        drop(control_plane);
        drop(envoys);
    }

    /// A process that starts on what is stored, and the Envoys that come back.
    pub async fn come_back(folder: &Path) -> Self {
        Self::come_back_with(folder, &NAMES).await
    }

    /// The same, with these Envoys alone.
    pub async fn come_back_with(folder: &Path, names: &[&'static str]) -> Self {
        let clock = SimulatedClock::default();
        let control_plane = ControlPlane::start_with_clock(folder, "", &clock).await;
        let mut envoys = BTreeMap::new();
        for name in names.iter().copied() {
            envoys.insert(name, FakeEnvoy::connect(control_plane.xds, name).await);
        }
        Self {
            clock,
            control_plane,
            envoys,
        }
    }

    pub async fn put(&self, body: &str) -> Answer {
        self.control_plane.put_yaml("/api/v1/config", body).await
    }

    /// The rollout that began last.
    pub async fn rollout(&self) -> Value {
        let rollouts = self.control_plane.get("/api/v1/rollouts").await.json;
        rollouts["rollouts"][0].clone()
    }

    /// Waits until the newest rollout is in this state and wave.
    pub async fn until(&self, state: &str, wave: u64) -> Value {
        until(|| async {
            let rollout = self.rollout().await;
            rollout["state"] == state && rollout["wave"] == wave
        })
        .await;
        self.rollout().await
    }

    /// The Envoys of a wave of the newest rollout.
    pub async fn members(&self, wave: usize) -> BTreeSet<String> {
        let nodes = self.rollout().await["waves"][wave]["nodes"].take();
        let nodes = nodes.as_array().unwrap().iter();
        nodes
            .map(|node| node["id"].as_str().unwrap().to_owned())
            .collect()
    }

    /// The one Envoy of the first wave.
    pub async fn canary(&self) -> String {
        let members = self.members(0).await;
        assert_eq!(members.len(), 1, "{members:?}");
        members.into_iter().next().unwrap()
    }

    /// The Envoys that are meant to have a generation.
    pub async fn having(&self, generation: &Value) -> BTreeSet<String> {
        let nodes = self.control_plane.get("/api/v1/nodes").await.json;
        let nodes = nodes["nodes"].as_array().unwrap().iter();
        nodes
            .filter(|node| node["generation"]["desired"] == *generation)
            .map(|node| node["id"].as_str().unwrap().to_owned())
            .collect()
    }

    /// How many filters each Envoy has been sent so far.
    fn sent(&self) -> BTreeMap<&'static str, usize> {
        let envoys = self.envoys.iter();
        envoys
            .map(|(name, envoy)| (*name, envoy.filters().len()))
            .collect()
    }

    fn check_untouched(&self, before: &BTreeMap<&str, usize>, but_for: &str) {
        for (name, sent) in self.sent() {
            assert!(name == but_for || sent == before[name], "{name}");
        }
    }

    /// Nothing else happens: each look is a turn of every task.
    pub async fn check_stays(&self, state: &str, wave: u64) {
        for _ in 0..10 {
            let rollout = self.rollout().await;
            assert_eq!(
                (&rollout["state"], &rollout["wave"]),
                (&json!(state), &json!(wave))
            );
        }
    }
}

pub fn all() -> BTreeSet<String> {
    NAMES.iter().map(|name| (*name).to_owned()).collect()
}

#[tokio::test]
async fn it_gives_a_change_to_one_envoy_watches_that_and_gives_it_to_all_then() {
    let folder = folder();
    let fleet = Fleet::start(folder.path(), WAVES).await;
    let before = fleet.sent();
    let answer = fleet.put(&format!("{WAVES}{SHADOW}")).await;
    assert_eq!(
        (
            answer.status,
            &answer.json["outcome"],
            &answer.json["in_force"]
        ),
        (StatusCode::OK, &json!("rolling_out"), &json!(1)),
        "{}",
        answer.text
    );
    let rollout = fleet.until("soaking", 1).await;
    assert_eq!(
        (&rollout["revision"], &rollout["of"], &rollout["paused"]),
        (&json!(2), &json!(2), &json!(false))
    );
    assert_eq!(rollout["waves"][0]["nodes"][0]["state"], "acked");
    assert_eq!(rollout["waves"][1]["nodes"], json!([]));
    assert!(rollout["soak_until"].is_string(), "{rollout}");
    let canary = fleet.canary().await;
    fleet.check_untouched(&before, &canary);
    fleet
        .clock
        .advance(SOAK.checked_sub(Duration::from_secs(1)).unwrap());
    fleet.check_stays("soaking", 1).await;
    fleet.check_untouched(&before, &canary);
    fleet.clock.advance(Duration::from_secs(1));
    fleet.until("soaking", 2).await;
    let generation = &rollout["generation"];
    assert_eq!(fleet.having(generation).await, all());
    let accepted = version(&fleet.control_plane).await["accepted_generation"].take();
    assert_ne!(accepted, *generation);
    fleet.clock.advance(SOAK);
    let rollout = fleet.until("accepted", 2).await;
    assert!(rollout["ended_at"].is_string() && rollout.get("soak_until").is_none());
    assert_eq!(until_accepted(&fleet.control_plane).await["revision"], 2);
}

#[tokio::test]
async fn it_takes_back_what_the_first_envoy_rejects_and_leaves_the_others_alone() {
    let folder = folder();
    let fleet = Fleet::start(folder.path(), WAVES).await;
    // The third one as well: an Envoy that alone was asked is not broken for what it says.
    for revision in 2..=4 {
        for envoy in fleet.envoys.values() {
            envoy.reject("second");
        }
        let before = fleet.sent();
        let answer = fleet
            .put(&format!(
                "{WAVES}{SECOND}tools: [{{name: r{revision}, timeout: 1s}}]"
            ))
            .await;
        assert_eq!(
            (
                answer.status,
                &answer.json["outcome"],
                &answer.json["in_force"]
            ),
            (
                StatusCode::UNPROCESSABLE_ENTITY,
                &json!("rejected"),
                &json!(1)
            ),
            "{}",
            answer.text
        );
        let rollout = fleet.until("taken_back", 1).await;
        assert_eq!(rollout["revision"], revision);
        let reason = rollout["reason"].as_str().unwrap();
        assert!(reason.contains(REJECTION), "{reason}");
        assert_eq!(rollout["waves"][0]["nodes"][0]["state"], "rejected");
        let canary = fleet.canary().await;
        fleet.check_untouched(&before, &canary);
    }
    let version = until_accepted(&fleet.control_plane).await;
    assert_eq!(version["revision"], 1);
    assert_eq!(fleet.having(&version["generation"]).await, all());
}

#[tokio::test]
async fn it_takes_back_what_the_first_envoy_leaves_unanswered() {
    let folder = folder();
    let fleet = Fleet::start(folder.path(), WAVES).await;
    for envoy in fleet.envoys.values() {
        envoy.pause();
    }
    let body = format!("{WAVES}{SHADOW}");
    let (answer, ()) = tokio::join!(fleet.put(&body), async {
        fleet.until("rolling_out", 1).await;
        let canary = fleet.canary().await;
        until(|| crate::waiting_changes::desired_and_sent(&fleet.control_plane, &canary)).await;
        fleet.clock.advance(Duration::from_secs(5));
    });
    assert_eq!(
        (answer.status, &answer.json["outcome"]),
        (StatusCode::UNPROCESSABLE_ENTITY, &json!("rejected")),
        "{}",
        answer.text
    );
    let detail = answer.json["detail"].as_str().unwrap();
    assert!(
        detail.ends_with("left revision 2 unanswered; revision 1 is in force again"),
        "{detail}"
    );
    let canary = fleet.canary().await;
    let reason = fleet.until("taken_back", 1).await["reason"].take();
    assert!(reason.as_str().unwrap().contains(&canary), "{reason}");
    for envoy in fleet.envoys.values() {
        envoy.go_on();
    }
    let version = until_accepted(&fleet.control_plane).await;
    assert_eq!(version["revision"], 1);
    assert_eq!(fleet.having(&version["generation"]).await, all());
}

#[tokio::test]
async fn it_takes_back_what_the_first_envoy_rejects_while_it_is_watched() {
    let folder = folder();
    let mut fleet = Fleet::start(folder.path(), WAVES).await;
    fleet.put(&format!("{WAVES}{SHADOW}")).await;
    let canary = fleet.canary().await;
    let before = fleet.sent();
    fleet.envoys.remove(&*canary);
    until(|| async { node(&fleet.control_plane, &canary).await.unwrap()["connected"] == false })
        .await;
    fleet.clock.advance(Duration::from_secs(30));
    let xds = fleet.control_plane.xds;
    let _sick = FakeEnvoy::connect_rejecting(xds, &canary, &[FILTER]).await;
    let rollout = fleet.until("taken_back", 1).await;
    assert!(rollout["reason"].as_str().unwrap().contains(REJECTION));
    fleet.check_untouched(&before, &canary);
    assert_eq!(version(&fleet.control_plane).await["revision"], 1);
}

#[tokio::test]
async fn it_takes_back_what_the_first_envoy_crashes_with_while_it_is_watched() {
    let folder = folder();
    let fleet = Fleet::start(folder.path(), BY_GROUP).await;
    let crashing = FakeEnvoy::connect_of(fleet.control_plane.xds, "crashing", "canary").await;
    until(|| async {
        let node = node(&fleet.control_plane, "crashing").await;
        node.is_some_and(|node| node["generation"]["in_force"].is_string())
    })
    .await;
    let before = fleet.sent();
    let answer = fleet.put(&format!("{BY_GROUP}{SHADOW}")).await;
    assert_eq!(answer.json["outcome"], "rolling_out", "{}", answer.text);
    assert_eq!(fleet.canary().await, "crashing");
    let _crashing = crash_twice(&fleet.control_plane, crashing).await;
    let rollout = fleet.until("taken_back", 1).await;
    assert!(
        rollout["reason"]
            .as_str()
            .unwrap()
            .contains("was lost twice")
    );
    fleet.check_untouched(&before, "crashing");
}

#[tokio::test]
async fn it_gives_newcomers_what_their_group_and_wave_have_promoted() {
    let folder = folder();
    let waves = CANARY_FIRST;
    let (fleet, _canary) = Fleet::with_canary(folder.path()).await;
    let xds = fleet.control_plane.xds;
    let old = version(&fleet.control_plane).await["generation"].take();
    fleet.put(&format!("{waves}{SHADOW}")).await;
    let new = fleet.rollout().await["generation"].take();
    assert_eq!(fleet.having(&new).await, ["canary".to_owned()].into());
    // In the first wave a newcomer gets what was accepted, whatever its group is.
    let given = async |id: &str, cluster: &str| {
        let envoy = FakeEnvoy::connect_of(xds, id, cluster).await;
        until(|| async { desired(&fleet.control_plane, id).await.is_string() }).await;
        (envoy, desired(&fleet.control_plane, id).await)
    };
    let (_one, of_one) = given("one", "").await;
    let (_two, of_two) = given("two", "canary").await;
    assert_eq!((&of_one, &of_two), (&old, &old));
    fleet.clock.advance(SOAK);
    fleet.until("soaking", 2).await;
    let (_three, of_three) = given("three", "").await;
    let (_four, of_four) = given("four", "canary").await;
    assert_eq!((&of_three, &of_four), (&old, &new));
    fleet.clock.advance(SOAK);
    fleet.until("soaking", 3).await;
    let (_five, of_five) = given("five", "").await;
    assert_eq!(of_five, new);
}

#[tokio::test]
async fn it_waits_for_an_envoy_of_the_group_that_a_wave_names() {
    let folder = folder();
    let fleet = Fleet::start(folder.path(), BY_GROUP).await;
    let answer = fleet.put(&format!("{BY_GROUP}{SHADOW}")).await;
    assert_eq!(answer.json["outcome"], "waiting", "{}", answer.text);
    fleet.check_stays("waiting_for_envoys", 1).await;
    let xds = fleet.control_plane.xds;
    let _canary = FakeEnvoy::connect_of(xds, "canary", "canary").await;
    fleet.until("soaking", 1).await;
    assert_eq!(fleet.canary().await, "canary");
}

#[tokio::test]
async fn it_rolls_out_to_the_first_envoy_that_comes_where_none_is_connected() {
    let folder = folder();
    let mut fleet = Fleet::start(folder.path(), WAVES).await;
    fleet.envoys.clear();
    until(|| async {
        let nodes = fleet.control_plane.get("/api/v1/nodes").await.json;
        let mut nodes = nodes["nodes"].as_array().unwrap().iter();
        nodes.all(|node| node["connected"] == false)
    })
    .await;
    let answer = fleet.put(&format!("{WAVES}{SHADOW}")).await;
    assert_eq!(answer.json["outcome"], "no_envoys", "{}", answer.text);
    assert_eq!(answer.json.get("in_force"), None);
    // Nobody was given it, so the next change takes its place.
    let answer = fleet.put(&format!("{WAVES}{DENY}")).await;
    assert_eq!(answer.json["outcome"], "no_envoys", "{}", answer.text);
    let _first = FakeEnvoy::connect(fleet.control_plane.xds, "first").await;
    let rollout = fleet.until("soaking", 1).await;
    assert_eq!(rollout["revision"], 3);
    assert_eq!(fleet.canary().await, "first");
    let rollouts = fleet.control_plane.get("/api/v1/rollouts").await.json;
    assert_eq!(rollouts["rollouts"][1]["state"], "superseded");
}

#[tokio::test]
async fn it_sends_endpoints_to_all_at_once_whatever_the_waves_are() {
    let folder = folder();
    let at =
        |address: &str| format!("{WAVES}servers: {{data: {{url: 'http://{address}:9/mcp'}}}}\n");
    let fleet = Fleet::start(folder.path(), &at("127.0.0.1")).await;
    let answer = fleet.put(&at("127.0.0.2")).await;
    assert_eq!(answer.json["outcome"], "accepted", "{}", answer.text);
    assert_eq!(
        fleet.rollout().await["revision"],
        1,
        "it is the same generation"
    );
}

#[tokio::test]
async fn it_sends_endpoints_to_all_at_once_while_a_change_is_watched() {
    let folder = folder();
    let at =
        |address: &str| format!("{WAVES}servers: {{data: {{url: 'http://{address}:9/mcp'}}}}\n");
    let fleet = Fleet::start(folder.path(), &at("127.0.0.1")).await;
    let old = version(&fleet.control_plane).await["generation"].take();
    fleet.put(&format!("{}{SHADOW}", at("127.0.0.1"))).await;
    let new = fleet.rollout().await["generation"].take();
    let addresses = async || {
        let nodes = fleet.control_plane.get("/api/v1/nodes").await.json;
        let nodes = nodes["nodes"].as_array().unwrap().iter();
        let resources = nodes.flat_map(|node| node["resources"].as_array().unwrap());
        let endpoints = resources.filter(|resource| resource["type"] == "endpoints");
        endpoints
            .map(|one| (one["desired"].to_string(), one["acked"].to_string()))
            .collect::<BTreeSet<_>>()
    };
    let before = addresses().await;
    let answer = fleet.put(&format!("{}{SHADOW}", at("127.0.0.2"))).await;
    assert_eq!(
        (&answer.json["outcome"], &answer.json["revision"]),
        (&json!("rolling_out"), &json!(3)),
        "{}",
        answer.text
    );
    until(|| async {
        let addresses = addresses().await;
        addresses != before
            && addresses.len() == 1
            && addresses.iter().all(|(desired, acked)| desired == acked)
    })
    .await;
    let snapshot = fleet
        .control_plane
        .get("/api/v1/config/snapshot")
        .await
        .text;
    assert!(snapshot.contains("127.0.0.2"), "{snapshot}");
    fleet.until("soaking", 1).await;
    assert_eq!(fleet.having(&new).await, [fleet.canary().await].into());
    assert_eq!(fleet.having(&old).await.len(), 2);
}

#[tokio::test]
async fn it_sends_the_endpoints_of_a_change_at_once_whose_policy_waits() {
    let folder = folder();
    let at = |address: &str, more: &str| {
        format!("{WAVES}servers: {{data: {{url: 'http://{address}:9/mcp'{more}}}}}\n")
    };
    let fleet = Fleet::start(folder.path(), &at("127.0.0.1", "")).await;
    fleet.put(&format!("{}{SHADOW}", at("127.0.0.1", ""))).await;
    let (old, new) = {
        let rollout = fleet.until("soaking", 1).await;
        let old = version(&fleet.control_plane).await["accepted_generation"].take();
        (old, rollout["generation"].clone())
    };
    let answer = fleet.put(&format!("{}{DENY}", at("127.0.0.2", ""))).await;
    assert_eq!(answer.json["outcome"], "waiting", "{}", answer.text);
    until(|| async { endpoints_of_all(&fleet, "127.0.0.2").await }).await;
    // The rest of it waits.
    fleet.check_stays("soaking", 1).await;
    assert_eq!(fleet.having(&new).await, [fleet.canary().await].into());
    assert_eq!(fleet.having(&old).await.len(), 2);
    // Endpoints of a cluster that is another one wait with that.
    let other_cluster = at("127.0.0.3", ", upstream: {connect_timeout: 1s}");
    let answer = fleet.put(&format!("{other_cluster}{DENY}")).await;
    assert_eq!(answer.json["outcome"], "waiting", "{}", answer.text);
    fleet.check_stays("soaking", 1).await;
    assert!(endpoints_of_all(&fleet, "127.0.0.2").await);
}

/// Whether each Envoy has acknowledged endpoints at this address, and no others.
async fn endpoints_of_all(fleet: &Fleet, address: &str) -> bool {
    let snapshot = fleet
        .control_plane
        .get("/api/v1/config/snapshot")
        .await
        .json;
    let resources = snapshot["resources"].as_array().unwrap();
    let endpoints = resources
        .iter()
        .find(|resource| resource["type"] == "endpoints");
    let endpoints = endpoints.unwrap();
    if !endpoints.to_string().contains(address) {
        return false;
    }
    let nodes = fleet.control_plane.get("/api/v1/nodes").await.json;
    let nodes = nodes["nodes"].as_array().unwrap().iter();
    let resources = nodes.flat_map(|node| node["resources"].as_array().unwrap());
    let mut of_all = resources.filter(|resource| resource["type"] == "endpoints");
    of_all.all(|resource| resource["acked"] == endpoints["version"])
}
