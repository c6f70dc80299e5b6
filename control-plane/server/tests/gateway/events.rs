//! The events at `/api/v1/events`.

use std::time::Duration;

use control_plane::envoy::configuration_numbers;
use control_plane::gateway::EVENT_KINDS;
use futures::StreamExt as _;
use policy_engine::statistics::listener_label;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::changes::connected;
use crate::fake_reporter::FakeReporter;
use crate::fake_server::{FakeServer, Speaks, tools};
use crate::harness::{ControlPlane, document_with, folder, until};
use crate::waiting_changes::SHADOW;
use crate::waves::{Fleet, SOAK, WAVES};

/// How long an event may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(55);

/// One who follows the events.
pub struct Follower {
    body: std::pin::Pin<Box<dyn futures::Stream<Item = reqwest::Result<bytes::Bytes>> + Send>>,
    text: String,
}

/// One event as it was sent.
#[derive(Debug)]
pub struct Sent {
    pub kind: String,
    pub id: String,
    pub data: Value,
}

impl Follower {
    pub async fn start(control_plane: &ControlPlane, last: Option<&str>) -> Self {
        let mut request = control_plane.request(Method::GET, "/api/v1/events");
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        Self {
            body: Box::pin(answer.bytes_stream()),
            text: String::new(),
        }
    }

    /// The next event; none when the stream ends.
    pub async fn next(&mut self) -> Option<Sent> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| {
                    let mut lines = event.lines();
                    let value = lines.find_map(|line| line.strip_prefix(name));
                    value.unwrap_or_default().trim().to_owned()
                };
                let sent = Sent {
                    kind: field("event:"),
                    id: field("id:"),
                    data: serde_json::from_str(&field("data:")).unwrap_or_default(),
                };
                self.text = rest.to_owned();
                if sent.id.is_empty() {
                    continue;
                }
                return Some(sent);
            }
            let more = tokio::time::timeout(PATIENCE, self.body.next()).await;
            let more = more.expect("something happened in time")?;
            self.text += std::str::from_utf8(&more.ok()?).unwrap();
        }
    }

    /// The next event of this kind for which this holds.
    pub async fn until(&mut self, kind: &str, holds: impl Fn(&Value) -> bool) -> Sent {
        let mut seen = Vec::new();
        let found = async {
            loop {
                let sent = self.next().await.expect("the stream goes on");
                if sent.kind == kind && holds(&sent.data) {
                    return sent;
                }
                seen.push(sent);
            }
        };
        let found = tokio::time::timeout(PATIENCE, found).await;
        found.unwrap_or_else(|_| panic!("no {kind} among {seen:?}"))
    }

    /// The next events that say so of the server and of its endpoint, in whatever order they come.
    async fn until_server_and_endpoint(&mut self, state: &str) -> (Sent, Sent) {
        let (mut server, mut endpoint) = (None, None);
        let both = async {
            while server.is_none() || endpoint.is_none() {
                let sent = self.next().await.expect("the stream goes on");
                if sent.data["state"] == state {
                    match &*sent.kind {
                        "server" => server = Some(sent),
                        "endpoint" => endpoint = Some(sent),
                        _ => {}
                    }
                }
            }
        };
        let _ = tokio::time::timeout(PATIENCE, both).await;
        server
            .zip(endpoint)
            .unwrap_or_else(|| panic!("not both are {state}"))
    }
}

#[tokio::test]
async fn it_tells_of_envoys_revisions_and_rollouts_and_goes_on_where_a_reader_left_off() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), "").await;
    let mut follower = Follower::start(&control_plane, None).await;
    let begin = follower.next().await.unwrap();
    assert_eq!(begin.kind, "begin");
    let envoy = connected(&control_plane, "one").await;
    follower
        .until("envoy", |data| {
            data["node"] == "one" && data["connected"] == true
        })
        .await;
    follower.until("ack", |data| data["node"] == "one").await;
    control_plane
        .put_yaml("/api/v1/config", "defaults: {access: deny}")
        .await;
    let revision = follower.until("revision", |_| true).await;
    assert_eq!(revision.data["revision"], 2);
    assert!(
        revision.data["author"]
            .as_str()
            .unwrap()
            .contains("anonymous")
    );
    let accepted = follower
        .until("rollout", |data| {
            data["revision"] == 2 && data["state"] == "accepted"
        })
        .await;
    // By these the access log names what decided.
    let current = control_plane.gateway.current();
    let numbers = configuration_numbers(&current.document, &current.snapshot);
    let told = format!("{:012x}", numbers[&listener_label("mcp")]);
    assert_eq!(accepted.data["configurations"], json!({"mcp": told}));
    envoy.reject("second");
    control_plane
        .put_yaml(
            "/api/v1/config",
            "listeners: [{name: mcp, address: '127.0.0.1:10000'},
                {name: second, address: '127.0.0.1:1'}]\ndefaults: {access: deny}",
        )
        .await;
    let nack = follower.until("nack", |_| true).await;
    assert_eq!(nack.data["name"], "second");
    assert!(nack.data["at"].is_string());
    follower
        .until("rollout", |data| data["state"] == "rejected")
        .await;
    drop(follower);

    let mut again = Follower::start(&control_plane, Some(&revision.id)).await;
    assert_eq!(again.next().await.unwrap().kind, "begin");
    again.until("nack", |data| *data == nack.data).await;
    let mut stranger = Follower::start(&control_plane, Some("1-7")).await;
    assert_eq!(stranger.next().await.unwrap().kind, "lost");
}

#[test]
fn it_describes_every_kind_of_event() {
    let description = control_plane::rest::description();
    let about = description["paths"]["/api/v1/events"]["get"].to_string();
    for kind in EVENT_KINDS {
        assert!(about.contains(&format!("`{kind}`")), "{kind}");
    }
}

