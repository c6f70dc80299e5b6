//! A message that is being read: its buffered bytes, and what is decided about it.

use std::ops::ControlFlow;

use mcp_message::{
    Capability, EndOfBody, Era, Kind, Member, Message, MessageBounds, ReadProgress, Reader,
};
use policy_engine::{
    Arguments, Decision, EndpointId, MessageForm, Permit, Policy, Principal, Refusal, ToolId, echo,
};
use proxy_host::RequestBody;
use proxy_host::limits::{Settled, settle};

use crate::agreement;
use crate::answer::Answer;
use crate::body_budget::WaitingCaller;
use crate::head::{Announced, Changes};
use crate::plugin::Plugin;
use crate::request::Host;
use crate::request::clearance::Clearance;

/// Nobody has said who calls until identity is part of the gateway.
const CALLER: Principal = Principal::Anonymous;

/// The fate of a message, by the part of it that has been read.
pub(super) enum MessageFate<'p> {
    /// That cannot be said yet.
    ReadOn,
    /// It goes where its permit says.
    Pass(Clearance<'p>),
    /// The filter answers it, and no upstream sees it.
    Refuse {
        answer: Answer,
        tool: Option<ToolId>,
    },
}

/// The refusal of a method that is closed. Tools are opened and closed by their names.
fn closed_method(
    plugin: &Plugin,
    capability: Capability,
    method: &[u8],
    form: MessageForm,
) -> Option<Refusal> {
    match capability {
        Capability::Tool => None,
        _ => plugin.policy.closed_method(method, form),
    }
}

impl From<Answer> for MessageFate<'_> {
    fn from(answer: Answer) -> Self {
        Self::Refuse { answer, tool: None }
    }
}

/// An answer that the caller waits for, and the form that it takes where the proxy itself gives it:
/// one for each of the notes that `local_reply_config` looks for
/// (`control-plane/server/src/envoy/local_reply.rs`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AwaitedAnswer {
    /// A tool's result under 200, on a session-based revision.
    ToolResult,
    /// An error under 200, on a session-based revision.
    Error,
    /// An error under a status of HTTP's, on 2026-07-28.
    ErrorWithStatus,
}

impl AwaitedAnswer {
    fn note(self) -> &'static str {
        match self {
            Self::ToolResult => "portcullis_call_id",
            Self::Error => "portcullis_request_id",
            Self::ErrorWithStatus => "portcullis_modern_id",
        }
    }
}

