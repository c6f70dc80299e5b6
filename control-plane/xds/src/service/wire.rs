//! Responses as they stand on the wire: a few bytes of an Envoy's own, and around them the bytes of
//! resources, which were encoded once and which the responses to all Envoys share.
//!
//! The layout is that of gRPC's "Length-Prefixed-Message" and of the fields of `DiscoveryResponse`
//! and `DeltaDiscoveryResponse`, both of which have their resources in field 2, in any order with
//! the others (protobuf encoding, "Field order").

use envoy_types::pb::envoy::service::discovery::v3::{
    DeltaDiscoveryResponse, DiscoveryResponse, Resource as DeltaResource,
};
use prost::{
    Message,
    encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len},
};
use tonic::codegen::Bytes;

use super::{message::Variant, nested_source::NestedSource};
use crate::{Resource, session::DeltaResponse};

/// From how many bytes on those of a resource are shared. Fewer are copied: a part of its own on
/// the wire takes a frame of HTTP/2, and a turn of the connection's task.
const SHARED_FROM: usize = 4096;
/// The field of the resources, in the responses of both variants.
const RESOURCES: u32 = 2;
/// The field of the content, in `envoy.service.discovery.v3.Resource`.
const CONTENT: u32 = 2;
/// The bytes before each message of gRPC: whether it is compressed, and its length.
const PREFIX: usize = 5;

/// A response as the parts of its bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct EncodedResponse(pub(super) Vec<Bytes>);

/// The bytes of a response, those before the next shared ones last.
struct Writer {
    parts: Vec<Bytes>,
    own: Vec<u8>,
}

impl EncodedResponse {
    /// Encodes a response for a stream of this variant; nested resources come from `source`, where
    /// there is one.
    pub(super) fn of(
        response: DeltaResponse,
        variant: Variant,
        source: Option<&NestedSource>,
    ) -> Self {
        let type_url = response.resource_type.type_url().to_owned();
        let nonce = response.nonce;
        let head = match variant {
            Variant::Incremental => DeltaDiscoveryResponse {
                type_url,
                nonce,
                removed_resources: response.removed.iter().map(ToString::to_string).collect(),
                ..DeltaDiscoveryResponse::default()
            }
            .encode_to_vec(),
            Variant::World => DiscoveryResponse {
                version_info: response
                    .set_version
                    .map(|version| version.to_string())
                    .unwrap_or_default(),
                type_url,
                nonce,
                ..DiscoveryResponse::default()
            }
            .encode_to_vec(),
        };
        let mut own = vec![0; PREFIX];
        own.extend(head);
        let mut writer = Writer {
            parts: Vec::new(),
            own,
        };
        for resource in &response.resources {
            let content = source.and_then(|source| source.within(resource));
            let content = content.unwrap_or_else(|| resource.encoded().clone());
            match variant {
                Variant::Incremental => writer.named(resource, content),
                Variant::World => writer.field(RESOURCES, content),
            }
        }
        writer.end()
    }
}

impl Writer {
    /// A resource with its name and version.
    fn named(&mut self, resource: &Resource, content: Bytes) {
        let named = DeltaResource {
            name: resource.name().to_string(),
            version: resource.version().to_string(),
            ..DeltaResource::default()
        };
        let named = named.encode_to_vec();
        let of_content =
            key_len(CONTENT) + encoded_len_varint(content.len() as u64) + content.len();
        encode_key(RESOURCES, WireType::LengthDelimited, &mut self.own);
        encode_varint((named.len() + of_content) as u64, &mut self.own);
        self.own.extend(named);
        self.field(CONTENT, content);
    }

    /// A field of bytes.
    fn field(&mut self, number: u32, content: Bytes) {
        encode_key(number, WireType::LengthDelimited, &mut self.own);
        encode_varint(content.len() as u64, &mut self.own);
        if content.len() < SHARED_FROM {
            self.own.extend_from_slice(&content);
        } else {
            self.parts.push(std::mem::take(&mut self.own).into());
            self.parts.push(content);
        }
    }

