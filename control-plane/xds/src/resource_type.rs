//! The kinds of resource, and how they differ.

use std::fmt;

/// The kinds of resource that this server distributes.
///
/// The order of the variants is the order in which additions and changes reach an Envoy: what is
/// referred to comes before what refers to it (xDS protocol, "Eventual consistency
/// considerations").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResourceType {
    /// A cluster, `envoy.config.cluster.v3.Cluster` (CDS).
    Cluster,
    /// A cluster's endpoints, `envoy.config.endpoint.v3.ClusterLoadAssignment` (EDS).
    Endpoints,
    /// A listener, `envoy.config.listener.v3.Listener` (LDS).
    Listener,
    /// A table of routes, `envoy.config.route.v3.RouteConfiguration` (RDS).
    Route,
    /// An extension's configuration, `envoy.config.core.v3.TypedExtensionConfig` (ECDS).
    ExtensionConfig,
}

impl ResourceType {
    /// Every type, in push order.
    pub const ALL: [Self; 5] = [
        Self::Cluster,
        Self::Endpoints,
        Self::Listener,
        Self::Route,
        Self::ExtensionConfig,
    ];

    /// The type URL by which Envoy asks for this type.
    pub fn type_url(self) -> &'static str {
        match self {
            Self::Cluster => "type.googleapis.com/envoy.config.cluster.v3.Cluster",
            Self::Endpoints => "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
            Self::Listener => "type.googleapis.com/envoy.config.listener.v3.Listener",
            Self::Route => "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
            Self::ExtensionConfig => {
                "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig"
            }
        }
    }

    /// The type that `url` names.
    ///
    /// # Errors
    /// When it is none that this server distributes.
    pub fn from_type_url(url: &str) -> Result<Self, UnknownResourceType> {
        Self::ALL
            .into_iter()
            .find(|resource_type| resource_type.type_url() == url)
            .ok_or_else(|| UnknownResourceType(url.to_owned()))
    }

    /// Whether resources of this type are part of what a generation is. Endpoints are not: they
    /// reach Envoys at once, whatever a generation waits for.
    pub fn belongs_to_generations(self) -> bool {
        self != Self::Endpoints
    }

    /// Whether Envoy acknowledges bytes that it looked at last without looking at them again, even
    /// if it rejected them (`config_discovery_impl.cc` keeps their hash before it tries them).
    pub(crate) fn is_skipped_when_known(self) -> bool {
        self == Self::ExtensionConfig
    }

    /// Whether a response of the state-of-the-world protocol removes what it does not hold (xDS
    /// protocol, "Grouping Resources into Responses": listeners and clusters only).
    pub(crate) fn is_sent_whole(self) -> bool {
        matches!(self, Self::Cluster | Self::Listener)
    }

    /// Whether a subscription that names nothing means "all of them" (xDS protocol, "Wildcard
    /// subscriptions": listeners and clusters only).
    pub(crate) fn empty_subscription_is_wildcard(self) -> bool {
        matches!(self, Self::Cluster | Self::Listener)
    }
}

impl fmt::Display for ResourceType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Cluster => "cluster",
            Self::Endpoints => "endpoints",
            Self::Listener => "listener",
            Self::Route => "route configuration",
            Self::ExtensionConfig => "extension configuration",
        })
    }
}

/// A type URL that this server does not distribute.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no resource type that this control plane distributes")]
pub struct UnknownResourceType(pub String);
