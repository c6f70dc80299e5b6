//! Tools that an operator declares in a file.

use serde_json::{Value, json};

use crate::database::{Database, PASSWORD};
use crate::server::Server;

const SALES: &str = "CREATE TABLE sales (day date, region text, amount numeric); \
    INSERT INTO sales SELECT date '2026-01-01' + n, (ARRAY['north', 'south'])[1 + n % 2], n \
    FROM generate_series(0, 9) AS n";

const WRITER: [&str; 3] = [
    "--postgres-write-user=postgres",
    "--postgres-write-password",
    PASSWORD,
];

/// A tool that only reads, with this text and these parameters.
fn tool(name: &str, sql: &str, parameters: &Value) -> Value {
    json!({"name": name, "title": "Sales", "description": "The sales of a region since a day",
        "sql": sql, "parameters": parameters})
}

fn sales_since() -> Value {
    tool(
        "sales_since",
        "SELECT day::text, amount FROM sales WHERE day >= $1 AND ($2::text IS NULL OR region = $2) \
         ORDER BY day LIMIT $3",
        &json!([
            {"name": "since", "type": "string", "format": "date",
                "description": "First day that counts"},
            {"name": "region", "type": "string", "enum": ["north", "south"], "required": false},
            {"name": "most", "type": "integer", "default": 3, "minimum": 1, "maximum": 100}
        ]),
    )
}

fn file(tools: &[Value]) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tools.yaml");
    std::fs::write(&path, json!({"tools": tools}).to_string()).expect("written");
    let flag = format!("--tools-file={}", path.display());
    (folder, flag)
}

async fn server(database: &Database, tools: &[Value], flags: &[&str]) -> Server {
    let (_folder, file) = file(tools);
    let server = Server::on(database, &[&[file.as_str()], flags].concat()).await;
    // It has read its file when it answers.
    server.client().request("tools/list", json!({})).await;
    server
}

/// The line with which a server does not start for this tool.
async fn refusal(database: &Database, tool: Value, flags: &[&str]) -> String {
    let (_folder, file) = file(&[tool]);
    let refusal = Server::refusal(database, &[&[file.as_str()], flags].concat()).await;
    assert_eq!(refusal.lines().count(), 1, "{refusal}");
    assert!(refusal.starts_with("MCP_TOOLS_FILE `/"), "{refusal}");
    assert!(refusal.contains("tools.yaml`, tool 1 (`"), "{refusal}");
    refusal
}

async fn listed(server: &Server, name: &str) -> Option<Value> {
    let list = server.client().request("tools/list", json!({})).await;
    let tools = list.result()["tools"].as_array().cloned();
    let mut tools = tools.expect("a list").into_iter();
    tools.find(|tool| tool["name"] == json!(name))
}

#[tokio::test]
async fn it_lists_a_declared_tool_with_a_strict_schema_that_the_gateway_can_check() {
    let database = Database::with(SALES).await;
    let server = server(&database, &[sales_since()], &[]).await;
    let tool = listed(&server, "sales_since").await.expect("it is offered");
    assert_eq!(tool["title"], json!("Sales"));
    assert_eq!(tool["annotations"]["readOnlyHint"], json!(true));
    let schema = &tool["inputSchema"];
    assert_eq!(schema["additionalProperties"], json!(false));
    assert_eq!(schema["required"], json!(["since"]));
    assert_eq!(
        schema["properties"]["most"],
        json!({"type": "integer", "default": 3, "minimum": 1, "maximum": 100})
    );
    assert!(schema["properties"]["format"].is_object(), "{schema}");
    assert!(tool["outputSchema"].is_object());
    let raw = serde_json::value::to_raw_value(schema).expect("JSON");
    assert!(policy_engine::compile_schema(&raw).is_ok());
}

#[tokio::test]
async fn it_binds_arguments_by_name_and_gives_rows_in_every_form() {
    let database = Database::with(SALES).await;
    let server = server(&database, &[sales_since()], &[]).await;
    let client = server.client();
    let rows = async |arguments: Value| {
        let answer = client.call("sales_since", arguments).await;
        answer.structured()["rows"].clone()
    };
    let from_the_fifth = rows(json!({"since": "2026-01-05"})).await;
    assert_eq!(
        from_the_fifth,
        json!([
            ["2026-01-05", "4"],
            ["2026-01-06", "5"],
            ["2026-01-07", "6"]
        ])
    );
    let south = json!({"since": "2026-01-05", "region": "south", "most": 1});
    assert_eq!(rows(south).await, json!([["2026-01-06", "5"]]));
    let without = json!({"since": "2026-01-09", "region": null});
    assert_eq!(rows(without).await.as_array().map(Vec::len), Some(2));
    let csv = json!({"since": "2026-01-10", "format": "csv"});
    let answer = client.call("sales_since", csv).await;
    assert_eq!(
        answer.structured()["data"],
        json!("day,amount\r\n2026-01-10,9\r\n")
    );
    assert!(
        answer.result()["content"][0]["text"]
            .to_string()
            .contains("2026-01-10")
    );
    let blocks = json!({"since": "2026-01-01", "use_block_transport": true});
    let answer = client.call("sales_since", blocks).await;
    assert!(
        answer.structured()["result"]["uri"].is_string(),
        "{answer:?}"
    );
}

