//! The places of Envoy's messages at which they name other resources.

use envoy_types::pb::{
    envoy::{
        config::{
            cluster::v3::{Cluster, cluster},
            core::v3::{ExtensionConfigSource, TransportSocket, transport_socket},
            listener::v3::{Filter, FilterChain, Listener, filter, listener_filter},
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
                CommonTlsContext, DownstreamTlsContext, SdsSecretConfig, UpstreamTlsContext,
                common_tls_context::ValidationContextType,
            },
            upstreams::http::v3::HttpProtocolOptions,
        },
    },
    google::protobuf::Any,
};
use prost::{DecodeError, Message, Name};

use super::Visitor;
use crate::ResourceType;

/// Shows the visitor where a cluster names its endpoints, which go by its `service_name` if it has
/// one, and its secrets.
pub(super) fn visit_cluster<V: Visitor>(
    cluster: &mut Cluster,
    visitor: &mut V,
) -> Result<(), DecodeError> {
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
pub(super) fn visit_listener<V: Visitor>(
    listener: &mut Listener,
    visitor: &mut V,
) -> Result<(), DecodeError> {
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
