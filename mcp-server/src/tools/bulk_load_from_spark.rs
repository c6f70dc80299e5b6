//! `bulk_load_from_spark`: what Spark computes, into a table of PostgreSQL, as one transaction.
//!
//! Spark's batches go through a channel with room for one to a COPY, so that memory holds a batch
//! or two whatever the size of the result.

mod load;

use std::time::Instant;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::unconfirmed::{Unconfirmed, source_to_confirm};
use super::{Effect, Output, Tool, ToolFailure, database_schema};
use crate::call::Call;
use crate::copy_format::ColumnSummary;
use crate::postgres::NewTable;
use crate::services::{Services, database_caller, spark_caller};
use crate::spark::Sink;
use crate::spark::connect::Statement;
use load::{Done, Load};

/// The tool `bulk_load_from_spark` of this server.
pub struct BulkLoadFromSpark;

/// The arguments of `bulk_load_from_spark`, as a caller writes them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arguments {
    #[serde(default)]
    sql: Option<String>,
    #[serde(default)]
    source: Option<String>,
    #[serde(default)]
    database: Option<String>,
    #[serde(default)]
    schema: Option<String>,
    table: String,
    #[serde(default)]
    mode: Option<Mode>,
    #[serde(default)]
    keys: Vec<String>,
    #[serde(default)]
    confirm: bool,
}

/// The way in which the rows come into the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    Append,
    Overwrite,
    Upsert,
    Create,
}

impl Tool for BulkLoadFromSpark {
    const NAME: &'static str = "bulk_load_from_spark";
    const TITLE: &'static str = "Load from Spark into PostgreSQL";
    const DESCRIPTION: &'static str = "Load the result of a Spark SQL query, or a table or view of \
        Spark, into a PostgreSQL table, all of it or nothing. Columns go by name. Tells rows, \
        bytes, seconds, and of each column the NULLs and the range.";
    const EFFECT: Effect = Effect::Destroys;

    type Arguments = Arguments;

    fn input_schema() -> Value {
        json!({
            "type": "object",
            "properties": {
                "sql": {"type": "string", "minLength": 1, "description": "A query of Spark SQL"},
                "source": {"type": "string", "minLength": 1,
                    "description": "A table or view of Spark, in place of `sql`"},
                "database": database_schema(),
                "schema": {"type": "string", "minLength": 1,
                    "description": "`public` when left out"},
                "table": {"type": "string", "minLength": 1},
                "mode": {"enum": ["append", "overwrite", "upsert", "create"],
                    "description": "append when left out; overwrite takes all rows out first; \
                                    upsert updates the rows that have the same `keys`; create \
                                    makes the table"},
                "keys": {"type": "array", "items": {"type": "string"},
                    "description": "upsert: the columns of a unique index; create: the \
                                    primary key"},
                "confirm": {"type": "boolean", "description": "True if an overwrite is meant, or \
                                    a query that Spark here cannot judge"}
            },
            "required": ["table"],
            "additionalProperties": false
        })
    }

    fn output_schema() -> Value {
        let text_or_null = json!({"type": ["string", "null"]});
        json!({
            "properties": {
                "table": {"type": "string"},
                "mode": {"type": "string"},
                "rows": {"type": "integer"},
                "bytes": {"type": "integer"},
                "seconds": {"type": "number"},
                "columns": {"type": "array", "items": {
                    "type": "object",
                    "properties": {
                        "name": {"type": "string"},
                        "type": {"type": "string"},
                        "nulls": {"type": "integer"},
                        "min": text_or_null,
                        "max": text_or_null
                    }
                }}
            }
        })
    }

