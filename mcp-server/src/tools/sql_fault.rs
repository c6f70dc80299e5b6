//! The faults of a text of SQL, as its service tells them before anybody runs it.

use super::ToolFailure;
use crate::postgres;
use crate::spark;
use crate::spark::connect::ConnectError;

/// Why a text of SQL has not been found fit.
#[derive(Debug)]
pub(super) enum SqlFault {
    /// The service refuses it.
    Refused(ToolFailure),
    /// The service cannot be asked now.
    NotAsked(ToolFailure),
}

/// The SQLSTATEs of a table, a column, a function, a type and a schema that are not there.
const MISSING: [&str; 5] = ["42P01", "42703", "42883", "42704", "3F000"];

impl SqlFault {
    /// The failure in the words of the service.
    pub(super) fn failure(&self) -> &ToolFailure {
        let (Self::Refused(failure) | Self::NotAsked(failure)) = self;
        failure
    }

    /// The same, for whoever passes it on.
    pub(super) fn into_failure(self) -> ToolFailure {
        let (Self::Refused(failure) | Self::NotAsked(failure)) = self;
        failure
    }

    /// Whether the service refuses the text whatever else comes into being.
    pub(super) fn is_final(&self) -> bool {
        let Self::Refused(failure) = self else {
            return false;
        };
        let code = failure.code.as_str();
        let is_missing = MISSING.contains(&code)
            || code.ends_with("_NOT_FOUND")
            || code.starts_with("UNRESOLVED_");
        !is_missing
    }

    fn of(error: impl Into<ToolFailure>, is_asked: bool) -> Self {
        let mut failure: ToolFailure = error.into();
        // Spark's message goes on with the whole plan, in further lines.
        let first = failure.message.lines().next().unwrap_or_default();
        failure.message = first.to_owned();
        match is_asked && !failure.is_passing() {
            true => Self::Refused(failure),
            false => Self::NotAsked(failure),
        }
    }
}

impl From<postgres::Error> for SqlFault {
    fn from(error: postgres::Error) -> Self {
        use postgres::Error;
        let is_asked = match &error {
            // With roles of callers there is nobody as whom it could be analysed before a call.
            Error::NotOpened(_) | Error::NoRole { .. } => false,
            _ => true,
        };
        Self::of(error, is_asked)
    }
}

impl From<spark::Error> for SqlFault {
    fn from(error: spark::Error) -> Self {
        let is_asked = matches!(
            &error,
            spark::Error::NotPlain | spark::Error::Connect(ConnectError::Spark(_))
        );
        Self::of(error, is_asked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::{ServerReport, SessionError};

    #[test]
    fn it_calls_no_text_refused_while_its_database_is_busy_locked_or_late() {
        for (code, is_refused) in [
            ("55P03", false),
            ("57014", false),
            ("40001", false),
            ("57P03", false),
            ("42501", true),
            ("42P01", true),
        ] {
            let report = ServerReport {
                code: code.to_owned(),
                ..ServerReport::default()
            };
            let error = postgres::Error::Session(SessionError::Server(Box::new(report)));
            let fault = SqlFault::from(error);
            assert_eq!(matches!(fault, SqlFault::Refused(_)), is_refused, "{code}");
        }
    }

    #[test]
    fn it_tells_what_may_still_come_from_what_is_refused_in_any_case() {
        for (code, is_final) in [
            ("42601", true),
            ("42501", true),
            ("PARSE_SYNTAX_ERROR", true),
            ("42P01", false),
            ("TABLE_OR_VIEW_NOT_FOUND", false),
            ("UNRESOLVED_COLUMN.WITH_SUGGESTION", false),
        ] {
            let fault = SqlFault::Refused(ToolFailure::new(code, ""));
            assert_eq!(fault.is_final(), is_final, "{code}");
        }
        assert!(!SqlFault::NotAsked(ToolFailure::unavailable("")).is_final());
    }
}