    fn end(mut self) -> EncodedResponse {
        if !self.own.is_empty() {
            self.parts.push(self.own.into());
        }
        let length: usize = self.parts.iter().map(Bytes::len).sum();
        // The first part is its own: it begins with the place of the prefix.
        if let Some(first) = self.parts.first_mut() {
            let mut prefixed = Vec::from(std::mem::take(first));
            // A response is far below the four gigabytes that the field can tell.
            let length = u32::try_from(length - PREFIX).unwrap_or(u32::MAX);
            prefixed[1..PREFIX].copy_from_slice(&length.to_be_bytes());
            *first = prefixed.into();
        }
        EncodedResponse(self.parts)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{ResourceType, fixtures};

    fn response(resources: &[&Arc<Resource>]) -> DeltaResponse {
        DeltaResponse {
            resource_type: ResourceType::ExtensionConfig,
            nonce: "7-1".to_owned(),
            resources: resources.iter().copied().map(Arc::clone).collect(),
            removed: vec!["gone".into()],
            set_version: Some(resources[0].version().clone()),
        }
    }

    /// The message that a client reads, the length before it checked.
    fn message(encoded: &EncodedResponse) -> Vec<u8> {
        let all = encoded.0.concat();
        let (prefix, message) = all.split_at(PREFIX);
        assert_eq!(prefix[0], 0, "not compressed");
        assert_eq!(prefix[1..], (message.len() as u32).to_be_bytes());
        message.to_vec()
    }

    #[test]
    fn it_encodes_what_a_client_of_either_variant_decodes() {
        for bytes in [0, 1, SHARED_FROM - 50, SHARED_FROM, 3 * SHARED_FROM] {
            let first = Arc::new(fixtures::extension("first", &"x".repeat(bytes)));
            let second = Arc::new(fixtures::extension("second", "small"));
            let sent = response(&[&first, &second]);
            let encoded = EncodedResponse::of(sent.clone(), Variant::Incremental, None);
            let read = DeltaDiscoveryResponse::decode(message(&encoded).as_slice()).unwrap();
            let expected = DeltaDiscoveryResponse {
                type_url: ResourceType::ExtensionConfig.type_url().to_owned(),
                nonce: "7-1".to_owned(),
                removed_resources: vec!["gone".to_owned()],
                resources: [&first, &second]
                    .map(|resource| DeltaResource {
                        name: resource.name().to_string(),
                        version: resource.version().to_string(),
                        resource: Some(resource.any()),
                        ..DeltaResource::default()
                    })
                    .to_vec(),
                ..DeltaDiscoveryResponse::default()
            };
            assert_eq!(read, expected);
            let encoded = EncodedResponse::of(sent, Variant::World, None);
            let read = DiscoveryResponse::decode(message(&encoded).as_slice()).unwrap();
            let expected = DiscoveryResponse {
                version_info: first.version().to_string(),
                type_url: ResourceType::ExtensionConfig.type_url().to_owned(),
                nonce: "7-1".to_owned(),
                resources: vec![first.any(), second.any()],
                ..DiscoveryResponse::default()
            };
            assert_eq!(read, expected);
        }
    }

    /// However many Envoys there are, a large resource is in memory once.
    #[test]
    fn it_gives_every_envoy_the_very_bytes_of_a_large_resource() {
        let large = Arc::new(fixtures::extension("large", &"x".repeat(SHARED_FROM)));
        for variant in [Variant::Incremental, Variant::World] {
            let encoded = EncodedResponse::of(response(&[&large]), variant, None);
            let own: usize = encoded
                .0
                .iter()
                .filter(|part| part.as_ptr() != large.encoded().as_ptr())
                .map(Bytes::len)
                .sum();
            assert_eq!(encoded.0.len(), 2, "its own bytes, and the shared ones");
            assert!(own < 400, "{own}");
        }
    }
}
