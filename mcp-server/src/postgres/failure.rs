//! Failures of PostgreSQL, in two voices: the caller's, with SQLSTATE and hint, and the log's.

use super::judge::JudgeError;
use super::session::{OpenError, SessionError};
use super::wire::{ConnectError, Login, ServerReport, WireError};
use crate::tools::ToolFailure;

/// A statement of a caller's failed, or is not run.
pub(super) fn of_judgement(error: JudgeError) -> ToolFailure {
    match error {
        JudgeError::Refused(refused) => refused.into(),
        JudgeError::Session(error) => of_session(&error),
    }
}

/// Translates the failure of a statement into the caller's terms.
pub(super) fn of_session(error: &SessionError) -> ToolFailure {
    match error {
        SessionError::Server(report) => of_report(report),
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

/// PostgreSQL refused a statement.
pub(super) fn of_report(report: &ServerReport) -> ToolFailure {
    let failure = ToolFailure::new(report.code.as_str(), sentence(report));
    match hint(report) {
        Some(hint) => failure.with_hint(hint),
        None => failure,
    }
}

/// A call took longer than it may.
pub(super) fn of_time() -> ToolFailure {
    ToolFailure::new("57014", "the query ran into its time limit")
        .with_hint("narrow it, aggregate, or add conditions")
}

/// No session could be opened. What the driver says stays in the log: it may quote credentials.
pub(super) fn of_opening(login: &Login, error: &OpenError) -> ToolFailure {
    let address = match login.host.starts_with('/') {
        true => login.host.clone(),
        false => format!("{}:{}", login.host, login.port),
    };
    let failure = match error {
        OpenError::NotAllowed { message, hint } => {
            return ToolFailure::new("42501", message.as_str()).with_hint(hint.as_str());
        }
        OpenError::Setting(error) => {
            return of_session(error).with_hint(
                "the operator should check POSTGRES_ROLE and that the user may take that role",
            );
        }
        OpenError::Connect(ConnectError::Server(report)) if passes(&report.code) => {
            return ToolFailure::new(
                report.code.as_str(),
                format!("PostgreSQL takes no connection now: {}", report.message),
            )
            .with_hint(SOON);
        }
        OpenError::Connect(ConnectError::Server(report)) => ToolFailure::new(
            report.code.as_str(),
            match report.code.as_str() {
                "28P01" | "28000" => "PostgreSQL refused the server's user or password".to_owned(),
                "3D000" => "PostgreSQL has no database of the configured name".to_owned(),
                _ => format!("PostgreSQL refused the connection: {}", report.message),
            },
        ),
        OpenError::Connect(ConnectError::Io(io)) => ToolFailure::unavailable(format!(
            "PostgreSQL at `{address}` does not answer: {}",
            io.kind()
        )),
        OpenError::Connect(ConnectError::Tls(reason)) => ToolFailure::unavailable(format!(
            "no encrypted connection to PostgreSQL at `{address}` could be made: {reason}"
        )),
        OpenError::Connect(ConnectError::Unsupported(reason)) => ToolFailure::unavailable(format!(
            "PostgreSQL at `{address}` cannot be used: {reason}"
        )),
        OpenError::Connect(ConnectError::TimedOut) => {
            ToolFailure::unavailable(format!("PostgreSQL at `{address}` does not answer"))
        }
    };
    failure
        .with_hint(
            "ask the operator to look at /health and the POSTGRES_* settings of the data server",
        )
        .with_log(error.to_string())
}

/// The advice where PostgreSQL will be there again without anybody's doing.
const SOON: &str = "try again in a few seconds";

/// Whether PostgreSQL refuses for the moment alone: it starts, stops or recovers (class 57P), or
/// all its connections are in use.
fn passes(code: &str) -> bool {
    matches!(code, "57P01" | "57P02" | "57P03" | "53300")
}

fn sentence(report: &ServerReport) -> String {
    let mut sentence = report.message.clone();
    if let Some(detail) = &report.detail {
        sentence.push_str(": ");
        sentence.push_str(String::from_utf8_lossy(detail).trim_end_matches('.'));
    }
    if let Some(position) = report.position {
        sentence.push_str(&format!(" (at character {position})"));
    }
    sentence
}

fn hint(report: &ServerReport) -> Option<String> {
    let own = match report.code.as_str() {
        code if passes(code) => SOON,
        "57014" => {
            "the query ran into its time limit or was cancelled; narrow it, aggregate, or add \
             conditions"
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
        "53400" => "the query needs more temporary space than it may have; narrow it",
        _ => {
            return report
                .hint
                .as_ref()
                .map(|hint| hint.trim_end_matches('.').to_owned());
        }
    };
    Some(match &report.hint {
        Some(hint) => format!("{}; {own}", hint.trim_end_matches('.')),
        None => own.to_owned(),
    })
}
