//! Maps in a fixed order.

use envoy_types::pb::google::protobuf::Any;
use prost::{Message, Name};

/// Writes one message from parts, each of which holds at most one entry of any map.
///
/// Messages written one after another read as one, merged (Protocol Buffers, "Encoding: last one
/// wins"), with singular sub-messages merged in turn and maps united. So the parts' order is the
/// entries' order, which a map of several entries in one part would not have.
pub(super) fn merged<M: Message + Name>(parts: impl IntoIterator<Item = M>) -> Any {
    let mut value = Vec::new();
    for part in parts {
        value.extend(part.encode_to_vec());
    }
    Any {
        type_url: M::type_url(),
        value,
    }
}
