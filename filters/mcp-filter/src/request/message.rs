//! A message that is being read: what is held of it, and what is decided about it.

use mcp_message::{Capability, EndOfBody, Era, Kind, Limits, Member, Message, Progress, Reader};
use policy_engine::{
    Arguments, Decision, EndpointId, Permit, Policy, Principal, Refusal, ToolId, echo,
};
use proxy_host::RequestBody;
use proxy_host::limits::{Settled, settle};

use crate::agreement;
use crate::answer::Answer;
use crate::head::{Announced, Changes};
use crate::plugin::Plugin;
use crate::request::Host;
use crate::request::clearance::Clearance;

/// What is to become of a message, by what has been read of it.
pub(super) enum Judgement<'p> {
    /// That cannot be said yet.
    ReadOn,
    /// It goes where its permit says.
    Pass(Clearance<'p>),
    /// It is answered.
    Refuse {
        answer: Answer,
        tool: Option<ToolId>,
    },
}

impl From<Answer> for Judgement<'_> {
    fn from(answer: Answer) -> Self {
        Self::Refuse { answer, tool: None }
    }
}

pub(super) struct MessageInHand {
    endpoint: EndpointId,
    announced: Announced,
    changes: Changes,
    reader: Reader,
    /// The bytes that have been fetched from the proxy, each once.
    held: Vec<u8>,
    /// How many bytes of the body have arrived.
    arrived: usize,
}

impl MessageInHand {
    pub(super) fn new(
        endpoint: EndpointId,
        announced: Announced,
        changes: Changes,
        limits: Limits,
    ) -> Self {
        Self {
            endpoint,
            announced,
            changes,
            reader: Reader::skipping_arguments(limits),
            held: Vec::new(),
            arrived: 0,
        }
    }

    pub(super) fn changes(&self) -> &Changes {
        &self.changes
    }

    /// The caller's id, as sent, if it has been read.
    pub(super) fn id(&self) -> Option<&[u8]> {
        self.reader.message().id().map(|id| id.raw(&self.held))
    }

    /// The reader and what it has been given, to look for the id in what follows.
    pub(super) fn into_search(self) -> (Reader, Vec<u8>) {
        (self.reader, self.held)
    }

    /// Lets go of what was held; what follows is read as it passes.
    pub(super) fn let_go(&mut self) {
        self.reader.release(&mut self.held);
    }

