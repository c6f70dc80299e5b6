//! Envoy's messages that the control plane writes and reads, and the service that it serves.
//!
//! `descriptors/envoy.bin` says which they are: the few hundred that can be reached from what is
//! sent, of the more than two thousand that Envoy has. The code under `src/pb` is generated from it
//! and is part of the tree, so that nobody has to build its generator first; the test
//! `tests/generated.rs` generates it again and compares.
//!
//! It never decides what Envoy is told.
//!
//! ```
//! use envoy_protocol::pack_any;
//! use envoy_protocol::pb::google::protobuf::StringValue;
//!
//! let packed = pack_any(&StringValue { value: "a".to_owned() });
//! assert_eq!(packed.type_url, "type.googleapis.com/google.protobuf.StringValue");
//! ```

use prost::{Message, Name};

/// The generated messages and service, a module for each protobuf package.
#[rustfmt::skip]
#[allow(
    deprecated,
    missing_docs,
    clippy::all,
    clippy::pedantic,
    rustdoc::all,
    unused_qualifications
)]
pub mod pb {
    include!("pb/packages.rs");
}

/// The descriptors of all messages in [`pb`], an encoded `google.protobuf.FileDescriptorSet`.
pub const DESCRIPTORS: &[u8] = include_bytes!("../descriptors/envoy.bin");

/// Wraps a message as the `Any` that Envoy's extension points take.
pub fn pack_any<M: Message + Name>(message: &M) -> pb::google::protobuf::Any {
    pb::google::protobuf::Any {
        type_url: M::type_url(),
        value: message.encode_to_vec(),
    }
}
