//! The parts of a document by name, so that a look at each of thousands that name others takes no
//! look at all of those.

use std::collections::{BTreeMap, BTreeSet};

use crate::document::{Cluster, GatewayDocument, HttpRoute, Listener};
use crate::names::{ClusterName, ListenerName, Selector, ServerName};

/// The parts of a document by name; of several with one name, which is a fault, the first.
pub(crate) struct Parts<'a> {
    pub(crate) document: &'a GatewayDocument,
    listeners: BTreeMap<&'a ListenerName, usize>,
    clusters: BTreeMap<&'a ClusterName, &'a Cluster>,
    /// In the order of the listeners.
    offers: Vec<Offer<'a>>,
}

/// The servers that a listener offers.
struct Offer<'a> {
    has_all: bool,
    /// Those that it names and that are there.
    named: BTreeSet<&'a ServerName>,
}

impl<'a> Parts<'a> {
    pub(crate) fn of(document: &'a GatewayDocument) -> Self {
        let mut listeners = BTreeMap::new();
        for (index, listener) in document.listeners.iter().enumerate() {
            listeners.entry(&listener.name).or_insert(index);
        }
        let mut clusters = BTreeMap::new();
        for cluster in &document.clusters {
            clusters.entry(&cluster.name).or_insert(cluster);
        }
        Self {
            document,
            listeners,
            clusters,
            offers: document
                .listeners
                .iter()
                .map(|listener| Offer::of(document, listener))
                .collect(),
        }
    }

    /// The place of the listener of this name.
    pub(crate) fn listener(&self, name: &ListenerName) -> Option<usize> {
        self.listeners.get(name).copied()
    }

    /// The places of the listeners that a route names and that are there, in its order.
    pub(crate) fn named_by(&self, route: &HttpRoute) -> impl Iterator<Item = usize> {
        let names = route.listeners.iter().filter_map(Selector::name);
        names.filter_map(|name| self.listener(name))
    }

    /// The places of the listeners, by their names.
    pub(crate) fn listeners(&self) -> &BTreeMap<&'a ListenerName, usize> {
        &self.listeners
    }

    /// The cluster of this name, of those that no server implies.
    pub(crate) fn cluster(&self, name: &ClusterName) -> Option<&'a Cluster> {
        self.clusters.get(name).copied()
    }

    /// Whether calls can go to a cluster of this name: one of its own, or a server's.
    pub(crate) fn leads_somewhere(&self, name: &ClusterName) -> bool {
        self.cluster(name).is_some() || self.server(name).is_some()
    }

    /// The server that implies the cluster of this name.
    pub(crate) fn server(&self, name: &ClusterName) -> Option<&'a ServerName> {
        let found = self.document.servers.get_key_value(name.as_str());
        found.map(|(name, _)| name)
    }

    /// Whether the listener at this place offers a server.
    pub(crate) fn offers(&self, listener: usize, server: &ServerName) -> bool {
        self.offers
            .get(listener)
            .is_some_and(|offer| match offer.has_all {
                true => self.document.servers.contains_key(server),
                false => offer.named.contains(server),
            })
    }

    /// Whether the listener at this place offers every server.
    pub(crate) fn offers_all(&self, listener: usize) -> bool {
        let offer = self.offers.get(listener);
        offer.is_some_and(|offer| offer.has_all)
    }

    /// The servers that the listener at this place offers, by name.
    pub(crate) fn offered(&self, listener: usize) -> impl Iterator<Item = &'a ServerName> {
        let offer = self.offers.get(listener);
        let named = offer.filter(|offer| !offer.has_all);
        let all = offer.filter(|offer| offer.has_all);
        let all = all.into_iter().flat_map(|_| self.document.servers.keys());
        all.chain(
            named
                .into_iter()
                .flat_map(|offer| offer.named.iter().copied()),
        )
    }

    /// The first listener that offers each server.
    pub(crate) fn first_to_offer(&self) -> BTreeMap<&'a ServerName, usize> {
        let mut first = BTreeMap::new();
        for (index, offer) in self.offers.iter().enumerate() {
            if offer.has_all {
                for server in self.document.servers.keys() {
                    first.entry(server).or_insert(index);
                }
                break;
            }
            for server in &offer.named {
                first.entry(*server).or_insert(index);
            }
        }
        first
    }
}

impl<'a> Offer<'a> {
    fn of(document: &'a GatewayDocument, listener: &'a Listener) -> Self {
        let named = listener.servers.iter().filter_map(Selector::name);
        let named = named.filter(|name| document.servers.contains_key(*name));
        Self {
            has_all: listener.servers.contains(&Selector::All),
            named: named.collect(),
        }
    }
}
