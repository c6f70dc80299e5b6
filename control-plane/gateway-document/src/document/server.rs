//! Registered MCP servers, and how each is spoken to.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::endpoint::Endpoint;
use super::endpoint_url::EndpointUrl;
use super::upstream::Upstream;
use crate::names::{SecretName, ServerName};

/// A registered MCP server, reached by streamable HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Its one endpoint; or else give `endpoints`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<EndpointUrl>,
    /// Several endpoints that serve the same tools; calls are spread over them, by their weights
    /// where they have some: a new version of a server is tried so on a share of the calls.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<Endpoint<EndpointUrl>>,
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
    /// How Envoy treats its endpoints.
    #[serde(default, skip_serializing_if = "Upstream::is_usual")]
    pub upstream: Upstream,
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
            upstream: Upstream::default(),
        };
        (name, server)
    }

    /// The URLs of all its endpoints, however they were written.
    pub fn all_endpoints(&self) -> impl Iterator<Item = &EndpointUrl> {
        let several = self.endpoints.iter().map(|endpoint| &endpoint.place);
        self.url.iter().chain(several)
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
