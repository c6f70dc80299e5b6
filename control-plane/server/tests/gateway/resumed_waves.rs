//! Rollouts in waves that outlive the process that began them, and waves that begin soon after a
//! start. The time passes by a simulated clock.

use std::collections::BTreeSet;

use reqwest::StatusCode;
use serde_json::Value;
use tokio::runtime::Builder;

use crate::changes::node;
use crate::fake_envoy::FakeEnvoy;
use crate::harness::{ControlPlane, folder, until};
use crate::lost_envoys::MINUTE;
use crate::rollouts::{DENY, until_accepted, version};
use crate::waiting_changes::{SECOND, SECONDS, SHADOW};
use crate::waves::{BY_GROUP, Fleet, SOAK, WAVES, all};

impl Fleet {
    /// Waits until the control plane knows each Envoy.
    async fn until_all_are_there(&self) {
        for name in self.envoys.keys() {
            until(|| async { node(&self.control_plane, name).await.is_some() }).await;
        }
    }

    /// Waits until the newest rollout is that of this revision.
    async fn until_revision(&self, revision: u64) {
        until(|| async { self.rollout().await["revision"] == revision }).await;
    }
}

#[tokio::test]
async fn it_goes_on_after_a_crash_with_the_envoys_that_had_the_change() {
    for change in [SHADOW, DENY] {
        let folder = folder();
        let fleet = Fleet::start(folder.path(), WAVES).await;
        let old = version(&fleet.control_plane).await["generation"].take();
        fleet.put(&format!("{WAVES}{change}")).await;
        let (canary, new) = (
            fleet.canary().await,
            fleet.rollout().await["generation"].take(),
        );
        let waiting = fleet.put(WAVES).await;
        assert_eq!(waiting.json["outcome"], "waiting", "{}", waiting.text);
        let id = fleet.rollout().await["id"].take();
        fleet.clock.advance(SOAK / 2);
        let fleet = fleet.start_again(folder.path()).await;
        let rollout = fleet.until("soaking", 1).await;
        assert_eq!(rollout["id"], id);
        let others: BTreeSet<String> = all().into_iter().filter(|id| *id != canary).collect();
        until(|| async { fleet.having(&old).await == others }).await;
        assert_eq!(fleet.having(&new).await, [canary].into());
        // It is watched anew.
        fleet.clock.advance(SOAK / 2);
        fleet.check_stays("soaking", 1).await;
        fleet.clock.advance(SOAK / 2);
        fleet.until("soaking", 2).await;
        assert_eq!(fleet.having(&new).await, all());
        fleet.clock.advance(SOAK);
        // What was written meanwhile is next.
        until(|| async { fleet.rollout().await["revision"] == 3 }).await;
        let rollouts = fleet.control_plane.get("/api/v1/rollouts").await.json;
        assert_eq!(rollouts["rollouts"][1]["state"], "accepted");
    }
}

#[tokio::test]
async fn it_goes_on_after_a_crash_in_the_last_wave_whose_envoys_come_back_one_by_one() {
    let folder = folder();
    let fleet = Fleet::start(folder.path(), WAVES).await;
    fleet.put(&format!("{WAVES}{SHADOW}")).await;
    fleet.clock.advance(SOAK);
    let before = fleet.until("soaking", 2).await;
    let fleet = fleet.start_again(folder.path()).await;
    let rollout = fleet.until("soaking", 2).await;
    // Not begun anew; the store keeps microseconds.
    let began = |rollout: &Value| rollout["began_at"].as_str().unwrap()[..23].to_owned();
    assert_eq!(began(&rollout), began(&before));
    // Nobody is taken back to what was in force before the first wave.
    assert_eq!(fleet.having(&before["generation"]).await, all());
    fleet.clock.advance(SOAK);
    fleet.until("accepted", 2).await;
}

#[tokio::test]
async fn it_does_not_go_on_after_a_crash_with_what_was_taken_back() {
    let folder = folder();
    let fleet = Fleet::start(folder.path(), WAVES).await;
    for envoy in fleet.envoys.values() {
        envoy.reject("second");
    }
    fleet.put(&format!("{WAVES}{SECOND}")).await;
    fleet.until("taken_back", 1).await;
    let fleet = fleet.start_again(folder.path()).await;
    let version = until_accepted(&fleet.control_plane).await;
    assert_eq!(version["revision"], 1);
    assert_eq!(fleet.rollout().await["state"], "taken_back");
    until(|| async { fleet.having(&version["generation"]).await == all() }).await;
}

