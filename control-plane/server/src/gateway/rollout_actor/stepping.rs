//! The steps of a rollout in waves: each begins here, is watched, and ends.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use time::OffsetDateTime;

use super::super::acceptance::{EnvoyVerdict, Judgement, Outcome, Verdict};
use super::super::rollouts::{Rollout, RolloutState, RolloutWave};
use super::super::waves::{Choice, Next, Waves};
use super::RolloutActor;
use super::cause::Cause;
use super::judging::Look;
use crate::generation::Built;

impl RolloutActor {
    /// Shows a rollout that begins, if it has waves.
    pub(super) fn show_new(&self, built: &Built) {
        let Some(waves) = &self.waves else {
            return;
        };
        let rollout = Rollout {
            id: Rollout::id_of(built.revision, built.generation()),
            revision: built.revision,
            generation: built.generation().clone(),
            state: RolloutState::WaitingForEnvoys,
            is_paused: waves.is_paused,
            wave: waves.at(),
            waves: shown(waves),
            soak_until: None,
            began_at: OffsetDateTime::now_utc(),
            ended_at: None,
            reason: String::new(),
        };
        self.gateway.write().rollouts.begin(rollout);
    }

    /// Begins the wave in hand, if it has not begun and an Envoy is there for it. A wave that
    /// reaches nobody new is passed over.
    pub(super) async fn begin_wave(&mut self, current: &Built) {
        while let Some(waves) = self.waves.as_mut().filter(|waves| !waves.has_begun()) {
            let envoys = self.gateway.publisher.summaries();
            let choice = waves.choose(
                &current.document.rollout,
                current.generation(),
                &envoys,
                &self.marks.suspects(),
            );
            match choice {
                Choice::Nobody if waves.is_promoted() => waves.advance(),
                Choice::Nobody => {
                    self.show();
                    return self.hand_out(false);
                }
                Choice::These(nodes) if nodes.is_empty() && !waves.is_last() => waves.advance(),
                Choice::These(nodes) => {
                    tracing::info!(
                        revision = current.revision.0,
                        wave = waves.at() + 1,
                        of = waves.steps().len(),
                        envoys = nodes.len(),
                        "a wave of the rollout begins"
                    );
                    waves.begin(nodes);
                    self.show();
                    // A restart must know of every Envoy that was given it.
                    self.keep_rollout().await;
                    self.began = self.gateway.publisher.clock().now();
                    return self.hand_out(true);
                }
            }
        }
    }

    /// Acts on a judgement of the wave in hand that is no rejection. Nothing comes back where the
    /// next wave is to begin.
    pub(super) async fn follow(
        &mut self,
        current: &Arc<Built>,
        judgement: Judgement,
    ) -> Option<Look> {
        let now = self.gateway.publisher.clock().now();
        let waves = self.waves.as_mut()?;
        let has_reached = waves.reached().next().is_some();
        if !waves.has_begun() {
            let outcome = if self.has_connected() {
                Outcome::Waiting
            } else {
                Outcome::NoEnvoys
            };
            let wake = waiting_until(&judgement);
            return Some(Look::told(judgement, outcome, wake, has_reached));
        }
        let had_passed = waves.has_passed();
        let is_last = waves.is_last();
        match waves.next(&judgement, now) {
            Next::Wait { until } => {
                if is_last && !had_passed {
                    self.offer(judgement.has_judge());
                }
                // All who had it have left; an operator decides, or they come back.
                let outcome = until.is_none().then_some(Outcome::Pending);
                Some(Look {
                    judgement,
                    outcome,
                    wake: until,
                    holds: true,
                })
            }
            Next::Watch { until } => {
                self.show();
                if !had_passed {
                    self.hand_out(false);
                }
                Some(Look::told(judgement, Outcome::RollingOut, until, true))
            }
            Next::Advance => {
                waves.advance();
                self.show();
                None
            }
            Next::Accept => {
                self.accept(current, &judgement).await;
                let outcome = judgement.outcome();
                Some(Look::told(judgement, outcome, None, false))
            }
            Next::GoBack => {
                let silent: BTreeSet<String> = judgement
                    .envoys
                    .iter()
                    .filter(|envoy| envoy.state == EnvoyVerdict::Silent)
                    .map(|envoy| envoy.id.clone())
                    .collect();
                let accepted = self.gateway.read().accepted.clone();
                self.fall_back(current, accepted.as_ref(), &Cause::Silent(silent))
                    .await;
                Some(Look::told(judgement, Outcome::Rejected, None, false))
            }
            Next::Pending => {
                self.offer(judgement.has_judge());
                let outcome = judgement.outcome();
                Some(Look::told(judgement, outcome, None, false))
            }
        }
    }

    /// Shows how the rollout in hand stands.
    pub(super) fn show(&self) {
        let Some(waves) = &self.waves else {
            return;
        };
        let soak_until = waves.soak_end().map(|end| self.time_of_day(end));
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

    /// Stores how far the rollout in hand is.
    pub(super) async fn keep_rollout(&self) {
        let stored = {
            let state = self.gateway.read();
            state.rollouts.in_hand().map(Rollout::to_stored)
        };
        self.put_rollout(stored).await;
    }

    async fn put_rollout(&self, stored: Option<store::StoredRollout>) {
        if let Some(stored) = stored
            && let Err(error) = self.gateway.store.put_rollout(&stored).await
        {
            tracing::error!(%error, "a restart will not know how far the rollout is");
        }
    }

    /// Ends the rollout in hand, if it has waves.
    pub(super) async fn end_rollout(&mut self, ending: RolloutState, reason: &str) {
        self.waves = None;
        let stored = {
            let mut state = self.gateway.write();
            state.rollouts.in_hand_mut().map(|rollout| {
                rollout.state = ending;
                rollout.ended_at = Some(OffsetDateTime::now_utc());
                rollout.soak_until = None;
                reason.clone_into(&mut rollout.reason);
                rollout.to_stored()
            })
        };
        self.put_rollout(stored).await;
    }
}

fn shown(waves: &Waves) -> Vec<RolloutWave> {
    let steps = waves.steps().iter();
    steps
        .map(|step| RolloutWave {
            reach: step.reach.to_string(),
            soak_ms: u64::try_from(step.soak.as_millis()).unwrap_or(u64::MAX),
            nodes: step.nodes.clone(),
        })
        .collect()
}

fn waiting_until(judgement: &Judgement) -> Option<Instant> {
    match judgement.verdict {
        Verdict::Waiting { until } => Some(until),
        _ => None,
    }
}
