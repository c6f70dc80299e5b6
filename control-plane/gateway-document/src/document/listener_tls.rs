//! TLS for the clients of a listener.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::upstream_tls::{CertificateFiles, FilePath};
use crate::names::SecretName;

/// TLS for the clients of a listener, from version 1.2 on: by a `secret`, which Envoys take anew as
/// soon as its files change, or by `certificates`. The files of these are on the machines of the
/// Envoys, which read them when they get the listener: a certificate that is renewed under the same
/// path is taken at the listener's next change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListenerTls {
    /// The secret with the certificate and its key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretName>,
    /// Certificates with their keys, in the place of `secret`. Of several, a client gets the one
    /// for the name that it asks for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub certificates: Vec<CertificateFiles>,
    /// The file with the authorities of clients' certificates, in PEM. With it a client without a
    /// certificate of one of them gets no connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_ca_file: Option<FilePath>,
    /// The secret with these authorities, in the place of `client_ca_file`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_ca_secret: Option<SecretName>,
    /// The oldest version of TLS that clients may speak.
    #[serde(default, skip_serializing_if = "TlsVersion::is_usual")]
    pub min_version: TlsVersion,
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TlsVersion {
    /// Version 1.2, of 2008.
    #[default]
    #[serde(rename = "tls1.2")]
    V1_2,
    /// Version 1.3, of 2018.
    #[serde(rename = "tls1.3")]
    V1_3,
}

impl TlsVersion {
    fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}
