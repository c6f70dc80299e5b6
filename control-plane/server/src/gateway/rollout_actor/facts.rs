//! Facts of a rollout that the store is to know, for as long as this process leads.

use store::{AuditEntry, ConfigStore, StoreError, StoredRollout, WithheldInput};
use xds::Generation;

use super::RolloutActor;
use crate::generation::Built;

/// Something that happened in a rollout, and that a restart has to know.
pub(super) enum Fact<'a> {
    /// Envoys accepted a generation.
    Accepted(&'a Built),
    /// A generation no longer counts as accepted.
    NoLongerAccepted(&'a Generation),
    /// How far a rollout is.
    Rollout(&'a StoredRollout),
    /// The generation of the rollout of this name, which Envoys are about to be given.
    Tried(&'a str, &'a Built),
    /// The next generation must not be made from this input.
    Withheld(&'a WithheldInput),
    /// Every input may be tried again.
    NothingWithheld,
    /// The way back from a generation, for the audit trail.
    WayBack(&'a AuditEntry),
    /// An operator's wish, for the audit trail.
    Wish(&'a AuditEntry),
}

impl Fact<'_> {
    async fn store(&self, store: &dyn ConfigStore) -> Result<(), StoreError> {
        match self {
            Self::Accepted(built) => store.add_accepted(&built.to_stored()).await,
            Self::NoLongerAccepted(generation) => store.remove_accepted(generation.as_str()).await,
            Self::Rollout(rollout) => store.put_rollout(rollout).await,
            Self::Tried(rollout, built) => store.keep_generation(rollout, &built.to_stored()).await,
            Self::Withheld(withheld) => store.withhold(withheld).await,
            Self::NothingWithheld => store.release_withheld().await,
            Self::WayBack(entry) | Self::Wish(entry) => store.record(entry).await.map(drop),
        }
    }

    /// The consequence of a store that does not know it.
    fn loss(&self) -> &'static str {
        match self {
            Self::Accepted(_) => {
                "the accepted generation is not stored; after a restart an older one counts"
            }
            Self::NoLongerAccepted(_) => "the store still calls the rejected generation accepted",
            Self::Rollout(_) => "a restart will not know how far the rollout is",
            Self::Tried(..) => "a restart may not go on with the bytes that Envoys were given",
            Self::Withheld(_) => "after a restart the rejected generation is tried again",
            Self::NothingWithheld => {
                "after a restart, inputs of rejected generations are still withheld"
            }
            Self::WayBack(_) => "the way back is not on the audit trail",
            Self::Wish(_) => "what an operator wants of the rollout is not on the audit trail",
        }
    }
}

impl RolloutActor {
    /// Has the store know something; what it does not take is logged. When this returns this
    /// process leads. Where its lease has ended it waits here, and stores the fact when the lease
    /// is renewed; where another process leads by now it waits for its end. Tells whether the store
    /// knows it.
    pub(super) async fn store(&self, fact: Fact<'_>) -> bool {
        loop {
            let stored = fact.store(&*self.gateway.store).await;
            if matches!(stored, Err(StoreError::Superseded)) {
                std::future::pending::<()>().await;
            }
            if self.lease.is_held() {
                if let Err(error) = &stored {
                    tracing::error!(%error, "{}", fact.loss());
                }
                return stored.is_ok();
            }
            self.lease.held().await;
            if stored.is_ok() {
                return true;
            }
        }
    }
}
