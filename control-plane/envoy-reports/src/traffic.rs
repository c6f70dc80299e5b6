//! The traffic of all Envoys together, by tool and by server.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use policy_engine::ItemKind;
use policy_engine::statistics::{NO_TOOL, OTHER_TOOLS, kind_labels, listener_label, tool_labels};

use crate::minute::{Count, Counted, Slot};
use crate::statistic::Statistic;
use crate::times::{Distribution, ResponseTimes};

/// How many reasons of refusals are told apart for a tool. The filter has fewer; what else an Envoy
/// may write counts as `other`.
const MOST_REASONS: usize = 32;
/// The longest reason that is told apart, in bytes.
const MOST_REASON_BYTES: usize = 40;

/// The names of which numbers are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WatchedNames {
    /// The listeners that Envoys have.
    pub listeners: BTreeSet<String>,
    /// The clusters behind them.
    pub servers: BTreeSet<String>,
    /// The tools, each as server and name.
    pub tools: BTreeSet<(String, String)>,
    /// The servers of MCP, of whose prompts, resources and methods those are counted that rules are
    /// about.
    pub owners: BTreeSet<String>,
}

/// The traffic of all Envoys together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Traffic {
    /// How many Envoys report at present.
    pub reporting: usize,
    /// The tools, by server and name; then of each server the other kinds of item; at last the
    /// requests that named no tool, and the tools for which an Envoy had no room, both without a
    /// server.
    pub tools: Vec<ToolTraffic>,
    /// The servers, by name.
    pub servers: Vec<ServerTraffic>,
}

/// The traffic of one tool, or of all prompts, resources or other messages of a server that rules
/// are about.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ToolTraffic {
    /// Whether it is a tool.
    pub kind: ItemKind,
    /// The tool's server; empty where there is none.
    pub server: String,
    /// The name that the server gave the tool, empty where it is none; `none` or `others` where
    /// there is no server.
    pub tool: String,
    /// The calls that were decided on.
    pub calls: Count,
    /// The refusals, by reason.
    pub refusals: BTreeMap<String, Count>,
    /// The calls that passed only because validation is in shadow.
    pub shadowed: Count,
}

/// The traffic of one server.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServerTraffic {
    /// The name of the server.
    pub server: String,
    /// The requests to it that are over.
    pub requests: Count,
    /// Those that failed: a status of 500 or above, or no answer.
    pub failures: Count,
    /// How long its answers took in the last minute; nothing where there were none.
    pub times: Option<ResponseTimes>,
}

/// The sums over all Envoys, as they are kept.
#[derive(Debug, Default)]
pub(crate) struct Sums {
    listeners: BTreeSet<String>,
    /// The labels of the listeners.
    configurations: BTreeSet<String>,
    servers: BTreeMap<String, OfServer>,
    /// The place of a tool, by its labels.
    places: HashMap<String, usize>,
    tools: Vec<OfTool>,
}

#[derive(Debug, Default)]
struct OfServer {
    requests: Counted,
    failures: Counted,
    times: Distribution,
}

#[derive(Debug, Default)]
struct OfTool {
    kind: ItemKind,
    server: String,
    tool: String,
    calls: Counted,
    refusals: BTreeMap<String, Counted>,
    shadowed: Counted,
}

