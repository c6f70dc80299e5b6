//! Failures of PostgreSQL in the words of the tools: SQLSTATE, sentence and hint for the caller,
//! the rest for the log.

use super::ToolFailure;
use crate::postgres::{
    ConnectError, Error, FunctionRefused, NewTableError, NotOpened, OpenError, ROLE_REMEDY,
    Refused, SOON, ServerReport, SessionError, UnknownDatabase, WireError,
};

impl From<Error> for ToolFailure {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        match error {
            Error::TooLong { .. } => {
                Self::invalid_arguments(format!("{message}; put values into `parameters`"))
            }
            Error::HoldsNul => Self::new("42601", message),
            Error::Refused(refused) => of_refusal(refused),
            Error::NewTable(error) => of_new_table(error, message),
            Error::Parameters(_) => Self::invalid_arguments(message),
            Error::Session(error) => of_session(&error),
            Error::NotOpened(error) => of_opening(&error),
            Error::Busy(none) => Self::unavailable(message).with_hint(none.remedy()),
            Error::NoSession(log) => Self::unavailable(message).with_log(log),
            Error::OutOfTime => {
                Self::new("57014", message).with_hint("narrow it, aggregate, or add conditions")
            }
            Error::TypeGone => Self::unavailable(message).with_hint("try again"),
            Error::Sink(error) => Self::unavailable("the result cannot be kept")
                .with_hint("ask for fewer rows")
                .with_log(error.to_string()),
            Error::TooManyRows { tables, .. } => {
                let tables: Vec<String> = tables
                    .iter()
                    .map(|table| format!("{} of {}", table.rows(), table.table))
                    .collect();
                Self::new("too_many_rows", message).with_hint(format!(
                    "nothing was changed; if that is meant, raise `max_affected_rows` ({})",
                    tables.join(", ")
                ))
            }
            Error::TooMuchReturned => Self::new("too_much_returned", message)
                .with_hint("nothing was changed; return fewer columns or rows"),
            Error::RolledBack => Self::new("25P02", message),
            Error::OutcomeUnknown => Self::unavailable(message)
                .with_hint("look at the rows with execute_query before you try again"),
            Error::TooCostly { .. } => Self::new("too_costly", message).with_hint(
                "explain_query shows the plan of a query and what would help; add conditions, or \
                 ask for less at a time",
            ),
            Error::NoRole { .. } => Self::new("42501", message).with_hint(
                "the operator can give the caller a role: POSTGRES_CALLER_ROLES, or `caller_roles` \
                 in POSTGRES_DATABASES_FILE",
            ),
            Error::UnknownDatabase(unknown) => unknown.into(),
            Error::ReadOnly { .. } => Self::new("25006", message).with_hint(
                "the operator can give it one: POSTGRES_WRITE_USER and POSTGRES_WRITE_PASSWORD, or \
                 `write` in POSTGRES_DATABASES_FILE",
            ),
        }
    }
}

impl From<UnknownDatabase> for ToolFailure {
    fn from(unknown: UnknownDatabase) -> Self {
        Self::not_found(unknown.to_string())
            .with_hint(format!("take one of {}", unknown.known.join(", ")))
    }
}

fn of_new_table(error: NewTableError, message: String) -> ToolFailure {
    match error {
        NewTableError::Type { type_name, .. } => {
            let failure = ToolFailure::new("42704", message);
            match type_name.to_lowercase().contains("serial") {
                true => failure.with_hint("take an integer type with `identity: true`"),
                false => failure.with_hint("write it as SQL does: text, bigint, numeric(12,2), …"),
            }
        }
        NewTableError::Expression { code, .. } => ToolFailure::new(code, message)
            .with_hint("one expression of SQL, with texts in single quotes and without subqueries"),
        NewTableError::Schema(_) => ToolFailure::new("42501", message),
        NewTableError::Name(_)
        | NewTableError::NoColumn { .. }
        | NewTableError::NoColumns
        | NewTableError::NoKeyColumns
        | NewTableError::TooMany { .. } => ToolFailure::invalid_arguments(message),
    }
}

