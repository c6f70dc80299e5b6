//! Which of PostgreSQL's errors are over without anybody's doing.

use super::wire::ServerReport;

/// The SQLSTATEs of errors that may be over at the next attempt: PostgreSQL starts, stops or
/// recovers, is busy, or somebody else was in the way.
const PASSING: [&str; 8] = [
    "40001", // serialization_failure
    "40P01", // deadlock_detected
    "53300", // too_many_connections
    "55P03", // lock_not_available
    "57014", // query_canceled, by its time limit
    "57P01", // admin_shutdown
    "57P02", // crash_shutdown
    "57P03", // cannot_connect_now
];

/// The class of what goes wrong with a connection.
const CONNECTION: &str = "08";

/// The one of that class that comes again, `protocol_violation`: a message or a start of a session
/// that the other side does not understand, as a pool before PostgreSQL says of settings that it
/// does not pass on.
const MISUNDERSTOOD: &str = "08P01";

/// Whether an error with this SQLSTATE may be over at the next attempt. Every other would come
/// again.
pub fn is_passing(sql_state: &str) -> bool {
    let is_of_connection = sql_state.len() == 5 && sql_state.starts_with(CONNECTION);
    PASSING.contains(&sql_state) || (is_of_connection && sql_state != MISUNDERSTOOD)
}

impl ServerReport {
    /// Whether what PostgreSQL tells of may be over at the next attempt.
    pub fn is_passing(&self) -> bool {
        is_passing(&self.code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_takes_what_is_down_busy_or_locked_for_passing_and_nothing_else() {
        for (sql_state, expected) in [
            ("57P01", true),
            ("57P02", true),
            ("57P03", true),
            ("57014", true),
            ("08006", true),
            ("08001", true),
            ("08P01", false),
            ("53300", true),
            ("40001", true),
            ("40P01", true),
            ("55P03", true),
            ("42P01", false),
            ("42501", false),
            ("23505", false),
            ("57P04", false),
            ("08", false),
            ("", false),
        ] {
            assert_eq!(is_passing(sql_state), expected, "{sql_state}");
        }
    }
}
