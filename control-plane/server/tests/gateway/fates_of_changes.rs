//! The fate of changes that wait: each author is told the true one, and nobody who waits holds up
//! what Envoys are given.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use control_plane::gateway::{ChangeError, Edit, Outcome};
use control_plane::preflight::{Patience, Preflight};
use gateway_document::CheckedDocument;
use reqwest::StatusCode;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinHandle;
use xds::SimulatedClock;

use crate::fake_envoy::FakeEnvoy;
use crate::harness::{Answer, ControlPlane, folder, until};
use crate::modules::{hash, upload};
use crate::reach;
use crate::rollouts::{DENY, PATIENT, until_accepted, version};
use crate::waiting_changes::{
    SECOND, SECONDS, SHADOW, begin_change, checked, desired_and_sent, hand_out, held, store,
};
use crate::wasm;

#[tokio::test]
async fn it_tells_the_author_of_a_change_that_it_went_with_a_rejected_one() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), PATIENT).await;
    let picky = held(&control_plane, "picky").await;
    picky.reject("second");
    let first = hand_out(&control_plane, &format!("{PATIENT}{DENY}"), 2).await;
    let dropped = store(&control_plane, &format!("{PATIENT}{SHADOW}"), 3).await;
    let bad = store(&control_plane, &format!("{PATIENT}{SHADOW}{SECOND}"), 4).await;
    picky.go_on();
    for (write, status, outcome) in [
        (first, StatusCode::OK, "accepted"),
        (dropped, StatusCode::CONFLICT, "dropped"),
        (bad, StatusCode::UNPROCESSABLE_ENTITY, "rejected"),
    ] {
        let answer = write.await.unwrap();
        assert_eq!(
            (
                answer.status,
                &answer.json["outcome"],
                &answer.json["in_force"]
            ),
            (status, &json!(outcome), &json!(2)),
            "{}",
            answer.text
        );
    }
    let latest = control_plane.get("/api/v1/config").await.json;
    assert_eq!(latest["revision"], 2);
}

/// An edit that tells how often it has been made, waits until it is let go on, and then says the
/// document for that time.
fn held_edit(
    document: impl Fn(u32) -> CheckedDocument + Send + Sync + 'static,
) -> (Edit, Receiver<u32>, Sender<()>) {
    let (tell_made, made) = channel(1);
    let (go_on, wait) = channel(1);
    let wait = Mutex::new((0, wait));
    let edit: Edit = Arc::new(move |_| {
        let mut wait = wait.lock().unwrap();
        wait.0 += 1;
        tell_made.blocking_send(wait.0).unwrap();
        wait.1.blocking_recv().unwrap();
        Ok(document(wait.0))
    });
    (edit, made, go_on)
}

/// Lets a held edit lose every race that it may lose, to changes that are stored as the revisions
/// 3 to 5.
async fn lose_races(
    control_plane: &ControlPlane,
    made: &mut Receiver<u32>,
    go_on: &Sender<()>,
) -> Vec<JoinHandle<Answer>> {
    let mut winners = Vec::new();
    for race in 1..=3 {
        assert_eq!(made.recv().await, Some(race));
        let body = if race % 2 == 0 {
            PATIENT.to_owned()
        } else {
            format!("{PATIENT}{SHADOW}")
        };
        winners.push(store(control_plane, &body, u64::from(race) + 2).await);
        go_on.send(()).await.unwrap();
    }
    winners
}

/// Has changes shown to this script, for so long where they bring no module.
fn ask_first(control_plane: &ControlPlane, folder: &Path, script: &str, without_modules: Duration) {
    let envoy = folder.join("envoy");
    std::fs::write(&envoy, script).unwrap();
    std::fs::set_permissions(&envoy, Permissions::from_mode(0o755)).unwrap();
    let patience = Patience {
        without_modules,
        with_modules: SECONDS(600),
    };
    let preflight = Preflight::by(envoy, folder.join("modules")).waiting(patience);
    control_plane.gateway.ask_first(preflight);
}

#[tokio::test]
async fn it_lets_other_changes_pass_while_a_writer_that_lost_every_race_asks_a_server() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), PATIENT).await;
    let slow = held(&control_plane, "slow").await;
    let _in_hand = hand_out(&control_plane, &format!("{PATIENT}{DENY}"), 2).await;
    let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = mute.local_addr().unwrap().port();
    reach::allow(port);
    let server = format!("{{url: 'http://127.0.0.1:{port}/mcp'}}");
    let registers = format!("servers: {{mute: {server}}}\n{PATIENT}");
    let (edit, mut made, go_on) = held_edit(move |times| {
        // Only within the turn is there somebody to ask.
        checked(if times < 4 { DENY } else { &registers })
    });
    let unlucky = begin_change(&control_plane, edit);
    let _winners = lose_races(&control_plane, &mut made, &go_on).await;
    assert_eq!(made.recv().await, Some(4));
    go_on.send(()).await.unwrap();
    let (_asked, _) = mute.accept().await.unwrap();
    let passing = store(&control_plane, PATIENT, 6).await;
    unlucky.abort();
    slow.go_on();
    let passing = passing.await.unwrap();
    assert_eq!(passing.json["revision"], 6, "{}", passing.text);
}

