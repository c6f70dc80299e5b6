//! What went wrong with PostgreSQL, in two voices: the caller's, with SQLSTATE and hint, and the log's.

use sqlx::postgres::{PgDatabaseError, PgErrorPosition};

use super::Refused;
use crate::tools::ToolFailure;

/// A statement failed.
pub(super) fn of_statement(error: &sqlx::Error) -> ToolFailure {
    let Some(database) = database_error(error) else {
        return ToolFailure::unavailable("the connection to PostgreSQL broke during the call")
            .with_hint("try again; nothing was changed")
            .with_log(error.to_string());
    };
    let failure = ToolFailure::new(database.code(), sentence(database));
    match hint(database) {
        Some(hint) => failure.with_hint(hint),
        None => failure,
    }
}

/// No connection could be made. What the driver says stays in the log: it may quote the connection string.
pub(super) fn of_connecting(address: &str, error: &sqlx::Error) -> ToolFailure {
    let log = error.to_string();
    let failure = match (database_error(error), error) {
        (Some(database), _) => ToolFailure::new(
            database.code(),
            match database.code() {
                "28P01" | "28000" => "PostgreSQL refused the server's user or password".to_owned(),
                "3D000" => "PostgreSQL has no database of the configured name".to_owned(),
                _ => format!("PostgreSQL refused the connection: {}", database.message()),
            },
        ),
        (None, sqlx::Error::Io(io)) => ToolFailure::unavailable(format!(
            "PostgreSQL at `{address}` does not answer: {}",
            io.kind()
        )),
        (None, sqlx::Error::Tls(_)) => ToolFailure::unavailable(format!(
            "no encrypted connection to PostgreSQL at `{address}` could be made"
        )),
        _ => ToolFailure::unavailable(format!("PostgreSQL at `{address}` does not answer")),
    };
    failure
        .with_hint(
            "ask the operator to look at /health and the POSTGRES_* settings of the data server",
        )
        .with_log(log)
}

impl From<sqlx::Error> for ToolFailure {
    fn from(error: sqlx::Error) -> Self {
        of_statement(&error)
    }
}

impl From<Refused> for ToolFailure {
    fn from(refused: Refused) -> Self {
        let message = refused.to_string();
        match refused {
            Refused::Unreadable(_) | Refused::Statements => Self::new("42601", message),
            Refused::Function(_) => {
                Self::new("42501", message).with_hint("use functions that only compute or read")
            }
            Refused::NotAQuery
            | Refused::Writes(_)
            | Refused::Unclear(_)
            | Refused::Locks
            | Refused::Relation(_) => Self::new("42501", message),
        }
    }
}

/// Whether PostgreSQL said with this error that the connection is over (class 57P, operator intervention) and not the statement alone.
pub(super) fn ends_the_connection(error: &sqlx::Error) -> bool {
    database_error(error).is_some_and(|database| database.code().starts_with("57P"))
}

fn database_error(error: &sqlx::Error) -> Option<&PgDatabaseError> {
    match error {
        sqlx::Error::Database(database) => database.try_downcast_ref::<PgDatabaseError>(),
        _ => None,
    }
}

fn sentence(error: &PgDatabaseError) -> String {
    let mut sentence = error.message().to_owned();
    if let Some(detail) = error.detail() {
        sentence.push_str(": ");
        sentence.push_str(detail.trim_end_matches('.'));
    }
    if let Some(PgErrorPosition::Original(position)) = error.position() {
        // PostgreSQL counts from 1, and counts the words that go before the caller's own.
        if let Some(own) = position
            .checked_sub(super::query::PREFIX.len())
            .filter(|own| *own > 0)
        {
            sentence.push_str(&format!(" (at character {own})"));
        }
    }
    sentence
}

fn hint(error: &PgDatabaseError) -> Option<String> {
    let own = match error.code() {
        "57014" => {
            "the query ran into its time limit or was cancelled; narrow it, aggregate, or add conditions"
        }
        "42P01" => "list_tables names the tables there are",
        "42703" => "get_table_schema names the columns there are",
        "42P18" => "cast the parameter, say `$1::int`",
        "22P02" | "22007" | "22008" => {
            "a parameter is written as PostgreSQL writes the type, say \"2024-01-31\" for a date"
        }
        "25006" => "only queries that read are run",
        "42501" => "the role that queries run as may not do this; ask the operator for the right",
        _ => {
            return error
                .hint()
                .map(|hint| hint.trim_end_matches('.').to_owned());
        }
    };
    Some(match error.hint() {
        Some(hint) => format!("{}; {own}", hint.trim_end_matches('.')),
        None => own.to_owned(),
    })
}
