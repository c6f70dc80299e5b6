//! The way out when what is stored keeps good configuration from Envoys: an operator says which
//! revision is in force, and nobody judges it.
//!
//! It prepares the store and is over before anything is served. The revision is stored once more,
//! as the newest, and its generation as the one accepted generation: there is nothing left that a
//! rejection could lead back to, and every Envoy gets it at once. What is written later is judged
//! as ever, and falls back to this.

use store::{AppendError, AuditEntry, ConfigStore, NewRevision, RevisionNumber, StoreError};
use thiserror::Error;

use super::StartError;
use super::remaking::{StoredLists, make_again_as, read};
use crate::gateway::rollouts::{Rollout, RolloutState};
use crate::module::ModuleFile;

/// The name under which it is on the record: who starts a process is known to the system alone.
const AUTHOR: &str = "operator";

/// Why a revision cannot be put in force.
#[derive(Debug, Error)]
pub enum BreakGlassError {
    /// No revision has that number.
    #[error(
        "there is no revision {wanted}: the store has revisions 1 to {newest}; see `portcullis \
         history`"
    )]
    Unknown {
        /// The number that was asked for.
        wanted: RevisionNumber,
        /// The newest number that there is.
        newest: RevisionNumber,
    },
    /// The store is empty.
    #[error("the store is empty: start without `--start-from-revision`")]
    Empty,
    /// It cannot be read, made or stored.
    #[error(transparent)]
    Start(#[from] StartError),
}

impl From<StoreError> for BreakGlassError {
    fn from(error: StoreError) -> Self {
        Self::Start(error.into())
    }
}

/// Puts the revision of that number in force for the next start, and tells the number under which
/// it is stored then. Where an earlier start has done that already, and nothing was written since,
/// it stays so.
///
/// # Errors
/// When there is no such revision, or Envoys cannot be given it.
pub async fn put_in_force(
    store: &dyn ConfigStore,
    wanted: RevisionNumber,
    module: &ModuleFile,
) -> Result<RevisionNumber, BreakGlassError> {
    let head = store.head().await?.ok_or(BreakGlassError::Empty)?;
    let newest = head.summary.number;
    let revision = store.revision(wanted).await?;
    let revision = revision.ok_or(BreakGlassError::Unknown { wanted, newest })?;
    let accepted = store.accepted().await?;
    // A server may have moved since: what it listed where the revision says that it is counts.
    let document = read(&revision)?;
    let lists = StoredLists::new(store.catalogues().await?);
    let lists = lists.with_those_of(&document, store, &accepted).await?;
    let number = if head.document == revision.document {
        newest
    } else {
        RevisionNumber(newest.0 + 1)
    };
    let built = make_again_as(number, &revision, &lists, module)?;
    if accepted == [built.to_stored()] {
        return Ok(number);
    }
    let reason = format!("break-glass: revision {wanted} is in force, judged by nobody");
    let action = format!("start --start-from-revision {wanted}");
    if number == newest {
        let entry = AuditEntry {
            who: AUTHOR.to_owned(),
            what: action,
            revision: Some(number),
            origin: String::new(),
            reason,
        };
        store.record(&entry).await?;
    } else {
        let copy = NewRevision {
            document: revision.document,
            author: AUTHOR.to_owned(),
            reason,
            action,
            origin: String::new(),
            modules: built
                .document
                .module_hashes()
                .map(ToString::to_string)
                .collect(),
        };
        store
            .append(Some(newest), copy)
            .await
            .map_err(|error| match error {
                AppendError::Store(error) => StartError::Store(error),
                conflict => StartError::Raced(conflict),
            })?;
    }
    for earlier in accepted {
        store.remove_accepted(&earlier.generation).await?;
    }
    store.add_accepted(&built.to_stored()).await?;
    store.release_withheld().await?;
    end_rollouts(store).await?;
    tracing::warn!(
        revision = wanted.0,
        stored_as = number.0,
        generation = %built.generation(),
        "break-glass: the revision is in force, judged by nobody"
    );
    Ok(number)
}

/// Ends what an earlier process had in hand: the start would go on with it.
async fn end_rollouts(store: &dyn ConfigStore) -> Result<(), StoreError> {
    let rollouts = store.rollouts().await?.into_iter();
    for mut rollout in rollouts
        .map(Rollout::from_stored)
        .filter(Rollout::is_going_on)
    {
        rollout.end(RolloutState::Superseded, "");
        store.put_rollout(&rollout.to_stored()).await?;
    }
    Ok(())
}
