//! Cross-origin requests of browsers (the Fetch standard, "CORS protocol").

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::route_match::{HeaderName, HttpMethod};
use crate::span::Span;

/// The web pages that may call a route and read its answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cors {
    /// The pages' origins, such as `https://app.example`; `*` as the port is any port, `*` alone is
    /// any origin.
    pub origins: Vec<String>,
    /// The methods that they may use.
    #[serde(default = "reading")]
    pub methods: BTreeSet<HttpMethod>,
    /// The headers that they may send, besides those that any page may.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub headers: BTreeSet<HeaderName>,
    /// The headers of answers that they may read, besides those that any page may.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub expose: BTreeSet<HeaderName>,
    /// Whether browsers send cookies and other credentials along.
    #[serde(default)]
    pub credentials: bool,
    /// How long a browser may keep what it was told.
    #[serde(default = "ten_minutes")]
    pub max_age: Span,
}

/// How browsers on pages of the listener's `allowed_origins` may call its MCP endpoints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct McpCors {
    /// Whether browsers send cookies and other credentials along.
    pub credentials: bool,
    /// How long a browser may keep what it was told.
    pub max_age: Span,
}

impl Default for McpCors {
    fn default() -> Self {
        Self {
            credentials: false,
            max_age: ten_minutes(),
        }
    }
}

fn reading() -> BTreeSet<HttpMethod> {
    BTreeSet::from([HttpMethod::Get, HttpMethod::Head])
}

/// As long as Chromium keeps it at most, and Firefox keeps it longer: more would do nothing there.
fn ten_minutes() -> Span {
    Span::from_seconds(600)
}