#[tokio::test]
async fn it_lets_other_changes_pass_while_a_writer_that_lost_every_race_is_shown_to_an_envoy() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), PATIENT).await;
    let slow = held(&control_plane, "slow").await;
    let _in_hand = hand_out(&control_plane, &format!("{PATIENT}{DENY}"), 2).await;
    let (is_asked, may_answer) = (
        folder.path().join("asked"),
        folder.path().join("may-answer"),
    );
    let script = format!(
        "#!/bin/sh\necho >> {}\nwhile [ ! -e {} ]; do sleep 0.02; done\n",
        is_asked.display(),
        may_answer.display()
    );
    ask_first(&control_plane, folder.path(), &script, SECONDS(600));
    let brings = format!("{PATIENT}clusters: [{{name: web, endpoints: ['127.0.0.1:2']}}]\n");
    let (edit, mut made, go_on) = held_edit(move |times| {
        // Only within the turn is there something to judge.
        checked(if times < 4 { DENY } else { &brings })
    });
    let unlucky = begin_change(&control_plane, edit);
    let _winners = lose_races(&control_plane, &mut made, &go_on).await;
    assert_eq!(made.recv().await, Some(4));
    go_on.send(()).await.unwrap();
    until(|| async { is_asked.exists() }).await;
    // A policy, of which that Envoy has nothing to say.
    let _passing = store(&control_plane, PATIENT, 6).await;
    std::fs::write(&may_answer, "").unwrap();
    assert_eq!(
        made.recv().await,
        Some(5),
        "it begins anew, having its answer"
    );
    go_on.send(()).await.unwrap();
    until(|| async { version(&control_plane).await["newest_revision"] == 7 }).await;
    slow.go_on();
    let report = unlucky.await.unwrap().unwrap();
    assert_eq!((report.revision, report.outcome), (7, Outcome::Accepted));
    let asked = std::fs::read_to_string(is_asked).unwrap();
    assert_eq!(asked.lines().count(), 1);
}

#[tokio::test]
async fn it_shows_an_envoy_the_module_that_a_change_brings_after_one_that_was_not_judged() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), PATIENT).await;
    let slow = held(&control_plane, "slow").await;
    let _in_hand = hand_out(&control_plane, &format!("{PATIENT}{DENY}"), 2).await;
    let module = wasm::own_filter("2.0.0");
    upload(&control_plane, &module).await;
    let is_asked = folder.path().join("asked");
    let script = format!(
        "#!/bin/sh\necho >> {}\nexec sleep 600\n",
        is_asked.display()
    );
    let moment = Duration::from_millis(100);
    ask_first(&control_plane, folder.path(), &script, moment);
    let brings = format!("{PATIENT}clusters: [{{name: web, endpoints: ['127.0.0.1:2']}}]\n");
    let brings_more = format!("{brings}module: {{sha256: {}}}\n", hash(&module));
    let (edit, mut made, go_on) = held_edit(move |times| {
        checked(match times {
            ..4 => DENY,
            4 => &brings,
            5.. => &brings_more,
        })
    });
    let unlucky = begin_change(&control_plane, edit);
    let _winners = lose_races(&control_plane, &mut made, &go_on).await;
    for times in [4, 5] {
        assert_eq!(made.recv().await, Some(times));
        go_on.send(()).await.unwrap();
    }
    let asked = || std::fs::read_to_string(&is_asked).unwrap_or_default();
    until(|| async { asked().lines().count() == 2 }).await;
    assert_eq!(version(&control_plane).await["newest_revision"], 5);
    unlucky.abort();
    slow.go_on();
}

#[tokio::test]
async fn it_gives_its_turn_back_before_it_reads_the_files_of_secrets() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), PATIENT).await;
    let slow = held(&control_plane, "slow").await;
    let _in_hand = hand_out(&control_plane, &format!("{PATIENT}{DENY}"), 2).await;
    let file = folder.path().join("token");
    std::fs::write(&file, "a-token-of-a-server").unwrap();
    let file = file.display();
    let brings = format!("secrets: {{token: {{file: {file}}}}}\n{PATIENT}");
    let (edit, mut made, go_on) = held_edit(move |times| {
        // Only within the turn is there a file to read.
        checked(if times < 4 { DENY } else { &brings })
    });
    let unlucky = begin_change(&control_plane, edit);
    let _winners = lose_races(&control_plane, &mut made, &go_on).await;
    assert_eq!(made.recv().await, Some(4));
    go_on.send(()).await.unwrap();
    assert_eq!(made.recv().await, Some(5), "it begins anew, having read it");
    go_on.send(()).await.unwrap();
    until(|| async { version(&control_plane).await["newest_revision"] == 6 }).await;
    slow.go_on();
    let report = unlucky.await.unwrap().unwrap();
    assert_eq!((report.revision, report.outcome), (6, Outcome::Accepted));
}

