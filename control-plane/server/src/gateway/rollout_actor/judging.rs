//! From the Envoys' answers to a judgement, and what follows from that.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::watch;
use xds::{NodeId, Tally};

use super::super::acceptance::{
    EnvoyVerdict, Judgement, Outcome, Rejections, Trial, Verdict, judge,
};
use super::super::loosening::Looser;
use super::super::losses::BACK_WITHIN;
use super::super::rollouts::RolloutState;
use super::super::state::Stage;
use super::super::waves::Waves;
use super::RolloutActor;
use super::cause::Cause;
use super::facts::Fact;
use crate::generation::Built;

/// A judgement, and what follows from it for those who wait.
pub(super) struct Look {
    pub(super) judgement: Judgement,
    /// The outcome that the change's author may be told; nothing while there is something to wait
    /// for.
    pub(super) outcome: Option<Outcome>,
    /// When to look again, even if nobody says anything.
    pub(super) wake: Option<Instant>,
    /// Whether later changes wait for this rollout.
    pub(super) holds: bool,
}

impl Look {
    fn of(judgement: Judgement) -> Self {
        match judgement.verdict {
            Verdict::Waiting { until } => Self {
                judgement,
                outcome: None,
                wake: Some(until),
                holds: false,
            },
            _ => {
                let outcome = judgement.outcome();
                Self::told(judgement, outcome, None, false)
            }
        }
    }

    /// A judgement of which the change's author may be told.
    pub(super) fn told(
        judgement: Judgement,
        outcome: Outcome,
        wake: Option<Instant>,
        holds: bool,
    ) -> Self {
        Self {
            judgement,
            outcome: Some(outcome),
            wake,
            holds,
        }
    }
}

impl RolloutActor {
    /// Judges the generation in hand and acts on the judgement.
    pub(super) async fn look(&mut self, stop: &watch::Receiver<bool>) -> Look {
        self.gateway.store_rejections().await;
        self.until_it_leads().await;
        loop {
            let (current, accepted, stage) = {
                let state = self.gateway.read();
                let current = Arc::clone(&state.current);
                (current, state.accepted.clone(), state.stage)
            };
            if stage == Stage::Open && !*stop.borrow() {
                self.begin_wave(&current).await;
            }
            let by_counts = self.without_a_look();
            let is_by_counts = by_counts.is_some();
            let judgement =
                by_counts.unwrap_or_else(|| self.judge_all(&current, accepted.as_deref()));
            if *stop.borrow() {
                // The Envoys that are gone may have gone because of that.
                return Look::of(judgement);
            }
            let earlier = self.gateway.read().earlier.first().cloned();
            match (stage, judgement.verdict) {
                (Stage::Open, Verdict::Rejected) => {
                    let cause = Cause::Rejected(judgement.rejections.clone());
                    self.fall_back(&current, accepted.as_ref(), &cause).await;
                }
                (Stage::Open, _) if self.watched.is_some() => {
                    match self.follow(&current, judgement).await {
                        Some(look) => return look,
                        None => continue,
                    }
                }
                _ if is_by_counts => {}
                (Stage::Open | Stage::Rejected, Verdict::Accepted | Verdict::Standing) => {
                    // Where it was rejected there was nothing to go back to, and an Envoy has taken
                    // it after all.
                    self.accept(&current, &judgement).await;
                }
                (Stage::Open, _) => self.offer(judgement.has_judge()),
                (Stage::Accepted, Verdict::Rejected) if earlier.is_some() => {
                    let cause = Cause::Rejected(judgement.rejections.clone());
                    self.fall_back(&current, earlier.as_ref(), &cause).await;
                }
                (Stage::Accepted, _) => self.hear_the_late(&current),
                (Stage::Rejected | Stage::Kept, _) => {}
            }
            return Look::of(judgement);
        }
    }

    fn judge_all(&self, current: &Built, accepted: Option<&Built>) -> Judgement {
        let trial = Trial {
            snapshot: &current.snapshot,
            began: self.began,
            ack_deadline: current.document.rollout.ack_deadline.duration(),
            is_watched: self.waves().is_some_and(Waves::has_passed),
            back_within: self.waves().map(|_| BACK_WITHIN),
            accepted: accepted.map(|accepted| &*accepted.snapshot),
            marks: &self.marks,
        };
        let publisher = &self.gateway.publisher;
        judge(&trial, &publisher.summaries(), publisher.clock().now())
    }

