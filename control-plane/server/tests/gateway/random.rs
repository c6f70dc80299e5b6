//! Whatever Envoys, operators and restarts do in whatever order: what the one judge of acceptance
//! promises holds.

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Builder;

use crate::changes::{connected, node};
use crate::fake_envoy::FakeEnvoy;
use crate::harness::{ControlPlane, folder, until};

/// Three Envoys reject what is bad, and nothing else; the last one rejects every filter.
const ENVOYS: [&str; 4] = ["a", "b", "c", "sick"];
const SICK: usize = 3;
const FILTER: &str = "portcullis.mcp.mcp";

#[derive(Clone, Copy, Debug)]
enum Event {
    /// An operator writes a document that allows or denies, and that Envoys can run or not.
    Write {
        denies: bool,
        is_bad: bool,
    },
    /// An Envoy that is away connects; one that is there ends, and begins anew with nothing.
    Start(usize),
    /// An Envoy ends its stream and stays away.
    Stop(usize),
    /// An Envoy answers nothing from now on, or answers again.
    Silence(usize),
    Speak(usize),
    /// The control plane ends and begins anew, and the Envoys connect again.
    Restart,
}

fn event() -> impl Strategy<Value = Event> {
    let envoy = || 0..ENVOYS.len();
    prop_oneof![
        4 => (any::<bool>(), any::<bool>())
            .prop_map(|(denies, is_bad)| Event::Write { denies, is_bad }),
        4 => envoy().prop_map(Event::Start),
        1 => envoy().prop_map(Event::Stop),
        1 => envoy().prop_map(Event::Silence),
        1 => envoy().prop_map(Event::Speak),
        1 => Just(Event::Restart),
    ]
}

/// A document as an Envoy meets it in its filter's configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Document {
    /// Its place in the order of writing; the first one has none.
    number: u32,
    denies: bool,
}

impl Document {
    /// Envoys have `ack_deadline` to answer it.
    fn text(self, is_bad: bool, ack_deadline: &str) -> String {
        let access = if self.denies { "deny" } else { "allow" };
        let kind = if is_bad { "bad" } else { "good" };
        format!(
            "rollout: {{ack_deadline: {ack_deadline}}}\ndefaults: {{access: {access}}}\ntools:\n  \
             - {{name: {kind}-{:04}, match: {{tool: none}}, timeout: 30s}}\n",
            self.number
        )
    }

    fn of(configuration: &str) -> Self {
        let number = ["bad-", "good-"].iter().find_map(|kind| {
            let (_, rest) = configuration.split_once(kind)?;
            rest.get(..4)?.parse().ok()
        });
        Self {
            number: number.unwrap_or_default(),
            denies: configuration.contains(r#""access":"deny""#),
        }
    }
}

/// An Envoy that is connected.
struct Open {
    envoy: FakeEnvoy,
    speaks: bool,
    /// The documents that were rejected and taken back before it connected.
    rejected_before: BTreeSet<u32>,
}

struct World {
    folder: TempDir,
    control_plane: ControlPlane,
    envoys: [Option<Open>; 4],
    written: u32,
    /// The documents that were rejected and taken back.
    rejected: BTreeSet<u32>,
}

impl World {
    async fn new() -> Self {
        let folder = folder();
        let control_plane = ControlPlane::start(folder.path(), "").await;
        let _first = connected(&control_plane, "first").await;
        until(|| async {
            let version = control_plane.get("/api/v1/version").await.json;
            version["accepted_generation"] == version["generation"]
        })
        .await;
        Self {
            folder,
            control_plane,
            envoys: [None, None, None, None],
            written: 0,
            rejected: BTreeSet::new(),
        }
    }

    async fn take(&mut self, event: Event) {
        match event {
            Event::Write { denies, is_bad } => {
                self.write(denies, is_bad, "100ms").await;
            }
            Event::Start(which) => self.start(which).await,
            Event::Stop(which) => self.envoys[which] = None,
            Event::Silence(which) => self.set_speech(which, false),
            Event::Speak(which) => self.set_speech(which, true),
            Event::Restart => {
                let were_open = [0, 1, 2, 3].map(|which| self.envoys[which].take().is_some());
                self.control_plane = ControlPlane::start(self.folder.path(), "").await;
                for which in (0..ENVOYS.len()).filter(|which| were_open[*which]) {
                    self.start(which).await;
                }
            }
        }
    }

