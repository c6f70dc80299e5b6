//! A document and a catalogue become what the filter is given.

use std::sync::Arc;

use gateway_document::{
    Catalogue, CatalogueTool, CheckedDocument, Format, KnownSchemas, Problem, Resolved, SchemaText,
    ServerCatalogue, ToolFlaw, WithheldTool, WithholdingCause, endpoint_paths, parse, resolve,
    warnings,
};
use policy_engine::wire::{Credentials, Exchange};
use serde_json::value::RawValue;

fn document(yaml: &str) -> CheckedDocument {
    CheckedDocument::new(parse(yaml, Format::Yaml).unwrap()).unwrap()
}

fn tool(name: &str, schema: &str) -> CatalogueTool {
    CatalogueTool {
        name: name.to_owned(),
        input_schema: Some(SchemaText::new(
            RawValue::from_string(schema.to_owned()).unwrap(),
        )),
        flaw: None,
        listed_since: 0,
    }
}

fn catalogue(servers: &[(&str, &[CatalogueTool])]) -> Catalogue {
    servers
        .iter()
        .map(|(name, tools)| {
            let tools = ServerCatalogue::from(tools.to_vec());
            (name.parse().unwrap(), Arc::new(tools))
        })
        .collect()
}

fn first(document: &CheckedDocument, catalogue: &Catalogue) -> Result<Resolved, Vec<Problem>> {
    resolve(
        document,
        &document.shares()[0],
        catalogue,
        &KnownSchemas::default(),
    )
}

fn tools(resolved: &Resolved, server: &str) -> Vec<String> {
    assert!(resolved.config.servers.contains_key(server));
    let offered = resolved.policy.tool_names();
    offered
        .filter(|(_, of, _)| *of == server)
        .map(|(_, _, tool)| tool.to_owned())
        .collect()
}

fn names(withheld: &[WithheldTool]) -> Vec<(&str, &str)> {
    withheld
        .iter()
        .map(|tool| (tool.server.as_str(), tool.tool.as_str()))
        .collect()
}