    /// The judgement where counts are enough to know it: a look at every Envoy for each answer
    /// would cost the square of the fleet. What a broken Envoy has said against the generation is
    /// looked at once, and not again until somebody says more.
    fn without_a_look(&mut self) -> Option<Judgement> {
        let publisher = &self.gateway.publisher;
        let crash_loops = Some(publisher.crash_loops());
        let rejections = Some(publisher.rejections());
        let has_crashes = std::mem::replace(&mut self.crash_loops_seen, crash_loops) != crash_loops;
        let has_rejections = std::mem::replace(&mut self.rejections_seen, rejections) != rejections;
        let says_nothing_new = !has_crashes && !has_rejections;
        let (stage, current) = {
            let state = self.gateway.read();
            (state.stage, Arc::clone(&state.current))
        };
        let tally = publisher.tally(current.generation());
        let until = self.began + current.document.rollout.ack_deadline.duration();
        let verdict = match stage {
            // The last ones may all be broken, and then nobody waits for them.
            Stage::Open
                if says_nothing_new
                    && tally.waiting > self.waiting_suspects(&current)
                    && publisher.clock().now() < until =>
            {
                Verdict::Waiting { until }
            }
            Stage::Open if says_nothing_new && self.is_watched() && has_all_answers(tally) => {
                Verdict::Accepted
            }
            // Nobody else is asked before the wave begins.
            Stage::Open if says_nothing_new && self.waits_to_begin() => Verdict::NoEnvoys,
            Stage::Accepted if says_nothing_new || (self.marks.late.is_empty() && !has_crashes) => {
                self.hear_the_late(&current);
                Verdict::Accepted
            }
            Stage::Rejected if tally.acknowledged == 0 => Verdict::Rejected,
            Stage::Kept => Verdict::Rejected,
            _ => return None,
        };
        Some(Judgement {
            verdict,
            envoys: Vec::new(),
            rejections: Rejections::new(),
            unanswered: BTreeSet::new(),
        })
    }

    /// Whether the wave in hand is watched, so that only a rejection matters.
    fn is_watched(&self) -> bool {
        let now = self.gateway.publisher.clock().now();
        self.waves().is_some_and(|waves| waves.is_watched(now))
    }

    /// Whether the wave in hand has still to be given to somebody.
    fn waits_to_begin(&self) -> bool {
        let watched = self.watched.as_ref();
        watched.is_some_and(|watched| !watched.waves.has_begun())
    }

    /// How many Envoys have not answered that may be broken in themselves.
    fn waiting_suspects(&self, current: &Built) -> usize {
        let mut suspects = self.marks.suspects();
        suspects.retain(|id| {
            let publisher = &self.gateway.publisher;
            publisher.is_waited_for(id, current.generation())
        });
        suspects.len()
    }

    /// Takes note of which Envoys have answered the accepted generation since it was accepted.
    fn hear_the_late(&mut self, current: &Built) {
        let publisher = &self.gateway.publisher;
        self.marks
            .late
            .retain(|id| publisher.is_waited_for(id, current.generation()));
    }

    /// Makes a generation the accepted one, and gives it to everyone.
    pub(super) async fn accept(&mut self, built: &Arc<Built>, judgement: &Judgement) {
        // What is shown as accepted is what a restart will serve.
        self.store(Fact::Accepted(built)).await;
        let before = {
            let mut state = self.gateway.write();
            state.stage = Stage::Accepted;
            state.accepted.replace(Arc::clone(built))
        };
        let is_operators = before
            .as_ref()
            .is_none_or(|before| before.revision != built.revision);
        if let Some(before) = before.filter(|before| before.generation() != built.generation()) {
            let mut state = self.gateway.write();
            state.earlier.insert(0, before);
            // As many as the store keeps.
            state.earlier.truncate(2);
        }
        self.unaccepted.clear();
        self.may_run_stricter = Looser::Not;
        self.way_back = None;
        self.marks.late = judgement.unanswered.clone();
        for envoy in &judgement.envoys {
            if envoy.state == EnvoyVerdict::Acked {
                let id = NodeId::new(&envoy.id);
                self.marks.lone_rejections.remove(&id);
                self.marks.broken.remove(&id);
            }
        }
        self.watched = None;
        self.keepers = None;
        self.hand_out(true);
        self.end_rollout(RolloutState::Accepted, "").await;
        if is_operators {
            self.release_withheld().await;
        }
    }
}

/// Whether every Envoy that is to have a generation has acknowledged it.
fn has_all_answers(tally: Tally) -> bool {
    tally.acknowledged > 0 && tally.waiting == 0 && tally.rejected == 0
}
