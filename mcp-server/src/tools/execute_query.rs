//! `execute_query`: one SELECT on PostgreSQL, with bound parameters.

use serde::Deserialize;
use serde_json::{Value, json};

use super::row_delivery::{self, BlockArguments, RowDelivery};
use super::{Effect, Output, Tool, ToolFailure, database_schema, rows_view};
use crate::call::Call;
use crate::results::RowForm;
use crate::services::Services;

/// The tool `execute_query`: one SELECT on PostgreSQL.
pub struct ExecuteQuery;

/// The arguments of a call of `execute_query`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arguments {
    #[serde(default)]
    database: Option<String>,
    sql: String,
    #[serde(default)]
    parameters: Option<Vec<Value>>,
    #[serde(default)]
    use_block_transport: Option<bool>,
    #[serde(default)]
    fetch_size: Option<u32>,
}

impl Tool for ExecuteQuery {
    const NAME: &'static str = "execute_query";
    const TITLE: &'static str = "Query PostgreSQL";
    const DESCRIPTION: &'static str = "Run one read-only SELECT on PostgreSQL and get its rows. \
        Put values into `parameters`, as $1, $2, … A large result gives its first rows and a \
        handle (`result`), whose blocks read_result_block reads: better aggregate.";
    const EFFECT: Effect = Effect::Reads;

    type Arguments = Arguments;

    fn input_schema() -> Value {
        let blocks = row_delivery::properties();
        json!({
            "type": "object",
            "properties": {
                "use_block_transport": blocks["use_block_transport"],
                "fetch_size": blocks["fetch_size"],
                "database": database_schema(),
                "sql": {"type": "string", "minLength": 1,
                    "description": "SELECT, WITH, VALUES or TABLE"},
                "parameters": {
                    "type": "array",
                    "items": {},
                    "description": "Values of $1, $2, …: dates, decimals and integers beyond 2^53 \
                                    as strings; arrays as arrays"
                }
            },
            "required": ["sql"],
            "additionalProperties": false
        })
    }

    fn output_schema() -> Value {
        json!({
            "properties": rows_view::properties_with_blocks(),
            "required": ["columns", "rows", "row_count", "truncated", "truncated_by"]
        })
    }

    async fn run(
        services: &Services,
        call: &Call,
        arguments: Arguments,
    ) -> Result<Output, ToolFailure> {
        let name = arguments.database.as_deref();
        let database = services.databases.get(name, call.principal.owner())?;
        let parameters = arguments.parameters.unwrap_or_default();
        let asked = BlockArguments {
            use_block_transport: arguments.use_block_transport,
            fetch_size: arguments.fetch_size,
        };
        let delivery = RowDelivery::new(services, call, asked)?;
        let mut sink = delivery.rows(RowForm::Lines, database.limits());
        let query = database.query(&arguments.sql, &parameters, &mut sink);
        let written = delivery.follow(query).await??;
        delivery.answer_rows(RowForm::Lines, sink, written).await
    }
}
