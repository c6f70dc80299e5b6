//! HTTP routes besides the MCP endpoints: which requests they take, and where these go.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::cors::Cors;
use super::route_match::RouteMatch;
use super::{HeaderName, Passthrough, Target};
use crate::names::{ClusterName, ListenerName, RouteName, Selector};
use crate::route_path::RoutePath;
use crate::span::Span;

/// A route for plain HTTP. Of several routes that take a request, the first has it; the paths of
/// MCP and `/health` come before all of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpRoute {
    /// Unique among the routes; the access log has it.
    pub name: RouteName,
    /// The listeners that offer it; `*` is all of them.
    #[serde(default = "every_listener")]
    pub listeners: Vec<Selector<ListenerName>>,
    /// The requests that it takes.
    #[serde(rename = "match")]
    pub matches: RouteMatch,
    /// The target of the requests: one of `clusters`, or several by weight. A server of MCP cannot
    /// be one, because its messages would reach it unread.
    pub to: Target,
    /// The text that takes the place of the path, or of the prefix, of `match` on the way to the
    /// target; without it the path stays as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rewrite: Option<RoutePath>,
    /// How long the target may take for its whole answer, all tries together.
    #[serde(default = "usual_timeout")]
    pub timeout: Span,
    /// When a request is tried again; without it, never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<Retries>,
    /// How many requests may pass, on each Envoy by itself; without it, any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<RouteLimit>,
    /// The web pages that may call it; without it the browser lets none of another origin read the
    /// answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cors: Option<Cors>,
    /// Whether the callers' own credentials go to the target; without it their `Authorization`,
    /// `Proxy-Authorization` and `Cookie` stay at the gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Passthrough>,
    /// The header by which clusters that balance by `ring_hash` or `maglev` choose an endpoint;
    /// without it, the client's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash_header: Option<HeaderName>,
}

/// When a request that failed is tried again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Retries {
    /// How often it is tried again at most.
    #[schemars(range(min = 1, max = 10))]
    pub attempts: u32,
    /// The failures after which it is; by default those where no target has seen it.
    #[serde(default = "never_seen")]
    pub on: Vec<RetryCause>,
    /// How long one try may take; without it, as long as all together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_try_timeout: Option<Span>,
}

/// A failure after which a request is tried again.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum RetryCause {
    /// No connection could be made.
    ConnectFailure,
    /// The target said that it did not begin with the request.
    RefusedStream,
    /// The target broke off before it answered; it may have had an effect.
    Reset,
    /// The target answered 502, 503 or 504.
    GatewayError,
    /// The target answered any 5xx, or not at all.
    #[serde(rename = "5xx")]
    AnyServerError,
}

impl RetryCause {
    /// The word by which Envoy, and a document, name it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::ConnectFailure => "connect-failure",
            Self::RefusedStream => "refused-stream",
            Self::Reset => "reset",
            Self::GatewayError => "gateway-error",
            Self::AnyServerError => "5xx",
        }
    }
}

/// At most so many requests in so long a time, counted by each Envoy for itself. A change of any
/// route of the listener begins the count anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RouteLimit {
    /// The number of requests that may pass in a window.
    #[schemars(range(min = 1))]
    pub requests: u32,
    /// The length of the window.
    pub window: Span,
    /// How many of them may come at once; by default all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub burst: Option<u32>,
}

impl Target {
    /// The clusters that it names, each with its weight.
    #[must_use]
    pub fn clusters(&self) -> BTreeMap<&ClusterName, u32> {
        let one = self.cluster.iter().map(|name| (name, 1));
        one.chain(self.weights.iter().map(|(name, weight)| (name, *weight)))
            .collect()
    }
}

fn every_listener() -> Vec<Selector<ListenerName>> {
    vec![Selector::All]
}

/// Envoy's own default, written down so that it is seen.
fn usual_timeout() -> Span {
    Span::from_seconds(15)
}

fn never_seen() -> Vec<RetryCause> {
    vec![RetryCause::ConnectFailure, RetryCause::RefusedStream]
}
