//! One request on its way through the filter.

mod clearance;
mod message;
mod refusing;
mod room;

use std::rc::Rc;
use std::time::Duration;

use mcp_message::{EndOfBody, ReadError, Reader};
use policy_engine::wire::CLUSTER_HEADER;
use policy_engine::{Address, EndpointId, ToolId};
use proxy_host::{
    Answering, Clock, HeaderPairs, Metrics, RequestBody, RequestHeaders, SharedData, StreamId,
};

use crate::access_notes::{ALLOWED, NotedDecision};
use crate::answer::Answer;
use crate::head::{Changes, EXPECTED_TIMEOUT, Head, Rest, TIMEOUT};
use crate::passed_on::PassedOnShare;
use crate::plugin::Plugin;
use crate::request_budget::{Share, WaitingCaller};
use message::{MessageFate, MessageInHand};
use refusing::{AnswerStream, IdSearch, Refusing};

/// All that the request path asks of the proxy.
pub trait Host: RequestHeaders + RequestBody + Answering + SharedData + Metrics + Clock {}

impl<T: RequestHeaders + RequestBody + Answering + SharedData + Metrics + Clock> Host for T {}

/// Whether a request goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// The bytes that the proxy has buffered may go on to the next filter.
    Continue,
    /// They stay buffered; or the request has been answered.
    Wait,
}

/// A request on its way.
pub struct Request<'h, H> {
    host: &'h H,
    plugin: Option<Rc<Plugin>>,
    stream: StreamId,
    phase: Phase,
    /// The part of the budget that the request takes until it passes or is answered.
    share: Option<Share>,
    /// The part that its body takes behind the gateway until the request ends.
    passed_on: Option<PassedOnShare>,
}

enum Phase {
    /// The headers have not come yet.
    Begun,
    /// Nothing of it concerns the filter any more.
    Passed,
    /// A GET or DELETE that is forwarded once it is sure that it has no body.
    Bodyless(EndpointId, Changes),
    /// The message is being read, and buffered.
    Reading(Box<MessageInHand>),
    /// The message was allowed; the rest of it is read as it passes.
    Streaming(Box<MessageInHand>),
    /// The answer stands. It is sent at the end of the body: before, an HTTP/1.1 connection would
    /// be closed with it.
    Refusing(Box<Refusing>),
    Answered,
}

impl Phase {
    fn waiting_caller(&self) -> Option<WaitingCaller> {
        match self {
            Self::Reading(message) | Self::Streaming(message) => message.waiting_caller(),
            _ => None,
        }
    }

    fn is_at_its_end(&self) -> bool {
        matches!(self, Self::Reading(message) if message.is_at_its_end())
    }

    /// How many bytes of the body are kept of a request that is not at its end, of whose body the
    /// proxy buffers `size` bytes; none where nothing of it is kept any more.
    fn kept(&self, size: usize) -> Option<usize> {
        match self {
            Self::Bodyless(..) | Self::Reading(_) | Self::Refusing(_) => Some(size),
            Self::Streaming(message) => Some(message.buffered()),
            Self::Begun | Self::Passed | Self::Answered => None,
        }
    }
}

impl<'h, H: Host> Request<'h, H> {
    /// A request that has just arrived, of this number at the proxy. Without a plugin it will be
    /// refused.
    pub fn new(host: &'h H, plugin: Option<Rc<Plugin>>, stream: StreamId) -> Self {
        Self {
            host,
            plugin,
            stream,
            phase: Phase::Begun,
            share: None,
            passed_on: None,
        }
    }

    /// The headers are there; `end` if nothing follows them.
    pub fn on_headers(&mut self, end: bool) -> Flow {
        let Some(plugin) = self.plugin.clone() else {
            return self.send(&Answer::not_ready(), None);
        };
        let pairs = self.host.header_pairs();
        let flow = self.read_head(&plugin, &pairs, end);
        if self.phase.kept(0).is_none() {
            return flow;
        }
        self.open_share(&plugin, &pairs);
        self.keep(flow, 0)
    }

