//! `bulk_load_from_spark`: what Spark computes, into a table of PostgreSQL, as one transaction.
//!
//! Spark's batches go through a channel with room for one to a COPY, so that memory holds a batch
//! or two whatever the size of the result. PostgreSQL is asked for nothing before the result is
//! known to fit, and keeps nothing unless Spark has sent all of it.

use std::time::Instant;

use arrow_array::RecordBatch;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{Effect, Output, Tool, ToolFailure, database_schema};
use crate::call::Call;
use crate::copy_format::{ColumnSummary, CopyWriter, LoadPlan, Misfit, created_columns};
use crate::postgres::{Database, LoadTarget, WriteTransaction};
use crate::services::Services;
use crate::spark::Sink;
use crate::spark::connect::{Event, Statement};

/// Bytes that are written before they are sent: enough that PostgreSQL is never waited for.
const SLICE: usize = 256 << 10;

/// The table in which rows wait for their upsert; it goes with the transaction.
const WAITING: &str = "pg_temp.portcullis_load";

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
}

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
                    "description": "upsert: the columns of a unique index; create: the primary key"}
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
                    },
                    "required": ["name", "type", "nulls", "min", "max"]
                }}
            },
            "required": ["table", "mode", "rows", "bytes", "seconds", "columns"]
        })
    }

    async fn run(
        services: &Services,
        call: &Call,
        arguments: Arguments,
    ) -> Result<Output, ToolFailure> {
        let started = Instant::now();
        let load = Load::new(services, call, &arguments)?;
        let statement = Statement::new(query(arguments.sql, arguments.source)?);
        call.unless_cancelled(load.check()).await??;
        let (sender, batches) = mpsc::channel(1);
        let read = async {
            let run = services
                .spark
                .run(call.session.as_deref(), statement, Sink::Events(sender));
            run.await.map_err(ToolFailure::from)
        };
        // Whichever fails first ends the other: Spark's statement is interrupted, PostgreSQL's
        // transaction rolled back.
        let both = async { tokio::try_join!(read, load.take(batches)) };
        let (_, loaded) = call.unless_cancelled(both).await??;
        let done = loaded.finish(&load).await?;
        Ok(output(&load, &done, started.elapsed().as_secs_f64()))
    }
}

/// The query that Spark runs. Within brackets nothing else than a query is one, also where
/// statements may write.
fn query(sql: Option<String>, source: Option<String>) -> Result<String, ToolFailure> {
    match (sql, source) {
        (Some(sql), None) => Ok(format!("SELECT * FROM (\n{sql}\n)")),
        (None, Some(source)) => {
            let parts = source.split('.').map(quote_for_spark);
            Ok(format!(
                "SELECT * FROM {}",
                parts.collect::<Vec<_>>().join(".")
            ))
        }
        _ => Err(ToolFailure::invalid_arguments(
            "give either `sql`, a query, or `source`, a table or view of Spark",
        )),
    }
}

/// A plain name stays as it is: a Spark without a check takes no other quotes than single ones.
fn quote_for_spark(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    match name.chars().all(is_plain) && name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        true => name.to_owned(),
        false => format!("`{}`", name.replace('`', "``")),
    }
}

fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.map(quote).collect::<Vec<_>>().join(", ")
}

/// One load: where it goes, and how.
struct Load<'a> {
    database: &'a Database,
    call: &'a Call,
    /// The table with its schema, quoted.
    table: String,
    mode: Mode,
    keys: Vec<String>,
}

/// A load that PostgreSQL has taken and not yet kept.
struct Loaded {
    transaction: WriteTransaction,
    writer: CopyWriter,
    rows: u64,
    bytes: u64,
}

/// A load that is kept.
struct Done {
    rows: u64,
    bytes: u64,
    columns: Vec<ColumnSummary>,
}

