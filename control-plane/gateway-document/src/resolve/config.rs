//! The wire form of what a document says about one listener.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use policy_engine::ToolList;
use policy_engine::wire::{self, Exchange, FilterConfig};
use serde_json::value::RawValue;

use super::withheld::Newcomers;
use crate::document::{
    Access, Credentials, Dimension, GatewayDocument, Limit, Listener, Match, Rule, Validate,
};
use crate::endpoint_path::{MCP_PATH, OLD_PAIRS, server_path};
use crate::names::ServerName;
use crate::shares::ListenerShare;
use crate::span::Span;

/// The tools of each server that may be called somewhere.
pub(super) type Lists<'a> = BTreeMap<&'a ServerName, Arc<ToolList>>;

pub(super) fn config(
    document: &GatewayDocument,
    share: &ListenerShare<'_>,
    lists: &Lists<'_>,
    newcomers: Newcomers,
) -> FilterConfig {
    let listener = share.listener;
    let mut schemas: BTreeMap<String, Box<RawValue>> = BTreeMap::new();
    let rules = share.rules.iter();
    let rules = rules
        .map(|(_, rule)| {
            let constraints = rule.constraints.as_ref().map(|constraints| {
                let schema = constraints.schema();
                let hash = schema.hash().to_owned();
                schemas
                    .entry(hash.clone())
                    .or_insert_with(|| schema.text().to_owned());
                hash
            });
            wire_rule(rule, constraints)
        })
        .collect();
    FilterConfig {
        version: wire::VERSION,
        listener: listener.name.to_string(),
        allowed_hosts: listener.allowed_hosts.clone(),
        allowed_origins: listener.allowed_origins.clone(),
        max_body_bytes: listener.max_body_bytes.into(),
        max_depth: listener.max_depth,
        endpoints: endpoints(document, listener, newcomers),
        servers: servers(document, listener, lists),
        defaults: wire::Defaults {
            access: match document.defaults.access {
                Access::Allow => wire::Access::Allow,
                Access::Deny => wire::Access::Deny,
            },
            validate: wire_validate(document.defaults.validate),
        },
        roles: document
            .roles
            .iter()
            .map(|(name, role)| {
                (
                    name.to_string(),
                    wire::Role {
                        claims: role.claims.clone(),
                    },
                )
            })
            .collect(),
        rules,
        schemas,
        access_log: listener
            .access_log
            .iter()
            .flat_map(|log| log.details.iter().copied().map(Into::into))
            .collect(),
    }
}

fn endpoints(
    document: &GatewayDocument,
    listener: &Listener,
    newcomers: Newcomers,
) -> Vec<wire::Endpoint> {
    let names: Vec<&ServerName> = document
        .servers_of(listener)
        .map(|(name, _)| name)
        .collect();
    let together = forward(&names).map(|forward| wire::Endpoint {
        path: MCP_PATH.to_owned(),
        servers: names.iter().map(ToString::to_string).collect(),
        forward,
        exchange: Exchange::Streamable,
        withheld: newcomers,
    });
    let alone = names
        .iter()
        .map(|name| endpoint_of(name, server_path(name), Exchange::Streamable));
    let old_pairs = listener.event_streams.iter().flat_map(|name| {
        OLD_PAIRS.iter().flat_map(move |(stream, messages)| {
            [
                (stream, Exchange::EventStream),
                (messages, Exchange::Messages),
            ]
            .map(|(path, exchange)| endpoint_of(name, (*path).to_owned(), exchange))
        })
    });
    together.into_iter().chain(alone).chain(old_pairs).collect()
}

/// An endpoint of one server alone.
fn endpoint_of(server: &ServerName, path: String, exchange: Exchange) -> wire::Endpoint {
    wire::Endpoint {
        path,
        servers: vec![server.to_string()],
        forward: server.to_string(),
        exchange,
        withheld: Newcomers::new(),
    }
}

/// Which of several servers gets what is not a tool call: the built-in one if it is among them, or
/// else the first.
fn forward(names: &[&ServerName]) -> Option<String> {
    let built_in = names.iter().find(|name| name.as_str() == "data");
    built_in.or_else(|| names.first()).map(ToString::to_string)
}

fn servers(
    document: &GatewayDocument,
    listener: &Listener,
    lists: &Lists<'_>,
) -> BTreeMap<String, wire::Server> {
    document
        .servers_of(listener)
        .map(|(name, server)| {
            let path = server
                .all_endpoints()
                .next()
                .map_or(MCP_PATH, |endpoint| endpoint.path());
            let wire = wire::Server {
                cluster: name.to_string(),
                path: path.to_owned(),
                tool_prefix: server.tool_prefix.clone(),
                credentials: match server.credentials {
                    Some(Credentials::Callers(_)) => wire::Credentials::Passthrough,
                    Some(Credentials::Gateways(_)) | None => wire::Credentials::Home,
                },
                tools: BTreeMap::new(),
                list: lists.get(name).map(|list| Arc::clone(list).into()),
                withheld: BTreeSet::new(),
            };
            (name.to_string(), wire)
        })
        .collect()
}

/// The resolved form of a rule, with the hash of its constraints.
fn wire_rule(rule: &Rule, constraints: Option<String>) -> wire::Rule {
    let Rule {
        name,
        matches,
        allow,
        // Refused: nothing evaluates it yet.
        when: _,
        limits,
        validate,
        constraints: _,
        timeout,
        route,
    } = rule;
    let Match {
        listener: _,
        server,
        tool,
        prompt,
        uri,
        method,
        roles,
    } = matches;
    let cluster = route.as_ref().map(|target| match &target.cluster {
        Some(name) => name.to_string(),
        None => rule.split(),
    });
    wire::Rule {
        name: name.to_string(),
        matches: wire::Match {
            server: server.as_ref().map(ToString::to_string),
            tool: tool.clone(),
            prompt: prompt.clone(),
            uri: uri.clone(),
            method: method.clone(),
            roles: roles
                .as_ref()
                .map(|roles| roles.iter().map(ToString::to_string).collect()),
        },
        allow: allow
            .as_ref()
            .map(|roles| roles.iter().cloned().map(String::from).collect()),
        limits: limits.iter().map(wire_limit).collect(),
        validate: validate.map(wire_validate),
        constraints,
        timeout_ms: timeout.map(Span::milliseconds),
        route: cluster.map(|cluster| wire::Route { cluster }),
    }
}

fn wire_limit(limit: &Limit) -> wire::Limit {
    wire::Limit {
        id: limit.effective_id(),
        per: limit
            .per
            .iter()
            .copied()
            .map(Dimension::word)
            .map(str::to_owned)
            .collect(),
        requests: limit.requests.into(),
        window_ms: limit.window.milliseconds(),
        burst: limit.burst.map(u64::from),
    }
}

fn wire_validate(validate: Validate) -> wire::Validate {
    match validate {
        Validate::Enforce => wire::Validate::Enforce,
        Validate::Shadow => wire::Validate::Shadow,
        Validate::Off => wire::Validate::Off,
    }
}
