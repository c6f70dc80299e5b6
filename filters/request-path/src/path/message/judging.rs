//! The decision on a message, from what has been read of it.

use std::ops::ControlFlow;

use mcp_message::{Capability, EndOfBody, Era, Kind, Member, Message};
use policy_engine::{
    Arguments, Decision, MessageForm, Plan, Policy, Principal, Refusal, TargetId, ToolId, echo,
};

use super::awaited::AwaitedAnswer;
use super::limiting::Limiting;
use super::{MessageFate, MessageInHand};
use crate::agreement;
use crate::answer::Answer;
use crate::effects::{Effect, Effects, Next};
use crate::passed_on::UNCOUNTED;
use crate::path::clearance::Clearance;
use crate::settings::Settings;

/// Nobody has said who calls until identity is part of the gateway.
pub(super) const CALLER: Principal = Principal::Anonymous;

/// The method that opens a stream of events: its body counts for as long as the stream lasts.
const OPENS_STREAM: &[u8] = b"subscriptions/listen";
/// The body of a request that opens a stream names what its client wants to hear of: a hundred long
/// URIs are a tenth of this.
const MOST_STREAM_BYTES: usize = 64 << 10;

/// The refusal of a method that is closed. Tools are opened and closed by their names.
fn closed_method(
    settings: &Settings,
    capability: Capability,
    method: &[u8],
    form: MessageForm,
) -> Option<Refusal> {
    match capability {
        Capability::Tool => None,
        _ => settings.policy.closed_method(method, form),
    }
}

