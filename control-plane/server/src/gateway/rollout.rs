//! From a generation to its judgement, and what follows from that.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use gateway_document::{Warning, WithheldTool};
use serde::Serialize;
use xds::{NodeId, NodeSummary};

use super::Gateway;
use super::acceptance::{EnvoyAnswer, Judgement, Outcome, Trial, Verdict, judge};
use super::fall_back::is_run;
use super::notices;
use super::state::{Stage, WayBack};
use crate::generation::Built;

/// A report on a change: its outcome, and the answer of each Envoy.
#[derive(Debug, Clone, Serialize)]
pub struct WriteReport {
    /// The revision that the change made.
    pub revision: u64,
    /// The generation that the Envoys were sent.
    pub generation: String,
    /// The outcome as a whole.
    pub outcome: Outcome,
    /// The revision that is in force now: another one, where an Envoy rejected the change; none
    /// while no Envoy has acknowledged it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_force: Option<u64>,
    /// Whether Envoys that run a rejected change keep it, until an operator decides.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub kept: bool,
    /// The answer of each connected Envoy.
    pub envoys: Vec<EnvoyAnswer>,
    /// The tools that are listed and cannot be called all the same, or not everywhere.
    pub withheld: Vec<WithheldTool>,
    /// The rules that have no effect.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
    /// The servers that the change registers or moves, and that did not list their tools. They are
    /// asked again and again; until they answer, nobody can call their tools.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unlisted: Vec<UnlistedServer>,
}

/// A server that did not list its tools when a change registered it.
#[derive(Debug, Clone, Serialize)]
pub struct UnlistedServer {
    /// The name of the server.
    pub name: String,
    /// A sentence that says what happened, and what to do about it.
    pub reason: String,
}

impl Gateway {
    /// Hands a generation out, waits until it is judged or the document's deadline has passed, and
    /// acts on the judgement. The caller holds `changing`.
    pub(super) async fn roll_out(&self, built: Arc<Built>) -> WriteReport {
        let mut standings = self.publisher.standings();
        self.begin(&built);
        let judgement = loop {
            let judgement = self.judge_now().await;
            let Verdict::Waiting { until } = judgement.verdict else {
                break judgement;
            };
            // Past the deadline the judge says so.
            let _ = tokio::time::timeout_at(until.into(), standings.changed()).await;
        };
        let outcome = judgement.outcome();
        tracing::info!(
            revision = built.revision.0, generation = %built.generation(), ?outcome,
            envoys = judgement.envoys.len(), "rolled out"
        );
        WriteReport {
            in_force: self.in_force_after(outcome),
            kept: self.read().stage == Stage::Kept,
            ..report(&built, outcome, judgement.envoys)
        }
    }

    /// The revision that Envoys run after such an outcome.
    fn in_force_after(&self, outcome: Outcome) -> Option<u64> {
        let (current, stage) = {
            let state = self.read();
            (Arc::clone(&state.current), state.stage)
        };
        let is_run = match outcome {
            Outcome::Accepted | Outcome::Partial => true,
            // There was another one to go back to, or Envoys keep this one.
            Outcome::Rejected if stage != Stage::Rejected => true,
            Outcome::Pending | Outcome::NoEnvoys => false,
            Outcome::Rejected | Outcome::Unchanged => {
                self.publisher.tally(current.generation()).acknowledged > 0
            }
        };
        is_run.then_some(current.revision.0)
    }

    /// Reports that a change says what is there already.
    pub(super) fn report_unchanged(&self, current: &Built) -> WriteReport {
        WriteReport {
            in_force: self.in_force_after(Outcome::Unchanged),
            ..report(current, Outcome::Unchanged, Vec::new())
        }
    }

    /// Follows what Envoys do after a change was answered: late answers, crashes, silence past the
    /// deadline. Never returns.
    pub async fn follow(&self) {
        let mut standings = self.publisher.standings();
        loop {
            let verdict = {
                let _changing = self.changing.lock().await;
                let verdict = self.judge_now().await.verdict;
                if self.try_module_again().await {
                    continue;
                }
                verdict
            };
            match verdict {
                Verdict::Waiting { until } => {
                    // Past the deadline the judge says so.
                    let _ = tokio::time::timeout_at(until.into(), standings.changed()).await;
                }
                _ => standings.changed().await,
            }
        }
    }

