//! One request on its way.

mod answering;
mod clearance;
mod message;
mod phase;
mod refusing;
mod room;
mod routing;

use std::borrow::Cow;
use std::ops::Range;
use std::rc::Rc;

use mcp_message::{EndOfBody, ReadError, Reader};
use policy_engine::EndpointId;
use proxy_values::{HeaderPairs, StreamId};

use crate::answer::Answer;
use crate::effects::{Effect, Effects, Event, Next};
use crate::head::{Announced, Changes, Head, Rest};
use crate::passed_on::PassedOnShare;
use crate::request_budget::{Share, Stage};
use crate::settings::Settings;
use message::{MessageFate, MessageInHand, Piece};
use phase::Phase;
use refusing::{AnswerStream, IdSearch, Refusing};
use routing::pass_to;

/// One request on its way.
pub struct RequestPath {
    settings: Option<Rc<Settings>>,
    stream: StreamId,
    phase: Phase,
    /// How many bytes of the body the proxy buffered at the last event.
    size: usize,
    /// Whether something was asked of the proxy at the last event.
    is_asking: bool,
    /// The fate of the request if there is room for it, while the time is asked for.
    kept_if_room: Option<Next>,
    /// The part of the budget that the request takes until it passes or is answered.
    share: Option<Share>,
    /// The part that its body takes behind the gateway until the request ends.
    passed_on: Option<PassedOnShare>,
}

impl RequestPath {
    /// A request that has just arrived, of this number at the proxy. Without settings it will be
    /// refused.
    #[must_use]
    pub fn new(settings: Option<Rc<Settings>>, stream: StreamId) -> Self {
        Self {
            settings,
            stream,
            phase: Phase::Begun,
            size: 0,
            is_asking: false,
            kept_if_room: None,
            share: None,
            passed_on: None,
        }
    }

    /// A message whose headers have been read and said this. Nothing is kept of others beside it,
    /// so it takes no part of the budget.
    pub(crate) fn of_message(
        settings: Rc<Settings>,
        endpoint: EndpointId,
        announced: Announced,
    ) -> Self {
        let (changes, limits) = (Changes::default(), settings.limits);
        let message = MessageInHand::new(endpoint, announced, changes, limits);
        let mut path = Self::new(Some(settings), StreamId(0));
        path.phase = Phase::Reading(Box::new(message));
        path
    }

    /// Of a body of which the proxy buffers `size` bytes, those that [`Event::Body`] must bring:
    /// each is asked for once.
    #[must_use]
    pub fn wanted(&self, size: usize) -> Range<usize> {
        let share = self.share.as_ref();
        let from = match &self.phase {
            _ if share.is_some_and(|share| share.stage() != Stage::Kept) => size,
            Phase::Reading(message) => message.arrived().min(size),
            Phase::Streaming(_) => 0,
            Phase::Refusing(refusing) => refusing.fetched().map_or(size, |from| from.min(size)),
            Phase::Begun | Phase::Passed | Phase::Bodyless(..) | Phase::Answered => size,
        };
        from..size
    }

    /// Takes in an event, adds its effects to `effects`, and says what becomes of the request when
    /// they are carried out. What is asked for is answered by the next event: if another comes
    /// instead, the request is refused. An answer that nobody asked for changes nothing.
    pub fn on(&mut self, event: Event<'_>, effects: &mut Effects) -> Next {
        let next = match (self.is_asking, event.is_answer()) {
            (true, false) => self.refuse_out_of_turn(effects),
            (false, true) => Next::Hold,
            (true, true) | (false, false) => self.take_turn(event, effects),
        };
        self.is_asking = !matches!(next, Next::Go | Next::Hold);
        next
    }

    fn take_turn(&mut self, event: Event<'_>, effects: &mut Effects) -> Next {
        let next = match event {
            Event::Headers { pairs, end } => {
                let next = self.read_head(pairs, end, effects);
                self.open_share(pairs);
                next
            }
            Event::Body { size, fresh, end } => {
                if let Some(next) = self.leave_if_asked(effects) {
                    return next;
                }
                self.size = size;
                let end = if end {
                    EndOfBody::Reached
                } else {
                    EndOfBody::NotYet
                };
                self.read_body(Piece { fresh, size, end }, effects)
            }
            Event::Trailers => return self.end_by_trailers(effects),
            Event::Monotonic(now) => return self.make_room(now, effects),
            answer @ (Event::Decide
            | Event::TimeOfDay(_)
            | Event::Slot { .. }
            | Event::Written(_)) => self.take_answer(&answer, effects),
        };
        match next {
            Next::Go | Next::Hold => self.keep(next),
            asked => asked,
        }
    }

