//! Whatever is written, rejected, crashed with, left unanswered, promoted, ended or started again,
//! in whatever order: an Envoy goes by itself to nothing looser than what it ran.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use reqwest::Method;
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Builder;
use tokio::task::JoinHandle;
use xds::SimulatedClock;

use crate::changes::node;
use crate::fake_envoy::FakeEnvoy;
use crate::harness::{Answer, ControlPlane, folder};
use crate::rollouts::FILTER;

const ENVOYS: [&str; 3] = ["a", "b", "c"];

/// The words of documents about access, the loosest first.
const LEVELS: [&str; 4] = [
    "defaults: {access: allow, validate: 'off'}\n",
    "defaults: {access: allow, validate: shadow}\n",
    "defaults: {access: allow, validate: enforce}\n",
    "defaults: {access: deny, validate: enforce}\n",
];

/// The reaches that documents have.
const WAVES: [&str; 3] = ["[100%]", "[1, 100%]", "[2, 100%]"];
/// Longer than an Envoy has to answer, and shorter than it has to come back.
const DEADLINE: Duration = Duration::from_secs(6);
const MINUTE: Duration = Duration::from_secs(60);
const SOAK: Duration = Duration::from_secs(600);

#[derive(Clone, Copy, Debug)]
enum Event {
    Write {
        level: usize,
        waves: usize,
    },
    /// An Envoy rejects every filter from now on, until it starts anew.
    Sicken(usize),
    /// An Envoy begins anew with nothing.
    Start(usize),
    /// An Envoy ends, and stays away.
    Stop(usize),
    /// An Envoy ends twice soon after it was given something.
    Crash(usize),
    Silence(usize),
    Speak(usize),
    Pass(Duration),
    Promote,
    Abort {
        may_loosen: bool,
    },
    /// The control plane is killed and begins anew; these Envoys come back at once.
    Restart([bool; 3]),
}

fn event() -> impl Strategy<Value = Event> {
    let envoy = || 0..ENVOYS.len();
    let times = prop_oneof![Just(DEADLINE), Just(MINUTE), Just(SOAK)];
    prop_oneof![
        6 => (0..LEVELS.len(), 0..WAVES.len())
            .prop_map(|(level, waves)| Event::Write { level, waves }),
        2 => envoy().prop_map(Event::Sicken),
        4 => envoy().prop_map(Event::Start),
        1 => envoy().prop_map(Event::Stop),
        2 => envoy().prop_map(Event::Crash),
        1 => envoy().prop_map(Event::Silence),
        1 => envoy().prop_map(Event::Speak),
        3 => times.prop_map(Event::Pass),
        1 => Just(Event::Promote),
        1 => any::<bool>().prop_map(|may_loosen| Event::Abort { may_loosen }),
        3 => any::<[bool; 3]>().prop_map(Event::Restart),
    ]
}

/// A document as an Envoy meets it in its filter's configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Document {
    /// Its place in the order of writing; the first one has none.
    number: usize,
    level: usize,
}

impl Document {
    fn text(self, waves: usize) -> String {
        let soak = if waves == 0 { "0s" } else { "10m" };
        let (waves, level) = (WAVES[waves], LEVELS[self.level]);
        format!(
            "rollout: {{waves: {waves}, soak: {soak}, ack_deadline: 5s}}\n{level}tools:\n  \
             - {{name: rule-{:04}, match: {{tool: none}}, timeout: 30s}}\n",
            self.number
        )
    }

