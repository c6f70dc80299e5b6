//! Checks filters besides the gateway's own. Whether their modules are there, and whether Envoy's
//! own would take their configuration, is for those to say who know modules and Envoy.

use serde_json::Value;

use super::unique;
use crate::document::Filter;
use crate::names::Selector;
use crate::parts::Parts;
use crate::problem::{Pointer, Problems};

/// The beginning of the names of headers by which the gateway's parts talk to each other.
const OWN_HEADERS: &str = "x-portcullis-";

pub(super) fn check(parts: &Parts<'_>, at: &Pointer, problems: &mut Problems) {
    let document = parts.document;
    let names = document.filters.iter().enumerate();
    unique(
        names.map(|(i, filter)| (at.at(i).at("name"), &filter.name)),
        "filter named",
        problems,
    );
    for (index, filter) in document.filters.iter().enumerate() {
        check_filter(parts, filter, &at.at(index), problems);
    }
}

fn check_filter(parts: &Parts<'_>, filter: &Filter, at: &Pointer, problems: &mut Problems) {
    match (&filter.module, &filter.envoy) {
        (None, None) => problems.add(
            at.clone(),
            "say what it runs: the `module` that was uploaded, or one of Envoy's own as `envoy`",
        ),
        (Some(_), Some(_)) => {
            problems.add(at.at("envoy"), "write either `module` or `envoy`, not both");
        }
        (Some(_), None) => {}
        (None, Some(_)) => {
            let configuration = filter.configuration.as_ref().map(|given| &given.0);
            if !configuration.is_some_and(Value::is_object) {
                problems.add(
                    at.at("configuration"),
                    "a filter of Envoy's is nothing without one; write its message as an object",
                );
            } else if configuration.is_some_and(names_own_header) {
                problems.add(
                    at.at("configuration"),
                    "headers that begin with `x-portcullis-` are the gateway's own, by which a \
                     request would reach a server of MCP unread; leave them out",
                );
            }
        }
    }
    if filter.listeners.is_empty() {
        problems.add(
            at.at("listeners"),
            "no listener would have it; name one, or write `*`",
        );
    }
    for (index, selector) in filter.listeners.iter().enumerate() {
        if let Selector::Named(name) = selector
            && parts.listener(name).is_none()
        {
            problems.add(
                at.at("listeners").at(index),
                format!("there is no listener `{name}`; write one that is there"),
            );
        }
    }
}

fn names_own_header(value: &Value) -> bool {
    let is_own = |text: &str| text.to_ascii_lowercase().contains(OWN_HEADERS);
    match value {
        Value::String(text) => is_own(text),
        Value::Array(items) => items.iter().any(names_own_header),
        Value::Object(fields) => fields
            .iter()
            .any(|(name, value)| is_own(name) || names_own_header(value)),
        _ => false,
    }
}