#[tokio::test]
async fn it_tells_of_servers_that_come_and_go_and_of_tools_that_are_withheld() {
    let folder = folder();
    let server = FakeServer::start(Speaks::Stateless, tools(&["same"])).await;
    let document = document_with(&[("data", &server)]);
    let control_plane = ControlPlane::start(folder.path(), &document).await;
    let mut follower = Follower::start(&control_plane, None).await;
    control_plane.until_offered("data", &["same"]).await;
    let other = FakeServer::start(Speaks::Stateless, tools(&["same"])).await;
    let document = document_with(&[("data", &server), ("more", &other)]);
    control_plane.put_yaml("/api/v1/config", &document).await;
    follower
        .until("tool", |data| {
            data["server"] == "more" && data["state"] == "withheld"
        })
        .await;
    drop(other);
    let down = follower
        .until("server", |data| {
            data["server"] == "more" && data["state"] == "down"
        })
        .await;
    assert!(down.data["reason"].as_str().unwrap().len() > 10);
}

#[tokio::test]
async fn it_tells_of_a_server_that_answers_again() {
    let folder = folder();
    let server = FakeServer::start(Speaks::Stateless, tools(&["a"])).await;
    let document = document_with(&[("data", &server)]);
    let control_plane = ControlPlane::start(folder.path(), &document).await;
    let mut follower = Follower::start(&control_plane, None).await;
    control_plane.until_offered("data", &["a"]).await;
    server.fail(true);
    follower.until_server_and_endpoint("down").await;
    server.fail(false);
    let (up, endpoint) = follower.until_server_and_endpoint("up").await;
    assert_eq!(endpoint.data["server"], "data");
    assert_eq!(endpoint.data["endpoint"], server.url());
    assert_eq!(
        (&up.data["server"], &up.data["reason"]),
        (&"data".into(), &Value::Null)
    );
}

#[tokio::test]
async fn it_cuts_off_a_reader_that_events_have_passed_by_and_waits_for_none() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), "").await;
    let mut follower = Follower::start(&control_plane, None).await;
    assert_eq!(follower.next().await.unwrap().kind, "begin");
    let events = control_plane.gateway.events();
    // More than the ring and the buffers of a connection hold: nobody reads meanwhile.
    let long = "x".repeat(100_000);
    for number in 0..3000 {
        events.publish("revision", json!({"revision": number, "long": long}));
        if number % 100 == 0 {
            tokio::task::yield_now().await;
        }
    }
    let mut kinds = Vec::new();
    while let Some(sent) = follower.next().await {
        kinds.push(sent.kind);
    }
    assert_eq!(kinds.last().map(String::as_str), Some("lost"));
    assert!(kinds.len() < 3000, "{}", kinds.len());
}

#[tokio::test]
async fn it_ends_every_stream_when_the_process_ends() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), "").await;
    let mut follower = Follower::start(&control_plane, None).await;
    assert_eq!(follower.next().await.unwrap().kind, "begin");
    control_plane.stop();
    while follower.next().await.is_some() {}
    until(|| async { control_plane.gateway.events().newest().borrow().is_last }).await;
}

#[tokio::test]
async fn it_keeps_places_for_those_who_change_something() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), "").await;
    let mut followers = Vec::new();
    for _ in 0..64 {
        followers.push(Follower::start(&control_plane, None).await);
    }
    let full = control_plane.get("/api/v1/events").await;
    assert_eq!(
        full.status,
        StatusCode::SERVICE_UNAVAILABLE,
        "{}",
        full.text
    );
    followers.pop();
    until(|| async { control_plane.gateway.events().take_place().is_some() }).await;
}

#[tokio::test]
async fn it_tells_each_step_of_a_rollout_in_waves() {
    let folder = folder();
    let fleet = Fleet::start(folder.path(), WAVES).await;
    let mut follower = Follower::start(&fleet.control_plane, None).await;
    fleet.put(&format!("{WAVES}{SHADOW}")).await;
    let is = |state: &'static str, wave: u64| {
        move |data: &Value| data["state"] == state && data["wave"] == wave
    };
    let soaking = follower.until("rollout", is("soaking", 1)).await;
    assert_eq!(
        (&soaking.data["revision"], &soaking.data["of"]),
        (&2.into(), &2.into())
    );
    let rollout = format!(
        "/api/v1/rollouts/{}",
        soaking.data["rollout"].as_str().unwrap()
    );
    for (verb, told) in [("pause", "paused"), ("resume", "resumed")] {
        fleet
            .control_plane
            .post(&format!("{rollout}/{verb}"), &json!({}))
            .await;
        follower.until("rollout", is(told, 1)).await;
    }
    fleet.clock.advance(SOAK);
    follower.until("rollout", is("soaking", 2)).await;
    fleet
        .control_plane
        .post(&format!("{rollout}/abort"), &json!({}))
        .await;
    follower.until("rollout", is("aborted", 2)).await;
}

#[tokio::test]
async fn it_tells_what_envoys_refuse() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), "").await;
    let mut follower = Follower::start(&control_plane, None).await;
    let mut reporter = FakeReporter::connect(&control_plane, "one").await;
    reporter.count(
        "wasmcustom.portcullis_refusals.server.none.tool.none.reason.unknown_tool",
        7,
    );
    reporter.report().await;
    let denial = follower.until("denial", |_| true).await.data;
    assert_eq!(
        (&denial["tool"], &denial["reason"], &denial["count"]),
        (&"none".into(), &"unknown_tool".into(), &7.into())
    );
}
