//! Leads from a part of the wire form back to the part of the document, or of the catalogue, that
//! it came from.

use std::collections::BTreeMap;

use super::config::rules_of;
use crate::document::{GatewayDocument, Listener};

/// The part to blame for an error at a path of the wire form.
pub(super) enum Origin<'a> {
    /// The document, at this path.
    Document(String),
    /// The schema with this hash, which a server listed, at this path within it.
    CatalogueSchema { hash: &'a str, rest: &'a str },
    /// A tool that a server listed.
    CatalogueTool { server: String, tool: String },
}

/// How paths of the wire form of one listener lead back.
pub(super) struct Origins {
    listener: usize,
    /// Place in the wire form → place in the document.
    rules: Vec<usize>,
    /// Hash → the rule of the document whose constraints it addresses.
    constraints: BTreeMap<String, usize>,
}

impl Origins {
    pub(super) fn of(document: &GatewayDocument, listener: &Listener) -> Self {
        let constraints = rules_of(document, listener).filter_map(|(index, rule)| {
            Some((rule.constraints.as_ref()?.schema().hash().to_owned(), index))
        });
        Self {
            listener: document
                .listeners
                .iter()
                .position(|other| other == listener)
                .unwrap_or_default(),
            rules: rules_of(document, listener)
                .map(|(index, _)| index)
                .collect(),
            constraints: constraints.collect(),
        }
    }

    pub(super) fn origin<'a>(&self, path: &'a str) -> Origin<'a> {
        let (section, below) = split(path);
        let (key, rest) = split(below);
        match section {
            "rules" => {
                let place = key
                    .parse()
                    .ok()
                    .and_then(|index: usize| self.rules.get(index));
                let index = place.map_or_else(|| key.to_owned(), ToString::to_string);
                let rest = rest
                    .replace("/window_ms", "/window")
                    .replace("/timeout_ms", "/timeout");
                Origin::Document(format!("/tools/{index}{rest}"))
            }
            "schemas" => match self.constraints.get(key) {
                Some(index) => Origin::Document(format!("/tools/{index}/constraints{rest}")),
                None => Origin::CatalogueSchema { hash: key, rest },
            },
            "servers" => match split(rest) {
                ("tools", tool) if !tool.is_empty() => Origin::CatalogueTool {
                    server: key.to_owned(),
                    tool: unescape(split(tool).0),
                },
                _ => Origin::Document(path.to_owned()),
            },
            "roles" | "defaults" => Origin::Document(path.to_owned()),
            "endpoints" => Origin::Document(format!("/listeners/{}/servers", self.listener)),
            _ => Origin::Document(format!("/listeners/{}{path}", self.listener)),
        }
    }
}

/// The first token of a JSON Pointer, and the pointer below it.
fn split(pointer: &str) -> (&str, &str) {
    let pointer = pointer.strip_prefix('/').unwrap_or(pointer);
    pointer
        .find('/')
        .map_or((pointer, ""), |slash| pointer.split_at(slash))
}

fn unescape(token: &str) -> String {
    token.replace("~1", "/").replace("~0", "~")
}
