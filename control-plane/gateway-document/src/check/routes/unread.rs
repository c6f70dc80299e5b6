//! Whether a route would lead past the filter: a server of MCP must not be reached by one, since
//! nobody would read what it is told.

use std::collections::BTreeMap;

use crate::names::{ClusterName, ServerName};
use crate::parts::Parts;
use crate::problem::{Pointer, Problems};

/// The servers of MCP, by what leads to them.
pub(super) struct ReadServers<'a> {
    parts: &'a Parts<'a>,
    /// The first rule whose calls go to each cluster.
    by_rule: BTreeMap<&'a ClusterName, usize>,
    /// The first server, by name, that has an endpoint of each cluster.
    by_endpoint: BTreeMap<&'a ClusterName, &'a ServerName>,
}

impl<'a> ReadServers<'a> {
    pub(super) fn of(parts: &'a Parts<'a>) -> Self {
        let document = parts.document;
        let mut by_rule = BTreeMap::new();
        for (index, rule) in document.tools.iter().enumerate() {
            for name in rule
                .route
                .iter()
                .flat_map(|target| target.clusters().into_keys())
            {
                step_count::count(1);
                by_rule.entry(name).or_insert(index);
            }
        }
        let mut servers = BTreeMap::new();
        for (name, server) in &document.servers {
            for endpoint in server.all_endpoints() {
                servers.entry(endpoint.authority()).or_insert(name);
            }
        }
        let mut by_endpoint = BTreeMap::new();
        for cluster in &document.clusters {
            step_count::count(cluster.endpoints.len());
            let endpoints = cluster.endpoints.iter();
            let behind = endpoints.filter_map(|endpoint| servers.get(&endpoint.place).copied());
            if let Some(server) = behind.min() {
                by_endpoint.entry(&cluster.name).or_insert(server);
            }
        }
        Self {
            parts,
            by_rule,
            by_endpoint,
        }
    }

    /// Reports a cluster, to which a route leads, that is none or a server of MCP.
    pub(super) fn check(
        &self,
        root: &Pointer,
        name: &ClusterName,
        at: &Pointer,
        problems: &mut Problems,
    ) {
        let servers = root.at("servers");
        let reason = if self.parts.server(name).is_some() {
            format!(
                "`{name}` is a server of MCP (`{}`), whose messages would reach it unread; its \
                 clients call `/servers/{name}/mcp`, and routes go to one of `clusters`",
                servers.at(name)
            )
        } else if self.parts.cluster(name).is_none() {
            format!("there is no cluster `{name}`; add it to `clusters`")
        } else if let Some(rule) = self.by_rule.get(name) {
            format!(
                "calls of tools go to `{name}` by `{}`, and what comes by this route would reach \
                 it unread; give the route a cluster of its own",
                root.at("tools").at(rule).at("route")
            )
        } else if let Some(server) = self.by_endpoint.get(name) {
            format!(
                "an endpoint of `{name}` is one of a server of MCP (`{}`), whose messages would \
                 reach it unread; its clients call `/servers/{server}/mcp`",
                servers.at(server)
            )
        } else {
            return;
        };
        problems.add(at.clone(), reason);
    }
}
