//! Failures of this server's own records, whose database the operator names by a setting.

use std::error::Error;

use super::ToolFailure;

impl ToolFailure {
    /// There is no database for records of this kind.
    pub(super) fn without_records(error: &dyn Error) -> Self {
        Self::unavailable(error.to_string()).with_hint(
            "the operator sets PORTCULLIS_STORE_URL to a PostgreSQL database and restarts the \
             server",
        )
    }

    /// The database of the records does not answer, or refuses what it is asked. What it says is
    /// for the log.
    pub(super) fn of_records(error: &dyn Error) -> Self {
        let cause = error.source().map(ToString::to_string);
        Self::unavailable(error.to_string())
            .with_hint(
                "try again in a minute; the operator finds the database in PORTCULLIS_STORE_URL",
            )
            .with_log(cause.unwrap_or_default())
    }
}
