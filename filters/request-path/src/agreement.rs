//! Whether the headers and the body of a message say the same (2026-07-28, Streamable HTTP, "Server
//! Validation").

use mcp_message::{Capability, Era, Kind, MODERN, Member, Message, header_text};
use policy_engine::{ArgumentValue, HeaderParameter, RepeatedArguments, echo};

use crate::answer::Answer;
use crate::head::Announced;

/// Compares what has been read of a message with what its headers announced. `method` is the
/// message's, decoded, beside the kind of thing that it is called on.
pub(crate) fn check(
    announced: &Announced,
    message: &Message,
    buffered: &[u8],
    (capability, method): (Capability, &[u8]),
    kind: Kind,
) -> Result<(), Answer> {
    let version = message
        .protocol_version()
        .map(|version| version.decoded(buffered));
    match (announced.era, version) {
        (Era::Modern, None) if kind == Kind::Request => return Err(Answer::missing_meta()),
        (Era::Modern, Some(version)) if *version != *MODERN.as_bytes() => {
            return Err(Answer::header_mismatch(format!(
                "the header MCP-Protocol-Version says {MODERN}, `params._meta` says `{}`; send \
                 the same",
                echo(&version)
            )));
        }
        // Whoever says it in the body means the modern era, and a server that believed the body
        // would not check headers.
        (Era::Legacy(_), Some(version)) => {
            return Err(Answer::header_mismatch(format!(
                "`params._meta` says protocol version `{}`, the header MCP-Protocol-Version does \
                 not; send the same",
                echo(&version)
            )));
        }
        _ => {}
    }
    if announced.era != Era::Modern {
        return Ok(());
    }
    let name = match capability.named_in(message) {
        Member::Text(name) => Some(name.decoded(buffered)),
        _ => None,
    };
    check_names(announced, capability, method, name.as_deref())
}

/// Compares the method and the name that it is called on with what the headers announced.
pub(crate) fn check_names(
    announced: &Announced,
    capability: Capability,
    method: &[u8],
    name: Option<&[u8]>,
) -> Result<(), Answer> {
    if announced.era != Era::Modern {
        return Ok(());
    }
    equal("Mcp-Method", announced.method.as_deref(), "method", method)?;
    match (name, capability.member(), &announced.name) {
        (Some(name), Some(member), said) => equal("Mcp-Name", said.as_deref(), member, name),
        // Whoever routes by the header would take the message for what it is not.
        (_, None, Some(said)) => Err(Answer::header_mismatch(format!(
            "the header Mcp-Name says `{}`, but `{}` is called on nothing of a name; leave the \
             header out",
            echo(said),
            echo(method)
        ))),
        _ => Ok(()),
    }
}

/// Compares the arguments that headers of a call on the modern era must repeat with those headers.
pub(crate) fn check_parameters(
    announced: &Announced,
    parameters: &RepeatedArguments<'_>,
) -> Result<(), Answer> {
    parameters
        .iter()
        .try_for_each(|(parameter, value)| check_parameter(announced, parameter, value))
}

fn check_parameter(
    announced: &Announced,
    parameter: &HeaderParameter,
    value: &ArgumentValue<'_>,
) -> Result<(), Answer> {
    let header = format!("Mcp-Param-{}", parameter.header());
    let member = echo(parameter.path().join(".").as_bytes());
    let member = format!("params.arguments.{member}");
    let said = announced.parameters.value(parameter)?;
    let said = said
        .map(header_text)
        .transpose()
        .map_err(|error| Answer::header_mismatch(format!("the header {header} {error}")))?;
    match (said, value, value.text()) {
        (None, ArgumentValue::Absent, _) => Ok(()),
        (Some(said), ArgumentValue::Absent, _) => Err(Answer::header_mismatch(format!(
            "the header {header} says `{}`, `{member}` is not there; send both or neither",
            echo(&said)
        ))),
        (Some(said), value, _) if value.is_said_by(&said) => Ok(()),
        (said, _, Some(text)) => equal(&header, said.as_deref(), &member, text),
        (_, _, None) => Err(Answer::header_mismatch(format!(
            "`{member}` is nothing that the header {header} can say; send text, a number, `true` \
             or `false`"
        ))),
    }
}

/// A legacy message names a protocol version after it was passed on as one that does not.
pub(crate) fn late_version() -> Answer {
    Answer::header_mismatch(
        "`params._meta` says a protocol version, the header MCP-Protocol-Version does not; send \
         the same"
            .to_owned(),
    )
}

fn equal(header: &str, announced: Option<&[u8]>, member: &str, value: &[u8]) -> Result<(), Answer> {
    match announced {
        Some(announced) if announced == value => Ok(()),
        Some(announced) => Err(Answer::header_mismatch(format!(
            "the header {header} says `{}`, `{member}` says `{}`; send the same",
            echo(announced),
            echo(value)
        ))),
        None => Err(Answer::header_mismatch(format!(
            "the header {header} is missing; send it with the value of `{member}`, here `{}`",
            echo(value)
        ))),
    }
}
