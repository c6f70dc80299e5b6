//! The places in resources at which they name others, which Envoy then asks for.
//!
//! They are found once, for two uses: to know what a resource refers to, and to say from where an
//! Envoy without an aggregated stream gets it.

use std::collections::BTreeSet;
use std::sync::Arc;

use envoy_types::pb::{
    envoy::{
        config::{
            cluster::v3::{Cluster, cluster},
            core::v3::{
                ConfigSource, ExtensionConfigSource, TransportSocket, TypedExtensionConfig,
                config_source::ConfigSourceSpecifier, transport_socket,
            },
            endpoint::v3::ClusterLoadAssignment,
            listener::v3::{Filter, FilterChain, Listener, filter, listener_filter},
            route::v3::RouteConfiguration,
        },
        extensions::{
            filters::{
                http::credential_injector::v3::CredentialInjector,
                network::http_connection_manager::v3::{
                    HttpConnectionManager, HttpFilter, http_connection_manager::RouteSpecifier,
                    http_filter,
                },
            },
            http::injected_credentials::generic::v3::Generic,
            transport_sockets::tls::v3::{
                CommonTlsContext, DownstreamTlsContext, SdsSecretConfig, Secret,
                UpstreamTlsContext, common_tls_context::ValidationContextType,
            },
            upstreams::http::v3::HttpProtocolOptions,
        },
    },
    google::protobuf::Any,
};
use prost::{DecodeError, Message, Name};

use crate::ResourceType;

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

/// Shows the visitor where a cluster names its endpoints, which go by its `service_name` if it has
/// one, and its secrets.
fn visit_cluster<V: Visitor>(cluster: &mut Cluster, visitor: &mut V) -> Result<(), DecodeError> {
    let discovered = matches!(
        cluster.cluster_discovery_type,
        Some(cluster::ClusterDiscoveryType::Type(kind))
            if kind == cluster::DiscoveryType::Eds as i32
    );
    if discovered {
        let mut without = None;
        let (service, source) = match &mut cluster.eds_cluster_config {
            Some(eds) => (eds.service_name.as_str(), &mut eds.eds_config),
            None => ("", &mut without),
        };
        let name = if service.is_empty() {
            cluster.name.as_str()
        } else {
            service
        };
        visitor.visit(ResourceType::Endpoints, name, source);
    }
    visit_transport_socket(cluster.transport_socket.as_mut(), visitor)?;
    for options in cluster.typed_extension_protocol_options.values_mut() {
        within(
            options,
            visitor,
            |options: &mut HttpProtocolOptions, visitor| {
                visit_http_filters(&mut options.http_filters, visitor)
            },
        )?;
    }
    Ok(())
}

/// Shows the visitor where a listener names routes, extension configurations and secrets.
fn visit_listener<V: Visitor>(listener: &mut Listener, visitor: &mut V) -> Result<(), DecodeError> {
    for listener_filter in &mut listener.listener_filters {
        if let Some(listener_filter::ConfigType::ConfigDiscovery(extension)) =
            &mut listener_filter.config_type
        {
            visit_extension(&listener_filter.name, extension, visitor);
        }
    }
    let chains = listener.filter_chains.iter_mut();
    for chain in chains.chain(&mut listener.default_filter_chain) {
        visit_chain(chain, visitor)?;
    }
    Ok(())
}

fn visit_chain<V: Visitor>(chain: &mut FilterChain, visitor: &mut V) -> Result<(), DecodeError> {
    visit_transport_socket(chain.transport_socket.as_mut(), visitor)?;
    for filter in &mut chain.filters {
        visit_network_filter(filter, visitor)?;
    }
    Ok(())
}

