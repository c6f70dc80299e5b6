//! `execute_spark_sql`: one Spark SQL statement, over Spark Connect.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Effect, Output, Tool, ToolFailure, rows_view};
use crate::call::Call;
use crate::results::{
    ArrowStream, CsvRows, JsonRows, TextForModels, WithText, Written, count_rows,
};
use crate::services::Services;
use crate::spark::connect::{Parameters, Statement};
use crate::spark::{self, Sink};

/// The text of a result that has no columns.
const NO_ROWS: &str = "done; the statement gives no rows";

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
    format: Option<FormatName>,
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

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum FormatName {
    Json,
    Csv,
    Arrow,
}

impl<const WRITES: bool> Tool for ExecuteSparkSql<WRITES> {
    const NAME: &'static str = "execute_spark_sql";
    const TITLE: &'static str = "Run Spark SQL";
    const DESCRIPTION: &'static str = if WRITES {
        "Run one Spark SQL statement: a query over Spark's tables and files, or one that creates, \
        writes or drops. Put values into `parameters`: an array for ?, an object for :name. \
        Results are cut at a row and a byte limit (`truncated`): aggregate, or use LIMIT."
    } else {
        "Run one read-only Spark SQL statement: a query over Spark's tables, SHOW, DESCRIBE or \
        EXPLAIN. Put values into `parameters`: an array for ?, an object for :name. Results are \
        cut at a row and a byte limit (`truncated`): aggregate, or use LIMIT."
    };
    const EFFECT: Effect = if WRITES {
        Effect::Destroys
    } else {
        Effect::Reads
    };

    type Arguments = Arguments;

    fn input_schema() -> Value {
        json!({
            "type": "object",
            "properties": {
                "sql": {"type": "string", "minLength": 1,
                    "description": "One statement of Spark SQL"},
                "parameters": {
                    "type": ["array", "object"],
                    "description": "Values of ? in order, or of :name by name: numbers, strings, \
                                    booleans, null, arrays of them"
                },
                "format": {"enum": ["json", "csv", "arrow"], "description": "Of the rows: json \
                     when left out; arrow is an IPC stream in base64"}
            },
            "required": ["sql"],
            "additionalProperties": false
        })
    }

    fn output_schema() -> Value {
        let mut properties = rows_view::properties();
        properties["rows"]["description"] = json!("With json");
        properties["data"] = json!({"type": "string", "description": "With csv and arrow"});
        json!({
            "properties": properties,
            "required": ["columns", "row_count", "truncated", "truncated_by"]
        })
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
        let asked = Asked {
            services,
            call,
            statement,
        };
        match arguments.format.unwrap_or(FormatName::Json) {
            FormatName::Json => asked.json().await,
            FormatName::Csv => asked.csv().await,
            FormatName::Arrow => asked.arrow().await,
        }
    }
}

/// A statement that a caller asks to have run.
struct Asked<'a> {
    services: &'a Services,
    call: &'a Call,
    statement: Statement,
}

impl Asked<'_> {
    async fn json(self) -> Result<Output, ToolFailure> {
        let mut sink = self.with_text(JsonRows::new(self.services.spark.limits()));
        let written = self.run(Sink::Rows(&mut sink)).await?;
        let text = self.text(&written, sink.text);
        let (count, rows) = (sink.rows.row_count(), sink.rows.into_json());
        Ok(rows_view::output(&written, count, text, |output| {
            output.raw_member("rows", &rows)
        }))
    }

    async fn csv(self) -> Result<Output, ToolFailure> {
        let mut sink = self.with_text(CsvRows::new(self.services.spark.limits()));
        let written = self.run(Sink::Rows(&mut sink)).await?;
        let text = self.text(&written, sink.text);
        let (count, data) = (sink.rows.row_count(), sink.rows.into_text());
        Ok(rows_view::output(&written, count, text, |output| {
            output.member("data", &data)
        }))
    }

    async fn arrow(self) -> Result<Output, ToolFailure> {
        let mut sink = ArrowStream::new(self.services.spark.limits());
        let written = self.run(Sink::Batches(&mut sink)).await?;
        let count = sink.row_count();
        let data = STANDARD.encode(sink.into_bytes().map_err(spark::Error::from)?);
        let text = match written.columns.is_empty() {
            true => NO_ROWS.to_owned(),
            false => format!(
                "{}, as Arrow IPC in base64 in structuredContent.data",
                count_rows(count, written.truncation)
            ),
        };
        Ok(rows_view::output(&written, count, text, |output| {
            output.member("data", &data)
        }))
    }

    fn with_text<S>(&self, rows: S) -> WithText<S> {
        WithText {
            rows,
            text: TextForModels::new(self.services.text_bytes),
        }
    }

    fn text(&self, written: &Written, text: TextForModels) -> String {
        match written.columns.is_empty() {
            true => NO_ROWS.to_owned(),
            false => text.finish(
                written.truncation,
                self.call.revision.has_structured_content(),
            ),
        }
    }

    async fn run(&self, sink: Sink<'_>) -> Result<Written, ToolFailure> {
        let spark = &self.services.spark;
        let run = spark.run(self.call.session.as_deref(), self.statement.clone(), sink);
        Ok(self.call.unless_cancelled(run).await??)
    }
}
