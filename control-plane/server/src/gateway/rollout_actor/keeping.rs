//! A generation that was rejected and that Envoys keep until an operator decides: who has it is
//! known, also after a restart, so that each of them is given it again, with its endpoints and
//! secrets as they are then.

use std::collections::BTreeSet;

use xds::{NodeId, NodeSummary};

use super::super::rollouts::{Rollout, RolloutState};
use super::super::waves::Waves;
use super::RolloutActor;
use super::facts::Fact;
use super::showing::shown;
use crate::generation::Built;

impl RolloutActor {
    /// Notes which Envoys are meant to have the generation that is kept.
    pub(super) fn note_keepers(&mut self, kept: &Built) {
        let known = self.watched.take().map(|watched| watched.waves);
        let mut waves = known.or(self.keepers.take()).unwrap_or_else(|| {
            // Everyone was given it.
            let mut state = self.gateway.write();
            let rollout = state.rollouts.newest_of(kept.generation());
            let waves = rollout.map(|rollout| rollout.waves.iter());
            let nodes = waves.into_iter().flatten().map(|wave| wave.nodes.clone());
            let waves = Waves::all_of(&kept.document.rollout);
            let mut waves = waves.resumed(usize::MAX, nodes, false);
            waves.begin(waves.in_hand().clone());
            waves
        });
        let envoys = self.gateway.publisher.summaries().into_iter();
        let has_it = |envoy: &NodeSummary| envoy.desired.as_ref() == Some(kept.generation());
        waves.join(envoys.filter(has_it).map(|envoy| envoy.id));
        self.keepers = Some(waves);
    }

    /// Ends the rollout of the generation that is kept, and stores both. Its waves stay: they say
    /// who has it.
    pub(super) async fn end_as_kept(&self, kept: &Built, reason: &str) {
        let stored = {
            let mut state = self.gateway.write();
            let rollout = state.rollouts.newest_of(kept.generation());
            rollout.zip(self.keepers.as_ref()).map(|(rollout, waves)| {
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
