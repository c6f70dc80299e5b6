//! Hands generations out: to the Envoys that are connected, and to those that come.

use std::sync::Arc;

use xds::Distribution;

use super::Gateway;
use super::newcomers::{Situation, newcomers};
use super::state::{Stage, State};
use crate::generation::Built;

impl Gateway {
    /// Tells the publisher who is to have what; the connected ones too, if they are to have
    /// something else.
    pub(super) fn hand_out(&self, with_connected: bool) {
        let (current, newcomers) = {
            let state = self.read();
            let has_judge = with_connected && state.stage == Stage::Open && self.has_connected();
            let situation = situation(&state, has_judge);
            (Arc::clone(&state.current), newcomers(&situation))
        };
        if !with_connected {
            return self.publisher.offer(newcomers);
        }
        self.publisher.distribute(Distribution {
            connected: Arc::clone(&current.snapshot),
            newcomers,
            ack_deadline: current.document.rollout.ack_deadline.duration(),
        });
    }

    /// Says what newcomers get, if that has changed with whether an Envoy is judging.
    pub(super) fn offer(&self, has_judge: bool) {
        let newcomers = newcomers(&situation(&self.read(), has_judge));
        self.publisher.offer(newcomers);
    }

    fn has_connected(&self) -> bool {
        self.publisher
            .summaries()
            .iter()
            .any(|envoy| envoy.streams > 0)
    }

    pub(super) fn show_document(&self, built: &Built) {
        self.document.send_if_modified(|document| {
            let changed = *document != built.document;
            *document = Arc::clone(&built.document);
            changed
        });
    }
}

fn situation(state: &State, has_judge: bool) -> Situation<'_> {
    let accepted = state.accepted.as_ref().map(|accepted| &accepted.snapshot);
    let way_back = state.way_back.as_ref();
    Situation {
        current: &state.current.snapshot,
        accepted: way_back.map(|way_back| &way_back.snapshot).or(accepted),
        stage: state.stage,
        has_judge,
        accepted_may_allow_more: state.may_run_stricter
            || way_back.is_some_and(|way_back| way_back.may_allow_more),
    }
}