    fn read_head(&mut self, plugin: &Plugin, pairs: &HeaderPairs, end: bool) -> Flow {
        match Head::read(pairs, plugin) {
            Head::NotOurs { remove } => {
                for name in &remove {
                    self.host.remove_header(name);
                }
                self.phase = Phase::Passed;
                Flow::Continue
            }
            Head::Refused {
                answer,
                rest: Rest::MayNeverEnd,
            } => self.send(&answer, None),
            Head::Refused {
                answer,
                rest: Rest::Ends,
            } => {
                let reader = answer
                    .wants_callers_id()
                    .then(|| Reader::new(plugin.limits));
                let refusing = Refusing {
                    answer,
                    tool: None,
                    id: None,
                    search: reader.map(|reader| IdSearch::new(reader, Vec::new())),
                    max_bytes: plugin.limits.max_bytes,
                    stream: None,
                };
                self.refuse(refusing, end)
            }
            Head::Bodyless {
                endpoint, changes, ..
            } if end => self.forward(plugin, endpoint, &changes),
            Head::Bodyless {
                rest: Rest::MayNeverEnd,
                ..
            } => self.send(&Answer::unexpected_body(), None),
            Head::Bodyless {
                endpoint, changes, ..
            } => {
                self.phase = Phase::Bodyless(endpoint, changes);
                Flow::Wait
            }
            Head::Message {
                endpoint,
                announced,
                changes,
            } => {
                let message = Box::new(MessageInHand::new(
                    endpoint,
                    announced,
                    changes,
                    plugin.limits,
                ));
                if end {
                    return self.read(plugin, message, 0, EndOfBody::Reached);
                }
                self.phase = Phase::Reading(message);
                Flow::Wait
            }
        }
    }

    /// More of the body is there: `size` bytes are buffered now; `end` if they are the last.
    pub fn on_body(&mut self, size: usize, end: bool) -> Flow {
        if let Some(flow) = self.leave_if_asked() {
            return flow;
        }
        let flow = self.read_body(size, end);
        self.keep(flow, size)
    }

    fn read_body(&mut self, size: usize, end: bool) -> Flow {
        let Some(plugin) = self.plugin.clone() else {
            return Flow::Wait;
        };
        let end_of_body = if end {
            EndOfBody::Reached
        } else {
            EndOfBody::NotYet
        };
        match std::mem::replace(&mut self.phase, Phase::Answered) {
            Phase::Passed => {
                self.phase = Phase::Passed;
                Flow::Continue
            }
            Phase::Begun | Phase::Answered => Flow::Wait,
            Phase::Bodyless(..) if size > 0 => {
                let refusing = Refusing {
                    answer: Answer::unexpected_body(),
                    tool: None,
                    id: None,
                    search: None,
                    max_bytes: plugin.limits.max_bytes,
                    stream: None,
                };
                self.refuse(refusing, end)
            }
            Phase::Bodyless(endpoint, changes) if end => self.forward(&plugin, endpoint, &changes),
            Phase::Bodyless(endpoint, changes) => {
                self.phase = Phase::Bodyless(endpoint, changes);
                Flow::Wait
            }
            Phase::Reading(message) => self.read(&plugin, message, size, end_of_body),
            Phase::Streaming(message) => self.read_passing(message, size, end_of_body),
            Phase::Refusing(mut refusing) => {
                refusing.look_for_id(self.host, size, end_of_body);
                let limit = refusing.max_bytes;
                if size > limit {
                    refusing.replace_if_lost(|| Answer::unreadable(&ReadError::TooLarge { limit }));
                    return self.send_refusal(*refusing);
                }
                if end {
                    return self.send_refusal_of_whole(*refusing);
                }
                self.phase = Phase::Refusing(refusing);
                Flow::Wait
            }
        }
    }

    /// The body was followed by trailers.
    pub fn on_trailers(&mut self) -> Flow {
        if let Some(flow) = self.leave_if_asked() {
            return flow;
        }
        self.share = None;
        match std::mem::replace(&mut self.phase, Phase::Answered) {
            Phase::Passed => {
                self.phase = Phase::Passed;
                Flow::Continue
            }
            Phase::Begun | Phase::Answered => Flow::Wait,
            Phase::Refusing(mut refusing) => {
                refusing.replace_if_lost(Answer::trailers);
                self.send_refusal(*refusing)
            }
            Phase::Bodyless(..) | Phase::Reading(_) | Phase::Streaming(_) => {
                self.send(&Answer::trailers(), None)
            }
        }
    }

