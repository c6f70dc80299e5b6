//! `execute_query`: one SELECT on PostgreSQL, with bound parameters.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::row_delivery::{self, BlockArguments, RowDelivery};
use super::row_format::{self, RowFormat};
use super::{Effect, Output, Tool, ToolFailure, database_schema, query_schema};
use crate::call::Call;
use crate::postgres::{self, Database};
use crate::results::{BatchedRows, Limits, RowForm, RowSink, Written};
use crate::services::{Services, database_caller};

/// The tool `execute_query`: one SELECT on PostgreSQL.
pub struct ExecuteQuery;

/// The arguments of a call of `execute_query`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arguments {
    #[serde(default)]
    database: Option<String>,
    sql: String,
    #[serde(default)]
    parameters: Option<Vec<Value>>,
    #[serde(default)]
    timeout: Option<u64>,
    #[serde(default)]
    format: RowFormat,
    #[serde(default)]
    use_block_transport: Option<bool>,
    #[serde(default)]
    fetch_size: Option<u32>,
}

impl Tool for ExecuteQuery {
    const NAME: &'static str = "execute_query";
    const TITLE: &'static str = "Query PostgreSQL";
    const DESCRIPTION: &'static str = "Run one read-only SELECT on PostgreSQL and get its rows. \
        Put values into `parameters`, as $1, $2, … A large result gives its first rows and a \
        handle (`result`), whose blocks read_result_block reads: better aggregate.";
    const EFFECT: Effect = Effect::Reads;

    type Arguments = Arguments;

    fn input_schema() -> Value {
        let blocks = row_delivery::properties();
        json!({
            "type": "object",
            "properties": {
                "use_block_transport": blocks["use_block_transport"],
                "fetch_size": blocks["fetch_size"],
                "database": database_schema(),
                "sql": query_schema(),
                "parameters": {
                    "type": "array",
                    "items": {},
                    "description": "Values of $1, $2, …: dates, decimals and integers beyond 2^53 \
                                    as strings; arrays as arrays"
                },
                "timeout": {"type": "integer", "minimum": 1,
                    "description": "Seconds; the server's own limit holds, too"},
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
        let name = arguments.database.as_deref();
        let database = services.databases.get(name, database_caller(call))?;
        let parameters = arguments.parameters.unwrap_or_default();
        let asked = BlockArguments {
            use_block_transport: arguments.use_block_transport,
            fetch_size: arguments.fetch_size,
        };
        if arguments.timeout == Some(0) {
            return Err(ToolFailure::invalid_arguments(
                "`timeout` is a number of seconds from 1 on",
            ));
        }
        let asked = AskedQuery {
            limits: database.limits(),
            explain: &ToolFailure::from,
            database: database.within(arguments.timeout.map(Duration::from_secs)),
            sql: &arguments.sql,
            parameters: &parameters,
            delivery: RowDelivery::new(services, call, asked)?,
        };
        asked.deliver(arguments.format).await
    }
}

/// A query that a caller asks to have run.
pub(super) struct AskedQuery<'a> {
    pub(super) database: Database,
    pub(super) sql: &'a str,
    pub(super) parameters: &'a [Value],
    /// The rows and bytes that it gives where they are not read in blocks.
    pub(super) limits: Limits,
    pub(super) delivery: RowDelivery<'a>,
    /// The words for what went wrong.
    pub(super) explain: &'a (dyn Fn(postgres::Error) -> ToolFailure + Sync),
}

impl AskedQuery<'_> {
    /// Runs the query, and gives its rows in this form.
    pub(super) async fn deliver(self, format: RowFormat) -> Result<Output, ToolFailure> {
        match format {
            RowFormat::Json => self.rows(RowForm::Lines).await,
            RowFormat::Csv => self.rows(RowForm::Csv).await,
            RowFormat::Arrow => self.batches().await,
        }
    }

    async fn rows(self, form: RowForm) -> Result<Output, ToolFailure> {
        let mut sink = self.delivery.rows(form, self.limits);
        let written = self.run(&mut sink).await?;
        self.delivery.answer_rows(form, sink, written).await
    }

    async fn batches(self) -> Result<Output, ToolFailure> {
        let mut sink = self.delivery.batches(self.limits);
        let mut rows = BatchedRows::new(&mut sink);
        let written = self.run(&mut rows).await?;
        rows.finish().map_err(postgres::Error::from)?;
        self.delivery.answer_batches(sink, written).await
    }

    async fn run(&self, sink: &mut dyn RowSink) -> Result<Written, ToolFailure> {
        let query = self.database.query(self.sql, self.parameters, sink);
        self.delivery
            .follow(Box::pin(query))
            .await?
            .map_err(self.explain)
    }
}
