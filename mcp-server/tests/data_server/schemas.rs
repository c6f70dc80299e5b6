//! The tools keep what they promise in their schemas.

use std::collections::BTreeSet;

use mcp_server::tools::Registry;
use serde_json::{Value, json};

use crate::client::Answer;
use crate::database::{Database, PASSWORD};
use crate::server::Server;

#[test]
fn it_has_strict_input_schemas_that_the_gateway_can_check() {
    for tool in Registry::all(config::Access::Read).list() {
        let schema = Value::Object((*tool.input_schema).clone());
        assert_eq!(schema["type"], json!("object"), "{}", tool.name);
        assert_eq!(
            schema["additionalProperties"],
            json!(false),
            "{}",
            tool.name
        );
        let raw = serde_json::value::to_raw_value(&schema).expect("JSON");
        if let Err(errors) = policy_engine::compile_schema(&raw) {
            panic!("{}: {errors:?}", tool.name);
        }
        jsonschema::draft202012::new(&schema)
            .unwrap_or_else(|error| panic!("{}: {error}", tool.name));
    }
}

/// Bytes of all tools that this server has of its own, which an agent reads before its first
/// question: what they were when a new tool or argument last had to be paid for, and a little more.
const MOST_OF_ALL: usize = 32_700;

#[test]
fn it_tells_an_agent_of_each_tool_what_it_needs_and_no_more() {
    let mut sum = 0;
    for tool in Registry::all(config::Access::Read).list() {
        let bytes = serde_json::to_string(tool).expect("JSON").len();
        println!("{}: {bytes} bytes", tool.name);
        sum += bytes;
        assert!(
            tool.title.is_some() && tool.output_schema.is_some() && tool.annotations.is_some(),
            "{}",
            tool.name
        );
        let description = tool.description.as_deref().unwrap_or_default();
        assert!(
            (40..=400).contains(&description.len()),
            "{}: {description}",
            tool.name
        );
        // Its argument is a whole pipeline, with every form that a stage can have.
        let most = match &*tool.name {
            "create_etl_pipeline" => 3000,
            _ => 2400,
        };
        assert!(bytes <= most, "{}: {bytes} bytes", tool.name);
    }
    println!("tools/list: {sum} bytes");
    assert!(sum <= MOST_OF_ALL, "{sum} bytes");
}

/// Whether what is described so is not in every answer.
fn is_sometimes_absent(schema: &Value) -> bool {
    let description = schema["description"].as_str().unwrap_or_default();
    let conditions = ["With ", "Without ", "Where "];
    conditions.iter().any(|word| description.starts_with(word))
}

/// The announced schema of an answer that is no failure, with every member that it then has.
fn promised(schema: &Value) -> Value {
    let mut promised = schema.clone();
    if let Some(members) = schema["properties"].as_object() {
        let always: BTreeSet<_> = members
            .iter()
            .filter(|(_, member)| !is_sometimes_absent(member))
            .map(|(name, _)| name)
            .collect();
        promised["required"] = json!(always);
        for (name, member) in members {
            promised["properties"][name] = self::promised(member);
        }
    }
    if schema["items"].is_object() {
        promised["items"] = self::promised(&schema["items"]);
    }
    promised
}

/// Checks that an answer has the form that its tool announces, and all of its members.
#[track_caller]
pub fn check_form(tool: &str, answer: &Answer) {
    let registry = Registry::all(config::Access::Read);
    let listed = registry.get(tool).expect("a tool");
    let announced = listed.output_schema.clone().expect("a schema");
    let announced = Value::Object((*announced).clone());
    let structured = &answer.result()["structuredContent"];
    // What a client does, which holds failures against the schema, too.
    let mut schemas = vec![announced.clone()];
    if answer.result()["isError"] == json!(false) {
        schemas.push(promised(&announced));
    }
    for schema in schemas {
        let validator = jsonschema::draft202012::new(&schema).expect("a schema");
        if let Err(error) = validator.validate(structured) {
            panic!("{tool}: {error} in {structured}");
        }
    }
}

#[test]
fn it_requires_nothing_of_structured_content_which_may_be_a_failure() {
    for tool in Registry::all(config::Access::Read).list() {
        let schema = json!(tool.output_schema);
        assert!(!schema.to_string().contains("\"required\":["), "{schema}");
        assert_eq!(schema["type"], json!("object"), "{}", tool.name);
        let failure = json!({"error": {"code": "x", "message": "y"}});
        let validator = jsonschema::draft202012::new(&schema).expect("a schema");
        assert!(validator.is_valid(&failure), "{}", tool.name);
        let promised = jsonschema::draft202012::new(&promised(&schema)).expect("a schema");
        assert!(!promised.is_valid(&failure), "{}", tool.name);
    }
}

/// Every member of this schema and of those in it, with its name.
fn members(schema: &Value) -> Vec<(&String, &Value)> {
    let own = schema["properties"].as_object().into_iter().flatten();
    let mut all: Vec<_> = own.collect();
    let inner = all
        .iter()
        .map(|(_, member)| *member)
        .chain([&schema["items"]]);
    let inner: Vec<_> = inner.filter(|schema| schema.is_object()).collect();
    all.extend(inner.into_iter().flat_map(members));
    all
}

#[test]
fn it_names_every_value_of_a_member_that_has_few() {
    let mut found = 0;
    for tool in Registry::all(config::Access::Read).list() {
        let schema = json!(tool.output_schema);
        for (name, member) in members(&schema) {
            if name == "status" || name == "kind" {
                let values = member["enum"].as_array();
                assert!(
                    values.is_some_and(|values| values.len() > 1),
                    "{} {name}",
                    tool.name
                );
                found += 1;
            }
        }
    }
    assert!(found >= 12, "{found}");
}

#[tokio::test]
async fn it_gives_results_that_fit_the_output_schemas() {
    let database = Database::with(
        "CREATE TABLE t (a int PRIMARY KEY, b text UNIQUE, c int REFERENCES t CHECK (c > 0))",
    )
    .await;
    let server = Server::on(
        &database,
        &[
            "--postgres-write-user=postgres",
            "--postgres-write-password",
            PASSWORD,
        ],
    )
    .await;
    let client = server.client();
    for (tool, arguments) in [
        ("list_tables", json!({})),
        ("list_tables", json!({"schema": "pg_catalog", "limit": 5})),
        ("list_tables", json!({"cursor": "x"})),
        ("get_table_schema", json!({"table": "t"})),
        (
            "get_table_schema",
            json!({"table": "pg_class", "schema": "pg_catalog"}),
        ),
        ("get_table_schema", json!({"table": "absent"})),
        (
            "execute_query",
            json!({"sql": "SELECT 1, NULL, 'x', ARRAY[1], '{}'::jsonb"}),
        ),
        (
            "execute_query",
            json!({"sql": "SELECT FROM generate_series(1, 2000)"}),
        ),
        ("execute_query", json!({"sql": "SELECT * FROM absent"})),
        ("execute_query", json!({"sql": "DELETE FROM t"})),
        (
            "explain_query",
            json!({"sql": "SELECT * FROM t WHERE c = $1"}),
        ),
        ("explain_query", json!({"sql": "EXPLAIN SELECT 1"})),
        (
            "execute_dml",
            json!({"sql": "INSERT INTO t (a) VALUES (1) RETURNING a, b"}),
        ),
        (
            "execute_dml",
            json!({"sql": "INSERT INTO t (a) VALUES (2)", "dry_run": true}),
        ),
        ("execute_dml", json!({"sql": "DELETE FROM t"})),
    ] {
        let answer = client.call(tool, arguments).await;
        check_form(tool, &answer);
    }
}