    fn read(
        &mut self,
        plugin: &Plugin,
        mut message: Box<MessageInHand>,
        size: usize,
        end: EndOfBody,
    ) -> Flow {
        let fate = message.read_on(self.host, plugin, size, end);
        match fate {
            MessageFate::ReadOn => {
                self.phase = Phase::Reading(message);
                Flow::Wait
            }
            MessageFate::Pass(clearance) => {
                let permit = clearance.permit();
                let address = plugin.policy.address(message.endpoint(), permit);
                self.pass_to(&address, permit.timeout(), message.changes());
                self.note_passed(plugin, message.tool());
                message.note_id(self.host);
                if end == EndOfBody::NotYet {
                    message.let_go();
                    self.phase = Phase::Streaming(message);
                } else {
                    self.end_passing(*message);
                }
                Flow::Continue
            }
            MessageFate::Refuse { answer, tool } => {
                let id = message.id().map(<[u8]>::to_vec);
                let max_bytes = plugin.limits.max_bytes;
                let stream = AnswerStream::of(&mut message, &plugin.policy);
                let search = if id.is_none() && answer.wants_callers_id() {
                    let (reader, buffered) = message.into_search();
                    Some(IdSearch::new(reader, buffered))
                } else {
                    None
                };
                let mut refusing = Refusing {
                    answer,
                    tool,
                    id,
                    search,
                    max_bytes,
                    stream,
                };
                // The id may stand behind what was refused.
                refusing.look_for_id(self.host, size, end);
                if end == EndOfBody::Reached {
                    return self.send_refusal_of_whole(refusing);
                }
                self.refuse(refusing, size > max_bytes)
            }
        }
    }

    /// Reads what passes after the decision. The last bytes pass only if the whole was in order; if
    /// not, the answer takes the request's place, and the upstream is left with a request that
    /// never ended.
    fn read_passing(
        &mut self,
        mut message: Box<MessageInHand>,
        size: usize,
        end: EndOfBody,
    ) -> Flow {
        match message.read_passing(self.host, size, end) {
            Err(answer) => self.send(&answer, message.id()),
            Ok(()) if end == EndOfBody::Reached => {
                self.end_passing(*message);
                Flow::Continue
            }
            Ok(()) => {
                self.phase = Phase::Streaming(message);
                Flow::Continue
            }
        }
    }

    fn end_passing(&mut self, message: MessageInHand) {
        self.passed_on = message.into_passed_on();
        self.phase = Phase::Passed;
    }

    fn forward(&mut self, plugin: &Plugin, endpoint: EndpointId, changes: &Changes) -> Flow {
        let Some(permit) = plugin.policy.forward(endpoint) else {
            return self.send(&Answer::not_ready(), None);
        };
        let address = plugin.policy.address(endpoint, &permit);
        self.pass_to(&address, permit.timeout(), changes);
        self.note_passed(plugin, None);
        self.phase = Phase::Passed;
        Flow::Continue
    }

    fn note_passed(&self, plugin: &Plugin, tool: Option<ToolId>) {
        let noted = NotedDecision {
            decision: ALLOWED,
            tool,
            rule: None,
        };
        plugin.access_notes.note(self.host, &plugin.policy, noted);
    }

    /// Sends the request where it may go. Changing a header makes Envoy choose the route again.
    fn pass_to(&self, address: &Address<'_>, timeout: Option<Duration>, changes: &Changes) {
        for name in &changes.remove {
            self.host.remove_header(name);
        }
        if address.credentials.stay_home() {
            for name in &changes.credentials {
                self.host.remove_header(name.as_bytes());
            }
        }
        self.host.set_header(CLUSTER_HEADER, address.cluster);
        if let Some(path) = address.path
            && path.as_bytes() != &*changes.path
        {
            self.host.set_header(":path", path);
        }
        if let Some(timeout) = timeout {
            let milliseconds = timeout.as_millis().to_string();
            self.host.set_header(TIMEOUT, &milliseconds);
            self.host.set_header(EXPECTED_TIMEOUT, &milliseconds);
        }
    }
}
