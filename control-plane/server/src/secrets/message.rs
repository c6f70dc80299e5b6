//! Secrets as Envoys are given them.

use envoy_types::pb::envoy::config::core::v3::{DataSource, data_source::Specifier};
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::{
    CertificateValidationContext, GenericSecret, Secret, TlsCertificate, secret,
};

use super::material::Material;

/// The message that gives Envoys a secret.
pub(super) fn message(resource_name: &str, material: &Material) -> Secret {
    let content = match material {
        Material::Credential(text) => secret::Type::GenericSecret(GenericSecret {
            secret: Some(inline(text.as_bytes())),
            ..Default::default()
        }),
        Material::Certificate { chain, key } => secret::Type::TlsCertificate(TlsCertificate {
            certificate_chain: Some(inline(chain)),
            private_key: Some(inline(key)),
            ..Default::default()
        }),
        Material::Authorities(authorities) => {
            secret::Type::ValidationContext(CertificateValidationContext {
                trusted_ca: Some(inline(&authorities.pem)),
                ..Default::default()
            })
        }
    };
    Secret {
        name: resource_name.to_owned(),
        r#type: Some(content),
    }
}

fn inline(bytes: &[u8]) -> DataSource {
    DataSource {
        specifier: Some(Specifier::InlineBytes(bytes.to_vec())),
        ..Default::default()
    }
}
