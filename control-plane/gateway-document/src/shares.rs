//! The parts of a document that are for each listener, found in one look at each of them.

use std::collections::BTreeMap;

use crate::document::{Filter, FilterPlace, GatewayDocument, HttpRoute, Listener, Match, Rule};
use crate::names::{ListenerName, Selector, ServerName};
use crate::parts::Parts;

/// The parts of a document that are for one of its listeners, each kind in the document's order.
#[derive(Debug, Clone)]
pub struct ListenerShare<'a> {
    /// The listener itself, as it is written.
    pub listener: &'a Listener,
    /// Its place in the document.
    pub(crate) place: usize,
    /// The HTTP routes that it offers.
    pub routes: Vec<&'a HttpRoute>,
    /// The rules that may match calls through it, with their places in the document: those about no
    /// other listener, and about no server that it does not offer.
    pub rules: Vec<(usize, &'a Rule)>,
    filters: Vec<&'a Filter>,
}

impl<'a> ListenerShare<'a> {
    /// Its filters that stand at this place.
    pub fn filters(&self, place: FilterPlace) -> impl Iterator<Item = &'a Filter> {
        let filters = self.filters.iter().copied();
        filters.filter(move |filter| filter.place == place)
    }
}

impl GatewayDocument {
    /// Shares the document out to its listeners, in their order. The steps that it takes grow with
    /// what they have together. Of several listeners with one name, which is a
    /// fault, the first has what is for that name.
    #[must_use]
    pub fn shares(&self) -> Vec<ListenerShare<'_>> {
        let parts = Parts::of(self);
        let offering = Offering::of(&parts);
        let listeners = self.listeners.iter().enumerate();
        let mut shares: Vec<ListenerShare<'_>> = listeners
            .map(|(place, listener)| ListenerShare {
                listener,
                place,
                routes: Vec::new(),
                rules: Vec::new(),
                filters: Vec::new(),
            })
            .collect();
        for route in &self.routes {
            for listener in selected(&parts, &route.listeners) {
                shares[listener].routes.push(route);
            }
        }
        for filter in &self.filters {
            for listener in selected(&parts, &filter.listeners) {
                shares[listener].filters.push(filter);
            }
        }
        for (place, rule) in self.tools.iter().enumerate() {
            for listener in matched(&parts, &offering, &rule.matches) {
                shares[listener].rules.push((place, rule));
            }
        }
        shares
    }
}

/// The places of the listeners that are selected, each once.
fn selected(parts: &Parts<'_>, selectors: &[Selector<ListenerName>]) -> Vec<usize> {
    step_count::count(selectors.len());
    if selectors.contains(&Selector::All) {
        return everyone(parts);
    }
    let named = selectors.iter().filter_map(|selector| match selector {
        Selector::All => None,
        Selector::Named(name) => parts.listener(name),
    });
    let mut named: Vec<usize> = named.collect();
    named.sort_unstable();
    named.dedup();
    named
}

/// The places of the listeners through which a call may come that a rule matches.
fn matched(parts: &Parts<'_>, offering: &Offering<'_>, matches: &Match) -> Vec<usize> {
    step_count::count(1);
    match (&matches.listener, &matches.server) {
        (Some(listener), server) => {
            let listener = parts.listener(listener).into_iter();
            let offers = |place: &usize| {
                let server = server.as_ref();
                server.is_none_or(|server| parts.offers(*place, server))
            };
            listener.filter(offers).collect()
        }
        (None, Some(server)) if parts.document.servers.contains_key(server) => {
            offering.listeners(server)
        }
        (None, Some(_)) => Vec::new(),
        (None, None) => everyone(parts),
    }
}

/// The places of all listeners.
fn everyone(parts: &Parts<'_>) -> Vec<usize> {
    let all = 0..parts.document.listeners.len();
    all.inspect(|_| step_count::count(1)).collect()
}

/// The places of the listeners that offer servers.
struct Offering<'a> {
    /// Those that offer every server.
    every: Vec<usize>,
    /// The others, by the servers that they offer.
    by_server: BTreeMap<&'a ServerName, Vec<usize>>,
}

impl<'a> Offering<'a> {
    fn of(parts: &Parts<'a>) -> Self {
        let mut every = Vec::new();
        let mut by_server: BTreeMap<&ServerName, Vec<usize>> = BTreeMap::new();
        for listener in 0..parts.document.listeners.len() {
            step_count::count(1);
            if parts.offers_all(listener) {
                every.push(listener);
                continue;
            }
            for server in parts.offered(listener) {
                step_count::count(1);
                by_server.entry(server).or_default().push(listener);
            }
        }
        Self { every, by_server }
    }

    /// The places of those that offer a server of the document.
    fn listeners(&self, server: &ServerName) -> Vec<usize> {
        let named = self.by_server.get(server).into_iter().flatten();
        let all = self.every.iter().chain(named);
        all.copied().inspect(|_| step_count::count(1)).collect()
    }
}
