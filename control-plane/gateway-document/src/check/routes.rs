//! Checks HTTP routes: that each can take a request, and that none leads past the filter.

use super::{check_weights, cors, unique};
use crate::document::{HttpRoute, RouteMatch, Target};
use crate::names::Selector;
use crate::parts::Parts;
use crate::problem::{Pointer, Problems};

mod own_paths;
mod precedence;
mod unread;

use own_paths::OwnPaths;
use precedence::EarlierRoutes;
use unread::ReadServers;

/// Where the gateway answers for itself and what is behind it.
pub(super) const HEALTH_PATH: &str = "/health";
/// Envoy refills no bucket more often.
const SHORTEST_WINDOW_MS: u64 = 50;

pub(super) fn check(parts: &Parts<'_>, root: &Pointer, problems: &mut Problems) {
    let routes = &parts.document.routes;
    let at = root.at("routes");
    let names = routes.iter().enumerate();
    unique(
        names.map(|(i, route)| (at.at(i).at("name"), &route.name)),
        "route named",
        problems,
    );
    let servers = ReadServers::of(parts);
    let mut own_paths = OwnPaths::of(parts);
    let mut earlier = EarlierRoutes::of(parts);
    for (index, route) in routes.iter().enumerate() {
        let here = at.at(index);
        check_listeners(parts, route, &here.at("listeners"), problems);
        check_match(&route.matches, &here.at("match"), problems);
        check_target(&servers, root, &route.to, &here.at("to"), problems);
        check_treatment(route, &here, problems);
        own_paths.check(root, route, &here.at("match"), problems);
        earlier.check(&at, index, problems);
    }
}

fn check_listeners(parts: &Parts<'_>, route: &HttpRoute, at: &Pointer, problems: &mut Problems) {
    if route.listeners.is_empty() {
        problems.add(
            at.clone(),
            "no listener would have it; name one, or write `*`",
        );
    }
    for (index, selector) in route.listeners.iter().enumerate() {
        if let Selector::Named(name) = selector
            && parts.listener(name).is_none()
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
    servers: &ReadServers<'_>,
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
        (Some(name), true) => servers.check(root, name, &at.at("cluster"), problems),
        (None, false) => {
            let at = at.at("weights");
            for name in target.weights.keys() {
                servers.check(root, name, &at.at(name), problems);
            }
            check_weights(target, at, problems);
        }
    }
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
