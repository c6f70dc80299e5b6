//! Changes that come while another one is being judged: they are stored at once, and the newest of
//! them is handed out next. Deadlines pass by a simulated clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use control_plane::gateway::{
    Author, ChangeError, Edit, InHand, Outcome, Precondition, WriteReport,
};
use gateway_document::{CheckedDocument, Format, GatewayDocument, parse};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use xds::SimulatedClock;

use crate::changes::{connected, node, rejections};
use crate::fake_envoy::{FakeEnvoy, REJECTION};
use crate::fake_server::{FakeServer, Speaks, tools};
use crate::harness::{Answer, ControlPlane, document_with, folder, until};
use crate::reach;
use crate::rollouts::{DENY, PATIENT, until_accepted, version};

pub const SHADOW: &str = "defaults: {validate: shadow}\n";
pub const SECOND: &str = "listeners: [{name: mcp, address: 127.0.0.1:10000}, {name: second, \
                          address: 127.0.0.1:1}]\n";

/// Sends a document, and goes on without its answer.
fn begin_write(control_plane: &ControlPlane, body: &str) -> JoinHandle<Answer> {
    let request = control_plane
        .request(reqwest::Method::PUT, "/api/v1/config")
        .header("content-type", "application/yaml")
        .body(body.to_owned());
    tokio::spawn(Answer::of(request))
}

/// Sends a document, and waits until it is stored as this revision.
pub async fn store(control_plane: &ControlPlane, body: &str, revision: u64) -> JoinHandle<Answer> {
    let write = begin_write(control_plane, body);
    until(|| async { version(control_plane).await["newest_revision"] == revision }).await;
    write
}

/// Sends a document, and waits until Envoys are given it, as this revision: what is stored after it
/// waits for its judgement.
pub async fn hand_out(
    control_plane: &ControlPlane,
    body: &str,
    revision: u64,
) -> JoinHandle<Answer> {
    let write = store(control_plane, body, revision).await;
    until(|| async { version(control_plane).await["revision"] == revision }).await;
    write
}

pub fn checked(document: &str) -> CheckedDocument {
    CheckedDocument::new(parse(document, Format::Yaml).unwrap()).unwrap()
}

/// An Envoy that has accepted what it was given, and answers nothing from now on.
pub async fn held(control_plane: &ControlPlane, id: &str) -> FakeEnvoy {
    let envoy = connected(control_plane, id).await;
    until_accepted(control_plane).await;
    envoy.pause();
    envoy
}

/// Makes a change, and goes on without what becomes of it.
pub fn begin_change(
    control_plane: &ControlPlane,
    edit: Edit,
) -> JoinHandle<Result<WriteReport, ChangeError>> {
    let gateway = Arc::clone(&control_plane.gateway);
    tokio::spawn(async move {
        let in_hand = InHand::change().await.unwrap();
        gateway
            .change(in_hand, edit, Precondition::None, nobody())
            .await
    })
}

fn nobody() -> Author {
    Author {
        name: "nobody".to_owned(),
        reason: String::new(),
        action: String::new(),
        origin: String::new(),
    }
}

pub async fn desired_and_sent(control_plane: &ControlPlane, id: &str) -> bool {
    let node = node(control_plane, id).await.unwrap();
    let mut resources = node["resources"].as_array().unwrap().iter();
    node["generation"]["desired"] == version(control_plane).await["generation"]
        && resources.any(|resource| resource["state"] == "sent")
}

#[tokio::test]
async fn it_stores_changes_at_once_while_one_is_judged_and_hands_out_the_newest() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), PATIENT).await;
    let slow = held(&control_plane, "slow").await;
    let judged = hand_out(&control_plane, &format!("{PATIENT}{DENY}"), 2).await;
    let superseded = store(&control_plane, &format!("{PATIENT}{SHADOW}"), 3).await;
    let newest = store(&control_plane, PATIENT, 4).await;
    // The next change is made to the newest document; Envoys have been given the first one.
    let latest = control_plane.get("/api/v1/config").await.json;
    assert_eq!(latest["revision"], 4);
    assert_eq!(version(&control_plane).await["revision"], 2);
    assert!(!judged.is_finished() && !superseded.is_finished() && !newest.is_finished());
    slow.go_on();
    for (write, revision, outcome) in [
        (judged, 2, "accepted"),
        (superseded, 3, "superseded"),
        (newest, 4, "accepted"),
    ] {
        let answer = write.await.unwrap();
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        let in_force = if revision == 2 { 2 } else { 4 };
        assert_eq!(
            (
                &answer.json["revision"],
                &answer.json["outcome"],
                &answer.json["in_force"]
            ),
            (&json!(revision), &json!(outcome), &json!(in_force)),
            "{}",
            answer.text
        );
    }
    let never_sent = slow.filters();
    assert!(
        !never_sent
            .iter()
            .any(|filter| filter.text.contains("shadow")),
        "{never_sent:?}"
    );
}

