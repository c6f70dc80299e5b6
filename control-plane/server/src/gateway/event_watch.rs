//! Turns what is known of the gateway into events: compares what it sees with what it saw before.
//!
//! Level-triggered, so that nothing that changes the gateway has to know of events, and a storm of
//! answers costs one look now and then instead of one for each.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use gateway_document::{ListenerName, SecretName, WithheldTool};
use serde_json::{Value, json};
use store::RevisionNumber;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use xds::{Generation, NodeAnswer, NodeId, NodeSummary, RejectedContent};

use super::Gateway;
use super::notices::configurations;
use super::rollouts::Rollout;
use super::server_state::ServerState;
use super::state::Stage;
use crate::generation::Built;
use crate::secrets::{SecretState, SecretStatus};
use crate::timestamp::timestamp;
use denials::Denials;

mod denials;
mod rollout_steps;

/// The time between two looks. A look walks over the whole fleet: at 3 000 Envoys each of which
/// answers, one for each answer would take the processor from the answers themselves.
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// The revisions that one look tells of; with more, only the newest of them.
const MOST_REVISIONS: u64 = 100;

/// The state of the gateway as one look saw it.
struct Look {
    head: RevisionNumber,
    current: Arc<Built>,
    /// The name of the generation that Envoys accepted last.
    accepted: Option<Generation>,
    stage: Stage,
    /// The revision and the name of the generation that was rejected last.
    rejected: Option<(RevisionNumber, String)>,
    /// Why each server is down, or nothing where it is up.
    servers: BTreeMap<String, Option<String>>,
    /// How each secret is: the version that Envoys are given, and why it is not what its place
    /// holds.
    secrets: BTreeMap<SecretName, SecretStatus>,
    /// The rollout that began last.
    rollout: Option<Rollout>,
    envoys: BTreeMap<NodeId, NodeSummary>,
}

