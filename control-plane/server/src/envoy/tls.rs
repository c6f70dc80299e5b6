//! TLS, towards clients and towards endpoints. Keys are named by the files that hold them, or by
//! secrets, which are discovered apart: no resource has one in it.

use envoy_types::pb::envoy::config::core::v3::{
    DataSource, TransportSocket, data_source::Specifier, transport_socket::ConfigType,
};
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::{
    CertificateValidationContext, CommonTlsContext, DownstreamTlsContext, SubjectAltNameMatcher,
    TlsCertificate, TlsParameters, UpstreamTlsContext,
    common_tls_context::{CombinedCertificateValidationContext, ValidationContextType},
    subject_alt_name_matcher::SanType,
    tls_parameters::TlsProtocol,
};
use envoy_types::pb::google::protobuf::Any;
use envoy_types::util::pack_any;
use gateway_document::{
    CertificateFiles, FilePath, ListenerTls, TlsVersion, UpstreamAuthority, UpstreamTls,
};

use super::matching::exactly;
use super::secret::{NamedSecrets, system_authorities};
use super::truth;

/// TLS for the clients of a listener.
pub(super) fn for_clients(secrets: &NamedSecrets<'_>, tls: &ListenerTls) -> TransportSocket {
    let in_files = tls.client_ca_file.as_ref().map(|file| {
        ValidationContextType::ValidationContext(CertificateValidationContext {
            trusted_ca: Some(in_file(file)),
            ..Default::default()
        })
    });
    let authorities = secrets
        .discovered(tls.client_ca_secret.as_ref())
        .map(ValidationContextType::ValidationContextSdsSecretConfig)
        .or(in_files);
    let oldest = match tls.min_version {
        TlsVersion::V1_2 => TlsProtocol::TlSv12,
        TlsVersion::V1_3 => TlsProtocol::TlSv13,
    };
    let secret = secrets.discovered(tls.secret.as_ref());
    socket(pack_any(DownstreamTlsContext {
        require_client_certificate: authorities.as_ref().and_then(|_| truth(true)),
        common_tls_context: Some(CommonTlsContext {
            tls_params: Some(versions_from(oldest)),
            tls_certificates: tls.certificates.iter().map(certificate).collect(),
            tls_certificate_sds_secret_configs: secret.into_iter().collect(),
            alpn_protocols: vec!["h2".to_owned(), "http/1.1".to_owned()],
            validation_context_type: authorities,
            ..Default::default()
        }),
        ..Default::default()
    }))
}

/// TLS towards endpoints, of which `first` is the first. Without a name that their certificates
/// must have, or an authority, the checks of the document have refused it.
pub(super) fn for_endpoints(
    secrets: &NamedSecrets<'_>,
    tls: &UpstreamTls,
    first: Option<&UpstreamAuthority>,
) -> TransportSocket {
    let name = tls.asked_name(first);
    let names = tls.believed_names(first);
    let inline = |text: &String| DataSource {
        specifier: Some(Specifier::InlineString(text.clone())),
        ..Default::default()
    };
    let validation = CertificateValidationContext {
        trusted_ca: tls
            .ca_file
            .as_ref()
            .map(in_file)
            .or_else(|| tls.ca.as_ref().map(inline)),
        match_typed_subject_alt_names: names.iter().map(|name| certificate_name(name)).collect(),
        ..Default::default()
    };
    // Envoy has no word for the authorities of its own system beside names to check.
    let authorities = secrets
        .discovered(tls.ca_secret.as_ref())
        .or_else(|| tls.system_ca.then(system_authorities));
    let validation = match authorities {
        Some(authorities) => {
            ValidationContextType::CombinedValidationContext(CombinedCertificateValidationContext {
                default_validation_context: Some(validation),
                validation_context_sds_secret_config: Some(authorities),
                ..Default::default()
            })
        }
        None => ValidationContextType::ValidationContext(validation),
    };
    let secret = secrets.discovered(tls.secret.as_ref());
    socket(pack_any(UpstreamTlsContext {
        sni: name.unwrap_or_default(),
        common_tls_context: Some(CommonTlsContext {
            tls_params: Some(versions_from(TlsProtocol::TlSv12)),
            tls_certificates: tls.certificate.iter().map(certificate).collect(),
            tls_certificate_sds_secret_configs: secret.into_iter().collect(),
            validation_context_type: Some(validation),
            ..Default::default()
        }),
        ..Default::default()
    }))
}

fn certificate_name(name: &str) -> SubjectAltNameMatcher {
    let san_type = match name.parse::<std::net::IpAddr>() {
        Ok(_) => SanType::IpAddress,
        Err(_) => SanType::Dns,
    };
    SubjectAltNameMatcher {
        san_type: san_type.into(),
        matcher: Some(exactly(name)),
        ..Default::default()
    }
}

/// Towards endpoints Envoy itself would speak nothing newer than 1.2.
fn versions_from(oldest: TlsProtocol) -> TlsParameters {
    TlsParameters {
        tls_minimum_protocol_version: oldest.into(),
        tls_maximum_protocol_version: TlsProtocol::TlSv13.into(),
        ..Default::default()
    }
}

fn certificate(files: &CertificateFiles) -> TlsCertificate {
    TlsCertificate {
        certificate_chain: Some(in_file(&files.certificate_file)),
        private_key: Some(in_file(&files.key_file)),
        ..Default::default()
    }
}

fn in_file(path: &FilePath) -> DataSource {
    DataSource {
        specifier: Some(Specifier::Filename(path.as_str().to_owned())),
        ..Default::default()
    }
}

fn socket(context: Any) -> TransportSocket {
    TransportSocket {
        name: "envoy.transport_sockets.tls".to_owned(),
        config_type: Some(ConfigType::TypedConfig(context)),
    }
}
