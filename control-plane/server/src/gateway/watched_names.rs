//! The names for which Envoys' reports are read: the listeners, servers and tools of the
//! generations that Envoys run.

use std::collections::BTreeSet;
use std::sync::Arc;

use envoy_reports::WatchedNames;

use super::Gateway;
use crate::generation::Built;

impl Gateway {
    /// Keeps the numbers of what Envoys run now: of a generation that is being tried, and of the
    /// one before it.
    pub(super) fn watch_traffic(&self) {
        let (current, accepted) = {
            let state = self.read();
            (Arc::clone(&state.current), state.accepted.clone())
        };
        let run = accepted.iter().chain([&current]);
        let names = names(run.map(|built| &**built));
        self.publisher.reports().watch(names);
    }
}

fn names<'a>(generations: impl Iterator<Item = &'a Built>) -> WatchedNames {
    let mut names = WatchedNames::default();
    for built in generations {
        let document = &built.document;
        names.listeners.extend(
            document
                .listeners
                .iter()
                .map(|listener| listener.name.to_string()),
        );
        names
            .servers
            .extend(document.servers.keys().map(ToString::to_string));
        names.servers.extend(
            document
                .clusters
                .iter()
                .map(|cluster| cluster.name.to_string()),
        );
        names
            .owners
            .extend(document.servers.keys().map(ToString::to_string));
        names.tools.extend(tools(built));
    }
    names
}

/// The tools that the filters of a generation know, as server and name.
fn tools(built: &Built) -> BTreeSet<(String, String)> {
    let filters = built.listeners.iter();
    let tools = filters.flat_map(|(_, resolved)| resolved.policy.tool_names());
    tools
        .map(|(_, server, tool)| (server.to_owned(), tool.to_owned()))
        .collect()
}
