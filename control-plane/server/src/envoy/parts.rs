//! Each resource by the parts of the configuration that it is made of.
//!
//! A resource is rendered from its parts and from nothing else. So one whose parts are those of an
//! earlier generation is that one's, and is not rendered again: a change costs what it changes.

use std::borrow::Cow;
use std::collections::BTreeMap;

use envoy_types::pb::google::protobuf::Any;
use gateway_document::{GatewayDocument, ListenerName, Resolved};
use prost::{Message, Name};
use xds::ResourceType;

use super::cluster::{self, Behind, DiscoveredEndpoints, StandIn};
use super::filter::{self, FilterParts};
use super::further_filter::{self, FurtherFilterParts};
use super::listener::{self, ListenerParts};
use super::routes::{self, RoutesParts};
use super::{RenderError, module_code};
use crate::module::{ModuleFile, ModuleOrigin};

/// The configuration that all resources of a generation are made of.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// The operator's document, which was checked.
    pub document: &'a GatewayDocument,
    /// The resolved configuration of each of its listeners' filters, in its order.
    pub listeners: &'a [(ListenerName, Resolved)],
    /// The filter module, unless the document names another one.
    pub module: &'a ModuleFile,
}

/// The parts of one resource.
#[derive(Debug, PartialEq)]
pub(super) enum Parts<'a> {
    Cluster(Behind<'a>),
    Endpoints(DiscoveredEndpoints<'a>),
    StandIn(StandIn<'a>),
    /// The cluster from which Envoys fetch modules.
    Modules(&'a ModuleOrigin),
    FurtherFilter(FurtherFilterParts<'a>),
    Listener(ListenerParts<'a>),
    Routes(RoutesParts<'a>),
    Filter(FilterParts<'a>),
}

/// A resource's type and name.
pub(super) type Key<'a> = (ResourceType, Cow<'a, str>);

/// The parts of every resource of a generation.
pub(super) fn all(source: Source<'_>) -> Vec<Parts<'_>> {
    let Source {
        document,
        listeners,
        module,
    } = source;
    let clusters = cluster::all(document);
    let stand_ins = cluster::stand_ins(document, &clusters);
    let endpoints = clusters.iter().filter_map(Behind::discovered);
    let mut all: Vec<Parts<'_>> = endpoints.map(Parts::Endpoints).collect();
    all.extend(clusters.into_iter().map(Parts::Cluster));
    all.extend(stand_ins.into_iter().map(Parts::StandIn));
    all.extend(module.shelf.origin().map(Parts::Modules));
    let filters = document.filters.iter();
    let filters = filters.map(|filter| FurtherFilterParts::of(filter, module));
    all.extend(filters.map(Parts::FurtherFilter));
    let some_hash = routes::some_hash(document);
    for (share, (_, resolved)) in document.shares().iter().zip(listeners) {
        let config = &resolved.config;
        let own = FilterParts::of(share.listener, config, module.of(document));
        all.extend([
            Parts::Listener(ListenerParts::of(document, share)),
            Parts::Routes(RoutesParts::of(share, config, some_hash)),
            Parts::Filter(own),
        ]);
    }
    all
}

/// The parts of every resource of a generation, by its type and name.
pub(super) fn by_key(source: Source<'_>) -> BTreeMap<Key<'_>, Parts<'_>> {
    let all = all(source).into_iter();
    all.map(|parts| (parts.key(), parts)).collect()
}

impl<'a> Parts<'a> {
    pub(super) fn key(&self) -> Key<'a> {
        match self {
            Self::Cluster(behind) => (ResourceType::Cluster, behind.name().into()),
            Self::Endpoints(endpoints) => (ResourceType::Endpoints, endpoints.name().into()),
            Self::StandIn(stand_in) => (ResourceType::Cluster, stand_in.name().to_owned().into()),
            Self::Modules(_) => (ResourceType::Cluster, module_code::CLUSTER.into()),
            Self::FurtherFilter(parts) => {
                (ResourceType::ExtensionConfig, parts.resource_name().into())
            }
            Self::Listener(parts) => (ResourceType::Listener, parts.name().into()),
            Self::Routes(parts) => (ResourceType::Route, parts.name().into()),
            Self::Filter(parts) => (ResourceType::ExtensionConfig, parts.resource_name().into()),
        }
    }

    /// Renders the resource of these parts.
    pub(super) fn render(&self) -> Result<Any, RenderError> {
        Ok(match self {
            Self::Cluster(behind) => encoded(&behind.cluster()),
            Self::Endpoints(endpoints) => encoded(&endpoints.load_assignment()),
            Self::StandIn(stand_in) => encoded(&stand_in.cluster()),
            Self::Modules(origin) => encoded(&module_code::cluster(origin)),
            Self::FurtherFilter(parts) => encoded(&further_filter::extension(parts)?),
            Self::Listener(parts) => encoded(&listener::listener(parts)),
            Self::Routes(parts) => routes::routes(parts),
            Self::Filter(parts) => encoded(&filter::extension(parts)?),
        })
    }
}

fn encoded<M: Message + Name>(message: &M) -> Any {
    Any {
        type_url: M::type_url(),
        value: message.encode_to_vec(),
    }
}