fn of_refusal(refused: Refused) -> ToolFailure {
    let message = refused.to_string();
    match refused {
        Refused::NotShown => ToolFailure::new("42601", message),
        Refused::TooLarge => ToolFailure::new("54001", message),
        Refused::Function { signature, reason } => {
            let hint = match reason {
                FunctionRefused::BuiltIn => "use functions that only compute or read".to_owned(),
                FunctionRefused::Body => format!(
                    "its owner can write the body as BEGIN ATOMIC or RETURN; if it only reads, the \
                     operator can name `{signature}` in POSTGRES_ALLOWED_FUNCTIONS"
                ),
                _ => format!(
                    "if it only reads, the operator can name `{signature}` in \
                     POSTGRES_ALLOWED_FUNCTIONS"
                ),
            };
            ToolFailure::new("42501", message).with_hint(hint)
        }
        Refused::NotConfirmed => ToolFailure::new("not_confirmed", message)
            .with_hint("ask the user; if every row is meant, call again with `confirm: true`"),
        Refused::Trigger { signature, .. } => {
            ToolFailure::new("42501", message).with_hint(format!(
                "the operator can name `{signature}` in POSTGRES_ALLOWED_FUNCTIONS, or let all \
             triggers fire by POSTGRES_ALLOW_TRIGGERS"
            ))
        }
        Refused::Explain => ToolFailure::new("42501", message)
            .with_hint("explain_query takes the query itself and gives its plan"),
        Refused::ChangesNothing => {
            ToolFailure::new("42501", message).with_hint("execute_query runs queries")
        }
        Refused::Tree(_)
        | Refused::NotChangeable(..)
        | Refused::Sequence(_)
        | Refused::RunsInAnalysis
        | Refused::Foreign(_)
        | Refused::Secret(_)
        | Refused::Unknown => ToolFailure::new("42501", message),
    }
}

fn of_session(error: &SessionError) -> ToolFailure {
    match error {
        SessionError::Server(report) => of_report(report),
        SessionError::Role(report) => of_report(report).with_hint(ROLE_REMEDY),
        SessionError::Wire(error) => {
            let what = match error {
                WireError::Io(_) => "the connection to PostgreSQL broke during the call",
                _ => "PostgreSQL answers with more than is accepted",
            };
            ToolFailure::unavailable(what)
                .with_hint("try again; nothing was changed")
                .with_log(error.to_string())
        }
    }
}

fn of_report(report: &ServerReport) -> ToolFailure {
    let failure = ToolFailure::new(report.code.as_str(), report.to_string());
    match hint(report) {
        Some(hint) => failure.with_hint(hint),
        None => failure,
    }
}

fn of_opening(error: &NotOpened) -> ToolFailure {
    let failure = match &error.cause {
        OpenError::NotAllowed { .. } => ToolFailure::new("42501", error.to_string()),
        OpenError::Setting(error) => of_session(error),
        OpenError::Connect(ConnectError::Server(report)) => {
            ToolFailure::new(report.code.as_str(), error.to_string())
                .with_log(error.cause.to_string())
        }
        OpenError::Connect(_) | OpenError::OutOfTime(_) => {
            ToolFailure::unavailable(error.to_string()).with_log(error.cause.to_string())
        }
    };
    failure.with_hint(error.remedy())
}

fn hint(report: &ServerReport) -> Option<String> {
    let servers = report.hint.as_ref().map(|hint| hint.trim_end_matches('.'));
    let own = match report.code.as_str() {
        "57014" => {
            "the query ran into its time limit or was cancelled; narrow it, aggregate, or add \
             conditions"
        }
        // The message is in the server's language; that the statements were counted is not.
        "42601" if report.routine == "exec_parse_message" => "send one statement in each call",
        "42P07" => {
            "take another name; create_table leaves the table as it is with `if_not_exists`, and \
             bulk_load_from_spark adds rows to it with `mode: append`"
        }
        "42P01" => "list_tables names the tables there are",
        "42703" => "get_table_schema names the columns there are",
        "42P18" => "cast the parameter, say `$1::int`",
        "22P02" | "22007" | "22008" => {
            "a parameter is written as PostgreSQL writes the type, say \"2024-01-31\" for a date"
        }
        "25006" => "only queries that read are run",
        "42501" => "the role that queries run as may not do this; ask the operator for the right",
        "55P03" => "somebody alters the table now; try again when that is over",
        _ if report.is_passing() => SOON,
        "53400" => "the query needs more temporary space than it may have; narrow it",
        _ => return servers.map(ToOwned::to_owned),
    };
    Some(match servers {
        Some(hint) => format!("{hint}; {own}"),
        None => own.to_owned(),
    })
}
