//! Keeps what a session has changed, or takes it back.
//!
//! From the moment that COMMIT is sent, nobody but PostgreSQL knows whether the changes stand. So
//! whoever gives up waiting, by a time limit or because the caller has gone, stops no COMMIT; and a
//! failure never claims that nothing was changed unless PostgreSQL said so.

use std::time::Duration;

use tracing::Instrument as _;

use crate::pool::Lease;
use crate::{Database, Error};

/// The wait for a COMMIT behind statements without a time limit, which checks what they deferred.
pub(super) const LONGEST_COMMIT: Duration = Duration::from_secs(3_600);

impl Database {
    /// Has PostgreSQL keep what the session changed, and gives the session back; one that may have
    /// been left with traces ends. Dropping the future does not stop it.
    ///
    /// # Errors
    /// What PostgreSQL says, and then nothing was kept; [`Error::OutcomeUnknown`] where it says
    /// nothing in the time that a statement may take, or the connection broke.
    pub(super) async fn commit(&self, lease: Lease, leaves_traces: bool) -> Result<(), Error> {
        commit_within(self.most_time(), lease, leaves_traces).await
    }
}

/// As [`Database::commit`], where PostgreSQL may take so long.
pub(super) async fn commit_within(
    most: Duration,
    lease: Lease,
    leaves_traces: bool,
) -> Result<(), Error> {
    let committing = tokio::spawn(commit(lease, leaves_traces, most).in_current_span());
    committing.await.unwrap_or(Err(Error::OutcomeUnknown))
}

async fn commit(mut lease: Lease, leaves_traces: bool, most: Duration) -> Result<(), Error> {
    let done = tokio::time::timeout(most, lease.session().run("COMMIT")).await;
    let failed = match done {
        Ok(Ok(reply)) => match reply.tag.as_deref() {
            Some("COMMIT") => {
                match leaves_traces {
                    true => lease.close(),
                    false => lease.give_back(),
                }
                return Ok(());
            }
            // So PostgreSQL answers in a transaction in which a statement has failed.
            Some("ROLLBACK") => Error::RolledBack,
            _ => return Err(Error::OutcomeUnknown),
        },
        // Beside that tag only an ERROR says that the transaction was rolled back. A process of
        // PostgreSQL that ends in the middle, and whatever stands before it, may have let the
        // COMMIT pass.
        Ok(Err(error)) if error.spares_session() => error.into(),
        _ => return Err(Error::OutcomeUnknown),
    };
    take_back(lease, leaves_traces).await;
    Err(failed)
}

/// Takes back what the session changed, and gives the session back unless it may have been left
/// with traces.
pub(super) async fn take_back(lease: Lease, leaves_traces: bool) {
    match leaves_traces {
        true => drop(lease),
        false => lease.roll_back().await,
    }
}
