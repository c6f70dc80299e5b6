//! The tools that the servers of a document list, by name.

use std::collections::{BTreeMap, BTreeSet};

use policy_engine::Glob;

use crate::catalogue::Catalogue;
use crate::document::Rule;
use crate::names::{ListenerName, ServerName};
use crate::parts::Parts;
use crate::patience::Patience;

/// The tools that the servers of a document list.
pub(crate) struct ListedTools<'a> {
    parts: &'a Parts<'a>,
    catalogue: &'a Catalogue,
    /// The servers that list each, by name.
    by_name: BTreeMap<&'a str, BTreeSet<&'a ServerName>>,
    /// The servers that some listener offers.
    offered: BTreeSet<&'a ServerName>,
}

/// Whether the tools are listed that a rule is about.
pub(crate) enum Knowledge<'a> {
    /// A server that the rule is about lists one.
    Listed,
    /// None of those does; this one would.
    Unlisted(Option<&'a ServerName>),
    /// It would take too long to say.
    Unknown,
}

impl<'a> ListedTools<'a> {
    pub(crate) fn of(parts: &'a Parts<'a>, catalogue: &'a Catalogue) -> Self {
        let mut by_name: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for server in parts.document.servers.keys() {
            for tool in catalogue.get(server).iter().flat_map(|tools| tools.iter()) {
                by_name
                    .entry(tool.name.as_str())
                    .or_default()
                    .insert(server);
            }
        }
        Self {
            parts,
            catalogue,
            by_name,
            offered: parts.first_to_offer().into_keys().collect(),
        }
    }

    /// Whether a server that a rule is about lists a tool of this pattern, or else which other one
    /// does, the first by name.
    pub(crate) fn look_for(
        &self,
        pattern: &str,
        rule: &Rule,
        patience: &mut Patience,
    ) -> Knowledge<'a> {
        let glob = Glob::new(pattern);
        let beginning = pattern.split('*').next().unwrap_or_default();
        let like = self.by_name.range(beginning..);
        let like = like.take_while(|(name, _)| name.starts_with(beginning));
        let is_one = !pattern.contains('*');
        let mut elsewhere = None;
        for (name, servers) in like {
            if !patience.take(1) {
                return Knowledge::Unknown;
            }
            if glob.matches(name) {
                match self.one_of(servers, rule, patience) {
                    Some(true) => return Knowledge::Listed,
                    Some(false) => {}
                    None => return Knowledge::Unknown,
                }
                let first = servers.first().copied();
                elsewhere = elsewhere.min(first).or(elsewhere).or(first);
            }
            // The name itself is the first of those that begin with it.
            if is_one {
                break;
            }
        }
        Knowledge::Unlisted(elsewhere)
    }

    /// Whether a rule is about one of these servers; nothing if it takes too long to say.
    fn one_of(
        &self,
        servers: &BTreeSet<&ServerName>,
        rule: &Rule,
        patience: &mut Patience,
    ) -> Option<bool> {
        let is_offered = |server: &ServerName| match &rule.matches.listener {
            None => self.offered.contains(server),
            Some(listener) => {
                let listener = self.parts.listener(listener);
                listener.is_some_and(|listener| self.parts.offers(listener, server))
            }
        };
        if let Some(server) = &rule.matches.server {
            return Some(servers.contains(server) && is_offered(server));
        }
        for server in servers {
            if !patience.take(1) {
                return None;
            }
            if is_offered(server) {
                return Some(true);
            }
        }
        Some(false)
    }

    /// The servers that a rule is about, by name.
    fn servers_of(&self, rule: &Rule) -> Vec<&'a ServerName> {
        let listener = rule.matches.listener.as_ref();
        let offered = match listener.map(|listener| self.parts.listener(listener)) {
            None => self.offered.clone(),
            Some(None) => BTreeSet::new(),
            Some(Some(listener)) => self.parts.offered(listener).collect(),
        };
        let named = rule.matches.server.as_ref();
        let named = |server: &&ServerName| named.is_none_or(|named| named == *server);
        offered.into_iter().filter(named).collect()
    }

    /// The names of the tools that the servers of a rule list.
    pub(crate) fn names_for(&self, rule: &Rule) -> impl Iterator<Item = &'a str> {
        let servers = self.servers_of(rule).into_iter();
        let lists = servers.filter_map(|server| self.catalogue.get(server));
        lists.flat_map(|tools| tools.iter().map(|tool| tool.name.as_str()))
    }
}

/// The first servers that have not been listed yet, of those that rules are about.
#[derive(Default)]
pub(crate) struct Unlisted<'a>(BTreeMap<Option<&'a ListenerName>, Option<&'a ServerName>>);

impl<'a> Unlisted<'a> {
    /// The first of the servers of a rule that has not been listed yet.
    pub(crate) fn first_for(
        &mut self,
        rule: &'a Rule,
        listed: &ListedTools<'a>,
    ) -> Option<&'a ServerName> {
        let find = || {
            let mut servers = listed.servers_of(rule).into_iter();
            servers.find(|server| !listed.catalogue.contains_key(*server))
        };
        match &rule.matches.server {
            Some(server) => {
                let is_listed = listed.catalogue.contains_key(server);
                let is_about =
                    listed.one_of(&BTreeSet::from([server]), rule, &mut Patience::new(1));
                (!is_listed && is_about == Some(true)).then_some(server)
            }
            None => *self
                .0
                .entry(rule.matches.listener.as_ref())
                .or_insert_with(find),
        }
    }
}
