//! A message that is being read: its buffered bytes, and how far it has come.

mod awaited;
mod checking;
mod judging;
mod limiting;
mod naming;

use std::ops::ControlFlow;

use mcp_message::{Capability, EndOfBody, Era, Kind, Message, MessageBounds, ReadProgress, Reader};
use policy_engine::{ArgumentsCheck, EndpointId, Item, NamedBy, ToolId};

use super::clearance::Clearance;
use crate::agreement;
use crate::answer::Answer;
use crate::effects::{Effects, Event, Next};
use crate::head::{Announced, Changes};
use crate::passed_on::PassedOnShare;
use crate::request_budget::{NotedId, WaitingCaller};
use crate::settings::Settings;

use awaited::AwaitedAnswer;
use limiting::Limiting;

/// A piece of a body that has come in one event.
pub(super) struct Piece {
    /// The bytes that have not been seen before.
    pub(super) fresh: Vec<u8>,
    /// How many bytes the proxy buffers.
    pub(super) size: usize,
    pub(super) end: EndOfBody,
}

impl Piece {
    /// The end of a body, and nothing before it.
    pub(super) fn end() -> Self {
        Self {
            fresh: Vec::new(),
            size: 0,
            end: EndOfBody::Reached,
        }
    }
}

/// The fate of a message, by the part of it that has been read.
pub(super) enum MessageFate {
    /// That cannot be said yet.
    ReadOn,
    /// It waits for the answer to this.
    Ask(Next),
    /// It goes where its plan says.
    Pass(Clearance),
    /// The filter answers it, and no upstream sees it.
    Refuse { answer: Answer, item: Option<Item> },
}

impl From<Answer> for MessageFate {
    fn from(answer: Answer) -> Self {
        Self::Refuse { answer, item: None }
    }
}

/// A message of which all has been read that its decision needs.
struct Due {
    message: Message,
    kind: Kind,
    /// The fault of the bytes that have come behind the point of decision.
    rest: Option<Box<Answer>>,
}

pub(super) struct MessageInHand {
    endpoint: EndpointId,
    announced: Announced,
    changes: Changes,
    reader: Reader,
    /// The bytes that have been fetched from the proxy, each once.
    buffered: Vec<u8>,
    /// How many bytes of the body have arrived.
    arrived: usize,
    /// The kind of thing that the method is called on, once the method has been read.
    capability: Option<Capability>,
    /// Whether the method opens a stream of events.
    opens_stream: bool,
    /// Whether the method wants no answer.
    notifies: bool,
    /// Where it names the item that a rule may be about, where that is no tool; once the method has
    /// been read.
    named_by: Option<NamedBy>,
    /// The item that the message is about: a tool once its name has been read and the caller may
    /// call it, another where a rule is about it and all has been read.
    item: Option<Item>,
    /// The check of its arguments, which goes on as they are read.
    check: Option<ArgumentsCheck>,
    /// The message as it stood when it said enough to be decided on. What follows may make it
    /// unreadable; it changes no decision, so that no decision depends on how the body was cut.
    decided_on: Option<Message>,
    /// The message as it is due to be decided on.
    due: Option<Due>,
    /// How far the limits of the call have been asked.
    limiting: Limiting,
    /// Whether the last piece of the body has come.
    end: EndOfBody,
    /// The caller's id, once the bytes that hold it have been let go.
    id: Option<Vec<u8>>,
    /// The answer that the caller of a request waits for.
    awaited: Option<AwaitedAnswer>,
    /// The room behind the gateway that the body takes, once it may pass; none if not counted.
    passed_on: Option<PassedOnShare>,
}

impl MessageInHand {
    pub(super) fn new(
        endpoint: EndpointId,
        announced: Announced,
        changes: Changes,
        limits: MessageBounds,
    ) -> Self {
        Self {
            endpoint,
            announced,
            changes,
            reader: Reader::skipping_arguments(limits),
            buffered: Vec::new(),
            arrived: 0,
            capability: None,
            opens_stream: false,
            notifies: false,
            named_by: None,
            item: None,
            check: None,
            decided_on: None,
            due: None,
            limiting: Limiting::default(),
            end: EndOfBody::NotYet,
            id: None,
            awaited: None,
            passed_on: None,
        }
    }

