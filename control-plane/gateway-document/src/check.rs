//! Checks a document beyond its types: references, uniqueness, and what the product can do today.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::ops::Deref;

use crate::document::{GatewayDocument, Listener, Rule, Server};
use crate::names::{Selector, ServerName};
use crate::problem::{Pointer, Problem, Problems};
use crate::span::Span;

mod rollout;
mod today;

/// A document in which nothing is wrong by itself. Only [`CheckedDocument::new`] makes one, so that
/// whoever is given one need not check it again.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckedDocument(GatewayDocument);

impl CheckedDocument {
    /// Checks a document.
    ///
    /// # Errors
    /// Everything that is wrong with it, in the document's order; never an empty list.
    pub fn new(document: GatewayDocument) -> Result<Self, Vec<Problem>> {
        let problems = find_problems(&document);
        if problems.is_empty() {
            Ok(Self(document))
        } else {
            Err(problems)
        }
    }
}

impl Default for CheckedDocument {
    /// The document in which everything is left out.
    fn default() -> Self {
        Self::new(GatewayDocument::default()).expect("the default document is valid")
    }
}

impl Deref for CheckedDocument {
    type Target = GatewayDocument;
    fn deref(&self) -> &GatewayDocument {
        &self.0
    }
}

fn find_problems(document: &GatewayDocument) -> Vec<Problem> {
    let root = Pointer::default();
    let mut problems = Problems::default();
    listeners(document, &root.at("listeners"), &mut problems);
    for (name, server) in &document.servers {
        check_server(name, server, &root.at("servers").at(name), &mut problems);
    }
    rules(document, &root.at("tools"), &mut problems);
    clusters(document, &root.at("clusters"), &mut problems);
    rollout::check(&document.rollout, &root.at("rollout"), &mut problems);
    today::check(document, &root, &mut problems);
    problems.into_vec()
}

/// Reports every value after the first that equals an earlier one.
fn unique<T: Ord + Display>(
    values: impl IntoIterator<Item = (Pointer, T)>,
    noun: &str,
    problems: &mut Problems,
) {
    let mut seen = BTreeSet::new();
    for (at, value) in values {
        if seen.contains(&value) {
            problems.add(
                at,
                format!("there is already a {noun} `{value}`; give each its own"),
            );
        } else {
            seen.insert(value);
        }
    }
}

fn listeners(document: &GatewayDocument, at: &Pointer, problems: &mut Problems) {
    if document.listeners.is_empty() {
        problems.add(
            at.clone(),
            "a gateway without a listener answers nobody; write at least one",
        );
    }
    let each = || document.listeners.iter().enumerate();
    unique(
        each().map(|(i, l)| (at.at(i).at("name"), &l.name)),
        "listener named",
        problems,
    );
    unique(
        each().map(|(i, l)| (at.at(i).at("address"), l.address)),
        "listener on",
        problems,
    );
    for (index, listener) in each() {
        check_listener(document, listener, &at.at(index), problems);
    }
}

fn check_listener(
    document: &GatewayDocument,
    listener: &Listener,
    at: &Pointer,
    problems: &mut Problems,
) {
    if listener.address.port() == 0 {
        problems.add(
            at.at("address"),
            "write the port that clients connect to; 0 is none",
        );
    }
    for (index, selector) in listener.servers.iter().enumerate() {
        if let Selector::Named(name) = selector
            && !document.servers.contains_key(name)
        {
            problems.add(
                at.at("servers").at(index),
                format!(
                    "there is no server `{name}`; register it under `servers`, or write one \
                    that is there"
                ),
            );
        }
    }
    if let Some(name) = &listener.event_streams
        && document
            .servers_of(listener)
            .all(|(known, _)| known != name)
    {
        problems.add(
            at.at("event_streams"),
            format!("the listener offers no server `{name}`; write one that it does"),
        );
    }
    if document.servers_of(listener).next().is_none() {
        problems.add(
            at.at("servers"),
            "the listener has no server; register one under `servers`, or take the listener out",
        );
    }
    if listener.allowed_hosts.is_empty() {
        problems.add(
            at.at("allowed_hosts"),
            "no request would pass; list the host names that clients use, or `*`",
        );
    }
    if !(1_024..=67_108_864).contains(&listener.max_body_bytes) {
        problems.add(
            at.at("max_body_bytes"),
            "write a number of bytes from 1024 to 67108864 (64 MiB)",
        );
    }
    if !(8..=policy_engine::MAX_DEPTH).contains(&listener.max_depth) {
        problems.add(
            at.at("max_depth"),
            format!("write a depth from 8 to {}", policy_engine::MAX_DEPTH),
        );
    }
    if listener.idle_timeout.milliseconds() < 100 {
        problems.add(at.at("idle_timeout"), "write a time from `100ms` to `24h`");
    }
}

fn check_connections(most: Option<u32>, at: &Pointer, problems: &mut Problems) {
    if !most.is_none_or(|most| (1..=65_536).contains(&most)) {
        problems.add(
            at.at("max_connections"),
            "write a number of connections from 1 to 65536",
        );
    }
}

