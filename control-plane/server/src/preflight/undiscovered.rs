//! Secrets that are not discovered: an Envoy that is asked beforehand has nobody to discover them
//! from (1.40 crashes where it would have to), and no file is to hold what they say. Each is looked
//! for in a file that has none; whether it can be used is checked where it is read.

use envoy_types::pb::envoy::config::core::v3::{
    ApiVersion, ConfigSource, PathConfigSource, TransportSocket,
    config_source::ConfigSourceSpecifier, transport_socket::ConfigType,
};
use envoy_types::pb::envoy::extensions::filters::http::credential_injector::v3::CredentialInjector;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::{
    HttpFilter, http_filter,
};
use envoy_types::pb::envoy::extensions::http::injected_credentials::generic::v3::Generic;
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::{
    CommonTlsContext, DownstreamTlsContext, SdsSecretConfig, UpstreamTlsContext,
    common_tls_context::ValidationContextType,
};
use envoy_types::pb::envoy::extensions::upstreams::http::v3::HttpProtocolOptions;
use envoy_types::pb::google::protobuf::Any;
use envoy_types::util::pack_any;
use prost::{DecodeError, Message, Name};

/// A file that is on every machine and has nothing in it.
const NO_SECRETS: &str = "/dev/null";

/// Discovers none of the secrets of TLS.
pub(super) fn in_socket(socket: Option<&mut TransportSocket>) -> Result<(), DecodeError> {
    let config = socket.and_then(|socket| socket.config_type.as_mut());
    let Some(ConfigType::TypedConfig(config)) = config else {
        return Ok(());
    };
    in_message::<DownstreamTlsContext>(config, |tls| {
        in_tls(tls.common_tls_context.as_mut());
        Ok(())
    })?;
    in_message::<UpstreamTlsContext>(config, |tls| {
        in_tls(tls.common_tls_context.as_mut());
        Ok(())
    })
}

fn in_tls(tls: Option<&mut CommonTlsContext>) {
    let Some(tls) = tls else { return };
    for secret in &mut tls.tls_certificate_sds_secret_configs {
        in_secret(secret);
    }
    let authorities = match &mut tls.validation_context_type {
        Some(ValidationContextType::ValidationContextSdsSecretConfig(secret)) => Some(secret),
        Some(ValidationContextType::CombinedValidationContext(combined)) => {
            combined.validation_context_sds_secret_config.as_mut()
        }
        _ => None,
    };
    if let Some(secret) = authorities {
        in_secret(secret);
    }
}

/// Discovers none of the secrets that filters towards a cluster's endpoints put into requests.
pub(super) fn in_options(options: &mut Any) -> Result<(), DecodeError> {
    in_message::<HttpProtocolOptions>(options, |options| {
        options.http_filters.iter_mut().try_for_each(in_filter)
    })
}

/// Discovers no secret that a filter puts into requests.
pub(super) fn in_filter(filter: &mut HttpFilter) -> Result<(), DecodeError> {
    let Some(http_filter::ConfigType::TypedConfig(config)) = &mut filter.config_type else {
        return Ok(());
    };
    in_message::<CredentialInjector>(config, |injector| {
        let credential = injector.credential.as_mut();
        let config = credential.and_then(|credential| credential.typed_config.as_mut());
        let Some(config) = config else { return Ok(()) };
        in_message::<Generic>(config, |generic| {
            if let Some(secret) = &mut generic.credential {
                in_secret(secret);
            }
            Ok(())
        })
    })
}

fn in_secret(secret: &mut SdsSecretConfig) {
    let nowhere = PathConfigSource {
        path: NO_SECRETS.to_owned(),
        ..Default::default()
    };
    secret.sds_config = Some(ConfigSource {
        resource_api_version: ApiVersion::V3.into(),
        config_source_specifier: Some(ConfigSourceSpecifier::PathConfigSource(nowhere)),
        ..Default::default()
    });
}

/// Changes a packed message, if it is of that type.
fn in_message<M: Message + Name + Default>(
    any: &mut Any,
    change: impl FnOnce(&mut M) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    if any.type_url == M::type_url() {
        let mut message = M::decode(any.value.as_slice())?;
        change(&mut message)?;
        *any = pack_any(message);
    }
    Ok(())
}
