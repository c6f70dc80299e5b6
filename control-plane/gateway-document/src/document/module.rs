//! The filter modules that a document names: by the hash of their bytes, or by the name and version
//! that their builders wrote into them. What is stored names hashes alone.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The module that the gateway's own filter runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GatewayModule {
    /// The SHA-256 of a module that was uploaded at `/api/v1/modules`; without it, the module that
    /// the control plane was started with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<ModuleHash>,
    /// The name and version of such a module (`name@version`), in the place of `sha256`, which is
    /// stored instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<ModuleVersion>,
}

/// A module as a document names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ModuleReference {
    /// By the hash of its bytes.
    Hash(ModuleHash),
    /// By its name and version.
    Version(ModuleVersion),
}

/// The name and version of a module: `name@version`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ModuleVersion(String);

/// The reason why a text is no [`ModuleReference`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "`{0}` names no module: write the 64 hexadecimal digits of its SHA-256, or its name and \
     version as `name@version`, as `GET /api/v1/modules` shows them"
)]
pub struct InvalidModuleReference(String);

/// The length of a name and version; `mcp-filter@0.1.0` has 16 bytes.
const MOST_VERSION_BYTES: usize = 200;

impl ModuleVersion {
    /// The name and version as text, with `@` between them.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is what a module says of itself.
    #[must_use]
    pub fn is_of(&self, name: &str, version: &str) -> bool {
        // A name may have an `@` in it; a version has none.
        self.0.rsplit_once('@') == Some((name, version))
    }
}

impl TryFrom<String> for ModuleVersion {
    type Error = InvalidModuleReference;
    fn try_from(text: String) -> Result<Self, InvalidModuleReference> {
        let parts = text.rsplit_once('@');
        let is_whole = parts.is_some_and(|(name, version)| !name.is_empty() && !version.is_empty());
        let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic());
        if is_whole && is_plain && text.len() <= MOST_VERSION_BYTES {
            Ok(Self(text))
        } else {
            Err(InvalidModuleReference(text))
        }
    }
}

impl From<ModuleVersion> for String {
    fn from(version: ModuleVersion) -> String {
        version.0
    }
}

impl fmt::Display for ModuleVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl ModuleReference {
    /// The hash, where that is what is written.
    #[must_use]
    pub fn hash(&self) -> Option<&ModuleHash> {
        match self {
            Self::Hash(hash) => Some(hash),
            Self::Version(_) => None,
        }
    }
}

impl TryFrom<String> for ModuleReference {
    type Error = InvalidModuleReference;
    fn try_from(text: String) -> Result<Self, InvalidModuleReference> {
        match text.parse::<ModuleHash>() {
            Ok(hash) => Ok(Self::Hash(hash)),
            Err(_) => text.try_into().map(Self::Version),
        }
    }
}

impl From<ModuleReference> for String {
    fn from(reference: ModuleReference) -> String {
        match reference {
            ModuleReference::Hash(hash) => hash.into(),
            ModuleReference::Version(version) => version.into(),
        }
    }
}

impl fmt::Display for ModuleReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hash(hash) => hash.fmt(f),
            Self::Version(version) => version.fmt(f),
        }
    }
}

impl JsonSchema for ModuleReference {
    fn schema_name() -> Cow<'static, str> {
        "ModuleReference".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": "^([0-9A-Fa-f]{64}|[!-~]+@[!-?A-~]+)$",
            "maxLength": MOST_VERSION_BYTES})
    }
}

impl JsonSchema for ModuleVersion {
    fn schema_name() -> Cow<'static, str> {
        "ModuleVersion".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": "^[!-~]+@[!-?A-~]+$",
            "maxLength": MOST_VERSION_BYTES})
    }
}

/// The SHA-256 of a module's bytes, in lower-case hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ModuleHash(String);

/// The reason why a text is no [`ModuleHash`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "`{0}` is not the SHA-256 of a module: write 64 hexadecimal digits, as `GET /api/v1/modules` \
     shows them"
)]
pub struct InvalidModuleHash(String);

impl ModuleHash {
    /// The hash as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ModuleHash {
    type Err = InvalidModuleHash;
    fn from_str(text: &str) -> Result<Self, InvalidModuleHash> {
        if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(InvalidModuleHash(text.to_owned()))
        }
    }
}

impl TryFrom<String> for ModuleHash {
    type Error = InvalidModuleHash;
    fn try_from(text: String) -> Result<Self, InvalidModuleHash> {
        text.parse()
    }
}

impl From<ModuleHash> for String {
    fn from(hash: ModuleHash) -> String {
        hash.0
    }
}

impl fmt::Display for ModuleHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl JsonSchema for ModuleHash {
    fn schema_name() -> Cow<'static, str> {
        "ModuleHash".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": "^[0-9A-Fa-f]{64}$"})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_a_name_with_a_version_or_a_hash() {
        let read = |text: &str| ModuleReference::try_from(text.to_owned());
        let hash = "ab".repeat(32);
        assert!(read(&hash).unwrap().hash().is_some());
        let version = ModuleVersion::try_from("@acme/geo@1.2.0".to_owned()).unwrap();
        assert!(version.is_of("@acme/geo", "1.2.0"));
        assert!(!version.is_of("@acme/geo", "1.2"));
        let long = format!("{}@1", "a".repeat(MOST_VERSION_BYTES));
        for text in ["", "geo", "@1.0.0", "geo@", "a b@1", "geo@1\n", &long] {
            let refused = read(text).unwrap_err().to_string();
            assert!(refused.contains("`name@version`"), "{refused}");
        }
    }

    #[test]
    fn it_reads_a_hash_in_either_case_and_nothing_shorter() {
        let hash: ModuleHash = "AB".repeat(32).parse().unwrap();
        assert_eq!(hash.as_str(), "ab".repeat(32));
        for text in ["", "ab", &"zz".repeat(32), &"ab".repeat(33)] {
            let refused = text.parse::<ModuleHash>().unwrap_err().to_string();
            assert!(refused.contains("64 hexadecimal digits"), "{refused}");
        }
    }
}
