//! `list_spark_tables`: what there is to query in Spark.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::page_limit::page_limit;
use super::{Effect, Output, Tool, ToolFailure};
use crate::call::Call;
use crate::services::Services;
use crate::spark::{SparkPageEnd, SparkTable, SparkTableFilter, SparkTableKind, SparkTablePage};

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
                "cursor": {"type": "string", "description": "`next_cursor` of the page before"}
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
                        "kind": text_or_null,
                        "comment": text_or_null
                    },
                    "required": ["catalog", "database", "name", "kind", "comment"]
                }},
                "next_cursor": text_or_null
            },
            "required": ["tables", "next_cursor"]
        })
    }

    async fn run(
        services: &Services,
        call: &Call,
        arguments: Arguments,
    ) -> Result<Output, ToolFailure> {
        let limit = page_limit(arguments.limit.unwrap_or(DEFAULT_LIMIT), MAX_LIMIT)?;
        let after = arguments.cursor.as_deref().map(open_cursor).transpose()?;
        let filter = SparkTableFilter {
            catalog: arguments.catalog,
            database: arguments.database,
            kind: arguments.kind.as_deref().map(kind).transpose()?,
            name: arguments.name,
        };
        let spark = &services.spark;
        let look = spark.page_of_tables(call.session.as_deref(), &filter, after, limit);
        let page = call.unless_cancelled(Box::pin(look)).await??;
        Ok(output(&page))
    }
}

/// JSON Schema of the kind of a table.
fn kinds() -> Value {
    json!({"enum": SparkTableKind::ALL.map(SparkTableKind::name)})
}

/// A cursor is nothing that a client should rely on.
fn seal_cursor(end: &SparkPageEnd) -> String {
    URL_SAFE_NO_PAD.encode(json!(end).to_string())
}

fn open_cursor(cursor: &str) -> Result<SparkPageEnd, ToolFailure> {
    URL_SAFE_NO_PAD
        .decode(cursor)
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .ok_or_else(|| ToolFailure::invalid_arguments("`cursor` is none that this tool gave"))
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

fn output(page: &SparkTablePage) -> Output {
    let mut lines: Vec<String> = page.tables.iter().map(line).collect();
    if lines.is_empty() {
        lines.push("no such tables".to_owned());
    }
    let next_cursor = page.next.as_ref().map(seal_cursor);
    if let Some(cursor) = &next_cursor {
        lines.push(format!("more with cursor {cursor}"));
    }
    let tables: Vec<Value> = page.tables.iter().map(view).collect();
    let structured = json!({"tables": tables, "next_cursor": next_cursor});
    Output::new(&structured, lines.join("\n"))
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
        line.push_str(&format!(", {comment}"));
    }
    line
}
