//! The places in resources at which they name others, which Envoy then asks for.
//!
//! They are found once, for two uses: to know what a resource refers to, and to say from where an
//! Envoy without an aggregated stream gets it.

use std::collections::BTreeSet;
use std::sync::Arc;

use envoy_types::pb::envoy::{
    config::{
        cluster::v3::Cluster,
        core::v3::{ConfigSource, TypedExtensionConfig, config_source::ConfigSourceSpecifier},
        endpoint::v3::ClusterLoadAssignment,
        listener::v3::Listener,
        route::v3::RouteConfiguration,
    },
    extensions::transport_sockets::tls::v3::Secret,
};
use prost::{DecodeError, Message, Name};

use crate::ResourceType;
use places::{visit_cluster, visit_listener};

mod places;

/// A resource that another one names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Reference {
    pub(crate) resource_type: ResourceType,
    pub(crate) name: Arc<str>,
}

/// The name of a resource, and those that it names.
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) references: Vec<Reference>,
}

/// Looks at the places at which a resource names another one.
pub(crate) trait Visitor {
    /// Whether it puts something else into the sources that it is shown.
    const REPLACES: bool;

    /// Takes in that a resource of this type and name is to come from `source`.
    fn visit(&mut self, to: ResourceType, name: &str, source: &mut Option<ConfigSource>);
}

/// Collects what is named; the same only once.
#[derive(Default)]
struct References(BTreeSet<Reference>);

impl Visitor for References {
    const REPLACES: bool = false;

    fn visit(&mut self, to: ResourceType, name: &str, _source: &mut Option<ConfigSource>) {
        self.0.insert(Reference {
            resource_type: to,
            name: name.into(),
        });
    }
}

impl References {
    fn of(self, name: String) -> Named {
        Named {
            name,
            references: self.0.into_iter().collect(),
        }
    }
}

/// A message that is a resource.
trait ResourceMessage: Message + Name + Default {
    /// Whether such messages can name others.
    const NAMES_OTHERS: bool = false;

    fn name(&self) -> &str;

    /// Shows the visitor where the message names others.
    fn visit<V: Visitor>(&mut self, _visitor: &mut V) -> Result<(), DecodeError> {
        Ok(())
    }
}

impl ResourceMessage for Cluster {
    const NAMES_OTHERS: bool = true;

    fn name(&self) -> &str {
        &self.name
    }

    fn visit<V: Visitor>(&mut self, visitor: &mut V) -> Result<(), DecodeError> {
        visit_cluster(self, visitor)
    }
}

impl ResourceMessage for Listener {
    const NAMES_OTHERS: bool = true;

    fn name(&self) -> &str {
        &self.name
    }

    fn visit<V: Visitor>(&mut self, visitor: &mut V) -> Result<(), DecodeError> {
        visit_listener(self, visitor)
    }
}

impl ResourceMessage for ClusterLoadAssignment {
    fn name(&self) -> &str {
        &self.cluster_name
    }
}

impl ResourceMessage for Secret {
    fn name(&self) -> &str {
        &self.name
    }
}

impl ResourceMessage for RouteConfiguration {
    fn name(&self) -> &str {
        &self.name
    }
}

impl ResourceMessage for TypedExtensionConfig {
    fn name(&self) -> &str {
        &self.name
    }
}

/// Encodes a message anew, with another source in its places.
type Replace = fn(&[u8], &ConfigSourceSpecifier) -> Result<Vec<u8>, DecodeError>;

/// Reads and rewrites the encoded messages of one type.
pub(crate) struct Reader {
    #[cfg(test)]
    type_url: fn() -> String,
    read: fn(&[u8]) -> Result<Named, DecodeError>,
    /// None where such messages name nothing.
    replace: Option<Replace>,
}

/// The readers, in the order of the types.
const READERS: [Reader; ResourceType::ALL.len()] = [
    reader_of::<Cluster>(),
    reader_of::<ClusterLoadAssignment>(),
    reader_of::<Secret>(),
    reader_of::<Listener>(),
    reader_of::<RouteConfiguration>(),
    reader_of::<TypedExtensionConfig>(),
];

/// The reader of a type's messages.
pub(crate) fn reader(resource_type: ResourceType) -> &'static Reader {
    &READERS[resource_type as usize]
}

/// The reader of the type of this message.
const fn reader_of<M: ResourceMessage>() -> Reader {
    Reader {
        #[cfg(test)]
        type_url: M::type_url,
        read: read::<M>,
        replace: if M::NAMES_OTHERS {
            Some(replace::<M>)
        } else {
            None
        },
    }
}

impl Reader {
    /// The name of a message, and the resources that it names.
    pub(crate) fn read(&self, encoded: &[u8]) -> Result<Named, DecodeError> {
        (self.read)(encoded)
    }

    /// The message with another source in the place of each "from the aggregated stream"; none
    /// where messages of its type name no source.
    pub(crate) fn replace_source(
        &self,
        encoded: &[u8],
        source: &ConfigSourceSpecifier,
    ) -> Option<Vec<u8>> {
        self.replace?(encoded, source).ok()
    }
}

fn read<M: ResourceMessage>(encoded: &[u8]) -> Result<Named, DecodeError> {
    let mut message = M::decode(encoded)?;
    let mut references = References::default();
    message.visit(&mut references)?;
    Ok(references.of(message.name().to_owned()))
}

fn replace<M: ResourceMessage>(
    encoded: &[u8],
    source: &ConfigSourceSpecifier,
) -> Result<Vec<u8>, DecodeError> {
    let mut message = M::decode(encoded)?;
    message.visit(&mut Replacing(source))?;
    Ok(message.encode_to_vec())
}

/// Puts a source into the place of each "from the aggregated stream".
struct Replacing<'a>(&'a ConfigSourceSpecifier);

impl Visitor for Replacing<'_> {
    const REPLACES: bool = true;

    fn visit(&mut self, _to: ResourceType, _name: &str, source: &mut Option<ConfigSource>) {
        if let Some(source) = source
            && let Some(ConfigSourceSpecifier::Ads(_)) = source.config_source_specifier
        {
            source.config_source_specifier = Some(self.0.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_each_type_by_the_message_that_it_is() {
        for resource_type in ResourceType::ALL {
            assert_eq!((reader(resource_type).type_url)(), resource_type.type_url());
        }
    }
}
