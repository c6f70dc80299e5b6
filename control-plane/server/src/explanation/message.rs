//! A message as Envoys read it: by the filter's own reader, within the listener's bounds.

use std::borrow::Cow;

use mcp_message::{Capability, EndOfBody, Kind, Member, ReadError, ReadProgress, Reader};
use policy_engine::{BodyLimits, ItemKind, NamedBy};
use request_path::{NAMELESS, message_bounds, names, reason_of_unreadable};

/// A whole message that could be read.
pub(super) struct ReadMessage<'b> {
    reader: Reader,
    body: &'b [u8],
    pub(super) kind: Kind,
}

/// Why Envoys refuse a message before any rule is asked.
pub(super) struct Unusable {
    /// The short word of the gateway's answer.
    pub(super) reason: &'static str,
    /// The sentence of the gateway's answer.
    pub(super) sentence: String,
}

impl From<ReadError> for Unusable {
    fn from(error: ReadError) -> Self {
        Self {
            reason: reason_of_unreadable(&error),
            sentence: error.to_string(),
        }
    }
}

impl<'b> ReadMessage<'b> {
    /// Reads the body of a message.
    ///
    /// # Errors
    /// The filter's, in its words.
    pub(super) fn of(body: &'b [u8], limits: BodyLimits) -> Result<Self, Unusable> {
        let mut reader = Reader::new(message_bounds(limits));
        match reader.push(body, EndOfBody::Reached)? {
            ReadProgress::Complete(kind) => Ok(Self { reader, body, kind }),
            // It stops before the end of the body for nothing but an error.
            ReadProgress::Partial => Err(ReadError::NotAnObject.into()),
        }
    }

    /// Its method; none for the answer to a server's request.
    pub(super) fn method(&self) -> Option<Cow<'b, [u8]>> {
        let method = self.reader.message().method();
        method.map(|method| method.decoded(self.body))
    }

    /// The name of the tool that it calls; none where it calls none.
    ///
    /// # Errors
    /// What a message of its method lacks that says what it is called on.
    pub(super) fn called_tool(&self, method: &[u8]) -> Result<Option<Cow<'b, [u8]>>, Unusable> {
        let capability = Capability::of_method(method);
        match (capability, capability.named_in(self.reader.message())) {
            (Capability::Plain, _) => Ok(None),
            (Capability::Tool, Member::Text(name)) => match self.kind {
                Kind::Request => Ok(Some(name.decoded(self.body))),
                _ => Err(Unusable {
                    reason: "invalid_request",
                    sentence: "`tools/call` needs an `id`".to_owned(),
                }),
            },
            (_, Member::Text(_)) => Ok(None),
            (_, Member::Absent | Member::Other) => {
                let member = capability.member().unwrap_or("params");
                Err(nameless(method, &format!("a string in `{member}`")))
            }
        }
    }

    /// The arguments of the call, as sent.
    pub(super) fn arguments(&self) -> Option<&'b [u8]> {
        let arguments = self.reader.message().arguments();
        arguments.map(|arguments| arguments.raw(self.body))
    }

    /// The kind and the name of the item that a rule may be about.
    ///
    /// # Errors
    /// What it lacks.
    pub(super) fn named(
        &self,
        method: &[u8],
        by: NamedBy,
    ) -> Result<(ItemKind, Cow<'b, [u8]>), Unusable> {
        let said = names(self.reader.message(), self.body);
        let (kind, name) = by.find(said).map_err(|lacks| nameless(method, lacks))?;
        Ok((kind, name.decoded(self.body)))
    }
}

fn nameless(method: &[u8], lacks: &str) -> Unusable {
    Unusable {
        reason: NAMELESS,
        sentence: format!("`{}` needs {lacks}", policy_engine::echo(method)),
    }
}
