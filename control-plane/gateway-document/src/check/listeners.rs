//! Checks listeners: what they offer, and whom they let in.

use super::{access_log, cors, unique};
use crate::document::{ClientTimes, Listener, ListenerTls};
use crate::endpoint_path::speaks_mcp;
use crate::names::Selector;
use crate::parts::Parts;
use crate::problem::{Pointer, Problems};

pub(super) fn check(parts: &Parts<'_>, at: &Pointer, problems: &mut Problems) {
    let document = parts.document;
    if document.listeners.is_empty() {
        problems.add(
            at.clone(),
            "a gateway without a listener answers nobody; write at least one",
        );
    }
    let each = || document.listeners.iter().enumerate();
    unique(
        each().map(|(i, l)| (at.at(i).at("name"), &l.name)),
        "listener named",
        problems,
    );
    unique(
        each().map(|(i, l)| (at.at(i).at("address"), l.address)),
        "listener on",
        problems,
    );
    let credentials = access_log::credential_headers(document);
    for (index, listener) in each() {
        let at = at.at(index);
        check_offer(parts, (index, listener), &at, problems);
        check_listener(listener, &at, problems);
        check_health_path(parts, (index, listener), &at, problems);
        if let Some(log) = &listener.access_log {
            access_log::check(&credentials, log, &at.at("access_log"), problems);
        }
        check_origins(listener, &at, problems);
    }
}

/// Checks where a listener offers what; its place comes with it.
fn check_offer(
    parts: &Parts<'_>,
    (index, listener): (usize, &Listener),
    at: &Pointer,
    problems: &mut Problems,
) {
    if listener.address.port() == 0 {
        problems.add(
            at.at("address"),
            "write the port that clients connect to; 0 is none",
        );
    }
    for (place, selector) in listener.servers.iter().enumerate() {
        if let Selector::Named(name) = selector
            && !parts.document.servers.contains_key(name)
        {
            problems.add(
                at.at("servers").at(place),
                format!(
                    "there is no server `{name}`; register it under `servers`, or write one \
                    that is there"
                ),
            );
        }
    }
    if let Some(name) = &listener.event_streams
        && !parts.offers(index, name)
    {
        problems.add(
            at.at("event_streams"),
            format!("the listener offers no server `{name}`; write one that it does"),
        );
    }
    if parts.offered(index).next().is_none() {
        problems.add(
            at.at("servers"),
            "the listener has no server; register one under `servers`, or take the listener out",
        );
    }
}

fn check_listener(listener: &Listener, at: &Pointer, problems: &mut Problems) {
    if listener.allowed_hosts.is_empty() {
        problems.add(
            at.at("allowed_hosts"),
            "no request would pass; list the host names that clients use, or `*`",
        );
    }
    if !(1_024..=67_108_864).contains(&listener.max_body_bytes) {
        problems.add(
            at.at("max_body_bytes"),
            "write a number of bytes from 1024 to 67108864 (64 MiB)",
        );
    }
    if !(8..=policy_engine::MAX_DEPTH).contains(&listener.max_depth) {
        problems.add(
            at.at("max_depth"),
            format!("write a depth from 8 to {}", policy_engine::MAX_DEPTH),
        );
    }
    if listener.idle_timeout.milliseconds() < 100 {
        problems.add(at.at("idle_timeout"), "write a time from `100ms` to `24h`");
    }
    if let Some(tls) = &listener.tls {
        check_tls(tls, &at.at("tls"), problems);
    }
    if listener.max_connections == Some(0) {
        problems.add(
            at.at("max_connections"),
            "nobody could connect; write at least 1, or leave it out",
        );
    }
    check_times(&listener.client_times, &at.at("client_times"), problems);
}

fn check_origins(listener: &Listener, at: &Pointer, problems: &mut Problems) {
    if let Some(mcp) = &listener.cors {
        let origins = &at.at("allowed_origins");
        cors::check_origins(&listener.allowed_origins, origins, problems);
        if mcp.credentials {
            let at = at.at("cors").at("credentials");
            cors::check_credentials(&listener.allowed_origins, at, problems);
        }
    }
}

fn check_tls(tls: &ListenerTls, at: &Pointer, problems: &mut Problems) {
    match (&tls.secret, tls.certificates.as_slice()) {
        (None, []) => problems.add(
            at.at("certificates"),
            "without a certificate nobody can connect; write at least one, or name a `secret`",
        ),
        (Some(_), [_, ..]) => problems.add(
            at.at("certificates"),
            "write either `secret` or `certificates`, not both",
        ),
        _ => {}
    }
    if tls.client_ca_secret.is_some() && tls.client_ca_file.is_some() {
        problems.add(
            at.at("client_ca_file"),
            "write either `client_ca_secret` or `client_ca_file`, not both",
        );
    }
}

fn check_times(times: &ClientTimes, at: &Pointer, problems: &mut Problems) {
    let all = [
        ("request", times.request),
        ("request_headers", times.request_headers),
        ("stream_idle", times.stream_idle),
        ("connection_idle", times.connection_idle),
        ("connection", times.connection),
    ];
    for (name, time) in all {
        if time.is_some_and(|time| time.milliseconds() < 100) {
            problems.add(at.at(name), "write a time from `100ms` to `24h`");
        }
    }
}

/// Envoy answers at this path before the filter sees the request, so that nothing else may be
/// there.
fn check_health_path(
    parts: &Parts<'_>,
    (index, listener): (usize, &Listener),
    at: &Pointer,
    problems: &mut Problems,
) {
    let Some(path) = &listener.health_check_path else {
        return;
    };
    let at = at.at("health_check_path");
    if path.is_root() || speaks_mcp(parts, index, path.as_str()) {
        problems.add(
            at,
            format!("the listener offers MCP, or everything, at `{path}`; write another path"),
        );
    } else if path.as_str() == super::routes::HEALTH_PATH {
        problems.add(
            at,
            "`/health` tells of what is behind the gateway; write another path",
        );
    }
}
