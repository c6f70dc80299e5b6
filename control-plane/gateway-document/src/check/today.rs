//! Refuses what the document can say and the product cannot do yet, where it is written: a setting
//! that is silently ignored would be believed.

use crate::document::{CatalogueMode, Dimension, GatewayDocument, Limit, Rule, Server};
use crate::problem::{Pointer, Problems};

pub(super) fn check(document: &GatewayDocument, root: &Pointer, problems: &mut Problems) {
    for (name, server) in &document.servers {
        check_server(server, &root.at("servers").at(name), problems);
    }
    for (index, rule) in document.tools.iter().enumerate() {
        check_rule(rule, &root.at("tools").at(index), problems);
    }
}

fn check_server(server: &Server, at: &Pointer, problems: &mut Problems) {
    if !server.tool_prefix.is_empty() {
        problems.add(
            at.at("tool_prefix"),
            "tools cannot be renamed yet; leave `tool_prefix` out, or write \"\"",
        );
    }
    if server.catalogue == CatalogueMode::PerCaller {
        problems.add(
            at.at("catalogue"),
            "lists cannot differ by caller yet; leave `catalogue` out, or write `shared`",
        );
    }
}

fn check_rule(rule: &Rule, at: &Pointer, problems: &mut Problems) {
    if rule.when.is_some() {
        problems.add(
            at.at("when"),
            "conditions cannot be evaluated yet; leave `when` out, and \
             use `match` and `constraints`",
        );
    }
    for (index, limit) in rule.limits.iter().enumerate() {
        check_limit(limit, &at.at("limits").at(index), problems);
    }
}

fn check_limit(limit: &Limit, at: &Pointer, problems: &mut Problems) {
    for (index, dimension) in limit.per.iter().enumerate() {
        match dimension {
            Dimension::Tool | Dimension::Server | Dimension::Principal => {}
            Dimension::Session | Dimension::Address | Dimension::Header => problems.add(
                at.at("per").at(index),
                format!(
                    "limits cannot count each {} apart yet; write `tool`, `server` or `principal`",
                    dimension.word()
                ),
            ),
        }
    }
}
