//! The control plane's answers, brought down to what an operator looks for first. Pure.

use serde::Serialize;
use serde_json::Value;

use crate::answer::{Subject, counted, short, text, to_the_second, words};
use crate::changes::rows::judged;
use crate::table::{Cell, Table, Tone};

mod rollouts;
mod servers;

use rollouts::{Newest, Rollout, in_hand, newest};
use servers::{Review, Server, reviews};

/// The state of the gateway.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Report {
    /// The revision in force.
    revision: u64,
    /// The newest revision that is stored, where it is another one, or is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    newest: Option<Newest>,
    /// The rollout in waves that goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    rollout: Option<Rollout>,
    generation: String,
    envoys: Vec<Envoy>,
    servers: Vec<Server>,
    /// Those that cannot be read.
    secrets: Vec<Secret>,
    withheld: Vec<Withheld>,
    /// Definitions of pinned servers' tools that wait for an operator.
    reviews: Vec<Review>,
    warnings: Vec<Warning>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Envoy {
    id: String,
    /// The control plane's word for where it stands.
    standing: String,
    connected: bool,
    /// The time since when it is connected, or is not.
    since: String,
    /// Whether it runs the generation that everyone is to have.
    in_force: bool,
    /// The time since when it has not answered what it was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    silent_since: Option<String>,
    /// Particulars: what it rejected, say, or that it shares its name.
    notes: Vec<String>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Secret {
    name: String,
    /// `old`, where Envoys have what was there before, or `missing`.
    state: String,
    reason: String,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Withheld {
    server: String,
    tool: String,
    listener: String,
    reason: String,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Warning {
    /// The kind of thing that has no effect: `rule`, or `secret`.
    kind: &'static str,
    name: String,
    reason: String,
}

impl Report {
    /// Reads the answers of `/api/v1/version`, `rollouts` (the newest of them), `nodes`, `servers`,
    /// `tools` and `secrets`.
    pub(super) fn new(
        version: &Value,
        rollouts: &Value,
        nodes: &Value,
        servers: &Value,
        tools: &Value,
        secrets: &Value,
    ) -> Self {
        let withheld: Vec<Withheld> = items(tools, "tools")
            .filter(|tool| tool["state"] == "withheld")
            .map(|tool| Withheld {
                server: text(&tool["server"]),
                tool: text(&tool["tool"]),
                listener: text(&tool["listener"]),
                reason: words(&tool["reason"]),
            })
            .collect();
        let generation = text(&version["generation"]);
        Self {
            newest: newest(version, rollouts),
            rollout: in_hand(rollouts).and_then(Rollout::in_waves),
            revision: version["revision"].as_u64().unwrap_or_default(),
            envoys: items(nodes, "nodes")
                .map(|node| Envoy {
                    id: text(&node["id"]),
                    standing: text(&node["standing"]),
                    connected: node["connected"] == true,
                    since: text(&node["since"]),
                    in_force: node["connected"] == true
                        && node["generation"]["in_force"] == generation.as_str(),
                    silent_since: silence(node).map(|(since, _)| since),
                    notes: notes(node),
                })
                .collect(),
            servers: items(servers, "servers")
                .map(|server| Server::new(server, &withheld))
                .collect(),
            secrets: items(secrets, "secrets")
                .filter_map(|secret| {
                    let status = &secret["status"];
                    Some(Secret {
                        reason: status["reason"].as_str()?.to_owned(),
                        name: text(&secret["name"]),
                        state: text(&status["state"]),
                    })
                })
                .collect(),
            warnings: items(tools, "warnings")
                .map(|warning| {
                    let Subject { kind, name } = Subject::of(warning);
                    let reason = words(&warning["reason"]);
                    Warning { kind, name, reason }
                })
                .collect(),
            withheld,
            reviews: items(servers, "servers").flat_map(reviews).collect(),
            generation,
        }
    }

    /// A row for each thing: its kind, its name, its state, and what there is to say.
    pub(super) fn table(&self) -> Table {
        let mut table = Table::default();
        let (reach, tone) = self.reach();
        let standing = Cell::new(reach, tone);
        let revision = self.revision.to_string();
        let rollout = self.rollout.as_ref().map(Rollout::words);
        let rollout = rollout.unwrap_or_default();
        table.push(["revision".into(), revision.into(), standing, rollout.into()]);
        if let Some(newest) = &self.newest {
            table.push([
                "revision".into(),
                newest.revision.to_string().into(),
                judged(&newest.state),
                newest.reason.as_str().into(),
            ]);
        }
        for envoy in &self.envoys {
            table.push(envoy.row());
        }
        if self.envoys.is_empty() {
            table.push(["envoy".into(), "none has connected yet".into()]);
        }
        for server in &self.servers {
            table.push(server.row());
        }
        for secret in &self.secrets {
            let tone = match secret.state.as_str() {
                "missing" => Tone::Bad,
                _ => Tone::Waiting,
            };
            table.push([
                "secret".into(),
                secret.name.as_str().into(),
                Cell::new(secret.state.as_str(), tone),
                secret.reason.as_str().into(),
            ]);
        }
        for withheld in &self.withheld {
            let (server, listener) = (&withheld.server, &withheld.listener);
            table.push([
                "tool".into(),
                withheld.tool.as_str().into(),
                Cell::new("withheld", Tone::Waiting),
                format!(
                    "of `{server}` on listener `{listener}`: {}",
                    withheld.reason
                )
                .into(),
            ]);
        }
        for review in &self.reviews {
            table.push(review.row());
        }
        for warning in &self.warnings {
            table.push([
                warning.kind.into(),
                warning.name.as_str().into(),
                Cell::new("warning", Tone::Waiting),
                warning.reason.as_str().into(),
            ]);
        }
        table
    }
}

impl Report {
    /// At how many of the Envoys that could run it the revision is in force.
    fn reach(&self) -> (String, Tone) {
        let connected = self.envoys.iter().filter(|envoy| envoy.connected);
        let (all, reached) = connected.fold((0, 0), |(all, reached), envoy| {
            (all + 1, reached + usize::from(envoy.in_force))
        });
        match (all, reached) {
            (0, _) => ("waits for an Envoy".to_owned(), Tone::Waiting),
            _ if all == reached => ("in force".to_owned(), Tone::Good),
            _ => (
                format!("in force at {reached} of {all} connected Envoys"),
                Tone::Waiting,
            ),
        }
    }
}

impl Envoy {
    fn row(&self) -> [Cell; 4] {
        let relation = match self.connected {
            true => "connected since",
            false => "since",
        };
        let notes: String = self.notes.iter().map(|note| format!("; {note}")).collect();
        [
            "envoy".into(),
            self.id.as_str().into(),
            judged(&self.standing),
            format!("{relation} {}{notes}", to_the_second(&self.since)).into(),
        ]
    }
}

/// The particulars of an Envoy: what it rejected, what it crashed on, and whether it shares its
/// name.
fn notes(node: &Value) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some((since, resources)) = silence(node) {
        let since = to_the_second(&since);
        let resources = counted(resources, "resource");
        notes.push(format!("has not answered {resources} since {since}"));
    }
    let rejected = node["rejected"]["revision"].as_u64();
    for resource in items(node, "resources") {
        if let Some(message) = resource["state"]["rejected"]["message"].as_str() {
            let (kind, name) = (text(&resource["type"]), text(&resource["name"]));
            let of = rejected.map(|revision| format!(" of revision {revision}"));
            notes.push(format!(
                "rejected {kind} `{name}`{}: {message}",
                of.unwrap_or_default()
            ));
        }
    }
    if let Some(count) = node["crashes"]["count"].as_u64() {
        let short = short(&node["crashes"]["generation"]);
        let times = counted(count, "time");
        notes.push(format!("came back without generation {short} {times}"));
    }
    if let Some(streams) = node["streams"].as_u64().filter(|streams| *streams > 1) {
        notes.push(format!(
            "{streams} Envoys share this `node.id`; give each its own"
        ));
    }
    notes
}

/// Since when a connected Envoy has not answered something that it was sent, and how many resources
/// that is.
fn silence(node: &Value) -> Option<(String, usize)> {
    // What is pending was not sent yet; `unknown` is what was not answered within the deadline.
    let sent = items(node, "resources")
        .filter(|resource| resource["state"] == "sent" || resource["state"] == "unknown");
    let since = sent.filter_map(|resource| resource["since"].as_str());
    let since: Vec<&str> = since.filter(|_| node["connected"] == true).collect();
    let first = since.iter().min()?;
    Some(((*first).to_owned(), since.len()))
}

fn items<'a>(answer: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    answer[field].as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests;
