//! Checks HTTP routes: that each can take a request, and that none leads past the filter.

use std::collections::BTreeSet;

use super::{check_weights, cors, unique};
use crate::document::{
    Cluster, GatewayDocument, HttpRoute, Listener, RouteMatch, Target, UpstreamAuthority,
};
use crate::endpoint_path::endpoint_paths;
use crate::names::{ClusterName, ListenerName, Selector};
use crate::problem::{Pointer, Problems};

/// Where the gateway answers for itself and what is behind it.
pub(super) const HEALTH_PATH: &str = "/health";
/// Envoy refills no bucket more often.
const SHORTEST_WINDOW_MS: u64 = 50;

pub(super) fn check(document: &GatewayDocument, root: &Pointer, problems: &mut Problems) {
    let at = root.at("routes");
    let names = document.routes.iter().enumerate();
    unique(
        names.map(|(i, route)| (at.at(i).at("name"), &route.name)),
        "route named",
        problems,
    );
    for (index, route) in document.routes.iter().enumerate() {
        let here = at.at(index);
        check_listeners(document, route, &here.at("listeners"), problems);
        check_match(&route.matches, &here.at("match"), problems);
        check_target(document, root, &route.to, &here.at("to"), problems);
        check_treatment(route, &here, problems);
        check_own_paths(document, root, route, &here.at("match"), problems);
        check_precedence(document, &at, index, problems);
    }
}

fn check_listeners(
    document: &GatewayDocument,
    route: &HttpRoute,
    at: &Pointer,
    problems: &mut Problems,
) {
    if route.listeners.is_empty() {
        problems.add(
            at.clone(),
            "no listener would have it; name one, or write `*`",
        );
    }
    for (index, selector) in route.listeners.iter().enumerate() {
        if let Selector::Named(name) = selector
            && document.listener(name).is_none()
        {
            problems.add(
                at.at(index),
                format!("there is no listener `{name}`; write one that is there"),
            );
        }
    }
}

fn check_match(matches: &RouteMatch, at: &Pointer, problems: &mut Problems) {
    let given = [
        matches.path.is_some(),
        matches.prefix.is_some(),
        matches.regex.is_some(),
    ];
    if given.into_iter().filter(|given| *given).count() != 1 {
        problems.add(at.clone(), "write one of `path`, `prefix` and `regex`");
    }
    for (name, value) in &matches.headers {
        if !is_value(value) {
            problems.add(at.at("headers").at(name), NO_VALUE);
        }
    }
    for (name, value) in &matches.query {
        if name.is_empty() || !is_value(name) || !is_value(value) {
            problems.add(at.at("query").at(name), NO_VALUE);
        }
    }
}

const NO_VALUE: &str = "write at most 1024 printable characters, or `*` for any value";

fn is_value(text: &str) -> bool {
    text.len() <= 1_024 && !text.chars().any(char::is_control)
}

fn check_target(
    document: &GatewayDocument,
    root: &Pointer,
    target: &Target,
    at: &Pointer,
    problems: &mut Problems,
) {
    match (&target.cluster, target.weights.is_empty()) {
        (None, true) => problems.add(
            at.clone(),
            "name the `cluster` that requests go to, or several under `weights`",
        ),
        (Some(_), false) => {
            problems.add(at.clone(), "write either `cluster` or `weights`, not both");
        }
        (Some(name), true) => check_cluster(document, root, name, &at.at("cluster"), problems),
        (None, false) => {
            let at = at.at("weights");
            for name in target.weights.keys() {
                check_cluster(document, root, name, &at.at(name), problems);
            }
            check_weights(target, at, problems);
        }
    }
}

/// A server of MCP must not be reached by a route: nobody would read what it is told.
fn check_cluster(
    document: &GatewayDocument,
    root: &Pointer,
    name: &ClusterName,
    at: &Pointer,
    problems: &mut Problems,
) {
    let servers = root.at("servers");
    if document
        .servers
        .keys()
        .any(|server| server.as_str() == name.as_str())
    {
        problems.add(
            at.clone(),
            format!(
                "`{name}` is a server of MCP (`{}`), whose messages would reach it unread; its \
                 clients call `/servers/{name}/mcp`, and routes go to one of `clusters`",
                servers.at(name)
            ),
        );
        return;
    }
    let Some(cluster) = document.cluster(name) else {
        problems.add(
            at.clone(),
            format!("there is no cluster `{name}`; add it to `clusters`"),
        );
        return;
    };
    if let Some(index) = document.tools.iter().position(|rule| {
        let target = rule.route.as_ref();
        target.is_some_and(|target| target.clusters().contains_key(name))
    }) {
        problems.add(
            at.clone(),
            format!(
                "calls of tools go to `{name}` by `{}`, and what comes by this route would reach \
                 it unread; give the route a cluster of its own",
                root.at("tools").at(index).at("route")
            ),
        );
    } else if let Some(server) = server_behind(document, cluster) {
        problems.add(
            at.clone(),
            format!(
                "an endpoint of `{name}` is one of a server of MCP (`{}`), whose messages would \
                 reach it unread; its clients call `/servers/{server}/mcp`",
                servers.at(&server)
            ),
        );
    }
}