const TWO: &str = "
servers: {data: {url: http://127.0.0.1:8000/mcp}, math: {url: http://127.0.0.1:8001/x/mcp}}
";

#[test]
fn it_offers_the_old_pairs_of_paths_for_the_server_that_the_listener_names() {
    let listener = "listeners: [{name: mcp, address: '127.0.0.1:10000', event_streams: math}]";
    let document = document(&format!("{listener}{TWO}"));
    let resolved = first(&document, &Catalogue::default()).unwrap();
    let endpoints: Vec<_> = resolved.config.endpoints.iter().skip(3).collect();
    let old_pairs = [
        ("/sse", Exchange::EventStream),
        ("/messages", Exchange::Messages),
        ("/mcp/sse", Exchange::EventStream),
        ("/mcp/messages/", Exchange::Messages),
    ];
    assert_eq!(endpoints.len(), old_pairs.len());
    for (endpoint, old) in endpoints.iter().zip(old_pairs) {
        assert_eq!((endpoint.path.as_str(), endpoint.exchange), old);
        assert_eq!(
            (&endpoint.servers[..], &endpoint.forward[..]),
            (&["math".to_owned()][..], "math")
        );
    }
    let paths = endpoint_paths(&document, &document.listeners[0]);
    assert_eq!(paths[3..], old_pairs.map(|(path, _)| path));
}

#[test]
fn it_gives_the_filter_what_the_document_and_the_catalogue_say() {
    let document = document(
        "
roles: {analyst: {claims: {groups: [analysts]}}}
tools:
  - name: analysts-query
    match: {server: data, tool: 'execute_*'}
    allow: [analyst]
    limits: [{id: each, per: [tool, principal], requests: 60, window: 1m, burst: 10}]
    validate: enforce
    constraints: {properties: {sql: {maxLength: 20000}}}
    timeout: 30s
    route: {cluster: spare}
clusters: [{name: spare, endpoints: ['10.0.0.1:80']}]
",
    );
    let catalogue = catalogue(&[(
        "data",
        &[
            tool("list_tables", r#"{"type":"object"}"#),
            tool("execute_query", r#"{ "type":"object" }"#),
        ],
    )]);
    let resolved = first(&document, &catalogue).unwrap();
    assert_eq!(resolved.withheld, []);
    let written = serde_json::to_string_pretty(&resolved.config).unwrap() + "\n";
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/resolved.json");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(golden, &written).unwrap();
    }
    assert_eq!(
        std::fs::read_to_string(golden).unwrap(),
        written,
        "run with UPDATE_GOLDEN=1 and read the difference"
    );
}

#[test]
fn it_lists_only_what_a_catalogue_holds() {
    let resolved = first(
        &document(TWO),
        &catalogue(&[
            ("data", &[tool("a", "{}")]),
            ("unregistered", &[tool("b", "{}")]),
        ]),
    )
    .unwrap();
    assert_eq!(tools(&resolved, "data"), ["a"]);
    assert_eq!(tools(&resolved, "math"), [""; 0]);
    assert!(!resolved.config.servers.contains_key("unregistered"));
    assert_eq!(resolved.config.servers["math"].path, "/x/mcp");
}

#[test]
fn it_withholds_a_tool_whose_schema_the_engine_cannot_check_and_lets_the_others_go_on() {
    let bad = r#"{"type":"object","properties":{"x":{"contains":{}}}}"#;
    let catalogue = catalogue(&[(
        "data",
        &[tool("good", "{}"), tool("bad", bad), tool("also_bad", bad)],
    )]);
    let resolved = first(&document(TWO), &catalogue).unwrap();
    assert_eq!(tools(&resolved, "data"), ["good"]);
    assert_eq!(
        names(&resolved.withheld),
        [("data", "also_bad"), ("data", "bad")]
    );
    for withheld in &resolved.withheld {
        assert!(
            withheld.reason.contains("contains") && withheld.reason.contains("/properties/x"),
            "{}",
            withheld.reason
        );
    }
}

#[test]
fn it_passes_a_tool_whose_schema_no_rule_asks_to_check() {
    let bad = r#"{"contains":{}}"#;
    let document = document("tools: [{name: trusted, match: {tool: bad}, validate: 'off'}]");
    let resolved = first(&document, &catalogue(&[("data", &[tool("bad", bad)])])).unwrap();
    assert_eq!(tools(&resolved, "data"), ["bad"]);
}

#[test]
fn it_withholds_tools_that_no_rule_could_name_or_that_their_server_lists_twice() {
    let catalogue = catalogue(&[(
        "data",
        &[
            tool("own", "{}"),
            tool("twice", "{}"),
            tool("twice", "{\"type\":\"object\"}"),
            tool("a*", "{}"),
            tool("", "{}"),
        ],
    )]);
    let resolved = first(&document(TWO), &catalogue).unwrap();
    assert_eq!(tools(&resolved, "data"), ["own"]);
    assert_eq!(
        names(&resolved.withheld),
        [("data", ""), ("data", "a*"), ("data", "twice")]
    );
}

fn since(listed_since: u64, tool: CatalogueTool) -> CatalogueTool {
    CatalogueTool {
        listed_since,
        ..tool
    }
}

#[test]
fn it_leaves_a_name_to_the_tool_that_was_there_and_withholds_the_newcomer_on_the_shared_endpoint() {
    let document = document(TWO);
    for (data, math, stays, newcomer) in [
        (1, 2, "data", "math"),
        (2, 1, "math", "data"),
        // Listed at the same moment, they are told apart by the names of their servers.
        (1, 1, "data", "math"),
    ] {
        let catalogue = catalogue(&[
            (
                "data",
                &[since(data, tool("same", "{}")), tool("own", "{}")],
            ),
            ("math", &[since(math, tool("same", "{}"))]),
        ]);
        let resolved = first(&document, &catalogue).unwrap();
        assert_eq!(names(&resolved.withheld), [(newcomer, "same")]);
        let withheld = &resolved.withheld[0];
        assert_eq!(withheld.cause, WithholdingCause::NameClash);
        for part in [
            format!("server `{stays}`"),
            format!("`/servers/{newcomer}/mcp`"),
        ] {
            assert!(withheld.reason.contains(&part), "{}", withheld.reason);
        }
        let behind = |path: &str, name: &str| {
            let endpoint = resolved.policy.endpoint(path.as_bytes()).unwrap();
            let tool = resolved.policy.tool(endpoint, name.as_bytes()).ok()?;
            Some(resolved.policy.explain(tool)?.server.clone())
        };
        assert_eq!(behind("/mcp", "same").as_deref(), Some(stays));
        for server in ["data", "math"] {
            let alone = format!("/servers/{server}/mcp");
            assert_eq!(behind(&alone, "same").as_deref(), Some(server));
        }
        assert_eq!(behind("/mcp", "own").as_deref(), Some("data"));
    }
}

#[test]
fn it_gives_nobody_the_name_of_a_tool_that_cannot_be_called_itself() {
    let bad = r#"{"contains":{}}"#;
    let flawed = CatalogueTool {
        flaw: Some(ToolFlaw::definition("it is flawed".to_owned())),
        ..tool("flawed", "{}")
    };
    let catalogue = catalogue(&[
        ("data", &[tool("bad", bad), flawed]),
        (
            "math",
            &[since(1, tool("bad", "{}")), since(1, tool("flawed", "{}"))],
        ),
    ]);
    let resolved = first(&document(TWO), &catalogue).unwrap();
    let endpoint = resolved.policy.endpoint(b"/mcp").unwrap();
    for name in ["bad", "flawed"] {
        assert!(
            resolved.policy.tool(endpoint, name.as_bytes()).is_err(),
            "{name}"
        );
    }
    assert_eq!(tools(&resolved, "math"), ["bad", "flawed"]);
    assert_eq!(
        names(&resolved.withheld),
        [
            ("data", "bad"),
            ("data", "flawed"),
            ("math", "bad"),
            ("math", "flawed")
        ]
    );
}

#[test]
fn it_warns_of_every_rule_about_a_tool_that_nobody_lists() {
    let document = document(
        "
listeners:
  - {name: all, address: 127.0.0.1:1}
  - {name: one, address: 127.0.0.1:2, servers: [data]}
servers:
  data: {url: http://127.0.0.1:8000/mcp}
  math: {url: http://127.0.0.1:8001/mcp}
  new: {url: http://127.0.0.1:8002/mcp}
tools:
  - {name: right, match: {tool: execute_query}}
  - {name: pattern, match: {tool: 'exec*'}}
  - {name: everything}
  - {name: misspelt, match: {server: data, tool: execut_query}}
  - {name: elsewhere, match: {server: math, tool: execute_query}}
  - {name: early, match: {tool: not_yet}}
  - {name: nowhere, match: {server: data, tool: drop}}
  - {name: other-listener, match: {listener: one, tool: add}}
",
    );
    let catalogue = catalogue(&[
        ("data", &[tool("execute_query", "{}")]),
        ("math", &[tool("add", "{}")]),
    ]);
    let found: Vec<(String, String, Vec<String>)> = warnings(&document, &catalogue)
        .into_iter()
        .map(|warning| (warning.path, warning.reason, warning.near))
        .collect();
    let expected = [
        (
            "/tools/3/match/tool",
            "did you mean `execute_query`?",
            vec!["execute_query"],
        ),
        ("/tools/4/match/tool", "server `data` does", vec![]),
        (
            "/tools/5/match/tool",
            "server `new` has not been listed yet",
            vec![],
        ),
        ("/tools/6/match/tool", "take the rule out", vec![]),
        ("/tools/7/match/tool", "server `math` does", vec![]),
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for ((path, reason, near), expected) in found.iter().zip(expected) {
        assert_eq!(
            (path.as_str(), near.clone()),
            (
                expected.0,
                expected.2.iter().map(ToString::to_string).collect()
            )
        );
        assert!(reason.contains(expected.1), "{reason}");
    }
}

#[test]
fn it_leaves_out_the_rules_of_other_listeners_and_their_servers() {
    let document = document(
        "
listeners:
  - {name: one, address: 127.0.0.1:1, servers: [data]}
  - {name: two, address: 127.0.0.1:2, servers: [math]}
servers: {data: {url: http://127.0.0.1:8000/mcp}, math: {url: http://127.0.0.1:8001/mcp}}
tools:
  - {name: elsewhere, match: {listener: two}}
  - {name: other-server, match: {server: math}}
  - {name: everywhere}
",
    );
    let resolved = first(&document, &Catalogue::new()).unwrap();
    let rules: Vec<&str> = resolved
        .config
        .rules
        .iter()
        .map(|rule| rule.name.as_str())
        .collect();
    assert_eq!(rules, ["everywhere"]);
}

#[test]
fn it_blames_the_document_at_the_place_that_its_author_wrote() {
    let document = document(
        "
listeners:
  - {name: one, address: 127.0.0.1:1}
  - {name: two, address: 127.0.0.1:2}
roles: {nobody: {claims: {groups: []}}}
tools:
  - {name: elsewhere, match: {listener: two}}
  - name: many
    limits: [{requests: 4000000000, window: 1ms, burst: 4000000000}, {id: slow, requests: \
    4000000000, window: 24h, burst: 1}]
",
    );
    let problems = first(&document, &Catalogue::new()).unwrap_err();
    assert_eq!(
        problems[0].path, "/roles/nobody/claims/groups",
        "{problems:?}"
    );
}

#[test]
fn it_lets_callers_credentials_pass_only_where_the_server_says_so() {
    let document = document(
        "
servers:
  data: {url: http://127.0.0.1:8000/mcp}
  math: {url: http://127.0.0.1:8001/mcp, credentials: passthrough}
",
    );
    let resolved = first(&document, &catalogue(&[])).unwrap();
    let servers = &resolved.config.servers;
    assert_eq!(servers["data"].credentials, Credentials::Home);
    assert_eq!(servers["math"].credentials, Credentials::Passthrough);
    for wrong in ["secret", "{}", "true"] {
        let text = format!("servers: {{data: {{url: 'http://a/mcp', credentials: {wrong}}}}}");
        let problem = parse(&text, Format::Yaml).unwrap_err();
        assert!(
            format!("{problem:?}").contains("`passthrough`"),
            "{problem:?}"
        );
    }
}
