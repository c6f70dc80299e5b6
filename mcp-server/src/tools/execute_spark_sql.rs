//! `execute_spark_sql`: one Spark SQL statement, over Spark Connect.

use serde::Deserialize;
use serde_json::{Value, json};

use super::row_delivery::{self, BlockArguments, RowDelivery};
use super::row_format::{self, RowFormat};
use super::{Effect, Output, Tool, ToolFailure};
use crate::call::Call;
use crate::results::{RowForm, Written};
use crate::services::Services;
use crate::spark::Sink;
use crate::spark::connect::{Parameters, Statement};

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
        json!({
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
        })
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
        let parameters =
            parameters.map_err(|invalid| ToolFailure::invalid_arguments(invalid.to_string()))?;
        let statement = Statement::new(arguments.sql).parameters(parameters);
        let blocks = BlockArguments {
            use_block_transport: arguments.use_block_transport,
            fetch_size: arguments.fetch_size,
        };
        let asked = Asked {
            services,
            call,
            statement,
            delivery: RowDelivery::new(services, call, blocks)?,
        };
        match arguments.format {
            RowFormat::Json => Box::pin(asked.rows(RowForm::Lines)).await,
            RowFormat::Csv => Box::pin(asked.rows(RowForm::Csv)).await,
            RowFormat::Arrow => Box::pin(asked.batches()).await,
        }
    }
}

/// A statement that a caller asks to have run.
struct Asked<'a> {
    services: &'a Services,
    call: &'a Call,
    statement: Statement,
    delivery: RowDelivery<'a>,
}

impl Asked<'_> {
    async fn rows(self, form: RowForm) -> Result<Output, ToolFailure> {
        let mut sink = self.delivery.rows(form, self.services.spark.limits());
        let written = self.run(Sink::Rows(&mut sink)).await?;
        self.delivery.answer_rows(form, sink, written).await
    }

    async fn batches(self) -> Result<Output, ToolFailure> {
        let mut sink = self.delivery.batches(self.services.spark.limits());
        let written = self.run(Sink::Batches(&mut sink)).await?;
        self.delivery.answer_batches(sink, written).await
    }

    async fn run(&self, sink: Sink<'_>) -> Result<Written, ToolFailure> {
        let spark = &self.services.spark;
        let run = spark.run(self.call.session.as_deref(), self.statement.clone(), sink);
        Ok(self.delivery.follow(run).await??)
    }
}
