//! Failures of Spark SQL in the words of the tools: Spark's error class, sentence and hint for the
//! caller, the rest for the log.

use super::{CONFIRM_IT, ToolFailure};
use crate::results::SinkError;
use crate::spark::connect::{ConnectError, InvalidParameters, SparkFailure};
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
            Error::Queue(none) => Self::unavailable(message).with_hint(none.remedy()),
            Error::NotPlain => Self::new("read_only", message).with_hint(
                "the operator installs the check in Spark (`spark.sql.extensions`), and then all \
                 of Spark SQL can be read with",
            ),
            Error::NeedsSession(_) => Self::new("needs_session", message).with_hint(
                "put it into the statement itself (WITH for a view, schema.table for USE), or \
                 connect with a revision of MCP that has sessions (up to 2025-11-25)",
            ),
            Error::NoCatalog(_) => Self::not_found(message).with_hint(
                "leave `catalog` out for the session's own; `spark_catalog` is always there",
            ),
            Error::Session(SessionError::Lost) => Self::new("session_lost", message)
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

impl From<InvalidParameters> for ToolFailure {
    fn from(invalid: InvalidParameters) -> Self {
        Self::invalid_arguments(invalid.to_string())
    }
}

impl ToolFailure {
    /// A statement of Spark would destroy this, which is shown whole, and the caller has not said
    /// that it is meant.
    pub fn unconfirmed_destruction(destroyed: &str) -> Self {
        Self::new(
            "not_confirmed",
            format!("this destroys what is in Spark, and was not run: {destroyed}"),
        )
        .with_question(format!(
            "Spark would run this, which cannot be undone: {destroyed}\nIs that meant?"
        ))
        .with_hint(CONFIRM_IT)
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
    let hint = failure.error_class.as_deref().and_then(hint);
    let code = failure.error_class.or(failure.sql_state);
    let failure = ToolFailure::new(code.unwrap_or_else(|| "spark_error".to_owned()), message);
    if failure.message.contains("spark.driver.maxResultSize") {
        return failure.with_hint(
            "the result is larger than Spark's driver takes at once: load a part of it at a time, \
             by ranges of a column",
        );
    }
    match hint {
        Some(hint) => failure.with_hint(hint),
        None => failure,
    }
}

/// The remedy for an error of this class, where its message has none.
fn hint(class: &str) -> Option<&'static str> {
    Some(match class.split('.').next().unwrap_or(class) {
        // A script that gives rows is the way there that callers find.
        "INTERNAL_ERROR" => {
            "Spark has no answer to this form of statement; of a script (BEGIN … END), send the \
             statements one by one"
        }
        "TABLE_OR_VIEW_NOT_FOUND" | "VIEW_NOT_FOUND" | "SCHEMA_NOT_FOUND" => {
            "list_spark_tables names the databases, tables and views there are"
        }
        "REQUIRES_SINGLE_PART_NAMESPACE" => {
            "of three names the first is a catalog, and Spark has none of that name; \
             list_spark_tables names what there is"
        }
        "UNRESOLVED_COLUMN" | "UNRESOLVED_FIELD" | "FIELD_NOT_FOUND" => {
            "get_spark_table_schema names the columns there are"
        }
        "UNRESOLVED_ROUTINE" | "ROUTINE_NOT_FOUND" => "SHOW FUNCTIONS names those there are",
        "UNBOUND_SQL_PARAMETER" => "give it a value in `parameters`",
        "TABLE_OR_VIEW_ALREADY_EXISTS" => "take another name, or write IF NOT EXISTS",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_to_do_about_a_name_that_spark_does_not_know() {
        for (class, words) in [
            ("TABLE_OR_VIEW_NOT_FOUND", "list_spark_tables"),
            ("SCHEMA_NOT_FOUND", "list_spark_tables"),
            (
                "UNRESOLVED_COLUMN.WITH_SUGGESTION",
                "get_spark_table_schema",
            ),
            ("UNRESOLVED_ROUTINE", "SHOW FUNCTIONS"),
        ] {
            let failure = of_spark(SparkFailure {
                error_class: Some(class.to_owned()),
                sql_state: Some("42000".to_owned()),
                message: "it is not there".to_owned(),
            });
            assert_eq!(failure.code, class);
            assert!(
                failure.hint.is_some_and(|hint| hint.contains(words)),
                "{class}"
            );
        }
        let none = ToolFailure::from(Error::NoCatalog("nope".to_owned()));
        assert_eq!(
            (none.code.as_str(), none.hint.is_some()),
            ("not_found", true)
        );
    }
}