    /// The tool that is called, once its name has been read and the caller may call it.
    fn tool(&self) -> Option<ToolId> {
        self.item.as_ref().and_then(Item::tool)
    }

    pub(super) fn endpoint(&self) -> EndpointId {
        self.endpoint
    }

    /// Takes out the changes to the headers of what goes upstream.
    pub(super) fn take_changes(&mut self) -> Changes {
        std::mem::take(&mut self.changes)
    }

    /// The caller's id, as sent, if it has been read.
    pub(super) fn id(&self) -> Option<&[u8]> {
        self.id
            .as_deref()
            .or_else(|| self.reader.message().id().map(|id| id.raw(&self.buffered)))
    }

    /// Whether it is of a method that wants no answer, as far as its method has been read.
    pub(super) fn is_of_notification(&self) -> bool {
        self.notifies
    }

    /// Whether the last piece of the body has come.
    pub(super) fn end(&self) -> EndOfBody {
        self.end
    }

    /// How many bytes of the body have arrived.
    pub(super) fn arrived(&self) -> usize {
        self.arrived
    }

    /// How many bytes of the body are kept here.
    pub(super) fn buffered(&self) -> usize {
        self.buffered.len()
    }

    /// Whether the end of the body is all that is still to come of it, by the length that the
    /// headers announced.
    pub(super) fn is_at_its_end(&self) -> bool {
        self.announced.length == Some(self.arrived)
    }

    /// Whom the answer to the call reaches, if so much of it has been read.
    pub(super) fn waiting_caller(&self) -> Option<WaitingCaller> {
        let id = self
            .id()
            .filter(|_| self.capability == Some(Capability::Tool))?;
        Some(WaitingCaller {
            era: self.announced.era,
            id: NotedId::from_slice(id),
        })
    }

    /// Notes the id of a request that passes, for the answers that the proxy gives where its server
    /// does not.
    pub(super) fn note_id(&self, effects: &mut Effects) {
        if let (Some(awaited), Some(id)) = (self.awaited, self.id()) {
            awaited.note_id(id, effects);
        }
    }

    /// Takes out the room that the body takes behind the gateway until its request ends.
    pub(super) fn take_passed_on(&mut self) -> Option<PassedOnShare> {
        self.passed_on.take()
    }

    /// The reader and what it has been given, to look for the id in what follows.
    pub(super) fn into_search(self) -> (Reader, Vec<u8>) {
        (self.reader, self.buffered)
    }

    /// Lets go of what was buffered; what follows is read as it passes.
    pub(super) fn let_go(&mut self) {
        self.id = self.id().map(<[u8]>::to_vec);
        self.reader.release(&mut self.buffered);
    }

    /// Reads what has arrived since, while the proxy holds the body.
    pub(super) fn read_on(
        &mut self,
        settings: &Settings,
        piece: Piece,
        effects: &mut Effects,
    ) -> MessageFate {
        let Piece { fresh, size, end } = piece;
        self.end = end;
        if let Err(answer) = self.take_in(fresh, size.saturating_sub(self.arrived)) {
            return answer.into();
        }
        self.arrived = size;
        if let Err(answer) = self.check_length() {
            return answer.into();
        }
        let (message, kind) = match self.decided_on {
            Some(message) => (message, Kind::Request),
            None => match self.read_to_decision(settings, end, effects) {
                ControlFlow::Break(fate) => return fate,
                ControlFlow::Continue(decidable) => decidable,
            },
        };
        // What has arrived behind the point of decision must be in order, too, before any of it
        // passes.
        let rest = self.read_rest(end).err().map(Box::new);
        // The end is about to come: with it, a refusal costs no connection, and the upstream gets
        // all in one piece.
        let is_last = self.reader.is_closed() || self.is_at_its_end();
        if end == EndOfBody::NotYet && is_last {
            return MessageFate::ReadOn;
        }
        self.due = Some(Due {
            message,
            kind,
            rest,
        });
        match self.tool() {
            Some(tool) => MessageFate::Ask(Next::Decide(tool)),
            None => self.decide(settings, effects),
        }
    }

