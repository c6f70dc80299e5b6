//! How Envoy treats the endpoints behind a cluster or a server: which of them gets a request, which
//! gets none, and how connections to them are made.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::upstream_tls::UpstreamTls;
use crate::route_path::RoutePath;
use crate::span::Span;

/// How Envoy treats the endpoints behind a cluster or a server. What is left out stays as it is
/// without it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Upstream {
    /// Which of the endpoints that are healthy gets the next request.
    #[serde(skip_serializing_if = "Balancing::is_usual")]
    pub balancing: Balancing,
    /// How long a connection may take to be made; 2 s by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect_timeout: Option<Span>,
    /// How long a connection that nobody uses is kept; 60 s by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_timeout: Option<Span>,
    /// The requests that may wait for a connection; by default as many as there may be connections.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65_536))]
    pub max_pending_requests: Option<u32>,
    /// The requests that may be under way; by default as many as there may be connections.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65_536))]
    pub max_requests: Option<u32>,
    /// The requests that may be tried again at the same time; 3 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65_536))]
    pub max_retries: Option<u32>,
    /// Asks each endpoint again and again whether it is well; one that is not gets no request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health_check: Option<HealthCheck>,
    /// Takes an endpoint out for a while whose answers are errors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outliers: Option<Outliers>,
    /// TLS towards the endpoints; without it, they are spoken to in the clear.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<UpstreamTls>,
}

impl Upstream {
    pub(super) fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

/// Which of the endpoints that are healthy gets the next request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Balancing {
    /// Of two that are drawn by lot, the one with fewer requests under way.
    #[default]
    LeastRequest,
    /// One after the other.
    RoundRobin,
    /// One that is drawn by lot.
    Random,
    /// The one that a hash of the request leads to, on a ring: calls of one MCP session, and
    /// requests of a route with one `hash_header`, go to one endpoint. When an endpoint comes or
    /// goes, few move.
    RingHash,
    /// As `ring_hash`, by a table that is faster to look up and moves some more.
    Maglev,
}

impl Balancing {
    fn is_usual(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a hash of the request chooses the endpoint.
    #[must_use]
    pub fn hashes(self) -> bool {
        matches!(self, Self::RingHash | Self::Maglev)
    }
}

/// Asks each endpoint again and again whether it is well: over HTTP with a `path`, or else whether
/// it takes a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HealthCheck {
    /// The path that a `GET` asks for; without it a connection is enough.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<RoutePath>,
    /// The statuses that mean "well", from 100 to 599; 200 alone by default.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub statuses: BTreeSet<u16>,
    /// The time from one question to the next.
    pub interval: Span,
    /// How long an answer may take.
    pub timeout: Span,
    /// The good answers in a row after which an endpoint is well again.
    #[schemars(range(min = 1, max = 100))]
    pub healthy_after: u32,
    /// The bad answers in a row after which it is not.
    #[schemars(range(min = 1, max = 100))]
    pub unhealthy_after: u32,
}

impl Default for HealthCheck {
    fn default() -> Self {
        Self {
            path: None,
            statuses: BTreeSet::new(),
            interval: Span::from_seconds(5),
            timeout: Span::from_seconds(1),
            healthy_after: 2,
            unhealthy_after: 3,
        }
    }
}

/// Takes an endpoint out for a while whose answers are errors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Outliers {
    /// The answers of 5xx in a row, failed connections included, after which it is taken out.
    #[schemars(range(min = 1, max = 1_000))]
    pub consecutive_5xx: u32,
    /// How often it is looked whether one may come back.
    pub interval: Span,
    /// How long it is out the first time; as often as it was out before, so much longer.
    pub ejection_time: Span,
    /// The share of the endpoints, in percent, that may be out at once; one always may.
    #[schemars(range(min = 1, max = 100))]
    pub max_ejected_percent: u32,
}

impl Default for Outliers {
    fn default() -> Self {
        Self {
            consecutive_5xx: 5,
            interval: Span::from_seconds(10),
            ejection_time: Span::from_seconds(30),
            max_ejected_percent: 10,
        }
    }
}
