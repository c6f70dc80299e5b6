//! How long a PostgreSQL may be silent: a network that swallows packets tells nobody that it does.

use std::io;
use std::time::Duration;

/// The time for one answer. It is longer than that after which PostgreSQL itself gives a statement
/// up (`statement_timeout`, ten seconds), so that its own words are told wherever they arrive.
const ANSWER: Duration = Duration::from_secs(12);

/// The time for a connection to be made, or tried out when it is not needed any more. Anything
/// longer is no blink of the network, and a way over which nobody wants to wait for a change.
pub(super) const CONNECTION: Duration = Duration::from_secs(5);

/// Waits for an answer of PostgreSQL as long as it may take.
pub(super) async fn answer<T>(
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    within(ANSWER, work).await
}

/// Waits for `work`, and calls it failed after `time`.
pub(super) async fn within<T>(
    time: Duration,
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    tokio::time::timeout(time, work).await.unwrap_or_else(|_| {
        let silence = io::Error::new(io::ErrorKind::TimedOut, "PostgreSQL does not answer");
        Err(sqlx::Error::Io(silence))
    })
}
