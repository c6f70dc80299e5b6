//! Conditions that a server must meet for its tools to be offered.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use semver::{Version, VersionReq};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::protocol::Protocol;

/// The conditions that a server must meet for its tools to be offered. While it does not, its tools
/// are withheld, with the reason.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Requires {
    /// The oldest revision of MCP that it may be listed in; `auto` is any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
    /// The capabilities that it must declare, such as `tools` or `resources`.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub capabilities: BTreeSet<String>,
    /// The versions that it may have, such as `>=1.2` or `>=1.2, <2`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<VersionRange>,
}

/// The words of a server about itself, as far as they are known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerAbout {
    /// The name that it gives itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The version that it says it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The capabilities that it declares, if it declares any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<BTreeSet<String>>,
}

impl Requires {
    pub(super) fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// Why a server does not meet this that was listed in this revision of MCP and says this of
    /// itself; nothing where it does.
    #[must_use]
    pub fn unmet(&self, protocol: &str, about: &ServerAbout) -> Option<String> {
        if let Some(oldest) = self.protocol
            && oldest != Protocol::Auto
            // Revisions are dates, which sort as texts.
            && protocol < oldest.as_str()
        {
            return Some(format!(
                "its server speaks MCP {protocol}, and `requires` wants {} or later; upgrade the \
                 server, or change `requires`",
                oldest.as_str()
            ));
        }
        let declared = about.capabilities.as_ref();
        let missing = self
            .capabilities
            .iter()
            .find(|wanted| !declared.is_some_and(|declared| declared.contains(*wanted)));
        if let Some(missing) = missing {
            return Some(format!(
                "its server does not declare the capability `{missing}`, which `requires` wants; \
                 upgrade the server, or change `requires`"
            ));
        }
        let range = self.version.as_ref()?;
        match &about.version {
            None => Some(format!(
                "its server does not say its version, and `requires` wants `{range}`; upgrade the \
                 server, or change `requires`"
            )),
            Some(version) if range.contains(version) => None,
            Some(version) => Some(format!(
                "its server says that its version is `{version}`, and `requires` wants `{range}`; \
                 upgrade the server, or change `requires`"
            )),
        }
    }
}

/// A range of versions as Cargo writes them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VersionRange(VersionReq);

/// The reason why a text is no range of versions.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{text}` is no range of versions ({reason}); write it like `>=1.2` or `>=1.2, <2`")]
pub struct InvalidVersionRange {
    text: String,
    reason: String,
}

impl VersionRange {
    /// Whether a version lies in this range. Versions need not be complete: `v1.2` is 1.2.0. What
    /// is no version lies in none.
    #[must_use]
    pub fn contains(&self, version: &str) -> bool {
        complete(version).is_some_and(|version| self.0.matches(&version))
    }
}

/// Reads a version of one to three numbers, each of which may begin with zeros as dates do.
fn complete(text: &str) -> Option<Version> {
    let text = text.trim();
    let text = text.strip_prefix(['v', 'V']).unwrap_or(text);
    let end = text.find(['-', '+']).unwrap_or(text.len());
    let (numbers, rest) = text.split_at(end);
    let mut parts = numbers.split('.').map(str::parse::<u64>);
    let mut number = || parts.next().unwrap_or(Ok(0)).ok();
    let (major, minor, patch) = (number()?, number()?, number()?);
    if parts.next().is_some() {
        return None;
    }
    Version::parse(&format!("{major}.{minor}.{patch}{rest}")).ok()
}

impl FromStr for VersionRange {
    type Err = InvalidVersionRange;
    fn from_str(text: &str) -> Result<Self, InvalidVersionRange> {
        VersionReq::parse(text)
            .map(Self)
            .map_err(|error| InvalidVersionRange {
                text: text.to_owned(),
                reason: error.to_string(),
            })
    }
}

impl TryFrom<String> for VersionRange {
    type Error = InvalidVersionRange;
    fn try_from(text: String) -> Result<Self, InvalidVersionRange> {
        text.parse()
    }
}

impl From<VersionRange> for String {
    fn from(range: VersionRange) -> String {
        range.to_string()
    }
}

impl fmt::Display for VersionRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl JsonSchema for VersionRange {
    fn schema_name() -> Cow<'static, str> {
        "VersionRange".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "examples": [">=1.2", ">=1.2, <2"]})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_finds_versions_in_a_range_however_servers_write_them() {
        let range: VersionRange = ">=1.2, <2".parse().unwrap();
        for version in ["1.2", "1.2.0", "v1.3", "1.20.7+build", " 1.9.0 "] {
            assert!(range.contains(version), "{version}");
        }
        for version in [
            "1.1.9",
            "2",
            "2.0.0",
            "1.2.3.4",
            "new",
            "",
            "1.2.0-rc.1",
            "1..2",
        ] {
            assert!(!range.contains(version), "{version}");
        }
        let by_date: VersionRange = ">=2026.3".parse().unwrap();
        assert!(by_date.contains("2026.03.01") && !by_date.contains("2026.02"));
        assert!("one".parse::<VersionRange>().is_err());
    }

    #[test]
    fn it_says_what_a_server_lacks() {
        let requires = Requires {
            protocol: Some(Protocol::V2025_06_18),
            capabilities: BTreeSet::from(["tools".to_owned()]),
            version: Some(">=1.2".parse().unwrap()),
        };
        let about = |version: Option<&str>, capabilities: Option<&[&str]>| ServerAbout {
            name: None,
            version: version.map(str::to_owned),
            capabilities: capabilities.map(|all| all.iter().map(ToString::to_string).collect()),
        };
        let tools = Some(&["resources", "tools"][..]);
        for (protocol, about, told) in [
            ("2026-07-28", about(Some("1.2"), tools), None),
            ("2025-06-18", about(Some("1.2"), tools), None),
            ("2025-03-26", about(Some("1.2"), tools), Some("2025-06-18")),
            ("2026-07-28", about(Some("1.2"), None), Some("`tools`")),
            ("2026-07-28", about(Some("1.2"), Some(&[])), Some("`tools`")),
            ("2026-07-28", about(Some("1.1"), tools), Some("`1.1`")),
            ("2026-07-28", about(None, tools), Some("its version")),
        ] {
            let unmet = requires.unmet(protocol, &about);
            assert_eq!(unmet.is_some(), told.is_some(), "{unmet:?}");
            assert!(unmet.unwrap_or_default().contains(told.unwrap_or_default()));
        }
        assert_eq!(Requires::default().unmet("", &ServerAbout::default()), None);
    }
}
