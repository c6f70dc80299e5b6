//! The kinds of resource, and how they differ: a table.

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
    /// A certificate, an authority or a credential,
    /// `envoy.extensions.transport_sockets.tls.v3.Secret` (SDS).
    Secret,
    /// A listener, `envoy.config.listener.v3.Listener` (LDS).
    Listener,
    /// A table of routes, `envoy.config.route.v3.RouteConfiguration` (RDS).
    Route,
    /// An extension's configuration, `envoy.config.core.v3.TypedExtensionConfig` (ECDS).
    ExtensionConfig,
}

/// The facts in which one kind of resource differs from the others.
struct Kind {
    type_url: &'static str,
    noun: &'static str,
    /// Whether generations are made of such resources.
    is_in_generations: bool,
    /// Whether an Envoy's answer to such a resource is a part of its answer to a generation.
    is_judged: bool,
    /// Whether changes wait until the kinds before are answered.
    waits_for_its_turn: bool,
    /// Whether an Envoy is told that there is none any more.
    is_removed: bool,
    /// Whether listing all is the usual subscription, and a response of the state-of-the-world
    /// protocol holds all of them.
    is_root: bool,
    is_skipped_when_known: bool,
}

/// The facts in which most kinds agree.
const USUAL: Kind = Kind {
    type_url: "",
    noun: "",
    is_in_generations: true,
    is_judged: true,
    waits_for_its_turn: true,
    is_removed: true,
    is_root: false,
    is_skipped_when_known: false,
};

/// Every kind, in the order of the type's variants.
const KINDS: [Kind; 6] = [
    Kind {
        type_url: "type.googleapis.com/envoy.config.cluster.v3.Cluster",
        noun: "cluster",
        is_root: true,
        ..USUAL
    },
    Kind {
        type_url: "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
        noun: "endpoints",
        is_in_generations: false,
        // The ACK of their cluster waits for them (envoy#13009).
        waits_for_its_turn: false,
        ..USUAL
    },
    Kind {
        type_url: "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
        noun: "secret",
        is_in_generations: false,
        // A renewed certificate says nothing of the generation that is being tried.
        is_judged: false,
        waits_for_its_turn: false,
        // An Envoy without its certificate would turn everybody away (envoy#24373); it drops what
        // nothing names any more by itself.
        is_removed: false,
        ..USUAL
    },
    Kind {
        type_url: "type.googleapis.com/envoy.config.listener.v3.Listener",
        noun: "listener",
        is_root: true,
        ..USUAL
    },
    Kind {
        type_url: "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
        noun: "route configuration",
        ..USUAL
    },
    Kind {
        type_url: "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
        noun: "extension configuration",
        // Live traffic would meet 500 (envoy#32823).
        is_removed: false,
        // `config_discovery_impl.cc` keeps the hash of what it looked at last before it tries it.
        is_skipped_when_known: true,
        ..USUAL
    },
];

impl ResourceType {
    /// Every type, in push order.
    pub const ALL: [Self; KINDS.len()] = [
        Self::Cluster,
        Self::Endpoints,
        Self::Secret,
        Self::Listener,
        Self::Route,
        Self::ExtensionConfig,
    ];

    fn kind(self) -> &'static Kind {
        &KINDS[self as usize]
    }

    /// The type URL by which Envoy asks for this type.
    pub fn type_url(self) -> &'static str {
        self.kind().type_url
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

    /// Whether resources of this type are part of what a generation is. Endpoints and secrets are
    /// not: they reach Envoys at once, whatever a generation waits for.
    pub fn belongs_to_generations(self) -> bool {
        self.kind().is_in_generations
    }

    /// Whether an Envoy's answer to a resource of this type is a part of its answer to a
    /// generation. A secret's is not: it changes by itself, whatever is being tried.
    pub fn is_judged(self) -> bool {
        self.kind().is_judged
    }

    /// Whether changes of this type go out only when those of earlier types are answered.
    pub(crate) fn waits_for_its_turn(self) -> bool {
        self.kind().waits_for_its_turn
    }

    /// Whether an Envoy is told that a resource of this type is no more.
    pub(crate) fn is_removed(self) -> bool {
        self.kind().is_removed
    }

    /// Whether Envoy acknowledges bytes that it looked at last without looking at them again, even
    /// if it rejected them.
    pub(crate) fn is_skipped_when_known(self) -> bool {
        self.kind().is_skipped_when_known
    }

    /// Whether a response of the state-of-the-world protocol removes what it does not hold (xDS
    /// protocol, "Grouping Resources into Responses": listeners and clusters only).
    pub(crate) fn is_sent_whole(self) -> bool {
        self.kind().is_root
    }

    /// Whether a subscription that names nothing means "all of them" (xDS protocol, "Wildcard
    /// subscriptions": listeners and clusters only).
    pub(crate) fn empty_subscription_is_wildcard(self) -> bool {
        self.kind().is_root
    }
}

impl fmt::Display for ResourceType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.kind().noun)
    }
}

/// A type URL that this server does not distribute.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no resource type that this control plane distributes")]
pub struct UnknownResourceType(pub String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_finds_each_type_at_its_place_in_the_table() {
        for (place, resource_type) in ResourceType::ALL.into_iter().enumerate() {
            assert_eq!(resource_type as usize, place);
            let found = ResourceType::from_type_url(resource_type.type_url());
            assert_eq!(found, Ok(resource_type));
        }
    }
}
