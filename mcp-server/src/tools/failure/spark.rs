//! Failures of Spark SQL in the words of the tools: Spark's error class, sentence and hint for the
//! caller, the rest for the log.

use super::ToolFailure;
use crate::quotes::shorten_name;
use crate::results::SinkError;
use crate::spark::connect::{ConnectError, SparkFailure};
use crate::spark::{Error, SessionError};

impl From<Error> for ToolFailure {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        match error {
            Error::Connect(error) | Error::Session(SessionError::Connect(error)) => {
                of_connection(error)
            }
            Error::Session(SessionError::Busy) => {
                Self::unavailable(message).with_hint("try again in a minute")
            }
            Error::Queue(_) => Self::unavailable(message)
                .with_hint("try again in a few seconds, or narrow the statements that run"),
            Error::NotPlain => Self::new("read_only", message).with_hint(
                "the operator installs the check in Spark (`spark.sql.extensions`), and then all \
                 of Spark SQL can be read with",
            ),
            Error::NeedsSession(_) => Self::new("needs_session", message).with_hint(
                "put it into the statement itself (WITH for a view, schema.table for USE), or \
                 connect with a revision of MCP that has sessions (up to 2025-11-25)",
            ),
            Error::SessionLost => Self::new("session_lost", message)
                .with_hint("make anew what it needs, then call again"),
            Error::Unsupported(_) => Self::new("unsupported_type", message),
            Error::Sink(SinkError::Arrow(error)) => Self::new(
                "spark_error",
                "the rows cannot be written as Arrow: ask for json",
            )
            .with_log(error.to_string()),
            Error::Sink(SinkError::Io(error)) => Self::unavailable("the result cannot be kept")
                .with_hint("ask for fewer rows")
                .with_log(error.to_string()),
            Error::OutOfTime { .. } => Self::new("timeout", message)
                .with_hint("read less data; submit_spark_job runs long work"),
        }
    }
}

impl ToolFailure {
    /// A statement of Spark would destroy this, and the caller has not said that it is meant.
    pub fn unconfirmed_destruction(statement: &str) -> Self {
        let statement = shorten_name(statement);
        Self::new(
            "not_confirmed",
            format!("this destroys what is in Spark, and was not run: {statement}"),
        )
        .with_question(format!(
            "Spark would run this, which cannot be undone: {statement}\nIs that meant?"
        ))
        .with_hint("ask the user; if that is meant, call again with `confirm: true`")
    }
}

fn of_connection(error: ConnectError) -> ToolFailure {
    let message = error.to_string();
    match error {
        ConnectError::Spark(failure) => of_spark(failure),
        ConnectError::Unreachable { .. } => ToolFailure::unavailable(message)
            .with_hint("try again in a minute; the operator finds the address in SPARK_REMOTE"),
        ConnectError::Broken { .. } => ToolFailure::unavailable(message)
            .with_hint("try again in a minute; if it stays so, the operator starts it again"),
        ConnectError::Unauthenticated { .. } => ToolFailure::unavailable(message)
            .with_hint("the operator sets SPARK_CONNECT_TOKEN or SPARK_CONNECT_TOKEN_FILE"),
        ConnectError::SessionGone => ToolFailure::unavailable(message).with_hint("try again"),
        ConnectError::Lost => ToolFailure::new("lost", message)
            .with_hint("look whether it took effect before you run it again"),
        ConnectError::Malformed(_) => {
            ToolFailure::new("spark_error", "Spark gave an answer that cannot be read")
                .with_log(message)
        }
    }
}

fn of_spark(failure: SparkFailure) -> ToolFailure {
    if let Some(sentence) = failure.refusal() {
        return ToolFailure::new("read_only", sentence);
    }
    let message = match &failure.sql_state {
        Some(state) => format!("{} (SQLSTATE {state})", failure.message),
        None => failure.message,
    };
    let is_internal = failure.error_class.as_deref() == Some("INTERNAL_ERROR");
    let code = failure.error_class.or(failure.sql_state);
    let failure = ToolFailure::new(code.unwrap_or_else(|| "spark_error".to_owned()), message);
    if failure.message.contains("spark.driver.maxResultSize") {
        return failure.with_hint(
            "the result is larger than Spark's driver takes at once: load a part of it at a time, \
             by ranges of a column",
        );
    }
    match is_internal {
        // A script that gives rows is the way there that callers find.
        true => failure.with_hint(
            "Spark has no answer to this form of statement; of a script (BEGIN … END), send the \
             statements one by one",
        ),
        false => failure,
    }
}
