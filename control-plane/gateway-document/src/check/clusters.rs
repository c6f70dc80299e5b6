//! Checks clusters and the places of servers.

use std::collections::BTreeMap;

use super::upstream;
use crate::document::{Endpoint, EndpointUrl, GatewayDocument, Server};
use crate::names::ServerName;
use crate::problem::{Pointer, Problems};

fn check_connections(most: Option<u32>, at: &Pointer, problems: &mut Problems) {
    if !most.is_none_or(|most| (1..=65_536).contains(&most)) {
        problems.add(
            at.at("max_connections"),
            "write a number of connections from 1 to 65536",
        );
    }
}

pub(super) fn check_server(
    name: &ServerName,
    server: &Server,
    at: &Pointer,
    problems: &mut Problems,
) {
    check_connections(server.max_connections, at, problems);
    check_weights(&server.endpoints, &at.at("endpoints"), problems);
    check_tls(server, at, problems);
    let first = server.all_endpoints().next().map(EndpointUrl::authority);
    upstream::check(&server.upstream, first, &at.at("upstream"), problems);
    match (&server.url, server.endpoints.as_slice()) {
        (None, []) => problems.add(
            at.clone(),
            format!("say where `{name}` is: write `url`, or `endpoints`"),
        ),
        (Some(_), [_, ..]) => problems.add(
            at.at("endpoints"),
            "write either `url` or `endpoints`, not both",
        ),
        (Some(_), []) => {}
        (None, [first, rest @ ..]) => {
            for (index, endpoint) in (1..).zip(rest) {
                let (endpoint, first) = (&endpoint.place, &first.place);
                if endpoint.path() != first.path() || endpoint.scheme() != first.scheme() {
                    problems.add(
                        at.at("endpoints").at(index),
                        format!(
                            "all endpoints of a server share scheme and path, here those of \
                            `{first}`"
                        ),
                    );
                }
            }
        }
    }
}

/// The scheme says whether there is TLS; how, where the usual is not enough, `upstream` does.
fn check_tls(server: &Server, at: &Pointer, problems: &mut Problems) {
    let Some(first) = server.all_endpoints().next() else {
        return;
    };
    let is_https = first.scheme() == "https";
    if !is_https && server.upstream.tls.is_some() {
        problems.add(
            at.at("upstream").at("tls"),
            format!("`{first}` is spoken to in the clear; write an `https` URL, or no `tls`"),
        );
    }
    if is_https && server.upstream.tls.is_none() && first.authority().ip().is_some() {
        problems.add(
            at.clone(),
            format!(
                "`{first}` names no host that its certificate could be for; say under \
                 `upstream.tls` whom to believe, and by which `certificate_names`"
            ),
        );
    }
}

pub(super) fn check(document: &GatewayDocument, root: &Pointer, problems: &mut Problems) {
    let at = root.at("clusters");
    let servers = document.servers.keys();
    let mut taken: BTreeMap<&str, (&str, Pointer)> = servers
        .map(|name| (name.as_str(), ("server", root.at("servers").at(name))))
        .collect();
    for (index, cluster) in document.clusters.iter().enumerate() {
        let at = at.at(index);
        let name = cluster.name.as_str();
        if let Some((noun, first)) = taken.get(name) {
            problems.add(
                at.at("name"),
                format!(
                    "there is already a {noun} `{name}`, at `{first}`, and a server implies a \
                     cluster of its name; choose another"
                ),
            );
        } else {
            taken.insert(name, ("cluster", at.at("name")));
        }
        if cluster.endpoints.is_empty() {
            problems.add(
                at.at("endpoints"),
                "write at least one endpoint such as `10.0.0.5:8001`",
            );
        }
        check_weights(&cluster.endpoints, &at.at("endpoints"), problems);
        check_connections(cluster.max_connections, &at, problems);
        let first = cluster.endpoints.first().map(|endpoint| &endpoint.place);
        upstream::check(&cluster.upstream, first, &at.at("upstream"), problems);
    }
}

fn check_weights<P>(endpoints: &[Endpoint<P>], at: &Pointer, problems: &mut Problems) {
    for (index, endpoint) in endpoints.iter().enumerate() {
        if !(1..=65_535).contains(&endpoint.weight) {
            problems.add(
                at.at(index).at("weight"),
                "write a weight from 1 to 65535; `health: draining` keeps new requests away",
            );
        }
    }
}
