//! Tells those who wait for a change what became of it.

use std::sync::Arc;

use store::RevisionNumber;

use super::super::Gateway;
use super::super::acceptance::{EnvoyAnswer, Outcome};
use super::super::report::WriteReport;
use super::super::rollouts::Rollout;
use super::super::state::Stage;
use super::RolloutActor;
use crate::generation::Built;

impl RolloutActor {
    /// Answers the writes that wait for the rollout in hand: that may be for hours.
    pub(super) fn answer_those_behind(&self) {
        let (waiting, in_hand) = {
            let mut state = self.gateway.write();
            let head = state.desired.head;
            let in_hand = state.current.revision;
            (state.take_waiting(RevisionNumber(0)..=head), in_hand)
        };
        if waiting.is_empty() {
            return;
        }
        let in_force = self.gateway.in_force_after(Outcome::Waiting);
        for write in waiting {
            let outcome = if write.revision == in_hand {
                Outcome::RollingOut
            } else {
                Outcome::Waiting
            };
            // An error means that its author no longer waits.
            let _ = write.answer.send(WriteReport {
                outcome,
                in_force,
                ..write.superseded
            });
        }
    }

    /// Tells those who wait for the generation that was in hand, or for one whose place it took.
    pub(super) fn answer(&mut self, judged: &Built, outcome: Outcome, envoys: &[EnvoyAnswer]) {
        self.is_answered = true;
        tracing::info!(
            revision = judged.revision.0, generation = %judged.generation(), ?outcome,
            envoys = envoys.len(), "rolled out"
        );
        let in_force = self.gateway.in_force_after(outcome);
        let (waiting, kept, is_lost) = {
            let mut state = self.gateway.write();
            let kept = state.stage == Stage::Kept;
            let is_lost = matches!(outcome, Outcome::Rejected | Outcome::Aborted) && !kept;
            // What is tried next was made after those before it; its judgement is theirs.
            let is_followed = state.desired.built.revision > judged.revision;
            let first = if is_lost && is_followed {
                judged.revision
            } else {
                RevisionNumber(0)
            };
            (state.take_waiting(first..=judged.revision), kept, is_lost)
        };
        for write in waiting {
            let report = if write.revision == judged.revision {
                WriteReport {
                    kept,
                    ..WriteReport::new(judged, outcome, envoys.to_vec())
                }
            } else {
                WriteReport {
                    outcome: if is_lost {
                        Outcome::Dropped
                    } else {
                        Outcome::Superseded
                    },
                    ..write.superseded
                }
            };
            // An error means that its author no longer waits.
            let _ = write.answer.send(WriteReport { in_force, ..report });
        }
    }
}

impl Gateway {
    /// The revision that Envoys run after such an outcome.
    pub(super) fn in_force_after(&self, outcome: Outcome) -> Option<u64> {
        let (current, stage) = {
            let state = self.read();
            (Arc::clone(&state.current), state.stage)
        };
        let is_in_waves = self
            .read()
            .rollouts
            .in_hand()
            .is_some_and(Rollout::is_watched);
        if is_in_waves && outcome != Outcome::NoEnvoys {
            // Until its last wave is over, Envoys run what was accepted before.
            let state = self.read();
            return state.accepted.as_ref().map(|accepted| accepted.revision.0);
        }
        let is_run = match outcome {
            Outcome::Accepted | Outcome::Partial => true,
            // There was another one to go back to, or Envoys keep this one.
            Outcome::Rejected if stage != Stage::Rejected => true,
            Outcome::Pending | Outcome::NoEnvoys => false,
            Outcome::Rejected
            | Outcome::Unchanged
            | Outcome::Superseded
            | Outcome::Dropped
            | Outcome::RollingOut
            | Outcome::Waiting
            | Outcome::Aborted => self.publisher.tally(current.generation()).acknowledged > 0,
        };
        is_run.then_some(current.revision.0)
    }

    /// Reports that a change says what is there already.
    pub(in super::super) fn report_unchanged(&self, built: &Built) -> WriteReport {
        WriteReport {
            in_force: self.in_force_after(Outcome::Unchanged),
            ..WriteReport::new(built, Outcome::Unchanged, Vec::new())
        }
    }
}