#[tokio::test]
async fn it_takes_a_rejected_change_back_also_while_a_writer_has_its_turn() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), PATIENT).await;
    let picky = held(&control_plane, "picky").await;
    picky.reject("second");
    let bad = hand_out(&control_plane, &format!("{PATIENT}{SECOND}"), 2).await;
    let (edit, mut made, go_on) = held_edit(|_| checked(&format!("{PATIENT}{DENY}")));
    let unlucky = begin_change(&control_plane, edit);
    let winners = lose_races(&control_plane, &mut made, &go_on).await;
    // Now it is made within the turn.
    assert_eq!(made.recv().await, Some(4));
    picky.go_on();
    until(|| async { version(&control_plane).await["revision"] == 1 }).await;
    assert!(!unlucky.is_finished());
    go_on.send(()).await.unwrap();
    assert_eq!(bad.await.unwrap().json["outcome"], "rejected");
    let report = unlucky.await.unwrap().unwrap();
    assert_eq!((report.revision, report.outcome), (6, Outcome::Accepted));
    for winner in winners {
        assert_eq!(winner.await.unwrap().json["outcome"], "superseded");
    }
}

#[tokio::test]
async fn it_answers_that_nothing_is_judged_yet_when_the_process_ends() {
    let folder = folder();
    let (in_hand, next) = {
        let control_plane = ControlPlane::start(folder.path(), PATIENT).await;
        let _slow = held(&control_plane, "slow").await;
        let in_hand = hand_out(&control_plane, &format!("{PATIENT}{DENY}"), 2).await;
        let next = store(&control_plane, &format!("{PATIENT}{SHADOW}"), 3).await;
        control_plane.stop();
        (in_hand.await.unwrap(), next.await.unwrap())
    };
    for answer in [in_hand, next] {
        assert_eq!(
            (answer.status, &answer.json["outcome"]),
            (StatusCode::OK, &json!("pending")),
            "{}",
            answer.text
        );
    }
    let control_plane = ControlPlane::start(folder.path(), PATIENT).await;
    let _slow = FakeEnvoy::connect(control_plane.xds, "slow").await;
    assert_eq!(until_accepted(&control_plane).await["revision"], 3);
}

#[tokio::test]
async fn it_tries_a_change_again_that_was_rejected_while_it_was_repeated() {
    let clock = SimulatedClock::default();
    let folder = folder();
    let document = "rollout: {ack_deadline: 5s}\n";
    let control_plane = ControlPlane::start_with_clock(folder.path(), document, &clock).await;
    let late = held(&control_plane, "late").await;
    late.reject("second");
    let body = format!("{document}{SECOND}");
    let first = hand_out(&control_plane, &body, 2).await;
    until(|| desired_and_sent(&control_plane, "late")).await;
    clock.advance(SECONDS(3600));
    assert_eq!(first.await.unwrap().json["outcome"], "pending");
    let (edit, mut made, go_on) = held_edit(move |_| checked(&body));
    let again = begin_change(&control_plane, edit);
    assert_eq!(made.recv().await, Some(1));
    late.go_on();
    until(|| async { control_plane.get("/api/v1/config").await.json["revision"] == 1 }).await;
    go_on.send(()).await.unwrap();
    assert_eq!(made.recv().await, Some(2));
    go_on.send(()).await.unwrap();
    let answer = again.await.unwrap();
    assert!(
        matches!(&answer, Err(ChangeError::Rejected(report)) if report.revision == 3),
        "{answer:?}"
    );
}

#[tokio::test]
async fn it_keeps_nothing_of_a_superseded_change_but_what_its_author_is_told() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), PATIENT).await;
    let _slow = held(&control_plane, "slow").await;
    let _in_hand = hand_out(&control_plane, &format!("{PATIENT}{DENY}"), 2).await;
    let waiting = store(&control_plane, &format!("{PATIENT}{SHADOW}"), 3).await;
    let superseded = Arc::downgrade(&control_plane.gateway.latest());
    let _newest = store(&control_plane, PATIENT, 4).await;
    until(|| async { superseded.strong_count() == 0 }).await;
    assert!(!waiting.is_finished());
}
