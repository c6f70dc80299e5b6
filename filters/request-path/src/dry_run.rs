//! The request path of a message alone, for whoever explains decisions.

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use mcp_message::{
    Capability, EndOfBody, Era, LegacyRevision, Member, Message, PROTOCOL_VERSION, Reader,
    header_text_of,
};
use policy_engine::settlement::Stored;
use policy_engine::slots::{HashKey, SlotVersion};
use policy_engine::wire::{CLUSTER_HEADER, Exchange};
use policy_engine::{
    Arguments, EndpointId, Item, Policy, Principal, TargetId, UnixNanos, Violation,
};

use crate::answer::Answer;
use crate::effects::{Effect, Effects, Event, HeaderValue, Next};
use crate::head::{Announced, HeaderText, Parameters};
use crate::path::RequestPath;
use crate::settings::{Budgets, Settings};

/// The way of a message of an anonymous caller whose headers agree with it, and whose limits
/// nobody has used. The request path itself decides, so a message that could be refused for more
/// than one reason is refused for the reason that the filter names. Nothing is counted.
#[derive(Debug)]
pub struct DryRun<'b> {
    /// The item that the message is about, where that is known and a rule may be about it.
    pub item: Option<Item>,
    /// The fate of the message.
    pub fate: Fate,
    /// The faults of arguments with which it passes only because their validation is in shadow.
    pub shadowed: Vec<Violation>,
    /// The text in `params.name`, as far as the message can be read.
    pub name: Option<Cow<'b, [u8]>>,
    /// The bytes of `params.arguments`, as far as the message can be read.
    pub arguments: Option<&'b [u8]>,
}

/// The fate of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It goes to this server.
    Passes(TargetId),
    /// The gateway answers it.
    Refused {
        /// The short fixed word of the answer.
        reason: &'static str,
        /// The sentence for the caller.
        sentence: String,
    },
}

/// The era of a message that says no version.
const UNSAID: Era = Era::Legacy(LegacyRevision::V2025_11_25);
/// Any time of day: nothing has been counted before it.
const NOW: UnixNanos = UnixNanos(1_800_000_000_000_000_000);

impl<'b> DryRun<'b> {
    /// Takes the message, which is the whole body of a request to an endpoint, through the request
    /// path.
    #[must_use]
    pub fn of(policy: &Arc<Policy>, endpoint: EndpointId, body: &'b [u8]) -> Self {
        let budgets = Budgets::default();
        let settings = Settings::new(Arc::clone(policy), HashKey([0; 16]), &budgets);
        let mut reader = Reader::skipping_arguments(settings.limits);
        // What cannot be read, the path refuses.
        let is_read = reader.push(body, EndOfBody::Reached).is_ok();
        let message = reader.message();
        let era = match message.protocol_version() {
            Some(version) => era_of(&version.decoded(body)),
            None if is_read => Ok(UNSAID),
            // Its client has read it, and sends the header that goes with it.
            None => era_of_unread(body),
        };
        let Met {
            fate,
            item,
            shadowed,
        } = match (policy.exchange(endpoint), era) {
            (Exchange::EventStream, _) => Met::refused(&Answer::method_not_allowed("GET")),
            (_, Err(answer)) => Met::refused(&answer),
            (Exchange::Streamable | Exchange::Messages, Ok(era)) => {
                let announced = announced(policy, endpoint, (message, era), body);
                let path = RequestPath::of_message(Rc::new(settings), endpoint, announced);
                met(run(path, body))
            }
        };
        Self {
            item,
            fate,
            shadowed,
            name: text(message.name(), body),
            arguments: message.arguments().map(|span| span.raw(body)),
        }
    }
}

fn text(member: Member, body: &[u8]) -> Option<Cow<'_, [u8]>> {
    match member {
        Member::Text(text) => Some(text.decoded(body)),
        Member::Absent | Member::Other => None,
    }
}

/// The era of a message that says this version, as its header says it, too.
///
/// # Errors
/// The answer to a version that the gateway does not know.
fn era_of(version: &[u8]) -> Result<Era, Answer> {
    Era::of_header(Some(version)).map_err(|error| Answer::unsupported_version(error, version))
}

