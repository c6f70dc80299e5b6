//! Finds the rules that are right in themselves and yet do nothing: nobody lists their tool, or
//! earlier rules decide everything that they say. So do secrets that nothing names.

use std::collections::BTreeSet;

use policy_engine::Glob;
use serde::Serialize;

use crate::catalogue::Catalogue;
use crate::check::CheckedDocument;
use crate::check::secrets::uses;
use crate::document::{GatewayDocument, Rule};
use crate::names::{SecretName, ServerName};
use crate::near_names::near_names;
use crate::problem::Pointer;
use crate::shadowed::shadowed;

/// A part of a document that has no effect, most likely because a name in it is misspelt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// JSON Pointer (RFC 6901) into the document.
    pub path: String,
    /// The name of the rule that has no effect, where it is one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub rule: String,
    /// The reason why it has none, with what to do about it.
    pub reason: String,
    /// Names of listed tools that may have been meant, the nearest first.
    pub near: Vec<String>,
}

/// For so many rules near names are looked for; with more, something larger is wrong than a
/// spelling.
const MOST_SPELLINGS: usize = 10;

/// Finds the rules that name a tool which no server lists, then those that earlier rules shadow,
/// and then secrets that nothing names, each in the document's order.
#[must_use]
pub fn warnings(document: &CheckedDocument, catalogue: &Catalogue) -> Vec<Warning> {
    let root = Pointer::default().at("tools");
    let mut warnings: Vec<Warning> = Vec::new();
    for (index, rule) in document.tools.iter().enumerate() {
        let Some(pattern) = &rule.matches.tool else {
            continue;
        };
        let servers = servers_of(document, rule);
        let glob = Glob::new(pattern);
        let lists = |server: &ServerName| {
            let tools = catalogue.get(server);
            tools.is_some_and(|tools| tools.iter().any(|tool| glob.matches(&tool.name)))
        };
        if servers.iter().any(|server| lists(server)) {
            continue;
        }
        let elsewhere = document.servers.keys().find(|server| lists(server));
        let near = if warnings.len() < MOST_SPELLINGS {
            let listed = servers.iter().filter_map(|server| catalogue.get(server));
            near_names(pattern, listed.flatten().map(|tool| tool.name.as_str()))
        } else {
            Vec::new()
        };
        let unlisted = servers
            .iter()
            .find(|server| !catalogue.contains_key(server));
        warnings.push(Warning {
            path: root.at(index).at("match").at("tool").into_string(),
            rule: rule.name.to_string(),
            reason: reason(pattern, rule, elsewhere, unlisted, &near),
            near,
        });
    }
    warnings.extend(shadowed(document).map(|shadowed| {
        let by = &document.tools[shadowed.by].name;
        Warning {
            path: root.at(shadowed.rule).into_string(),
            rule: document.tools[shadowed.rule].name.to_string(),
            reason: format!(
                "rule `{by}`, at `{}`, stands before it and decides for all of its calls what it \
                 would, so the rule has no effect; put it first, or take it out",
                root.at(shadowed.by)
            ),
            near: Vec::new(),
        }
    }));
    warnings.extend(unused_secrets(document));
    warnings
}

fn unused_secrets(document: &GatewayDocument) -> impl Iterator<Item = Warning> {
    let used: BTreeSet<&SecretName> = uses(document).into_iter().map(|used| used.name).collect();
    let unused = document
        .secrets
        .keys()
        .filter(move |name| !used.contains(name));
    unused.map(|name| Warning {
        path: Pointer::default().at("secrets").at(name).into_string(),
        rule: String::new(),
        reason: format!(
            "nothing names the secret `{name}`, so no Envoy is given it; name it, or take it out"
        ),
        near: Vec::new(),
    })
}

/// The servers whose tools a rule may be about.
fn servers_of<'a>(document: &'a GatewayDocument, rule: &Rule) -> Vec<&'a ServerName> {
    let offers = |server: &ServerName| {
        document
            .listeners
            .iter()
            .filter(|listener| {
                let through = rule.matches.listener.as_ref();
                through.is_none_or(|name| *name == listener.name)
            })
            .any(|listener| {
                document
                    .servers_of(listener)
                    .any(|(name, _)| name == server)
            })
    };
    let named = |server: &ServerName| {
        let to = rule.matches.server.as_ref();
        to.is_none_or(|name| name == server)
    };
    document
        .servers
        .keys()
        .filter(|server| named(server) && offers(server))
        .collect()
}

fn reason(
    pattern: &str,
    rule: &Rule,
    elsewhere: Option<&ServerName>,
    unlisted: Option<&&ServerName>,
    near: &[String],
) -> String {
    let who = match (&rule.matches.server, &rule.matches.listener) {
        (Some(server), None) => format!("server `{server}` lists no tool `{pattern}`"),
        (None, Some(listener)) => {
            format!("no server on listener `{listener}` lists a tool `{pattern}`")
        }
        (Some(server), Some(listener)) => {
            format!("server `{server}` offers no tool `{pattern}` on listener `{listener}`")
        }
        (None, None) => format!("no server lists a tool `{pattern}`"),
    };
    let advice = match (near, elsewhere, unlisted) {
        (_, Some(other), _) => format!("server `{other}` does: correct `match`"),
        ([_, ..], None, _) => format!("did you mean {}?", in_words(near)),
        ([], None, Some(server)) => {
            format!("server `{server}` has not been listed yet; it may still do so")
        }
        ([], None, None) => "correct the name, or take the rule out".to_owned(),
    };
    format!("{who}, so the rule has no effect; {advice}")
}

fn in_words(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(" or ")
}