#[tokio::test]
async fn it_ends_the_wave_that_an_operator_promoted_and_no_other_after_restarts() {
    let folder = folder();
    let fleet = Fleet::start(folder.path(), WAVES).await;
    for envoy in fleet.envoys.values() {
        envoy.pause();
    }
    let body = format!("{WAVES}{SHADOW}");
    tokio::select! {
        answer = fleet.put(&body) => panic!("nobody has acknowledged it: {}", answer.text),
        () = async {
            fleet.until("rolling_out", 1).await;
            let promoted = fleet.want("promote").await;
            assert_eq!(promoted.status, StatusCode::OK, "{}", promoted.text);
            assert_eq!(promoted.json["wave"], 1, "{}", promoted.text);
        } => {}
    }
    let fleet = fleet.start_again(folder.path()).await;
    // The next one is chosen among all that come back within a minute.
    fleet.until("waiting_for_envoys", 2).await;
    fleet.until_all_are_there().await;
    fleet.clock.advance(MINUTE - SECONDS(1));
    fleet.check_stays("waiting_for_envoys", 2).await;
    fleet.clock.advance(SECONDS(1));
    fleet.until("soaking", 2).await;
    assert_eq!(fleet.members(1).await.len(), 2);
    let fleet = fleet.start_again(folder.path()).await;
    fleet.until("soaking", 2).await;
    fleet.clock.advance(MINUTE);
    fleet.check_stays("soaking", 2).await;
}

#[tokio::test]
async fn it_begins_no_wave_with_those_alone_that_are_back_first_after_a_restart() {
    let folder = folder();
    let short = "rollout: {waves: [1, 100%], soak: 1s, ack_deadline: 5s}\n";
    let at =
        |address: &str| format!("{short}servers: {{data: {{url: 'http://{address}:9/mcp'}}}}\n");
    let fleet = Fleet::start(folder.path(), &at("127.0.0.1")).await;
    fleet.put(&format!("{}{SHADOW}", at("127.0.0.1"))).await;
    let new = fleet.until("soaking", 1).await["generation"].take();
    let canary = fleet.canary().await;
    let names = fleet.envoys.keys().copied();
    let (first, others): (Vec<&str>, Vec<&str>) = names.partition(|name| *name == canary);
    fleet.end();
    let mut fleet = Fleet::come_back_with(folder.path(), &first).await;
    fleet.until("soaking", 1).await;
    fleet.clock.advance(SECONDS(1));
    // All that are there have it.
    let rollout = fleet.until("waiting_for_envoys", 2).await;
    let gate = rollout["gate"].as_str().unwrap();
    assert!(gate.contains("have a minute to come back"), "{gate}");
    // Whoever comes gets what was accepted, also where endpoints go to all.
    fleet.connect_more(&others).await;
    fleet.put(&format!("{}{SHADOW}", at("127.0.0.2"))).await;
    fleet.clock.advance(MINUTE - SECONDS(2));
    fleet.check_stays("waiting_for_envoys", 2).await;
    assert_eq!(fleet.having(&new).await, [canary].into());
    fleet.clock.advance(SECONDS(1));
    fleet.until("soaking", 2).await;
    assert_eq!(fleet.members(1).await.len(), 2);
}

#[tokio::test]
async fn it_begins_a_new_change_a_minute_after_a_restart_or_when_an_operator_promotes_it() {
    let half = "rollout: {waves: [50%, 100%], soak: 10m, ack_deadline: 5s}\n";
    for is_promoted in [false, true] {
        let folder = folder();
        let fleet = Fleet::start(folder.path(), half).await;
        fleet.end();
        let mut fleet = Fleet::come_back_with(folder.path(), &["a"]).await;
        until_accepted(&fleet.control_plane).await;
        fleet.until_all_are_there().await;
        let answer = fleet.put(&format!("{half}{SHADOW}")).await;
        assert_eq!(answer.json["outcome"], "waiting", "{}", answer.text);
        if is_promoted {
            // It begins, and is watched as any other wave is, also after another restart.
            fleet.want("promote").await;
            fleet.until("soaking", 1).await;
            fleet.check_stays("soaking", 1).await;
            fleet.end();
            let mut fleet = Fleet::come_back_with(folder.path(), &["a"]).await;
            fleet.until("soaking", 1).await;
            fleet.clock.advance(SOAK - SECONDS(1));
            fleet.check_stays("soaking", 1).await;
            assert_eq!(fleet.members(0).await, ["a".to_owned()].into());
            fleet.connect_more(&["b", "c"]).await;
            fleet.want("promote").await;
            fleet.until("soaking", 2).await;
            continue;
        }
        fleet.connect_more(&["b", "c"]).await;
        fleet.check_stays("waiting_for_envoys", 1).await;
        fleet.clock.advance(MINUTE);
        fleet.until("soaking", 1).await;
        assert_eq!(fleet.members(0).await.len(), 2);
    }
}

