//! Every way in which a document that parses is refused: all at once, each at its place, each with
//! what to do.

use gateway_document::{CheckedDocument, Format, parse};

/// Every path that is refused, in order, each with a part of the reason.
fn refused(yaml: &str, expected: &[(&str, &str)]) {
    let document = parse(yaml, Format::Yaml).unwrap();
    let problems = CheckedDocument::new(document).err().unwrap_or_default();
    let found: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(problems.len(), expected.len(), "{found:#?}");
    for (problem, (path, reason)) in problems.iter().zip(expected) {
        assert_eq!(problem.path, *path, "{found:#?}");
        assert!(
            problem.reason.contains(reason),
            "`{problem}` does not say `{reason}`"
        );
    }
}

#[test]
fn it_reports_every_dangling_name_at_once() {
    refused(
        "
listeners:
  - {name: mcp, address: 127.0.0.1:10000, servers: [data, gone], event_streams: gone}
tools:
  - {name: a, match: {server: gone}}
  - {name: b, match: {listener: gone}}
  - {name: c, allow: [analyst, '*']}
  - {name: d, route: {cluster: gone}}
",
        &[
            ("/listeners/0/servers/1", "no server `gone`"),
            ("/listeners/0/event_streams", "no server `gone`"),
            ("/tools/0/match/server", "no server `gone`"),
            ("/tools/1/match/listener", "no listener `gone`"),
            ("/tools/2/allow/0", "no role `analyst`"),
            ("/tools/3/route/cluster", "no cluster `gone`"),
        ],
    );
}

#[test]
fn it_reports_every_name_and_address_that_is_taken() {
    refused(
        "
listeners:
  - {name: mcp, address: 127.0.0.1:10000}
  - {name: mcp, address: 127.0.0.1:10000}
tools:
  - {name: a}
  - name: a
    limits: [{per: [tool], requests: 1, window: 1s}, {per: [tool], requests: 9, window: 1m}]
clusters:
  - {name: data, endpoints: [10.0.0.1:1]}
",
        &[
            ("/listeners/1/name", "already a listener named `mcp`"),
            (
                "/listeners/1/address",
                "already a listener on `127.0.0.1:10000`",
            ),
            ("/tools/1/name", "already a rule named `a`"),
            ("/tools/1/limits/1/id", "already a limit with the id `tool`"),
            ("/clusters/0/name", "already a server `data`"),
        ],
    );
}

#[test]
fn it_reports_what_could_never_work() {
    refused(
        "
listeners: [{name: mcp, address: 127.0.0.1:0, servers: [], allowed_hosts: [], max_body_bytes: 1, \
    max_depth: 1000, idle_timeout: 99ms}]
servers:
  nowhere: {max_connections: 0}
  twice: {url: http://a/mcp, endpoints: [http://b/mcp]}
  torn: {endpoints: [http://a/mcp, http://b/other]}
tools:
  - name: a
    limits: [{requests: 0, window: 0s, burst: 0}]
    timeout: 0s
    route: {}
    constraints: {properties: {sql: {type: string, unheard: 1}, n: {minimum: x}}}
clusters: [{name: c, endpoints: [], max_connections: 65537}]
rollout: {ack_deadline: 1h}
",
        &[
            ("/listeners/0/address", "write the port"),
            ("/listeners/0/servers", "has no server"),
            ("/listeners/0/allowed_hosts", "no request would pass"),
            ("/listeners/0/max_body_bytes", "from 1024"),
            ("/listeners/0/max_depth", "from 8 to 256"),
            ("/listeners/0/idle_timeout", "from `100ms`"),
            ("/servers/nowhere/max_connections", "from 1 to 65536"),
            ("/servers/nowhere", "`url`, or `endpoints`"),
            ("/servers/torn/endpoints/1", "share scheme and path"),
            ("/servers/twice/endpoints", "not both"),
            ("/tools/0/limits/0/requests", "at least 1"),
            ("/tools/0/limits/0/window", "at least 1ms"),
            ("/tools/0/limits/0/burst", "at least 1"),
            ("/tools/0/constraints/properties/n/minimum", "number"),
            ("/tools/0/constraints/properties/sql/unheard", "unheard"),
            ("/tools/0/timeout", "at least 1ms"),
            ("/tools/0/route", "name the `cluster`"),
            ("/clusters/0/endpoints", "at least one endpoint"),
            ("/clusters/0/max_connections", "from 1 to 65536"),
            ("/rollout/ack_deadline", "from `100ms`"),
        ],
    );
    refused("listeners: []", &[("/listeners", "at least one")]);
}

#[test]
fn it_refuses_waves_that_reach_nobody_new_and_groups_that_are_none() {
    refused(
        "
rollout:
  groups: {canary: {cluster: edge}, empty: {}}
  waves: [2, 1, canry, canary, canary, 100%, 50%]
",
        &[
            ("/rollout/groups/empty", "has every Envoy"),
            ("/rollout/waves/1", "an earlier wave"),
            ("/rollout/waves/2", "did you mean `canary`"),
            ("/rollout/waves/4", "an earlier wave"),
            ("/rollout/waves/5", "make it the last one"),
            ("/rollout/waves/6", "an earlier wave"),
        ],
    );
    refused("rollout: {waves: []}", &[("/rollout/waves", "is none")]);
    let many: Vec<String> = (1..=21).map(|count| count.to_string()).collect();
    let many = format!("rollout: {{waves: [{}]}}", many.join(", "));
    refused(&many, &[("/rollout/waves", "at most 20")]);
}

#[test]
fn it_refuses_what_has_no_effect_yet_instead_of_ignoring_it() {
    refused(
        "
listeners: [{name: mcp, address: 127.0.0.1:10000, tls: {certificate: x}}]
servers:
  data:
    url: https://127.0.0.1:8000/mcp
    tool_prefix: data__
    catalogue: per_caller
    credentials: {secret: token}
secrets: {token: {env: TOKEN}}
tools:
  - name: a
    match: {method: tools/call, uri: 'file:*', prompt: x}
    when: 'true'
    limits: [{per: [session, address, header], requests: 1, window: 1s}]
    route: {weights: {data: 1}}
routes: [{path: /x}]
filters: [{module: x}]
",
        &[
            ("/listeners/0/tls", "TLS"),
            ("/servers/data/url", "TLS"),
            ("/servers/data/tool_prefix", "renamed"),
            ("/servers/data/catalogue", "by caller"),
            ("/servers/data/credentials", "credentials"),
            ("/tools/0/when", "conditions"),
            ("/tools/0/match/method", "tools only"),
            ("/tools/0/match/uri", "tools only"),
            ("/tools/0/match/prompt", "tools only"),
            ("/tools/0/limits/0/per/0", "each session apart"),
            ("/tools/0/limits/0/per/1", "each address apart"),
            ("/tools/0/limits/0/per/2", "each header apart"),
            ("/tools/0/route/weights", "by weight"),
            ("/secrets", "secrets"),
            ("/routes", "routes"),
            ("/filters", "filters"),
        ],
    );
}

#[test]
fn it_shows_no_password_that_was_put_into_a_url() {
    let error = parse(
        "servers: {data: {url: 'http://me:hunter2@host/mcp'}}",
        Format::Yaml,
    )
    .unwrap_err();
    assert!(!error.to_string().contains("hunter2"), "{error}");
    assert!(
        error.to_string().contains("take the user and password out"),
        "{error}"
    );
}