#[tokio::test]
async fn it_hands_out_what_was_stored_while_a_bad_change_was_judged() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), PATIENT).await;
    let picky = held(&control_plane, "picky").await;
    picky.reject("second");
    let bad = hand_out(&control_plane, &format!("{PATIENT}{SECOND}"), 2).await;
    let good = store(&control_plane, &format!("{PATIENT}{SHADOW}"), 3).await;
    picky.go_on();
    let (bad, good) = (bad.await.unwrap(), good.await.unwrap());
    assert_eq!(
        (bad.status, &bad.json["outcome"], &bad.json["in_force"]),
        (
            StatusCode::UNPROCESSABLE_ENTITY,
            &json!("rejected"),
            &json!(1)
        ),
        "{}",
        bad.text
    );
    assert_eq!(
        (&good.json["outcome"], &good.json["in_force"]),
        (&json!("accepted"), &json!(3)),
        "{}",
        good.text
    );
    assert_eq!(rejections(&control_plane, "picky").await, [""; 0]);
}

#[tokio::test]
async fn it_goes_on_with_a_change_whose_author_hangs_up_once_it_is_stored() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), PATIENT).await;
    let slow = held(&control_plane, "slow").await;
    let first = hand_out(&control_plane, &format!("{PATIENT}{DENY}"), 2).await;
    let second = store(&control_plane, &format!("{PATIENT}{SHADOW}"), 3).await;
    second.abort();
    assert!(second.await.unwrap_err().is_cancelled());
    slow.go_on();
    assert_eq!(first.await.unwrap().json["outcome"], "accepted");
    until(|| async {
        let version = version(&control_plane).await;
        version["revision"] == 3 && version["accepted_generation"] == version["generation"]
    })
    .await;
}

#[tokio::test]
async fn it_stores_nothing_of_a_change_whose_author_hangs_up_while_it_is_made() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), "").await;
    // A server that is asked for its tools and says nothing.
    let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = mute.local_addr().unwrap().port();
    reach::allow(port);
    let document = format!("servers: {{mute: {{url: 'http://127.0.0.1:{port}/mcp'}}}}");
    let document = checked(&document);
    let edit: Edit = Arc::new(move |_| Ok(document.clone()));
    let change = begin_change(&control_plane, edit);
    let (mut asked, _) = mute.accept().await.unwrap();
    assert!(asked.read(&mut [0; 4]).await.unwrap() > 0);
    change.abort();
    assert!(change.await.unwrap_err().is_cancelled());
    let answer = control_plane.put_yaml("/api/v1/config", DENY).await;
    assert_eq!(answer.json["revision"], 2, "{}", answer.text);
    let servers = control_plane.document().await["servers"].take();
    assert_eq!(
        servers,
        serde_json::to_value(&GatewayDocument::default().servers).unwrap()
    );
}

#[tokio::test]
async fn it_answers_a_change_that_is_sent_twice_with_the_judgement_of_the_first() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), PATIENT).await;
    let slow = held(&control_plane, "slow").await;
    let body = format!("{PATIENT}{DENY}");
    let first = hand_out(&control_plane, &body, 2).await;
    let made = Arc::new(AtomicBool::new(false));
    let edit: Edit = {
        let (made, document) = (Arc::clone(&made), checked(&body));
        Arc::new(move |_| {
            made.store(true, Ordering::SeqCst);
            Ok(document.clone())
        })
    };
    let again = begin_change(&control_plane, Arc::clone(&edit));
    until(|| async { made.load(Ordering::SeqCst) && Arc::strong_count(&edit) == 1 }).await;
    slow.go_on();
    let first = first.await.unwrap();
    assert_eq!(first.json["outcome"], "accepted", "{}", first.text);
    let again = again.await.unwrap().unwrap();
    assert_eq!((again.revision, again.outcome), (2, Outcome::Accepted));
    assert_eq!(version(&control_plane).await["newest_revision"], 2);
}

#[tokio::test]
async fn it_takes_a_list_in_that_comes_while_a_change_is_judged_whatever_becomes_of_that() {
    for (rejected, outcome) in [(false, "accepted"), (true, "rejected")] {
        let folder = folder();
        let server = FakeServer::start(Speaks::Stateless, tools(&["a"])).await;
        let document = document_with(&[("data", &server)]) + PATIENT;
        let control_plane = ControlPlane::start(folder.path(), &document).await;
        control_plane.until_offered("data", &["a"]).await;
        let slow = held(&control_plane, "slow").await;
        if rejected {
            slow.reject("second");
        }
        let write = hand_out(&control_plane, &format!("{document}{SECOND}"), 2).await;
        server.list(tools(&["a", "b"]));
        until(|| async {
            let servers = control_plane.get("/api/v1/servers").await.json;
            servers["servers"][0]["status"]["catalogue"]["tools"] == 2
        })
        .await;
        assert_eq!(control_plane.offered("data").await, ["a"]);
        slow.go_on();
        let answer = write.await.unwrap();
        assert_eq!(answer.json["outcome"], outcome, "{}", answer.text);
        control_plane.until_offered("data", &["a", "b"]).await;
        let accepted = until_accepted(&control_plane).await;
        assert_eq!(accepted["revision"], if rejected { 1 } else { 2 });
    }
}

