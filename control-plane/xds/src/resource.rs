//! One named piece of Envoy configuration, encoded.

mod fetched_code;

use std::{fmt, sync::Arc};

use envoy_types::pb::{
    envoy::extensions::transport_sockets::tls::v3::Secret, google::protobuf::Any,
};
use prost::{Message, Name};
use sha2::{Digest, Sha256};
use tonic::codegen::Bytes;

use fetched_code::FetchedCode;

use crate::{
    ResourceType, UnknownResourceType, VersionKey,
    references::{Reference, reader},
};

/// Names the content of a resource: the SHA-256 of its encoded `Any` value, in hexadecimal; of a
/// secret, a hash that nobody can compare with guesses who lacks the [`VersionKey`].
///
/// Equal on every replica and after every restart, so that an Envoy which reconnects is sent only
/// what differs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(Arc<str>);

/// The longest version, in bytes: 32 of a hash, in hexadecimal. Each Envoy has as many as
/// resources, so what one says of them must not be larger.
const MOST_VERSION_BYTES: usize = 64;
/// Stands for every version that this control plane cannot have made. It is equal to none of ours,
/// so that the resource is sent.
const FOREIGN_VERSION: &str = "not a version of this control plane";

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
    /// One that is longer than ours, or would forge lines where it is shown, is not kept: all of
    /// those are the same.
    pub fn reported(text: &str) -> Self {
        let is_foreign = text.len() > MOST_VERSION_BYTES || text.contains(char::is_control);
        Self(if is_foreign { FOREIGN_VERSION } else { text }.into())
    }

    /// The hash as hexadecimal digits, or the text that an Envoy reported in its place.
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
#[derive(Clone, PartialEq)]
pub struct Resource {
    resource_type: ResourceType,
    name: Arc<str>,
    version: Version,
    /// The `Any`, encoded: every response to every Envoy has these very bytes.
    encoded: Bytes,
    /// How many of them, at the end, are the message itself.
    content_bytes: usize,
    references: Vec<Reference>,
}

impl Resource {
    /// Takes an encoded resource; its type comes from the type URL and its name from the message.
    ///
    /// # Errors
    /// When the type is none that is distributed, or secrets', the bytes are no such message, or
    /// the message has no name.
    pub fn from_any(any: Any) -> Result<Self, InvalidResource> {
        let resource_type = ResourceType::from_type_url(&any.type_url)?;
        if resource_type.is_supplied_apart() {
            return Err(InvalidResource::Unkeyed);
        }
        let version = Version::of(&any.value);
        Self::with_version(resource_type, any.value, version)
    }

    /// Encodes a secret; its version tells nothing to whoever lacks the key.
    ///
    /// # Errors
    /// When it has no name.
    pub fn secret(secret: &Secret, key: &VersionKey) -> Result<Self, InvalidResource> {
        let value = secret.encode_to_vec();
        let version = Version(key.hash(&value).into());
        Self::with_version(ResourceType::Secret, value, version)
    }

    fn with_version(
        resource_type: ResourceType,
        value: Vec<u8>,
        version: Version,
    ) -> Result<Self, InvalidResource> {
        let named = reader(resource_type).read(&value);
        let named = named.map_err(|source| InvalidResource::Undecodable {
            resource_type,
            source,
        })?;
        if named.name.is_empty() {
            return Err(InvalidResource::Nameless { resource_type });
        }
        Ok(Self {
            resource_type,
            name: named.name.into(),
            version,
            content_bytes: value.len(),
            encoded: encoded(resource_type, value),
            references: named.references,
        })
    }

