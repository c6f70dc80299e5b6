//! Routes for paths at which the gateway itself answers before them.

use std::collections::{BTreeMap, BTreeSet};

use super::HEALTH_PATH;
use crate::document::HttpRoute;
use crate::endpoint_path::{MCP_PATH, is_of_old_pair, server_at};
use crate::names::{Selector, ServerName};
use crate::parts::Parts;
use crate::problem::{Pointer, Problems};
use crate::route_path::RoutePath;

/// The paths at which the gateway itself answers, by the listeners that do.
pub(super) struct OwnPaths<'a> {
    parts: &'a Parts<'a>,
    /// The servers by their names in lower case: to some of them paths are the same in either.
    servers: BTreeMap<String, Vec<&'a ServerName>>,
    first_to_offer: BTreeMap<&'a ServerName, usize>,
    /// The first listener that offers the pairs of HTTP+SSE.
    first_with_old_pairs: Option<usize>,
    /// The first listener at which Envoy itself answers at a path.
    first_healthy: BTreeMap<&'a RoutePath, usize>,
    /// Who answers before those routes that every listener has, by their paths.
    known: BTreeMap<&'a RoutePath, Option<(usize, Answerer)>>,
}

/// Who answers at a path before a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Answerer {
    /// The filter, as MCP.
    Filter,
    /// Envoy, to those who ask whether it is well.
    Envoy,
}

/// The MCP that a path would lead to if a listener offered it.
enum Meaning<'a, 'p> {
    /// All servers as one.
    AllServers,
    /// A part of a pair of HTTP+SSE.
    OldPair,
    /// These servers, each alone.
    Servers(&'p [&'a ServerName]),
}

impl<'a> OwnPaths<'a> {
    pub(super) fn of(parts: &'a Parts<'a>) -> Self {
        let mut servers: BTreeMap<String, Vec<&ServerName>> = BTreeMap::new();
        for name in parts.document.servers.keys() {
            let lower = name.as_str().to_ascii_lowercase();
            servers.entry(lower).or_default().push(name);
        }
        let listeners = &parts.document.listeners;
        let mut first_healthy = BTreeMap::new();
        for (index, listener) in listeners.iter().enumerate() {
            if let Some(path) = &listener.health_check_path {
                first_healthy.entry(path).or_insert(index);
            }
        }
        Self {
            parts,
            servers,
            first_to_offer: parts.first_to_offer(),
            first_with_old_pairs: listeners
                .iter()
                .position(|listener| listener.event_streams.is_some()),
            first_healthy,
            known: BTreeMap::new(),
        }
    }

    /// Reports a route to which no request comes, because the gateway itself answers.
    pub(super) fn check(
        &mut self,
        root: &Pointer,
        route: &'a HttpRoute,
        at: &Pointer,
        problems: &mut Problems,
    ) {
        let Some(path) = &route.matches.path else {
            return;
        };
        let at = at.at("path");
        if path.as_str() == HEALTH_PATH {
            problems.add(
                at,
                "the gateway itself answers at `/health`, before any route; write another path",
            );
            return;
        }
        let found = if route.listeners.contains(&Selector::All) {
            match self.known.get(path) {
                Some(known) => *known,
                None => {
                    let found = self.first_of_all(path);
                    self.known.insert(path, found);
                    found
                }
            }
        } else {
            self.first_of_named(route, path)
        };
        let Some((index, answerer)) = found else {
            return;
        };
        let listener = root.at("listeners").at(index);
        let reason = match answerer {
            Answerer::Filter => format!(
                "`{path}` is, to some servers, an MCP endpoint of `{listener}`, so that no request \
                 comes to this route; write another path"
            ),
            Answerer::Envoy => format!(
                "Envoy itself answers there, by `{}`, so that no request comes to this route; \
                 write another path",
                listener.at("health_check_path")
            ),
        };
        problems.add(at, reason);
    }

    fn meaning(&self, path: &RoutePath) -> Option<Meaning<'a, '_>> {
        let path = path.stem().to_ascii_lowercase();
        if path == MCP_PATH {
            Some(Meaning::AllServers)
        } else if is_of_old_pair(|own| own.trim_end_matches('/') == path) {
            Some(Meaning::OldPair)
        } else {
            let servers = self.servers.get(server_at(&path)?)?;
            Some(Meaning::Servers(servers))
        }
    }

    /// The first listener that answers at a path by itself.
    fn first_of_all(&self, path: &RoutePath) -> Option<(usize, Answerer)> {
        let by_filter = match self.meaning(path) {
            None => None,
            Some(Meaning::AllServers) => (!self.parts.document.listeners.is_empty()).then_some(0),
            Some(Meaning::OldPair) => self.first_with_old_pairs,
            Some(Meaning::Servers(servers)) => {
                step_count::count(servers.len());
                let first = servers
                    .iter()
                    .filter_map(|name| self.first_to_offer.get(name));
                first.min().copied()
            }
        };
        let by_filter = by_filter.map(|index| (index, Answerer::Filter));
        let by_envoy = self
            .first_healthy
            .get(path)
            .map(|index| (*index, Answerer::Envoy));
        by_filter.into_iter().chain(by_envoy).min()
    }

    /// The first of the listeners that a route names that answers at a path by itself.
    fn first_of_named(&self, route: &HttpRoute, path: &RoutePath) -> Option<(usize, Answerer)> {
        let meaning = self.meaning(path);
        let named: BTreeSet<usize> = self.parts.named_by(route).collect();
        named.into_iter().find_map(|index| {
            step_count::count(1);
            let listener = self.parts.document.listeners.get(index)?;
            let is_own = match &meaning {
                None => false,
                Some(Meaning::AllServers) => true,
                Some(Meaning::OldPair) => listener.event_streams.is_some(),
                Some(Meaning::Servers(servers)) => servers.iter().any(|server| {
                    step_count::count(1);
                    self.parts.offers(index, server)
                }),
            };
            if is_own {
                Some((index, Answerer::Filter))
            } else {
                let is_envoys = listener.health_check_path.as_ref() == Some(path);
                is_envoys.then_some((index, Answerer::Envoy))
            }
        })
    }
}