pub const SECONDS: fn(u64) -> Duration = Duration::from_secs;

#[tokio::test]
async fn it_gives_a_silent_envoy_the_deadline_of_the_document_and_the_next_change_then() {
    let clock = SimulatedClock::default();
    let folder = folder();
    let document = "rollout: {ack_deadline: 5s}\n";
    let control_plane = ControlPlane::start_with_clock(folder.path(), document, &clock).await;
    let silent = held(&control_plane, "silent").await;
    let first = hand_out(&control_plane, &format!("{document}{DENY}"), 2).await;
    until(|| desired_and_sent(&control_plane, "silent")).await;
    let second = store(&control_plane, &format!("{document}{SHADOW}"), 3).await;
    clock.advance(SECONDS(4));
    // Nothing else could have answered it meanwhile: each look is a turn of every task.
    for _ in 0..10 {
        assert_eq!(version(&control_plane).await["revision"], 2);
    }
    assert!(!first.is_finished());
    clock.advance(SECONDS(2));
    let first = first.await.unwrap();
    assert_eq!(first.json["outcome"], "pending", "{}", first.text);
    assert_eq!(
        first.json["envoys"],
        json!([{"id": "silent", "state": "silent"}])
    );
    until(|| async { version(&control_plane).await["revision"] == 3 }).await;
    assert!(!second.is_finished());
    silent.go_on();
    let second = second.await.unwrap();
    assert_eq!(second.json["outcome"], "accepted", "{}", second.text);
}

#[tokio::test]
async fn it_takes_back_what_is_rejected_after_the_deadline_and_keeps_what_was_stored_since() {
    let clock = SimulatedClock::default();
    let folder = folder();
    let document = "rollout: {ack_deadline: 5s}\n";
    let control_plane = ControlPlane::start_with_clock(folder.path(), document, &clock).await;
    let late = held(&control_plane, "late").await;
    late.reject("second");
    let first = hand_out(&control_plane, &format!("{document}{SECOND}"), 2).await;
    until(|| desired_and_sent(&control_plane, "late")).await;
    clock.advance(SECONDS(3600));
    let first = first.await.unwrap();
    assert_eq!(first.json["outcome"], "pending", "{}", first.text);
    late.go_on();
    until(|| async { version(&control_plane).await["revision"] == 1 }).await;
    assert_eq!(rejections(&control_plane, "late").await, [REJECTION]);
    let answer = control_plane
        .put_yaml("/api/v1/config", &format!("{document}{SHADOW}"))
        .await;
    assert_eq!(
        (&answer.json["outcome"], &answer.json["revision"]),
        (&json!("accepted"), &json!(3)),
        "{}",
        answer.text
    );
}

#[tokio::test]
async fn it_makes_each_of_many_changes_at_once_on_top_of_the_others() {
    const CHANGES: usize = 12;
    let folder = folder();
    let names: Vec<String> = (0..CHANGES).map(|number| format!("t{number:02}")).collect();
    let listed: Vec<&str> = names.iter().map(String::as_str).collect();
    let server = FakeServer::start(Speaks::Stateless, tools(&listed)).await;
    let document = document_with(&[("data", &server)]);
    let control_plane = ControlPlane::start(folder.path(), &document).await;
    control_plane.until_offered("data", &listed).await;
    let _envoy = FakeEnvoy::connect(control_plane.xds, "envoy").await;
    let paths = names
        .iter()
        .map(|name| format!("/api/v1/tools/{name}/policy"));
    let paths: Vec<String> = paths.collect();
    let body = json!({"timeout": "1s"});
    let writes = paths.iter().map(|path| control_plane.put_json(path, &body));
    let answers = futures::future::join_all(writes).await;
    let mut revisions: Vec<u64> = Vec::new();
    for answer in &answers {
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        revisions.push(answer.json["revision"].as_u64().unwrap());
    }
    revisions.sort_unstable();
    let expected: Vec<u64> = (2..).take(CHANGES).collect();
    assert_eq!(revisions, expected);
    let rules = control_plane.document().await["tools"].take();
    let mut ruled: Vec<&Value> = rules.as_array().unwrap().iter().collect();
    ruled.sort_by_key(|rule| rule["name"].as_str());
    let ruled: Vec<&Value> = ruled.iter().map(|rule| &rule["match"]["tool"]).collect();
    assert_eq!(ruled, names.iter().collect::<Vec<_>>());
}
