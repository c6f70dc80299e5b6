//! Envoy's messages as JSON, by the descriptors of Envoy's own protobuf files.

use std::sync::LazyLock;

use envoy_types::pb::google::protobuf::Any;
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, SerializeOptions};
use serde_json::Value;
use thiserror::Error;

/// An encoded `FileDescriptorSet`; `descriptors/README.md` says where it comes from.
pub static ENCODED: &[u8] = include_bytes!("../descriptors/envoy.bin");

static POOL: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(ENCODED).expect("the descriptors that a test reads"));

/// Why a message cannot be shown as JSON.
#[derive(Debug, Error)]
pub enum DecodeError {
    /// Its type is not among the descriptors.
    #[error("no descriptor for `{0}`; make descriptors/envoy.bin again, as its README says")]
    UnknownType(String),
    /// The bytes are no message of the type.
    #[error("cannot read a `{type_name}`")]
    Undecodable {
        /// The message type that the bytes were said to be.
        type_name: String,
        /// The decoder's reason for giving up.
        source: prost::DecodeError,
    },
    /// A message within has a type that is not among the descriptors.
    #[error("cannot write a `{type_name}` as JSON")]
    Unwritable {
        /// The message type that JSON cannot show.
        type_name: String,
        /// The serialiser's reason for giving up.
        source: serde_json::Error,
    },
}

/// The message as protobuf's JSON, messages packed within it included; fields named as in the
/// protobuf files.
///
/// # Errors
/// When the type, or that of a message packed within, has no descriptor, or the bytes are none of
/// it.
pub fn to_json(any: &Any) -> Result<Value, DecodeError> {
    let type_name = any.type_url.rsplit('/').next().unwrap_or_default();
    let descriptor = POOL
        .get_message_by_name(type_name)
        .ok_or_else(|| DecodeError::UnknownType(type_name.to_owned()))?;
    let message = DynamicMessage::decode(descriptor, any.value.as_slice()).map_err(|source| {
        DecodeError::Undecodable {
            type_name: type_name.to_owned(),
            source,
        }
    })?;
    let options = SerializeOptions::new().use_proto_field_name(true);
    message
        .serialize_with_options(serde_json::value::Serializer, &options)
        .map_err(|source| DecodeError::Unwritable {
            type_name: type_name.to_owned(),
            source,
        })
}

/// Why JSON is not a message.
#[derive(Debug, Error)]
pub enum EncodeError {
    /// Its type is not among the descriptors.
    #[error("no descriptor for `{0}`; make descriptors/envoy.bin again, as its README says")]
    UnknownType(String),
    /// A field has another name or type.
    #[error("this is not a `{type_name}`: {reason}")]
    Unreadable {
        /// The message type that it was meant to be.
        type_name: String,
        /// The fault that was met first.
        reason: String,
    },
}

/// Packs the message that JSON says, in protobuf's own mapping; fields that the message does not
/// have are errors.
///
/// # Errors
/// When the JSON is no such message.
pub fn from_json(type_name: &str, json: &Value) -> Result<Any, EncodeError> {
    let descriptor = POOL
        .get_message_by_name(type_name)
        .ok_or_else(|| EncodeError::UnknownType(type_name.to_owned()))?;
    let message =
        DynamicMessage::deserialize(descriptor, json).map_err(|error| EncodeError::Unreadable {
            type_name: type_name.to_owned(),
            reason: error.to_string(),
        })?;
    Ok(Any {
        type_url: format!("type.googleapis.com/{type_name}"),
        value: message.encode_to_vec(),
    })
}