impl MessageInHand {
    /// Looks at the method and the name, each once, as soon as its end has been read, and refuses
    /// what they alone close. So no more is read and kept for a call that will be refused.
    pub(super) fn look_at_names(
        &mut self,
        settings: &Settings,
        effects: &mut Effects,
    ) -> ControlFlow<MessageFate> {
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
                if let Some(refusal) = closed_method(settings, capability, &method, form) {
                    let agreed = agreement::check_names(&self.announced, capability, &method, None);
                    return refuse(agreed.err().unwrap_or(Answer::refused(&refusal, era)), None);
                }
                self.opens_stream = *method == *OPENS_STREAM;
                capability
            }
        };
        let (Capability::Tool, None, Member::Text(name)) = (capability, self.tool, message.name())
        else {
            return ControlFlow::Continue(());
        };
        let name = name.decoded(&self.buffered);
        let (refusal, tool) = match settings.policy.tool(self.endpoint, &name) {
            Err(refusal) => (refusal, None),
            Ok(tool) => match settings.policy.closed_to(tool, &CALLER) {
                Some(refusal) => (refusal, Some(tool)),
                None => {
                    self.tool = Some(tool);
                    return ControlFlow::Continue(());
                }
            },
        };
        let agreed =
            agreement::check_names(&self.announced, capability, b"tools/call", Some(&name));
        if let Err(answer) = agreed {
            return refuse(answer, None);
        }
        if let Some(tool) = tool {
            effects.push(Effect::Called(tool));
        }
        refuse(Answer::refused(&refusal, era), tool)
    }

    /// Refuses a body that is larger than a message of its method may be, once either is known.
    pub(super) fn check_length(&self) -> Result<(), Answer> {
        let bytes = self.announced.length.unwrap_or(0).max(self.arrived);
        if self.opens_stream && bytes > MOST_STREAM_BYTES {
            let answer = Answer::stream_request_too_large(MOST_STREAM_BYTES, self.announced.era);
            return Err(answer);
        }
        Ok(())
    }

    /// Whether a message of which more is to come can be decided on.
    pub(super) fn says_enough(&self, settings: &Settings) -> bool {
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
                .is_some_and(|tool| !self.needs_arguments(&settings.policy, tool)),
            _ => true,
        }
    }

    /// Whether the arguments are asked for: by the engine, or by headers that repeat them.
    fn needs_arguments(&self, policy: &Policy, tool: ToolId) -> bool {
        let is_modern = self.announced.era == Era::Modern;
        policy.needs_arguments(tool, &CALLER) || (is_modern && policy.repeats_arguments(tool))
    }

    pub(super) fn judge(
        &mut self,
        settings: &Settings,
        message: &Message,
        kind: Kind,
        effects: &mut Effects,
    ) -> MessageFate {
        let Some(method) = message.method() else {
            return match self.announced.era {
                Era::Legacy(_) => self.forward(settings),
                Era::Modern => Answer::invalid(
                    "responses are not accepted on protocol 2026-07-28; answer in \
                     `inputResponses` of the call"
                        .to_owned(),
                )
                .into(),
            };
        };
        let method = method.decoded(&self.buffered);
        let capability = self
            .capability
            .unwrap_or_else(|| Capability::of_method(&method));
        let agreed = agreement::check(
            &self.announced,
            message,
            &self.buffered,
            (capability, &method),
            kind,
        );
        if let Err(answer) = agreed {
            return answer.into();
        }
        self.awaited = AwaitedAnswer::to(kind, self.announced.era, capability);
        if kind == Kind::Request
            && let Some(refusal) =
                closed_method(settings, capability, &method, MessageForm::Request)
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
                let fate = self.call(settings, tool, message, effects);
                if !matches!(fate, MessageFate::Ask(_)) {
                    effects.push(Effect::Called(tool));
                }
                fate
            }
            _ => {
                drop(method);
                self.forward(settings)
            }
        }
    }

    fn call(
        &mut self,
        settings: &Settings,
        tool: ToolId,
        message: &Message,
        effects: &mut Effects,
    ) -> MessageFate {
        let era = self.announced.era;
        let needs_arguments = self.needs_arguments(&settings.policy, tool);
        let Self {
            announced,
            reader,
            buffered,
            check,
            ..
        } = self;
        let refuse = |answer| MessageFate::Refuse {
            answer,
            tool: Some(tool),
        };
        // Before the limits, so that what cannot be read costs its caller nothing.
        if !settings.policy.needs_arguments(tool, &CALLER)
            && let Err(error) = reader.read_skipped(buffered)
        {
            return refuse(Answer::unreadable(&error));
        }
        let arguments = match (needs_arguments, message.arguments(), self.end) {
            (true, Some(arguments), _) => Arguments::Raw(arguments.raw(buffered)),
            (true, None, EndOfBody::Reached) => Arguments::Absent,
            (true, None, EndOfBody::NotYet) | (false, ..) => Arguments::NotRead,
        };
        let decision = (settings.policy).decide_checked(tool, &CALLER, arguments, check.take());
        // Now the arguments can be read, and nothing has been counted yet.
        if era == Era::Modern && !matches!(decision, Decision::Refuse(_)) {
            let parameters = match settings.policy.header_parameters(tool, &CALLER, arguments) {
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
            Decision::Allow(plan) if self.take_room(settings, plan.target()) => {
                self.pass(tool, plan, effects)
            }
            // Room before the limits, so that a call that does not pass costs its caller nothing.
            Decision::Limit(pending) if self.take_room(settings, pending.target()) => {
                self.limiting = Limiting::Begins(pending);
                MessageFate::Ask(Next::TimeOfDay)
            }
            Decision::Allow(_) | Decision::Limit(_) => refuse(self.servers_behind()),
        }
    }

    pub(super) fn pass(&mut self, tool: ToolId, plan: Plan, effects: &mut Effects) -> MessageFate {
        if !plan.shadowed().is_empty() {
            effects.push(Effect::Shadowed(tool));
        }
        self.clear(plan)
    }

    fn forward(&mut self, settings: &Settings) -> MessageFate {
        match settings.policy.forward(self.endpoint) {
            Some(plan) if self.take_room(settings, plan.target()) => self.clear(plan),
            Some(_) => self.servers_behind().into(),
            None => Answer::not_ready().into(),
        }
    }

    /// Takes room behind the gateway for the body, as long as it is announced to be or has come,
    /// and says whether there is. It is given back with the message, if that is refused all the
    /// same.
    ///
    /// For all that is announced, because the limits count the call next: no room for a later piece
    /// would refuse a call that has been counted.
    fn take_room(&mut self, settings: &Settings, target: TargetId) -> bool {
        if self.end == EndOfBody::Reached && self.arrived <= UNCOUNTED {
            return true;
        }
        let announced = self.announced.length.unwrap_or(0);
        // The reader refuses what is larger, by its size.
        let bytes = announced.min(settings.limits.max_bytes).max(self.arrived);
        self.passed_on = settings
            .passed_on
            .open(settings.policy.cluster(target), bytes);
        self.passed_on.is_some()
    }

    /// The answer to a message for whose body there is no room behind the gateway.
    pub(super) fn servers_behind(&self) -> Answer {
        let answer = Answer::servers_behind();
        match self.capability {
            Some(Capability::Tool) => answer.for_call(self.announced.era),
            _ => answer,
        }
    }

    fn clear(&mut self, plan: Plan) -> MessageFate {
        match Clearance::new(plan, &mut self.reader, &self.buffered) {
            Ok(clearance) => MessageFate::Pass(clearance),
            Err(error) => Answer::unreadable(&error).into(),
        }
    }
}
