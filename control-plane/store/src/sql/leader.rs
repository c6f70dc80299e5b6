//! One leader at a time, by a lease with a fencing token.
//!
//! A PostgreSQL measures the lease by its own clock, so that no two processes have to agree on one.
//! On a file the process leads that has a lock of the system, until it ends.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use super::SqlStore;
use crate::database::{Row, Session};
use crate::{LeaderToken, Leadership, StoreError};

const LEAD: &str = "say who leads";

/// The claim of this process to lead. A process that never asked has none, and is refused nothing.
#[derive(Debug, Default)]
pub(super) struct Claim {
    /// The token of its lease; 0 as long as it has never led.
    token: AtomicI64,
    /// The number of a revision that must not be there, or this process has missed that it is; 0
    /// where there is no doubt.
    doubtful: AtomicI64,
}

impl Claim {
    fn token(&self) -> Option<i64> {
        Some(self.token.load(Ordering::SeqCst)).filter(|token| *token != 0)
    }

    /// Refuses whoever led before the leader that is there now.
    pub(super) fn check(&self, leader: &Row) -> Result<(), StoreError> {
        let token = leader.number("token")?;
        match self.token() {
            Some(mine) if mine != token => Err(StoreError::Superseded),
            _ => Ok(()),
        }
    }

    /// Takes note that revision `number` may be stored although this process was not told so: a
    /// leader has to know every revision.
    pub(super) fn doubt(&self, number: i64) {
        self.doubtful.store(number, Ordering::SeqCst);
    }

    /// Refuses a leader that has missed a revision: it has to start from the store anew.
    async fn clear_doubt(&self, session: &mut Session) -> Result<(), StoreError> {
        let doubtful = self.doubtful.load(Ordering::SeqCst);
        if doubtful == 0 {
            return Ok(());
        }
        let there = session
            .row(
                "SELECT number FROM revision WHERE number >= $1",
                &[doubtful.into()],
            )
            .await?;
        if there.is_some() {
            return Err(StoreError::Superseded);
        }
        self.doubtful.store(0, Ordering::SeqCst);
        Ok(())
    }
}

pub(super) async fn lead(
    store: &SqlStore,
    name: &str,
    lease: Duration,
) -> Result<Leadership, StoreError> {
    let claim = &store.0.claim;
    let (mut session, leader) = store.0.database.write(LEAD).await?;
    claim.check(&leader)?;
    claim.clear_doubt(&mut session).await?;
    let clock = session.clock().await?;
    let before = leader.number("token")?;
    let token = match (claim.token(), clock) {
        // Nobody else has come, and nothing ends by itself: there is nothing to write.
        (Some(mine), None) => return Ok(Leadership::Leader(LeaderToken(mine))),
        (Some(mine), Some(_)) => mine,
        (None, Some(now)) if leader.number("ends_at")? > now => {
            return Ok(Leadership::Follower {
                leader: leader.text("holder")?,
            });
        }
        (None, None) if !take_alone(store)? => {
            return Ok(Leadership::Follower {
                leader: leader.text("holder")?,
            });
        }
        (None, _) => before + 1,
    };
    let lease = i64::try_from(lease.as_micros()).unwrap_or(i64::MAX);
    let ends_at = clock.map_or(0, |now| now.saturating_add(lease));
    session
        .execute(
            "UPDATE leader SET token = $1, holder = $2, ends_at = $3",
            &[token.into(), name.into(), ends_at.into()],
        )
        .await?;
    session.commit().await?;
    claim.token.store(token, Ordering::SeqCst);
    Ok(Leadership::Leader(LeaderToken(token)))
}

fn take_alone(store: &SqlStore) -> Result<bool, StoreError> {
    let taken = store.0.database.take_alone();
    taken.map_err(|source| StoreError::Database {
        operation: LEAD,
        source: source.into(),
    })
}

pub(super) async fn stop(store: &SqlStore) -> Result<(), StoreError> {
    if store.0.claim.token().is_none() {
        return Ok(());
    }
    let mut session = store.write(LEAD).await?;
    session
        .execute("UPDATE leader SET ends_at = 0", &[])
        .await?;
    session.announce().await?;
    session.commit().await?;
    store.0.database.give_back();
    Ok(())
}
