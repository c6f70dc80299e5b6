//! A generation is taken in hand, to be handed out and judged.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use xds::{NodeId, NodeSummary};

use super::RolloutActor;
use super::facts::Fact;
use super::fall_back::is_run;
use super::watched::Watched;
use super::way_back::WayBack;
use crate::gateway::loosening::looser;
use crate::gateway::notices;
use crate::gateway::rollouts::RolloutState;
use crate::gateway::state::{Rejection, Stage};
use crate::generation::Built;

impl RolloutActor {
    /// Takes a list that changes nothing for the Envoys: a description, say.
    pub(super) async fn take_unchanged(&self, built: Arc<Built>) {
        {
            let mut state = self.gateway.write();
            state.current = Arc::clone(&built);
            if state.stage != Stage::Accepted {
                return;
            }
            state.accepted = Some(Arc::clone(&built));
        }
        self.store(Fact::Accepted(&built)).await;
    }

    /// Hands a generation out, to be judged.
    pub(super) async fn begin(&mut self, built: &Arc<Built>) {
        let (before, accepted, stage) = {
            let state = self.gateway.read();
            let current = Arc::clone(&state.current);
            (current, state.accepted.clone(), state.stage)
        };
        let envoys = self.gateway.publisher.summaries();
        if let Some(good) = accepted.as_ref()
            && self.is_a_member_away(&envoys)
        {
            // Nothing but the waves, which are over now, says that it runs something stricter.
            self.may_run_stricter = self.may_run_stricter.max(looser(&before, good));
        }
        // It got no answer; nothing else lets go of it.
        self.end_rollout(RolloutState::Superseded, "").await;
        let is_operators = built.revision != before.revision;
        if is_operators {
            // An operator wants it to be tried, also by Envoys that crashed before.
            self.marks.crashed_with.clear();
            self.gateway.publisher.forgive_crashes();
        }
        self.keep_still_run(&before, accepted.as_deref(), stage);
        self.way_back = accepted
            .as_ref()
            .map(|accepted| WayBack::new(built, &self.unaccepted, accepted));
        notices::log(Some(&before), built);
        // What was said before may be said of this generation too.
        self.crash_loops_seen = None;
        self.rejections_seen = None;
        let good = accepted.as_ref().map(|accepted| &*accepted.snapshot);
        self.marks.note_broken(&before.snapshot, good, &envoys);
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
        self.watched = Watched::of(built, accepted.as_deref());
        self.show_new(built);
        if self.watched.is_some() {
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
        let publisher = &self.gateway.publisher;
        self.unaccepted
            .retain(|built| is_run(publisher, built, good));
    }
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
