//! The one actor that rolls generations out: it takes the newest desired state, hands it to the
//! Envoys, waits for their judgement, and acts on that.
//!
//! Nothing of this is decided elsewhere, and nobody waits for it with a lock in hand. What wakes it
//! is level-triggered: the newest desired state, the Envoys' standings, and the end of a deadline.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::watch;
use xds::{Changes, NodeId, NodeSummary};

use super::acceptance::Marks;
use super::desired::{Desired, remade};
use super::rollouts::RolloutState;
use super::state::{Rejection, Stage};
use super::waves::Waves;
use super::{Gateway, notices};
use crate::aside;
use crate::generation::Built;
use fall_back::is_run;
use way_back::WayBack;

mod answering;
mod cause;
mod fall_back;
mod handing_out;
mod judging;
mod newcomers;
mod steering;
mod stepping;
mod way_back;

/// Rolls generations out, one after the other, and follows what Envoys do with the last one.
pub struct RolloutActor {
    gateway: Arc<Gateway>,
    standings: Changes,
    /// When the generation in hand was handed out.
    began: Instant,
    /// Whether those who wait for the generation in hand have been told its judgement. Until then
    /// no other one takes its place.
    is_answered: bool,
    /// The waves of the generation in hand, where it has several or is watched, until it is judged.
    waves: Option<Waves>,
    /// The accepted generation to go back to, while the one in hand is being judged.
    way_back: Option<WayBack>,
    /// The generations that were accepted before the accepted one, the newest first.
    earlier: Vec<Arc<Built>>,
    /// The generations that were handed out since and never accepted, as far as an Envoy may run
    /// one of them.
    unaccepted: Vec<Arc<Built>>,
    /// Whether an Envoy may run, since before this process started, a generation that was never
    /// accepted and refuses what the accepted one may allow. Such an Envoy may still be on its way
    /// back.
    may_run_stricter: bool,
    /// Knowledge of Envoys beyond their answers to the generation in hand.
    marks: Marks,
    /// How many crash loops of Envoys have been looked at.
    crash_loops_seen: u64,
    /// How many rejections of Envoys have been looked at.
    rejections_seen: u64,
}

impl RolloutActor {
    /// An actor that has handed out the gateway's first generation.
    pub(super) fn new(
        gateway: Arc<Gateway>,
        earlier: Vec<Arc<Built>>,
        may_run_stricter: bool,
        resumed: Option<Waves>,
    ) -> Self {
        let (way_back, stage, current, waves) = {
            let state = gateway.read();
            let accepted = state.accepted.as_ref();
            let way_back = accepted
                .filter(|_| state.stage != Stage::Accepted)
                .map(|accepted| WayBack::new(&state.current, &[], accepted));
            let waves = match state.stage {
                Stage::Open => waves_of(&state.current, accepted.map(|accepted| &**accepted)),
                _ => None,
            };
            (way_back, state.stage, Arc::clone(&state.current), waves)
        };
        let is_new = resumed.is_none();
        let actor = Self {
            standings: gateway.publisher.standings(),
            began: gateway.publisher.clock().now(),
            gateway,
            is_answered: true,
            waves: resumed.or(waves),
            way_back,
            earlier,
            unaccepted: Vec::new(),
            may_run_stricter,
            marks: Marks::default(),
            crash_loops_seen: 0,
            rejections_seen: 0,
        };
        if is_new {
            actor.show_new(&current);
        }
        actor.hand_out(stage != Stage::Kept);
        actor
    }