    fn begin(&self, built: &Arc<Built>) {
        let envoys = self.publisher.summaries();
        let unaccepted = self.still_run();
        // Whoever holds `changing` alone changes these; comparing policies takes its time, and must
        // not hold up those who only read.
        let (before, accepted) = {
            let state = self.read();
            (Arc::clone(&state.current), state.accepted.clone())
        };
        let way_back = accepted
            .as_ref()
            .map(|accepted| WayBack::new(built, &unaccepted, accepted));
        notices::log(Some(&before), built);
        // What was said before may be said of this generation too.
        self.crash_loops_seen.store(u64::MAX, Ordering::Relaxed);
        self.rejections_seen.store(u64::MAX, Ordering::Relaxed);
        {
            let mut state = self.write();
            let state = &mut *state;
            state.unaccepted = unaccepted;
            let accepted = state.accepted.as_ref().map(|accepted| &*accepted.snapshot);
            state
                .marks
                .note_broken(&state.current.snapshot, accepted, &envoys);
            if let Some(rejection) = &mut state.rejection
                && !std::mem::replace(&mut rejection.is_counted, true)
            {
                count_lone_rejections(
                    &mut state.marks.lone_rejections,
                    &rejection.nodes.keys().cloned().collect(),
                    &envoys,
                );
            }
            if built.revision != state.current.revision {
                // A new revision supersedes what was rejected before.
                state.rejection = None;
            }
            state.way_back = way_back;
            state.current = Arc::clone(built);
            state.stage = Stage::Open;
            state.began = Instant::now();
        }
        self.show_document(built);
        self.hand_out(true);
    }

    /// The generations that were handed out and never accepted, and that Envoys may run all the
    /// same: a later one that is rejected must not take these Envoys back to something looser.
    fn still_run(&self) -> Vec<Arc<Built>> {
        let (mut unaccepted, good) = {
            let state = self.read();
            let Some(good) = state.accepted.clone() else {
                return Vec::new();
            };
            let mut unaccepted = state.unaccepted.clone();
            if state.stage != Stage::Accepted {
                unaccepted.push(Arc::clone(&state.current));
            }
            (unaccepted, good)
        };
        if !unaccepted.is_empty() {
            let envoys = self.publisher.nodes();
            unaccepted.retain(|built| is_run(&envoys, &built.snapshot, &good.snapshot));
        }
        unaccepted
    }

    /// Judges the generation in hand and acts on the judgement. The caller holds `changing`.
    pub(super) async fn judge_now(&self) -> Judgement {
        self.store_rejections().await;
        if let Some(judgement) = self.without_a_look() {
            return judgement;
        }
        let (current, accepted, earlier, stage, began, marks) = {
            let state = self.read();
            (
                Arc::clone(&state.current),
                state.accepted.clone(),
                state.earlier.first().cloned(),
                state.stage,
                state.began,
                state.marks.clone(),
            )
        };
        let ack_deadline = current.document.rollout.ack_deadline.duration();
        let trial = Trial {
            snapshot: &current.snapshot,
            began,
            ack_deadline,
            accepted: accepted.as_ref().map(|accepted| &*accepted.snapshot),
            marks: &marks,
        };
        let now = Instant::now();
        let judgement = judge(&trial, &self.publisher.summaries(), now);
        match (stage, judgement.verdict) {
            (Stage::Open, Verdict::Accepted | Verdict::Standing) => {
                self.accept(&current, &judgement).await;
            }
            (Stage::Open, Verdict::Rejected) => {
                self.fall_back(&current, accepted.as_ref(), &judgement.rejections)
                    .await;
            }
            (Stage::Open, _) => self.offer(judgement.has_judge()),
            (Stage::Rejected, Verdict::Accepted | Verdict::Standing) => {
                // There was nothing to go back to, and an Envoy has taken it after all.
                self.accept(&current, &judgement).await;
            }
            (Stage::Accepted, Verdict::Rejected) if earlier.is_some() => {
                self.fall_back(&current, earlier.as_ref(), &judgement.rejections)
                    .await;
            }
            (Stage::Accepted, _) => self.hear_the_late(),
            (Stage::Rejected | Stage::Kept, _) => {}
        }
        judgement
    }

    /// The judgement where counts are enough to know it: a look at every Envoy for each answer
    /// would cost the square of the fleet. What a broken Envoy has said against the generation is
    /// looked at once, and not again until somebody says more.
    fn without_a_look(&self) -> Option<Judgement> {
        let crash_loops = self.publisher.crash_loops();
        let rejections = self.publisher.rejections();
        let has_crashes = self.crash_loops_seen.swap(crash_loops, Ordering::Relaxed) != crash_loops;
        let has_rejections = self.rejections_seen.swap(rejections, Ordering::Relaxed) != rejections;
        let says_nothing_new = !has_crashes && !has_rejections;
        let (stage, until, has_late, tally, waiting_suspects) = {
            let state = self.read();
            let generation = state.current.generation();
            let mut suspects = state.marks.suspects();
            suspects.retain(|id| self.publisher.is_waited_for(id, generation));
            (
                state.stage,
                state.began + state.current.document.rollout.ack_deadline.duration(),
                !state.marks.late.is_empty(),
                self.publisher.tally(generation),
                suspects.len(),
            )
        };
        let verdict = match stage {
            // The last ones may all be broken, and then nobody waits for them.
            Stage::Open
                if says_nothing_new
                    && tally.waiting > waiting_suspects
                    && Instant::now() < until =>
            {
                Verdict::Waiting { until }
            }
            Stage::Accepted if says_nothing_new || (!has_late && !has_crashes) => {
                self.hear_the_late();
                Verdict::Accepted
            }
            Stage::Rejected if tally.acknowledged == 0 => Verdict::Rejected,
            Stage::Kept => Verdict::Rejected,
            _ => return None,
        };
        Some(Judgement {
            verdict,
            envoys: Vec::new(),
            rejections: super::Rejections::new(),
            unanswered: BTreeSet::new(),
        })
    }

