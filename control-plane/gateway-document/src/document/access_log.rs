//! The access log of a listener.

use std::collections::{BTreeMap, BTreeSet};

use policy_engine::wire;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::unique;

/// The access log of a listener: of each request one line of JSON on Envoy's standard output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AccessLog {
    /// The details of the gateway's decision that are on the line, each under its own name; all of
    /// them if left out.
    pub details: BTreeSet<AccessDetail>,
    /// The other fields of the line: a name, and a text in which Envoy fills in what stands between
    /// `%` signs, such as `%RESPONSE_CODE%`. Without any, the usual ones.
    #[serde(
        deserialize_with = "unique::map",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub format: BTreeMap<String, String>,
}

impl Default for AccessLog {
    fn default() -> Self {
        Self {
            details: AccessDetail::ALL.into(),
            format: BTreeMap::new(),
        }
    }
}

/// A detail of the gateway's decision on a request.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum AccessDetail {
    /// Twelve digits that tell apart the configurations of the listener's filter, as the gauge
    /// `portcullis_configuration` does.
    Configuration,
    /// `allowed`, or the reason for the refusal in a word, such as `forbidden` or `limited`.
    Decision,
    /// The server's own name of the item that the request is about: of a tool or prompt its name,
    /// of a resource its URI, of another message its method. Nothing but of tools and of what a
    /// rule is about.
    Item,
    /// The kind of that item: `tool`, `prompt`, `resource` or `method`.
    Kind,
    /// The caller, as far as it is known who that is.
    Principal,
    /// The rule that decided; nothing where a default did.
    Rule,
    /// The server of the item.
    Server,
    /// The server's own name of the tool that was called.
    Tool,
}

impl AccessDetail {
    /// Every detail that there is.
    pub const ALL: [Self; 8] = [
        Self::Configuration,
        Self::Decision,
        Self::Item,
        Self::Kind,
        Self::Principal,
        Self::Rule,
        Self::Server,
        Self::Tool,
    ];

    /// The name of its field on the line.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Decision => "decision",
            Self::Item => "item",
            Self::Kind => "kind",
            Self::Principal => "principal",
            Self::Rule => "rule",
            Self::Server => "server",
            Self::Tool => "tool",
        }
    }
}

impl From<AccessDetail> for wire::AccessDetail {
    fn from(detail: AccessDetail) -> Self {
        match detail {
            AccessDetail::Configuration => Self::Configuration,
            AccessDetail::Decision => Self::Decision,
            AccessDetail::Item => Self::Item,
            AccessDetail::Kind => Self::Kind,
            AccessDetail::Principal => Self::Principal,
            AccessDetail::Rule => Self::Rule,
            AccessDetail::Server => Self::Server,
            AccessDetail::Tool => Self::Tool,
        }
    }
}
