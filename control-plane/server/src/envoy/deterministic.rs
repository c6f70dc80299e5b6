//! Maps in a fixed order.

use envoy_types::pb::google::protobuf::Any;
use prost::encoding::{WireType, encode_key, encode_varint};
use prost::{Message, Name};

/// Writes one message from parts, each of which holds at most one entry of any map.
///
/// Messages written one after another read as one, merged (Protocol Buffers, "Encoding: last one
/// wins"), with singular sub-messages merged in turn and maps united. So the parts' order is the
/// entries' order, which a map of several entries in one part would not have.
pub(super) fn merged<M: Message + Name>(parts: impl IntoIterator<Item = M>) -> Any {
    Any {
        type_url: M::type_url(),
        value: written(parts),
    }
}

/// The bytes of one message that is written from parts, as [`merged`] does.
pub(super) fn written<M: Message>(parts: impl IntoIterator<Item = M>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in parts {
        bytes.extend(part.encode_to_vec());
    }
    bytes
}

/// The bytes of a repeated field, by its number in the protobuf file, of messages that are written
/// already.
pub(super) fn repeated(number: u32, messages: impl IntoIterator<Item = Vec<u8>>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for message in messages {
        encode_key(number, WireType::LengthDelimited, &mut bytes);
        encode_varint(message.len() as u64, &mut bytes);
        bytes.extend(message);
    }
    bytes
}