    fn read_head(&mut self, pairs: &HeaderPairs, end: bool, effects: &mut Effects) -> Next {
        let Some(settings) = self.settings.clone() else {
            return self.send(Answer::not_ready(), None, effects);
        };
        match Head::read(pairs, &settings) {
            Head::NotOurs { remove } => {
                let remove = remove.into_iter().map(Cow::Owned);
                effects.extend(remove.map(Effect::RemoveHeader));
                self.phase = Phase::Passed;
                Next::Go
            }
            Head::Refused {
                answer,
                rest: Rest::MayNeverEnd,
            } => self.send(answer, None, effects),
            Head::Refused {
                answer,
                rest: Rest::Ends,
            } => {
                let reader = answer
                    .wants_callers_id()
                    .then(|| Reader::new(settings.limits));
                let refusing = Refusing {
                    answer,
                    item: None,
                    id: None,
                    search: reader.map(|reader| IdSearch::new(reader, Vec::new())),
                    max_bytes: settings.limits.max_bytes,
                    stream: None,
                    is_of_notification: false,
                };
                self.refuse(refusing, end, effects)
            }
            Head::Bodyless {
                endpoint, changes, ..
            } if end => self.forward(&settings, endpoint, changes, effects),
            Head::Bodyless {
                rest: Rest::MayNeverEnd,
                ..
            } => self.send(Answer::unexpected_body(), None, effects),
            Head::Bodyless {
                endpoint, changes, ..
            } => {
                self.phase = Phase::Bodyless(endpoint, changes);
                Next::Hold
            }
            Head::Message {
                endpoint,
                announced,
                changes,
            } => {
                let limits = settings.limits;
                let message = MessageInHand::new(endpoint, announced, changes, limits);
                let message = Box::new(message);
                if end {
                    return self.read(&settings, message, Piece::end(), effects);
                }
                self.phase = Phase::Reading(message);
                Next::Hold
            }
        }
    }

    fn read_body(&mut self, piece: Piece, effects: &mut Effects) -> Next {
        let Some(settings) = self.settings.clone() else {
            return Next::Hold;
        };
        let (size, end) = (piece.size, piece.end == EndOfBody::Reached);
        match std::mem::replace(&mut self.phase, Phase::Answered) {
            Phase::Passed => {
                self.phase = Phase::Passed;
                Next::Go
            }
            Phase::Begun | Phase::Answered => Next::Hold,
            Phase::Bodyless(..) if size > 0 => {
                let refusing = Refusing {
                    answer: Answer::unexpected_body(),
                    item: None,
                    id: None,
                    search: None,
                    max_bytes: settings.limits.max_bytes,
                    stream: None,
                    is_of_notification: false,
                };
                self.refuse(refusing, end, effects)
            }
            Phase::Bodyless(endpoint, changes) if end => {
                self.forward(&settings, endpoint, changes, effects)
            }
            Phase::Bodyless(endpoint, changes) => {
                self.phase = Phase::Bodyless(endpoint, changes);
                Next::Hold
            }
            Phase::Reading(message) => self.read(&settings, message, piece, effects),
            Phase::Streaming(message) => self.read_passing(message, piece, effects),
            Phase::Refusing(mut refusing) => {
                refusing.look_for_id(&piece.fresh, piece.end);
                let limit = refusing.max_bytes;
                if size > limit {
                    refusing.replace_if_lost(|| Answer::unreadable(&ReadError::TooLarge { limit }));
                    return self.send_refusal(*refusing, effects);
                }
                if end {
                    return self.send_refusal_of_whole(*refusing, effects);
                }
                self.phase = Phase::Refusing(refusing);
                Next::Hold
            }
        }
    }

    /// The body was followed by trailers.
    fn end_by_trailers(&mut self, effects: &mut Effects) -> Next {
        if let Some(next) = self.leave_if_asked(effects) {
            return next;
        }
        self.share = None;
        match std::mem::replace(&mut self.phase, Phase::Answered) {
            Phase::Passed => {
                self.phase = Phase::Passed;
                Next::Go
            }
            Phase::Begun | Phase::Answered => Next::Hold,
            Phase::Refusing(mut refusing) => {
                refusing.replace_if_lost(Answer::trailers);
                self.send_refusal(*refusing, effects)
            }
            Phase::Bodyless(..) | Phase::Reading(_) | Phase::Streaming(_) => {
                self.send(Answer::trailers(), None, effects)
            }
        }
    }

