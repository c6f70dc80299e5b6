//! The revision that is in force after a change, as its author is told.

use std::sync::Arc;

use super::Gateway;
use super::acceptance::Outcome;
use super::report::WriteReport;
use super::rollouts::Rollout;
use super::state::Stage;
use crate::generation::Built;

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
    pub(super) fn report_unchanged(&self, built: &Built) -> WriteReport {
        WriteReport {
            in_force: self.in_force_after(Outcome::Unchanged),
            ..WriteReport::new(built, Outcome::Unchanged, Vec::new())
        }
    }
}
