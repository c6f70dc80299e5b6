//! The rollout in hand, as operators see it and as the store keeps it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use time::OffsetDateTime;

use super::super::rollouts::{Rollout, RolloutState, RolloutWave};
use super::super::waves::Waves;
use super::RolloutActor;
use super::facts::Fact;
use crate::generation::Built;

impl RolloutActor {
    /// Shows a rollout that begins: that of another generation than the accepted one. Its Envoys
    /// are shown where it has waves; otherwise they are all.
    pub(super) fn show_new(&self, built: &Built) {
        let is_accepted = {
            let state = self.gateway.read();
            let accepted = state.accepted.as_ref();
            accepted.is_some_and(|accepted| accepted.generation() == built.generation())
        };
        if is_accepted {
            return;
        }
        let rollout = beginning(built, self.waves());
        self.gateway.write().rollouts.begin(rollout);
    }

    /// Shows why the wave in hand may not end: what its gates miss, or whom it waits for; nothing
    /// where it may.
    pub(super) fn tell_gate(&self, words: String) {
        let is_news = {
            let state = self.gateway.read();
            let rollout = state.rollouts.in_hand();
            rollout.is_some_and(|rollout| rollout.gate != words)
        };
        if is_news && let Some(rollout) = self.gateway.write().rollouts.in_hand_mut() {
            rollout.gate = words;
        }
    }

    /// Shows how the rollout in hand stands.
    pub(super) fn show(&self) {
        let Some(waves) = self.waves() else {
            return;
        };
        let now = self.gateway.publisher.clock().now();
        let soak_end = waves.soak_end().filter(|end| now < *end);
        let soak_until = soak_end.map(|end| self.time_of_day(end));
        let mut state = self.gateway.write();
        let Some(rollout) = state.rollouts.in_hand_mut() else {
            return;
        };
        rollout.state = if !waves.has_begun() {
            RolloutState::WaitingForEnvoys
        } else if waves.has_passed() {
            RolloutState::Soaking
        } else {
            RolloutState::RollingOut
        };
        rollout.is_paused = waves.is_paused;
        rollout.is_promoted = waves.is_promoted();
        if rollout.wave != waves.at() {
            rollout.soak_until = None;
        }
        rollout.wave = waves.at();
        rollout.waves = shown(waves);
        // Two looks tell the same time of one event.
        rollout.soak_until = soak_until.map(|until| rollout.soak_until.unwrap_or(until));
    }

    fn time_of_day(&self, at: Instant) -> OffsetDateTime {
        let now = self.gateway.publisher.clock().now();
        OffsetDateTime::now_utc() + at.saturating_duration_since(now)
    }

    /// Stores how far the rollout in hand is. Tells whether that is stored.
    pub(super) async fn keep_rollout(&self) -> bool {
        let stored = {
            let state = self.gateway.read();
            state.rollouts.in_hand().map(Rollout::to_stored)
        };
        self.put_rollout(stored).await
    }

    /// Stores the bytes of the rollout in hand, which the next process goes on with. Tells whether
    /// they are stored.
    pub(super) async fn keep_generation(&self, current: &Built) -> bool {
        let id = {
            let state = self.gateway.read();
            state.rollouts.in_hand().map(|rollout| rollout.id.clone())
        };
        match id {
            Some(id) => self.store(Fact::Tried(&id, current)).await,
            None => true,
        }
    }

    async fn put_rollout(&self, stored: Option<store::StoredRollout>) -> bool {
        match stored {
            Some(stored) => self.store(Fact::Rollout(&stored)).await,
            None => true,
        }
    }

    /// Ends the rollout in hand, if there is one.
    pub(super) async fn end_rollout(&mut self, ending: RolloutState, reason: &str) {
        self.watched = None;
        self.keepers = None;
        let stored = {
            let mut state = self.gateway.write();
            state.rollouts.in_hand_mut().map(|rollout| {
                rollout.end(ending, reason);
                rollout.to_stored()
            })
        };
        self.put_rollout(stored).await;
    }
}

/// The rollout of a generation that begins, with these waves or else to everyone at once.
pub(super) fn beginning(built: &Built, waves: Option<&Waves>) -> Rollout {
    Rollout {
        id: Rollout::id_of(built.revision, built.generation()),
        revision: built.revision,
        generation: built.generation().clone(),
        state: match waves {
            Some(_) => RolloutState::WaitingForEnvoys,
            None => RolloutState::RollingOut,
        },
        is_paused: waves.is_some_and(|waves| waves.is_paused),
        is_promoted: waves.is_some_and(Waves::is_promoted),
        wave: waves.map_or(0, Waves::at),
        waves: waves.map_or_else(|| vec![RolloutWave::everyone()], shown),
        soak_until: None,
        began_at: OffsetDateTime::now_utc(),
        ended_at: None,
        reason: String::new(),
        gate: String::new(),
        usual: BTreeMap::new(),
    }
}

pub(super) fn shown(waves: &Waves) -> Vec<RolloutWave> {
    let steps = waves.steps().iter();
    steps
        .map(|step| RolloutWave {
            reach: step.reach.to_string(),
            soak_ms: u64::try_from(step.soak.as_millis()).unwrap_or(u64::MAX),
            nodes: Arc::clone(&step.nodes),
        })
        .collect()
}
