//! The places of a message that may name an item that is no tool.

use mcp_message::{Member, Message, Reference, Text};
use policy_engine::{ItemKind, NamedBy, Said, SaidNames, SaidReference};

/// Whether the part has been read.
pub(super) fn is_read(by: NamedBy, message: &Message) -> bool {
    match by {
        NamedBy::Name => message.name() != Member::Absent,
        NamedBy::Uri => message.uri() != Member::Absent,
        NamedBy::Reference => message.reference() != Reference::Absent,
        NamedBy::Method => true,
    }
}

/// All that a message says where it may name an item; `buffered` is the body so far.
pub(super) fn names(message: &Message, buffered: &[u8]) -> SaidNames<Text> {
    let reference = match message.reference() {
        Reference::Whole { kind, name, uri } => Some(SaidReference {
            kind: match kind {
                Member::Text(kind) => ItemKind::of_reference(&kind.decoded(buffered)),
                Member::Absent | Member::Other => None,
            },
            name: said(name),
            uri: said(uri),
        }),
        Reference::Absent | Reference::Other => None,
    };
    SaidNames {
        name: said(message.name()),
        uri: said(message.uri()),
        reference,
        method: message.method().map_or(Said::Nothing, Said::Text),
    }
}

fn said(member: Member) -> Said<Text> {
    match member {
        Member::Absent => Said::Nothing,
        Member::Text(text) => Said::Text(text),
        Member::Other => Said::Other,
    }
}
