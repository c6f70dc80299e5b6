//! The one actor that rolls generations out: it takes the newest desired state, hands it to the
//! Envoys, waits for their judgement, and acts on that.
//!
//! Nothing of this is decided elsewhere, and nobody waits for it with a lock in hand. What wakes it
//! is level-triggered: the newest desired state, the Envoys' standings, and the end of a deadline.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::watch;
use xds::Changes;

use super::Gateway;
use super::acceptance::Marks;
use super::desired::{Desired, remade};
use super::loosening::Looser;
use super::losses::BACK_WITHIN;
use super::state::Stage;
use super::waves::Waves;
use crate::aside;
use crate::generation::Built;
use crate::lease::Lease;
use watched::Watched;
use way_back::{WayBack, with_endpoints_of};

mod answering;
mod beginning;
mod cause;
mod facts;
mod fall_back;
mod frozen;
mod handing_out;
mod judging;
mod keeping;
mod newcomers;
mod showing;
mod steering;
mod stepping;
mod watched;
mod way_back;

/// Rolls generations out, one after the other, and follows what Envoys do with the last one.
pub struct RolloutActor {
    gateway: Arc<Gateway>,
    /// Nothing happens unless it is held.
    lease: Lease,
    standings: Changes,
    /// When the generation in hand was handed out.
    began: Instant,
    /// Whether those who wait for the generation in hand have been told its judgement. Until then
    /// no other one takes its place.
    is_answered: bool,
    /// The rollout of the generation in hand, where it has waves or is watched, until it is judged.
    watched: Option<Watched>,
    /// The waves of the generation that Envoys keep until an operator decides: they say who has it.
    keepers: Option<Waves>,
    /// Until when the Envoys of an earlier process have time to come back, where there was one.
    back_by: Option<Instant>,
    /// The accepted generation to go back to, while the one in hand is being judged.
    way_back: Option<WayBack>,
    /// The generations that were handed out since and never accepted, as far as an Envoy may run
    /// one of them.
    unaccepted: Vec<Arc<Built>>,
    /// How much looser the accepted generation may be than one that was never accepted and that an
    /// Envoy may run since before this process started. Such an Envoy may still be on its way back.
    may_run_stricter: Looser,
    /// Whether newcomers have been told last that an Envoy judges the generation in hand, and it is
    /// still that which is handed out. Nothing else changes for them then, however many come.
    has_offered_beside_a_judge: bool,
    /// Knowledge of Envoys beyond their answers to the generation in hand.
    marks: Marks,
    /// How many crash loops of Envoys have been looked at for the generation in hand; nothing
    /// before the first look.
    crash_loops_seen: Option<u64>,
    /// How many rejections of Envoys have been, likewise.
    rejections_seen: Option<u64>,
}

impl RolloutActor {
    /// An actor that has handed out the gateway's first generation.
    pub(super) fn new(
        gateway: Arc<Gateway>,
        may_run_stricter: Looser,
        resumed: Option<Waves>,
    ) -> Self {
        let now = gateway.publisher.clock().now();
        let is_new = resumed.is_none();
        let (way_back, stage, current, (watched, keepers), back_by) = {
            let state = gateway.read();
            let accepted = state.accepted.as_ref();
            let way_back = accepted
                .filter(|_| state.stage != Stage::Accepted)
                .map(|accepted| WayBack::new(&state.current, &[], accepted));
            let current = &state.current;
            let watched = match (resumed, state.stage) {
                (Some(waves), Stage::Kept) => (None, Some(waves)),
                (Some(waves), _) => {
                    let rollout = state.rollouts.in_hand();
                    let usual = rollout.map(|rollout| rollout.usual.clone());
                    let usual = usual.unwrap_or_default();
                    (Some(Watched::resumed(current, waves, &usual, now)), None)
                }
                (None, Stage::Open) => {
                    let accepted = accepted.map(|accepted| &**accepted);
                    (Watched::of(current, accepted), None)
                }
                (None, _) => (None, None),
            };
            // What was accepted has been accepted by Envoys.
            let back_by = accepted.map(|_| now + BACK_WITHIN);
            (way_back, state.stage, Arc::clone(current), watched, back_by)
        };
        let mut actor = Self {
            standings: gateway.publisher.standings(),
            began: now,
            gateway,
            lease: Lease::endless(),
            is_answered: true,
            watched,
            keepers,
            back_by,
            way_back,
            unaccepted: Vec::new(),
            may_run_stricter,
            has_offered_beside_a_judge: false,
            marks: Marks::default(),
            crash_loops_seen: Some(0),
            rejections_seen: Some(0),
        };
        if !is_new {
            // It is watched anew.
            actor.show();
        } else if stage == Stage::Open {
            actor.show_new(&current);
        }
        actor.hand_out(stage != Stage::Kept);
        actor
    }

