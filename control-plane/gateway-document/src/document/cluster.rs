//! Clusters that no server implies.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::authority::UpstreamAuthority;
use super::endpoint::Endpoint;
use super::upstream::Upstream;
use crate::names::ClusterName;

/// Endpoints that rules may route calls to, and routes their requests. Addresses reach Envoys by
/// endpoint discovery: they, their weights and their health change at once, whatever else waits.
/// Names are resolved by each Envoy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cluster {
    /// Unique among the clusters and the servers.
    pub name: ClusterName,
    /// The places to connect to; requests are spread over them.
    pub endpoints: Vec<Endpoint<UpstreamAuthority>>,
    /// The most connections that each Envoy opens to them, as for a server; 16384 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65_536))]
    pub max_connections: Option<u32>,
    /// How Envoy treats the endpoints.
    #[serde(default, skip_serializing_if = "Upstream::is_usual")]
    pub upstream: Upstream,
}
