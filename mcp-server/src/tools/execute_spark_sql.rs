//! `execute_spark_sql`: one Spark SQL statement, over Spark Connect.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::row_delivery::{self, BlockArguments, RowDelivery};
use super::row_format::{self, RowFormat};
use super::{Effect, Output, Tool, ToolFailure};
use crate::call::Call;
use crate::results::{Limits, RowForm, Written};
use crate::services::{Services, spark_caller};
use crate::spark::connect::{Parameters, Statement, StatementProgress};
use crate::spark::{Sink, Spark, SparkCaller};

/// The tool; `WRITES` where the operator lets statements write.
pub struct ExecuteSparkSql<const WRITES: bool>;

/// The arguments of `execute_spark_sql`, as a caller writes them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arguments {
    sql: String,
    #[serde(default)]
    parameters: Option<Bound>,
    #[serde(default)]
    format: RowFormat,
    #[serde(default)]
    use_block_transport: Option<bool>,
    #[serde(default)]
    fetch_size: Option<u32>,
    #[serde(default)]
    confirm: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "`parameters` is an array (for `?`) or an object (for `:name`)"
)]
enum Bound {
    Positional(Vec<Value>),
    Named(serde_json::Map<String, Value>),
}

impl<const WRITES: bool> Tool for ExecuteSparkSql<WRITES> {
    const NAME: &'static str = "execute_spark_sql";
    const TITLE: &'static str = "Run Spark SQL";
    const DESCRIPTION: &'static str = if WRITES {
        "Run one Spark SQL statement: a query over Spark's tables and files, or one that creates, \
        writes or drops. Put values into `parameters`: an array for ?, an object for :name. \
        A large result gives its first rows and a handle (`result`), whose blocks \
        read_result_block reads: better aggregate."
    } else {
        "Run one read-only Spark SQL statement: a query over Spark's tables, SHOW, DESCRIBE or \
        EXPLAIN. Put values into `parameters`: an array for ?, an object for :name. A large \
        result gives its first rows and a handle (`result`), whose blocks read_result_block \
        reads: better aggregate."
    };
    const EFFECT: Effect = if WRITES {
        Effect::Destroys
    } else {
        Effect::Reads
    };

    type Arguments = Arguments;

    fn input_schema() -> Value {
        let blocks = row_delivery::properties();
        let mut schema = json!({
            "type": "object",
            "properties": {
                "use_block_transport": blocks["use_block_transport"],
                "fetch_size": blocks["fetch_size"],
                "sql": {"type": "string", "minLength": 1,
                    "description": "One statement of Spark SQL"},
                "parameters": {
                    "type": ["array", "object"],
                    "description": "Values of ? in order, or of :name by name: numbers, strings, \
                                    booleans, null, arrays of them"
                },
                "format": row_format::argument()
            },
            "required": ["sql"],
            "additionalProperties": false
        });
        if WRITES {
            schema["properties"]["confirm"] = json!({"type": "boolean",
                "description": "True if what the statement drops, deletes or overwrites is meant"});
        }
        schema
    }

    fn output_schema() -> Value {
        row_format::output_schema()
    }

    async fn run(
        services: &Services,
        call: &Call,
        arguments: Arguments,
    ) -> Result<Output, ToolFailure> {
        let parameters = match &arguments.parameters {
            None => Ok(Parameters::None),
            Some(Bound::Positional(values)) => Parameters::positional(values),
            Some(Bound::Named(values)) => Parameters::named(values),
        };
        let statement = Statement::new(arguments.sql).parameters(parameters?);
        if !arguments.confirm.unwrap_or_default() {
            let look = services.spark.destruction(&statement);
            if let Some(destroyed) = call.unless_cancelled(look).await?? {
                return Err(ToolFailure::unconfirmed_destruction(&destroyed));
            }
        }
        let blocks = BlockArguments {
            use_block_transport: arguments.use_block_transport,
            fetch_size: arguments.fetch_size,
        };
        let asked = AskedStatement {
            spark: &services.spark,
            caller: spark_caller(call),
            right: StatementRight::Callers,
            statement,
            limits: services.spark.limits(),
            delivery: RowDelivery::new(services, call, blocks)?,
        };
        asked.deliver(arguments.format).await
    }
}

/// The right that a statement has in Spark.
#[derive(Debug, Clone, Copy)]
pub(super) enum StatementRight {
    /// That of callers' statements, in the caller's session if it has one.
    Callers,
    /// It reads, and has this time where that is less than every statement has.
    Read(Option<Duration>),
}

/// A statement that a caller asks to have run.
pub(super) struct AskedStatement<'a> {
    pub(super) spark: &'a Spark,
    pub(super) caller: SparkCaller,
    pub(super) right: StatementRight,
    pub(super) statement: Statement,
    /// The rows and bytes that it gives where they are not read in blocks.
    pub(super) limits: Limits,
    pub(super) delivery: RowDelivery<'a>,
}

impl AskedStatement<'_> {
    /// Runs the statement, and gives its rows in this form.
    pub(super) async fn deliver(self, format: RowFormat) -> Result<Output, ToolFailure> {
        match format {
            RowFormat::Json => Box::pin(self.rows(RowForm::Lines)).await,
            RowFormat::Csv => Box::pin(self.rows(RowForm::Csv)).await,
            RowFormat::Arrow => Box::pin(self.batches()).await,
        }
    }

    async fn rows(self, form: RowForm) -> Result<Output, ToolFailure> {
        let mut sink = self.delivery.rows(form, self.limits);
        let written = self.run(Sink::Rows(&mut sink)).await?;
        self.delivery.answer_rows(form, sink, written).await
    }

    async fn batches(self) -> Result<Output, ToolFailure> {
        let mut sink = self.delivery.batches(self.limits);
        let written = self.run(Sink::Batches(&mut sink)).await?;
        self.delivery.answer_batches(sink, written).await
    }

    async fn run(&self, sink: Sink<'_>) -> Result<Written, ToolFailure> {
        let (listener, heard) = watch::channel(StatementProgress::default());
        let statement = self.statement.clone().telling(listener);
        let (spark, caller) = (self.spark, &self.caller);
        let run = async {
            match self.right {
                StatementRight::Callers => spark.run(caller, statement, sink).await,
                StatementRight::Read(time) => spark.run_read(caller, statement, time, sink).await,
            }
        };
        Ok(self.delivery.follow_statement(heard, run).await??)
    }
}