#[tokio::test]
async fn it_binds_what_looks_like_sql_as_a_value() {
    let database = Database::with(SALES).await;
    let echo = tool(
        "echo",
        "SELECT $1::text AS said, ':said' AS quoted, '$1' AS dollar -- $9 :x",
        &json!([{"name": "said", "type": "string"}]),
    );
    let server = server(&database, &[echo], &[]).await;
    let said = "x'; DROP TABLE sales; -- $1";
    let answer = server.client().call("echo", json!({"said": said})).await;
    assert_eq!(answer.structured()["rows"], json!([[said, ":said", "$1"]]));
}

#[tokio::test]
async fn it_refuses_arguments_that_do_not_fit_in_the_words_of_whoever_declared_them() {
    let database = Database::with(SALES).await;
    let server = server(&database, &[sales_since()], &[]).await;
    let client = server.client();
    for (arguments, code, words) in [
        (json!({}), "invalid_arguments", "`sales_since` do not fit"),
        (
            json!({"since": 7}),
            "invalid_arguments",
            "(First day that counts)",
        ),
        (json!({"since": null}), "invalid_arguments", "/since"),
        (
            json!({"since": "2026-01-01", "region": "west"}),
            "invalid_arguments",
            "/region",
        ),
        (
            json!({"since": "2026-01-01", "most": 101}),
            "invalid_arguments",
            "/most",
        ),
        (
            json!({"since": "2026-01-01", "sql": "SELECT 1"}),
            "invalid_arguments",
            "sql",
        ),
        (
            json!({"since": "2026-01-01", "fetch_size": 0}),
            "invalid_arguments",
            "fetch_size",
        ),
        (
            json!({"since": "a\u{0}b"}),
            "invalid_arguments",
            "`since` (`date`): no type",
        ),
        (json!({"since": "yesterdy"}), "22007", "date"),
    ] {
        let refused = client.call("sales_since", arguments.clone()).await;
        let (found, message) = refused.failure();
        assert_eq!(found, code, "{arguments}: {refused:?}");
        assert!(message.contains(words), "{arguments}: {message}");
    }
}

#[tokio::test]
async fn it_does_not_start_with_sql_that_may_not_run() {
    let database = Database::with(SALES).await;
    let one = json!([{"name": "a", "type": "string"}]);
    for (sql, parameters, words) in [
        (
            "SELECT 1",
            one.clone(),
            "finds 0 parameters in it, and 1 are declared",
        ),
        (
            "SELECT $1::text, $2::text",
            one.clone(),
            "finds 2 parameters in it, and 1 are declared",
        ),
        ("SELECT $2::text", one.clone(), "$1"),
        ("SELECT :a", one, "syntax error"),
        ("DELETE FROM sales", json!([]), "only a query is run"),
        ("SELECT 1; SELECT 2", json!([]), "multiple commands"),
        (
            "SELECT pg_read_file('/etc/passwd')",
            json!([]),
            "pg_read_file",
        ),
        ("SELECT * FROM salse", json!([]), "[42P01]"),
    ] {
        let refused = refusal(&database, tool("broken", sql, &parameters), &[]).await;
        assert!(refused.contains(words), "{sql}: {refused}");
        assert!(refused.contains("(`broken`): its `sql`: "), "{refused}");
    }
}

#[tokio::test]
async fn it_does_not_start_with_a_tool_that_has_no_place_to_run() {
    let database = Database::with(SALES).await;
    let with = |key: &str, value: Value| {
        let mut tool = tool(
            "broken",
            "DELETE FROM sales WHERE day = '2026-01-01'",
            &json!([]),
        );
        tool[key] = value;
        tool
    };
    let refused = refusal(&database, with("database", json!("nowhere")), &[]).await;
    assert!(refused.contains("no database `nowhere`"), "{refused}");
    let refused = refusal(&database, with("writes", json!(true)), &[]).await;
    assert!(refused.contains("no login that may write"), "{refused}");
    let own = refusal(
        &database,
        tool("execute_query", "SELECT 1", &json!([])),
        &[],
    )
    .await;
    assert!(own.contains("a tool of this server"), "{own}");
}

#[tokio::test]
async fn it_starts_while_the_database_is_down_and_judges_at_the_first_call() {
    let (_folder, file) = file(&[sales_since()]);
    let server = Server::at(1, "nowhere", &[&file]).await;
    assert!(listed(&server, "sales_since").await.is_some());
    let arguments = json!({"since": "2026-01-01"});
    let refused = server.client().call("sales_since", arguments).await;
    assert_eq!(refused.failure().0, "unavailable");
}

