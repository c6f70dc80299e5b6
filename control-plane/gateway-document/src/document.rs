//! The gateway document, as an operator writes it.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::names::{
    ClusterName, ListenerName, RoleName, RuleName, SecretName, Selector, ServerName,
};
use crate::unique;

mod access_log;
mod authority;
mod client_times;
mod cluster;
mod cors;
mod endpoint;
mod endpoint_url;
mod filter;
mod listener;
mod listener_tls;
mod module;
mod protocol;
mod requires;
mod rollout;
mod rollout_gates;
mod route;
mod route_match;
mod rule;
mod secret;
mod server;
mod upstream;
mod upstream_tls;

pub use access_log::{AccessDetail, AccessLog};
pub use authority::{InvalidAuthority, UpstreamAuthority};
pub use client_times::ClientTimes;
pub use cluster::Cluster;
pub use cors::{Cors, McpCors};
pub use endpoint::{Endpoint, EndpointHealth, Place, WeightedAddress, WeightedUrl};
pub use endpoint_url::{EndpointUrl, InvalidUrl};
pub use filter::{EnvoyFilter, Filter, FilterPlace, UnknownEnvoyFilter};
pub use listener::Listener;
pub use listener_tls::{ListenerTls, TlsVersion};
pub use module::{
    GatewayModule, InvalidModuleHash, InvalidModuleReference, ModuleHash, ModuleReference,
    ModuleVersion,
};
pub use protocol::Protocol;
pub use requires::{InvalidVersionRange, Requires, ServerAbout, VersionRange};
pub use rollout::{InvalidReach, NodeGroup, Reach, Rollout, Wave};
pub use rollout_gates::{Gates, InvalidShare, Share, WithoutNumbers};
pub use route::{HttpRoute, Retries, RetryCause, RouteLimit};
pub use route_match::{ANY_VALUE, HeaderName, HttpMethod, InvalidHeaderName, RouteMatch};
pub use rule::{Constraints, Dimension, Limit, Match, Rule, Target};
pub use secret::{
    InvalidVariableName, Secret, SecretKind, SecretParts, SecretPlace, VariableName, Whereabouts,
};
pub(crate) use server::default_credential_header;
pub use server::{
    CatalogueMode, CredentialHeader, Credentials, Passthrough, SecretCredentials, Server,
};
pub use upstream::{Balancing, HealthCheck, Outliers, Upstream};
pub use upstream_tls::{CertificateFiles, FilePath, InvalidFilePath, UpstreamTls};

/// Everything that an operator says about a gateway. A section that is left out has its default:
/// one listener on port 10000 with every server, and the built-in server `data`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GatewayDocument {
    /// The addresses that clients connect to.
    pub listeners: Vec<Listener>,
    /// Registered MCP servers by name.
    #[serde(deserialize_with = "unique::map")]
    pub servers: BTreeMap<ServerName, Server>,
    /// Secrets by name, each by where the control plane finds it.
    #[serde(
        deserialize_with = "unique::map",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub secrets: BTreeMap<SecretName, Secret>,
    /// Roles by name: who has them.
    #[serde(
        deserialize_with = "unique::map",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub roles: BTreeMap<RoleName, Role>,
    /// The policy that holds where no rule says otherwise.
    pub defaults: Defaults,
    /// Rules for tools, the first match first. Each field of a tool's policy comes from the first
    /// matching rule that sets it; the limits of all matching rules apply.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<Rule>,
    /// Clusters that `servers` does not imply.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub clusters: Vec<Cluster>,
    /// HTTP routes besides the MCP endpoints, the first match first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<HttpRoute>,
    /// The module of the gateway's own filter.
    pub module: GatewayModule,
    /// Filter modules besides the gateway's own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<Filter>,
    /// How a change reaches the Envoys.
    pub rollout: Rollout,
}

impl Default for GatewayDocument {
    fn default() -> Self {
        Self {
            listeners: vec![Listener::standard()],
            servers: BTreeMap::from([Server::built_in()]),
            secrets: BTreeMap::new(),
            roles: BTreeMap::new(),
            defaults: Defaults::default(),
            tools: Vec::new(),
            clusters: Vec::new(),
            routes: Vec::new(),
            module: GatewayModule::default(),
            filters: Vec::new(),
            rollout: Rollout::default(),
        }
    }
}

impl GatewayDocument {
    /// The document as canonical JSON: fields in the order of this type, keys of maps sorted,
    /// defaults written out, what is empty left out.
    ///
    /// # Errors
    /// Never in practice: every key is text and every number finite.
    pub fn to_canonical_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self)
    }

    /// The rule with this name.
    #[must_use]
    pub fn rule(&self, name: &RuleName) -> Option<&Rule> {
        self.tools.iter().find(|rule| rule.name == *name)
    }

    /// The servers of a listener, by name, `*` resolved. Names of no server are left out; the
    /// reference checks report them.
    pub fn servers_of<'a>(
        &'a self,
        listener: &'a Listener,
    ) -> impl Iterator<Item = (&'a ServerName, &'a Server)> {
        let has_all = listener.servers.contains(&Selector::All);
        let selectors = listener.servers.iter().filter(|_| !has_all);
        let named: BTreeSet<&ServerName> = selectors.filter_map(Selector::name).collect();
        let all = self.servers.iter().filter(move |_| has_all);
        let named = named.into_iter();
        all.chain(named.filter_map(move |name| self.servers.get_key_value(name)))
    }

    /// The modules that it names, by their hashes.
    pub fn module_hashes(&self) -> impl Iterator<Item = &ModuleHash> {
        let filters = self.filters.iter();
        let of_filters = filters.filter_map(|filter| filter.module.as_ref()?.hash());
        of_filters.chain(&self.module.sha256)
    }

    /// The cluster with this name, of those that no server implies.
    #[must_use]
    pub fn cluster(&self, name: &ClusterName) -> Option<&Cluster> {
        let mut clusters = self.clusters.iter().inspect(|_| step_count::count(1));
        clusters.find(|cluster| cluster.name == *name)
    }

    /// The listener with this name.
    #[must_use]
    pub fn listener(&self, name: &ListenerName) -> Option<&Listener> {
        let mut listeners = self.listeners.iter().inspect(|_| step_count::count(1));
        listeners.find(|listener| listener.name == *name)
    }
}

/// The holders of a role: callers whose token carries one of the values for every claim that is
/// named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// Claim → the values that give the role.
    #[serde(deserialize_with = "unique::map")]
    pub claims: BTreeMap<String, Vec<String>>,
}

/// The policy that holds where no rule says otherwise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Defaults {
    /// Whether a tool that no rule's `allow` mentions may be called.
    pub access: Access,
    /// The treatment of arguments that do not fit the tool's schema.
    pub validate: Validate,
}

/// Whether a tool may be called by default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// Everyone may call it.
    #[default]
    Allow,
    /// No one may call it.
    Deny,
}

/// The treatment of arguments that do not fit the tool's schema.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Validate {
    /// The call is refused.
    #[default]
    Enforce,
    /// The call goes on; what would have been refused is counted.
    Shadow,
    /// Nothing: arguments are not read.
    Off,
}
