//! The filter modules that a document names, by the hash of their bytes.

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
    fn it_reads_a_hash_in_either_case_and_nothing_shorter() {
        let hash: ModuleHash = "AB".repeat(32).parse().unwrap();
        assert_eq!(hash.as_str(), "ab".repeat(32));
        for text in ["", "ab", &"zz".repeat(32), &"ab".repeat(33)] {
            let refused = text.parse::<ModuleHash>().unwrap_err().to_string();
            assert!(refused.contains("64 hexadecimal digits"), "{refused}");
        }
    }
}
