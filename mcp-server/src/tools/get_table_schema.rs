//! `get_table_schema`: everything that one needs to know of a table to query it.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Effect, Output, Tool, ToolFailure, database_schema};
use crate::call::Call;
use crate::postgres::{MissingTable, TableDescription, TableName};
use crate::services::Services;

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
    const DESCRIPTION: &'static str = "Columns, types, keys, checks, indexes, comments and size \
                                       of one PostgreSQL table or view. Use it before writing SQL.";
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
        json!({
            "properties": {
                "schema": {"type": "string"},
                "table": {"type": "string"},
                "kind": {"type": "string"},
                "comment": text_or_null,
                "rows_estimate": number_or_null,
                "bytes": number_or_null,
                "columns": list(json!({
                    "name": {"type": "string"}, "type": {"type": "string"},
                    "nullable": {"type": "boolean"},
                    "default": text_or_null, "comment": text_or_null
                })),
                "primary_key": names,
                "unique": list(json!({"name": {"type": "string"}, "columns": names})),
                "foreign_keys": list(json!({
                    "name": {"type": "string"}, "columns": names, "references": {"type": "string"},
                    "referenced_columns": names
                })),
                "checks": list(json!({"name": {"type": "string"},
                    "definition": {"type": "string"}})),
                "indexes": list(json!({"name": {"type": "string"},
                    "definition": {"type": "string"}}))
            },
            "required": ["schema", "table", "kind", "columns", "primary_key", "unique",
                "foreign_keys", "checks", "indexes"]
        })
    }

    async fn run(
        services: &Services,
        call: &Call,
        arguments: Arguments,
    ) -> Result<Output, ToolFailure> {
        let database = services.databases.get(arguments.database.as_deref())?;
        let wanted = TableName {
            schema: arguments.schema,
            table: arguments.table,
        };
        let look = database.describe_table(&wanted);
        match call.unless_cancelled(look).await?? {
            Ok(table) => Ok(output(&table)),
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

fn output(table: &TableDescription) -> Output {
    let mut lines = vec![format!("{}.{} ({})", table.schema, table.name, table.kind)];
    for column in &table.columns {
        let nullable = if column.nullable { "" } else { " not null" };
        lines.push(format!("{} {}{nullable}", column.name, column.type_name));
    }
    lines.extend(table.constraint_definitions.iter().cloned());
    Output::new(&json!(table), lines.join("\n"))
}
