//! The steps of a rollout in waves: each begins here, is watched, and ends.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::acceptance::{EnvoyVerdict, Judgement, Outcome, Verdict};
use super::super::gates::GateVerdict;
use super::super::waves::{Choice, Next};
use super::RolloutActor;
use super::cause::Cause;
use super::judging::Look;
use super::watched::Watched;
use crate::generation::Built;

/// How often the numbers behind the gates of a rollout are looked at. Envoys report every five
/// seconds; a look for each report of three thousand of them would be a look all the time.
const BETWEEN_GATE_LOOKS: Duration = Duration::from_secs(1);

/// The time until a wave that the store did not take is tried again: a store that is full is looked
/// after by people, and one that blinked is back.
const BEFORE_NEXT_TRY: Duration = Duration::from_secs(1);

/// Why a wave does not begin soon after a start.
const SOON_AFTER_A_START: &str = "Envoys have a minute to come back since the control plane was \
    started; the wave is chosen among them then, or at once if you promote it (once more ends it)";

/// The obstacle to the end of a wave besides its acknowledgements and its soak.
enum Hindrance {
    None,
    /// It waits, in these words.
    Waits(String),
    /// The generation is to be taken back.
    TakesBack(Cause),
}

impl RolloutActor {
    /// Begins the wave in hand, if it has not begun and an Envoy is there for it. A wave that
    /// reaches nobody new is passed over. Soon after a start not all Envoys may be back yet, and a
    /// share of some is not that of the fleet.
    pub(super) async fn begin_wave(&mut self, current: &Built) {
        let to_begin = |watched: &&mut Watched| !watched.waves.has_begun();
        while let Some(watched) = self.watched.as_mut().filter(to_begin) {
            let now = self.gateway.publisher.clock().now();
            if watched.next_try.is_some_and(|next_try| now < next_try) {
                // Whoever comes meanwhile changes nothing.
                return;
            }
            watched.next_try = None;
            let waves = &mut watched.waves;
            let back_by = self.back_by.filter(|back_by| now < *back_by);
            if back_by.is_some() && !waves.is_promoted() {
                return self.wait_to_begin(SOON_AFTER_A_START.to_owned(), back_by);
            }
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
                    let words = waves.missing();
                    return self.wait_to_begin(words, None);
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
                    let is_promoted = waves.is_promoted();
                    let usual = watched.begin(nodes, &self.gateway.publisher);
                    if let Some(usual) = usual
                        && let Some(rollout) = self.gateway.write().rollouts.in_hand_mut()
                    {
                        rollout.usual = usual;
                    }
                    self.show();
                    // A restart must know of every Envoy that was given it, and what that was.
                    if !self.keep_rollout().await || !self.keep_generation(current).await {
                        return self.put_wave_off(is_promoted);
                    }
                    self.began = self.gateway.publisher.clock().now();
                    return self.hand_out(true);
                }
            }
        }
    }

    /// Leaves the wave in hand to begin when an Envoy comes, or at that time, and shows why.
    fn wait_to_begin(&mut self, words: String, until: Option<Instant>) {
        self.show();
        self.tell_gate(words);
        if let Some(watched) = &mut self.watched {
            watched.next_try = until;
        }
        self.hand_out(false);
    }

    /// Gives the wave in hand to nobody for now, because the store does not know of it. One that an
    /// operator has let begin begins as soon as it does.
    fn put_wave_off(&mut self, is_promoted: bool) {
        if let Some(watched) = &mut self.watched {
            watched.waves.put_off();
            if is_promoted {
                watched.waves.promote();
            }
            let now = self.gateway.publisher.clock().now();
            watched.next_try = Some(now + BEFORE_NEXT_TRY);
        }
        self.show();
    }

    /// Acts on a judgement of the wave in hand that is no rejection. Nothing comes back where the
    /// next wave is to begin.
    pub(super) async fn follow(
        &mut self,
        current: &Arc<Built>,
        judgement: Judgement,
    ) -> Option<Look> {
        let now = self.gateway.publisher.clock().now();
        let watched = self.watched.as_mut()?;
        let waves = &watched.waves;
        let has_reached = waves.reached().next().is_some();
        if !waves.has_begun() {
            let next_try = watched.next_try;
            // Once it is told nobody looks for it any more.
            let outcome = if self.is_answered || self.has_connected() {
                Outcome::Waiting
            } else {
                Outcome::NoEnvoys
            };
            let wakes = [waiting_until(&judgement), next_try];
            let wake = wakes.into_iter().flatten().min();
            return Some(Look::told(judgement, outcome, wake, has_reached));
        }
        let had_passed = waves.has_passed();
        let is_last = waves.is_last();
        let is_promoted = waves.is_promoted();
        let is_resumed = watched.resumed_at.is_some();
        let publisher = &self.gateway.publisher;
        let losses = watched.look_for_losses(publisher, current, now);
        let mut next = watched.waves.next(&judgement, losses.is_complete(), now);
        let next_gate_look = watched.gates.as_ref().map(|_| now + BETWEEN_GATE_LOOKS);
        let hindrance = match watched.look_at_gates(publisher) {
            GateVerdict::Breached(words) => Hindrance::TakesBack(Cause::Breached(words)),
            // As with silence: in the last wave one Envoy stops nobody, and an operator who
            // promotes a wave has said so.
            _ if is_last || is_promoted => Hindrance::None,
            _ if !losses.lost.is_empty() => Hindrance::TakesBack(Cause::Lost(losses.reason())),
            GateVerdict::Closed(words) => Hindrance::Waits(losses.wait().unwrap_or(words)),
            GateVerdict::Open => losses.wait().map_or(Hindrance::None, Hindrance::Waits),
        };
        let waits_for = match hindrance {
            Hindrance::None => String::new(),
            Hindrance::Waits(words) => {
                if matches!(next, Next::Advance | Next::Accept) {
                    next = Next::Watch { until: None };
                }
                words
            }
            Hindrance::TakesBack(cause) => {
                let accepted = self.gateway.read().accepted.clone();
                self.fall_back(current, accepted.as_ref(), &cause).await;
                return Some(Look::told(judgement, Outcome::Rejected, None, false));
            }
        };
        self.tell_gate(waits_for);
        let next_look = sooner(next_gate_look, losses.until);
        match next {
            Next::Wait { until } => {
                if is_last && !had_passed {
                    self.offer(judgement.has_judge());
                }
                // All who had it have left; an operator decides, or they come back.
                let outcome = until.is_none().then_some(Outcome::Pending);
                Some(Look {
                    judgement,
                    outcome,
                    wake: sooner(until, next_look),
                    holds: true,
                })
            }
            Next::Watch { until } => {
                self.show();
                if !had_passed {
                    self.hand_out(false);
                }
                let wake = sooner(until, next_look);
                Some(Look::told(judgement, Outcome::RollingOut, wake, true))
            }
            Next::Advance => {
                self.watched.as_mut()?.advance();
                self.show();
                None
            }
            Next::Accept => {
                self.accept(current, &judgement).await;
                let outcome = judgement.outcome();
                Some(Look::told(judgement, outcome, None, false))
            }
            Next::GoBack => {
                let envoys = judgement.envoys.iter();
                let silent = envoys.filter(|envoy| envoy.state == EnvoyVerdict::Silent);
                let silent = silent.map(|envoy| (envoy.id.clone(), envoy.messages.clone()));
                let silent = silent.collect();
                let accepted = self.gateway.read().accepted.clone();
                self.fall_back(current, accepted.as_ref(), &Cause::Silent(silent))
                    .await;
                Some(Look::told(judgement, Outcome::Rejected, None, false))
            }
            Next::Pending => {
                self.offer(judgement.has_judge());
                let outcome = judgement.outcome();
                // A later change does not take the place of one whose Envoys may be on their way.
                let back_by = self.back_by.filter(|back_by| is_resumed && now < *back_by);
                let holds = back_by.is_some();
                Some(Look::told(judgement, outcome, back_by, holds))
            }
        }
    }
}

/// The earlier of two times, of which there may be one or none.
fn sooner(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    one.into_iter().chain(other).min()
}

fn waiting_until(judgement: &Judgement) -> Option<Instant> {
    match judgement.verdict {
        Verdict::Waiting { until } => Some(until),
        _ => None,
    }
}