    /// Reads what has arrived since, while the proxy holds the body: `size` bytes of it.
    pub(super) fn read_on<'p>(
        &mut self,
        host: &impl Host,
        plugin: &'p Plugin,
        size: usize,
        end: EndOfBody,
    ) -> Judgement<'p> {
        let known = self.arrived;
        if let Err(answer) = self.fetch(host, known, size.saturating_sub(known)) {
            return answer.into();
        }
        self.arrived = size;
        match self.reader.push(&self.held, end) {
            Err(error) => Answer::unreadable(&error).into(),
            Ok(Progress::Partial) if self.says_enough(plugin) => {
                self.judge(host, plugin, Kind::Request, end)
            }
            Ok(Progress::Partial) => Judgement::ReadOn,
            Ok(Progress::Complete(kind)) => self.judge(host, plugin, kind, end),
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
        // An upstream that was told the length takes these bytes for the whole, without waiting for the end.
        let end = if self
            .announced
            .length
            .is_some_and(|length| self.arrived >= length)
        {
            EndOfBody::Reached
        } else {
            end
        };
        self.reader
            .push(&self.held, end)
            .map_err(|error| Answer::unreadable(&error))?;
        self.reader.release(&mut self.held);
        match (self.announced.era, self.reader.message().protocol_version()) {
            (Era::Legacy(_), Some(_)) => Err(agreement::late_version()),
            _ => Ok(()),
        }
    }

    fn fetch(&mut self, host: &impl RequestBody, from: usize, length: usize) -> Result<(), Answer> {
        if length == 0 {
            return Ok(());
        }
        let fresh = host.body(from, length);
        if fresh.len() != length {
            return Err(Answer::body_lost());
        }
        if self.held.is_empty() {
            self.held = fresh;
        } else {
            self.held.extend_from_slice(&fresh);
        }
        Ok(())
    }

    /// Whether a message of which more is to come can be decided on: what is still missing can only be what
    /// nobody asks for, or a second of what is there, which the reader refuses.
    fn says_enough(&self, plugin: &Plugin) -> bool {
        // The end is about to come: with it, a refusal costs no connection, and the upstream gets all in one piece.
        if self.reader.is_closed() || self.announced.length == Some(self.arrived) {
            return false;
        }
        let message = self.reader.message();
        let (Some(method), Some(_), true) = (message.method(), message.id(), message.is_json_rpc())
        else {
            return false;
        };
        if self.announced.era == Era::Modern && message.protocol_version().is_none() {
            return false;
        }
        let capability = Capability::of_method(&method.decoded(&self.held));
        match (capability, capability.named_in(message)) {
            (Capability::Plain, _) => true,
            (_, Member::Absent) => false,
            // Arguments are judged as a whole.
            (Capability::Tool, Member::Text(name)) => plugin
                .policy
                .tool(self.endpoint, &name.decoded(&self.held))
                .is_ok_and(|tool| !plugin.policy.needs_arguments(tool)),
            _ => true,
        }
    }

    fn judge<'p>(
        &mut self,
        host: &impl Host,
        plugin: &'p Plugin,
        kind: Kind,
        end: EndOfBody,
    ) -> Judgement<'p> {
        let started = host.monotonic();
        let message = *self.reader.message();
        let Some(method) = message.method() else {
            return match self.announced.era {
                Era::Legacy(_) => self.forward(&plugin.policy),
                Era::Modern => Answer::invalid(
                    "responses are not accepted on protocol 2026-07-28; answer in `inputResponses` of the call".to_owned(),
                )
                .into(),
            };
        };
        let method = method.decoded(&self.held);
        if let Err(answer) = agreement::check(&self.announced, &message, &self.held, &method, kind)
        {
            return answer.into();
        }
        let capability = Capability::of_method(&method);
        match (capability, capability.named_in(&message)) {
            (_, Member::Absent | Member::Other) if capability != Capability::Plain => {
                Answer::nameless(&echo(&method), capability).into()
            }
            (Capability::Tool, Member::Text(_)) if kind != Kind::Request => {
                Answer::invalid("`tools/call` needs an `id`".to_owned()).into()
            }
            (Capability::Tool, Member::Text(name)) => {
                let name = name.decoded(&self.held);
                match plugin.policy.tool(self.endpoint, &name) {
                    Err(refusal) => Answer::refused(&refusal, self.announced.era).into(),
                    Ok(tool) => {
                        drop((method, name));
                        let judgement = self.call(host, plugin, tool, &message, end);
                        plugin.statistics.decided(
                            host,
                            tool,
                            host.monotonic().saturating_sub(started),
                        );
                        judgement
                    }
                }
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
    ) -> Judgement<'p> {
        let era = self.announced.era;
        let Self {
            announced,
            reader,
            held,
            ..
        } = self;
        let refuse = |answer| Judgement::Refuse {
            answer,
            tool: Some(tool),
        };
        let arguments = if !plugin.policy.needs_arguments(tool) {
            // Before the limits, so that what cannot be read costs its caller nothing.
            if let Err(error) = reader.read_skipped(held) {
                return refuse(Answer::unreadable(&error));
            }
            Arguments::NotRead
        } else {
            match (message.arguments(), end) {
                (Some(arguments), _) => Arguments::Raw(arguments.raw(held)),
                (None, EndOfBody::Reached) => Arguments::Absent,
                (None, EndOfBody::NotYet) => Arguments::NotRead,
            }
        };
        // Nobody has said who calls until identity is part of the gateway.
        let decision = plugin.policy.decide(tool, &Principal::Anonymous, arguments);
        // Now the arguments can be read, and nothing has been counted yet.
        if era == Era::Modern && !matches!(decision, Decision::Refuse(_)) {
            let parameters = plugin.policy.header_parameters(tool, arguments);
            if let Err(answer) = agreement::check_parameters(announced, &parameters) {
                return refuse(answer);
            }
        }
        match decision {
            // What is not JSON is refused as such, by the place in the body.
            Decision::Refuse(refusal @ Refusal::BadArguments { .. }) => {
                refuse(match reader.read_skipped(held) {
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
                    Settled::Unavailable => refuse(Answer::limits_unavailable()),
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
    ) -> Judgement<'p> {
        if !permit.shadowed().is_empty() {
            plugin.statistics.shadowed(host, tool);
        }
        self.clear(permit)
    }

    fn forward<'p>(&mut self, policy: &'p Policy) -> Judgement<'p> {
        match policy.forward(self.endpoint) {
            Some(permit) => self.clear(permit),
            None => Answer::not_ready().into(),
        }
    }

    fn clear<'p>(&mut self, permit: Permit<'p>) -> Judgement<'p> {
        match Clearance::new(permit, &mut self.reader, &self.held) {
            Ok(clearance) => Judgement::Pass(clearance),
            Err(error) => Answer::unreadable(&error).into(),
        }
    }
}
