//! Pairs of documents between which calls go elsewhere.

use super::super::tests::built;
use super::super::{Looser, looser};

/// Two clusters besides the server `data`.
const BOTH: &str = "clusters: [{name: old, endpoints: ['old.example:1']}, {name: new, endpoints: \
                    ['new.example:1']}]\nroles: {a: {claims: {groups: [a]}}}";

fn rules(rules: &str) -> String {
    format!("{BOTH}\ntools: [{rules}]")
}

fn routes(route: &str) -> String {
    format!("{BOTH}\nroutes: [{{name: r, match: {{prefix: /r}}, {route}}}]")
}

fn check(new: &str, old: &str, expected: Looser) {
    let found = looser(&built(new), &built(old));
    assert_eq!(found, expected, "from `{new}` back to `{old}`");
}

#[test]
fn it_tells_a_way_back_apart_on_which_calls_go_elsewhere_and_nothing_else_differs() {
    let split = "{name: r, route: {weights: {old: 90, new: 10}}}";
    for (new, old) in [
        (rules("{name: r, route: {cluster: new}}"), BOTH.to_owned()),
        (
            rules("{name: r, match: {tool: write}, route: {cluster: new}}"),
            rules("{name: q, match: {tool: 'w*'}, route: {cluster: old}}"),
        ),
        (rules(split), BOTH.to_owned()),
        (rules("{name: r, route: {cluster: new}}"), rules(split)),
        (
            rules("{name: r, match: {roles: [a]}, route: {cluster: new}}"),
            BOTH.to_owned(),
        ),
        (
            BOTH.to_owned(),
            rules("{name: r, match: {roles: [a]}, route: {cluster: old}}"),
        ),
        (
            rules("{name: p, match: {prompt: '*'}, route: {cluster: new}}"),
            BOTH.to_owned(),
        ),
        (
            rules("{name: p, match: {uri: 'a:*'}, allow: [a], route: {cluster: new}}"),
            rules("{name: p, match: {uri: 'a:*'}, allow: [a], route: {cluster: old}}"),
        ),
        (
            routes("to: {weights: {old: 1, new: 1}}"),
            routes("to: {cluster: old}"),
        ),
    ] {
        check(&new, &old, Looser::Targets);
    }
    check(&rules(split), &rules(split), Looser::Not);
}

#[test]
fn it_takes_a_way_back_to_other_targets_for_looser_that_allows_more_besides() {
    let closed = rules("{name: r, match: {tool: write}, allow: [], route: {cluster: new}}");
    let limited = "limits: [{id: l, requests: 1, window: 1m}]";
    for (new, old) in [
        (closed, BOTH.to_owned()),
        (
            rules(&format!("{{name: r, {limited}, route: {{cluster: new}}}}")),
            rules("{name: r, route: {cluster: old}}"),
        ),
        (
            rules("{name: r, route: {cluster: new}}"),
            rules("{name: r, validate: off, route: {cluster: old}}"),
        ),
        (
            rules("{name: p, match: {prompt: x}, allow: [a], route: {cluster: new}}"),
            BOTH.to_owned(),
        ),
        (
            routes("to: {cluster: new}"),
            routes("to: {cluster: old}, rewrite: /"),
        ),
        (
            routes("to: {cluster: new}"),
            routes("to: {cluster: old}").replace("prefix", "path"),
        ),
        (BOTH.to_owned(), routes("to: {cluster: old}")),
    ] {
        check(&new, &old, Looser::More);
    }
}

#[test]
fn it_takes_a_way_back_to_a_cluster_for_looser_that_is_not_there_as_it_was() {
    let both = |endpoints: &str| BOTH.replace("['old.example:1']", endpoints);
    let others = [
        BOTH.replace("{name: old, endpoints: ['old.example:1']}, ", ""),
        both("['other.example:1']"),
        both("['old.example:1'], upstream: {tls: {system_ca: true}}"),
    ];
    for (new, old) in [
        ("", "tools: [{name: r, route: {cluster: old}}]"),
        (
            "tools: [{name: r, route: {cluster: new}}]",
            "tools: [{name: r, route: {weights: {old: 1, data: 1}}}]",
        ),
        (
            "",
            "tools: [{name: r, match: {roles: [a]}, route: {cluster: old}}]",
        ),
        (
            "tools: [{name: p, match: {prompt: x}, route: {cluster: new}}]",
            "tools: [{name: p, match: {prompt: x}, route: {cluster: old}}]",
        ),
        (
            "routes: [{name: r, match: {path: /r}, to: {cluster: new}}]",
            "routes: [{name: r, match: {path: /r}, to: {cluster: old}}]",
        ),
    ] {
        let old = format!("{BOTH}\n{old}");
        check(&format!("{BOTH}\n{new}"), &old, Looser::Targets);
        for other in &others {
            check(&format!("{other}\n{new}"), &old, Looser::More);
        }
    }
}

#[test]
fn it_takes_a_way_back_to_a_server_for_looser_that_is_reached_otherwise() {
    let math = |server: &str, rules: &str| {
        format!("  math: {{{server}}}\n{BOTH}\nsecrets: {{s: {{env: S}}}}\ntools: [{rules}]")
    };
    let to_math = "{name: r, route: {cluster: math}}";
    let as_it_was = "url: 'http://math.example/mcp'";
    let check_from = |server: &str, expected| {
        check(&math(server, ""), &math(as_it_was, to_math), expected);
    };
    check_from(
        &format!("{as_it_was}, labels: {{run_by: us}}"),
        Looser::Targets,
    );
    for server in [
        "url: 'http://other.example/mcp'".to_owned(),
        "url: 'https://math.example/mcp'".to_owned(),
        "endpoints: ['http://math.example/mcp', 'http://other.example/mcp']".to_owned(),
        format!("{as_it_was}, credentials: {{secret: s}}"),
        format!("{as_it_was}, upstream: {{balancing: round_robin}}"),
        format!("{as_it_was}, max_connections: 1"),
    ] {
        check_from(&server, Looser::More);
    }
}