fn server_behind(document: &GatewayDocument, cluster: &Cluster) -> Option<String> {
    let behind = |authority: &UpstreamAuthority| {
        let mut endpoints = cluster.endpoints.iter();
        endpoints.any(|endpoint| endpoint.place == *authority)
    };
    let mut servers = document.servers.iter();
    let found = servers.find(|(_, server)| {
        let mut endpoints = server.all_endpoints();
        endpoints.any(|endpoint| behind(endpoint.authority()))
    });
    found.map(|(name, _)| name.to_string())
}

/// Checks how requests are treated on their way.
fn check_treatment(route: &HttpRoute, at: &Pointer, problems: &mut Problems) {
    if route.timeout.is_zero() {
        problems.add(at.at("timeout"), "a time-out lasts at least 1ms");
    }
    if route.rewrite.is_some() && route.matches.regex.is_some() {
        problems.add(
            at.at("rewrite"),
            "it takes the place of a `path` or `prefix`; match by one of them, or leave it out",
        );
    }
    if let Some(retries) = &route.retries {
        let at = at.at("retries");
        if !(1..=10).contains(&retries.attempts) {
            problems.add(at.at("attempts"), "write a number from 1 to 10");
        }
        if retries.on.is_empty() {
            problems.add(
                at.at("on"),
                "nothing would be tried again; leave `retries` out",
            );
        }
        let per_try = retries.per_try_timeout;
        if per_try.is_some_and(|time| time.is_zero() || time > route.timeout) {
            problems.add(
                at.at("per_try_timeout"),
                format!(
                    "write a time from `1ms` to the route's `timeout` of `{}`",
                    route.timeout
                ),
            );
        }
    }
    if let Some(limit) = &route.limit {
        let at = at.at("limit");
        if limit.requests == 0 {
            problems.add(at.at("requests"), "write at least 1");
        }
        if limit.burst == Some(0) {
            problems.add(at.at("burst"), "write at least 1, or leave it out");
        }
        if limit.window.milliseconds() < SHORTEST_WINDOW_MS {
            problems.add(at.at("window"), "write a time from `50ms` to `24h`");
        }
    }
    if let Some(policy) = &route.cors {
        cors::check(policy, &at.at("cors"), problems);
    }
}

/// Reports a route for a path at which the gateway itself answers before it.
fn check_own_paths(
    document: &GatewayDocument,
    root: &Pointer,
    route: &HttpRoute,
    at: &Pointer,
    problems: &mut Problems,
) {
    let Some(path) = &route.matches.path else {
        return;
    };
    let at = at.at("path");
    if path.as_str() == HEALTH_PATH {
        problems.add(
            at,
            "the gateway itself answers at `/health`, before any route; write another path",
        );
        return;
    }
    let same = |own: &str| own.trim_end_matches('/').eq_ignore_ascii_case(path.stem());
    for (index, listener) in offering(document, route) {
        let listener_at = root.at("listeners").at(index);
        if endpoint_paths(document, listener)
            .iter()
            .any(|own| same(own))
        {
            problems.add(
                at,
                format!(
                    "`{path}` is, to some servers, an MCP endpoint of `{listener_at}`, so that no \
                     request comes to this route; write another path"
                ),
            );
            return;
        }
        if listener.health_check_path.as_ref() == Some(path) {
            problems.add(
                at,
                format!(
                    "Envoy itself answers there, by `{}`, so that no request comes to this route; \
                     write another path",
                    listener_at.at("health_check_path")
                ),
            );
            return;
        }
    }
}

/// The listeners that offer a route.
fn offering<'a>(
    document: &'a GatewayDocument,
    route: &'a HttpRoute,
) -> impl Iterator<Item = (usize, &'a Listener)> {
    document
        .listeners
        .iter()
        .enumerate()
        .filter(|(_, listener)| {
            route.listeners.iter().any(|selector| match selector {
                Selector::All => true,
                Selector::Named(name) => *name == listener.name,
            })
        })
}

/// Reports a route to which no request comes, because earlier ones take them all.
fn check_precedence(
    document: &GatewayDocument,
    routes: &Pointer,
    index: usize,
    problems: &mut Problems,
) {
    let route = &document.routes[index];
    let mine = listeners_of(document, route);
    let earlier = document.routes.iter().enumerate().take(index);
    for (other_index, other) in earlier {
        let theirs = listeners_of(document, other);
        if mine.is_empty() || !mine.is_subset(&theirs) || !other.matches.covers(&route.matches) {
            continue;
        }
        let words = if route.matches.covers(&other.matches) {
            "takes the same requests"
        } else {
            "takes these requests, and others"
        };
        problems.add(
            routes.at(index).at("match"),
            format!(
                "no request comes to this route: `{}`, at `{}`, {words}, and stands before it; \
                 put this one first, or change one of the two",
                other.name,
                routes.at(other_index).at("match")
            ),
        );
        return;
    }
}

fn listeners_of<'a>(
    document: &'a GatewayDocument,
    route: &'a HttpRoute,
) -> BTreeSet<&'a ListenerName> {
    offering(document, route)
        .map(|(_, listener)| &listener.name)
        .collect()
}