    /// Writes a document, and tells what became of it.
    async fn write(&mut self, denies: bool, is_bad: bool, ack_deadline: &str) -> Value {
        self.written += 1;
        let number = self.written;
        let text = Document { number, denies }.text(is_bad, ack_deadline);
        let mut answer = self.control_plane.put_yaml("/api/v1/config", &text).await;
        let outcome = answer.json["outcome"].take();
        // What would allow more if it went back by itself stays where it runs.
        let is_taken_back = answer.json["kept"] != true;
        if is_bad && outcome == "rejected" && is_taken_back {
            self.rejected.insert(number);
        }
        outcome
    }

    async fn start(&mut self, which: usize) {
        if self.envoys[which].take().is_some() {
            until(|| async {
                let node = node(&self.control_plane, ENVOYS[which]).await;
                node.is_none_or(|node| node["connected"] == false)
            })
            .await;
        }
        let faulty = if which == SICK { FILTER } else { "bad-" };
        let (xds, id) = (self.control_plane.xds, ENVOYS[which]);
        self.envoys[which] = Some(Open {
            rejected_before: self.rejected.clone(),
            envoy: FakeEnvoy::connect_rejecting_all_with(xds, id, faulty).await,
            speaks: true,
        });
    }

    fn set_speech(&mut self, which: usize, speaks: bool) {
        if let Some(open) = &mut self.envoys[which] {
            open.speaks = speaks;
            if speaks {
                open.envoy.go_on();
            } else {
                open.envoy.pause();
            }
        }
    }

    /// Lets the Envoys that speak answer what they were sent, as far as that is soon.
    async fn let_answer(&self) {
        for _ in 0..20 {
            let nodes = self.control_plane.get("/api/v1/nodes").await.json;
            let is_busy = |node: &Value| {
                let which = ENVOYS.iter().position(|id| node["id"] == *id);
                let speaks = which
                    .and_then(|which| self.envoys[which].as_ref())
                    .is_some_and(|open| open.speaks);
                let pending = |resource: &Value| {
                    resource["state"] == "pending" || resource["state"] == "sent"
                };
                speaks && node["resources"].as_array().unwrap().iter().any(pending)
            };
            if !nodes["nodes"].as_array().unwrap().iter().any(is_busy) {
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    /// Checks what each Envoy was sent and has made of it.
    fn check(&self) {
        for (id, open) in ENVOYS.iter().zip(&self.envoys) {
            let Some(open) = open else {
                continue;
            };
            let mut runs: Option<Document> = None;
            for filter in open.envoy.filters() {
                let document = Document::of(&filter.text);
                assert!(
                    !open.rejected_before.contains(&document.number),
                    "`{id}` was sent {document:?}, which had been rejected when it came"
                );
                if filter.is_rejected {
                    continue;
                }
                if let Some(before) = runs
                    && before.denies
                    && !document.denies
                {
                    assert!(
                        document.number > before.number,
                        "`{id}` was taken back from {before:?} to {document:?}"
                    );
                }
                runs = Some(document);
            }
        }
    }

    /// Checks that the sick Envoy stops nobody: at the latest when it was alone with its opinion of
    /// two changes in a row, a change stands, and every other Envoy runs it.
    async fn check_that_a_good_change_stands(&mut self) {
        for which in 0..ENVOYS.len() {
            self.start(which).await;
        }
        self.let_answer().await;
        let mut outcomes = Vec::new();
        while !outcomes
            .iter()
            .any(|outcome| outcome == "partial" || outcome == "accepted")
        {
            assert!(outcomes.len() < 4, "nothing stands: {outcomes:?}");
            // None of them is silent now: nobody waits for so long.
            outcomes.push(self.write(true, false, "50s").await);
        }
        let expected = Document {
            number: self.written,
            denies: true,
        };
        for open in self.envoys[..SICK].iter().flatten() {
            until(|| async {
                let last = open.envoy.filters().pop();
                last.is_some_and(|last| !last.is_rejected && Document::of(&last.text) == expected)
            })
            .await;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 12,
        max_shrink_iters: 60,
        ..ProptestConfig::default()
    })]

    #[test]
    fn it_keeps_its_promises_to_a_fleet_whatever_happens(events in vec(event(), 1..16)) {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut world = World::new().await;
            for event in events {
                world.take(event).await;
                world.let_answer().await;
                world.check();
            }
            world.check_that_a_good_change_stands().await;
            world.check();
        });
    }
}
