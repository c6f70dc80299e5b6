//! The way back from a generation that Envoys rejected or left unanswered, or that an operator
//! ended.

use std::sync::Arc;

use store::{Input, WithheldInput};
use time::OffsetDateTime;
use xds::{Publisher, ResourceType};

use super::super::desired::{Desired, remade};
use super::super::loosening::looser;
use super::super::state::{Rejection, Stage};
use super::RolloutActor;
use super::cause::Cause;
use super::facts::Fact;
use super::way_back::WayBack;
use crate::aside;
use crate::generation::{Built, Lists};

impl RolloutActor {
    /// Takes the Envoys back to `good`, unless an Envoy runs the rejected generation, or one that
    /// was handed out before it, and `good` may allow what that refuses. What was handed out before
    /// this process started counts as run: the Envoy may not have come back yet. With nothing to go
    /// back to, the rejection is only recorded.
    pub(super) async fn fall_back(
        &mut self,
        rejected: &Arc<Built>,
        good: Option<&Arc<Built>>,
        cause: &Cause,
    ) {
        let Some(good) = good else {
            let is_recorded = self.gateway.read().stage == Stage::Rejected;
            if !is_recorded {
                self.record(rejected, cause, false).await;
                self.gateway.write().stage = Stage::Rejected;
            }
            return;
        };
        let nodes = cause.rejections();
        let is_kept = self.has_to_stay(rejected, good, cause);
        if is_kept {
            // First of all, so that no newcomer gets it meanwhile.
            self.no_longer_accept(good);
            self.note_keepers(rejected);
            if self.way_back.is_none() {
                let way_back = WayBack::new(rejected, &self.unaccepted, good);
                self.way_back = Some(way_back);
            }
            self.gateway.write().stage = Stage::Kept;
            self.hand_out(false);
        }
        let reason = self.record(rejected, cause, is_kept).await;
        let to_blame = rejected.inputs_to_blame(good);
        let blames_module = to_blame.contains(&Input::Module(rejected.module.sha256.clone()));
        self.withhold(to_blame, &reason, is_kept).await;
        if is_kept {
            tracing::warn!(
                revision = rejected.revision.0,
                "Envoys that run the rejected generation keep it, because going back may allow \
                 more; an operator has to decide"
            );
        } else {
            self.no_longer_accept(good);
            for (node, resources) in &nodes {
                if resources.is_empty() {
                    let generation = rejected.generation().clone();
                    self.marks.crashed_with.insert(node.clone(), generation);
                }
            }
            self.unaccepted.clear();
            self.marks.late.clear();
            self.way_back = None;
            self.watched = None;
            self.keepers = None;
            {
                let mut state = self.gateway.write();
                state.current = Arc::clone(good);
                state.stage = Stage::Accepted;
            }
            // Envoys do not wait for the turn of a writer.
            self.hand_out(true);
            self.desire_again(rejected, good, blames_module).await;
        }
        self.forget_accepted(rejected, good).await;
        match is_kept {
            true => self.end_as_kept(rejected, &reason).await,
            false => self.end_rollout(cause.ending(), &reason).await,
        }
    }

    /// Whether an Envoy runs or may run something that `good` may be looser than, by more than this
    /// cause tolerates.
    pub(super) fn has_to_stay(&self, rejected: &Arc<Built>, good: &Built, cause: &Cause) -> bool {
        let tolerated = cause.tolerates();
        let is_too_loose = |built: &Built| looser(built, good) > tolerated;
        // An Envoy that crashes has run it, too.
        let has_crashed = cause.rejections().values().any(Vec::is_empty) && is_too_loose(rejected);
        let is_away = || self.is_a_member_away(&self.gateway.publisher.summaries());
        has_crashed
            || (is_too_loose(rejected) && is_away())
            || self.may_run_stricter > tolerated
            || self.unaccepted.iter().chain([rejected]).any(|handed_out| {
                is_run(&self.gateway.publisher, handed_out, good) && is_too_loose(handed_out)
            })
    }

    /// Makes `good` the accepted generation again, where a later one turned out bad.
    fn no_longer_accept(&self, good: &Arc<Built>) {
        let is_another = |accepted: &Arc<Built>| !Arc::ptr_eq(accepted, good);
        let mut state = self.gateway.write();
        if state.accepted.as_ref().is_some_and(is_another) {
            state.accepted = Some(Arc::clone(good));
            state.earlier.retain(is_another);
        }
    }

