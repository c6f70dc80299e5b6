//! Checks listeners: what they offer, and whom they let in.

use super::{access_log, cors, unique};
use crate::document::{ClientTimes, GatewayDocument, Listener, ListenerTls};
use crate::endpoint_path::endpoint_paths;
use crate::names::Selector;
use crate::problem::{Pointer, Problems};

pub(super) fn check(document: &GatewayDocument, at: &Pointer, problems: &mut Problems) {
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
    for (index, listener) in each() {
        check_listener(document, listener, &at.at(index), problems);
    }
}

fn check_listener(
    document: &GatewayDocument,
    listener: &Listener,
    at: &Pointer,
    problems: &mut Problems,
) {
    if listener.address.port() == 0 {
        problems.add(
            at.at("address"),
            "write the port that clients connect to; 0 is none",
        );
    }
    for (index, selector) in listener.servers.iter().enumerate() {
        if let Selector::Named(name) = selector
            && !document.servers.contains_key(name)
        {
            problems.add(
                at.at("servers").at(index),
                format!(
                    "there is no server `{name}`; register it under `servers`, or write one \
                    that is there"
                ),
            );
        }
    }
    if let Some(name) = &listener.event_streams
        && document
            .servers_of(listener)
            .all(|(known, _)| known != name)
    {
        problems.add(
            at.at("event_streams"),
            format!("the listener offers no server `{name}`; write one that it does"),
        );
    }
    if document.servers_of(listener).next().is_none() {
        problems.add(
            at.at("servers"),
            "the listener has no server; register one under `servers`, or take the listener out",
        );
    }
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
    check_health_path(document, listener, at, problems);
    if let Some(log) = &listener.access_log {
        access_log::check(document, log, &at.at("access_log"), problems);
    }
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
    document: &GatewayDocument,
    listener: &Listener,
    at: &Pointer,
    problems: &mut Problems,
) {
    let Some(path) = &listener.health_check_path else {
        return;
    };
    let at = at.at("health_check_path");
    let own = endpoint_paths(document, listener);
    if path.is_root() || own.iter().any(|own| own == path.as_str()) {
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
