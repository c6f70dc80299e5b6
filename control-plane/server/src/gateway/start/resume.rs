//! Goes on with the rollout that an earlier process had in hand, or ends it; and knows again what
//! Envoys keep that was rejected, and who has it.
//!
//! It goes on with the very bytes that Envoys were given, whatever this version would write: with
//! the waves that had begun, the last of which is judged and watched anew. Where the store does not
//! have these, and another generation is made of the same revision by now, the newest revision is
//! rolled out from its first wave, as after every start.

use std::collections::BTreeSet;
use std::sync::Arc;

use store::{ConfigStore, Input, RevisionNumber, StoreError, StoredGeneration, WithheldInput};

use super::StartError;
use super::remaking::{StoredLists, make_again, restore};
use crate::gateway::rollouts::{Rollout, RolloutState, Rollouts};
use crate::gateway::waves::Waves;
use crate::generation::Built;
use crate::module::ModuleFile;

/// A rollout to go on with, or the one that Envoys keep.
pub(super) struct Resumed {
    pub(super) built: Arc<Built>,
    /// The revision that its rollout began with: later ones may have brought endpoints alone.
    pub(super) revision: RevisionNumber,
    pub(super) waves: Waves,
}

/// The generations before and after the rollout, and what was taken back.
pub(super) struct Known<'a> {
    pub(super) good: &'a Built,
    pub(super) withheld: &'a BTreeSet<Input>,
    pub(super) kept: &'a [WithheldInput],
    /// The generation of the newest revision.
    pub(super) head: &'a Built,
}

/// The rollouts that are stored.
pub(super) async fn stored(store: &dyn ConfigStore) -> Result<Rollouts, StoreError> {
    let rollouts = store.rollouts().await?;
    Ok(Rollouts::new(
        rollouts.into_iter().map(Rollout::from_stored),
    ))
}

/// The rollout to go on with, if there is one.
pub(super) async fn in_hand(
    store: &dyn ConfigStore,
    rollouts: &Rollouts,
    known: &Known<'_>,
    lists: &StoredLists,
    module: &ModuleFile,
) -> Result<Option<Resumed>, StoreError> {
    let Some(rollout) = rollouts.in_hand() else {
        return Ok(None);
    };
    let is_over = *known.good.generation() == rollout.generation
        || ending(rollout, rollouts, known.withheld, known.kept).is_some();
    if is_over {
        return Ok(None);
    }
    // A later revision may have brought endpoints alone.
    let number = if *known.head.generation() == rollout.generation {
        known.head.revision
    } else {
        rollout.revision
    };
    let Some(built) = given(store, rollout, number, lists, module).await? else {
        return Ok(None);
    };
    let Some(waves) = Waves::of(&built.document.rollout) else {
        return Ok(None);
    };
    let nodes = rollout.waves.iter().map(|wave| Arc::clone(&wave.nodes));
    let mut waves = waves.resumed(rollout.wave, nodes, rollout.is_paused);
    // Who let a wave begin did not mean to pass it over while nobody is back yet.
    if rollout.is_promoted && waves.has_begun() {
        waves.promote();
    }
    tracing::info!(
        revision = rollout.revision.0,
        newest_revision = known.head.revision.0,
        "the rollout goes on"
    );
    Ok(Some(Resumed {
        built: Arc::new(built),
        revision: rollout.revision,
        waves,
    }))
}

/// The rollout of the generation that was `made` again, which Envoys keep until an operator
/// decides; nothing where it is not known who of them has it, because an earlier version did not
/// store that.
pub(super) async fn kept(
    store: &dyn ConfigStore,
    rollouts: &Rollouts,
    made: &Built,
    lists: &StoredLists,
    module: &ModuleFile,
) -> Result<Option<Resumed>, StoreError> {
    let number = made.revision;
    let newest = rollouts.iter().next();
    let is_it = |newest: &&Rollout| {
        let is_of_it = newest.revision == number || newest.generation == *made.generation();
        newest.state == RolloutState::Kept && is_of_it
    };
    let Some(rollout) = newest.filter(is_it) else {
        return Ok(None);
    };
    let Some(built) = given(store, rollout, number, lists, module).await? else {
        return Ok(None);
    };
    let nodes = rollout.waves.iter().map(|wave| wave.nodes.clone());
    let waves = Waves::all_of(&built.document.rollout).resumed(rollout.wave, nodes, false);
    Ok(Some(Resumed {
        built: Arc::new(built),
        revision: rollout.revision,
        waves,
    }))
}

/// The generation of a rollout, as Envoys were given it and as a revision of this number.
async fn given(
    store: &dyn ConfigStore,
    rollout: &Rollout,
    number: RevisionNumber,
    lists: &StoredLists,
    module: &ModuleFile,
) -> Result<Option<Built>, StoreError> {
    if let Some(kept) = store.generation_of(&rollout.id).await? {
        let kept = StoredGeneration {
            revision: number,
            ..kept
        };
        match restore(store, &kept, lists, &module.shelf).await {
            Ok(Some(built)) => return Ok(Some(built)),
            Ok(None) => {}
            Err(StartError::Store(error)) => return Err(error),
            Err(error) => tracing::error!(%error, "a rollout does not go on as it was"),
        }
    }
    // An earlier version kept none.
    let Some(revision) = store.revision(number).await? else {
        return Ok(None);
    };
    let made = make_again(&revision, lists, module).ok();
    Ok(made.filter(|built| *built.generation() == rollout.generation))
}

/// Ends the rollout in hand, which does not go on, as it would have ended if the earlier process
/// had lived on.
pub(super) async fn end(
    store: &dyn ConfigStore,
    rollouts: &mut Rollouts,
    good: Option<&Built>,
    withheld: &BTreeSet<Input>,
    kept: &[WithheldInput],
) -> Result<(), StoreError> {
    let Some(rollout) = rollouts.in_hand() else {
        return Ok(());
    };
    let ending = if good.is_some_and(|good| *good.generation() == rollout.generation) {
        RolloutState::Accepted
    } else {
        let known = ending(rollout, rollouts, withheld, kept);
        known.unwrap_or(RolloutState::Superseded)
    };
    let input = Input::Revision(rollout.revision);
    let reason = kept.iter().find(|kept| kept.input == input);
    let reason = reason.map_or("", |kept| &kept.reason);
    let Some(rollout) = rollouts.in_hand_mut() else {
        return Ok(());
    };
    rollout.end(ending, reason);
    store.put_rollout(&rollout.to_stored()).await
}

/// How a rollout ended that was taken back, as far as that is stored. Where Envoys keep an earlier
/// generation of the same revision, nothing of this one is: it goes on, or is judged anew.
fn ending(
    rollout: &Rollout,
    rollouts: &Rollouts,
    withheld: &BTreeSet<Input>,
    kept: &[WithheldInput],
) -> Option<RolloutState> {
    let input = Input::Revision(rollout.revision);
    if withheld.contains(&input) {
        return Some(RolloutState::TakenBack);
    }
    let is_of_it =
        |one: &Rollout| one.state == RolloutState::Kept && one.revision == rollout.revision;
    let is_kept = kept.iter().any(|kept| kept.input == input);
    (is_kept && !rollouts.iter().any(is_of_it)).then_some(RolloutState::Kept)
}