    /// Takes out of the desired state what was rejected. What was written or listed since stays.
    async fn desire_again(&self, rejected: &Arc<Built>, good: &Arc<Built>, blames_module: bool) {
        let turn = self.gateway.turn().await;
        let desired = self.gateway.desired();
        let (rejected, good) = (Arc::clone(rejected), Arc::clone(good));
        let desired =
            aside::run_own(move || without(desired, &rejected, &good, blames_module)).await;
        self.gateway.desire(&turn, desired);
    }

    /// Has the store forget that the rejected generation was accepted once, if it was.
    async fn forget_accepted(&self, rejected: &Built, good: &Built) {
        let generation = rejected.generation();
        if generation == good.generation() {
            return;
        }
        self.store(Fact::NoLongerAccepted(generation)).await;
    }

    /// Puts on record why a generation is taken back; tells the reason in words.
    async fn record(&self, rejected: &Built, cause: &Cause, is_kept: bool) -> String {
        let entry = cause.to_entry(rejected);
        let reason = entry.reason.clone();
        tracing::warn!(
            revision = rejected.revision.0,
            generation = %rejected.generation(),
            reason,
            "the generation is not accepted"
        );
        self.store(Fact::WayBack(&entry)).await;
        let waves = self.waves();
        let asked = waves.filter(|waves| !waves.reaches_everyone());
        let asked = asked.map(|waves| waves.reached().cloned().collect());
        self.gateway.write().rejection = Some(Rejection {
            revision: rejected.revision,
            generation: rejected.generation().clone(),
            at: OffsetDateTime::now_utc(),
            nodes: cause.rejections(),
            asked,
            is_kept,
            is_counted: false,
            snapshot: Arc::clone(&rejected.snapshot),
        });
        reason
    }

    async fn withhold(&self, inputs: Vec<Input>, reason: &str, is_in_force: bool) {
        for input in inputs {
            if !is_in_force {
                self.gateway.write().withheld.insert(input.clone());
            }
            let withheld = WithheldInput {
                input,
                reason: reason.to_owned(),
                at: OffsetDateTime::now_utc(),
                is_in_force,
            };
            self.store(Fact::Withheld(&withheld)).await;
        }
    }

    /// Lets every withheld input be tried again: an operator's change may have mended what it was
    /// rejected for.
    pub(super) async fn release_withheld(&self) {
        self.gateway.write().withheld.clear();
        // Also where nothing is withheld here: the store knows of a generation that was kept.
        self.store(Fact::NothingWithheld).await;
    }
}

/// The desired state without the inputs of a rejected generation, in whose place those of `good`
/// stand.
fn without(
    mut desired: Desired,
    rejected: &Built,
    good: &Arc<Built>,
    blames_module: bool,
) -> Desired {
    let is_rejected_revision = desired.built.revision == rejected.revision;
    let base = if is_rejected_revision {
        Arc::clone(good)
    } else {
        Arc::clone(&desired.built)
    };
    let has_newer_lists = take_lists_back(&mut desired.lists, rejected, good, &base);
    if blames_module {
        desired.module = good.module.clone();
    }
    desired.built = if is_rejected_revision && !has_newer_lists {
        base
    } else {
        let module = if is_rejected_revision {
            good.module.clone()
        } else {
            desired.module.clone()
        };
        remade(&base, &desired.lists, module).map_or(base, Arc::new)
    };
    desired
}

/// Puts the lists of `good` in the place of those that the rejected generation was made from. Tells
/// whether one that was listed since stays, because it may be of a server of `base`.
fn take_lists_back(lists: &mut Lists, rejected: &Built, good: &Built, base: &Built) -> bool {
    let mut has_newer = false;
    for name in good.document.servers.keys() {
        let is_newer_and_of_base = lists.get(name).is_some_and(|now| {
            let mut before = [rejected, good]
                .into_iter()
                .filter_map(|built| built.lists.get(name));
            let server = base.document.servers.get(name);
            !before.any(|before| Arc::ptr_eq(now, before))
                && server.is_some_and(|server| now.may_be_of(server))
        });
        if is_newer_and_of_base {
            has_newer = true;
            continue;
        }
        match good.lists.get(name) {
            Some(list) => lists.insert(name.clone(), Arc::clone(list)),
            None => lists.remove(name),
        };
    }
    has_newer
}

/// The types of resources that decide about calls.
const DECIDING: [ResourceType; 2] = [ResourceType::Listener, ResourceType::ExtensionConfig];

/// Whether an Envoy may run a part of a generation that decides about calls, where the good one has
/// another. One that is away for the moment runs on with what it has.
pub(super) fn is_run(publisher: &Publisher, generation: &Built, good: &Built) -> bool {
    publisher.is_run(&generation.snapshot, &good.snapshot, &DECIDING)
}