    /// Rolls out whatever becomes the desired state, and follows what Envoys do after a change was
    /// answered: late answers, crashes, silence past the deadline. Once `stop` is true it rolls
    /// nothing out: Envoys leave because the process ends, and whoever waits is told that nothing
    /// is judged yet.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) -> Infallible {
        loop {
            let obeyed = self.obey().await;
            let in_hand = self.gateway.current();
            let look = self.look(&stop).await;
            if *stop.borrow() {
                return self.leave_to_the_next_start().await;
            }
            if let Some(outcome) = look.outcome
                && !self.is_answered
            {
                self.answer(&in_hand, outcome, &look.judgement.envoys);
            }
            for (answer, result) in obeyed {
                // An error means that nobody waits for it any more.
                let _ = answer.send(result);
            }
            if self.is_answered && look.holds {
                let has_taken = self.take_endpoints();
                self.answer_those_behind();
                if has_taken {
                    continue;
                }
            } else if self.is_answered {
                self.want_module_again().await;
                if self.take_newest().await {
                    continue;
                }
            }
            self.wait(look.wake, &mut stop).await;
        }
    }

    /// Takes a change in hand that differs from the one that is being rolled out in endpoints
    /// alone: these reach everyone at once, whatever is watched. Tells whether there is one.
    fn take_endpoints(&mut self) -> bool {
        let (desired, accepted) = {
            let state = self.gateway.read();
            let (desired, current) = (&state.desired.built, &state.current);
            if Arc::ptr_eq(desired, current) || desired.generation() != current.generation() {
                return false;
            }
            (Arc::clone(desired), state.accepted.clone())
        };
        self.way_back = accepted
            .as_ref()
            .map(|accepted| WayBack::new(&desired, &self.unaccepted, accepted));
        self.gateway.write().current = desired;
        self.hand_out(true);
        true
    }

    /// Waits until there is something to do.
    async fn wait(&mut self, until: Option<Instant>, stop: &mut watch::Receiver<bool>) {
        // Past the deadline the judge says so.
        let deadline = self.gateway.publisher.clock().wait_until(until);
        let replaced = async {
            if self.is_answered {
                self.gateway.replaced.notified().await;
            } else {
                // It waits for what is in hand.
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = self.standings.changed() => {}
            () = deadline => {}
            () = replaced => {}
            () = self.gateway.steered.notified() => {}
            Ok(_) = stop.wait_for(|stop| *stop) => {}
        }
    }

    /// Takes the desired state in hand, if it is another one. Tells whether it is.
    async fn take_newest(&mut self) -> bool {
        let (desired, current) = {
            let state = self.gateway.read();
            (Arc::clone(&state.desired.built), Arc::clone(&state.current))
        };
        if Arc::ptr_eq(&desired, &current) {
            return false;
        }
        let is_same = desired.revision == current.revision
            && Arc::ptr_eq(&desired.snapshot, &current.snapshot);
        if is_same {
            self.take_unchanged(desired).await;
        } else {
            self.begin(&desired).await;
        }
        true
    }

    /// Takes a list that changes nothing for the Envoys: a description, say.
    async fn take_unchanged(&self, built: Arc<Built>) {
        {
            let mut state = self.gateway.write();
            state.current = Arc::clone(&built);
            if state.stage != Stage::Accepted {
                return;
            }
            state.accepted = Some(Arc::clone(&built));
        }
        if let Err(error) = self.gateway.store.add_accepted(&built.to_accepted()).await {
            tracing::error!(%error, "after a restart the server's list is an older one");
        }
    }

    /// Hands a generation out, to be judged.
    async fn begin(&mut self, built: &Arc<Built>) {
        // It got no answer; nothing else lets go of it.
        self.end_rollout(RolloutState::Superseded, "").await;
        let (before, accepted, stage) = {
            let state = self.gateway.read();
            let current = Arc::clone(&state.current);
            (current, state.accepted.clone(), state.stage)
        };
        let is_operators = built.revision != before.revision;
        if is_operators {
            // An operator wants it to be tried, also by Envoys that crashed before.
            self.marks.crashed_with.clear();
            self.gateway.publisher.forgive_crashes();
        }
        let envoys = self.gateway.publisher.summaries();
        self.keep_still_run(&before, accepted.as_deref(), stage);
        let before_it = accepted.clone();
        self.way_back = accepted
            .as_ref()
            .map(|accepted| WayBack::new(built, &self.unaccepted, accepted));
        notices::log(Some(&before), built);
        // What was said before may be said of this generation too.
        self.crash_loops_seen = u64::MAX;
        self.rejections_seen = u64::MAX;
        let accepted = accepted.as_ref().map(|accepted| &*accepted.snapshot);
        self.marks.note_broken(&before.snapshot, accepted, &envoys);
        {
            let mut state = self.gateway.write();
            let state = &mut *state;
            if let Some(rejection) = &mut state.rejection
                && !std::mem::replace(&mut rejection.is_counted, true)
            {
                count_lone_rejections(&mut self.marks.lone_rejections, rejection, &envoys);
            }
            if is_operators {
                // A new revision supersedes what was rejected before.
                state.rejection = None;
            }
            state.current = Arc::clone(built);
            state.stage = Stage::Open;
        }
        self.began = self.gateway.publisher.clock().now();
        self.is_answered = false;
        self.waves = waves_of(built, before_it.as_deref());
        if self.waves.is_some() {
            self.show_new(built);
            self.begin_wave(built).await;
        } else {
            self.hand_out(true);
        }
    }

    /// Keeps of the generations that were handed out and never accepted those that Envoys may run
    /// all the same: a later one that is rejected must not take these Envoys back to something
    /// looser.
    fn keep_still_run(&mut self, before: &Arc<Built>, good: Option<&Built>, stage: Stage) {
        let Some(good) = good else {
            self.unaccepted.clear();
            return;
        };
        if stage != Stage::Accepted {
            self.unaccepted.push(Arc::clone(before));
        }
        if !self.unaccepted.is_empty() {
            let envoys = self.gateway.publisher.nodes();
            self.unaccepted
                .retain(|built| is_run(&envoys, &built.snapshot, &good.snapshot));
        }
    }

    /// Makes the filter module that the control plane was started with a part of the desired state
    /// again, if a generation made with it was taken back for another reason.
    async fn want_module_again(&self) {
        let is_due = |gateway: &Gateway| {
            let state = gateway.read();
            state.stage == Stage::Accepted
                && Arc::ptr_eq(&state.desired.built, &state.current)
                && state.desired.module != state.current.module
        };
        if !is_due(&self.gateway) {
            return;
        }
        let turn = self.gateway.turn().await;
        if !is_due(&self.gateway) {
            return;
        }
        let desired = self.gateway.desired();
        tracing::info!(
            module = desired.module.sha256,
            "the filter module is tried again"
        );
        let made = {
            let Desired {
                built,
                lists,
                module,
                ..
            } = desired.clone();
            aside::run(move || remade(&built, &lists, module)).await
        };
        let next = match made {
            Ok(built) => Desired {
                built: Arc::new(built),
                ..desired
            },
            Err(error) => {
                tracing::error!(%error, "the filter module cannot be rolled out");
                Desired {
                    module: desired.built.module.clone(),
                    ..desired
                }
            }
        };
        self.gateway.desire(&turn, next);
    }
}

/// The waves in which a generation is rolled out. Where there is none before it, or it differs from
/// that in its endpoints alone, there is nothing to watch it beside.
fn waves_of(built: &Built, accepted: Option<&Built>) -> Option<Waves> {
    accepted.filter(|accepted| accepted.generation() != built.generation())?;
    Waves::of(&built.document.rollout)
}

/// Counts, for each Envoy that rejected the last change, whether it was alone with that.
fn count_lone_rejections(
    counts: &mut BTreeMap<NodeId, u32>,
    rejection: &Rejection,
    envoys: &[NodeSummary],
) {
    let rejected: BTreeSet<&NodeId> = rejection.nodes.keys().collect();
    let was_asked = |id: &NodeId| match &rejection.asked {
        Some(asked) => asked.contains(id),
        None => true,
    };
    let somebody_did_not = envoys
        .iter()
        .any(|envoy| envoy.streams > 0 && was_asked(&envoy.id) && !rejected.contains(&envoy.id));
    for node in rejected {
        if somebody_did_not {
            *counts.entry(node.clone()).or_default() += 1;
        } else {
            counts.remove(node);
        }
    }
}
