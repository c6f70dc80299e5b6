//! Finds the rules that are right in themselves and yet do nothing: nobody lists their tool, or
//! earlier rules decide everything that they say, or MCP has no such method. So do secrets that
//! nothing names. Rules by `uri` may also leave open what they are meant to close.

use std::collections::BTreeSet;

use mcp_message::KNOWN_METHODS;
use policy_engine::Glob;
use serde::Serialize;

use crate::catalogue::Catalogue;
use crate::check::CheckedDocument;
use crate::check::secrets::uses;
use crate::document::{GatewayDocument, Rule};
use crate::listed::{Knowledge, ListedTools, Unlisted};
use crate::names::{SecretName, ServerName};
use crate::near_names::Spellings;
use crate::parts::Parts;
use crate::patience::Patience;
use crate::problem::Pointer;
use crate::shadowed::shadowed;
use crate::uri_warnings::uri_warnings;

/// A part of a document that has no effect, most likely because a name in it is misspelt, or not
/// all of the effect that was most likely meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// JSON Pointer (RFC 6901) into the document.
    pub path: String,
    /// The name of the rule, where it is one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub rule: String,
    /// The reason of the warning, with what to do about it.
    pub reason: String,
    /// Names of listed tools, of methods, or patterns of URIs that may have been meant, the nearest
    /// first.
    pub near: Vec<String>,
}

/// Finds the rules that name a tool which no server lists, or a method that MCP does not have, then
/// those that earlier rules shadow, those by `uri` that match nothing or leave something open, and
/// then secrets that nothing names, each in the document's order.
#[must_use]
pub fn warnings(document: &CheckedDocument, catalogue: &Catalogue) -> Vec<Warning> {
    warnings_within(document, catalogue, Patience::USUAL)
}

/// Finds them in so many steps for each kind; where these do not suffice, a warning says where they
/// came to their end.
fn warnings_within(
    document: &CheckedDocument,
    catalogue: &Catalogue,
    steps: usize,
) -> Vec<Warning> {
    let root = Pointer::default().at("tools");
    let parts = Parts::of(document);
    let listed = ListedTools::of(&parts, catalogue);
    let mut unlisted = Unlisted::default();
    let mut spellings = Spellings::default();
    let mut patience = Patience::new(steps);
    let mut given_up_at = None;
    let mut warnings: Vec<Warning> = Vec::new();
    for (index, rule) in document.tools.iter().enumerate() {
        let at = root.at(index).at("match");
        if let Some(pattern) = &rule.matches.method {
            warnings.extend(unknown_method(rule, pattern, &at, &mut spellings));
        }
        let Some(pattern) = &rule.matches.tool else {
            continue;
        };
        let elsewhere = match listed.look_for(pattern, rule, &mut patience) {
            Knowledge::Listed => continue,
            Knowledge::Unlisted(elsewhere) => elsewhere,
            Knowledge::Unknown => {
                given_up_at = Some(index);
                break;
            }
        };
        let near = spellings.near_names(pattern, || listed.names_for(rule));
        let unlisted = unlisted.first_for(rule, &listed);
        warnings.push(Warning {
            path: at.at("tool").into_string(),
            rule: rule.name.to_string(),
            reason: reason(pattern, rule, elsewhere, unlisted, &near),
            near,
        });
    }
    let shadowed = shadowed(document, &mut Patience::new(steps));
    warnings.extend(shadowed.found.into_iter().map(|shadowed| {
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
    let uris = uri_warnings(document, &mut Patience::new(steps));
    warnings.extend(uris.found.into_iter().map(|warning| Warning {
        path: root.at(warning.rule).at("match").at("uri").into_string(),
        rule: document.tools[warning.rule].name.to_string(),
        reason: warning.reason,
        near: warning.near.into_iter().collect(),
    }));
    let given_up_at = [given_up_at, shadowed.given_up_at, uris.given_up_at];
    if let Some(index) = given_up_at.into_iter().flatten().min() {
        warnings.push(Warning {
            path: root.at(index).into_string(),
            rule: document.tools[index].name.to_string(),
            reason: "from this rule on nobody has looked whether rules have an effect: the roles \
                     and patterns of those before it take too long to compare; write fewer of them"
                .to_owned(),
            near: Vec::new(),
        });
    }
    warnings.extend(unused_secrets(document));
    warnings
}

/// A rule about a method that no revision of MCP has, and that is spelt like one of those: methods
/// that are like none may be a server's own.
fn unknown_method(
    rule: &Rule,
    pattern: &str,
    at: &Pointer,
    spellings: &mut Spellings,
) -> Option<Warning> {
    let glob = Glob::new(pattern);
    if KNOWN_METHODS.iter().any(|method| glob.matches(method)) {
        return None;
    }
    let near = spellings.near_names(pattern, || KNOWN_METHODS.iter().copied());
    (!near.is_empty()).then(|| Warning {
        path: at.at("method").into_string(),
        rule: rule.name.to_string(),
        reason: format!(
            "no revision of MCP has a method `{pattern}`; did you mean {}?",
            in_words(&near)
        ),
        near,
    })
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

fn reason(
    pattern: &str,
    rule: &Rule,
    elsewhere: Option<&ServerName>,
    unlisted: Option<&ServerName>,
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
