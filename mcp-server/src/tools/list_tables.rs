//! `list_tables`: what there is to query in PostgreSQL.

use serde::Deserialize;
use serde_json::{Value, json};

use super::paging::{cursor_schema, open_cursor, page_limit, page_output};
use super::text_lines::brief_comment;
use super::{Effect, Output, Tool, ToolFailure, database_schema};
use crate::call::Call;
use crate::cursor;
use crate::postgres::{TableFilter, TableKey, TableKind, TableSummary};
use crate::services::{Services, database_caller};

const DEFAULT_LIMIT: u32 = 100;
const MAX_LIMIT: u32 = 1000;

/// The tool `list_tables`: what PostgreSQL has to query, page by page.
pub struct ListTables;

/// The arguments of a call of `list_tables`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arguments {
    #[serde(default)]
    database: Option<String>,
    #[serde(default)]
    schema: Option<String>,
    #[serde(default)]
    kind: Option<TableKind>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    limit: Option<u32>,
    #[serde(default)]
    cursor: Option<String>,
}

impl Tool for ListTables {
    const NAME: &'static str = "list_tables";
    const TITLE: &'static str = "List PostgreSQL tables";
    const DESCRIPTION: &'static str = "List PostgreSQL tables, views and foreign tables with \
        estimated rows and size; search them by name. Start here when you do not know the names.";
    const EFFECT: Effect = Effect::Reads;

    type Arguments = Arguments;

    fn input_schema() -> Value {
        json!({
            "type": "object",
            "properties": {
                "database": database_schema(),
                "schema": {"type": "string", "description": "Only this schema; all but the \
                     system's when left out"},
                "kind": kinds(),
                "name": {"type": "string", "minLength": 1,
                    "description": "Only names that hold this, in any case"},
                "limit": {"type": "integer", "minimum": 1, "maximum": 1000,
                    "description": "Tables per page, 100 when left out"},
                "cursor": cursor_schema()
            },
            "additionalProperties": false
        })
    }

    fn output_schema() -> Value {
        let nullable = |kind: &str| json!({"type": [kind, "null"]});
        json!({
            "properties": {
                "tables": {"type": "array", "items": {
                    "type": "object",
                    "properties": {
                        "schema": {"type": "string"},
                        "name": {"type": "string"},
                        "kind": kinds(),
                        "partition_of": nullable("string"),
                        "rows_estimate": nullable("integer"),
                        "bytes": nullable("integer"),
                        "comment": nullable("string")
                    }
                }},
                "next_cursor": nullable("string")
            }
        })
    }

    async fn run(
        services: &Services,
        call: &Call,
        arguments: Arguments,
    ) -> Result<Output, ToolFailure> {
        let limit = page_limit(arguments.limit.unwrap_or(DEFAULT_LIMIT), MAX_LIMIT)?;
        // A page ends with the key of its last table.
        let after = open_cursor(arguments.cursor.as_deref())?;
        let after = after.map(|(schema, name)| TableKey { schema, name });
        let name = arguments.database.as_deref();
        let database = services.databases.get(name, database_caller(call))?;
        let filter = TableFilter {
            schema: arguments.schema.as_deref(),
            kind: arguments.kind,
            name: arguments.name.as_deref(),
        };
        let look = database.tables(filter, after.as_ref(), limit + 1);
        let mut tables = call.unless_cancelled(look).await??;
        let is_whole = u32::try_from(tables.len()).is_ok_and(|found| found <= limit);
        if !is_whole {
            tables.pop();
        }
        let last = tables.last().filter(|_| !is_whole);
        let next_cursor = last.map(|last| cursor::seal(&(&last.schema, &last.name)));
        let lines: Vec<String> = tables.iter().map(line).collect();
        let no_tables = match filter.schema {
            _ if filter.kind.is_some() || filter.name.is_some() => "no such tables",
            Some(schema) => &format!("no tables in schema `{schema}`"),
            None => "no tables",
        };
        Ok(page_output(
            "tables",
            json!(tables),
            &lines,
            no_tables,
            next_cursor.as_deref(),
            services.text_bytes,
        ))
    }
}

/// JSON Schema of the kind of a table.
pub(super) fn kinds() -> Value {
    json!({"enum": ["table", "partitioned table", "view", "materialized view", "foreign table"]})
}

fn line(table: &TableSummary) -> String {
    let mut line = format!("{}.{}: {}", table.schema, table.name, table.kind);
    if let Some(parent) = &table.partition_of {
        line.push_str(&format!(", partition of {parent}"));
    }
    if let Some(estimate) = table.rows_estimate {
        line.push_str(&format!(", about {estimate} rows"));
    }
    if let Some(bytes) = table.bytes {
        line.push_str(&format!(", {bytes} bytes"));
    }
    if let Some(comment) = &table.comment {
        line.push_str(&format!(" ({})", brief_comment(comment)));
    }
    line
}