    /// Encodes `message` as the resource that it is.
    ///
    /// # Errors
    /// As [`Resource::from_any`].
    pub fn encode<M: Message + Name>(message: &M) -> Result<Self, InvalidResource> {
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

    /// The bytes of the encoded message.
    pub fn content(&self) -> &[u8] {
        // The value is the last field of an `Any`.
        &self.encoded[self.encoded.len() - self.content_bytes..]
    }

    /// The encoded message, with its type URL.
    pub fn any(&self) -> Any {
        Any {
            type_url: self.resource_type.type_url().to_owned(),
            value: self.content().to_vec(),
        }
    }

    /// The bytes of the `Any` that holds it.
    pub(crate) fn encoded(&self) -> &Bytes {
        &self.encoded
    }

    /// Whether it is a filter whose code Envoys fetch by themselves.
    pub(crate) fn runs_fetched_code(&self) -> bool {
        self.resource_type == ResourceType::ExtensionConfig
            && FetchedCode::of(self.content()).is_some()
    }

    /// The same filter for an Envoy that may have fetched its code meanwhile: the same version in
    /// other bytes. Nothing where it fetches none.
    pub(crate) fn fetched_again(&self, attempt: u32) -> Option<Self> {
        let filter = FetchedCode::of(self.content())?.counting(attempt)?;
        Some(Self {
            content_bytes: filter.len(),
            encoded: encoded(self.resource_type, filter),
            ..self.clone()
        })
    }

    /// The resources that Envoy will ask for because of this one.
    pub(crate) fn references(&self) -> &[Reference] {
        &self.references
    }
}

/// An `Any` of this type, encoded.
fn encoded(resource_type: ResourceType, value: Vec<u8>) -> Bytes {
    let any = Any {
        type_url: resource_type.type_url().to_owned(),
        value,
    };
    any.encode_to_vec().into()
}

/// Shows what it is and not what it holds, which may be a secret.
impl fmt::Debug for Resource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Resource")
            .field("resource_type", &self.resource_type)
            .field("name", &self.name)
            .field("version", &self.version)
            .finish_non_exhaustive()
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
    /// A secret's version would be a hash that guesses can be compared with.
    #[error("a secret is made a resource by `Resource::secret`, with a key for its version")]
    Unkeyed,
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
        let digest = Sha256::digest(one.content());
        assert_eq!(one.version().as_str(), hex::encode(digest));
    }

    #[test]
    fn it_keeps_no_version_of_an_envoy_that_is_longer_than_one_of_ours() {
        let secret = fixtures::secret_by("s", "swordfish", &VersionKey::new(&[1; 32]));
        let resource = fixtures::cluster("a", 1);
        let set = [&resource, &secret].map(|one| (one.name(), one.version()));
        for ours in [
            resource.version(),
            secret.version(),
            &Version::of_set(set.into_iter()),
        ] {
            assert_eq!(Version::reported(ours.as_str()), *ours);
        }
        assert_eq!(Version::reported("elsewhere 7").as_str(), "elsewhere 7");
        let longer = format!("{}0", resource.version());
        for foreign in [longer.as_str(), &"é".repeat(1 << 20), "a\nb", "\x1b[2J"] {
            assert_eq!(Version::reported(foreign).as_str(), FOREIGN_VERSION);
        }
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
    fn it_names_a_secret_by_a_hash_that_depends_on_the_key() {
        let key = VersionKey::new(&[1; 32]);
        let one = fixtures::secret_by("s", "swordfish", &key);
        assert_eq!(
            one.version(),
            fixtures::secret_by("s", "swordfish", &key).version()
        );
        assert_ne!(
            one.version(),
            fixtures::secret_by("s", "other", &key).version()
        );
        let other = fixtures::secret_by("s", "swordfish", &VersionKey::new(&[2; 32]));
        assert_ne!(one.version(), other.version());
        assert_ne!(*one.version(), Version::of(one.content()));
    }

    #[test]
    fn it_never_shows_a_secret_where_it_is_written_to_a_log() {
        let key = VersionKey::new(&[1; 32]);
        let shown = format!("{:?} {key:?}", fixtures::secret_by("s", "swordfish", &key));
        let bytes = format!("{:?}", b"swordfish");
        assert!(!shown.contains("swordfish") && !shown.contains(bytes.trim_matches(['[', ']'])));
        assert!(!shown.contains("1, 1"), "{shown}");
    }

    #[test]
    fn it_takes_a_secret_with_a_key_alone() {
        let secret = fixtures::secret("s", "swordfish");
        let error = Resource::from_any(secret.any()).expect_err("refused");
        assert!(matches!(error, InvalidResource::Unkeyed), "{error}");
    }
}