/// Publishes events until `stop` is true, and then ends the streams of those who read them. Begins
/// with what is there when this is called.
pub fn tell_events(
    gateway: Arc<Gateway>,
    mut stop: watch::Receiver<bool>,
) -> impl Future<Output = ()> {
    let mut standings = gateway.publisher.standings();
    let mut written = gateway.written.subscribe();
    let mut seen = Look {
        // Those that could not be read at the start are told.
        secrets: BTreeMap::new(),
        ..Look::at(&gateway)
    };
    written.mark_changed();
    gateway.watch_traffic();
    let mut denied = Denials::of(&gateway.publisher.reports().traffic());
    let mut look_for_denials = tokio::time::interval(denials::BETWEEN_LOOKS);
    look_for_denials.set_missed_tick_behavior(MissedTickBehavior::Delay);
    async move {
        loop {
            tokio::select! {
                _ = look_for_denials.tick() => {
                    let now = Denials::of(&gateway.publisher.reports().traffic());
                    for denial in now.since(&denied) {
                        gateway.events.publish("denial", denial);
                    }
                    denied = now;
                    continue;
                }
                () = standings.changed() => {}
                Ok(()) = written.changed() => {}
                Ok(_) = stop.wait_for(|stop| *stop) => break,
            }
            let now = Look::at(&gateway);
            if !Arc::ptr_eq(&seen.current, &now.current) || seen.accepted != now.accepted {
                gateway.watch_traffic();
            }
            gateway.tell(&seen, &now).await;
            seen = now;
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
        gateway.events.close();
    }
}

impl Look {
    fn at(gateway: &Gateway) -> Self {
        let envoys = gateway.publisher.summaries().into_iter();
        let envoys = envoys.map(|envoy| (envoy.id.clone(), envoy)).collect();
        // Copied out: there may be many servers and secrets, and writers wait for who reads.
        let (desired, attempts) = {
            let state = gateway.read();
            (
                Arc::clone(&state.desired.built),
                Arc::clone(&state.attempts),
            )
        };
        let servers = desired.document.servers.keys();
        let servers = servers.filter_map(|name| match gateway.server_state(&attempts, name) {
            ServerState::Unknown => None,
            ServerState::Up { .. } => Some((name.to_string(), None)),
            ServerState::Down { reason, .. } => Some((name.to_string(), Some(reason))),
        });
        let servers = servers.collect();
        let secrets = desired.document.secrets.iter();
        let secrets = secrets.map(|(name, reference)| {
            let status = gateway.secrets.status(name, reference);
            (name.clone(), status)
        });
        let secrets = secrets.collect();
        let state = gateway.read();
        Self {
            head: state.desired.head,
            current: Arc::clone(&state.current),
            accepted: state
                .accepted
                .as_ref()
                .map(|accepted| accepted.generation().clone()),
            stage: state.stage,
            rejected: state
                .rejection
                .as_ref()
                .map(|rejection| (rejection.revision, rejection.generation.to_string())),
            servers,
            secrets,
            rollout: state.rollouts.iter().next().cloned(),
            envoys,
        }
    }
}

impl Gateway {
    /// Tells what an Envoy rejected. That is told at once: when somebody looks, the Envoy may have
    /// been given something else.
    pub(super) fn tell_rejection(&self, node: &NodeId, rejected: &RejectedContent) {
        let data = json!({
            "node": node.as_str(),
            "type": rejected.resource_type.type_url(),
            "name": &*rejected.name,
            "message": rejected.message.trim(),
        });
        self.events.publish("nack", data);
    }

    async fn tell(&self, before: &Look, now: &Look) {
        self.tell_revisions(before.head, now.head).await;
        for (kind, data) in rollouts(before, now)
            .into_iter()
            .chain(steps(before, now))
            .chain(envoys(before, now))
            .chain(servers(before, now))
            .chain(secrets(before, now))
            .chain(tools(before, now))
        {
            self.events.publish(kind, data);
        }
    }

    async fn tell_revisions(&self, before: RevisionNumber, now: RevisionNumber) {
        let first = (before.0 + 1).max(now.0.saturating_sub(MOST_REVISIONS - 1));
        for number in first..=now.0 {
            let stored = self.store.revision(RevisionNumber(number)).await;
            let mut data = json!({"revision": number});
            match stored {
                Ok(Some(revision)) => {
                    let summary = revision.summary;
                    data["author"] = summary.author.into();
                    data["reason"] = summary.reason.into();
                    data["created_at"] = timestamp(summary.created_at).into();
                }
                Ok(None) => {}
                Err(error) => tracing::error!(%error, number, "the event of a revision is short"),
            }
            self.events.publish("revision", data);
        }
    }
}

type Told = Vec<(&'static str, Value)>;

fn rollouts(before: &Look, now: &Look) -> Told {
    let told = |revision: RevisionNumber, generation: &str, state: &str| {
        let revision = revision.0;
        let data = json!({"revision": revision, "generation": generation, "state": state});
        ("rollout", data)
    };
    let mut all = Told::new();
    if let Some((revision, generation)) = &now.rejected
        && before.rejected != now.rejected
    {
        all.push(told(*revision, generation, "rejected"));
    }
    let is_same = before.current.revision == now.current.revision
        && before.current.generation() == now.current.generation()
        && before.stage == now.stage;
    let state = match now.stage {
        Stage::Open => "begun",
        Stage::Accepted => "accepted",
        Stage::Kept => "kept",
        // It was told as such.
        Stage::Rejected => return all,
    };
    if !is_same {
        let generation = now.current.generation().as_str();
        let (kind, mut data) = told(now.current.revision, generation, state);
        data["configurations"] = json!(configurations(&now.current));
        all.push((kind, data));
    }
    all
}

fn steps(before: &Look, now: &Look) -> Told {
    let steps = rollout_steps::steps(before.rollout.as_ref(), now.rollout.as_ref());
    steps.into_iter().map(|data| ("rollout", data)).collect()
}

fn envoys(before: &Look, now: &Look) -> Told {
    let mut told = Vec::new();
    for (id, envoy) in &now.envoys {
        let old = before.envoys.get(id);
        let is_connected = envoy.streams > 0;
        if old.is_some_and(|old| old.streams > 0) != is_connected {
            told.push((
                "envoy",
                json!({"node": id.as_str(), "connected": is_connected}),
            ));
        }
        if is_connected && has_all(envoy) {
            let had_it = old.is_some_and(|old| has_all(old) && old.desired == envoy.desired);
            if !had_it {
                let generation = envoy.desired.as_ref().map(ToString::to_string);
                told.push((
                    "ack",
                    json!({"node": id.as_str(), "generation": generation}),
                ));
            }
        }
    }
    told
}

fn has_all(envoy: &NodeSummary) -> bool {
    envoy.answer == NodeAnswer::Acknowledged
}

fn servers(before: &Look, now: &Look) -> Told {
    let changed = now.servers.iter().filter_map(|(name, reason)| {
        let old = before.servers.get(name);
        let was_up = old.map(Option::is_none);
        if was_up == Some(reason.is_none()) {
            return None;
        }
        let state = if reason.is_none() { "up" } else { "down" };
        let data = json!({"server": name, "state": state, "reason": reason});
        Some(("server", data))
    });
    changed.collect()
}

/// The news of secrets: one is renewed, or cannot be used. One that is taken up and can
/// be used is told with the change that brings it.
fn secrets(before: &Look, now: &Look) -> Told {
    let changed = now.secrets.iter().filter_map(|(name, status)| {
        let is_news = match before.secrets.get(name) {
            Some(old) => old != status && status.state != SecretState::Unknown,
            None => status.fault.is_some(),
        };
        let data = json!({"secret": name.as_str(), "state": status.state.word(),
            "reason": status.fault});
        is_news.then_some(("secret", data))
    });
    changed.collect()
}

fn tools(before: &Look, now: &Look) -> Told {
    if Arc::ptr_eq(&before.current, &now.current) {
        return Vec::new();
    }
    let old: BTreeSet<_> = before.current.withheld().collect();
    let new: BTreeSet<_> = now.current.withheld().collect();
    let tool = |(listener, withheld): &(&ListenerName, &WithheldTool), state| {
        let data = json!({
            "listener": listener.as_str(),
            "server": withheld.server,
            "tool": withheld.tool,
            "state": state,
            "reason": withheld.reason,
        });
        ("tool", data)
    };
    let withheld = new.difference(&old).map(|one| tool(one, "withheld"));
    let released = old.difference(&new).map(|one| tool(one, "released"));
    withheld.chain(released).collect()
}
