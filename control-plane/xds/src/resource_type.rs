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

/// A gRPC service of the protocol, and the end of its methods' names.
pub(crate) struct MethodNames {
    /// The full name of the service.
    pub(crate) service: &'static str,
    /// The subject of its methods, which are called `Stream…`, `Delta…` and `Fetch…`.
    pub(crate) subject: &'static str,
}

/// The facts in which one kind of resource differs from the others.
struct Kind {
    type_url: &'static str,
    noun: &'static str,
    /// The service that is about this kind alone.
    methods: MethodNames,
    /// Whether generations are made of such resources.
    is_in_generations: bool,
    /// Whether an Envoy's answer to such a resource is a part of its answer to a generation.
    is_judged: bool,
    /// Whether changes wait until the kinds before are answered.
    waits_for_its_turn: bool,
    /// When an Envoy is told that there is none any more: in which place among the kinds that are
    /// removed. What refers to others goes before what is referred to; what only named
    /// subscriptions reach comes after what names it, since an Envoy unsubscribes from it by
    /// itself. None where it is never told.
    removal: Option<u8>,
    /// Whether resources of this kind are supplied apart from snapshots, whose resources may name
    /// what is not there.
    is_supplied_apart: bool,
    /// Whether requests go there: a rejected one holds back what may send live traffic to it.
    takes_traffic: bool,
    /// Whether one that Envoy rejected stays with it, and has to be taken back.
    is_taken_back: bool,
    /// The kind of what Envoy waits for, changed or not, each time it is sent one of this kind.
    warms_with: Option<ResourceType>,
    /// Whether listing all is the usual subscription, and a response of the state-of-the-world
    /// protocol holds all of them.
    is_root: bool,
    is_skipped_when_known: bool,
}

/// The facts in which most kinds agree.
const fn usual(type_url: &'static str, noun: &'static str, methods: MethodNames) -> Kind {
    Kind {
        type_url,
        noun,
        methods,
        is_in_generations: true,
        is_judged: true,
        waits_for_its_turn: true,
        removal: None,
        is_supplied_apart: false,
        takes_traffic: false,
        is_taken_back: false,
        warms_with: None,
        is_root: false,
        is_skipped_when_known: false,
    }
}

/// Every kind, in the order of the type's variants.
const KINDS: [Kind; 6] = [
    Kind {
        is_root: true,
        removal: Some(1),
        takes_traffic: true,
        // One that cannot be made stays among those that are warming (`taking_back.rs`).
        is_taken_back: true,
        // Its ACK waits for them (envoy#13009).
        warms_with: Some(ResourceType::Endpoints),
        ..usual(
            "type.googleapis.com/envoy.config.cluster.v3.Cluster",
            "cluster",
            MethodNames {
                service: "envoy.service.cluster.v3.ClusterDiscoveryService",
                subject: "Clusters",
            },
        )
    },
    Kind {
        is_in_generations: false,
        // The ACK of their cluster waits for them (envoy#13009).
        waits_for_its_turn: false,
        removal: Some(3),
        takes_traffic: true,
        ..usual(
            "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
            "endpoints",
            MethodNames {
                service: "envoy.service.endpoint.v3.EndpointDiscoveryService",
                subject: "Endpoints",
            },
        )
    },
    Kind {
        is_in_generations: false,
        // A renewed certificate says nothing of the generation that is being tried.
        is_judged: false,
        waits_for_its_turn: false,
        // An Envoy without its certificate would turn everybody away (envoy#24373); it drops what
        // nothing names any more by itself.
        removal: None,
        is_supplied_apart: true,
        ..usual(
            "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
            "secret",
            MethodNames {
                service: "envoy.service.secret.v3.SecretDiscoveryService",
                subject: "Secrets",
            },
        )
    },
    Kind {
        is_root: true,
        removal: Some(0),
        ..usual(
            "type.googleapis.com/envoy.config.listener.v3.Listener",
            "listener",
            MethodNames {
                service: "envoy.service.listener.v3.ListenerDiscoveryService",
                subject: "Listeners",
            },
        )
    },
    Kind {
        removal: Some(2),
        ..usual(
            "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
            "route configuration",
            MethodNames {
                service: "envoy.service.route.v3.RouteDiscoveryService",
                subject: "Routes",
            },
        )
    },
    Kind {
        // Live traffic would meet 500 (envoy#32823).
        removal: None,
        // `config_discovery_impl.cc` keeps the hash of what it looked at last before it tries it.
        is_skipped_when_known: true,
        ..usual(
            "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
            "extension configuration",
            MethodNames {
                service: "envoy.service.extension.v3.ExtensionConfigDiscoveryService",
                subject: "ExtensionConfigs",
            },
        )
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
        self.kind().removal.is_some()
    }

    /// The types of which an Envoy is told that there are none any more, in the order in which it
    /// is.
    pub(crate) fn in_removal_order() -> impl Iterator<Item = Self> {
        let mut removed = Self::ALL.map(|one| (one.kind().removal, one));
        removed.sort_unstable();
        let removed = removed.into_iter();
        removed.filter_map(|(place, one)| place.map(|_| one))
    }

    /// The types that an Envoy asks for by itself, and from which it learns of the others.
    pub(crate) fn roots() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|one| one.kind().is_root)
    }

    /// The types that requests go to: a rejected resource of theirs holds back what may send live
    /// traffic there.
    pub(crate) fn taking_traffic() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|one| one.kind().takes_traffic)
    }

    /// Whether a change of this type may send live traffic to other resources.
    pub(crate) fn sends_traffic(self) -> bool {
        self.kind().waits_for_its_turn && !self.kind().takes_traffic
    }

    /// Whether Envoy keeps a resource of this type that it rejected, so that it is taken back.
    pub(crate) fn is_taken_back(self) -> bool {
        self.kind().is_taken_back
    }

    /// The type of what Envoy waits for, changed or not, each time it is sent one of this type.
    pub(crate) fn warms_with(self) -> Option<Self> {
        self.kind().warms_with
    }

    /// Whether Envoy waits for resources of this type each time it is sent one of another.
    pub(crate) fn is_waited_for(self) -> bool {
        let mut all = Self::ALL.into_iter();
        all.any(|one| one.kind().warms_with == Some(self))
    }

    /// Whether resources of this type are supplied apart from snapshots.
    pub(crate) fn is_supplied_apart(self) -> bool {
        self.kind().is_supplied_apart
    }

    /// The methods of the service that is about this type alone.
    pub(crate) fn method_names(self) -> &'static MethodNames {
        &self.kind().methods
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

    #[test]
    fn it_removes_what_refers_to_others_before_what_is_referred_to() {
        let order: Vec<_> = ResourceType::in_removal_order().collect();
        let expected = [
            ResourceType::Listener,
            ResourceType::Cluster,
            ResourceType::Route,
            ResourceType::Endpoints,
        ];
        assert_eq!(order, expected);
    }
}