#[tokio::test]
async fn it_passes_over_a_promoted_wave_whose_group_nobody_is_in_and_begins_the_next_one_once() {
    let folder = folder();
    let fleet = Fleet::start(folder.path(), BY_GROUP).await;
    fleet.end();
    let fleet = Fleet::come_back_with(folder.path(), &["a"]).await;
    until_accepted(&fleet.control_plane).await;
    fleet.until_all_are_there().await;
    let answer = fleet.put(&format!("{BY_GROUP}{SHADOW}")).await;
    assert_eq!(answer.json["outcome"], "waiting", "{}", answer.text);
    let promoted = fleet.want("promote").await;
    assert_eq!(promoted.json["wave"], 2, "{}", promoted.text);
    fleet.check_stays("waiting_for_envoys", 2).await;
    fleet.want("promote").await;
    fleet.until("soaking", 2).await;
    fleet.check_stays("soaking", 2).await;
    let ended = fleet.want("promote").await;
    assert_eq!(ended.json["state"], "accepted", "{}", ended.text);
}

#[tokio::test]
async fn it_begins_no_other_change_while_the_envoys_of_a_last_wave_may_come_back_after_a_restart() {
    for come_back in [true, false] {
        let folder = folder();
        let fleet = Fleet::start(folder.path(), WAVES).await;
        fleet.put(&format!("{WAVES}{SHADOW}")).await;
        fleet.until("soaking", 1).await;
        fleet.clock.advance(SOAK);
        fleet.until("soaking", 2).await;
        let waiting = fleet.put(&format!("{WAVES}{DENY}")).await;
        assert_eq!(waiting.json["outcome"], "waiting", "{}", waiting.text);
        fleet.end();
        let mut fleet = Fleet::come_back_with(folder.path(), &[]).await;
        fleet.check_stays("rolling_out", 2).await;
        fleet.clock.advance(MINUTE - SECONDS(1));
        fleet.check_stays("rolling_out", 2).await;
        assert_eq!(fleet.rollout().await["revision"], 2);
        if come_back {
            fleet.connect_more(&["a"]).await;
            fleet.until("soaking", 2).await;
            fleet.clock.advance(SOAK);
        } else {
            fleet.clock.advance(SECONDS(1));
        }
        fleet.until_revision(3).await;
        let rollouts = fleet.control_plane.get("/api/v1/rollouts").await.json;
        let ending = if come_back { "accepted" } else { "superseded" };
        assert_eq!(rollouts["rollouts"][1]["state"], ending);
    }
}

/// The steps that are taken while so many Envoys come back one after the other, to a wave that
/// waits for all of them or to the last one, which they are in.
fn steps_of_coming_back(count: usize, is_last: bool) -> u64 {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let folder = folder();
    let come = async |control_plane: &ControlPlane| {
        let mut envoys = Vec::new();
        for number in 0..count {
            let envoy = FakeEnvoy::connect(control_plane.xds, &number.to_string()).await;
            until(|| async { !envoy.filters().is_empty() }).await;
            envoys.push(envoy);
        }
        envoys
    };
    let body = format!("{WAVES}{SHADOW}");
    let control_plane = runtime.block_on(async {
        let mut fleet = Fleet::start(folder.path(), WAVES).await;
        if is_last {
            let more = come(&fleet.control_plane).await;
            fleet.envoys.clear();
            fleet.put(&body).await;
            fleet.until("soaking", 1).await;
            fleet.clock.advance(SOAK);
            fleet.until("soaking", 2).await;
            drop(more);
        }
        fleet.end();
        let fleet = Fleet::come_back_with(folder.path(), &[]).await;
        if !is_last {
            let answer = fleet.put(&body).await;
            assert_eq!(answer.json["outcome"], "no_envoys", "{}", answer.text);
        }
        fleet.control_plane.stop_looking_by_time();
        fleet.control_plane
    });
    // Everything runs on this thread.
    let (_envoys, steps) = step_count::taken_by(|| runtime.block_on(come(&control_plane)));
    steps
}

#[test]
fn it_takes_as_many_steps_for_each_envoy_that_comes_back_after_a_restart_however_many_do() {
    const ENVOYS: usize = 20;
    for is_last in [false, true] {
        let [few, many] = [1, 3].map(|times| steps_of_coming_back(times * ENVOYS, is_last));
        let walks = many.saturating_sub(3 * few) / (ENVOYS * ENVOYS) as u64;
        assert!(
            walks < 1,
            "{walks}: {few} and {many} steps, last wave: {is_last}"
        );
    }
}
