//! Envoys of a wave that go while it is watched: some have died of the change, some are started
//! anew, and some are taken out. The time passes by a simulated clock.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::changes::node;
use crate::fake_envoy::FakeEnvoy;
use crate::harness::{folder, until};
use crate::rollouts::version;
use crate::waiting_changes::{SECONDS, SHADOW};
use crate::waves::{Fleet, SOAK};

/// Two Envoys first, watched for ten minutes, and then the third.
const TWO_FIRST: &str = "rollout: {waves: [2, 100%], soak: 10m, ack_deadline: 5s}\n";
/// For how long an Envoy must have run a change before its end is another matter, and within which
/// it is to be back.
pub const MINUTE: Duration = Duration::from_secs(60);

impl Fleet {
    /// A change that the Envoys of its first wave run: these, and the one that waits for it.
    async fn with_two_first(folder: &Path) -> (Self, [&'static str; 2], &'static str) {
        let fleet = Self::start(folder, TWO_FIRST).await;
        let answer = fleet.put(&format!("{TWO_FIRST}{SHADOW}")).await;
        assert_eq!(answer.json["outcome"], "rolling_out", "{}", answer.text);
        fleet.until("soaking", 1).await;
        let members = fleet.members(0).await;
        let names = || fleet.envoys.keys().copied();
        let first: Vec<&str> = names().filter(|name| members.contains(*name)).collect();
        let other = names().find(|name| !members.contains(*name));
        let first = first.try_into().unwrap();
        (fleet, first, other.unwrap())
    }

    /// Connects further Envoys, which run then what they are to have.
    pub async fn connect_more(&mut self, names: &[&'static str]) {
        for name in names.iter().copied() {
            let envoy = FakeEnvoy::connect(self.control_plane.xds, name).await;
            self.envoys.insert(name, envoy);
            until(|| async {
                let node = node(&self.control_plane, name).await.unwrap_or_default();
                let generation = &node["generation"];
                generation["in_force"].is_string()
                    && generation["in_force"] == generation["desired"]
            })
            .await;
        }
    }

    /// Ends an Envoy's process, and waits until that is known.
    async fn lose(&mut self, id: &'static str) {
        self.envoys.remove(id);
        let is_gone =
            || async { node(&self.control_plane, id).await.unwrap()["connected"] == false };
        until(is_gone).await;
    }

    /// Starts the process of an Envoy again: it is not ready before it is told to go on.
    async fn begin_again(&mut self, id: &'static str) {
        let envoy = FakeEnvoy::connect(self.control_plane.xds, id).await;
        // It has not had its turn to read anything yet.
        envoy.pause();
        self.envoys.insert(id, envoy);
        let is_back =
            || async { node(&self.control_plane, id).await.unwrap()["connected"] == true };
        until(is_back).await;
    }

    async fn until_it_waits_for(&self, id: &str) {
        until(|| async {
            let gate = self.rollout().await["gate"].take();
            gate.as_str().is_some_and(|gate| gate.contains(id))
        })
        .await;
    }

    async fn runs_what_it_is_to_have(&self, id: &str) -> bool {
        let node = node(&self.control_plane, id).await.unwrap();
        node["generation"]["in_force"] == node["generation"]["desired"]
    }

    async fn until_all_have(&self, generation: &Value) {
        until(|| async { self.having(generation).await.len() == self.envoys.len() }).await;
    }
}

#[tokio::test]
async fn it_takes_back_what_an_envoy_of_a_wave_ends_with_for_good() {
    let folder = folder();
    let (mut fleet, [dying, sibling], other) = Fleet::with_two_first(folder.path()).await;
    let old = version(&fleet.control_plane).await["accepted_generation"].take();
    fleet.clock.advance(MINUTE - SECONDS(1));
    fleet.lose(dying).await;
    fleet.until_it_waits_for(dying).await;
    fleet.clock.advance(MINUTE - SECONDS(1));
    fleet.check_stays("soaking", 1).await;
    fleet.clock.advance(SECONDS(1));
    let rollout = fleet.until("taken_back", 1).await;
    let reason = rollout["reason"].as_str().unwrap();
    assert!(
        reason.contains(&format!("Envoy `{dying}` ended")),
        "{reason}"
    );
    assert!(
        reason.contains("1 of the 2 Envoys that have it, and 0 of 1 others"),
        "{reason}"
    );
    fleet.until_all_have(&old).await;
    let having = BTreeSet::from([sibling.to_owned(), other.to_owned()]);
    assert_eq!(fleet.having(&old).await, having);
    let audit = fleet.control_plane.get("/api/v1/audit").await.json;
    let mut entries = audit["records"].as_array().unwrap().iter();
    let entry = entries.find(|entry| entry["what"] == "lost with an Envoy");
    assert_eq!(entry.unwrap()["reason"], reason, "{audit}");
}

#[tokio::test]
async fn it_ends_no_wave_while_one_of_its_envoys_may_have_died_of_the_change() {
    let folder = folder();
    let short = "rollout: {waves: [2, 100%], soak: 1s, ack_deadline: 5s}\n";
    let mut fleet = Fleet::start(folder.path(), short).await;
    fleet.put(&format!("{short}{SHADOW}")).await;
    fleet.until("soaking", 1).await;
    let members = fleet.members(0).await;
    let mut names = fleet.envoys.keys().copied();
    let dying = names.find(|name| members.contains(*name)).unwrap();
    fleet.lose(dying).await;
    fleet.until_it_waits_for(dying).await;
    fleet.clock.advance(SECONDS(30));
    fleet.check_stays("soaking", 1).await;
    // It is back to it: that was no death.
    fleet.begin_again(dying).await;
    fleet.envoys[dying].go_on();
    fleet.until("soaking", 2).await;
}

#[tokio::test]
async fn it_goes_on_with_an_envoy_that_is_started_anew_and_takes_long_for_it() {
    let folder = folder();
    // Soon after the change, and later.
    for ran in [SECONDS(10), 2 * MINUTE] {
        let folder = folder.path().join(ran.as_secs().to_string());
        std::fs::create_dir(&folder).unwrap();
        let (mut fleet, [restarted, _], _) = Fleet::with_two_first(&folder).await;
        fleet.clock.advance(ran);
        fleet.lose(restarted).await;
        fleet.clock.advance(SECONDS(30));
        fleet.begin_again(restarted).await;
        // It is allowed five seconds for a change, and a minute to start.
        fleet.clock.advance(SECONDS(59));
        fleet.check_stays("soaking", 1).await;
        fleet.envoys[restarted].go_on();
        until(|| fleet.runs_what_it_is_to_have(restarted)).await;
        fleet.clock.advance(SOAK);
        let new = fleet.until("soaking", 2).await["generation"].take();
        fleet.until_all_have(&new).await;
        fleet.clock.advance(SOAK);
        fleet.until("accepted", 2).await;
    }
}

#[tokio::test]
async fn it_takes_back_what_an_envoy_that_is_started_anew_does_not_get_ready_with() {
    let folder = folder();
    let (mut fleet, [restarted, _], _) = Fleet::with_two_first(folder.path()).await;
    fleet.clock.advance(2 * MINUTE);
    fleet.lose(restarted).await;
    fleet.begin_again(restarted).await;
    fleet.clock.advance(MINUTE);
    let reason = fleet.until("taken_back", 1).await["reason"].take();
    assert!(reason.as_str().unwrap().contains(restarted), "{reason}");
}

#[tokio::test]
async fn it_takes_nothing_back_while_an_envoy_opens_a_stream_before_the_end_of_its_old_one_is_seen()
{
    let folder = folder();
    let (mut fleet, [restarted, _], _) = Fleet::with_two_first(folder.path()).await;
    fleet.clock.advance(2 * MINUTE);
    let unnoticed = fleet.envoys.remove(restarted).unwrap();
    fleet.begin_again(restarted).await;
    let is_there = || async {
        let node = node(&fleet.control_plane, restarted).await.unwrap();
        node["generation"]["in_force"] != node["generation"]["desired"]
    };
    until(is_there).await;
    fleet.clock.advance(MINUTE - SECONDS(1));
    fleet.check_stays("soaking", 1).await;
    fleet.envoys[restarted].go_on();
    until(|| fleet.runs_what_it_is_to_have(restarted)).await;
    drop(unnoticed);
    fleet.clock.advance(SOAK);
    fleet.until("soaking", 2).await;
}

/// A control plane that starts anew in the middle of a wave, with one of its two Envoys, and the
/// name of the other one.
async fn with_one_back(folder: &Path, waves: &str) -> (Fleet, &'static str) {
    let fleet = Fleet::start(folder, waves).await;
    fleet.put(&format!("{waves}{SHADOW}")).await;
    fleet.until("soaking", 1).await;
    let members = fleet.members(0).await;
    let names = fleet.envoys.keys().copied();
    let first: Vec<&str> = names.filter(|name| members.contains(*name)).collect();
    let [back, missing] = first.try_into().unwrap();
    fleet.end();
    let fleet = Fleet::come_back_with(folder, &[back]).await;
    until(|| fleet.runs_what_it_is_to_have(back)).await;
    fleet.until_it_waits_for(missing).await;
    (fleet, missing)
}

#[tokio::test]
async fn it_judges_a_wave_after_a_restart_by_all_of_its_envoys_that_come_back_within_a_minute() {
    let folder = folder();
    let (mut fleet, missing) = with_one_back(folder.path(), TWO_FIRST).await;
    fleet.clock.advance(MINUTE - SECONDS(1));
    fleet.check_stays("rolling_out", 1).await;
    // It starts itself, and nobody has seen that it had the change before.
    fleet.begin_again(missing).await;
    fleet.clock.advance(MINUTE - SECONDS(1));
    fleet.check_stays("rolling_out", 1).await;
    fleet.envoys[missing].go_on();
    fleet.until("soaking", 1).await;
    // The wave is watched for the whole time with both.
    fleet.clock.advance(SOAK - SECONDS(1));
    fleet.check_stays("soaking", 1).await;
    fleet.clock.advance(SECONDS(1));
    // Nobody else has come that the last wave could give it to.
    fleet.until("accepted", 2).await;
}

#[tokio::test]
async fn it_takes_nothing_back_when_an_envoy_is_taken_out_that_ran_the_change_before_a_restart() {
    for runs_on in [true, false] {
        let folder = folder();
        let (fleet, [leaving, sibling], other) = Fleet::with_two_first(folder.path()).await;
        fleet.clock.advance(2 * MINUTE);
        fleet.end();
        let mut fleet = Fleet::come_back_with(folder.path(), &[sibling, other]).await;
        let xds = fleet.control_plane.xds;
        let envoy = match runs_on {
            true => FakeEnvoy::connect_running(xds, leaving).await,
            // A process that started meanwhile has yet to show that it lives with the change.
            false => FakeEnvoy::connect(xds, leaving).await,
        };
        fleet.envoys.insert(leaving, envoy);
        fleet.until("soaking", 1).await;
        fleet.clock.advance(SECONDS(5));
        fleet.lose(leaving).await;
        fleet.clock.advance(MINUTE);
        if runs_on {
            fleet.check_stays("soaking", 1).await;
            fleet.clock.advance(SOAK);
            fleet.until("soaking", 2).await;
        } else {
            fleet.until("taken_back", 1).await;
        }
    }
}

#[tokio::test]
async fn it_goes_on_after_a_restart_without_an_envoy_that_does_not_come_back_within_a_minute() {
    let folder = folder();
    let (fleet, _) = with_one_back(folder.path(), TWO_FIRST).await;
    fleet.clock.advance(MINUTE);
    fleet.until("soaking", 1).await;
    assert_eq!(fleet.rollout().await.get("gate"), None);
    fleet.clock.advance(SOAK);
    fleet.until("accepted", 2).await;
}

#[tokio::test]
async fn it_does_not_wait_for_an_envoy_that_is_taken_out_after_a_minute() {
    let folder = folder();
    let (mut fleet, [leaving, _], _) = Fleet::with_two_first(folder.path()).await;
    fleet.clock.advance(MINUTE);
    fleet.lose(leaving).await;
    fleet.clock.advance(2 * MINUTE);
    fleet.check_stays("soaking", 1).await;
    assert_eq!(fleet.rollout().await.get("gate"), None);
    fleet.clock.advance(SOAK - 3 * MINUTE);
    fleet.until("soaking", 2).await;
}

#[tokio::test]
async fn it_goes_on_while_a_fleet_shrinks_with_the_change_and_without_it_whoever_comes_then() {
    let folder = folder();
    let (mut fleet, [leaving, _], other) = Fleet::with_two_first(folder.path()).await;
    fleet.lose(leaving).await;
    fleet.lose(other).await;
    fleet.clock.advance(MINUTE);
    fleet.check_stays("soaking", 1).await;
    fleet.clock.advance(2 * MINUTE);
    fleet.check_stays("soaking", 1).await;
    // It has not the change, and is no reason to ask again why the other one went.
    fleet.begin_again(other).await;
    fleet.envoys[other].go_on();
    until(|| fleet.runs_what_it_is_to_have(other)).await;
    fleet.check_stays("soaking", 1).await;
    fleet.clock.advance(SOAK - 3 * MINUTE);
    fleet.until("soaking", 2).await;
    fleet.clock.advance(SOAK);
    fleet.until("accepted", 2).await;
}

#[tokio::test]
async fn it_asks_in_no_later_wave_why_an_envoy_went_with_others_in_an_earlier_one() {
    let folder = folder();
    let waves = "rollout: {waves: [2, 50%, 100%], soak: 10m, ack_deadline: 5s}\n";
    let mut fleet = Fleet::start(folder.path(), waves).await;
    fleet.connect_more(&["d", "e", "f"]).await;
    let answer = fleet.put(&format!("{waves}{SHADOW}")).await;
    assert_eq!(answer.json["outcome"], "rolling_out", "{}", answer.text);
    fleet.until("soaking", 1).await;
    let members = fleet.members(0).await;
    let names: Vec<&str> = fleet.envoys.keys().copied().collect();
    let (with, without): (Vec<&str>, Vec<&str>) =
        names.into_iter().partition(|name| members.contains(*name));
    fleet.lose(with[0]).await;
    fleet.lose(without[0]).await;
    fleet.lose(without[1]).await;
    fleet.clock.advance(SOAK);
    let rollout = fleet.until("soaking", 2).await;
    assert_eq!(rollout["of"], 3, "{rollout}");
    fleet.check_stays("soaking", 2).await;
}

#[tokio::test]
async fn it_waits_in_no_later_wave_for_an_envoy_that_an_operator_did_not_wait_for() {
    let folder = folder();
    let waves = "rollout: {waves: [2, 3, 100%], soak: 1s, ack_deadline: 5s}\n";
    let mut fleet = Fleet::start(folder.path(), waves).await;
    fleet.connect_more(&["d"]).await;
    fleet.put(&format!("{waves}{SHADOW}")).await;
    fleet.until("soaking", 1).await;
    let members = fleet.members(0).await;
    let mut names = fleet.envoys.keys().copied();
    let dying = names.find(|name| members.contains(*name)).unwrap();
    fleet.lose(dying).await;
    fleet.until_it_waits_for(dying).await;
    let promoted = fleet.want("promote").await;
    assert_eq!(promoted.json["wave"], 2, "{}", promoted.text);
    fleet.until("soaking", 2).await;
    fleet.clock.advance(SECONDS(1));
    // Nobody is left for the last wave, and nobody is missed.
    fleet.until("accepted", 3).await;
}

#[tokio::test]
async fn it_goes_on_without_a_wave_whose_envoys_are_all_gone_when_an_operator_promotes_it() {
    let folder = folder();
    let (mut fleet, first, other) = Fleet::with_two_first(folder.path()).await;
    for leaving in first {
        fleet.lose(leaving).await;
    }
    fleet.clock.advance(SECONDS(30));
    fleet.check_stays("soaking", 1).await;
    let promoted = fleet.want("promote").await;
    assert_eq!(promoted.json["wave"], json!(2), "{}", promoted.text);
    fleet.until("soaking", 2).await;
    assert_eq!(fleet.members(1).await, [other.to_owned()].into());
}

#[tokio::test]
async fn it_stops_nobody_for_an_end_in_the_last_wave_or_one_that_an_operator_does_not_wait_for() {
    let folder = folder();
    let (mut fleet, [dying, _], other) = Fleet::with_two_first(folder.path()).await;
    fleet.lose(dying).await;
    fleet.until_it_waits_for(dying).await;
    let answer = fleet.want("promote").await;
    assert_eq!(answer.json["wave"], json!(2), "{}", answer.text);
    fleet.until("soaking", 2).await;
    until(|| fleet.runs_what_it_is_to_have(other)).await;
    fleet.lose(other).await;
    fleet.clock.advance(MINUTE);
    fleet.check_stays("soaking", 2).await;
    fleet.clock.advance(SOAK - MINUTE);
    fleet.until("accepted", 2).await;
}