impl Sums {
    /// Keeps the numbers of these names from now on, and what is there already of them.
    pub(crate) fn watch(&mut self, names: WatchedNames) {
        self.configurations = names
            .listeners
            .iter()
            .map(|name| listener_label(name))
            .collect();
        self.listeners = names.listeners;
        let mut servers = std::mem::take(&mut self.servers);
        let kept = names.servers.into_iter().map(|name| {
            let sums = servers.remove(&name).unwrap_or_default();
            (name, sums)
        });
        self.servers = kept.collect();
        let mut known: HashMap<(ItemKind, String, String), OfTool> = self
            .tools
            .drain(..)
            .map(|tool| ((tool.kind, tool.server.clone(), tool.tool.clone()), tool))
            .collect();
        self.places.clear();
        let named = names.tools.into_iter().map(|(server, tool)| {
            let labels = tool_labels(&server, &tool);
            (labels, ItemKind::Tool, server, tool)
        });
        let owned = names.owners.iter().flat_map(|server| {
            ItemKind::UNLISTED.map(|kind| {
                (
                    kind_labels(server, kind),
                    kind,
                    server.clone(),
                    String::new(),
                )
            })
        });
        let unnamed = [(NO_TOOL, "none"), (OTHER_TOOLS, "others")].map(|(labels, tool)| {
            (
                labels.to_owned(),
                ItemKind::Tool,
                String::new(),
                tool.to_owned(),
            )
        });
        for (labels, kind, server, tool) in named.chain(owned).chain(unnamed) {
            self.places.insert(labels, self.tools.len());
            let key = (kind, server, tool);
            self.tools
                .push(known.remove(&key).unwrap_or_else(|| OfTool {
                    kind: key.0,
                    server: key.1,
                    tool: key.2,
                    ..OfTool::default()
                }));
        }
    }

    /// Whether the configuration of a listener of this label is watched.
    pub(crate) fn has_configuration(&self, label: &str) -> bool {
        self.configurations.contains(label)
    }

    /// Adds to what is counted of a statistic; tells whether it is watched.
    pub(crate) fn add(&mut self, statistic: Statistic<'_>, amount: u64, now: Slot) -> bool {
        let counted = match statistic {
            Statistic::Requests(listener)
            | Statistic::FailedAnswers(listener)
            | Statistic::Lost(listener) => {
                return self.listeners.contains(listener);
            }
            Statistic::Reloads => return true,
            Statistic::Configuration(_) | Statistic::ServerTimes(_) => return false,
            Statistic::Calls(labels) => self.tool(labels).map(|tool| &mut tool.calls),
            Statistic::Shadowed(labels) => self.tool(labels).map(|tool| &mut tool.shadowed),
            Statistic::Refusals(labels, reason) => {
                self.tool(labels).map(|tool| tool.refused(reason))
            }
            Statistic::ServerRequests(server) => self
                .servers
                .get_mut(server)
                .map(|server| &mut server.requests),
            Statistic::ServerFailures(server) => self
                .servers
                .get_mut(server)
                .map(|server| &mut server.failures),
        };
        match counted {
            Some(counted) => {
                counted.add(amount, now);
                true
            }
            None => false,
        }
    }

    /// Takes in how long a server's answers took.
    pub(crate) fn add_times(&mut self, server: &str, values: &[(f64, u64)], now: Slot) {
        if let Some(server) = self.servers.get_mut(server) {
            server.times.add(values, now);
        }
    }

    pub(crate) fn traffic(&self, reporting: usize, now: Slot) -> Traffic {
        let tools = self.tools.iter().map(|tool| ToolTraffic {
            kind: tool.kind,
            server: tool.server.clone(),
            tool: tool.tool.clone(),
            calls: tool.calls.count(now),
            refusals: tool
                .refusals
                .iter()
                .map(|(reason, counted)| (reason.clone(), counted.count(now)))
                .collect(),
            shadowed: tool.shadowed.count(now),
        });
        let servers = self.servers.iter().map(|(name, server)| ServerTraffic {
            server: name.clone(),
            requests: server.requests.count(now),
            failures: server.failures.count(now),
            times: server.times.times(now),
        });
        Traffic {
            reporting,
            tools: tools.collect(),
            servers: servers.collect(),
        }
    }

    fn tool(&mut self, labels: &str) -> Option<&mut OfTool> {
        let place = *self.places.get(labels)?;
        self.tools.get_mut(place)
    }
}

impl OfTool {
    fn refused(&mut self, reason: &str) -> &mut Counted {
        let is_word = reason.len() <= MOST_REASON_BYTES
            && reason
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        let is_known = self.refusals.contains_key(reason);
        let has_room = self.refusals.len() < MOST_REASONS;
        let reason = if is_known || (is_word && has_room) {
            reason
        } else {
            "other"
        };
        self.refusals.entry(reason.to_owned()).or_default()
    }
}
