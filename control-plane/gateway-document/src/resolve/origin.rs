//! Leads from a part of the wire form back to the part of the document, or of the catalogue, that
//! it came from.

use std::collections::BTreeMap;

use crate::shares::ListenerShare;

/// The part to blame for an error at a path of the wire form.
pub(super) enum Origin<'a> {
    /// The document, at this path.
    Document(String),
    /// A schema that a server listed, at this path within it.
    CatalogueSchema { rest: &'a str },
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
    pub(super) fn of(share: &ListenerShare<'_>) -> Self {
        let constraints = share.rules.iter().filter_map(|(index, rule)| {
            Some((
                rule.constraints.as_ref()?.schema().hash().to_owned(),
                *index,
            ))
        });
        Self {
            listener: share.place,
            rules: share.rules.iter().map(|(index, _)| *index).collect(),
            constraints: constraints.collect(),
        }
    }

    /// The path of the document to blame for an error that is nothing of the catalogue's.
    pub(super) fn place(&self, path: &str) -> String {
        match self.origin(path) {
            Origin::Document(path) => path,
            Origin::CatalogueSchema { .. } => path.to_owned(),
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
                None => Origin::CatalogueSchema { rest },
            },
            "servers" | "roles" | "defaults" => Origin::Document(path.to_owned()),
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
