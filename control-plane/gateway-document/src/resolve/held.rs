//! Tools that a server lists and that are refused all the same.

use std::collections::{BTreeMap, BTreeSet};

use policy_engine::wire::FilterConfig;
use serde::Serialize;

use crate::catalogue::{Catalogue, SchemaText};
use crate::document::{GatewayDocument, Listener};
use crate::names::{ListenerName, ServerName};

/// A tool that a server lists and that is refused all the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct HeldTool {
    /// The server that lists it.
    pub server: String,
    /// The server's own name of it.
    pub tool: String,
    /// What kind of reason there is.
    pub cause: HoldCause,
    /// Why, and what to do about it.
    pub reason: String,
}

/// Why a tool is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum HoldCause {
    /// Its server's definition of it cannot be offered or checked.
    Definition,
    /// Another server of the listener lists a tool of the same name.
    Collision,
}

/// The tools of each server that may be listed, with their input schemas.
pub(super) type AdmittedTools<'a> =
    BTreeMap<&'a ServerName, BTreeMap<&'a str, Option<&'a SchemaText>>>;

/// The longest tool name that is taken from a list; the specification recommends at most 128.
const LONGEST_NAME: usize = 256;

/// The tools held so far.
#[derive(Debug, Default)]
pub(super) struct Holds(BTreeMap<(String, String), HeldTool>);

impl Holds {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn into_sorted(self) -> Vec<HeldTool> {
        self.0.into_values().collect()
    }

    fn add(&mut self, server: &str, tool: &str, cause: HoldCause, reason: String) {
        let key = (server.to_owned(), tool.to_owned());
        // The first reason stays: what follows may only be its consequence.
        self.0.entry(key).or_insert_with(|| HeldTool {
            server: server.to_owned(),
            tool: tool.to_owned(),
            cause,
            reason,
        });
    }

    /// The listener's tools whose names can be told apart; the others are held.
    pub(super) fn admit<'a>(
        &mut self,
        document: &'a GatewayDocument,
        listener: &'a Listener,
        catalogue: &'a Catalogue,
    ) -> AdmittedTools<'a> {
        let mut admitted = AdmittedTools::new();
        let mut offered: BTreeMap<String, Vec<(&ServerName, &str)>> = BTreeMap::new();
        for (server, registered) in document.servers_of(listener) {
            let mut repeated = BTreeSet::new();
            let tools = admitted.entry(server).or_default();
            for tool in catalogue.get(server).into_iter().flatten() {
                let name = tool.name.as_str();
                let flaw = bad_name(name)
                    .map(str::to_owned)
                    .or_else(|| tool.flaw.clone());
                if let Some(reason) = flaw {
                    self.add(server.as_str(), name, HoldCause::Definition, reason);
                } else if tools.insert(name, tool.input_schema.as_ref()).is_some() {
                    repeated.insert(name);
                }
            }
            for name in repeated {
                tools.remove(name);
                self.add(
                    server.as_str(),
                    name,
                    HoldCause::Definition,
                    "its server lists several tools of this name; have it list one".to_owned(),
                );
            }
            for name in tools.keys() {
                offered
                    .entry(format!("{}{name}", registered.tool_prefix))
                    .or_default()
                    .push((server, name));
            }
        }
        for sharing in offered.values().filter(|sharing| sharing.len() > 1) {
            for (server, name) in sharing {
                let others = sharing.iter().filter(|(other, _)| other != server);
                let others: Vec<String> = others.map(|(other, _)| format!("`{other}`")).collect();
                if let Some(tools) = admitted.get_mut(server) {
                    tools.remove(name);
                }
                self.add(
                    server.as_str(),
                    name,
                    HoldCause::Collision,
                    collision(&listener.name, &others),
                );
            }
        }
        admitted
    }

    /// Takes one tool out of the configuration.
    pub(super) fn hold(
        &mut self,
        config: &mut FilterConfig,
        server: &str,
        tool: &str,
        reason: &str,
    ) {
        if let Some(entry) = config.servers.get_mut(server)
            && entry.tools.remove(tool).is_some()
        {
            self.add(server, tool, HoldCause::Definition, reason.to_owned());
        }
    }

    /// Takes every tool with this input schema out of the configuration, and the schema.
    pub(super) fn hold_schema(&mut self, config: &mut FilterConfig, hash: &str, reason: &str) {
        config.schemas.remove(hash);
        for (server, entry) in &mut config.servers {
            entry.tools.retain(|tool, listed| {
                let keep = listed.input_schema.as_deref() != Some(hash);
                if !keep {
                    self.add(server, tool, HoldCause::Definition, reason.to_owned());
                }
                keep
            });
        }
    }
}

fn collision(listener: &ListenerName, others: &[String]) -> String {
    format!(
        "{} on listener `{listener}` lists a tool of the same name, and a client could not tell them apart; \
         offer the servers on different listeners, or rename the tool",
        others.join(", ")
    )
}

fn bad_name(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        Some("a tool without a name cannot be called; have its server name it")
    } else if name.len() > LONGEST_NAME {
        Some("its name is longer than 256 bytes; have its server shorten it")
    } else if name.contains('*') || name.chars().any(char::is_control) {
        Some(
            "its name contains `*` or a control character, which no rule could match; have its server rename it",
        )
    } else {
        None
    }
}
