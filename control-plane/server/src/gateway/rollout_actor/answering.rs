//! Tells those who wait for a change what became of it.

use store::RevisionNumber;

use super::super::acceptance::{EnvoyAnswer, Outcome};
use super::super::report::WriteReport;
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
