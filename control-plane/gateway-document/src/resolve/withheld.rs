//! Tools that a server lists and that clients cannot call all the same, or not everywhere.

use std::collections::{BTreeMap, BTreeSet};

use policy_engine::wire::FilterConfig;
use serde::Serialize;

use crate::catalogue::{Catalogue, SchemaText, ToolFlaw, WithholdingCause};
use crate::document::{GatewayDocument, Listener};
use crate::endpoint_path::{MCP_PATH, server_path};
use crate::names::{ListenerName, ServerName};

/// A tool that a server lists and that clients cannot call all the same, or not everywhere.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct WithheldTool {
    /// The server that lists it.
    pub server: String,
    /// The server's own name of it.
    pub tool: String,
    /// The kind of reason, from which follows where it cannot be called.
    pub cause: WithholdingCause,
    /// The reason in words, with what to do about it.
    pub reason: String,
}

/// The tools of each server that may be called somewhere, with their input schemas.
pub(super) type AdmittedTools<'a> =
    BTreeMap<&'a ServerName, BTreeMap<&'a str, Option<&'a SchemaText>>>;

/// The tools of each server, by its own names, that the endpoint of all servers together does not
/// offer.
pub(super) type Newcomers = BTreeMap<String, BTreeSet<String>>;

/// The longest tool name that is taken from a list; the specification recommends at most 128.
const LONGEST_NAME: usize = 256;

/// The tools of one listener that are withheld, as far as that is known yet.
#[derive(Debug, Default)]
pub(super) struct Withheld(BTreeMap<(String, String), WithheldTool>);

impl Withheld {
    pub(super) fn into_sorted(self) -> Vec<WithheldTool> {
        self.0.into_values().collect()
    }

    fn add(&mut self, server: &str, tool: &str, cause: WithholdingCause, reason: String) {
        let key = (server.to_owned(), tool.to_owned());
        let withheld = WithheldTool {
            server: server.to_owned(),
            tool: tool.to_owned(),
            cause,
            reason,
        };
        let known = self.0.entry(key).or_insert_with(|| withheld.clone());
        // Of several reasons the one that keeps it from more callers is told, and of equal ones the
        // first: what follows may only be its consequence.
        if cause < known.cause {
            *known = withheld;
        }
    }

    /// The listener's tools that can be called somewhere; the others are withheld.
    pub(super) fn admit<'a>(
        &mut self,
        document: &'a GatewayDocument,
        listener: &'a Listener,
        catalogue: &'a Catalogue,
    ) -> AdmittedTools<'a> {
        let mut admitted = AdmittedTools::new();
        for (server, _) in document.servers_of(listener) {
            let mut repeated = BTreeSet::new();
            let tools = admitted.entry(server).or_default();
            for tool in catalogue.get(server).into_iter().flatten() {
                let name = tool.name.as_str();
                let flaw = bad_name(name)
                    .map(|reason| ToolFlaw::definition(reason.to_owned()))
                    .or_else(|| tool.flaw.clone());
                if let Some(ToolFlaw { cause, reason }) = flaw {
                    self.add(server.as_str(), name, cause, reason);
                } else if tools.insert(name, tool.input_schema.as_ref()).is_some() {
                    repeated.insert(name);
                }
            }
            for name in repeated {
                tools.remove(name);
                self.add(
                    server.as_str(),
                    name,
                    WithholdingCause::Definition,
                    "its server lists several tools of this name; have it list one".to_owned(),
                );
            }
        }
        admitted
    }

    /// Decides which server's tool has a name where all servers appear as one: the one that was
    /// listed first. A tool that cannot be called itself keeps its name too, so that no other
    /// server takes over its callers.
    pub(super) fn settle_names(
        &mut self,
        document: &GatewayDocument,
        listener: &Listener,
        catalogue: &Catalogue,
    ) -> Newcomers {
        let mut listed: BTreeMap<String, BTreeSet<(u64, &ServerName, &str)>> = BTreeMap::new();
        for (server, registered) in document.servers_of(listener) {
            for tool in catalogue.get(server).into_iter().flatten() {
                listed
                    .entry(format!("{}{}", registered.tool_prefix, tool.name))
                    .or_default()
                    .insert((tool.listed_since, server, &tool.name));
            }
        }
        let mut newcomers = Newcomers::new();
        for sharing in listed.into_values() {
            let mut sharing = sharing.into_iter();
            let Some((_, first, _)) = sharing.next() else {
                continue;
            };
            for (_, server, name) in sharing.filter(|(_, server, _)| *server != first) {
                newcomers
                    .entry(server.to_string())
                    .or_default()
                    .insert(name.to_owned());
                let reason = name_clash(&listener.name, first, server);
                self.add(server.as_str(), name, WithholdingCause::NameClash, reason);
            }
        }
        newcomers
    }

    /// Takes one tool out of the configuration.
    pub(super) fn withhold(
        &mut self,
        config: &mut FilterConfig,
        server: &str,
        tool: &str,
        reason: &str,
    ) {
        if let Some(entry) = config.servers.get_mut(server)
            && entry.tools.remove(tool).is_some()
        {
            self.add(
                server,
                tool,
                WithholdingCause::Definition,
                reason.to_owned(),
            );
        }
    }

    /// Takes every tool with one of these input schemas out of the configuration, and the schemas;
    /// each by its hash, with what is wrong with it.
    pub(super) fn withhold_schemas(
        &mut self,
        config: &mut FilterConfig,
        schemas: &BTreeMap<String, String>,
    ) {
        if schemas.is_empty() {
            return;
        }
        config.schemas.retain(|hash, _| !schemas.contains_key(hash));
        for (server, entry) in &mut config.servers {
            entry.tools.retain(|tool, listed| {
                step_count::count(1);
                let hash = listed.input_schema.as_ref();
                let reason = hash.and_then(|hash| schemas.get(hash));
                if let Some(reason) = reason {
                    let cause = WithholdingCause::Definition;
                    self.add(server, tool, cause, reason.clone());
                }
                reason.is_none()
            });
        }
    }
}

fn name_clash(listener: &ListenerName, first: &ServerName, server: &ServerName) -> String {
    format!(
        "server `{first}` has listed a tool of the same name for longer, and it keeps the name at \
         `{MCP_PATH}` of listener `{listener}`; call this one at `{}`, rename one of the two, or \
         offer the servers on different listeners",
        server_path(server)
    )
}

fn bad_name(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        Some("a tool without a name cannot be called; have its server name it")
    } else if name.len() > LONGEST_NAME {
        Some("its name is longer than 256 bytes; have its server shorten it")
    } else if name.contains('*') || name.chars().any(char::is_control) {
        Some(
            "its name contains `*` or a control character, which no rule could match; have its \
             server rename it",
        )
    } else {
        None
    }
}