fn visit_network_filter<V: Visitor>(
    filter: &mut Filter,
    visitor: &mut V,
) -> Result<(), DecodeError> {
    match &mut filter.config_type {
        Some(filter::ConfigType::ConfigDiscovery(extension)) => {
            visit_extension(&filter.name, extension, visitor);
            Ok(())
        }
        Some(filter::ConfigType::TypedConfig(config)) => within(
            config,
            visitor,
            |manager: &mut HttpConnectionManager, visitor| {
                if let Some(RouteSpecifier::Rds(rds)) = &mut manager.route_specifier {
                    let (name, source) = (&rds.route_config_name, &mut rds.config_source);
                    visitor.visit(ResourceType::Route, name, source);
                }
                visit_http_filters(&mut manager.http_filters, visitor)
            },
        ),
        None => Ok(()),
    }
}

fn visit_http_filters<V: Visitor>(
    filters: &mut [HttpFilter],
    visitor: &mut V,
) -> Result<(), DecodeError> {
    for filter in filters {
        match &mut filter.config_type {
            Some(http_filter::ConfigType::ConfigDiscovery(extension)) => {
                visit_extension(&filter.name, extension, visitor);
            }
            Some(http_filter::ConfigType::TypedConfig(config)) => {
                within(
                    config,
                    visitor,
                    |injector: &mut CredentialInjector, visitor| {
                        let credential = injector.credential.as_mut();
                        match credential.and_then(|credential| credential.typed_config.as_mut()) {
                            Some(source) => {
                                within(source, visitor, |generic: &mut Generic, visitor| {
                                    visit_secrets(&mut generic.credential, visitor);
                                    Ok(())
                                })
                            }
                            None => Ok(()),
                        }
                    },
                )?;
            }
            None => {}
        }
    }
    Ok(())
}

fn visit_extension<V: Visitor>(name: &str, extension: &mut ExtensionConfigSource, visitor: &mut V) {
    let source = &mut extension.config_source;
    visitor.visit(ResourceType::ExtensionConfig, name, source);
}

fn visit_transport_socket<V: Visitor>(
    socket: Option<&mut TransportSocket>,
    visitor: &mut V,
) -> Result<(), DecodeError> {
    let config = socket.and_then(|socket| socket.config_type.as_mut());
    let Some(transport_socket::ConfigType::TypedConfig(config)) = config else {
        return Ok(());
    };
    within(
        config,
        visitor,
        |context: &mut UpstreamTlsContext, visitor| {
            visit_tls(context.common_tls_context.as_mut(), visitor);
            Ok(())
        },
    )?;
    within(
        config,
        visitor,
        |context: &mut DownstreamTlsContext, visitor| {
            visit_tls(context.common_tls_context.as_mut(), visitor);
            Ok(())
        },
    )
}

fn visit_tls<V: Visitor>(context: Option<&mut CommonTlsContext>, visitor: &mut V) {
    let Some(context) = context else {
        return;
    };
    visit_secrets(&mut context.tls_certificate_sds_secret_configs, visitor);
    match &mut context.validation_context_type {
        Some(ValidationContextType::ValidationContextSdsSecretConfig(secret)) => {
            visit_secrets([secret], visitor);
        }
        Some(ValidationContextType::CombinedValidationContext(combined)) => {
            visit_secrets(&mut combined.validation_context_sds_secret_config, visitor);
        }
        _ => {}
    }
}

/// Shows the visitor secrets that are discovered; one without a source is a part of the bootstrap.
fn visit_secrets<'s, V: Visitor>(
    secrets: impl IntoIterator<Item = &'s mut SdsSecretConfig>,
    visitor: &mut V,
) {
    for secret in secrets {
        if secret.sds_config.is_some() {
            visitor.visit(ResourceType::Secret, &secret.name, &mut secret.sds_config);
        }
    }
}

/// Looks into a message, if it is of this type.
fn within<M: Message + Name + Default, V: Visitor>(
    any: &mut Any,
    visitor: &mut V,
    look: impl FnOnce(&mut M, &mut V) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    if any.type_url != M::type_url() {
        return Ok(());
    }
    let mut message = M::decode(any.value.as_slice())?;
    look(&mut message, visitor)?;
    if V::REPLACES {
        any.value = message.encode_to_vec();
    }
    Ok(())
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
