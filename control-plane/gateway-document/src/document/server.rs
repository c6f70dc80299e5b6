//! Registered MCP servers and their URLs.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use url::Url;

use super::cluster::UpstreamAuthority;
use crate::names::{SecretName, ServerName};

/// A registered MCP server, reached by streamable HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Its one endpoint; or else give `endpoints`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<EndpointUrl>,
    /// Several endpoints that serve the same tools; calls are spread over them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<EndpointUrl>,
    /// The revision of MCP that the gateway itself speaks to it.
    #[serde(default)]
    pub protocol: Protocol,
    /// Put before the names of its tools where several servers appear as one.
    #[serde(default)]
    pub tool_prefix: String,
    /// Whether its lists are the same for every caller.
    #[serde(default)]
    pub catalogue: CatalogueMode,
    /// The credentials that the gateway presents to it. Without them no credential that a caller
    /// sends to the gateway goes there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Credentials>,
    /// The most connections that each Envoy opens to it: requests that it answers and streams of
    /// events, together. As many requests wait for one, and those beyond are told to try again. The
    /// default is 500 for `data`, which serves 512, and 16384 for any other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65_536))]
    pub max_connections: Option<u32>,
}

impl Server {
    /// `data`, the server that comes with the product, where it listens by default.
    pub(crate) fn built_in() -> (ServerName, Self) {
        let (name, url) = (
            "data".parse().expect("a valid name"),
            "http://127.0.0.1:8000/mcp".parse().expect("a valid URL"),
        );
        let server = Self {
            url: Some(url),
            endpoints: Vec::new(),
            protocol: Protocol::Auto,
            tool_prefix: String::new(),
            catalogue: CatalogueMode::Shared,
            credentials: None,
            max_connections: None,
        };
        (name, server)
    }

    /// All its endpoints, however they were written.
    pub fn all_endpoints(&self) -> impl Iterator<Item = &EndpointUrl> {
        self.url.iter().chain(&self.endpoints)
    }
}

/// The revision of MCP to speak.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Protocol {
    /// The newest that the server answers.
    #[default]
    #[serde(rename = "auto")]
    Auto,
    /// The stateless revision of July 2026.
    #[serde(rename = "2026-07-28")]
    V2026_07_28,
    /// The last revision with `initialize`.
    #[serde(rename = "2025-11-25")]
    V2025_11_25,
    /// The revision of June 2025.
    #[serde(rename = "2025-06-18")]
    V2025_06_18,
    /// The first revision with streamable HTTP.
    #[serde(rename = "2025-03-26")]
    V2025_03_26,
}

/// Whether a server's lists are the same for every caller.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CatalogueMode {
    /// They are the same for every caller.
    #[default]
    Shared,
    /// They depend on the caller's rights. Not supported yet.
    PerCaller,
}

/// The credentials that the gateway presents to a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "expected `passthrough`, or `secret` with the name of one of `secrets`"
)]
pub enum Credentials {
    /// The callers' own: their `Authorization`, `Proxy-Authorization` and `Cookie` go there as they
    /// came.
    Callers(Passthrough),
    /// The gateway's own. Not supported yet.
    Gateways(SecretCredentials),
}

/// The word that lets callers' own credentials pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Passthrough {
    /// They go to the server as they came.
    Passthrough,
}

/// Credentials that are kept as a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretCredentials {
    /// Names one of `secrets`.
    pub secret: SecretName,
}

/// The URL of an MCP endpoint: scheme, host, port and path, nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EndpointUrl {
    url: Url,
    authority: UpstreamAuthority,
}

/// The reason why a text is not the URL of an MCP endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{text}` is not the URL of an MCP endpoint: {reason}")]
pub struct InvalidUrl {
    text: String,
    reason: &'static str,
}

impl EndpointUrl {
    /// The scheme: `http` or `https`.
    #[must_use]
    pub fn scheme(&self) -> &str {
        self.url.scheme()
    }

    /// The host and port to connect to.
    #[must_use]
    pub fn authority(&self) -> &UpstreamAuthority {
        &self.authority
    }

    /// The path of the endpoint on the server.
    #[must_use]
    pub fn path(&self) -> &str {
        self.url.path()
    }

    /// The whole URL as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.url.as_str()
    }
}

impl FromStr for EndpointUrl {
    type Err = InvalidUrl;
    fn from_str(text: &str) -> Result<Self, InvalidUrl> {
        let invalid = |reason| InvalidUrl {
            // A password that somebody put here must not come back in an answer or a log line.
            text: if text.contains('@') {
                "…".to_owned()
            } else {
                text.to_owned()
            },
            reason,
        };
        let url =
            Url::parse(text).map_err(|_| invalid("write it like `http://127.0.0.1:8000/mcp`"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(invalid("its scheme is neither `http` nor `https`"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(invalid(
                "take the user and password out; a URL is shown in logs and answers",
            ));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(invalid("take everything from `?` or `#` on out"));
        }
        let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
            return Err(invalid("it names no host"));
        };
        let authority = format!("{host}:{port}")
            .parse()
            .map_err(|_| invalid("its host or port cannot be connected to"))?;
        Ok(Self { url, authority })
    }
}

impl TryFrom<String> for EndpointUrl {
    type Error = InvalidUrl;
    fn try_from(text: String) -> Result<Self, InvalidUrl> {
        text.parse()
    }
}

impl From<EndpointUrl> for String {
    fn from(endpoint: EndpointUrl) -> String {
        endpoint.url.into()
    }
}

impl fmt::Display for EndpointUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl JsonSchema for EndpointUrl {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "EndpointUrl".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "format": "uri",
            "pattern": "^https?://[^/?#@]+(/[^?#]*)?$"})
    }
}
