//! Waves that are over only when what their Envoys report holds. The time passes by a simulated
//! clock.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::fake_reporter::FakeReporter;
use crate::harness::{ControlPlane, folder, until};
use crate::rollouts::{DENY, until_accepted, version};
use crate::waiting_changes::SHADOW;
use crate::waves::{Fleet, SOAK};

/// How often the numbers are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// One Envoy first, and no more failures than before.
pub fn gated(more: &str) -> String {
    format!(
        "rollout: {{waves: [1, 100%], soak: 10m, ack_deadline: 5s, gates: {{error_rate: 5%, \
         min_requests: 10{more}}}}}\n"
    )
}

/// A fleet whose Envoys report.
pub struct Reporting {
    pub fleet: Fleet,
    reporters: BTreeMap<String, FakeReporter>,
}

impl Reporting {
    async fn start(folder: &Path, waves: &str) -> Self {
        let fleet = Fleet::start(folder, waves).await;
        let mut made = Self::of(fleet).await;
        for name in ["a", "b", "c"] {
            made.answer(name, 100, 0).await;
        }
        made
    }

    pub async fn of(fleet: Fleet) -> Self {
        let mut reporters = BTreeMap::new();
        for name in fleet.envoys.keys() {
            let reporter = FakeReporter::connect(&fleet.control_plane, name).await;
            reporters.insert((*name).to_owned(), reporter);
        }
        Self { fleet, reporters }
    }

    /// An Envoy reports so many more answers of which so many failed, and that it runs what is in
    /// hand; the numbers are looked at then.
    async fn answer(&mut self, id: &str, answers: u32, failed: u32) {
        let reporter = self.reporters.get_mut(id).unwrap();
        reporter.count("http.mcp.downstream_rq_completed", answers);
        reporter.count("http.mcp.downstream_rq_5xx", failed);
        reporter
            .run_what_is_in_hand(&self.fleet.control_plane)
            .await;
        self.fleet.clock.advance(LOOK);
    }

    /// The first Envoy of the rollout goes on so until that has this state and wave.
    pub async fn until(&mut self, (answers, failed): (u32, u32), state: &str, wave: u64) -> Value {
        let canary = self.fleet.canary().await;
        loop {
            self.answer(&canary, answers, failed).await;
            let rollout = self.fleet.rollout().await;
            if rollout["state"] == state && rollout["wave"] == wave {
                return rollout;
            }
            // What has ended becomes nothing else.
            let goes_on = ["waiting_for_envoys", "rolling_out", "soaking"];
            let in_state = rollout["state"].as_str().unwrap();
            assert!(goes_on.contains(&in_state), "{rollout}");
        }
    }
}

#[tokio::test]
async fn it_takes_back_what_makes_the_first_envoy_fail() {
    let folder = folder();
    let mut reporting = Reporting::start(folder.path(), &gated("")).await;
    let fleet = &reporting.fleet;
    let answer = fleet.put(&format!("{}{SHADOW}", gated(""))).await;
    assert_eq!(answer.json["outcome"], "rolling_out", "{}", answer.text);
    let rollout = fleet.until("soaking", 1).await;
    let canary = fleet.canary().await;
    let rollout_of = rollout["id"].clone();
    let rollout = reporting.until((20, 15), "taken_back", 1).await;
    assert_eq!(rollout["id"], rollout_of);
    let reason = rollout["reason"].as_str().unwrap();
    assert!(
        reason.contains(&format!("Envoy `{canary}` failed 75.00%")),
        "{reason}"
    );
    assert!(reason.contains("rollout.gates.error_rate"), "{reason}");
    let fleet = &reporting.fleet;
    let version = until_accepted(&fleet.control_plane).await;
    assert_eq!(version["revision"], 1);
    until(|| async { fleet.having(&version["generation"]).await.len() == 3 }).await;
    let audit = fleet.control_plane.get("/api/v1/audit").await.json;
    let entries = audit["records"].as_array().unwrap();
    let entry = entries
        .iter()
        .find(|entry| entry["what"] == "stopped by a gate");
    assert_eq!(entry.unwrap()["reason"], reason, "{audit}");
}

#[tokio::test]
async fn it_goes_on_when_the_soak_is_over_and_the_numbers_hold() {
    let folder = folder();
    let mut reporting = Reporting::start(folder.path(), &gated("")).await;
    reporting.fleet.put(&format!("{}{SHADOW}", gated(""))).await;
    reporting.fleet.until("soaking", 1).await;
    // Nobody has said that it runs the change.
    let is_closed = async || {
        let rollout = reporting.fleet.rollout().await;
        let gate = rollout["gate"].as_str().unwrap_or_default();
        gate.contains("0 of the 1 Envoys of the wave")
    };
    until(&is_closed).await;
    // The numbers by which somebody is woken: during a soak nobody is, and a closed gate is no
    // matter before its end.
    let soaking = "portcullis_control_plane_last_rollout{state=\"soaking\"} 1";
    let waits =
        |number| format!("portcullis_control_plane_rollout_waits{{state=\"gate\"}} {number}");
    let shows = async |number| {
        let metrics = reporting.fleet.control_plane.get("/metrics").await.text;
        metrics.contains(soaking) && metrics.contains(&waits(number))
    };
    assert!(shows(0).await);
    reporting.fleet.clock.advance(SOAK);
    until(|| shows(1)).await;
    reporting.fleet.check_stays("soaking", 1).await;
    assert!(is_closed().await);
    reporting.until((20, 0), "soaking", 2).await;
    reporting.fleet.clock.advance(SOAK);
    reporting.fleet.until("accepted", 2).await;
    assert_eq!(version(&reporting.fleet.control_plane).await["revision"], 2);
}

