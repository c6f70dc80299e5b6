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
  - {name: e, match: {roles: [analyst]}, timeout: 1s}
  - {name: f, match: {roles: []}, timeout: 1s}
",
        &[
            ("/listeners/0/servers/1", "no server `gone`"),
            ("/listeners/0/event_streams", "no server `gone`"),
            ("/tools/0/match/server", "no server `gone`"),
            ("/tools/1/match/listener", "no listener `gone`"),
            ("/tools/2/allow/0", "no role `analyst`"),
            ("/tools/3/route/cluster", "no cluster `gone`"),
            ("/tools/4/match/roles/0", "no role `analyst`"),
            ("/tools/5/match/roles", "name a role, or leave it out"),
        ],
    );
}

#[test]
fn it_refuses_rules_about_several_kinds_of_item_and_what_only_tools_have() {
    refused(
        "
tools:
  - {name: a, match: {tool: x, prompt: y, uri: 'file:///z'}, timeout: 1s}
  - {name: b, match: {prompt: ''}, timeout: 1s}
  - {name: c, match: {tool: ''}, timeout: 1s}
  - {name: d, match: {uri: 'File:///secret/*'}, allow: []}
  - {name: e, match: {uri: 'file:///a/../{b}'}, allow: []}
  - {name: f, match: {prompt: x}, validate: off, constraints: {}}
  - {name: g, match: {method: ping}, limits: [{per: [server, tool], requests: 1, window: 1s}]}
",
        &[
            ("/tools/0/match/prompt", "about `tool` already"),
            (
                "/tools/0/match/uri",
                "write one of `tool`, `prompt`, `uri` and `method`",
            ),
            ("/tools/1/match/prompt", "write `*` for every prompt"),
            ("/tools/2/match/tool", "it would match no tool"),
            ("/tools/3/match/uri", "did you mean `file:///secret/*`?"),
            ("/tools/4/match/uri", "no `.` or `..` between slashes"),
            ("/tools/5/validate", "of tools alone"),
            (
                "/tools/5/constraints",
                "match by `tool` in the place of `prompt`",
            ),
            (
                "/tools/6/limits/0/per/1",
                "a limit counts each apart of tools alone",
            ),
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
servers:
  data:
    url: http://127.0.0.1:8000/mcp
    tool_prefix: data__
    catalogue: per_caller
tools:
  - name: a
    when: 'true'
    limits: [{per: [session, address, header], requests: 1, window: 1s}]
",
        &[
            ("/servers/data/tool_prefix", "renamed"),
            ("/servers/data/catalogue", "by caller"),
            ("/tools/0/when", "conditions"),
            ("/tools/0/limits/0/per/0", "each session apart"),
            ("/tools/0/limits/0/per/1", "each address apart"),
            ("/tools/0/limits/0/per/2", "each header apart"),
        ],
    );
}

#[test]
fn it_refuses_targets_of_calls_and_further_filters_that_cannot_be() {
    refused(
        "
tools:
  - {name: none, route: {}}
  - {name: both, route: {cluster: data, weights: {data: 1}}}
  - {name: gone, route: {weights: {data: 1, gone: 1}}}
  - {name: nothing, route: {weights: {data: 0}}}
filters:
  - {name: empty}
  - {name: empty, module: MODULE, envoy: HEADERS, configuration: {}}
  - {name: bare, envoy: HEADERS}
  - {name: nowhere, listeners: [], module: MODULE}
  - {name: elsewhere, listeners: [other], module: MODULE}
  - name: past-the-gateway
    envoy: HEADERS
    configuration: {mutations: {request_mutations: [{remove: X-Portcullis-Cluster}]}}
"
        .replace("MODULE", &"0a".repeat(32))
        .replace(
            "HEADERS",
            "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
        )
        .as_str(),
        &[
            ("/tools/0/route", "name the `cluster`"),
            ("/tools/1/route", "not both"),
            ("/tools/2/route/weights/gone", "no cluster `gone`"),
            ("/tools/3/route/weights", "add up to nothing"),
            ("/filters/1/name", "already a filter named"),
            ("/filters/0", "say what it runs"),
            ("/filters/1/envoy", "not both"),
            ("/filters/2/configuration", "message as an object"),
            ("/filters/3/listeners", "no listener would have it"),
            ("/filters/4/listeners/0", "no listener `other`"),
            ("/filters/5/configuration", "`x-portcullis-`"),
        ],
    );
}

#[test]
fn it_refuses_a_log_with_credentials_or_with_a_detail_by_another_name() {
    refused(
        "
listeners:
  - name: mcp
    address: 127.0.0.1:10000
    access_log:
      details: [tool]
      format:
        who: '%REQ(Authorization)%'
        key: '%REQ(X-Api-Key)%'
        own: 'as %REQ(X-Other?X-Weather-Token):8%'
        fine: '%REQ(X-Weather)% and X-Weather-Token, excel(1)'
        cel: '%CEL(request.headers[''x-weather-token''])%'
        escaped: '%COALESCE({operators: [{command: REQ, param: x-weather\\u002dtoken}]})%'
        parts: '%TYPED_CEL(request[''head'' + ''ers''][''x-weather'' + ''-token'']):8%'
        tool: x
        empty: ''
servers:
  weather:
    url: http://127.0.0.1:9/mcp
    credentials: {secret: token, header: X-Weather-Token}
secrets: {token: {env: WEATHER_TOKEN}}
",
        &[
            ("/listeners/0/access_log/format/cel", "`%REQ("),
            ("/listeners/0/access_log/format/empty", "1 to 1024 bytes"),
            ("/listeners/0/access_log/format/escaped", "`COALESCE` could"),
            ("/listeners/0/access_log/format/key", "credential"),
            (
                "/listeners/0/access_log/format/own",
                "`x-weather-token` shows a server",
            ),
            ("/listeners/0/access_log/format/parts", "`TYPED_CEL` could"),
            ("/listeners/0/access_log/format/tool", "`details`"),
            ("/listeners/0/access_log/format/who", "credential"),
        ],
    );
}

#[test]
fn it_names_both_places_of_a_conflict() {
    refused(
        "
listeners:
  - {name: mcp, address: 127.0.0.1:10000, health_check_path: /livez}
  - {name: more, address: 127.0.0.1:10001}
tools: [{name: heavy, match: {tool: x}, route: {cluster: cores}}]
clusters:
  - {name: plain, endpoints: [10.0.0.1:80]}
  - {name: cores, endpoints: [10.0.0.2:80]}
  - {name: plain, endpoints: [10.0.0.3:80]}
  - {name: same, endpoints: [127.0.0.1:8000]}
routes:
  - {name: all, match: {prefix: /a}, to: {cluster: plain}}
  - {name: all, match: {path: /a/b, methods: [GET]}, to: {cluster: plain}}
  - {name: again, listeners: [more], match: {prefix: /a/}, to: {cluster: plain}}
  - {name: own, match: {path: /MCP}, to: {cluster: plain}}
  - {name: live, match: {path: /livez}, to: {cluster: plain}}
  - {name: health, match: {path: /health}, to: {cluster: plain}}
  - {name: unread, match: {path: /u}, to: {weights: {cores: 1, same: 1, data: 1, gone: 1}}}
",
        &[
            (
                "/clusters/2/name",
                "already a cluster `plain`, at `/clusters/0/name`",
            ),
            (
                "/routes/1/name",
                "already a route named `all`, at `/routes/0/name`",
            ),
            (
                "/routes/1/match",
                "`all`, at `/routes/0/match`, takes these requests, and others",
            ),
            (
                "/routes/2/match",
                "`all`, at `/routes/0/match`, takes the same requests",
            ),
            ("/routes/3/match/path", "an MCP endpoint of `/listeners/0`"),
            (
                "/routes/4/match/path",
                "by `/listeners/0/health_check_path`",
            ),
            ("/routes/5/match/path", "the gateway itself answers"),
            ("/routes/6/to/weights/cores", "by `/tools/0/route`"),
            (
                "/routes/6/to/weights/data",
                "(`/servers/data`), whose messages",
            ),
            ("/routes/6/to/weights/gone", "no cluster `gone`"),
            (
                "/routes/6/to/weights/same",
                "one of a server of MCP (`/servers/data`)",
            ),
        ],
    );
}

#[test]
fn it_reports_routes_that_could_never_work() {
    refused(
        "
clusters: [{name: plain, endpoints: [10.0.0.1:80]}]
routes:
  - name: none
    listeners: []
    match: {}
    to: {}
    timeout: 0s
    retries: {attempts: 11, on: [], per_try_timeout: 1s}
    limit: {requests: 0, window: 1ms, burst: 0}
    cors: {origins: [], methods: []}
  - name: much
    listeners: [gone]
    match: {regex: /a.*, headers: {x: \"a\\nb\"}, query: {q: \"a\\nb\"}}
    to: {cluster: plain, weights: {plain: 1}}
    rewrite: /b
    cors: {origins: ['*', app.example], credentials: true}
  - {name: light, match: {path: /c}, to: {weights: {plain: 0}}}
",
        &[
            ("/routes/0/listeners", "no listener would have it"),
            ("/routes/0/match", "one of `path`"),
            ("/routes/0/to", "name the `cluster`"),
            ("/routes/0/timeout", "at least 1ms"),
            ("/routes/0/retries/attempts", "from 1 to 10"),
            ("/routes/0/retries/on", "nothing would be tried"),
            ("/routes/0/retries/per_try_timeout", "`timeout` of `0s`"),
            ("/routes/0/limit/requests", "at least 1"),
            ("/routes/0/limit/burst", "at least 1"),
            ("/routes/0/limit/window", "from `50ms`"),
            ("/routes/0/cors/origins", "no page could call"),
            ("/routes/0/cors/methods", "no page could call"),
            ("/routes/1/listeners/0", "no listener `gone`"),
            ("/routes/1/match/headers/x", "printable"),
            ("/routes/1/match/query/q", "printable"),
            ("/routes/1/to", "not both"),
            ("/routes/1/rewrite", "`path` or `prefix`"),
            ("/routes/1/cors/origins/1", "is no origin"),
            ("/routes/1/cors/credentials", "any page on the web"),
            ("/routes/2/to/weights", "add up to nothing"),
        ],
    );
}

#[test]
fn it_reports_endpoints_that_could_never_be_reached_and_any_that_anybody_could_be() {
    refused(
        "
servers:
  math:
    endpoints: [{url: http://a/mcp, weight: 0}]
    upstream: {connect_timeout: 0s, idle_timeout: 1ms, max_requests: 0}
clusters:
  - name: checked
    endpoints: [{address: 10.0.0.1:80, weight: 70000}]
    upstream:
      max_pending_requests: 70000
      max_retries: 0
      health_check: {statuses: [99], interval: 0s, timeout: 0s, healthy_after: 0, \
unhealthy_after: 101}
      outliers: {consecutive_5xx: 0, max_ejected_percent: 0, interval: 0s, ejection_time: 0s}
  - {name: anybody, endpoints: [10.0.0.1:80], upstream: {tls: {}}}
  - name: several
    endpoints: [secure.example:443]
    upstream: {tls: {system_ca: true, ca: hello, server_name: A b, certificate_names: ['*.x']}}
  - name: key
    endpoints: [secure.example:443]
    upstream: {tls: {ca: '-----BEGIN PRIVATE KEY-----'}}
",
        &[
            ("/servers/math/endpoints/0/weight", "from 1 to 65535"),
            ("/servers/math/upstream/connect_timeout", "from `10ms`"),
            ("/servers/math/upstream/idle_timeout", "from `10ms`"),
            ("/servers/math/upstream/max_requests", "from 1 to 65536"),
            ("/clusters/0/endpoints/0/weight", "from 1 to 65535"),
            ("/clusters/0/upstream/max_pending_requests", "from 1"),
            ("/clusters/0/upstream/max_retries", "from 1"),
            ("/clusters/0/upstream/health_check/interval", "from `10ms`"),
            ("/clusters/0/upstream/health_check/timeout", "from `10ms`"),
            (
                "/clusters/0/upstream/health_check/healthy_after",
                "from 1 to 100",
            ),
            (
                "/clusters/0/upstream/health_check/unhealthy_after",
                "from 1 to 100",
            ),
            (
                "/clusters/0/upstream/health_check/statuses/0",
                "from 100 to 599",
            ),
            (
                "/clusters/0/upstream/health_check/statuses",
                "without a `path`",
            ),
            (
                "/clusters/0/upstream/outliers/consecutive_5xx",
                "from 1 to 1000",
            ),
            (
                "/clusters/0/upstream/outliers/max_ejected_percent",
                "from 1 to 100",
            ),
            ("/clusters/0/upstream/outliers/interval", "from `10ms`"),
            ("/clusters/0/upstream/outliers/ejection_time", "from `10ms`"),
            (
                "/clusters/1/upstream/tls",
                "whoever answered would be believed",
            ),
            (
                "/clusters/1/upstream/tls",
                "any certificate of that authority",
            ),
            ("/clusters/2/upstream/tls", "one of `ca_secret`"),
            ("/clusters/2/upstream/tls/ca", "holds no certificate"),
            ("/clusters/2/upstream/tls/server_name", "no host name"),
            ("/clusters/3/upstream/tls/ca", "private key"),
        ],
    );
}

#[test]
fn it_reports_listeners_that_nobody_could_use() {
    refused(
        "
listeners:
  - name: mcp
    address: 127.0.0.1:10000
    allowed_origins: ['*', 'no origin']
    tls: {certificates: []}
    max_connections: 0
    client_times: {request: 0s, request_headers: 1ms, stream_idle: 0s, connection_idle: 0s, \
connection: 0s}
    health_check_path: /mcp
    cors: {credentials: true}
  - {name: more, address: 127.0.0.1:10001, health_check_path: /health}
",
        &[
            ("/listeners/0/tls/certificates", "at least one"),
            ("/listeners/0/max_connections", "at least 1"),
            ("/listeners/0/client_times/request", "from `100ms`"),
            ("/listeners/0/client_times/request_headers", "from `100ms`"),
            ("/listeners/0/client_times/stream_idle", "from `100ms`"),
            ("/listeners/0/client_times/connection_idle", "from `100ms`"),
            ("/listeners/0/client_times/connection", "from `100ms`"),
            ("/listeners/0/health_check_path", "offers MCP"),
            ("/listeners/0/allowed_origins/1", "is no origin"),
            ("/listeners/0/cors/credentials", "any page on the web"),
            ("/listeners/1/health_check_path", "behind the gateway"),
        ],
    );
}

#[test]
fn it_repeats_no_key_that_was_put_in_the_place_of_its_file() {
    let key = "-----BEGIN PRIVATE KEY-----\\nhunter2";
    let tls = format!("certificates: [{{certificate_file: /c.pem, key_file: \"{key}\"}}]");
    let listener = format!("{{name: a, address: '127.0.0.1:1', tls: {{{tls}}}}}");
    let error = parse(&format!("listeners: [{listener}]"), Format::Yaml).unwrap_err();
    let [fault] = error.0.as_slice() else {
        panic!("{error}");
    };
    assert_eq!(fault.path, "/listeners/0/tls/certificates/0/key_file");
    assert!(!error.to_string().contains("hunter2"), "{error}");
    assert!(error.to_string().contains("absolute"), "{error}");
}

#[test]
fn it_says_what_an_endpoint_may_be() {
    let error = parse("clusters: [{name: a, endpoints: [7]}]", Format::Yaml).unwrap_err();
    assert!(
        error.to_string().contains("a host and a port such as"),
        "{error}"
    );
    let text = "clusters: [{name: a, endpoints: [{address: a:1, wait: 2}]}]";
    let error = parse(text, Format::Yaml).unwrap_err();
    assert_eq!(error.0[0].path, "/clusters/0/endpoints/0/wait");
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
