//! `execute_query`: one SELECT on PostgreSQL, with bound parameters.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Effect, Output, Tool, ToolFailure, database_schema, rows_view};
use crate::call::Call;
use crate::results::{JsonRows, TextForModels, WithText};
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
}

impl Tool for ExecuteQuery {
    const NAME: &'static str = "execute_query";
    const TITLE: &'static str = "Query PostgreSQL";
    const DESCRIPTION: &'static str = "Run one read-only SELECT on PostgreSQL and get its rows. \
        Put values into `parameters`, as $1, $2, … Results are cut at a row and a byte limit \
        (`truncated`): aggregate, or page with LIMIT.";
    const EFFECT: Effect = Effect::Reads;

    type Arguments = Arguments;

    fn input_schema() -> Value {
        json!({
            "type": "object",
            "properties": {
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
            "properties": rows_view::properties(),
            "required": ["columns", "rows", "row_count", "truncated", "truncated_by"]
        })
    }

    async fn run(
        services: &Services,
        call: &Call,
        arguments: Arguments,
    ) -> Result<Output, ToolFailure> {
        let database = services.databases.get(arguments.database.as_deref())?;
        let parameters = arguments.parameters.unwrap_or_default();
        let mut sink = WithText {
            rows: JsonRows::new(database.limits()),
            text: TextForModels::new(services.text_bytes),
        };
        let query = database.query(&arguments.sql, &parameters, &mut sink);
        let written = call.unless_cancelled(query).await??;
        let has_structured = call.revision.has_structured_content();
        let text = sink.text.finish(written.truncation, has_structured);
        let row_count = sink.rows.row_count();
        let rows = sink.rows.into_json();
        Ok(rows_view::output(&written, row_count, text, |output| {
            output.raw_member("rows", &rows)
        }))
    }
}
