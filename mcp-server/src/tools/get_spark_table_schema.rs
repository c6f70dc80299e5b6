//! `get_spark_table_schema`: columns and storage of one table of Spark.

use serde::Deserialize;
use serde_json::{Value, json};

use super::text_lines::join_within;
use super::{Effect, Output, Tool, ToolFailure, list_spark_tables};
use crate::call::Call;
use crate::services::{Services, spark_caller};
use crate::spark::connect::ConnectError;
use crate::spark::{Error, SparkTableDescription, SparkTableKind, SparkTableName};

/// The tool `get_spark_table_schema`: one table or view of Spark.
pub struct GetSparkTableSchema;

/// The arguments of a call of `get_spark_table_schema`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arguments {
    #[serde(default)]
    catalog: Option<String>,
    #[serde(default)]
    database: Option<String>,
    table: String,
}

impl Tool for GetSparkTableSchema {
    const NAME: &'static str = "get_spark_table_schema";
    const TITLE: &'static str = "Describe a Spark table";
    const DESCRIPTION: &'static str = "Columns, types, partitioning, provider, location, comment \
        and known size of one table of Spark, or a view's query, of your session's temporary views \
        too. Use it before writing Spark SQL.";
    const EFFECT: Effect = Effect::Reads;

    type Arguments = Arguments;

    fn input_schema() -> Value {
        json!({
            "type": "object",
            "properties": {
                "catalog": {"type": "string", "minLength": 1,
                    "description": "With `database` alone; the session's when left out"},
                "database": {"type": "string", "minLength": 1,
                    "description": "The session's when left out"},
                "table": {"type": "string", "minLength": 1}
            },
            "required": ["table"],
            "additionalProperties": false
        })
    }

    fn output_schema() -> Value {
        let text_or_null = json!({"type": ["string", "null"]});
        let number_or_null = json!({"type": ["integer", "null"]});
        let names = json!({"type": "array", "items": {"type": "string"}});
        json!({
            "properties": {
                "catalog": text_or_null,
                "database": text_or_null,
                "table": {"type": "string"},
                "kind": list_spark_tables::kinds_or_none(),
                "comment": text_or_null,
                "provider": text_or_null,
                "location": text_or_null,
                "rows": number_or_null,
                "bytes": number_or_null,
                "created_at": text_or_null,
                "columns": {"type": "array", "items": {"type": "object", "properties": {
                    "name": {"type": "string"}, "type": {"type": "string"},
                    "nullable": {"type": "boolean"}, "comment": text_or_null
                }}},
                "partition_columns": names,
                "bucket_columns": names,
                "definition": text_or_null
            }
        })
    }

    async fn run(
        services: &Services,
        call: &Call,
        arguments: Arguments,
    ) -> Result<Output, ToolFailure> {
        if arguments.catalog.is_some() && arguments.database.is_none() {
            return Err(ToolFailure::invalid_arguments(
                "`catalog` stands before a `database`: give both",
            ));
        }
        let name = SparkTableName {
            catalog: arguments.catalog,
            database: arguments.database,
            table: arguments.table,
        };
        let caller = spark_caller(call);
        let look = services.spark.describe_table(&caller, &name);
        match call.unless_cancelled(Box::pin(look)).await? {
            Ok(table) => Ok(output(&table, services.text_bytes)),
            Err(error) if is_missing(&error) => Err(not_found(&name)),
            Err(error) => Err(error.into()),
        }
    }
}

/// Whether Spark has no table, database or catalogue of that name.
fn is_missing(error: &Error) -> bool {
    let Error::Connect(ConnectError::Spark(failure)) = error else {
        return false;
    };
    let class = failure.error_class.as_deref().unwrap_or_default();
    class.ends_with("_NOT_FOUND")
}

fn not_found(name: &SparkTableName) -> ToolFailure {
    let failure = ToolFailure::not_found(format!("Spark has no table `{name}`"));
    match name.table.rsplit_once('.') {
        Some((database, table)) if name.database.is_none() => failure.with_hint(format!(
            "for the table `{table}` of the database `{database}`, give each as an argument of its \
             own; list_spark_tables names the tables there are"
        )),
        _ => failure.with_hint("list_spark_tables names the tables there are"),
    }
}

fn output(described: &SparkTableDescription, budget: usize) -> Output {
    let SparkTableDescription { table, columns, .. } = described;
    let structured = json!({
        "catalog": table.catalog,
        "database": table.database,
        "table": table.name,
        "kind": table.kind.map(SparkTableKind::name),
        "comment": table.comment,
        "provider": described.provider,
        "location": described.location,
        "rows": described.rows,
        "bytes": described.bytes,
        "created_at": described.created_at,
        "columns": columns.iter().map(|column| json!({
            "name": column.name, "type": column.type_name, "nullable": column.nullable,
            "comment": column.comment
        })).collect::<Vec<_>>(),
        "partition_columns": described.partition_columns,
        "bucket_columns": described.bucket_columns,
        "definition": described.definition,
    });
    let rest = "they are in structuredContent; or run DESCRIBE TABLE EXTENDED";
    let text = join_within(&lines(described), budget, rest);
    Output::new(&structured, text)
}

/// All that is known of a table, line by line.
fn lines(described: &SparkTableDescription) -> Vec<String> {
    let table = &described.table;
    let name = SparkTableName {
        catalog: None,
        database: table.database.clone(),
        table: table.name.clone(),
    };
    let kind = table.kind.map_or("table", SparkTableKind::name);
    let provider = described
        .provider
        .iter()
        .map(|provider| format!(", {provider}"));
    let mut lines = vec![format!("{name} ({kind}{})", provider.collect::<String>())];
    lines.extend(table.comment.clone());
    for column in &described.columns {
        let mut line = format!("{} {}", column.name, column.type_name);
        if !column.nullable {
            line.push_str(" not null");
        }
        if let Some(comment) = &column.comment {
            line.push_str(&format!(" ({comment})"));
        }
        lines.push(line);
    }
    for (what, names) in [
        ("partitioned by", &described.partition_columns),
        ("bucketed by", &described.bucket_columns),
    ] {
        if !names.is_empty() {
            lines.push(format!("{what} {}", names.join(", ")));
        }
    }
    if let Some(bytes) = described.bytes {
        let rows = described.rows.map(|rows| format!("{rows} rows, "));
        lines.push(format!("{}{bytes} bytes", rows.unwrap_or_default()));
    }
    let location = described.location.as_ref();
    lines.extend(location.map(|location| format!("at {location}")));
    let definition = described.definition.iter();
    lines.extend(
        definition
            .flat_map(|query| query.lines())
            .map(ToOwned::to_owned),
    );
    lines
}