    fn of(configuration: &str) -> Self {
        let number = configuration.split_once("rule-");
        let number = number.and_then(|(_, rest)| rest.get(..4)?.parse().ok());
        let says = |words: &str| configuration.contains(words);
        let level = match () {
            () if says(r#""access":"deny""#) => 3,
            () if says(r#""validate":"off""#) => 0,
            () if says(r#""validate":"shadow""#) => 1,
            () => 2,
        };
        Self {
            number: number.unwrap_or_default(),
            level,
        }
    }
}

struct World {
    folder: TempDir,
    clock: SimulatedClock,
    /// The one that runs; nothing while it is killed.
    running: Option<ControlPlane>,
    envoys: [Option<FakeEnvoy>; 3],
    /// The levels of the documents, in the order of writing.
    written: Vec<usize>,
    /// The last document that each Envoy ran, whatever became of it since.
    ran: BTreeMap<usize, Document>,
    /// How many documents had been written when an operator last took one back to whatever it was.
    loosened: usize,
    /// How many filters of each Envoy's stream have been looked at.
    seen: [usize; 3],
    writes: Vec<JoinHandle<Answer>>,
}

impl World {
    async fn new() -> Self {
        let (folder, clock) = (folder(), SimulatedClock::default());
        let first = Document {
            number: 0,
            level: 0,
        };
        let control_plane =
            ControlPlane::start_with_clock(folder.path(), &first.text(0), &clock).await;
        let mut world = Self {
            folder,
            clock,
            running: Some(control_plane),
            envoys: [None, None, None],
            written: vec![0],
            ran: BTreeMap::new(),
            loosened: 0,
            seen: [0; 3],
            writes: Vec::new(),
        };
        for which in 0..ENVOYS.len() {
            world.start(which).await;
        }
        world.settle().await;
        world
    }

    fn control_plane(&self) -> &ControlPlane {
        self.running.as_ref().unwrap()
    }

    async fn take(&mut self, event: Event) {
        match event {
            Event::Write { level, waves } => {
                let number = self.written.len();
                self.written.push(level);
                let text = Document { number, level }.text(waves);
                let request = self
                    .control_plane()
                    .request(Method::PUT, "/api/v1/config")
                    .header("content-type", "application/yaml")
                    .body(text);
                self.writes.push(tokio::spawn(Answer::of(request)));
            }
            Event::Sicken(which) => {
                if let Some(envoy) = &self.envoys[which] {
                    envoy.reject(FILTER);
                }
            }
            Event::Start(which) => self.start(which).await,
            Event::Stop(which) => self.stop(which),
            Event::Crash(which) => {
                for _ in 0..2 {
                    self.start(which).await;
                    self.settle().await;
                }
                self.stop(which);
            }
            Event::Silence(which) => {
                if let Some(envoy) = &self.envoys[which] {
                    envoy.pause();
                }
            }
            Event::Speak(which) => {
                if let Some(envoy) = &self.envoys[which] {
                    envoy.go_on();
                }
            }
            Event::Pass(time) => self.clock.advance(time),
            Event::Promote => drop(self.steer("promote", "").await),
            Event::Abort { may_loosen } => {
                let body = format!("{{\"allow_loosening\": {may_loosen}}}");
                let answer = self.steer("abort", &body).await;
                if may_loosen && answer.is_some_and(|answer| answer.status.is_success()) {
                    self.loosened = self.written.len();
                }
            }
            Event::Restart(come_back) => {
                for which in 0..ENVOYS.len() {
                    self.stop(which);
                }
                for write in self.writes.drain(..) {
                    write.abort();
                }
                self.running = None;
                self.clock = SimulatedClock::default();
                let again = ControlPlane::start_with_clock(self.folder.path(), "", &self.clock);
                self.running = Some(again.await);
                for which in (0..ENVOYS.len()).filter(|which| come_back[*which]) {
                    self.start(which).await;
                }
            }
        }
    }

    /// Has the newest rollout do what an operator wants, if there is one.
    async fn steer(&self, verb: &str, body: &str) -> Option<Answer> {
        let rollouts = self.control_plane().get("/api/v1/rollouts").await.json;
        let id = rollouts["rollouts"][0]["id"].as_str()?;
        let path = format!("/api/v1/rollouts/{id}/{verb}");
        let request = self
            .control_plane()
            .request(Method::POST, &path)
            .header("x-portcullis-author", "ada")
            .header("x-portcullis-reason", "she had one");
        Some(Answer::of(request.body(body.to_owned())).await)
    }

    async fn start(&mut self, which: usize) {
        self.stop(which);
        for _ in 0..20 {
            let node = node(self.control_plane(), ENVOYS[which]).await;
            if node.is_none_or(|node| node["connected"] == false) {
                break;
            }
        }
        let envoy = FakeEnvoy::connect(self.control_plane().xds, ENVOYS[which]).await;
        self.envoys[which] = Some(envoy);
    }

    fn stop(&mut self, which: usize) {
        self.check();
        self.envoys[which] = None;
        self.seen[which] = 0;
    }

    /// Lets everybody do what can be done now, as far as that is soon, and checks it.
    async fn settle(&mut self) {
        let mut before = Value::Null;
        for _ in 0..12 {
            let nodes = self.control_plane().get("/api/v1/nodes").await.json;
            let is_busy = nodes["nodes"].as_array().unwrap().iter().any(|node| {
                let resources = node["resources"].as_array().unwrap();
                let is_busy = |one: &Value| one["state"] == "sent" || one["state"] == "pending";
                resources.iter().any(is_busy)
            });
            if !is_busy && nodes == before {
                break;
            }
            before = nodes;
        }
        self.check();
    }

    /// Checks what each Envoy has made of what it was sent since the last time.
    fn check(&mut self) {
        for (which, envoy) in self.envoys.iter().enumerate() {
            let Some(envoy) = envoy else {
                continue;
            };
            let filters = envoy.filters();
            let news = filters.iter().skip(self.seen[which]);
            for filter in news.filter(|filter| !filter.is_rejected) {
                let document = Document::of(&filter.text);
                assert_eq!(self.written[document.number], document.level);
                if let Some(before) = self.ran.insert(which, document) {
                    let later = &self.written[before.number + 1..];
                    let is_operators = before.number < self.loosened
                        || later.iter().any(|level| *level <= document.level);
                    assert!(
                        document.level >= before.level || is_operators,
                        "`{}` was taken from {before:?} to {document:?}",
                        ENVOYS[which]
                    );
                }
            }
            self.seen[which] = filters.len();
        }
    }
}

/// As many sequences as take some seconds. `PROPTEST_CASES` is eight times as many as there are.
fn cases() -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig {
        cases: default.cases / 8,
        max_shrink_iters: 200,
        ..default
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn it_takes_no_envoy_by_itself_to_anything_looser_than_it_ran(
        events in vec(event(), 1..20),
    ) {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut world = World::new().await;
            for event in events {
                world.take(event).await;
                world.settle().await;
            }
        });
    }
}
