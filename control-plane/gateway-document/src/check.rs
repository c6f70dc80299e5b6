//! Checks a document beyond its types: references, uniqueness, and what the product can do today.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt::Display;
use std::ops::Deref;

use crate::document::{GatewayDocument, ModuleHash, ModuleReference, ModuleVersion, Rule, Target};
use crate::names::{ClusterName, Selector};
use crate::parts::Parts;
use crate::problem::{Pointer, Problem, Problems};
use crate::span::Span;

mod access_log;
mod clusters;
mod cors;
mod filters;
mod items;
mod listeners;
mod rollout;
mod routes;
pub(crate) mod secrets;
mod today;
mod upstream;

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

    /// The same document with the hashes of modules in the places of their names and versions.
    ///
    /// # Errors
    /// The reasons that `find` gives, each with its place.
    pub fn with_module_hashes(
        self,
        find: impl Fn(&ModuleVersion) -> Result<ModuleHash, String>,
    ) -> Result<Self, Vec<Problem>> {
        let Self(mut document) = self;
        let root = Pointer::default();
        let mut problems = Problems::default();
        if let Some(version) = document.module.name.take() {
            match find(&version) {
                Ok(hash) => document.module.sha256 = Some(hash),
                Err(reason) => problems.add(root.at("module").at("name"), reason),
            }
        }
        for (index, filter) in document.filters.iter_mut().enumerate() {
            if let Some(ModuleReference::Version(version)) = &filter.module {
                match find(version) {
                    Ok(hash) => filter.module = Some(ModuleReference::Hash(hash)),
                    Err(reason) => {
                        problems.add(root.at("filters").at(index).at("module"), reason);
                    }
                }
            }
        }
        let problems = problems.into_vec();
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
    let parts = Parts::of(document);
    listeners::check(&parts, &root.at("listeners"), &mut problems);
    for (name, server) in &document.servers {
        clusters::check_server(name, server, &root.at("servers").at(name), &mut problems);
    }
    rules(&parts, &root.at("tools"), &mut problems);
    clusters::check(document, &root, &mut problems);
    routes::check(&parts, &root, &mut problems);
    filters::check(&parts, &root.at("filters"), &mut problems);
    if document.module.sha256.is_some() && document.module.name.is_some() {
        problems.add(
            root.at("module").at("name"),
            "write either `sha256` or `name`, not both",
        );
    }
    secrets::check(document, &root, &mut problems);
    rollout::check(&document.rollout, &root.at("rollout"), &mut problems);
    today::check(document, &root, &mut problems);
    problems.into_vec()
}

/// Reports every value after the first that equals an earlier one, with the place of that one.
fn unique<T: Ord + Display>(
    values: impl IntoIterator<Item = (Pointer, T)>,
    noun: &str,
    problems: &mut Problems,
) {
    let mut seen: BTreeMap<T, Pointer> = BTreeMap::new();
    for (at, value) in values {
        match seen.entry(value) {
            Entry::Occupied(first) => problems.add(
                at,
                format!(
                    "there is already a {noun} `{}`, at `{}`; give each its own",
                    first.key(),
                    first.get()
                ),
            ),
            Entry::Vacant(vacant) => {
                vacant.insert(at);
            }
        }
    }
}

fn rules(parts: &Parts<'_>, at: &Pointer, problems: &mut Problems) {
    let names = parts.document.tools.iter().enumerate();
    unique(
        names.map(|(i, rule)| (at.at(i).at("name"), &rule.name)),
        "rule named",
        problems,
    );
    for (index, rule) in parts.document.tools.iter().enumerate() {
        check_rule(parts, rule, &at.at(index), problems);
    }
}

fn check_rule(parts: &Parts<'_>, rule: &Rule, at: &Pointer, problems: &mut Problems) {
    let document = parts.document;
    if let Some(server) = &rule.matches.server
        && !document.servers.contains_key(server)
    {
        problems.add(
            at.at("match").at("server"),
            format!(
                "there is no server `{server}`, so the rule `{}` would match nothing; take the \
                 rule out, or name another server",
                rule.name
            ),
        );
    }
    if let Some(listener) = &rule.matches.listener
        && parts.listener(listener).is_none()
    {
        problems.add(
            at.at("match").at("listener"),
            format!(
                "there is no listener `{listener}`, so the rule `{}` would match nothing; take \
                 the rule out, or name another listener",
                rule.name
            ),
        );
    }
    items::check(rule, at, problems);
    if let Some(roles) = &rule.matches.roles {
        let at = at.at("match").at("roles");
        if roles.is_empty() {
            problems.add(
                at.clone(),
                "it would match nothing; name a role, or leave it out for every caller",
            );
        }
        for (index, name) in roles.iter().enumerate() {
            if !document.roles.contains_key(name) {
                problems.add(
                    at.at(index),
                    format!(
                        "there is no role `{name}`; define it under `roles`, or take its name away \
                         here"
                    ),
                );
            }
        }
    }
    for (index, role) in rule.allow.iter().flatten().enumerate() {
        if let Selector::Named(name) = role
            && !document.roles.contains_key(name)
        {
            problems.add(
                at.at("allow").at(index),
                format!(
                    "there is no role `{name}`; define it under `roles`, write `*` for everyone, \
                     or take its name away here"
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
        check_target(parts, target, &at.at("route"), problems);
    }
}

/// Checks where calls of tools go.
fn check_target(parts: &Parts<'_>, target: &Target, at: &Pointer, problems: &mut Problems) {
    let missing = |name: &ClusterName| {
        format!("there is no cluster `{name}`; add it to `clusters`, or name a server")
    };
    match (&target.cluster, target.weights.is_empty()) {
        (None, true) => problems.add(
            at.clone(),
            "name the `cluster` that calls go to, or several under `weights`",
        ),
        (Some(_), false) => {
            problems.add(at.clone(), "write either `cluster` or `weights`, not both");
        }
        (Some(name), true) if !parts.leads_somewhere(name) => {
            problems.add(at.at("cluster"), missing(name));
        }
        (Some(_), true) => {}
        (None, false) => {
            let at = at.at("weights");
            for name in target.weights.keys() {
                if !parts.leads_somewhere(name) {
                    problems.add(at.at(name), missing(name));
                }
            }
            check_weights(target, at, problems);
        }
    }
}

/// Checks that weights can be chosen by.
fn check_weights(target: &Target, at: Pointer, problems: &mut Problems) {
    let weights = target.weights.values();
    let sum: u64 = weights.map(|weight| u64::from(*weight)).sum();
    if sum == 0 || sum > u64::from(u32::MAX) {
        problems.add(
            at,
            "the weights add up to nothing, or to too much; write 1 to 100",
        );
    }
}
