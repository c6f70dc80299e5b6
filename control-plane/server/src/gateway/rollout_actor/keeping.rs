//! A generation that was rejected and that Envoys keep until an operator decides: who has it is
//! known, also after a restart, so that each of them is given it again, with its endpoints and
//! secrets as they are then.

use std::collections::BTreeSet;
use std::sync::Arc;

use xds::{NodeId, NodeSummary};

use super::super::rollouts::{Rollout, RolloutState};
use super::super::waves::Waves;
use super::RolloutActor;
use super::facts::Fact;
use super::showing::{beginning, shown};
use crate::generation::Built;

impl RolloutActor {
    /// Notes which Envoys are meant to have the generation that is kept.
    pub(super) fn note_keepers(&mut self, kept: &Built) {
        let known = self.watched.take().map(|watched| watched.waves);
        let mut waves = known.or(self.keepers.take()).unwrap_or_else(|| {
            // Everyone was given it.
            let waves = Waves::all_of(&kept.document.rollout);
            let mut waves = waves.resumed(usize::MAX, self.nodes_of_waves(kept), false);
            waves.begin(waves.in_hand().clone());
            waves
        });
        let envoys = self.gateway.publisher.summaries().into_iter();
        let has_it = |envoy: &NodeSummary| envoy.desired.as_ref() == Some(kept.generation());
        waves.join(envoys.filter(has_it).map(|envoy| envoy.id));
        self.keepers = Some(waves);
    }

    /// The Envoys that the waves of a generation's rollout were given to, as far as that is known.
    fn nodes_of_waves(&self, built: &Built) -> Vec<Arc<BTreeSet<NodeId>>> {
        let state = self.gateway.read();
        let mut rollouts = state.rollouts.iter();
        let rollout = rollouts.find(|rollout| rollout.generation == *built.generation());
        let waves = rollout.into_iter().flat_map(|rollout| &rollout.waves);
        waves.map(|wave| Arc::clone(&wave.nodes)).collect()
    }

    /// Ends the rollout of the generation that is kept, and stores both: whatever was accepted or
    /// taken back since it began, and also where nobody knows of it any more. Its waves stay: they
    /// say who has it.
    pub(super) async fn end_as_kept(&self, kept: &Built, reason: &str) {
        let Some(waves) = &self.keepers else {
            return;
        };
        let stored = {
            let mut state = self.gateway.write();
            let rollouts = &mut state.rollouts;
            if rollouts.renew(kept.generation()).is_none() {
                rollouts.begin(beginning(kept, Some(waves)));
            }
            rollouts.renew(kept.generation()).map(|rollout| {
                rollout.wave = waves.at();
                rollout.waves = shown(waves);
                rollout.end(RolloutState::Kept, reason);
                Rollout::to_stored(rollout)
            })
        };
        if let Some(rollout) = stored {
            self.store(Fact::Rollout(&rollout)).await;
            self.store(Fact::Tried(&rollout.id, kept)).await;
        }
    }

    /// Whether an Envoy that was given the generation in hand, or keeps it, has not come back since
    /// a start. It runs that.
    pub(super) fn is_a_member_away(&self, envoys: &[NodeSummary]) -> bool {
        let Some(waves) = self.waves() else {
            return false;
        };
        let known: BTreeSet<&NodeId> = envoys.iter().map(|envoy| &envoy.id).collect();
        waves.reached().any(|id| !known.contains(id))
    }
}
