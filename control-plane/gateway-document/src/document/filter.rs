//! HTTP filters besides the gateway's own.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::module::ModuleReference;
use crate::names::{FilterName, ListenerName, Selector};
use crate::unique::UniqueValue;

/// An HTTP filter besides the gateway's own: a WebAssembly module, or one of Envoy's. Those of one
/// place run in the order of the document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    /// Unique among the filters.
    pub name: FilterName,
    /// The listeners that have it; `*` is all of them.
    #[serde(default = "every_listener")]
    pub listeners: Vec<Selector<ListenerName>>,
    /// On which side of the gateway's own filter it stands.
    #[serde(default)]
    pub place: FilterPlace,
    /// The module that it runs, which was uploaded at `/api/v1/modules`: its SHA-256, or its name
    /// and version (`name@version`), in whose place the SHA-256 is stored; either this or `envoy`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module: Option<ModuleReference>,
    /// The filter of Envoy's that it is, by the name of its configuration's message; either this or
    /// `module`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub envoy: Option<EnvoyFilter>,
    /// Its configuration: for a module any JSON, which the module is given as text; for a filter of
    /// Envoy's the message, as protobuf writes it in JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<serde_json::Value>")]
    pub configuration: Option<UniqueValue>,
}

/// The side of the gateway's own filter on which another one stands.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum FilterPlace {
    /// It sees requests first, as clients sent them, and answers last.
    #[default]
    Before,
    /// It sees what the gateway has allowed, as servers get it, and answers first.
    After,
}

/// A filter of Envoy's that a document may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum EnvoyFilter {
    /// The filter that bounds how many bytes go through in a second.
    BandwidthLimit,
    /// The filter that delays or breaks off requests, to see how clients bear it.
    Fault,
    /// The filter that adds and removes headers.
    HeaderMutation,
}

/// The reason why a text is no [`EnvoyFilter`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is not a filter of Envoy's that a document may name; write one of {known}",
    known = known())]
pub struct UnknownEnvoyFilter(String);

impl EnvoyFilter {
    /// The filters of Envoy's that documents may name.
    pub const ALL: [Self; 3] = [Self::BandwidthLimit, Self::Fault, Self::HeaderMutation];

    /// The full name of the message that configures it.
    #[must_use]
    pub fn message(self) -> &'static str {
        match self {
            Self::BandwidthLimit => {
                "envoy.extensions.filters.http.bandwidth_limit.v3.BandwidthLimit"
            }
            Self::Fault => "envoy.extensions.filters.http.fault.v3.HTTPFault",
            Self::HeaderMutation => {
                "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation"
            }
        }
    }
}

fn known() -> String {
    let names = EnvoyFilter::ALL.map(|filter| format!("`{}`", filter.message()));
    names.join(", ")
}

impl FromStr for EnvoyFilter {
    type Err = UnknownEnvoyFilter;
    fn from_str(text: &str) -> Result<Self, UnknownEnvoyFilter> {
        let mut all = Self::ALL.into_iter();
        all.find(|filter| filter.message() == text)
            .ok_or_else(|| UnknownEnvoyFilter(text.to_owned()))
    }
}

impl TryFrom<String> for EnvoyFilter {
    type Error = UnknownEnvoyFilter;
    fn try_from(text: String) -> Result<Self, UnknownEnvoyFilter> {
        text.parse()
    }
}

impl From<EnvoyFilter> for String {
    fn from(filter: EnvoyFilter) -> String {
        filter.message().to_owned()
    }
}

impl fmt::Display for EnvoyFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl JsonSchema for EnvoyFilter {
    fn schema_name() -> Cow<'static, str> {
        "EnvoyFilter".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"enum": Self::ALL.map(Self::message)})
    }
}

fn every_listener() -> Vec<Selector<ListenerName>> {
    vec![Selector::All]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_the_filters_of_envoys_by_their_messages_and_names_them_where_one_is_unknown() {
        for filter in EnvoyFilter::ALL {
            assert_eq!(filter.message().parse(), Ok(filter));
        }
        let lua = "envoy.extensions.filters.http.lua.v3.Lua";
        let refused = lua.parse::<EnvoyFilter>().unwrap_err().to_string();
        assert!(refused.contains("header_mutation"), "{refused}");
    }
}
