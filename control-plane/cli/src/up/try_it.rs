//! Prints commands to try when everything is up: each snippet works as it stands, pasted into a
//! second terminal.

use serde_json::json;

use crate::{mcp_client, output};

use super::stack::Stack;

pub(crate) fn print(stack: &Stack, seconds: f64) {
    output::tell(text(stack, seconds));
}

fn text(stack: &Stack, seconds: f64) -> String {
    let settings = &stack.settings;
    let mcp = settings.mcp_url();
    let rest = settings.rest_url();
    let rest_address = settings.rest_address;
    let data = stack.data.display();
    let logs = stack.logs().display().to_string();
    let own = std::env::current_exe().map_or_else(
        |_| "portcullis".to_owned(),
        |path| path.display().to_string(),
    );
    let body = mcp_client::call_body("list_tables", &mcp_client::no_arguments());
    let clients = json!({"mcpServers": {"portcullis": {"type": "http", "url": mcp}}});
    let demo = if settings.postgres.postgres_host.is_none() {
        "SELECT month, revenue FROM revenue_by_month ORDER BY month LIMIT 3"
    } else {
        "SELECT 1 AS one"
    };
    let query = json!({"sql": demo});
    let spark_query = if settings.spark.local_needed() {
        "SELECT kind, count(*) AS events FROM events GROUP BY kind"
    } else {
        "SHOW TABLES"
    };
    let spark_query = json!({"sql": spark_query});
    format!(
        r#"
ready in {seconds:.1} s: MCP clients connect to {mcp}

In a second terminal, try
  a query through the gateway:
    {own} tools call --url {mcp} execute_query '{query}'
  and one of Spark:
    {own} tools call --url {mcp} execute_spark_sql '{spark_query}'
  the same path with curl:
    curl -s {mcp} -H 'Content-Type: application/json' \
      -H 'Accept: application/json, text/event-stream' -H 'MCP-Protocol-Version: 2026-07-28' \
      -H 'Mcp-Method: tools/call' -H 'Mcp-Name: list_tables' \
      -d '{body}'
  a limit of two calls a minute on it, then without:
    curl -s -X PUT {rest}/api/v1/tools/execute_query/policy \
      -H 'Content-Type: application/json' \
      -d '{{"limits":[{{"per":["tool"],"requests":2,"window":"1m"}}]}}'
    curl -s -X DELETE {rest}/api/v1/tools/execute_query/policy
  what each Envoy and each server does:
    {own} status --data {data} --rest-address {rest_address}
  the same for programs, and every resource of each Envoy:
    curl -s {rest}/api/v1/nodes
For an MCP client's configuration:
    {clients}
Logs: {logs}
Ctrl-C stops everything."#
    )
}