#[tokio::test]
async fn it_judges_again_what_changed_after_the_start() {
    let database = Database::with("CREATE VIEW v AS SELECT 1 AS a").await;
    let server = server(
        &database,
        &[tool("look", "SELECT a FROM v", &json!([]))],
        &[],
    )
    .await;
    let client = server.client();
    assert_eq!(
        client.call("look", json!({})).await.structured()["rows"],
        json!([[1]])
    );
    crate::database::run(
        &mut database.connection().await,
        "CREATE OR REPLACE VIEW v AS SELECT length(pg_read_file('PG_VERSION')) AS a",
    )
    .await;
    let refused = client.call("look", json!({})).await;
    assert_eq!(refused.failure().0, "42501", "{refused:?}");
}

fn forget_sales() -> Value {
    json!({"name": "forget_sales", "title": "Forget sales", "writes": true,
        "description": "Remove the sales of a day", "sql": "DELETE FROM sales WHERE day = $1",
        "parameters": [{"name": "day", "type": "string"}],
        "limits": {"max_affected_rows": 1}})
}

#[tokio::test]
async fn it_changes_rows_by_a_declared_tool_within_its_bounds() {
    let database = Database::with(SALES).await;
    let every = json!({"name": "forget_all", "title": "Forget all", "writes": true,
        "description": "Remove all sales", "sql": "DELETE FROM sales",
        "limits": {"max_affected_rows": 9},
        "annotations": {"idempotent": true, "destructive": true}});
    let server = server(&database, &[forget_sales(), every], &WRITER).await;
    let tool = listed(&server, "forget_all").await.expect("it is offered");
    assert_eq!(
        tool["annotations"],
        json!({"readOnlyHint": false, "destructiveHint": true, "idempotentHint": true,
            "openWorldHint": false})
    );
    let client = server.client();
    let refused = client.call("forget_all", json!({})).await;
    assert_eq!(refused.failure().0, "too_many_rows");
    assert!(!format!("{refused:?}").contains("raise"), "{refused:?}");
    let day = json!({"day": "2026-01-01", "dry_run": true});
    let rehearsed = client.call("forget_sales", day).await;
    assert_eq!(rehearsed.structured()["affected_rows"], json!(1));
    database
        .wait_for_count("SELECT count(*) FROM sales", 10)
        .await;
    client
        .call("forget_sales", json!({"day": "2026-01-01"}))
        .await
        .structured();
    database
        .wait_for_count("SELECT count(*) FROM sales", 9)
        .await;
    client.call("forget_all", json!({})).await.structured();
    database
        .wait_for_count("SELECT count(*) FROM sales", 0)
        .await;
}

#[tokio::test]
async fn it_does_not_start_with_a_change_that_may_not_be_made() {
    let database = Database::with(SALES).await;
    for (sql, words) in [
        ("SELECT day FROM sales WHERE day = $1::date", "changes no"),
        (
            "DELETE FROM sales WHERE day = $1::date AND pg_read_file('PG_VERSION') IS NULL",
            "pg_read_file",
        ),
        ("DELETE FROM sales", "finds 0 parameters"),
    ] {
        let mut tool = forget_sales();
        tool["sql"] = json!(sql);
        let refused = refusal(&database, tool, &WRITER).await;
        assert!(refused.contains(words), "{sql}: {refused}");
    }
    database
        .wait_for_count("SELECT count(*) FROM sales", 10)
        .await;
}

#[tokio::test]
async fn it_offers_declared_tools_as_the_choice_of_tools_says() {
    let database = Database::with(SALES).await;
    let tools = [sales_since(), forget_sales()];
    for (choice, reads, writes) in [
        ("--tools=read-only", true, false),
        ("--tools=all", true, true),
        ("--tools=forget_sales,list_tables", false, true),
    ] {
        let server = server(&database, &tools, &[&WRITER[..], &[choice]].concat()).await;
        let offered = [
            listed(&server, "sales_since").await.is_some(),
            listed(&server, "forget_sales").await.is_some(),
        ];
        assert_eq!(offered, [reads, writes], "{choice}");
    }
    // A tool that is not offered is not judged: no login is asked for.
    server(&database, &tools, &["--tools=read-only"]).await;
}

#[tokio::test]
async fn it_bounds_rows_and_time_as_declared_and_keeps_no_blocks_beyond() {
    let database = Database::with(SALES).await;
    let mut few = tool(
        "few",
        "SELECT g FROM generate_series(1, 100) AS g",
        &json!([]),
    );
    few["limits"] = json!({"max_rows": 2});
    let mut short = tool(
        "short",
        "SELECT count(*) FROM generate_series(1, 200000) a, generate_series(1, 200000) b",
        &json!([]),
    );
    short["limits"] = json!({"statement_timeout_ms": 50});
    let server = server(&database, &[few, short], &[]).await;
    let client = server.client();
    let answer = client.call("few", json!({})).await;
    assert_eq!(answer.structured()["rows"], json!([[1], [2]]));
    assert_eq!(answer.structured()["truncated_by"], json!("rows"));
    let refused = client
        .call("few", json!({"use_block_transport": true}))
        .await;
    assert_eq!(refused.failure().0, "invalid_arguments");
    let refused = client.call("short", json!({})).await;
    assert_eq!(refused.failure().0, "57014");
}
