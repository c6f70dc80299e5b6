//! The gRPC server that Envoys connect to.

mod in_use;
mod incoming;
mod limits;

use std::{future::Future, time::Duration};

use envoy_reports::ReportsServer;
use envoy_types::pb::envoy::service::{
    cluster::v3::cluster_discovery_service_server::ClusterDiscoveryServiceServer,
    discovery::v3::aggregated_discovery_service_server::AggregatedDiscoveryServiceServer,
    endpoint::v3::endpoint_discovery_service_server::EndpointDiscoveryServiceServer,
    extension::v3::extension_config_discovery_service_server::ExtensionConfigDiscoveryServiceServer,
    listener::v3::listener_discovery_service_server::ListenerDiscoveryServiceServer,
    route::v3::route_discovery_service_server::RouteDiscoveryServiceServer,
    secret::v3::secret_discovery_service_server::SecretDiscoveryServiceServer,
    status::v3::client_status_discovery_service_server::ClientStatusDiscoveryServiceServer,
};
use in_use::InUse;
use incoming::incoming;
pub use limits::ServerLimits;
use tokio::net::TcpListener;
use tonic::transport::Server;
use tower::util::{MapRequestLayer, MapResponseLayer};

use crate::{
    DiscoveryServices, Publisher,
    connections::Connections,
    service::{keep_authority, keep_until_sent},
};

/// How long a probe of an idle connection may go unanswered.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(5);
/// The time for the last words to reach those Envoys that are told to go elsewhere.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// How many streams one connection may have. An Envoy without an aggregated stream opens one for
/// each cluster, and beyond this a second connection, whose streams would count as another Envoy's.
const MOST_STREAMS: u32 = 1024;
/// The longest message that is read, in bytes: ten thousand names of four hundred bytes.
const MOST_MESSAGE_BYTES: usize = 4 << 20;

/// Serves the discovery services and the metrics service on `listener` until `shutdown` completes.
/// From then on it takes no connection, asks Envoys to use the ones that they have for nothing new,
/// and ends the publisher's streams one after the other, as [`ServerLimits::drain`] says, so that a
/// fleet does not come upon another server at one moment.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    publisher: Publisher,
    listener: TcpListener,
    limits: ServerLimits,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let clock = publisher.clock().clone();
    let connections = Connections::new(limits.connections, limits.unread_bytes, clock.clone());
    let services = DiscoveryServices::new(publisher.clone(), limits.stream_age);
    let incoming = incoming(listener, connections.clone());
    let reports = ReportsServer::new(publisher.reports().clone());
    let shutdown = async move {
        shutdown.await;
        let last = clock.now() + publisher.close(limits.drain);
        tokio::spawn(async move {
            clock.wait_until(Some(last)).await;
            tokio::time::sleep(LAST_WORDS).await;
            // The server waits for its connections, and some peers never end theirs.
            connections.end_all();
        });
    };
    macro_rules! limited {
        ($server:ident) => {
            $server::new(services.clone()).max_decoding_message_size(MOST_MESSAGE_BYTES)
        };
    }
    Server::builder()
        .http2_keepalive_interval(Some(limits.keep_alive))
        .http2_keepalive_timeout(Some(KEEP_ALIVE_TIMEOUT))
        .max_concurrent_streams(MOST_STREAMS)
        // New streams go to a new connection from then on; those that are open go on.
        .max_connection_age(limits.stream_age)
        .layer(MapRequestLayer::new(keep_authority))
        .layer(MapResponseLayer::new(keep_until_sent))
        .add_service(limited!(AggregatedDiscoveryServiceServer))
        .add_service(limited!(ClusterDiscoveryServiceServer))
        .add_service(limited!(EndpointDiscoveryServiceServer))
        .add_service(limited!(SecretDiscoveryServiceServer))
        .add_service(limited!(ListenerDiscoveryServiceServer))
        .add_service(limited!(RouteDiscoveryServiceServer))
        .add_service(limited!(ExtensionConfigDiscoveryServiceServer))
        .add_service(limited!(ClientStatusDiscoveryServiceServer))
        .add_service(InUse(reports))
        .serve_with_incoming_shutdown(incoming, shutdown)
        .await
        .map_err(ServeError)
}

/// The gRPC server stopped by itself.
#[derive(Debug, thiserror::Error)]
#[error("the xDS server stopped")]
pub struct ServeError(#[source] tonic::transport::Error);