    fn read(
        &mut self,
        settings: &Settings,
        mut message: Box<MessageInHand>,
        piece: Piece,
        effects: &mut Effects,
    ) -> Next {
        let fate = message.read_on(settings, piece, effects);
        self.meet(settings, message, fate, effects)
    }

    /// The message that waits has the answer to what it asked for.
    fn take_answer(&mut self, answer: &Event<'_>, effects: &mut Effects) -> Next {
        let Some(settings) = self.settings.clone() else {
            return Next::Hold;
        };
        match std::mem::replace(&mut self.phase, Phase::Answered) {
            Phase::Reading(mut message) => {
                let fate = message.take_answer(&settings, answer, effects);
                self.meet(&settings, message, fate, effects)
            }
            other => {
                self.phase = other;
                Next::Hold
            }
        }
    }

    /// Does what becomes of a message.
    fn meet(
        &mut self,
        settings: &Settings,
        mut message: Box<MessageInHand>,
        fate: MessageFate,
        effects: &mut Effects,
    ) -> Next {
        match fate {
            MessageFate::ReadOn => {
                self.phase = Phase::Reading(message);
                Next::Hold
            }
            MessageFate::Ask(next) => {
                self.phase = Phase::Reading(message);
                next
            }
            MessageFate::Pass(clearance) => {
                let plan = clearance.plan();
                let Some(address) = settings.policy.address(message.endpoint(), plan) else {
                    return self.meet(settings, message, Answer::not_ready().into(), effects);
                };
                pass_to(&address, plan, message.take_changes(), effects);
                message.note_id(effects);
                if message.end() == EndOfBody::NotYet {
                    message.let_go();
                    self.phase = Phase::Streaming(message);
                } else {
                    self.end_passing(message);
                }
                Next::Go
            }
            MessageFate::Refuse { answer, item } => {
                let id = message.id().map(<[u8]>::to_vec);
                let max_bytes = settings.limits.max_bytes;
                let (end, size) = (message.end(), self.size);
                let is_of_notification = message.is_of_notification();
                let stream = AnswerStream::of(&mut message, &settings.policy);
                let search = if id.is_none() && answer.wants_callers_id() {
                    let (reader, buffered) = message.into_search();
                    Some(IdSearch::new(reader, buffered))
                } else {
                    None
                };
                let mut refusing = Refusing {
                    answer,
                    item,
                    id,
                    search,
                    max_bytes,
                    stream,
                    is_of_notification,
                };
                // The id may stand behind what was refused.
                refusing.look_for_id(&[], end);
                if end == EndOfBody::Reached {
                    return self.send_refusal_of_whole(refusing, effects);
                }
                self.refuse(refusing, size > max_bytes, effects)
            }
        }
    }

    /// Reads what passes after the decision. The last bytes pass only if the whole was in order; if
    /// not, the answer takes the request's place, and the upstream is left with a request that
    /// never ended.
    fn read_passing(
        &mut self,
        mut message: Box<MessageInHand>,
        piece: Piece,
        effects: &mut Effects,
    ) -> Next {
        let end = piece.end;
        match message.read_passing(piece) {
            Err(answer) => self.send(answer, message.id(), effects),
            Ok(()) if end == EndOfBody::Reached => {
                self.end_passing(message);
                Next::Go
            }
            Ok(()) => {
                self.phase = Phase::Streaming(message);
                Next::Go
            }
        }
    }

    fn end_passing(&mut self, mut message: Box<MessageInHand>) {
        self.passed_on = message.take_passed_on();
        self.phase = Phase::Passed;
    }

    fn forward(
        &mut self,
        settings: &Settings,
        endpoint: EndpointId,
        changes: Changes,
        effects: &mut Effects,
    ) -> Next {
        let policy = &settings.policy;
        let plan = policy.forward(endpoint);
        let to = plan.and_then(|plan| Some((policy.address(endpoint, &plan)?, plan)));
        let Some((address, plan)) = to else {
            return self.send(Answer::not_ready(), None, effects);
        };
        pass_to(&address, &plan, changes, effects);
        self.phase = Phase::Passed;
        Next::Go
    }
}
