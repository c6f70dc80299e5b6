//! `create_table`: a new table of PostgreSQL, described and not written as SQL.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Effect, Output, Tool, ToolFailure, database_schema};
use crate::call::Call;
use crate::postgres::{NewColumn, NewForeignKey, NewTable};
use crate::services::{Services, database_caller};

/// The tool `create_table`: a new table of PostgreSQL.
pub struct CreateTable;

/// The arguments of a call of `create_table`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arguments {
    #[serde(default)]
    database: Option<String>,
    #[serde(default)]
    schema: Option<String>,
    table: String,
    columns: Vec<NewColumn>,
    #[serde(default)]
    primary_key: Vec<String>,
    #[serde(default)]
    unique: Vec<Vec<String>>,
    #[serde(default)]
    checks: Vec<String>,
    #[serde(default)]
    foreign_keys: Vec<NewForeignKey>,
    #[serde(default)]
    if_not_exists: bool,
    #[serde(default)]
    dry_run: bool,
}

impl Tool for CreateTable {
    const NAME: &'static str = "create_table";
    const TITLE: &'static str = "Create a PostgreSQL table";
    const DESCRIPTION: &'static str = "Create one PostgreSQL table with its keys and checks. Names \
        are taken as they are and quoted; defaults and checks are SQL expressions that call only \
        what is harmless. Try it with `dry_run` first.";
    const EFFECT: Effect = Effect::Adds;

    type Arguments = Arguments;

    fn input_schema() -> Value {
        let text = json!({"type": "string", "minLength": 1});
        let names = json!({"type": "array", "minItems": 1, "items": text});
        json!({
            "type": "object",
            "properties": {
                "database": database_schema(),
                "schema": {"type": "string", "minLength": 1,
                    "description": "`public` when left out"},
                "table": text,
                "columns": {"type": "array", "minItems": 1, "maxItems": 1600, "items": {
                    "type": "object",
                    "properties": {
                        "name": text,
                        "type": {"type": "string", "minLength": 1,
                            "description": "text, bigint, numeric(12,2), timestamptz, text[], …"},
                        "not_null": {"type": "boolean"},
                        "default": {"type": "string", "minLength": 1,
                            "description": "SQL: 0, 'new', now()"},
                        "identity": {"type": "boolean", "description": "Numbered by PostgreSQL"}
                    },
                    "required": ["name", "type"],
                    "additionalProperties": false
                }},
                "primary_key": names,
                "unique": {"type": "array", "maxItems": 100, "items": names},
                "checks": {"type": "array", "maxItems": 100, "items": text,
                    "description": "SQL: price > 0"},
                "foreign_keys": {"type": "array", "maxItems": 100, "items": {
                    "type": "object",
                    "properties": {
                        "columns": names,
                        "schema": text,
                        "table": text,
                        "referenced_columns": names,
                        "on_delete": {"enum": ["cascade", "set_null", "restrict"]}
                    },
                    "required": ["columns", "table"],
                    "additionalProperties": false
                }},
                "if_not_exists": {"type": "boolean",
                    "description": "Leave a table of that name as it is"},
                "dry_run": {"type": "boolean", "description": "Create it, and roll it back"}
            },
            "required": ["table", "columns"],
            "additionalProperties": false
        })
    }

    fn output_schema() -> Value {
        json!({
            "properties": {
                "table": {"type": "string"},
                "created": {"type": "boolean"},
                "dry_run": {"type": "boolean"},
                "sql": {"type": "string"}
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
        let table = NewTable {
            schema: arguments.schema.unwrap_or_else(|| "public".to_owned()),
            name: arguments.table,
            columns: arguments.columns,
            primary_key: arguments.primary_key,
            unique: arguments.unique,
            checks: arguments.checks,
            foreign_keys: arguments.foreign_keys,
        };
        let is_rehearsal = arguments.dry_run;
        let work = database.create_table(&table, arguments.if_not_exists, is_rehearsal);
        let made = call.unless_cancelled(work).await??;
        let name = table.full_name();
        let text = match (made.is_new, is_rehearsal) {
            (false, _) => format!("{name} was there already, and is left as it is"),
            (true, false) => format!("{name} is created\n{}", made.statement),
            (true, true) => {
                format!(
                    "{name} could be created; this was a dry run\n{}",
                    made.statement
                )
            }
        };
        let structured = json!({
            "table": name,
            "created": made.is_new && !is_rehearsal,
            "dry_run": is_rehearsal,
            "sql": made.statement,
        });
        Ok(Output::new(&structured, text))
    }
}
