//! `execute_spark_sql`: one Spark SQL statement, over Spark Connect.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{Effect, Output, Tool, ToolFailure, preview};
use crate::call::Call;
use crate::services::Services;
use crate::spark::collect::{Body, CollectError, Collected, Format, TruncatedBy};
use crate::spark::connect::{ConnectError, Parameters, Statement};
use crate::spark::{RunError, SessionError};

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
        json!({
            "properties": {
                "columns": {"type": "array", "items": {
                    "type": "object",
                    "properties": {"name": {"type": "string"}, "type": {"type": "string"}},
                    "required": ["name", "type"]
                }},
                "rows": {"type": "array", "items": {"type": "array"}, "description": "With json"},
                "data": {"type": "string", "description": "With csv and arrow"},
                "row_count": {"type": "integer"},
                "truncated": {"type": "boolean"},
                "truncated_by": {"enum": ["rows", "bytes", null]}
            },
            "required": ["columns", "row_count", "truncated", "truncated_by"]
        })
    }

    async fn run(
        services: &Services,
        call: &Call,
        arguments: Arguments,
    ) -> Result<Output, ToolFailure> {
        let spark = &services.spark;
        let limits = spark.limits();
        let parameters = match &arguments.parameters {
            None => Ok(Parameters::None),
            Some(Bound::Positional(values)) => Parameters::positional(values),
            Some(Bound::Named(values)) => Parameters::named(values),
        };
        let parameters =
            parameters.map_err(|invalid| ToolFailure::invalid_arguments(invalid.to_string()))?;
        // One row more than is given back tells whether there are more.
        let most_rows = u32::try_from(limits.rows + 1).unwrap_or(u32::MAX);
        let statement = Statement::new(arguments.sql)
            .parameters(parameters)
            .at_most(most_rows);
        let format = match arguments.format.unwrap_or(FormatName::Json) {
            FormatName::Json => Format::Json,
            FormatName::Csv => Format::Csv,
            FormatName::Arrow => Format::Arrow,
        };
        let work = async {
            let run = spark.run(call.session.as_deref(), statement, format);
            match timeout(spark.statement_timeout(), run).await {
                Ok(done) => done.map_err(failure),
                Err(_) => Err(timed_out(spark.statement_timeout())),
            }
        };
        Ok(output(call.unless_cancelled(work).await??))
    }
}

fn output(collected: Collected) -> Output {
    let truncated_by = collected.truncated_by.map(|limit| match limit {
        TruncatedBy::Rows => "rows",
        TruncatedBy::Bytes => "bytes",
    });
    let columns = collected.columns.iter();
    let columns: Vec<Value> = columns
        .map(|column| json!({"name": column.name, "type": column.type_name}))
        .collect();
    let mut structured = json!({
        "columns": columns,
        "row_count": collected.row_count,
        "truncated": truncated_by.is_some(),
        "truncated_by": truncated_by,
    });
    let counted = preview::count(collected.row_count, truncated_by);
    let text = match &collected.body {
        _ if collected.columns.is_empty() => "done; the statement gives no rows".to_owned(),
        Body::Json(rows) => {
            let names = collected.columns.iter().map(|column| column.name.as_str());
            preview::table(&names.collect::<Vec<_>>(), rows, truncated_by)
        }
        Body::Csv(_) => format!("{counted}, as CSV in structuredContent.data"),
        Body::Arrow(_) => format!("{counted}, as Arrow IPC in base64 in structuredContent.data"),
    };
    match collected.body {
        Body::Json(rows) => {
            // Moved, not rebuilt: this is where the megabytes are.
            structured["rows"] = Value::Array(rows.into_iter().map(Value::Array).collect());
        }
        Body::Csv(text) => structured["data"] = Value::String(text),
        Body::Arrow(bytes) => structured["data"] = Value::String(STANDARD.encode(bytes)),
    }
    Output::new(&structured, text)
}

fn failure(error: RunError) -> ToolFailure {
    match error {
        RunError::Session(SessionError::Connect(error)) => {
            collect_failure(CollectError::Connect(error))
        }
        RunError::Session(SessionError::Busy) => {
            ToolFailure::unavailable(error.to_string()).with_hint("try again in a minute")
        }
        RunError::Queue(full) => ToolFailure::unavailable(full.to_string())
            .with_hint("try again in a few seconds, or narrow the statements that run"),
        RunError::NotPlain => ToolFailure::new("read_only", error.to_string()).with_hint(
            "the operator installs the check in Spark (`spark.sql.extensions`), and then all of \
             Spark SQL can be read with",
        ),
        RunError::Collect(error) => collect_failure(error),
    }
}

fn collect_failure(error: CollectError) -> ToolFailure {
    match error {
        CollectError::Connect(ConnectError::Spark(failure)) => {
            if let Some(sentence) = failure.refusal() {
                return ToolFailure::new("read_only", sentence);
            }
            let state = failure.sql_state.as_deref();
            let message = match state {
                Some(state) => format!("{} (SQLSTATE {state})", failure.message),
                None => failure.message,
            };
            let is_internal = failure.error_class.as_deref() == Some("INTERNAL_ERROR");
            let code = failure.error_class.or(failure.sql_state);
            let failure =
                ToolFailure::new(code.unwrap_or_else(|| "spark_error".to_owned()), message);
            match is_internal {
                // A script that gives rows is the way there that callers find.
                true => failure.with_hint(
                    "Spark has no answer to this form of statement; of a script (BEGIN … END), \
                     send the statements one by one",
                ),
                false => failure,
            }
        }
        CollectError::Connect(error @ ConnectError::Unreachable { .. }) => {
            ToolFailure::unavailable(error.to_string())
                .with_hint("try again in a minute; the operator finds the address in SPARK_REMOTE")
        }
        CollectError::Connect(error @ ConnectError::SessionGone) => {
            ToolFailure::unavailable(error.to_string()).with_hint("try again")
        }
        CollectError::Connect(error @ ConnectError::Lost) => {
            ToolFailure::new("lost", error.to_string())
                .with_hint("look whether it took effect before you run it again")
        }
        CollectError::Connect(error @ ConnectError::Malformed(_)) => {
            ToolFailure::new("spark_error", "Spark gave an answer that cannot be read")
                .with_log(error.to_string())
        }
        CollectError::Unsupported(error) => ToolFailure::new("unsupported_type", error.to_string()),
        CollectError::Arrow(error) => ToolFailure::new(
            "spark_error",
            "the rows cannot be written as Arrow: ask for json",
        )
        .with_log(error),
    }
}

fn timed_out(limit: std::time::Duration) -> ToolFailure {
    ToolFailure::new(
        "timeout",
        format!(
            "the statement ran for {} s, which is the limit, and was interrupted",
            limit.as_secs()
        ),
    )
    .with_hint("read less data, or submit it as a job with submit_spark_job")
}
