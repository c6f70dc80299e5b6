//! Secrets that are not discovered: an Envoy that is asked beforehand has nobody to discover them
//! from (1.40 crashes where it would have to), and no file is to hold what they say. Each is looked
//! for in a file that has none; whether it can be used is checked where it is read. Files of TLS,
//! which are on the machines of the Envoys, are secrets like them: Envoy would stop at the first
//! that is not here, and look at nothing behind it.

use envoy_types::pb::envoy::config::core::v3::{
    ApiVersion, ConfigSource, DataSource, PathConfigSource, TransportSocket,
    config_source::ConfigSourceSpecifier, data_source::Specifier, transport_socket::ConfigType,
};
use envoy_types::pb::envoy::extensions::filters::http::credential_injector::v3::CredentialInjector;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::{
    HttpFilter, http_filter,
};
use envoy_types::pb::envoy::extensions::http::injected_credentials::generic::v3::Generic;
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::{
    CommonTlsContext, DownstreamTlsContext, SdsSecretConfig, TlsCertificate, UpstreamTlsContext,
    common_tls_context::{CombinedCertificateValidationContext, ValidationContextType},
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
    let given = tls.tls_certificates.len();
    let is_inline = |certificate: &TlsCertificate| {
        let parts = [&certificate.certificate_chain, &certificate.private_key];
        !parts.into_iter().flatten().any(is_in_file)
    };
    tls.tls_certificates.retain(is_inline);
    if tls.tls_certificates.len() < given {
        // One stands for all of them.
        tls.tls_certificate_sds_secret_configs
            .push(file_elsewhere());
    }
    tls.validation_context_type = tls.validation_context_type.take().map(in_authorities);
}

fn in_authorities(kind: ValidationContextType) -> ValidationContextType {
    match kind {
        ValidationContextType::ValidationContextSdsSecretConfig(mut secret) => {
            in_secret(&mut secret);
            ValidationContextType::ValidationContextSdsSecretConfig(secret)
        }
        ValidationContextType::CombinedValidationContext(mut combined) => {
            if let Some(secret) = &mut combined.validation_context_sds_secret_config {
                in_secret(secret);
            }
            ValidationContextType::CombinedValidationContext(combined)
        }
        ValidationContextType::ValidationContext(mut context)
            if context.trusted_ca.as_ref().is_some_and(is_in_file) =>
        {
            context.trusted_ca = None;
            let combined = CombinedCertificateValidationContext {
                default_validation_context: Some(context),
                validation_context_sds_secret_config: Some(file_elsewhere()),
                ..Default::default()
            };
            ValidationContextType::CombinedValidationContext(combined)
        }
        other => other,
    }
}

fn is_in_file(source: &DataSource) -> bool {
    matches!(source.specifier, Some(Specifier::Filename(_)))
}

/// A secret in the place of a file that only the machines of the Envoys need to have.
fn file_elsewhere() -> SdsSecretConfig {
    let mut secret = SdsSecretConfig {
        name: "file".to_owned(),
        ..Default::default()
    };
    in_secret(&mut secret);
    secret
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
