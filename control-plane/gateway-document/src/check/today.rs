//! Refuses what the document can say and the product cannot do yet, where it is written: a setting
//! that is silently ignored would be believed.

use crate::document::{
    CatalogueMode, Credentials, Dimension, GatewayDocument, Limit, Rule, Server,
};
use crate::problem::{Pointer, Problems};

pub(super) fn check(document: &GatewayDocument, root: &Pointer, problems: &mut Problems) {
    for (name, server) in &document.servers {
        check_server(server, &root.at("servers").at(name), problems);
    }
    for (index, rule) in document.tools.iter().enumerate() {
        check_rule(rule, &root.at("tools").at(index), problems);
    }
    let sections = [
        (
            "secrets",
            document.secrets.is_empty(),
            "secrets cannot be delivered yet",
        ),
        (
            "filters",
            document.filters.is_empty(),
            "further filters cannot be loaded yet",
        ),
    ];
    for (name, absent, reason) in sections {
        if !absent {
            problems.add(root.at(name), format!("{reason}; leave `{name}` out"));
        }
    }
}

fn check_server(server: &Server, at: &Pointer, problems: &mut Problems) {
    for (index, endpoint) in server.all_endpoints().enumerate() {
        if endpoint.scheme() == "https" {
            let at = if server.url.is_some() {
                at.at("url")
            } else {
                at.at("endpoints").at(index)
            };
            problems.add(
                at,
                "servers cannot be reached by TLS yet; write an `http` URL",
            );
        }
    }
    if server.upstream.tls.is_some() {
        problems.add(
            at.at("upstream").at("tls"),
            "servers cannot be reached by TLS yet; leave `tls` out, or route calls to one of \
             `clusters` that has it",
        );
    }
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
    if let Some(Credentials::Gateways(_)) = server.credentials {
        problems.add(
            at.at("credentials"),
            "secrets cannot be presented to servers yet; leave `credentials` out, or write \
             `passthrough`",
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
    let subjects = [
        ("method", rule.matches.method.is_some()),
        ("uri", rule.matches.uri.is_some()),
        ("prompt", rule.matches.prompt.is_some()),
    ];
    for (name, present) in subjects {
        if present {
            problems.add(
                at.at("match").at(name),
                format!("rules are about tools only, so far; leave `{name}` out"),
            );
        }
    }
    for (index, limit) in rule.limits.iter().enumerate() {
        check_limit(limit, &at.at("limits").at(index), problems);
    }
    if rule
        .route
        .as_ref()
        .is_some_and(|target| !target.weights.is_empty())
    {
        problems.add(
            at.at("route").at("weights"),
            "calls cannot be split by weight yet; write one `cluster`",
        );
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
