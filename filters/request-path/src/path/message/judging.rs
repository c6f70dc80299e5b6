//! The decision on a message, from what has been read of it.

use std::ops::ControlFlow;

use mcp_message::{Capability, EndOfBody, Era, Kind, Member, Message};
use policy_engine::{
    Arguments, Decision, Item, MessageForm, NamedBy, Naming, Plan, Policy, Principal, Refusal,
    TargetId, ToolId, echo,
};

use super::awaited::AwaitedAnswer;
use super::limiting::Limiting;
use super::naming;
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
/// The beginning of the methods that want no answer.
const NOTIFIES: &[u8] = b"notifications/";
/// The body of a request that opens a stream names what its client wants to hear of: a hundred long
/// URIs are a tenth of this.
const MOST_STREAM_BYTES: usize = 64 << 10;

/// The refusal of a method that is closed. Tools are opened and closed by their names, and so is
/// what rules are about.
fn closed_method(
    settings: &Settings,
    (capability, named_by): (Capability, Option<NamedBy>),
    method: &[u8],
    form: MessageForm,
) -> Option<Refusal> {
    match (capability, named_by) {
        (Capability::Tool, _) | (_, Some(_)) => None,
        _ => settings.policy.closed_method(method, form),
    }
}

/// The fate of a message about an item, which is counted once it is decided on.
fn counted(fate: MessageFate, item: Item, effects: &mut Effects) -> MessageFate {
    if !matches!(fate, MessageFate::Ask(_)) {
        effects.push(Effect::Called(item));
    }
    fate
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
        let refuse = |answer, item| ControlFlow::Break(MessageFate::Refuse { answer, item });
        let era = self.announced.era;
        let capability = match self.capability {
            Some(capability) => capability,
            None => {
                let method = method.decoded(&self.buffered);
                let capability = *self.capability.insert(Capability::of_method(&method));
                // Whether there is an id, is not known yet.
                let form = MessageForm::Notification;
                self.notifies = method.starts_with(NOTIFIES);
                self.named_by = settings.policy.named_by(self.endpoint, &method);
                let about = (capability, self.named_by);
                if let Some(refusal) = closed_method(settings, about, &method, form) {
                    let agreed = agreement::check_names(&self.announced, capability, &method, None);
                    return refuse(agreed.err().unwrap_or(Answer::refused(&refusal, era)), None);
                }
                self.opens_stream = *method == *OPENS_STREAM;
                capability
            }
        };
        let (Capability::Tool, None, Member::Text(name)) =
            (capability, self.tool(), message.name())
        else {
            return ControlFlow::Continue(());
        };
        let name = name.decoded(&self.buffered);
        let (refusal, item) = match settings.policy.tool(self.endpoint, &name) {
            Err(refusal) => (refusal, None),
            Ok(tool) => {
                let item = Item::from(tool);
                match settings.policy.closed_to(&item, &CALLER) {
                    Some(refusal) => (refusal, Some(item)),
                    None => {
                        self.item = Some(item);
                        return ControlFlow::Continue(());
                    }
                }
            }
        };
        let agreed =
            agreement::check_names(&self.announced, capability, b"tools/call", Some(&name));
        if let Err(answer) = agreed {
            return refuse(answer, None);
        }
        effects.extend(item.clone().map(Effect::Called));
        refuse(Answer::refused(&refusal, era), item)
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
        if self
            .named_by
            .is_some_and(|by| !naming::is_read(by, message))
        {
            return false;
        }
        match (capability, capability.named_in(message)) {
            (Capability::Plain, _) => true,
            (_, Member::Absent) => false,
            // Arguments are judged as a whole.
            (Capability::Tool, Member::Text(_)) => self
                .tool()
                .is_some_and(|tool| !self.needs_arguments(&settings.policy, tool)),
            _ => true,
        }
    }

    /// Whether the arguments are asked for: by the engine, or by headers that repeat them.
    fn needs_arguments(&self, policy: &Policy, tool: ToolId) -> bool {
        policy.needs_arguments(tool, &CALLER) || self.repeats_arguments(policy, tool)
    }

    /// Whether headers of the call must repeat some of its arguments.
    fn repeats_arguments(&self, policy: &Policy, tool: ToolId) -> bool {
        self.announced.era == Era::Modern && policy.repeats_arguments(tool)
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
            && let Some(refusal) = closed_method(
                settings,
                (capability, self.named_by),
                &method,
                MessageForm::Request,
            )
        {
            return Answer::refused(&refusal, self.announced.era).into();
        }
        match (capability, capability.named_in(message)) {
            (_, Member::Absent | Member::Other) if capability != Capability::Plain => {
                let member = capability.member().unwrap_or("params");
                Answer::nameless(&echo(&method), &format!("a string in `{member}`")).into()
            }
            (Capability::Tool, Member::Text(_)) if kind != Kind::Request => {
                Answer::invalid("`tools/call` needs an `id`".to_owned()).into()
            }
            (Capability::Tool, Member::Text(_)) => {
                drop(method);
                // The name was looked up as soon as it had been read.
                let Some(item) = self.item.clone() else {
                    return Answer::not_ready().into();
                };
                let fate = self.call(settings, &item, message, effects);
                counted(fate, item, effects)
            }
            _ => {
                let item = self.unlisted_item(settings, message, &method, kind);
                drop(method);
                match item {
                    Ok(Some(item)) => {
                        self.item = Some(item.clone());
                        let fate = self.use_unlisted(settings, &item, effects);
                        counted(fate, item, effects)
                    }
                    Ok(None) => self.forward(settings),
                    Err(answer) => answer.into(),
                }
            }
        }
    }

    /// The item other than a tool that the message is about; none where no rule is about it.
    fn unlisted_item(
        &self,
        settings: &Settings,
        message: &Message,
        method: &[u8],
        kind: Kind,
    ) -> Result<Option<Item>, Answer> {
        let Some(named_by) = self.named_by else {
            return Ok(None);
        };
        let (era, policy) = (self.announced.era, &settings.policy);
        let form = match kind {
            Kind::Request => MessageForm::Request,
            Kind::Notification | Kind::Response => MessageForm::Notification,
        };
        let (kind, name) = named_by
            .find(naming::names(message, &self.buffered))
            .map_err(|lacks| Answer::nameless(&echo(method), lacks))?;
        let naming = Naming {
            kind,
            method,
            name: &name.decoded(&self.buffered),
            form,
        };
        match policy.item(self.endpoint, naming) {
            Ok(None) => match policy.closed_method(method, form) {
                Some(refusal) => Err(Answer::refused(&refusal, era)),
                None => Ok(None),
            },
            Ok(item) => Ok(item),
            Err(refusal) => Err(Answer::refused(&refusal, era)),
        }
    }

    fn use_unlisted(
        &mut self,
        settings: &Settings,
        item: &Item,
        effects: &mut Effects,
    ) -> MessageFate {
        // Before the limits, so that what cannot be read costs its caller nothing.
        if let Err(error) = self.reader.read_skipped(&self.buffered) {
            return Answer::unreadable(&error).into();
        }
        let decision = settings
            .policy
            .decide_checked(item, &CALLER, Arguments::NotRead, None);
        self.meet_decision(settings, item, decision, effects)
    }

    fn call(
        &mut self,
        settings: &Settings,
        item: &Item,
        message: &Message,
        effects: &mut Effects,
    ) -> MessageFate {
        let Some(tool) = item.tool() else {
            return Answer::not_ready().into();
        };
        let era = self.announced.era;
        let is_checked = settings.policy.needs_arguments(tool, &CALLER);
        let needs_arguments = is_checked || self.repeats_arguments(&settings.policy, tool);
        let Self {
            announced,
            reader,
            buffered,
            check,
            ..
        } = self;
        let refuse = |answer| MessageFate::Refuse {
            answer,
            item: Some(item.clone()),
        };
        // Before the limits, so that what cannot be read costs its caller nothing.
        if !is_checked && let Err(error) = reader.read_skipped(buffered) {
            return refuse(Answer::unreadable(&error));
        }
        let arguments = match (needs_arguments, message.arguments(), self.end) {
            (true, Some(arguments), _) => Arguments::Raw(arguments.raw(buffered)),
            (true, None, EndOfBody::Reached) => Arguments::Absent,
            (true, None, EndOfBody::NotYet) | (false, ..) => Arguments::NotRead,
        };
        let decision = (settings.policy).decide_checked(item, &CALLER, arguments, check.take());
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
        // What is not JSON is refused as such, by the place in the body.
        if let Decision::Refuse(Refusal::BadArguments { .. }) = &decision
            && let Err(error) = reader.read_skipped(buffered)
        {
            return refuse(Answer::unreadable(&error));
        }
        self.meet_decision(settings, item, decision, effects)
    }

    fn meet_decision(
        &mut self,
        settings: &Settings,
        item: &Item,
        decision: Decision,
        effects: &mut Effects,
    ) -> MessageFate {
        let era = self.announced.era;
        let refuse = |answer| MessageFate::Refuse {
            answer,
            item: Some(item.clone()),
        };
        match decision {
            Decision::Refuse(refusal) => refuse(Answer::refused(&refusal, era)),
            Decision::Allow(plan) if self.take_room(settings, plan.target()) => {
                self.pass(plan, effects)
            }
            // Room before the limits, so that a call that does not pass costs its caller nothing.
            Decision::Limit(pending) if self.take_room(settings, pending.target()) => {
                self.limiting = Limiting::Begins(pending);
                MessageFate::Ask(Next::TimeOfDay)
            }
            Decision::Allow(_) | Decision::Limit(_) => refuse(self.servers_behind()),
        }
    }

    pub(super) fn pass(&mut self, plan: Plan, effects: &mut Effects) -> MessageFate {
        if !plan.shadowed().is_empty() {
            let violations = plan.shadowed().to_vec();
            let tool = plan.tool();
            effects.extend(tool.map(|tool| Effect::Shadowed { tool, violations }));
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
