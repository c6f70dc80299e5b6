//! Room for a request that is not at its end: asked for, given back, and taken away.

use proxy_host::HeaderPairs;

use super::{Flow, Host, Phase, Request};
use crate::answer::Answer;
use crate::plugin::Plugin;
use crate::request_budget::{Stage, WaitingCaller};

/// The room for a request's state, besides its headers and its body: the reader and the stream in
/// the filter take some 2 KiB, Envoy's stream with its filters the rest. With less, requests that
/// send nothing would cost more than they are charged; with much more, a few thousand that are
/// merely slow would shut out others.
const STATE_BYTES: usize = 8 << 10;

impl<H: Host> Request<'_, H> {
    /// Opens the request's share of the budget: what its headers take, and its state.
    pub(super) fn open_share(&mut self, plugin: &Plugin, pairs: &HeaderPairs) {
        let base = pairs.block().len().saturating_add(STATE_BYTES);
        self.share = Some(plugin.request_budget.open(self.stream, base));
    }

    /// Asks for room for what is kept of the request, and goes on as `flow` says if there is; gives
    /// it back where nothing is kept any more. The proxy buffers `size` bytes of its body.
    pub(super) fn keep(&mut self, flow: Flow, size: usize) -> Flow {
        let phase = &self.phase;
        let Some(share) = &self.share else {
            return flow;
        };
        let Some(kept) = phase.kept(size) else {
            self.share = None;
            return flow;
        };
        // Nearly every body comes in one piece, and then nobody will ask.
        if !phase.is_at_its_end() {
            share.note_caller(|| phase.waiting_caller());
        }
        if share.grow_to(kept, || self.host.monotonic()) {
            return flow;
        }
        self.leave("no_room")
    }

    /// Answers the request if it has to make way for another. None where it stays.
    pub(super) fn leave_if_asked(&mut self) -> Option<Flow> {
        match self.share.as_ref()?.stage() {
            Stage::Kept => None,
            Stage::Answered => Some(Flow::Wait),
            Stage::Leaving => Some(self.leave("made_way")),
        }
    }

    /// Answers the request for want of room: with the refusal that stands, where there is one, and
    /// the caller hears it as it is.
    fn leave(&mut self, reason: &'static str) -> Flow {
        self.share = None;
        match std::mem::replace(&mut self.phase, Phase::Answered) {
            Phase::Refusing(mut refusing) => {
                refusing.replace_if_lost(|| Answer::no_room(reason));
                self.send_refusal(*refusing)
            }
            phase => self.answer_for_room(Answer::no_room(reason), phase.waiting_caller()),
        }
    }

    fn answer_for_room(&mut self, answer: Answer, caller: Option<WaitingCaller>) -> Flow {
        match caller {
            Some(caller) => self.send(&answer.for_call(caller.era), Some(&caller.id)),
            None => self.send(&answer, None),
        }
    }

    /// Answers the requests that make way for others; only where this one has been
    /// answered.
    pub(super) fn send_leavers_away(&self, plugin: &Plugin) {
        for leaver in plugin.request_budget.leavers() {
            let mut answer = Answer::no_room("made_way");
            let mut id = None;
            if let Some(caller) = &leaver.caller {
                answer = answer.for_call(caller.era);
                id = Some(caller.id.as_slice());
            }
            plugin.statistics.refused(self.host, None, answer.reason());
            answer.write(id, |reply| {
                self.host.reply_to(leaver.stream, self.stream, reply);
            });
        }
    }
}
