//! Room for a request that is not at its end: asked for, given back, and taken away.

use std::time::Duration;

use proxy_values::HeaderPairs;

use super::RequestPath;
use super::phase::Phase;
use crate::answer::{Answer, Reply};
use crate::effects::{Effect, Effects, Next};
use crate::request_budget::{Stage, WaitingCaller};

/// The room for a request's state, besides its headers and its body: the reader and the stream in
/// the filter take some 2 KiB, Envoy's stream with its filters the rest. With less, requests that
/// send nothing would cost more than they are charged; with much more, a few thousand that are
/// merely slow would shut out others.
const STATE_BYTES: usize = 8 << 10;

impl RequestPath {
    /// Opens the request's share of the budget where something of it is kept: what its headers
    /// take, and its state.
    pub(super) fn open_share(&mut self, pairs: &HeaderPairs) {
        if let Some(settings) = self.settings.as_ref()
            && self.phase.kept(0).is_some()
        {
            let base = pairs.block().len().saturating_add(STATE_BYTES);
            self.share = Some(settings.request_budget.open(self.stream, base));
        }
    }

    /// Takes room for what is kept of the request, and says `next` if there is; asks for the time
    /// where room is short; gives it back where nothing is kept any more.
    pub(super) fn keep(&mut self, next: Next) -> Next {
        let Some(share) = &self.share else {
            return next;
        };
        let Some(kept) = self.phase.kept(self.size) else {
            // Whoever had to make way has been answered.
            self.share = None;
            return next;
        };
        // Nearly every body comes in one piece, and then nobody will ask.
        if !self.phase.is_at_its_end() {
            share.note_caller(|| self.phase.waiting_caller());
        }
        if share.grow_to(kept) {
            return next;
        }
        self.kept_if_room = Some(next);
        Next::Monotonic
    }

    /// Room was short: others that have taken their time make way, or else this request does.
    pub(super) fn make_room(&mut self, now: Duration, effects: &mut Effects) -> Next {
        let Some(next) = self.kept_if_room.take() else {
            return Next::Hold;
        };
        let kept = self.phase.kept(self.size);
        let has_room = match (&self.share, kept) {
            (Some(share), Some(kept)) => share.make_room(kept, now),
            _ => true,
        };
        if has_room {
            next
        } else {
            self.leave("no_room", effects)
        }
    }

    /// Answers the request if it has to make way for another. None where it stays.
    pub(super) fn leave_if_asked(&mut self, effects: &mut Effects) -> Option<Next> {
        match self.share.as_ref()?.stage() {
            Stage::Kept => None,
            Stage::Answered => Some(Next::Hold),
            Stage::Leaving => Some(self.leave("made_way", effects)),
        }
    }

    /// Answers a request that goes on before what was asked for has been answered. What the limits
    /// have counted of it stays counted: strict, never loose.
    #[cold]
    pub(super) fn refuse_out_of_turn(&mut self, effects: &mut Effects) -> Next {
        let warning = "an event came before the answer to what was asked; the request is refused";
        effects.push(Effect::Warn(warning.to_owned()));
        self.share = None;
        self.kept_if_room = None;
        let caller = std::mem::replace(&mut self.phase, Phase::Answered).waiting_caller();
        let id = caller.as_ref().map(|caller| &*caller.id);
        self.send(Answer::body_lost(), id, effects)
    }

    /// Answers the request for want of room: with the refusal that stands, where there is one, and
    /// the caller hears it as it is.
    fn leave(&mut self, reason: &'static str, effects: &mut Effects) -> Next {
        self.share = None;
        match std::mem::replace(&mut self.phase, Phase::Answered) {
            Phase::Refusing(mut refusing) => {
                refusing.replace_if_lost(|| Answer::no_room(reason));
                self.send_refusal(*refusing, effects)
            }
            phase => match phase.waiting_caller() {
                Some(WaitingCaller { era, id }) => {
                    self.send(Answer::no_room(reason).for_call(era), Some(&id), effects)
                }
                None => self.send(Answer::no_room(reason), None, effects),
            },
        }
    }

    /// Answers the requests that make way for others; only where this one has been answered.
    pub(super) fn send_leavers_away(&self, effects: &mut Effects) {
        let Some(settings) = &self.settings else {
            return;
        };
        for leaver in settings.request_budget.leavers() {
            let mut answer = Answer::no_room("made_way");
            let mut id = None;
            if let Some(caller) = leaver.caller {
                answer = answer.for_call(caller.era);
                id = Some(caller.id.to_vec());
            }
            effects.push(Effect::AnswerOther {
                stream: leaver.stream,
                reply: Box::new(Reply { answer, id }),
            });
        }
    }
}
