//! Secrets, by where they are found: a document never holds one.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::upstream_tls::FilePath;
use crate::names::SecretName;

/// A secret, by where the control plane finds it: a credential (`env` or `file`), a `certificate`
/// with its `key`, or the certificates of `authorities`. Only the reference is ever part of a
/// document, and of anything that is stored, shown or compared. A file that changes reaches the
/// Envoys at once, whatever is being rolled out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Secret {
    /// The environment variable of the control plane that holds a credential.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env: Option<VariableName>,
    /// The file on the control plane's machine that holds a credential. A line end after it does
    /// not count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<FilePath>,
    /// The place of a certificate and of those between it and its authority, in PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<SecretPlace>,
    /// The place of the certificate's private key, in PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<SecretPlace>,
    /// The place of the certificates of authorities that are believed, in PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorities: Option<SecretPlace>,
}

/// The place where a part of a secret is found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SecretPlace {
    /// In this environment variable of the control plane; or else give `file`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env: Option<VariableName>,
    /// In this file on the control plane's machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<FilePath>,
}

/// The place of a part of a secret, as it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whereabouts<'a> {
    /// In this environment variable.
    Variable(&'a VariableName),
    /// In this file of the machine.
    File(&'a FilePath),
}

/// The parts of a secret, by what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretParts<'a> {
    /// A text that shows a server who calls.
    Credential(Whereabouts<'a>),
    /// A certificate, and its private key.
    Certificate {
        /// The place of the certificate.
        certificate: Whereabouts<'a>,
        /// The place of its private key.
        key: Whereabouts<'a>,
    },
    /// The certificates of authorities.
    Authorities(Whereabouts<'a>),
}

/// The purposes that a secret can serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretKind {
    /// It shows a server who calls.
    Credential,
    /// It shows who somebody is, by TLS.
    Certificate,
    /// It tells whom to believe, by TLS.
    Authorities,
}

impl Secret {
    /// Its parts; none where it says too little or too much, which the checks of the document
    /// report.
    #[must_use]
    pub fn parts(&self) -> Option<SecretParts<'_>> {
        let has_own = self.env.is_some() || self.file.is_some();
        match (&self.certificate, &self.key, &self.authorities) {
            (None, None, None) => {
                whereabouts(self.env.as_ref(), self.file.as_ref()).map(SecretParts::Credential)
            }
            (Some(certificate), Some(key), None) if !has_own => Some(SecretParts::Certificate {
                certificate: certificate.whereabouts()?,
                key: key.whereabouts()?,
            }),
            (None, None, Some(authorities)) if !has_own => {
                authorities.whereabouts().map(SecretParts::Authorities)
            }
            _ => None,
        }
    }

    /// The purpose that it can serve; none as for [`Secret::parts`].
    #[must_use]
    pub fn kind(&self) -> Option<SecretKind> {
        self.parts().map(|parts| match parts {
            SecretParts::Credential(_) => SecretKind::Credential,
            SecretParts::Certificate { .. } => SecretKind::Certificate,
            SecretParts::Authorities(_) => SecretKind::Authorities,
        })
    }

    /// The name under which Envoys know it: its own and a hash of the reference. A secret that is
    /// looked for elsewhere is another one, so that a generation which is rolled out in waves, or
    /// taken back, takes its references with it.
    #[must_use]
    pub fn resource_name(&self, name: &SecretName) -> String {
        let reference = serde_json::to_vec(self).expect("a reference is texts");
        let hash = hex::encode(Sha256::digest(reference));
        format!("{name}@{}", &hash[..HASH_DIGITS])
    }
}

/// So many digits tell the references of one name apart that a gateway ever has, and can be read
/// out.
const HASH_DIGITS: usize = 12;

impl SecretPlace {
    pub(crate) fn whereabouts(&self) -> Option<Whereabouts<'_>> {
        whereabouts(self.env.as_ref(), self.file.as_ref())
    }
}

fn whereabouts<'a>(
    env: Option<&'a VariableName>,
    file: Option<&'a FilePath>,
) -> Option<Whereabouts<'a>> {
    match (env, file) {
        (Some(variable), None) => Some(Whereabouts::Variable(variable)),
        (None, Some(file)) => Some(Whereabouts::File(file)),
        _ => None,
    }
}

impl fmt::Display for SecretKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Credential => "a credential (`env` or `file`)",
            Self::Certificate => "a `certificate` with its `key`",
            Self::Authorities => "`authorities`",
        })
    }
}

/// The name of an environment variable.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VariableName(String);

/// The reason why a text is no [`VariableName`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidVariableName {
    /// It is no name at all.
    #[error(
        "this is not the name of an environment variable: write letters, digits and `_`, such as \
         `MATH_TOKEN`; what the variable holds does not belong here"
    )]
    NoName,
    /// It is one that the product itself reads.
    #[error(
        "`{0}` is a setting of Portcullis itself, whose value is for nobody else: put the secret \
         into a variable of its own"
    )]
    Ours(String),
}

/// The beginnings of the names of the product's own settings, of which some hold passwords.
const OWN_PREFIXES: [&str; 4] = ["PORTCULLIS_", "CONTROL_PLANE_", "POSTGRES_", "SPARK_"];

impl VariableName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for VariableName {
    type Error = InvalidVariableName;
    fn try_from(text: String) -> Result<Self, InvalidVariableName> {
        let begins = text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        // What was pasted in the place of a name may be the secret: it is not repeated.
        if !begins || text.len() > 128 || !text.bytes().all(is_plain) {
            return Err(InvalidVariableName::NoName);
        }
        if OWN_PREFIXES.iter().any(|own| text.starts_with(own)) {
            return Err(InvalidVariableName::Ours(text));
        }
        Ok(Self(text))
    }
}

impl From<VariableName> for String {
    fn from(name: VariableName) -> String {
        name.0
    }
}

impl JsonSchema for VariableName {
    fn schema_name() -> Cow<'static, str> {
        "VariableName".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]{0,127}$"})
    }
}