    async fn run(
        services: &Services,
        call: &Call,
        arguments: Arguments,
    ) -> Result<Output, ToolFailure> {
        let started = Instant::now();
        let load = arguments.load(services, call)?;
        let statement = statement(arguments.sql.as_deref(), arguments.source.as_deref())?;
        call.unless_cancelled(load.check()).await??;
        let look = services.spark.judge_source(&statement);
        let unjudged = source_to_confirm(call.unless_cancelled(look).await??)?;
        if !arguments.confirm {
            let is_emptied = load.mode == Mode::Overwrite;
            let asked = Unconfirmed {
                emptied: is_emptied
                    .then(|| load.table.full_name())
                    .into_iter()
                    .collect(),
                unjudged: unjudged.into_iter().collect(),
                ..Unconfirmed::default()
            };
            asked.refuse()?;
        }
        let (sender, batches) = mpsc::channel(1);
        let read = async {
            let caller = spark_caller(call);
            let sink = Sink::Events(sender);
            let run = services.spark.run(&caller, statement, sink);
            run.await.map_err(ToolFailure::from)
        };
        // Whichever fails first ends the other: Spark's statement is interrupted, PostgreSQL's
        // transaction rolled back.
        let both = async { tokio::try_join!(Box::pin(read), Box::pin(load.take(batches))) };
        let (_, loaded) = call.unless_cancelled(both).await??;
        let done = loaded.finish(call).await?;
        Ok(output(&load, &done, started.elapsed().as_secs_f64()))
    }
}

impl Arguments {
    /// The load that they ask for.
    fn load<'a>(&self, services: &Services, call: &'a Call) -> Result<Load<'a>, ToolFailure> {
        let mode = self.mode.unwrap_or(Mode::Append);
        let has_keys = !self.keys.is_empty();
        match mode {
            Mode::Upsert if !has_keys => Err(ToolFailure::invalid_arguments(
                "mode upsert needs `keys`, the columns of a unique index",
            )),
            Mode::Append | Mode::Overwrite if has_keys => Err(ToolFailure::invalid_arguments(
                "`keys` goes with the modes upsert and create",
            )),
            _ => Ok(Load {
                database: services
                    .databases
                    .get(self.database.as_deref(), database_caller(call))?,
                call,
                table: NewTable {
                    schema: self.schema.clone().unwrap_or_else(|| "public".to_owned()),
                    name: self.table.clone(),
                    primary_key: self.keys.clone(),
                    ..NewTable::default()
                },
                mode,
            }),
        }
    }
}

/// The statement that Spark runs.
fn statement(sql: Option<&str>, source: Option<&str>) -> Result<Statement, ToolFailure> {
    match (sql, source) {
        (Some(sql), None) => Ok(Statement::of_query(sql)),
        (None, Some(source)) => Ok(Statement::of_table(source)),
        _ => Err(ToolFailure::invalid_arguments(
            "give either `sql`, a query, or `source`, a table or view of Spark",
        )),
    }
}

fn output(load: &Load<'_>, done: &Done, seconds: f64) -> Output {
    let mode = match load.mode {
        Mode::Append => "append",
        Mode::Overwrite => "overwrite",
        Mode::Upsert => "upsert",
        Mode::Create => "create",
    };
    let table = load.table.full_name();
    let mut text = format!(
        "{mode}: {} rows into {table}, {} bytes in {seconds:.1} s",
        done.rows, done.bytes
    );
    for column in &done.columns {
        let ColumnSummary {
            name,
            type_name,
            nulls,
            min,
            max,
        } = column;
        text += &format!("\n{name} {type_name}: {nulls} NULL");
        if let (Some(min), Some(max)) = (min, max) {
            text += &format!(", from {min} to {max}");
        }
    }
    let structured = json!({
        "table": table,
        "mode": mode,
        "rows": done.rows,
        "bytes": done.bytes,
        "seconds": seconds,
        "columns": done.columns,
    });
    Output::new(&structured, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_runs_a_query_or_reads_a_table_but_not_both_or_none() {
        for (sql, source, is_one) in [
            (Some("SELECT 1"), None, true),
            (None, Some("a.b"), true),
            (None, None, false),
            (Some("SELECT 1"), Some("a.b"), false),
        ] {
            assert_eq!(statement(sql, source).is_ok(), is_one, "{sql:?} {source:?}");
        }
    }
}
