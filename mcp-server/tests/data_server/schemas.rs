//! The tools keep what they promise in their schemas.

use mcp_server::tools::Registry;
use serde_json::{Value, json};

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
        let registry = Registry::all(config::Access::Read);
        let schema = registry
            .get(tool)
            .and_then(|tool| tool.output_schema.clone())
            .expect("a schema");
        let validator =
            jsonschema::draft202012::new(&Value::Object((*schema).clone())).expect("a schema");
        let answer = client.call(tool, arguments.clone()).await;
        let structured = &answer.result()["structuredContent"];
        if let Err(error) = validator.validate(structured) {
            panic!("{tool} {arguments}: {error} in {structured}");
        }
    }
}
