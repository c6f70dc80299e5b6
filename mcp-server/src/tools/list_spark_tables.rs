//! `list_spark_tables`: what there is to query in Spark.

use serde::Deserialize;
use serde_json::{Value, json};

use super::paging::{cursor_schema, open_cursor, page_limit, page_output};
use super::text_lines::brief_comment;
use super::{Effect, Output, Tool, ToolFailure};
use crate::call::Call;
use crate::cursor;
use crate::services::{Services, spark_caller};
use crate::spark::{SparkTable, SparkTableFilter, SparkTableKind};

const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1000;

/// The tool `list_spark_tables`: what Spark has to query, page by page.
pub struct ListSparkTables;

/// The arguments of a call of `list_spark_tables`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arguments {
    #[serde(default)]
    catalog: Option<String>,
    #[serde(default)]
    database: Option<String>,
    #[serde(default)]
    kind: Option<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    limit: Option<usize>,
    #[serde(default)]
    cursor: Option<String>,
}

impl Tool for ListSparkTables {
    const NAME: &'static str = "list_spark_tables";
    const TITLE: &'static str = "List Spark tables";
    const DESCRIPTION: &'static str = "List the tables and views of Spark, temporary views of \
        your session too; search them by name. Start here before you write Spark SQL.";
    const EFFECT: Effect = Effect::Reads;

    type Arguments = Arguments;

    fn input_schema() -> Value {
        json!({
            "type": "object",
            "properties": {
                "catalog": {"type": "string", "minLength": 1,
                    "description": "`spark_catalog`, or one that is configured; the session's \
                         when left out"},
                "database": {"type": "string", "minLength": 1,
                    "description": "Only this database; all of the catalog when left out"},
                "kind": kinds(),
                "name": {"type": "string", "minLength": 1,
                    "description": "Only names that hold this, in any case"},
                "limit": {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT,
                    "description": "Tables per page, 100 when left out"},
                "cursor": cursor_schema()
            },
            "additionalProperties": false
        })
    }

    fn output_schema() -> Value {
        let text_or_null = json!({"type": ["string", "null"]});
        json!({
            "properties": {
                "tables": {"type": "array", "items": {
                    "type": "object",
                    "properties": {
                        "catalog": text_or_null,
                        "database": text_or_null,
                        "name": {"type": "string"},
                        "kind": kinds_or_none(),
                        "comment": text_or_null
                    }
                }},
                "next_cursor": text_or_null
            }
        })
    }

    async fn run(
        services: &Services,
        call: &Call,
        arguments: Arguments,
    ) -> Result<Output, ToolFailure> {
        let limit = page_limit(arguments.limit.unwrap_or(DEFAULT_LIMIT), MAX_LIMIT)?;
        let after = open_cursor(arguments.cursor.as_deref())?;
        let filter = SparkTableFilter {
            catalog: arguments.catalog,
            database: arguments.database,
            kind: arguments.kind.as_deref().map(kind).transpose()?,
            name: arguments.name,
        };
        let spark = &services.spark;
        let caller = spark_caller(call);
        let look = spark.page_of_tables(&caller, &filter, after, limit);
        let page = call.unless_cancelled(Box::pin(look)).await??;
        let lines: Vec<String> = page.tables.iter().map(line).collect();
        let tables: Vec<Value> = page.tables.iter().map(view).collect();
        let next_cursor = page.next.as_ref().map(cursor::seal);
        Ok(page_output(
            "tables",
            json!(tables),
            &lines,
            "no such tables",
            next_cursor.as_deref(),
            services.text_bytes,
        ))
    }
}

/// JSON Schema of the kind of a table.
fn kinds() -> Value {
    json!({"enum": SparkTableKind::ALL.map(SparkTableKind::name)})
}

/// JSON Schema of the kind of a table where Spark may not have looked.
pub(super) fn kinds_or_none() -> Value {
    let mut kinds = kinds();
    if let Some(words) = kinds["enum"].as_array_mut() {
        words.push(Value::Null);
    }
    kinds
}

/// The kind that a caller names.
fn kind(word: &str) -> Result<SparkTableKind, ToolFailure> {
    let mut known = SparkTableKind::ALL.into_iter();
    known.find(|kind| kind.name() == word).ok_or_else(|| {
        let words = SparkTableKind::ALL.map(SparkTableKind::name);
        ToolFailure::invalid_arguments(format!("`kind` is one of `{}`", words.join("`, `")))
    })
}

/// A table as a list shows it.
fn view(table: &SparkTable) -> Value {
    json!({"catalog": table.catalog, "database": table.database, "name": table.name,
        "kind": table.kind.map(SparkTableKind::name), "comment": table.comment})
}

fn line(table: &SparkTable) -> String {
    let mut line = match &table.database {
        Some(database) => format!("{database}.{}", table.name),
        None => table.name.clone(),
    };
    if let Some(kind) = table.kind {
        line.push_str(&format!(": {}", kind.name()));
    }
    if let Some(comment) = &table.comment {
        line.push_str(&format!(" ({})", brief_comment(comment)));
    }
    line
}