#[tokio::test]
async fn it_goes_on_without_numbers_where_the_document_or_an_operator_says_so() {
    for (more, by_operator) in [(", without_numbers: open", false), ("", true)] {
        let folder = folder();
        let waves = gated(more);
        let fleet = Fleet::start(folder.path(), &waves).await;
        fleet.put(&format!("{waves}{SHADOW}")).await;
        let rollout = fleet.until("soaking", 1).await;
        fleet.clock.advance(SOAK);
        if by_operator {
            fleet.check_stays("soaking", 1).await;
            let id = rollout["id"].as_str().unwrap();
            let path = format!("/api/v1/rollouts/{id}/promote");
            fleet.control_plane.post(&path, &json!({})).await;
        }
        fleet.until("soaking", 2).await;
    }
}

#[tokio::test]
async fn it_keeps_what_fails_where_going_back_would_allow_more() {
    let folder = folder();
    let mut reporting = Reporting::start(folder.path(), &gated("")).await;
    reporting.fleet.put(&format!("{}{DENY}", gated(""))).await;
    reporting.fleet.until("soaking", 1).await;
    let new = reporting.fleet.rollout().await["generation"].take();
    let canary = reporting.fleet.canary().await;
    reporting.until((20, 20), "kept", 1).await;
    assert_eq!(reporting.fleet.having(&new).await, [canary].into());
}

#[tokio::test]
async fn it_takes_back_in_the_last_wave_what_fails_on_the_others() {
    let folder = folder();
    let mut reporting = Reporting::start(folder.path(), &gated("")).await;
    reporting.fleet.put(&format!("{}{SHADOW}", gated(""))).await;
    reporting.fleet.until("soaking", 1).await;
    reporting.fleet.clock.advance(SOAK);
    reporting.until((20, 0), "soaking", 2).await;
    let canary = reporting.fleet.canary().await;
    let other = ["a", "b", "c"]
        .into_iter()
        .find(|id| *id != canary)
        .unwrap();
    while reporting.fleet.rollout().await["state"] != "taken_back" {
        reporting.answer(other, 20, 20).await;
    }
    let reason = reporting.fleet.rollout().await["reason"].take();
    assert!(
        reason
            .as_str()
            .unwrap()
            .contains(&format!("Envoy `{other}`")),
        "{reason}"
    );
}

#[tokio::test]
async fn it_compares_after_a_restart_with_what_was_usual_before_the_change() {
    let folder = folder();
    let mut reporting = Reporting::start(folder.path(), &gated("")).await;
    for name in ["a", "b", "c"] {
        reporting.answer(name, 100, 40).await;
    }
    reporting.fleet.put(&format!("{}{SHADOW}", gated(""))).await;
    reporting.fleet.until("soaking", 1).await;
    let Reporting { fleet, reporters } = reporting;
    drop(reporters);
    let mut reporting = Reporting::of(fleet.start_again(folder.path()).await).await;
    reporting.fleet.until("soaking", 1).await;
    reporting.fleet.clock.advance(SOAK);
    // Nobody has measured it since: what the process before had seen does not count.
    reporting.fleet.check_stays("soaking", 1).await;
    // As many as ever, which is more than the limit by itself.
    reporting.until((50, 10), "soaking", 2).await;
    reporting.until((50, 30), "taken_back", 2).await;
}

#[tokio::test]
async fn it_waits_for_no_envoy_that_has_left_while_another_one_measures() {
    let folder = folder();
    let waves = gated("").replace("[1, 100%]", "[2, 100%]");
    let mut reporting = Reporting::start(folder.path(), &waves).await;
    reporting.fleet.put(&format!("{waves}{SHADOW}")).await;
    reporting.fleet.until("soaking", 1).await;
    let mut members = reporting.fleet.members(0).await.into_iter();
    let (gone, stays) = (members.next().unwrap(), members.next().unwrap());
    drop(reporting.reporters.remove(&gone));
    drop(reporting.fleet.envoys.remove(&*gone));
    reporting.fleet.clock.advance(SOAK);
    while reporting.fleet.rollout().await["wave"] == 1 {
        reporting.answer(&stays, 20, 0).await;
    }
    reporting.fleet.until("soaking", 2).await;
}

#[tokio::test]
async fn it_refuses_gates_where_nothing_is_watched() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), "").await;
    for rollout in ["gates: {}", "gates: {error_rate: 1%}, waves: [100%]"] {
        let body = format!("rollout: {{{rollout}}}\n");
        let answer = control_plane.put_yaml("/api/v1/config", &body).await;
        assert_eq!(answer.paths(), ["/rollout/gates"], "{}", answer.text);
    }
}
