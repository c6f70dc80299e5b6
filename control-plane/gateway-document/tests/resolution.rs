//! What becomes of a document and a catalogue.

use gateway_document::{
    Catalogue, CatalogueTool, CheckedDocument, Format, HeldTool, Identity, Problem, Resolved,
    SchemaText, parse, resolve,
};
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
    }
}

fn catalogue(servers: &[(&str, &[CatalogueTool])]) -> Catalogue {
    servers
        .iter()
        .map(|(name, tools)| (name.parse().unwrap(), tools.to_vec()))
        .collect()
}

fn first(document: &CheckedDocument, catalogue: &Catalogue) -> Result<Resolved, Vec<Problem>> {
    let identity = Identity {
        generation: "abc".to_owned(),
        revision: 7,
    };
    resolve(document, &document.listeners[0], catalogue, &identity)
}

fn tools(resolved: &Resolved, server: &str) -> Vec<String> {
    resolved.config.servers[server]
        .tools
        .keys()
        .cloned()
        .collect()
}

fn names(held: &[HeldTool]) -> Vec<(&str, &str)> {
    held.iter()
        .map(|held| (held.server.as_str(), held.tool.as_str()))
        .collect()
}

const TWO: &str = "
servers: {data: {url: http://127.0.0.1:8000/mcp}, math: {url: http://127.0.0.1:8001/x/mcp}}
";

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
    assert_eq!(resolved.held, []);
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
fn it_holds_a_tool_whose_schema_the_engine_cannot_check_and_lets_the_others_go_on() {
    let bad = r#"{"type":"object","properties":{"x":{"contains":{}}}}"#;
    let catalogue = catalogue(&[(
        "data",
        &[tool("good", "{}"), tool("bad", bad), tool("also_bad", bad)],
    )]);
    let resolved = first(&document(TWO), &catalogue).unwrap();
    assert_eq!(tools(&resolved, "data"), ["good"]);
    assert_eq!(
        names(&resolved.held),
        [("data", "also_bad"), ("data", "bad")]
    );
    for held in &resolved.held {
        assert!(
            held.reason.contains("contains") && held.reason.contains("/properties/x"),
            "{}",
            held.reason
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
fn it_holds_tools_that_clients_could_not_tell_apart() {
    let catalogue = catalogue(&[
        (
            "data",
            &[
                tool("same", "{}"),
                tool("own", "{}"),
                tool("twice", "{}"),
                tool("twice", "{\"type\":\"object\"}"),
            ],
        ),
        (
            "math",
            &[tool("same", "{}"), tool("a*", "{}"), tool("", "{}")],
        ),
    ]);
    let resolved = first(&document(TWO), &catalogue).unwrap();
    assert_eq!(tools(&resolved, "data"), ["own"]);
    assert_eq!(
        names(&resolved.held),
        [
            ("data", "same"),
            ("data", "twice"),
            ("math", ""),
            ("math", "a*"),
            ("math", "same")
        ]
    );
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
    limits: [{requests: 4000000000, window: 1ms, burst: 4000000000}, {id: slow, requests: 4000000000, window: 24h, burst: 1}]
",
    );
    let problems = first(&document, &Catalogue::new()).unwrap_err();
    assert_eq!(
        problems[0].path, "/roles/nobody/claims/groups",
        "{problems:?}"
    );
}
