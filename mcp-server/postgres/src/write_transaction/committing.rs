//! Keeps what a session has changed, or takes it back.
//!
//! From the moment that COMMIT is sent, nobody but PostgreSQL knows whether the changes stand. So
//! whoever gives up waiting, by a time limit or because the caller has gone, stops no COMMIT; and a
//! failure never claims that nothing was changed unless PostgreSQL said so.

use std::time::Duration;

use crate::pool::Lease;
use crate::session::SessionError;
use crate::{Database, Error};

impl Database {
    /// Has PostgreSQL keep what the session changed, and gives the session back; one that may have
    /// been left with traces ends. Dropping the future does not stop it.
    ///
    /// # Errors
    /// What PostgreSQL says, and then nothing was kept; [`Error::OutcomeUnknown`] where it says
    /// nothing in the time that a statement may take, or the connection broke.
    pub(super) async fn commit(&self, lease: Lease, leaves_traces: bool) -> Result<(), Error> {
        let committing = tokio::spawn(commit(lease, leaves_traces, self.most_time()));
        committing.await.unwrap_or(Err(Error::OutcomeUnknown))
    }
}

async fn commit(mut lease: Lease, leaves_traces: bool, most: Duration) -> Result<(), Error> {
    let done = tokio::time::timeout(most, lease.session().run("COMMIT")).await;
    match done {
        Ok(Ok(_)) if leaves_traces => lease.close(),
        Ok(Ok(reply)) if reply.status == b'I' => lease.give_back(),
        Ok(Ok(_)) => drop(lease),
        Ok(Err(error @ SessionError::Server(_))) => {
            drop(lease);
            return Err(error.into());
        }
        Ok(Err(SessionError::Wire(_))) | Err(_) => {
            drop(lease);
            return Err(Error::OutcomeUnknown);
        }
    }
    Ok(())
}

/// Takes back what the session changed, and gives the session back unless it may have been left
/// with traces.
pub(super) async fn take_back(lease: Lease, leaves_traces: bool) {
    match leaves_traces {
        true => drop(lease),
        false => lease.roll_back().await,
    }
}