impl<'a> Load<'a> {
    fn new(
        services: &'a Services,
        call: &'a Call,
        arguments: &Arguments,
    ) -> Result<Self, ToolFailure> {
        let mode = arguments.mode.unwrap_or(Mode::Append);
        let names = [Some(&arguments.table), arguments.schema.as_ref()];
        let mut names = names.into_iter().flatten().chain(&arguments.keys);
        if names.any(|name| name.is_empty() || name.contains('\0')) {
            return Err(ToolFailure::invalid_arguments(
                "a name is empty or holds a NUL character",
            ));
        }
        let has_keys = !arguments.keys.is_empty();
        match mode {
            Mode::Upsert if !has_keys => Err(ToolFailure::invalid_arguments(
                "mode upsert needs `keys`, the columns of a unique index",
            )),
            Mode::Append | Mode::Overwrite if has_keys => Err(ToolFailure::invalid_arguments(
                "`keys` goes with the modes upsert and create",
            )),
            _ => Ok(Self {
                database: services.databases.get(arguments.database.as_deref())?,
                call,
                table: format!(
                    "{}.{}",
                    quote(arguments.schema.as_deref().unwrap_or("public")),
                    quote(&arguments.table)
                ),
                mode,
                keys: arguments.keys.clone(),
            }),
        }
    }

    /// Whether there is a table that can be loaded into, asked before Spark does anything.
    async fn check(&self) -> Result<(), ToolFailure> {
        let mut transaction = self.database.write().await?;
        if self.mode != Mode::Create {
            self.target(&mut transaction).await?;
        }
        transaction.roll_back().await;
        Ok(())
    }

    async fn target(&self, transaction: &mut WriteTransaction) -> Result<LoadTarget, ToolFailure> {
        let target = transaction.target(&self.table).await?;
        if self.mode == Mode::Upsert && !transaction.is_key(&target, &self.keys).await? {
            return Err(ToolFailure::new(
                "42P10",
                format!("no unique index of {} has just these columns", self.table),
            )
            .with_hint("get_table_schema names the keys there are"));
        }
        Ok(target)
    }

    /// Takes Spark's batches until there are no more.
    async fn take(&self, mut events: mpsc::Receiver<Event>) -> Result<Loaded, ToolFailure> {
        let mut loaded: Option<Loaded> = None;
        let mut reported = 0;
        while let Some(event) = events.recv().await {
            match event {
                Event::Columns(_) => {}
                Event::Progress(progress) => {
                    let rows = loaded
                        .as_ref()
                        .map_or(0, |loaded| loaded.writer.row_count());
                    self.report(rows, progress.tasks_done, &mut reported).await;
                }
                Event::Batch(batch) => {
                    let mut taken = match loaded.take() {
                        Some(loaded) => loaded,
                        None => self.begin(&batch).await?,
                    };
                    taken.send(&batch).await?;
                    self.report(taken.writer.row_count(), 0, &mut reported)
                        .await;
                    loaded = Some(taken);
                }
            }
        }
        let mut loaded = loaded
            .ok_or_else(|| ToolFailure::new("spark_error", "Spark has sent no result to load"))?;
        loaded.end().await?;
        Ok(loaded)
    }

    /// Tells the client of rows and tasks; their sum grows from report to report.
    async fn report(&self, rows: u64, tasks: u64, reported: &mut u64) {
        let done = rows + tasks;
        if self.call.progress.is_heard() && done > *reported {
            *reported = done;
            let message = format!("{rows} rows loaded, {tasks} tasks done");
            self.call
                .progress
                .report(done as f64, None, Some(message))
                .await;
        }
    }

    /// Finds out how the result fits, and begins the load.
    async fn begin(&self, first: &RecordBatch) -> Result<Loaded, ToolFailure> {
        let schema = first.schema_ref();
        let mut transaction = self.database.write().await?;
        transaction.without_time_limit().await?;
        if self.mode == Mode::Create {
            let columns = created_columns(schema)?;
            let unknown = |key: &&String| !columns.iter().any(|(name, _)| name == *key);
            if let Some(key) = self.keys.iter().find(unknown) {
                return Err(Misfit::Unknown(key.clone()).into());
            }
            let made = columns
                .iter()
                .map(|(name, made)| format!("{} {made}", quote(name)));
            let mut made: Vec<String> = made.collect();
            if !self.keys.is_empty() {
                let keys = list(self.keys.iter().map(String::as_str));
                made.push(format!("PRIMARY KEY ({keys})"));
            }
            let sql = format!("CREATE TABLE {} ({})", self.table, made.join(", "));
            transaction.run(&sql).await?;
        }
        let target = self.target(&mut transaction).await?;
        let columns = transaction.load_columns(&target).await?;
        let plan = LoadPlan::new(schema, &columns)?;
        if let Some(key) = self
            .keys
            .iter()
            .find(|key| !plan.names().any(|name| name == *key))
        {
            return Err(Misfit::Missing(key.clone()).into());
        }
        let names = list(plan.names());
        let table = match self.mode {
            Mode::Append | Mode::Create => self.table.as_str(),
            Mode::Overwrite => {
                transaction.empty(&target).await?;
                &self.table
            }
            Mode::Upsert => {
                let sql = format!(
                    "CREATE TEMPORARY TABLE portcullis_load ON COMMIT DROP
                     AS SELECT {names} FROM {} WITH NO DATA",
                    self.table
                );
                transaction.run(&sql).await?;
                WAITING
            }
        };
        transaction.begin_copy(table, &names).await?;
        let mut loaded = Loaded {
            transaction,
            writer: CopyWriter::new(plan),
            rows: 0,
            bytes: 0,
        };
        let mut header = Vec::new();
        loaded.writer.begin(&mut header);
        loaded.send_bytes(&header).await?;
        Ok(loaded)
    }
}

