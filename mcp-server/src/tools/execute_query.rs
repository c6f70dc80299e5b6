//! `execute_query`: one SELECT on PostgreSQL, with bound parameters.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Effect, Output, Tool, ToolFailure, preview};
use crate::call::Call;
use crate::postgres::{OversizedValue, Rows, TruncatedBy};
use crate::services::Services;

/// The tool `execute_query`: one SELECT on PostgreSQL.
pub struct ExecuteQuery;

/// The arguments of a call of `execute_query`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arguments {
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
            "properties": {
                "columns": {"type": "array", "items": {
                    "type": "object",
                    "properties": {"name": {"type": "string"}, "type": {"type": "string"}},
                    "required": ["name", "type"]
                }},
                "rows": {"type": "array", "items": {"type": "array"}},
                "row_count": {"type": "integer"},
                "truncated": {"type": "boolean"},
                "truncated_by": {"enum": ["rows", "bytes", null]},
                "note": {"type": "string", "description": "Why the next row is not shown"}
            },
            "required": ["columns", "rows", "row_count", "truncated", "truncated_by"]
        })
    }

    async fn run(
        services: &Services,
        call: &Call,
        arguments: Arguments,
    ) -> Result<Output, ToolFailure> {
        let parameters = arguments.parameters.unwrap_or_default();
        let rows = call
            .unless_cancelled(services.postgres.query(&arguments.sql, &parameters))
            .await??;
        let truncated_by = rows.truncated_by.map(|limit| match limit {
            TruncatedBy::Rows => "rows",
            TruncatedBy::Bytes => "bytes",
        });
        let names = rows.columns.iter().map(|column| column.name.as_str());
        let mut text = preview::table(&names.collect::<Vec<_>>(), &rows.rows, truncated_by);
        let note = rows
            .oversized
            .as_ref()
            .map(|value| note(value, rows.rows.len()));
        if let Some(note) = &note {
            text.push('\n');
            text.push_str(note);
        }
        let mut structured = structured(rows, truncated_by);
        if let Some(note) = note {
            structured["note"] = Value::String(note);
        }
        Ok(Output { text, structured })
    }
}

/// Tells which value keeps the row after the shown ones out, and what to do about it.
fn note(value: &OversizedValue, shown: usize) -> String {
    let OversizedValue { column, bytes } = value;
    format!(
        "row {} alone is over the byte limit: its column `{column}` has {bytes} bytes; leave the \
         column out, or select a part of it, such as the first characters of its text",
        shown + 1
    )
}

fn structured(rows: Rows, truncated_by: Option<&str>) -> Value {
    let columns: Vec<Value> = rows
        .columns
        .into_iter()
        .map(|column| json!({"name": column.name, "type": column.type_name}))
        .collect();
    let row_count = rows.rows.len();
    let mut structured = json!({
        "columns": columns,
        "row_count": row_count,
        "truncated": truncated_by.is_some(),
        "truncated_by": truncated_by,
    });
    // Moved, not rebuilt: this is where the megabytes are.
    structured["rows"] = Value::Array(rows.rows.into_iter().map(Value::Array).collect());
    structured
}
