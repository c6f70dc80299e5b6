//! How many Envoys have taken a change, as a bar on the terminal while its author waits.

use std::collections::BTreeSet;
use std::io::{IsTerminal, stderr};
use std::pin::pin;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use crate::answer::items;
use crate::control_plane::ControlPlane;
use crate::events::{Event, Events};

/// The Envoys that have answered the change.
#[derive(Debug, Default)]
struct Tally {
    connected: BTreeSet<String>,
    /// The generation that the change has become.
    generation: Option<String>,
    acknowledged: BTreeSet<String>,
    rejected: BTreeSet<String>,
}

impl Tally {
    fn of(nodes: &Value) -> Self {
        let connected = items(&nodes["nodes"])
            .filter(|node| node["connected"] == true)
            .filter_map(|node| node["id"].as_str().map(str::to_owned));
        Self {
            connected: connected.collect(),
            ..Self::default()
        }
    }

    fn count(&mut self, event: &Event) {
        let node = event.data["node"].as_str().unwrap_or_default().to_owned();
        let generation = event.data["generation"].as_str();
        match event.kind.as_str() {
            "rollout" => self.generation = generation.map(str::to_owned),
            "envoy" if event.data["connected"] == true => _ = self.connected.insert(node),
            "envoy" => _ = self.connected.remove(&node),
            "ack" if generation.is_some() && generation == self.generation.as_deref() => {
                self.acknowledged.insert(node);
            }
            "nack" => _ = self.rejected.insert(node),
            _ => {}
        }
    }

    fn words(&self) -> String {
        match self.rejected.len() {
            0 => "Envoys have acknowledged".to_owned(),
            count => format!("Envoys have acknowledged, {count} rejected it"),
        }
    }
}

/// Waits for a change, and shows meanwhile how many Envoys have taken it, where there is a
/// terminal.
pub(super) async fn while_envoys_answer<T>(
    control_plane: &ControlPlane,
    change: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    if !stderr().is_terminal() {
        return change.await;
    }
    // Whoever cannot be shown the bar is told the outcome all the same.
    let (Ok(mut events), Ok(nodes)) = (
        Events::of(control_plane).await,
        control_plane.get_all("nodes").await,
    ) else {
        return change.await;
    };
    let mut tally = Tally::of(&nodes);
    let bar = ProgressBar::new(tally.connected.len() as u64);
    let style = ProgressStyle::with_template("{bar:30} {pos} of {len} {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_message(tally.words());
    let mut change = pin!(change);
    let outcome = loop {
        tokio::select! {
            biased;
            outcome = &mut change => break outcome,
            Some(event) = events.next() => {
                tally.count(&event);
                bar.set_length(tally.connected.len() as u64);
                bar.set_position(tally.acknowledged.len() as u64);
                bar.set_message(tally.words());
            }
            else => break change.await,
        }
    };
    bar.finish_and_clear();
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn it_counts_the_envoys_that_acknowledge_this_change_and_no_other() {
        let mut tally = Tally::of(&json!({"nodes": [
            {"id": "one", "connected": true}, {"id": "two", "connected": true},
            {"id": "three", "connected": false}]}));
        assert_eq!(tally.connected.len(), 2);
        for (kind, data) in [
            ("ack", json!({"node": "one", "generation": "before"})),
            ("rollout", json!({"generation": "new", "state": "begun"})),
            ("ack", json!({"node": "one", "generation": "new"})),
            ("ack", json!({"node": "one", "generation": "new"})),
            ("ack", json!({"node": "two", "generation": "before"})),
            ("envoy", json!({"node": "three", "connected": true})),
            ("nack", json!({"node": "two"})),
        ] {
            let kind = kind.to_owned();
            tally.count(&Event { kind, data });
        }
        assert_eq!(tally.connected.len(), 3);
        assert_eq!(tally.acknowledged.len(), 1);
        assert_eq!(tally.words(), "Envoys have acknowledged, 1 rejected it");
    }
}