    /// Takes note of which Envoys have answered the accepted generation since it was accepted.
    fn hear_the_late(&self) {
        let (mut late, current) = {
            let state = self.read();
            if state.marks.late.is_empty() {
                return;
            }
            (state.marks.late.clone(), Arc::clone(&state.current))
        };
        late.retain(|id| self.publisher.is_waited_for(id, current.generation()));
        self.write().marks.late = late;
    }

    /// Hands out the filter module that the control plane was started with, if a generation made
    /// with it was taken back for another reason. Tells whether it did. The caller holds
    /// `changing`.
    async fn try_module_again(&self) -> bool {
        let (current, lists, module) = {
            let state = self.read();
            if state.stage != Stage::Accepted || state.module == state.current.module {
                return false;
            }
            let lists = state.lists.clone();
            (Arc::clone(&state.current), lists, state.module.clone())
        };
        tracing::info!(module = module.sha256, "the filter module is tried again");
        let (revision, document) = (current.revision, Arc::clone(&current.document));
        match Built::new(revision, document, &lists, module) {
            Ok(built) => {
                self.roll_out(Arc::new(built)).await;
                true
            }
            Err(error) => {
                tracing::error!(%error, "the filter module cannot be rolled out");
                self.write().module = current.module.clone();
                false
            }
        }
    }

    /// Makes a generation the accepted one, and gives it to everyone.
    async fn accept(&self, built: &Arc<Built>, judgement: &Judgement) {
        // What is shown as accepted is what a restart will serve.
        if let Err(error) = self.store.add_accepted(&built.to_accepted()).await {
            tracing::error!(%error, "the accepted generation is not stored; after a restart an \
                                     older one counts");
        }
        let is_operators = {
            let mut state = self.write();
            let state = &mut *state;
            let before = state.accepted.replace(Arc::clone(built));
            let is_another = before
                .as_ref()
                .is_some_and(|before| before.generation() != built.generation());
            let is_operators = before
                .as_ref()
                .is_none_or(|before| before.revision != built.revision);
            if let Some(before) = before.filter(|_| is_another) {
                state.earlier.insert(0, before);
                // As many as the store keeps.
                state.earlier.truncate(2);
            }
            state.stage = Stage::Accepted;
            state.unaccepted.clear();
            state.may_run_stricter = false;
            state.way_back = None;
            state.marks.late = judgement.unanswered.clone();
            for envoy in &judgement.envoys {
                if envoy.state == super::EnvoyVerdict::Acked {
                    let id = NodeId::new(&envoy.id);
                    state.marks.lone_rejections.remove(&id);
                    state.marks.broken.remove(&id);
                }
            }
            is_operators
        };
        self.hand_out(true);
        if is_operators {
            self.release_withheld().await;
        }
    }
}

/// Counts, for each Envoy that rejected the last change, whether it was alone with that.
fn count_lone_rejections(
    counts: &mut BTreeMap<NodeId, u32>,
    rejected: &BTreeSet<NodeId>,
    envoys: &[NodeSummary],
) {
    let somebody_did_not = envoys
        .iter()
        .any(|envoy| envoy.streams > 0 && !rejected.contains(&envoy.id));
    for node in rejected {
        if somebody_did_not {
            *counts.entry(node.clone()).or_default() += 1;
        } else {
            counts.remove(node);
        }
    }
}

fn report(built: &Built, outcome: Outcome, envoys: Vec<EnvoyAnswer>) -> WriteReport {
    let withheld: BTreeSet<_> = built.withheld().map(|(_, withheld)| withheld).collect();
    WriteReport {
        revision: built.revision.0,
        generation: built.generation().as_str().to_owned(),
        outcome,
        in_force: None,
        kept: false,
        envoys,
        withheld: withheld.into_iter().cloned().collect(),
        warnings: built.warnings.clone(),
        unlisted: Vec::new(),
    }
}
