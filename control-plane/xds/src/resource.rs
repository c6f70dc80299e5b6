//! One named piece of Envoy configuration, encoded.

use std::{fmt, sync::Arc};

use envoy_types::pb::{
    envoy::config::{
        cluster::v3::Cluster, core::v3::TypedExtensionConfig, endpoint::v3::ClusterLoadAssignment,
        listener::v3::Listener, route::v3::RouteConfiguration,
    },
    google::protobuf::Any,
};
use prost::Message;
use sha2::{Digest, Sha256};

use crate::{
    ResourceType, UnknownResourceType,
    references::{self, Reference},
};

/// Names the content of a resource: the SHA-256 of its encoded `Any` value, in hexadecimal.
///
/// Equal on every replica and after every restart, so that an Envoy which reconnects is sent only
/// what differs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(Arc<str>);

impl Version {
    pub(crate) fn of(encoded: &[u8]) -> Self {
        Self(hex::encode(Sha256::digest(encoded)).into())
    }

    /// Names what several resources of a type say, given in the order of their names.
    pub(crate) fn of_set<'r>(resources: impl Iterator<Item = (&'r Arc<str>, &'r Self)>) -> Self {
        let mut hasher = Sha256::new();
        for (name, version) in resources {
            // Each part is preceded by its length, so that no two sets are written alike.
            for part in [&**name, version.as_str()] {
                hasher.update((part.len() as u64).to_be_bytes());
                hasher.update(part);
            }
        }
        Self(hex::encode(hasher.finalize()).into())
    }

    /// A version as an Envoy or the store gives it, which may be one that this process never made.
    pub fn reported(text: &str) -> Self {
        Self(text.into())
    }

    /// The hash as hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// One named piece of Envoy configuration, encoded once.
///
/// The version is a hash of the bytes, and protobuf maps have no order when encoded: a message
/// whose maps hold more than one entry must be encoded from sorted maps to have the same version
/// everywhere.
#[derive(Clone, Debug, PartialEq)]
pub struct Resource {
    resource_type: ResourceType,
    name: Arc<str>,
    version: Version,
    any: Any,
    references: Vec<Reference>,
}

impl Resource {
    /// Takes an encoded resource; its type comes from the type URL and its name from the message.
    ///
    /// # Errors
    /// When the type is none that is distributed, the bytes are no such message, or the message has
    /// no name.
    pub fn from_any(any: Any) -> Result<Self, InvalidResource> {
        let resource_type = ResourceType::from_type_url(&any.type_url)?;
        let undecodable = |source| InvalidResource::Undecodable {
            resource_type,
            source,
        };
        let bytes = any.value.as_slice();
        let (name, references) = match resource_type {
            ResourceType::Cluster => {
                let cluster = Cluster::decode(bytes).map_err(undecodable)?;
                let references = references::of_cluster(&cluster);
                (cluster.name, references)
            }
            ResourceType::Endpoints => {
                let assignment = ClusterLoadAssignment::decode(bytes).map_err(undecodable)?;
                (assignment.cluster_name, Vec::new())
            }
            ResourceType::Listener => {
                let listener = Listener::decode(bytes).map_err(undecodable)?;
                let references = references::of_listener(&listener).map_err(undecodable)?;
                (listener.name, references)
            }
            ResourceType::Route => {
                let routes = RouteConfiguration::decode(bytes).map_err(undecodable)?;
                (routes.name, Vec::new())
            }
            ResourceType::ExtensionConfig => {
                let config = TypedExtensionConfig::decode(bytes).map_err(undecodable)?;
                (config.name, Vec::new())
            }
        };
        if name.is_empty() {
            return Err(InvalidResource::Nameless { resource_type });
        }
        Ok(Self {
            resource_type,
            name: name.into(),
            version: Version::of(bytes),
            any,
            references,
        })
    }

    /// Encodes `message` as the resource that it is.
    ///
    /// # Errors
    /// As [`Resource::from_any`].
    pub fn encode<M: Message + prost::Name>(message: &M) -> Result<Self, InvalidResource> {
        Self::from_any(Any {
            type_url: M::type_url(),
            value: message.encode_to_vec(),
        })
    }

    /// The type of this resource.
    pub fn resource_type(&self) -> ResourceType {
        self.resource_type
    }

    /// Its name, unique within its type.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The hash of its content.
    pub fn version(&self) -> &Version {
        &self.version
    }

    /// The encoded message, with its type URL.
    pub fn any(&self) -> &Any {
        &self.any
    }

    /// The resources that Envoy will ask for because of this one.
    pub(crate) fn references(&self) -> &[Reference] {
        &self.references
    }
}

/// Why bytes are no resource.
#[derive(Debug, thiserror::Error)]
pub enum InvalidResource {
    /// The type URL is none that is distributed.
    #[error(transparent)]
    UnknownType(#[from] UnknownResourceType),
    /// The bytes are not a message of the type.
    #[error("the bytes are no {resource_type}")]
    Undecodable {
        /// The type that the bytes were said to have.
        resource_type: ResourceType,
        /// The decoder's own error.
        source: prost::DecodeError,
    },
    /// The message's name is empty.
    #[error("a {resource_type} has no name, and Envoy asks by name: give it one")]
    Nameless {
        /// The type of the resource without a name.
        resource_type: ResourceType,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;

    fn refusal(type_url: &str, value: &[u8]) -> String {
        let any = Any {
            type_url: type_url.to_owned(),
            value: value.to_vec(),
        };
        Resource::from_any(any).expect_err("refused").to_string()
    }

    #[test]
    fn it_takes_the_version_from_the_content_and_nothing_else() {
        let one = fixtures::cluster("a", 1);
        assert_eq!(one.version(), fixtures::cluster("a", 1).version());
        assert_ne!(one.version(), fixtures::cluster("a", 2).version());
        let digest = Sha256::digest(&one.any().value);
        assert_eq!(one.version().as_str(), hex::encode(digest));
    }

    #[test]
    fn it_takes_type_and_name_from_the_message() {
        let resource = fixtures::extension("e", "");
        assert_eq!(resource.resource_type(), ResourceType::ExtensionConfig);
        assert_eq!(&**resource.name(), "e");
    }

    #[test]
    fn it_refuses_what_envoy_could_not_ask_for() {
        let cluster = ResourceType::Cluster.type_url();
        assert_eq!(
            refusal("type.googleapis.com/no.Such", b""),
            "`type.googleapis.com/no.Such` is no resource type that this control plane distributes"
        );
        assert_eq!(refusal(cluster, b"\xff"), "the bytes are no cluster");
        assert_eq!(
            refusal(cluster, b""),
            "a cluster has no name, and Envoy asks by name: give it one"
        );
    }

    #[test]
    fn it_leads_from_every_type_url_back_to_its_type() {
        for resource_type in ResourceType::ALL {
            let found = ResourceType::from_type_url(resource_type.type_url());
            assert_eq!(found, Ok(resource_type));
        }
    }
}
