//! `get_table_schema`: everything that one needs to know of a table to query it.

use serde::Deserialize;
use serde_json::{Value, json};

use super::text_lines::join_within;
use super::{Effect, Output, Tool, ToolFailure, database_schema, list_tables};
use crate::call::Call;
use crate::postgres::{ColumnDescription, MissingTable, TableDescription, TableName};
use crate::services::{Services, database_caller};

/// The tool `get_table_schema`: one table or view of PostgreSQL in full.
pub struct GetTableSchema;

/// The arguments of a call of `get_table_schema`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arguments {
    #[serde(default)]
    database: Option<String>,
    table: String,
    #[serde(default)]
    schema: Option<String>,
}

impl Tool for GetTableSchema {
    const NAME: &'static str = "get_table_schema";
    const TITLE: &'static str = "Describe a PostgreSQL table";
    const DESCRIPTION: &'static str = "Columns, types, enum values, defaults, keys, references \
                                       both ways, checks, indexes, comments and size of one \
                                       PostgreSQL table, or a view's query. Use it before writing \
                                       SQL.";
    const EFFECT: Effect = Effect::Reads;

    type Arguments = Arguments;

    fn input_schema() -> Value {
        json!({
            "type": "object",
            "properties": {
                "database": database_schema(),
                "table": {"type": "string", "minLength": 1},
                "schema": {"type": "string", "minLength": 1,
                    "description": "`public` when left out"}
            },
            "required": ["table"],
            "additionalProperties": false
        })
    }

    fn output_schema() -> Value {
        let text_or_null = json!({"type": ["string", "null"]});
        let number_or_null = json!({"type": ["integer", "null"]});
        let names = json!({"type": "array", "items": {"type": "string"}});
        let list = |properties: Value| {
            json!({"type": "array",
            "items": {"type": "object", "properties": properties}})
        };
        let defined = list(json!({"name": {"type": "string"}, "definition": {"type": "string"}}));
        json!({
            "properties": {
                "schema": {"type": "string"},
                "table": {"type": "string"},
                "kind": list_tables::kinds(),
                "comment": text_or_null,
                "rows_estimate": number_or_null,
                "bytes": number_or_null,
                "columns": list(json!({
                    "name": {"type": "string"}, "type": {"type": "string"},
                    "nullable": {"type": "boolean"},
                    "default": text_or_null, "comment": text_or_null,
                    "enum_values": {"type": ["array", "null"], "items": {"type": "string"}}
                })),
                "primary_key": names,
                "unique": list(json!({"name": {"type": "string"}, "columns": names})),
                "foreign_keys": list(json!({
                    "name": {"type": "string"}, "columns": names, "references": {"type": "string"},
                    "referenced_columns": names
                })),
                "referenced_by": list(json!({
                    "name": {"type": "string"}, "table": {"type": "string"}, "columns": names,
                    "referenced_columns": names
                })),
                "checks": defined,
                "exclusions": defined,
                "indexes": defined,
                "definition": text_or_null
            }
        })
    }

    async fn run(
        services: &Services,
        call: &Call,
        arguments: Arguments,
    ) -> Result<Output, ToolFailure> {
        let name = arguments.database.as_deref();
        let database = services.databases.get(name, database_caller(call))?;
        let wanted = TableName {
            schema: arguments.schema,
            table: arguments.table,
        };
        let look = database.describe_table(&wanted);
        match call.unless_cancelled(look).await?? {
            Ok(table) => Ok(output(&table, services.text_bytes)),
            Err(missing) => Err(not_found(&wanted, &missing)),
        }
    }
}

/// A table that does not exist, with those whose names are near.
pub fn not_found(wanted: &TableName, missing: &MissingTable) -> ToolFailure {
    let failure = ToolFailure::not_found(format!(
        "there is no table `{}` in schema `{}`",
        wanted.table,
        wanted.schema()
    ));
    let near: Vec<String> = missing
        .near
        .iter()
        .map(|name| format!("`{name}`"))
        .collect();
    failure.with_hint(if near.is_empty() {
        "list_tables names the tables there are".to_owned()
    } else {
        format!("did you mean {}?", near.join(", "))
    })
}

fn output(table: &TableDescription, budget: usize) -> Output {
    let rest = "they are in structuredContent; or select from information_schema.columns";
    let text = join_within(&lines(table), budget, rest);
    Output::new(&json!(table), text)
}

/// All that is known of a table, line by line.
fn lines(table: &TableDescription) -> Vec<String> {
    let mut head = format!("{}.{} ({})", table.schema, table.name, table.kind);
    if let Some(estimate) = table.rows_estimate {
        head.push_str(&format!(", about {estimate} rows"));
    }
    if let Some(bytes) = table.bytes {
        head.push_str(&format!(", {bytes} bytes"));
    }
    let mut lines = vec![head];
    lines.extend(table.comment.clone());
    lines.extend(table.columns.iter().map(describe));
    lines.extend(table.constraint_definitions.iter().cloned());
    lines.extend(table.indexes.iter().map(|index| index.definition.clone()));
    for reference in &table.referenced_by {
        lines.push(format!(
            "referenced by {} ({})",
            reference.table,
            reference.columns.join(", ")
        ));
    }
    let definition = table.definition.iter();
    lines.extend(
        definition
            .flat_map(|query| query.lines())
            .map(ToOwned::to_owned),
    );
    lines
}

/// One column: its type, whether it must have a value, its default, the values there are, and its
/// comment.
fn describe(column: &ColumnDescription) -> String {
    let mut line = format!("{} {}", column.name, column.type_name);
    if !column.nullable {
        line.push_str(" not null");
    }
    if let Some(default) = &column.default {
        line.push_str(&format!(" default {default}"));
    }
    if let Some(values) = &column.enum_values {
        line.push_str(&format!(" (one of {})", values.join(", ")));
    }
    if let Some(comment) = &column.comment {
        line.push_str(&format!(" ({comment})"));
    }
    line
}