/// A longer id is not noted for the proxy's own answers, which then carry none: every request in
/// flight would hold it.
const LONGEST_NOTED_ID: usize = 1024;

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
    /// The tool that is called, once its name has been read and the caller may call it.
    tool: Option<ToolId>,
    /// The message as it stood when it said enough to be decided on. What follows may make it
    /// unreadable; it changes no decision, so that no decision depends on how the body was cut.
    decided_on: Option<Message>,
    /// The caller's id, once the bytes that hold it have been let go.
    id: Option<Vec<u8>>,
    /// The answer that the caller of a request waits for.
    awaited: Option<AwaitedAnswer>,
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
            tool: None,
            decided_on: None,
            id: None,
            awaited: None,
        }
    }

    pub(super) fn changes(&self) -> &Changes {
        &self.changes
    }

    /// The caller's id, as sent, if it has been read.
    pub(super) fn id(&self) -> Option<&[u8]> {
        self.id
            .as_deref()
            .or_else(|| self.reader.message().id().map(|id| id.raw(&self.buffered)))
    }

    /// Whom the answer to the call reaches, if so much of it has been read.
    pub(super) fn waiting_caller(&self) -> Option<WaitingCaller> {
        let id = self
            .id()
            .filter(|_| self.capability == Some(Capability::Tool))?;
        Some(WaitingCaller {
            era: self.announced.era,
            id: id.to_vec(),
        })
    }

    /// Notes the id of a request that passes, for the answers that the proxy gives where its server
    /// does not.
    pub(super) fn note_id(&self, host: &impl Host) {
        if let (Some(awaited), Some(id)) = (self.awaited, self.id())
            && id.len() <= LONGEST_NOTED_ID
        {
            host.note(awaited.note(), id);
        }
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

    /// Reads what has arrived since, while the proxy holds the body: `size` bytes of it.
    pub(super) fn read_on<'p>(
        &mut self,
        host: &impl Host,
        plugin: &'p Plugin,
        size: usize,
        end: EndOfBody,
    ) -> MessageFate<'p> {
        let known = self.arrived;
        if let Err(answer) = self.fetch(host, known, size.saturating_sub(known)) {
            return answer.into();
        }
        self.arrived = size;
        let (message, kind) = match self.decided_on {
            Some(message) => (message, Kind::Request),
            None => match self.read_to_decision(host, plugin, end) {
                ControlFlow::Break(judgement) => return judgement,
                ControlFlow::Continue(decidable) => decidable,
            },
        };
        // What has arrived behind the point of decision must be in order, too, before any of it
        // passes.
        let rest = self.read_rest(end);
        // The end is about to come: with it, a refusal costs no connection, and the upstream gets
        // all in one piece.
        let is_last = self.reader.is_closed() || self.announced.length == Some(self.arrived);
        if end == EndOfBody::NotYet && is_last {
            return MessageFate::ReadOn;
        }
        match (self.judge(host, plugin, &message, kind, end), rest) {
            (MessageFate::Pass(_), Err(answer)) => answer.into(),
            (judgement, _) => judgement,
        }
    }

    /// Reads on, member by member, until the message can be decided on: it is whole, or what is
    /// still missing can only be what nobody asks for, or a second of what is there, which the
    /// reader refuses. Breaks where that is not yet so, or where it is refused before.
    fn read_to_decision<'p>(
        &mut self,
        host: &impl Host,
        plugin: &'p Plugin,
        end: EndOfBody,
    ) -> ControlFlow<MessageFate<'p>, (Message, Kind)> {
        loop {
            match self.reader.push_to_member(&self.buffered, end) {
                Err(error) => return ControlFlow::Break(Answer::unreadable(&error).into()),
                Ok(Some(ReadProgress::Partial)) => return ControlFlow::Break(MessageFate::ReadOn),
                Ok(Some(ReadProgress::Complete(kind))) => {
                    return ControlFlow::Continue((*self.reader.message(), kind));
                }
                Ok(None) => {}
            }
            self.look_at_names(host, plugin)?;
            if self.says_enough(plugin) {
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

    /// Reads `size` bytes more, which are about to pass.
    pub(super) fn read_passing(
        &mut self,
        host: &impl RequestBody,
        size: usize,
        end: EndOfBody,
    ) -> Result<(), Answer> {
        self.fetch(host, 0, size)?;
        self.arrived = self.arrived.saturating_add(size);
        self.read_rest(self.end_of_promised(end))?;
        self.reader.release(&mut self.buffered);
        Ok(())
    }

    fn fetch(&mut self, host: &impl RequestBody, from: usize, length: usize) -> Result<(), Answer> {
        if length == 0 {
            return Ok(());
        }
        let fresh = host.body(from, length);
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

    /// Looks at the method and the name, each once, as soon as its end has been read, and refuses
    /// what they alone close. So no more is read and kept for a call that will be refused.
    fn look_at_names<'p>(
        &mut self,
        host: &impl Host,
        plugin: &'p Plugin,
    ) -> ControlFlow<MessageFate<'p>> {
        let message = self.reader.message();
        let Some(method) = message.method() else {
            return ControlFlow::Continue(());
        };
        let refuse = |answer, tool| ControlFlow::Break(MessageFate::Refuse { answer, tool });
        let era = self.announced.era;
        let capability = match self.capability {
            Some(capability) => capability,
            None => {
                let method = method.decoded(&self.buffered);
                let capability = *self.capability.insert(Capability::of_method(&method));
                // Whether there is an id, is not known yet.
                let form = MessageForm::Notification;
                if let Some(refusal) = closed_method(plugin, capability, &method, form) {
                    let agreed = agreement::check_names(&self.announced, &method, None);
                    return refuse(agreed.err().unwrap_or(Answer::refused(&refusal, era)), None);
                }
                capability
            }
        };
        let (Capability::Tool, None, Member::Text(name)) = (capability, self.tool, message.name())
        else {
            return ControlFlow::Continue(());
        };
        let started = host.monotonic();
        let name = name.decoded(&self.buffered);
        let (refusal, tool) = match plugin.policy.tool(self.endpoint, &name) {
            Err(refusal) => (refusal, None),
            Ok(tool) => match plugin.policy.closed_to(tool, &CALLER) {
                Some(refusal) => (refusal, Some(tool)),
                None => {
                    self.tool = Some(tool);
                    return ControlFlow::Continue(());
                }
            },
        };
        let agreed = agreement::check_names(&self.announced, b"tools/call", Some(&name));
        if let Err(answer) = agreed {
            return refuse(answer, None);
        }
        if let Some(tool) = tool {
            let took = host.monotonic().saturating_sub(started);
            plugin.statistics.decided(host, tool, took);
        }
        refuse(Answer::refused(&refusal, era), tool)
    }

    /// Whether a message of which more is to come can be decided on.
    fn says_enough(&self, plugin: &Plugin) -> bool {
        let message = self.reader.message();
        let (Some(capability), Some(_), true) =
            (self.capability, message.id(), message.is_json_rpc())
        else {
            return false;
        };
        if self.announced.era == Era::Modern && message.protocol_version().is_none() {
            return false;
        }
        match (capability, capability.named_in(message)) {
            (Capability::Plain, _) => true,
            (_, Member::Absent) => false,
            // Arguments are judged as a whole.
            (Capability::Tool, Member::Text(_)) => self
                .tool
                .is_some_and(|tool| !self.needs_arguments(&plugin.policy, tool)),
            _ => true,
        }
    }

    /// Whether the arguments are asked for: by the engine, or by headers that repeat them.
    fn needs_arguments(&self, policy: &Policy, tool: ToolId) -> bool {
        let is_modern = self.announced.era == Era::Modern;
        policy.needs_arguments(tool) || (is_modern && policy.repeats_arguments(tool))
    }

    fn judge<'p>(
        &mut self,
        host: &impl Host,
        plugin: &'p Plugin,
        message: &Message,
        kind: Kind,
        end: EndOfBody,
    ) -> MessageFate<'p> {
        let started = host.monotonic();
        let Some(method) = message.method() else {
            return match self.announced.era {
                Era::Legacy(_) => self.forward(&plugin.policy),
                Era::Modern => Answer::invalid(
                    "responses are not accepted on protocol 2026-07-28; answer in \
                     `inputResponses` of the call"
                        .to_owned(),
                )
                .into(),
            };
        };
        let method = method.decoded(&self.buffered);
        if let Err(answer) =
            agreement::check(&self.announced, message, &self.buffered, &method, kind)
        {
            return answer.into();
        }
        let capability = Capability::of_method(&method);
        self.awaited = match (kind, self.announced.era, capability) {
            (Kind::Notification | Kind::Response, ..) => None,
            (Kind::Request, Era::Modern, _) => Some(AwaitedAnswer::ErrorWithStatus),
            (Kind::Request, Era::Legacy(_), Capability::Tool) => Some(AwaitedAnswer::ToolResult),
            (Kind::Request, Era::Legacy(_), _) => Some(AwaitedAnswer::Error),
        };
        if kind == Kind::Request
            && let Some(refusal) = closed_method(plugin, capability, &method, MessageForm::Request)
        {
            return Answer::refused(&refusal, self.announced.era).into();
        }
        match (capability, capability.named_in(message)) {
            (_, Member::Absent | Member::Other) if capability != Capability::Plain => {
                Answer::nameless(&echo(&method), capability).into()
            }
            (Capability::Tool, Member::Text(_)) if kind != Kind::Request => {
                Answer::invalid("`tools/call` needs an `id`".to_owned()).into()
            }
            (Capability::Tool, Member::Text(_)) => {
                drop(method);
                // The name was looked up as soon as it had been read.
                let Some(tool) = self.tool else {
                    return Answer::not_ready().into();
                };
                let judgement = self.call(host, plugin, tool, message, end);
                let took = host.monotonic().saturating_sub(started);
                plugin.statistics.decided(host, tool, took);
                judgement
            }
            _ => {
                drop(method);
                self.forward(&plugin.policy)
            }
        }
    }

    fn call<'p>(
        &mut self,
        host: &impl Host,
        plugin: &'p Plugin,
        tool: ToolId,
        message: &Message,
        end: EndOfBody,
    ) -> MessageFate<'p> {
        let era = self.announced.era;
        let needs_arguments = self.needs_arguments(&plugin.policy, tool);
        let Self {
            announced,
            reader,
            buffered,
            ..
        } = self;
        let refuse = |answer| MessageFate::Refuse {
            answer,
            tool: Some(tool),
        };
        // Before the limits, so that what cannot be read costs its caller nothing.
        if !plugin.policy.needs_arguments(tool)
            && let Err(error) = reader.read_skipped(buffered)
        {
            return refuse(Answer::unreadable(&error));
        }
        let arguments = match (needs_arguments, message.arguments(), end) {
            (true, Some(arguments), _) => Arguments::Raw(arguments.raw(buffered)),
            (true, None, EndOfBody::Reached) => Arguments::Absent,
            (true, None, EndOfBody::NotYet) | (false, ..) => Arguments::NotRead,
        };
        let decision = plugin.policy.decide(tool, &CALLER, arguments);
        // Now the arguments can be read, and nothing has been counted yet.
        if era == Era::Modern && !matches!(decision, Decision::Refuse(_)) {
            let parameters = match plugin.policy.header_parameters(tool, arguments) {
                Ok(parameters) => parameters,
                Err(refusal) => return refuse(Answer::refused(&refusal, era)),
            };
            if let Err(answer) = agreement::check_parameters(announced, &parameters) {
                return refuse(answer);
            }
        }
        match decision {
            // What is not JSON is refused as such, by the place in the body.
            Decision::Refuse(refusal @ Refusal::BadArguments { .. }) => {
                refuse(match reader.read_skipped(buffered) {
                    Ok(()) => Answer::refused(&refusal, era),
                    Err(error) => Answer::unreadable(&error),
                })
            }
            Decision::Refuse(refusal) => refuse(Answer::refused(&refusal, era)),
            Decision::Allow(permit) => self.pass(host, plugin, tool, permit),
            Decision::Limit(pending) => {
                match settle(host, &plugin.hash_key, &pending, host.now()) {
                    Settled::Passed(permit) => self.pass(host, plugin, tool, permit),
                    Settled::Refused(refusal) => refuse(Answer::refused(&refusal, era)),
                    Settled::Unavailable => refuse(Answer::limits_unavailable(era)),
                }
            }
        }
    }

    fn pass<'p>(
        &mut self,
        host: &impl Host,
        plugin: &Plugin,
        tool: ToolId,
        permit: Permit<'p>,
    ) -> MessageFate<'p> {
        if !permit.shadowed().is_empty() {
            plugin.statistics.shadowed(host, tool);
        }
        self.clear(permit)
    }

    fn forward<'p>(&mut self, policy: &'p Policy) -> MessageFate<'p> {
        match policy.forward(self.endpoint) {
            Some(permit) => self.clear(permit),
            None => Answer::not_ready().into(),
        }
    }

    fn clear<'p>(&mut self, permit: Permit<'p>) -> MessageFate<'p> {
        match Clearance::new(permit, &mut self.reader, &self.buffered) {
            Ok(clearance) => MessageFate::Pass(clearance),
            Err(error) => Answer::unreadable(&error).into(),
        }
    }
}