fn check_server(name: &ServerName, server: &Server, at: &Pointer, problems: &mut Problems) {
    check_connections(server.max_connections, at, problems);
    match (&server.url, server.endpoints.as_slice()) {
        (None, []) => problems.add(
            at.clone(),
            format!("say where `{name}` is: write `url`, or `endpoints`"),
        ),
        (Some(_), [_, ..]) => problems.add(
            at.at("endpoints"),
            "write either `url` or `endpoints`, not both",
        ),
        (Some(_), []) => {}
        (None, [first, rest @ ..]) => {
            for (index, endpoint) in (1..).zip(rest) {
                if endpoint.path() != first.path() || endpoint.scheme() != first.scheme() {
                    problems.add(
                        at.at("endpoints").at(index),
                        format!(
                            "all endpoints of a server share scheme and path, here those of \
                            `{first}`"
                        ),
                    );
                }
            }
        }
    }
}

fn rules(document: &GatewayDocument, at: &Pointer, problems: &mut Problems) {
    let names = document.tools.iter().enumerate();
    unique(
        names.map(|(i, rule)| (at.at(i).at("name"), &rule.name)),
        "rule named",
        problems,
    );
    for (index, rule) in document.tools.iter().enumerate() {
        check_rule(document, rule, &at.at(index), problems);
    }
}

fn check_rule(document: &GatewayDocument, rule: &Rule, at: &Pointer, problems: &mut Problems) {
    if let Some(server) = &rule.matches.server
        && !document.servers.contains_key(server)
    {
        problems.add(
            at.at("match").at("server"),
            format!("there is no server `{server}`; it would match nothing"),
        );
    }
    if let Some(listener) = &rule.matches.listener
        && document.listener(listener).is_none()
    {
        problems.add(
            at.at("match").at("listener"),
            format!("there is no listener `{listener}`; it would match nothing"),
        );
    }
    for (index, role) in rule.allow.iter().flatten().enumerate() {
        if let Selector::Named(name) = role
            && !document.roles.contains_key(name)
        {
            problems.add(
                at.at("allow").at(index),
                format!(
                    "there is no role `{name}`; define it under `roles`, or write `*` for everyone"
                ),
            );
        }
    }
    let ids = rule.limits.iter().enumerate();
    unique(
        ids.map(|(i, limit)| (at.at("limits").at(i).at("id"), limit.effective_id())),
        "limit with the id",
        problems,
    );
    for (index, limit) in rule.limits.iter().enumerate() {
        let at = at.at("limits").at(index);
        if limit.requests == 0 {
            problems.add(
                at.at("requests"),
                "write at least 1; to let no one call, write `allow: []` in the rule",
            );
        }
        if limit.window.is_zero() {
            problems.add(at.at("window"), "a window lasts at least 1ms");
        }
        if limit.burst == Some(0) {
            problems.add(at.at("burst"), "write at least 1, or leave it out");
        }
    }
    // The engine compiles only what a listed tool uses; constraints must be right before the first
    // such tool is listed.
    if let Some(constraints) = &rule.constraints
        && let Err(errors) = policy_engine::compile_schema(constraints.schema().text())
    {
        for error in errors {
            problems.add(at.at("constraints").join(&error.path), error.reason);
        }
    }
    if rule.timeout.is_some_and(Span::is_zero) {
        problems.add(
            at.at("timeout"),
            "a time-out lasts at least 1ms; leave it out for none",
        );
    }
    if let Some(target) = &rule.route {
        match &target.cluster {
            None if target.weights.is_empty() => {
                problems.add(at.at("route"), "name the `cluster` that calls go to");
            }
            Some(name) if !is_cluster(document, name.as_str()) => problems.add(
                at.at("route").at("cluster"),
                format!("there is no cluster `{name}`; add it to `clusters`, or name a server"),
            ),
            _ => {}
        }
    }
}

fn is_cluster(document: &GatewayDocument, name: &str) -> bool {
    document
        .clusters
        .iter()
        .any(|cluster| cluster.name.as_str() == name)
        || document
            .servers
            .keys()
            .any(|server| server.as_str() == name)
}

fn clusters(document: &GatewayDocument, at: &Pointer, problems: &mut Problems) {
    let mut taken: BTreeMap<&str, &str> = document
        .servers
        .keys()
        .map(|name| (name.as_str(), "server"))
        .collect();
    for (index, cluster) in document.clusters.iter().enumerate() {
        if let Some(noun) = taken.insert(cluster.name.as_str(), "cluster") {
            problems.add(
                at.at(index).at("name"),
                format!(
                    "there is already a {noun} `{}`, and a server implies a cluster of its \
                    name; choose another",
                    cluster.name
                ),
            );
        }
        if cluster.endpoints.is_empty() {
            problems.add(
                at.at(index).at("endpoints"),
                "write at least one endpoint such as `10.0.0.5:8001`",
            );
        }
        check_connections(cluster.max_connections, &at.at(index), problems);
    }
}
