//! TLS towards endpoints: whom the gateway believes, and how it shows who it is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::authority::UpstreamAuthority;
use crate::names::SecretName;

/// TLS towards endpoints. An endpoint whose certificate is not signed by the authority that is
/// given, or is not for a name that is given, gets no request. Files are on the machines of the
/// Envoys, which read them when they get the configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct UpstreamTls {
    /// The file with the certificates of the authorities that are believed, in PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<FilePath>,
    /// These certificates themselves, in PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
    /// The secret with these certificates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_secret: Option<SecretName>,
    /// Whether the authorities of the control plane's system are believed, which Envoys are given
    /// as a secret.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub system_ca: bool,
    /// The name that the endpoint is asked for; by default the host of the first endpoint, unless
    /// that is an address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
    /// The names of which the endpoint's certificate must have one; by default `server_name`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub certificate_names: Vec<String>,
    /// The certificate by which the gateway shows who it is, where endpoints ask for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<CertificateFiles>,
    /// The secret with this certificate and its key, in the place of `certificate`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretName>,
}

impl UpstreamTls {
    /// The name that an endpoint is asked for, where `first` is the first of them.
    #[must_use]
    pub fn asked_name(&self, first: Option<&UpstreamAuthority>) -> Option<String> {
        let host = first.filter(|first| first.ip().is_none());
        let host = host.map(UpstreamAuthority::host);
        self.server_name.clone().or(host)
    }

    /// The names of which an endpoint's certificate must have one.
    #[must_use]
    pub fn believed_names(&self, first: Option<&UpstreamAuthority>) -> Vec<String> {
        let mut names = self.certificate_names.clone();
        if names.is_empty() {
            names.extend(self.asked_name(first));
        }
        names
    }
}

/// A certificate and its private key, by the files that hold them. The key itself is never part of
/// a document, nor of what Envoys are sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CertificateFiles {
    /// The file with the certificate and those between it and its authority, in PEM.
    pub certificate_file: FilePath,
    /// The file with its private key, in PEM.
    pub key_file: FilePath,
}

/// An absolute path: of a secret on the machine of the control plane, of other files on those of
/// the Envoys.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FilePath(String);

/// The reason why a text is no [`FilePath`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is not the path of a file: write an absolute one, such as `/etc/portcullis/tls/ca.pem`; \
     what the file holds does not belong here"
)]
pub struct InvalidFilePath;

impl FilePath {
    /// The path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for FilePath {
    type Error = InvalidFilePath;
    fn try_from(text: String) -> Result<Self, InvalidFilePath> {
        // What was pasted in the place of a path may be a key: it is not repeated.
        let is_path = text.starts_with('/') && text.len() <= 4_096;
        if is_path && !text.chars().any(char::is_control) {
            Ok(Self(text))
        } else {
            Err(InvalidFilePath)
        }
    }
}

impl From<FilePath> for String {
    fn from(path: FilePath) -> String {
        path.0
    }
}

impl JsonSchema for FilePath {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "FilePath".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "pattern": "^/.{0,4095}$"})
    }
}
