//! Hands generations out: to the Envoys that are connected, and to those that come.

use std::sync::Arc;

use xds::Distribution;

use super::super::state::{Stage, State};
use super::RolloutActor;
use super::newcomers::{Situation, newcomers};

impl RolloutActor {
    /// Tells the publisher who is to have what; the connected ones too, if they are to have
    /// something else.
    pub(super) fn hand_out(&self, with_connected: bool) {
        let publisher = &self.gateway.publisher;
        let (current, newcomers) = {
            let state = self.gateway.read();
            let has_judge = with_connected && state.stage == Stage::Open && self.has_connected();
            let newcomers = newcomers(&self.situation(&state, has_judge));
            (Arc::clone(&state.current), newcomers)
        };
        if !with_connected {
            return publisher.offer(newcomers);
        }
        publisher.distribute(Distribution {
            connected: Arc::clone(&current.snapshot),
            newcomers,
            ack_deadline: current.document.rollout.ack_deadline.duration(),
        });
    }

    /// Says what newcomers get, if that has changed with whether an Envoy is judging.
    pub(super) fn offer(&self, has_judge: bool) {
        let newcomers = newcomers(&self.situation(&self.gateway.read(), has_judge));
        self.gateway.publisher.offer(newcomers);
    }

    fn has_connected(&self) -> bool {
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
            accepted_may_allow_more: self.may_run_stricter
                || way_back.is_some_and(|way_back| way_back.may_allow_more),
        }
    }
}
