//! Registered MCP servers, and how each is spoken to.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::endpoint::Endpoint;
use super::endpoint_url::EndpointUrl;
use super::protocol::Protocol;
use super::requires::Requires;
use super::route_match::HeaderName;
use super::upstream::Upstream;
use super::upstream_tls::UpstreamTls;
use crate::names::{SecretName, ServerName};
use crate::unique;

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
    /// The conditions that it must meet for its tools to be offered.
    #[serde(default, skip_serializing_if = "Requires::is_nothing")]
    pub requires: Requires,
    /// Whether the definitions of its tools stay as they are until somebody approves others: one
    /// that it changes is not in force, and a tool that is new is withheld.
    #[serde(default, skip_serializing_if = "is_false")]
    pub pin: bool,
    /// Words of the operator about it, such as who runs it. Nothing goes by them.
    #[serde(
        default,
        deserialize_with = "unique::map",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub labels: BTreeMap<String, String>,
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
fn is_false(value: &bool) -> bool {
    !value
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
            requires: Requires::default(),
            pin: false,
            labels: BTreeMap::new(),
        };
        (name, server)
    }

    /// The credentials that the gateway has of its own for it.
    #[must_use]
    pub fn own_credentials(&self) -> Option<&SecretCredentials> {
        match &self.credentials {
            Some(Credentials::Gateways(credentials)) => Some(credentials),
            Some(Credentials::Callers(_)) | None => None,
        }
    }

    /// TLS towards its endpoints: what is said of it, or else, where they are `https`, by the
    /// authorities of the control plane's system; none where they are spoken to in the clear.
    #[must_use]
    pub fn tls(&self) -> Option<UpstreamTls> {
        let is_https = self.all_endpoints().any(|url| url.scheme() == "https");
        is_https.then(|| {
            self.upstream.tls.clone().unwrap_or_else(|| UpstreamTls {
                system_ca: true,
                ..UpstreamTls::default()
            })
        })
    }

    /// The URLs of all its endpoints, however they were written.
    pub fn all_endpoints(&self) -> impl Iterator<Item = &EndpointUrl> {
        let several = self.endpoints.iter().map(|endpoint| &endpoint.place);
        self.url.iter().chain(several)
    }
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
    /// The gateway's own: Envoy puts them into each request to the server, over whatever the caller
    /// wrote there.
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
    /// The header that carries the secret as it is. Without it, the server is shown
    /// `Authorization: Bearer` and the secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<HeaderName>,
}

/// The header that shows a server who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CredentialHeader<'a> {
    /// The name of the header, in lower case.
    pub name: &'a str,
    /// The text that stands before the secret.
    pub prefix: &'static str,
}

impl SecretCredentials {
    /// The header in which the secret goes to the server.
    #[must_use]
    pub fn in_header(&self) -> CredentialHeader<'_> {
        match &self.header {
            Some(header) => CredentialHeader {
                name: header.as_str(),
                prefix: "",
            },
            None => CredentialHeader {
                name: default_credential_header(),
                prefix: "Bearer ",
            },
        }
    }
}

/// The header of a credential where nothing else is said.
pub(crate) const fn default_credential_header() -> &'static str {
    "authorization"
}