    /// Goes on with the answer to what was asked for.
    pub(super) fn take_answer(
        &mut self,
        settings: &Settings,
        answer: &Event<'_>,
        effects: &mut Effects,
    ) -> MessageFate {
        match answer {
            Event::Decide => self.decide(settings, effects),
            answer => {
                let fate = self.go_on_limiting(settings, answer, effects);
                self.after_rest(fate)
            }
        }
    }

    fn decide(&mut self, settings: &Settings, effects: &mut Effects) -> MessageFate {
        let Some(Due { message, kind, .. }) = self.due else {
            return MessageFate::ReadOn;
        };
        let fate = self.judge(settings, &message, kind, effects);
        self.after_rest(fate)
    }

    /// Nothing passes of a message whose bytes behind the point of decision are not in order.
    fn after_rest(&mut self, fate: MessageFate) -> MessageFate {
        let rest = self
            .due
            .as_mut()
            .and_then(|due| due.rest.take_if(|_| matches!(fate, MessageFate::Pass(_))));
        rest.map_or(fate, |answer| (*answer).into())
    }

    /// Reads on, member by member, until the message can be decided on: it is whole, or what is
    /// still missing can only be what nobody asks for, or a second of what is there, which the
    /// reader refuses. Breaks where that is not yet so, or where it is refused before.
    fn read_to_decision(
        &mut self,
        settings: &Settings,
        end: EndOfBody,
        effects: &mut Effects,
    ) -> ControlFlow<MessageFate, (Message, Kind)> {
        loop {
            match self.read_and_check(settings, end) {
                Err(error) => return ControlFlow::Break(Answer::unreadable(&error).into()),
                Ok(Some(ReadProgress::Partial)) => return ControlFlow::Break(MessageFate::ReadOn),
                Ok(Some(ReadProgress::Complete(kind))) => {
                    return ControlFlow::Continue((*self.reader.message(), kind));
                }
                Ok(None) => {}
            }
            self.look_at_names(settings, effects)?;
            if let Err(answer) = self.check_length() {
                return ControlFlow::Break(answer.into());
            }
            if self.says_enough(settings) {
                // Nobody asks for the arguments, so they are read here, in their order.
                if let Err(error) = self.reader.read_skipped(&self.buffered) {
                    return ControlFlow::Break(Answer::unreadable(&error).into());
                }
                let message = *self.reader.message();
                self.decided_on = Some(message);
                return ControlFlow::Continue((message, Kind::Request));
            }
        }
    }

    /// Reads what lies behind the point of decision, as far as it has arrived.
    fn read_rest(&mut self, end: EndOfBody) -> Result<(), Answer> {
        loop {
            let read = self.reader.push_to_member(&self.buffered, end);
            let version = self.reader.message().protocol_version();
            if self.decided_on.is_some() && version.is_some() && self.announced.era != Era::Modern {
                return Err(agreement::late_version());
            }
            if read.map_err(|error| Answer::unreadable(&error))?.is_some() {
                return Ok(());
            }
        }
    }

    /// An upstream that was told the length takes so many bytes for the whole, without waiting for
    /// the end.
    fn end_of_promised(&self, end: EndOfBody) -> EndOfBody {
        let all_is_there = |length| self.arrived >= length;
        if self.announced.length.is_some_and(all_is_there) {
            EndOfBody::Reached
        } else {
            end
        }
    }

    /// Reads a piece more, which is about to pass.
    pub(super) fn read_passing(&mut self, piece: Piece) -> Result<(), Answer> {
        let Piece { fresh, size, end } = piece;
        self.take_in(fresh, size)?;
        self.arrived = self.arrived.saturating_add(size);
        self.check_length()?;
        self.read_rest(self.end_of_promised(end))?;
        self.reader.release(&mut self.buffered);
        let share = self.passed_on.as_mut();
        if share.is_none_or(|share| share.grow_to(self.arrived)) {
            Ok(())
        } else {
            Err(self.servers_behind())
        }
    }

    fn take_in(&mut self, fresh: Vec<u8>, length: usize) -> Result<(), Answer> {
        if fresh.len() != length {
            return Err(Answer::body_lost());
        }
        if self.buffered.is_empty() {
            self.buffered = fresh;
        } else {
            self.buffered.extend_from_slice(&fresh);
        }
        Ok(())
    }
}
