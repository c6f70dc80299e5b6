//! The resources that Envoy is given: a gateway document's meaning in Envoy's own types.
//!
//! Pure: the same input gives the same bytes, in every process. Protobuf maps have no order when
//! they are written, so none of the messages here holds a map of more than one entry;
//! `deterministic` shows how that is kept.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use envoy_types::pb::envoy::config::core::v3::{
    Address, AggregatedConfigSource, ApiVersion, ConfigSource, SocketAddress, address,
    config_source::ConfigSourceSpecifier, socket_address::PortSpecifier,
};
use envoy_types::pb::google::protobuf::{BoolValue, Duration, UInt32Value};
use gateway_document::{GatewayDocument, Span};
use policy_engine::statistics::{configuration_number, listener_label};
use policy_engine::wire::CLUSTER_HEADER;
use sha2::{Digest, Sha256};
use thiserror::Error;
use xds::{
    EarlierResources, Generation, InconsistentSnapshot, InvalidResource, Resource, ResourceType,
    Snapshot, SnapshotBuilder,
};

use crate::descriptors::EncodeError;

mod access_log;
mod cluster;
mod cors;
mod deterministic;
mod filter;
mod further_filter;
mod http_route;
mod listener;
mod local_reply;
mod matching;
mod module_code;
mod parts;
mod rate_limit;
mod routes;
mod secret;
mod tls;
mod upstream;

pub(crate) use filter::OWN_PLUGIN;
pub use further_filter::filter_problems;
pub use parts::Source;

/// The server that comes with the product and answers `/health` for what is behind it.
const BUILT_IN_SERVER: &str = "data";

/// Why a snapshot cannot be made. None of it is an operator's fault.
#[derive(Debug, Error)]
pub enum RenderError {
    /// A resource is not one that can be distributed.
    #[error("cannot make a resource for Envoy")]
    Resource(#[from] InvalidResource),
    /// The resources do not fit together.
    #[error("the resources for Envoy do not fit together")]
    Snapshot(#[from] InconsistentSnapshot),
    /// A filter's configuration cannot be written as JSON.
    #[error("cannot write a filter's configuration")]
    FilterConfig(#[from] serde_json::Error),
    /// The configuration of a filter of Envoy's is not its message; the document was checked for
    /// that.
    #[error("cannot write the configuration of the filter `{0}`")]
    EnvoyFilter(String, #[source] EncodeError),
    /// Envoy takes paths as text.
    #[error("the module's path `{}` is not UTF-8; choose another folder", .0.display())]
    ModulePath(PathBuf),
}

/// An earlier generation, whose resources the next one shares where it would say the same.
#[derive(Debug, Clone, Copy)]
pub struct Earlier<'a> {
    /// The configuration that it was made of.
    pub source: Source<'a>,
    /// The resources that this process rendered of it.
    pub rendered: &'a Snapshot,
}

/// The resources of a generation, rendered.
#[derive(Debug)]
pub struct Rendering {
    /// Every resource of the generation.
    pub snapshot: Snapshot,
    /// Those that were rendered for it; the others are the earlier ones.
    pub anew: Vec<(ResourceType, Arc<str>)>,
}

/// Everything that an Envoy is to have for a configuration. A resource that is made of the same
/// parts as an earlier one is that one; one that says the same all the same is, too.
///
/// # Errors
/// When the parts make no resource or no consistent whole.
pub fn render(source: Source<'_>, earlier: Option<Earlier<'_>>) -> Result<Rendering, RenderError> {
    let known = earlier.map(|earlier| parts::by_key(earlier.source));
    let known = known.unwrap_or_default();
    let shared = earlier.map(|earlier| EarlierResources::of(earlier.rendered));
    let shared = shared.unwrap_or_default();
    let mut resources: Vec<Arc<Resource>> = Vec::new();
    let mut anew = Vec::new();
    for parts in parts::all(source) {
        let key = parts.key();
        let before = earlier.filter(|_| known.get(&key) == Some(&parts));
        let (resource_type, name) = key;
        let before = before.and_then(|earlier| earlier.rendered.get(resource_type, &name));
        resources.push(match before {
            Some(before) => Arc::clone(before),
            None => {
                let resource = shared.share(&name, parts.render()?)?;
                anew.push((resource_type, Arc::clone(resource.name())));
                resource
            }
        });
    }
    let contents = resources.iter().map(|resource| &**resource);
    let builder = Snapshot::builder(Generation::of(contents));
    let builder = resources.into_iter().fold(builder, SnapshotBuilder::with);
    Ok(Rendering {
        snapshot: builder.build()?,
        anew,
    })
}

/// The number that each listener's filter shows once it runs its part of `snapshot`, by the label
/// under which it does.
#[must_use]
pub fn configuration_numbers(
    document: &GatewayDocument,
    snapshot: &Snapshot,
) -> BTreeMap<String, u64> {
    let numbers = document.listeners.iter().filter_map(|listener| {
        let name = filter::resource_name(listener);
        let resource = snapshot.get(ResourceType::ExtensionConfig, &name)?;
        let configuration = filter::configuration(resource)?;
        let number = configuration_number(Sha256::digest(configuration).into());
        Some((listener_label(listener.name.as_str()), number))
    });
    numbers.collect()
}

/// "From the same stream as everything else."
fn ads() -> ConfigSource {
    ConfigSource {
        resource_api_version: ApiVersion::V3.into(),
        config_source_specifier: Some(ConfigSourceSpecifier::Ads(AggregatedConfigSource {})),
        ..Default::default()
    }
}

fn socket_address(host: &str, port: u16) -> Address {
    Address {
        address: Some(address::Address::SocketAddress(SocketAddress {
            address: host.to_owned(),
            port_specifier: Some(PortSpecifier::PortValue(port.into())),
            ..Default::default()
        })),
    }
}

fn truth(value: bool) -> Option<BoolValue> {
    Some(BoolValue { value })
}

fn number(value: u32) -> Option<UInt32Value> {
    Some(UInt32Value { value })
}

fn milliseconds(milliseconds: u32) -> Option<Duration> {
    Some(Duration {
        seconds: i64::from(milliseconds / 1_000),
        nanos: i32::try_from(milliseconds % 1_000).unwrap_or_default() * 1_000_000,
    })
}

fn span(span: Span) -> Option<Duration> {
    milliseconds(u32::try_from(span.milliseconds()).unwrap_or(u32::MAX))
}
