//! Tools that a server lists and that clients cannot call all the same, or not everywhere.

use std::collections::{BTreeMap, BTreeSet};

use policy_engine::wire::FilterConfig;
use serde::Serialize;
use shown_text::{cut, on_one_line};

use crate::catalogue::{Catalogue, ServerCatalogue, ToolFlaw, WithholdingCause};
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

/// How many characters of a reason are told. A reason repeats words of servers: names of properties
/// may have any length and letters.
const MOST_OF_A_REASON: usize = 1_000;
/// How many characters are told of the place in a schema.
pub(super) const MOST_OF_A_PLACE: usize = 300;

/// The tools of each server, by its own names, that the endpoint of all servers together does not
/// offer.
pub(super) type Newcomers = BTreeMap<String, BTreeSet<String>>;

/// The tools of one listener that are withheld, as far as that is known yet.
#[derive(Debug, Default)]
pub(super) struct Withheld(BTreeMap<(String, String), WithheldTool>);

impl Withheld {
    pub(super) fn into_sorted(self) -> Vec<WithheldTool> {
        self.0.into_values().collect()
    }

    fn add(&mut self, server: &str, tool: &str, cause: WithholdingCause, reason: &str) {
        let key = (server.to_owned(), tool.to_owned());
        let withheld = WithheldTool {
            server: server.to_owned(),
            tool: tool.to_owned(),
            cause,
            reason: on_one_line(&cut(reason, MOST_OF_A_REASON)),
        };
        let known = self.0.entry(key).or_insert_with(|| withheld.clone());
        // Of several reasons the one that keeps it from more callers is told, and of equal ones the
        // first: what follows may only be its consequence.
        if cause < known.cause {
            *known = withheld;
        }
    }

    /// Withholds the tools of a server that cannot be called by their definitions.
    pub(super) fn admit(&mut self, server: &ServerName, catalogue: &ServerCatalogue) {
        for (name, ToolFlaw { cause, reason }) in &catalogue.admission().refused {
            self.add(server.as_str(), name, *cause, reason);
        }
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
        if document.servers_of(listener).count() < 2 {
            return Newcomers::new();
        }
        let mut listed: BTreeMap<String, BTreeSet<(u64, &ServerName, &str)>> = BTreeMap::new();
        for (server, registered) in document.servers_of(listener) {
            for tool in catalogue.get(server).iter().flat_map(|tools| tools.iter()) {
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
                self.add(server.as_str(), name, WithholdingCause::NameClash, &reason);
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
        if let Some(entry) = config.servers.get_mut(server) {
            entry.withheld.insert(tool.to_owned());
        }
        self.add(server, tool, WithholdingCause::Definition, reason);
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