impl Loaded {
    async fn send(&mut self, batch: &RecordBatch) -> Result<(), ToolFailure> {
        let mut from = 0;
        let mut out = Vec::with_capacity(SLICE + SLICE / 8);
        while from < batch.num_rows() {
            out.clear();
            from = self.writer.rows(batch, from, SLICE, &mut out)?;
            self.send_bytes(&out).await?;
        }
        Ok(())
    }

    async fn send_bytes(&mut self, bytes: &[u8]) -> Result<(), ToolFailure> {
        self.transaction.copy(bytes).await?;
        self.bytes += u64::try_from(bytes.len()).unwrap_or_default();
        Ok(())
    }

    async fn end(&mut self) -> Result<(), ToolFailure> {
        let mut trailer = Vec::new();
        self.writer.end(&mut trailer);
        self.send_bytes(&trailer).await?;
        self.rows = self.transaction.end_copy().await?;
        Ok(())
    }

    /// Keeps what was loaded, once Spark has said that it was all.
    async fn finish(mut self, load: &Load<'_>) -> Result<Done, ToolFailure> {
        let columns = self.writer.summaries();
        if load.mode == Mode::Upsert {
            let sql = upsert(load, &columns);
            let run = self.transaction.run_counted(&sql);
            self.rows = load.call.unless_cancelled(run).await??;
        }
        self.transaction.commit().await?;
        Ok(Done {
            rows: self.rows,
            bytes: self.bytes,
            columns,
        })
    }
}

fn upsert(load: &Load<'_>, columns: &[ColumnSummary]) -> String {
    let names = columns.iter().map(|column| column.name.as_str());
    let changed = names
        .clone()
        .filter(|name| !load.keys.iter().any(|key| key == name));
    let changed = changed.map(|name| format!("{0} = EXCLUDED.{0}", quote(name)));
    let changed: Vec<String> = changed.collect();
    let action = match changed.is_empty() {
        true => "NOTHING".to_owned(),
        false => format!("UPDATE SET {}", changed.join(", ")),
    };
    format!(
        "INSERT INTO {} ({1}) SELECT {1} FROM {WAITING} ON CONFLICT ({2}) DO {action}",
        load.table,
        list(names),
        list(load.keys.iter().map(String::as_str))
    )
}

fn output(load: &Load<'_>, done: &Done, seconds: f64) -> Output {
    let mode = match load.mode {
        Mode::Append => "append",
        Mode::Overwrite => "overwrite",
        Mode::Upsert => "upsert",
        Mode::Create => "create",
    };
    let mut text = format!(
        "{mode}: {} rows into {}, {} bytes in {seconds:.1} s",
        done.rows, load.table, done.bytes
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
        "table": load.table,
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
        let some = |text: &str| Some(text.to_owned());
        let built = |sql, source| query(sql, source).ok();
        assert_eq!(
            built(some("SELECT 1 -- x"), None),
            some("SELECT * FROM (\nSELECT 1 -- x\n)")
        );
        assert_eq!(built(None, some("a.b_1")), some("SELECT * FROM a.b_1"));
        assert_eq!(
            built(None, some("a`; DROP")),
            some("SELECT * FROM `a``; DROP`")
        );
        assert_eq!(
            (built(None, None), built(some("a"), some("b"))),
            (None, None)
        );
    }
}
