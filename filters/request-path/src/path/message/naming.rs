//! Where a message names the item that a rule may be about, where that is no tool.

use mcp_message::{Member, Message, Reference, Text};
use policy_engine::{EndpointId, ItemKind, Policy};

/// The method whose `params.ref` says what it is about.
const COMPLETES: &[u8] = b"completion/complete";

/// The part of a message that names the item that a rule may be about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NamedBy {
    /// The name in `params.name`.
    Name,
    /// The URI in `params.uri`.
    Uri,
    /// The object in `params.ref`.
    Reference,
    /// The method itself, in `method`.
    Method,
}

impl NamedBy {
    /// The part of the messages of a method; none where no rule is about any of them.
    pub(super) fn of_method(policy: &Policy, endpoint: EndpointId, method: &[u8]) -> Option<Self> {
        let may_rule = |kind| policy.may_rule_on(endpoint, kind, method);
        let (by, is_ruled) = match ItemKind::of_method(method) {
            ItemKind::Tool => return None,
            ItemKind::Prompt => (Self::Name, may_rule(ItemKind::Prompt)),
            ItemKind::Resource => (Self::Uri, may_rule(ItemKind::Resource)),
            ItemKind::Method if method == COMPLETES => {
                let is_ruled = may_rule(ItemKind::Prompt) || may_rule(ItemKind::Resource);
                (Self::Reference, is_ruled)
            }
            ItemKind::Method => (Self::Method, may_rule(ItemKind::Method)),
        };
        is_ruled.then_some(by)
    }

    /// Whether the part has been read.
    pub(super) fn is_read(self, message: &Message) -> bool {
        match self {
            Self::Name => message.name() != Member::Absent,
            Self::Uri => message.uri() != Member::Absent,
            Self::Reference => message.reference() != Reference::Absent,
            Self::Method => true,
        }
    }

    /// The kind of the item, and its name; the method where that is the name. `buffered` is the
    /// body so far.
    ///
    /// # Errors
    /// What the message lacks, in words for its caller.
    pub(super) fn find(
        self,
        message: &Message,
        buffered: &[u8],
    ) -> Result<(ItemKind, Text), &'static str> {
        let (kind, name, lacks) = match self {
            Self::Name => (
                ItemKind::Prompt,
                message.name(),
                "a string in `params.name`",
            ),
            Self::Uri => (
                ItemKind::Resource,
                message.uri(),
                "a string in `params.uri`",
            ),
            Self::Method => {
                let method = message.method().map_or(Member::Absent, Member::Text);
                (ItemKind::Method, method, "a `method`")
            }
            Self::Reference => {
                let lacks = "an object in `params.ref` of the type `ref/prompt` with a `name`, or \
                             `ref/resource` with a `uri`";
                let Reference::Whole {
                    kind: Member::Text(kind),
                    name,
                    uri,
                } = message.reference()
                else {
                    return Err(lacks);
                };
                // With both, servers might take it for the one or the other.
                match (ItemKind::of_reference(&kind.decoded(buffered)), name, uri) {
                    (Some(ItemKind::Prompt), name, Member::Absent) => {
                        (ItemKind::Prompt, name, lacks)
                    }
                    (Some(ItemKind::Resource), Member::Absent, uri) => {
                        (ItemKind::Resource, uri, lacks)
                    }
                    _ => return Err(lacks),
                }
            }
        };
        match name {
            Member::Text(name) => Ok((kind, name)),
            Member::Absent | Member::Other => Err(lacks),
        }
    }
}