    /// The waves of the generation in hand, where it has several or is watched, or is kept.
    fn waves(&self) -> Option<&Waves> {
        let watched = self.watched.as_ref().map(|watched| &watched.waves);
        watched.or(self.keepers.as_ref())
    }

    /// Has this actor act only while `lease` is held; without, it acts as long as it lives.
    #[must_use]
    pub fn leading_by(mut self, lease: Lease) -> Self {
        self.lease = lease;
        self
    }

    /// Rolls out whatever becomes the desired state, and follows what Envoys do after a change was
    /// answered: late answers, crashes, silence past the deadline. Once `stop` is true it rolls
    /// nothing out: Envoys leave because the process ends, and whoever waits is told that nothing
    /// is judged yet.
    pub async fn run(self, stop: watch::Receiver<bool>) -> Infallible {
        let (gateway, lease) = (Arc::clone(&self.gateway), self.lease.clone());
        tokio::select! {
            never = self.roll_out(stop) => never,
            never = gateway.freeze_without(&lease) => never,
        }
    }

    async fn roll_out(mut self, mut stop: watch::Receiver<bool>) -> Infallible {
        loop {
            self.until_it_leads().await;
            let obeyed = self.obey().await;
            let in_hand = self.gateway.current();
            let look = self.look(&stop).await;
            if *stop.borrow() {
                return self.gateway.answer_without_judgement().await;
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
                let has_taken = if self.goes_on() {
                    self.take_endpoints()
                } else {
                    self.take_newest().await
                };
                if has_taken {
                    continue;
                }
            }
            self.wait(look.wake, &mut stop).await;
        }
    }

    /// Whether what is in hand in waves is what is desired, so that its waves go on. After a start
    /// the one is as Envoys were given it, and the other as this process made it.
    fn goes_on(&self) -> bool {
        let state = self.gateway.read();
        let (desired, current) = (&state.desired.built, &state.current);
        self.waves().is_some()
            && desired.revision == current.revision
            && desired.generation() == current.generation()
    }

    /// Takes in hand what a change that waits says of endpoints: these reach everyone at once,
    /// whatever is watched, and the rest of it goes on waiting. Tells whether there is something.
    fn take_endpoints(&mut self) -> bool {
        let (desired, current, accepted) = {
            let state = self.gateway.read();
            let (desired, current) = (&state.desired.built, &state.current);
            if Arc::ptr_eq(desired, current) {
                return false;
            }
            (
                Arc::clone(desired),
                Arc::clone(current),
                state.accepted.clone(),
            )
        };
        let taken = if desired.generation() == current.generation() {
            desired
        } else {
            match with_endpoints_of(&current.snapshot, &desired.snapshot) {
                Some(snapshot) => Arc::new(current.with_snapshot(snapshot)),
                None => return false,
            }
        };
        self.way_back = accepted
            .as_ref()
            .map(|accepted| WayBack::new(&taken, &self.unaccepted, accepted));
        self.gateway.write().current = taken;
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
            () = self.lease.ended() => {}
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
            aside::run_own(move || remade(&built, &lists, module)).await
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