/// The era of a message whose version cannot be read, or stands behind what cannot.
fn era_of_unread(body: &[u8]) -> Result<Era, Answer> {
    let text = String::from_utf8_lossy(body);
    let behind = text.split_once(PROTOCOL_VERSION).map(|(_, behind)| behind);
    let value = behind.and_then(|behind| behind.split('"').nth(2));
    value.map_or(Ok(UNSAID), |value| era_of(value.as_bytes()))
}

/// The headers that a client of the era sends with a message.
fn announced(
    policy: &Policy,
    endpoint: EndpointId,
    (message, era): (&Message, Era),
    body: &[u8],
) -> Announced {
    let method = message.method().map(|method| method.decoded(body));
    let method = method.unwrap_or_default();
    let capability = Capability::of_method(&method);
    let name = text(capability.named_in(message), body);
    let parameters = match (capability, &name) {
        (Capability::Tool, Some(name)) => {
            let arguments = message.arguments();
            let arguments = arguments.map_or(Arguments::Absent, |it| Arguments::Raw(it.raw(body)));
            parameters(policy, endpoint, name, arguments)
        }
        _ => Vec::new(),
    };
    Announced {
        era,
        method: Some(HeaderText::from_slice(&method)),
        name: name.map(|name| HeaderText::from_slice(&name)),
        parameters: Parameters::of(parameters),
        length: Some(body.len()),
    }
}

/// The headers that repeat arguments of a call: the ends of their names, and their values.
fn parameters(
    policy: &Policy,
    endpoint: EndpointId,
    tool: &[u8],
    arguments: Arguments<'_>,
) -> Vec<(Vec<u8>, Vec<u8>)> {
    let tool = policy.tool(endpoint, tool).ok();
    let caller = &Principal::Anonymous;
    let repeated = tool.and_then(|tool| policy.header_parameters(tool, caller, arguments).ok());
    let repeated = repeated.unwrap_or_default();
    let said = repeated.iter().filter_map(|(parameter, value)| {
        let value = header_text_of(value.text()?);
        Some((parameter.header().as_bytes().to_vec(), value.into_bytes()))
    });
    said.collect()
}

/// The effects of a whole body; of its limits nothing is used up.
fn run(mut path: RequestPath, body: &[u8]) -> Effects {
    let mut effects = Effects::new();
    let mut event = Event::Body {
        size: body.len(),
        fresh: body.to_vec(),
        end: true,
    };
    loop {
        event = match path.on(event, &mut effects) {
            Next::Go | Next::Hold => return effects,
            Next::Decide(_) => Event::Decide,
            Next::TimeOfDay => Event::TimeOfDay(NOW),
            Next::Monotonic => Event::Monotonic(Duration::ZERO),
            Next::Read(_) => Event::Slot {
                bytes: &[],
                version: SlotVersion(0),
            },
            Next::Write { .. } => Event::Written(Stored::Yes),
        };
    }
}

/// The end of a message.
struct Met {
    fate: Fate,
    item: Option<Item>,
    shadowed: Vec<Violation>,
}

impl Met {
    /// The end of a message that is answered before it is looked at.
    fn refused(answer: &Answer) -> Self {
        Self {
            fate: refused(answer),
            item: None,
            shadowed: Vec::new(),
        }
    }
}

/// The end of a message that the effects tell.
fn met(effects: Effects) -> Met {
    let (mut fate, mut about, mut shadowed) = (None, None, Vec::new());
    for effect in effects {
        match effect {
            Effect::Answer(reply) | Effect::ReplaceBody(reply) => {
                fate = Some(refused(reply.answer()));
            }
            Effect::SetHeader {
                name: CLUSTER_HEADER,
                value: HeaderValue::Cluster(target),
            } if fate.is_none() => fate = Some(Fate::Passes(target)),
            Effect::Passed { item, .. } | Effect::Refused { item, .. } => about = item,
            Effect::Shadowed { violations, .. } => shadowed = violations,
            _ => {}
        }
    }
    Met {
        // Whoever says nothing of a message does not let it pass.
        fate: fate.unwrap_or_else(|| refused(&Answer::not_ready())),
        item: about,
        shadowed,
    }
}

fn refused(answer: &Answer) -> Fate {
    Fate::Refused {
        reason: answer.reason(),
        sentence: answer.sentence().to_owned(),
    }
}
