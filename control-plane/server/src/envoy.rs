//! The resources that Envoy is given: a gateway document's meaning in Envoy's own types.
//!
//! Pure: the same input gives the same bytes, in every process. Protobuf maps have no order when
//! they are written, so none of the messages here holds a map of more than one entry;
//! `deterministic` shows how that is kept.

use std::path::PathBuf;

use envoy_types::pb::envoy::config::core::v3::{
    Address, AggregatedConfigSource, ApiVersion, ConfigSource, SocketAddress, address,
    config_source::ConfigSourceSpecifier, socket_address::PortSpecifier,
};
use envoy_types::pb::google::protobuf::{BoolValue, Duration, UInt32Value};
use gateway_document::{GatewayDocument, Listener, Span};
use policy_engine::wire::{CLUSTER_HEADER, FilterConfig};
use thiserror::Error;
use xds::{Generation, InconsistentSnapshot, InvalidResource, Resource, Snapshot, SnapshotBuilder};

mod access_log;
mod cluster;
mod cors;
mod deterministic;
mod filter;
mod http_route;
mod listener;
mod local_reply;
mod matching;
mod rate_limit;
mod routes;
mod tls;
mod upstream;

/// The server that comes with the product and answers `/health` for what is behind it.
const BUILT_IN_SERVER: &str = "data";

/// The module that the filters run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleFile {
    /// SHA-256 of its bytes, in hex.
    pub sha256: String,
    /// Where Envoy finds it.
    pub path: PathBuf,
}

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
    /// Envoy takes paths as text.
    #[error("the module's path `{}` is not UTF-8; choose another folder", .0.display())]
    ModulePath(PathBuf),
}

/// Everything that an Envoy is to have for `document`, with one filter configuration per listener.
///
/// # Errors
/// When the parts make no resource or no consistent whole.
pub fn snapshot(
    document: &GatewayDocument,
    listeners: &[(&Listener, &FilterConfig)],
    module: &ModuleFile,
) -> Result<Snapshot, RenderError> {
    let mut resources = cluster::resources(document)?;
    for (listener, config) in listeners {
        resources.push(Resource::encode(&listener::listener(document, listener))?);
        resources.push(Resource::from_any(routes::routes(
            document, listener, config,
        ))?);
        let extension = filter::extension(listener, config, module)?;
        resources.push(Resource::encode(&extension)?);
    }
    let builder = Snapshot::builder(Generation::of(&resources));
    let builder = resources.into_iter().fold(builder, SnapshotBuilder::with);
    Ok(builder.build()?)
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
