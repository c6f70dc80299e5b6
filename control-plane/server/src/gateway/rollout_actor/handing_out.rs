//! Hands generations out: to the Envoys that are connected, and to those that come.

use std::collections::BTreeMap;
use std::sync::Arc;

use xds::{Assignments, Distribution, Newcomers, NodeId, Snapshot};

use super::super::loosening::Looser;
use super::super::state::{Stage, State};
use super::super::waves::{Waves, selector};
use super::RolloutActor;
use super::newcomers::{Situation, newcomers};
use super::way_back::WayBack;
use crate::generation::Built;

impl RolloutActor {
    /// Tells the publisher who is to have what; the connected ones too, if they are to have
    /// something else.
    pub(super) fn hand_out(&mut self, with_connected: bool) {
        self.has_offered_beside_a_judge = false;
        let publisher = &self.gateway.publisher;
        let (current, stage) = {
            let state = self.gateway.read();
            (Arc::clone(&state.current), state.stage)
        };
        let in_a_wave = match (self.waves(), &self.way_back) {
            (Some(waves), Some(way_back))
                if stage == Stage::Kept || (stage == Stage::Open && !waves.reaches_everyone()) =>
            {
                Some((waves, way_back))
            }
            _ => None,
        };
        let newcomers = match in_a_wave {
            Some((waves, way_back)) if !waves.reaches_everyone() => {
                self.newcomers_of_a_wave((&current, stage), waves, way_back)
            }
            _ => {
                let has_judge = with_connected && stage == Stage::Open && self.has_connected();
                self.newcomers(has_judge)
            }
        };
        if !with_connected {
            return publisher.offer(newcomers);
        }
        tracing::debug!(revision = current.revision.0, "handed out");
        publisher.distribute(Distribution {
            connected: match in_a_wave {
                Some((waves, way_back)) => {
                    Assignments::ByNode(self.table(&current, waves, way_back))
                }
                None => Assignments::Everyone(Arc::clone(&current.snapshot)),
            },
            newcomers,
            ack_deadline: current.document.rollout.ack_deadline.duration(),
        });
    }

    /// Says what newcomers get, if that has changed with whether an Envoy is judging. Where none
    /// is, the first to come has taken the place of that one, and left it again maybe.
    pub(super) fn offer(&mut self, has_judge: bool) {
        if has_judge && self.has_offered_beside_a_judge {
            return;
        }
        self.has_offered_beside_a_judge = has_judge;
        self.gateway.publisher.offer(self.newcomers(has_judge));
    }

    fn newcomers(&self, has_judge: bool) -> Newcomers {
        let state = self.gateway.read();
        let newcomers = newcomers(&self.situation(&state, has_judge));
        // In the last wave, and where they are to keep it, those that have it keep it.
        let by_node = self.waves().map(|waves| members(&state.current, waves));
        let way_back = self.way_back.as_ref();
        Newcomers {
            by_node: by_node.unwrap_or_default(),
            supplies: way_back.map(|way_back| Arc::clone(&way_back.supplies)),
            ..newcomers
        }
    }

    /// The newcomers before the last wave begins: whoever has the generation in hand, or belongs
    /// to a group whose wave is over, gets that; the others get the accepted one, unless they may
    /// run a stricter one.
    fn newcomers_of_a_wave(
        &self,
        (current, stage): (&Built, Stage),
        waves: &Waves,
        way_back: &WayBack,
    ) -> Newcomers {
        let groups = &current.document.rollout.groups;
        // Nobody gets anew what was rejected.
        let promoted = waves.promoted_groups().filter(|_| stage != Stage::Kept);
        let promoted = promoted.filter_map(|name| groups.get(name));
        let may_run_stricter =
            self.may_run_stricter > Looser::Not || way_back.may_allow_more_than_unaccepted;
        Newcomers {
            by_node: members(current, waves),
            by_group: promoted
                .map(|group| (selector(group), Arc::clone(&current.snapshot)))
                .collect(),
            first: None,
            others: (!may_run_stricter).then(|| Arc::clone(&way_back.snapshot)),
            supplies: Some(Arc::clone(&way_back.supplies)),
        }
    }

    /// The assignments before the last wave begins. Envoys that run neither the generation in
    /// hand nor the accepted one keep what they have: going back might allow more.
    fn table(
        &self,
        current: &Built,
        waves: &Waves,
        way_back: &WayBack,
    ) -> BTreeMap<NodeId, Arc<Snapshot>> {
        let accepted = way_back.snapshot.generation();
        let envoys = self.gateway.publisher.summaries();
        let unchanged = envoys
            .into_iter()
            .filter(|envoy| envoy.desired.as_ref() == Some(accepted))
            .map(|envoy| (envoy.id, Arc::clone(&way_back.snapshot)));
        let mut table: BTreeMap<_, _> = unchanged.collect();
        table.extend(members(current, waves));
        table
    }

    pub(super) fn has_connected(&self) -> bool {
        self.gateway
            .publisher
            .summaries()
            .iter()
            .any(|envoy| envoy.streams > 0)
    }

    fn situation<'a>(&'a self, state: &'a State, has_judge: bool) -> Situation<'a> {
        let accepted = state.accepted.as_ref().map(|accepted| &accepted.snapshot);
        let way_back = self.way_back.as_ref();
        Situation {
            current: &state.current.snapshot,
            accepted: way_back.map(|way_back| &way_back.snapshot).or(accepted),
            stage: state.stage,
            has_judge,
            has_passed: self.waves().is_some_and(Waves::has_passed),
            accepted_may_allow_more: self.may_run_stricter > Looser::Not
                || way_back.is_some_and(WayBack::may_allow_more),
        }
    }
}

/// Every Envoy that has been given the generation in hand as a member of a wave, with that.
fn members(current: &Built, waves: &Waves) -> BTreeMap<NodeId, Arc<Snapshot>> {
    let reached = waves.reached().cloned();
    reached
        .map(|id| (id, Arc::clone(&current.snapshot)))
        .collect()
}
