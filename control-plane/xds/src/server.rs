//! The gRPC server that Envoys connect to.

use std::{future::Future, time::Duration};

use envoy_types::pb::envoy::service::{
    cluster::v3::cluster_discovery_service_server::ClusterDiscoveryServiceServer,
    discovery::v3::aggregated_discovery_service_server::AggregatedDiscoveryServiceServer,
    endpoint::v3::endpoint_discovery_service_server::EndpointDiscoveryServiceServer,
    extension::v3::extension_config_discovery_service_server::ExtensionConfigDiscoveryServiceServer,
    listener::v3::listener_discovery_service_server::ListenerDiscoveryServiceServer,
    route::v3::route_discovery_service_server::RouteDiscoveryServiceServer,
    status::v3::client_status_discovery_service_server::ClientStatusDiscoveryServiceServer,
};
use tokio::net::TcpListener;
use tonic::transport::{Server, server::TcpIncoming};
use tower::util::MapRequestLayer;

use crate::{DiscoveryServices, Publisher, service::keep_authority};

/// How often an idle connection is probed; a dead Envoy is noticed after this and
/// [`KEEP_ALIVE_TIMEOUT`].
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(15);
/// How long a probe may go unanswered.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an Envoy's connection lasts, and its streams, which end up to a tenth later: the Envoy
/// comes back, to whichever server its load balancing finds. Six hours spread a fleet anew on the
/// day on which a server was added; much less would have every Envoy of an older variant transfer
/// its endpoints and routes again and again.
const STREAM_AGE: Duration = Duration::from_secs(6 * 3600);
/// How many streams one connection may have. An Envoy without an aggregated stream opens one for
/// each cluster, and beyond this a second connection, whose streams would count as another Envoy's.
const MOST_STREAMS: u32 = 1024;
/// The longest message that is read, in bytes: ten thousand names of four hundred bytes.
const MOST_MESSAGE_BYTES: usize = 4 << 20;

/// Serves the discovery services on `listener` until `shutdown` completes; the publisher's streams
/// end then.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    publisher: Publisher,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let services = DiscoveryServices::new(publisher.clone(), STREAM_AGE);
    // Streams never end by themselves, and the server waits for them.
    let shutdown = async move {
        shutdown.await;
        publisher.close();
    };
    macro_rules! limited {
        ($server:ident) => {
            $server::new(services.clone()).max_decoding_message_size(MOST_MESSAGE_BYTES)
        };
    }
    Server::builder()
        .http2_keepalive_interval(Some(KEEP_ALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEP_ALIVE_TIMEOUT))
        .max_concurrent_streams(MOST_STREAMS)
        // New streams go to a new connection from then on; those that are open go on.
        .max_connection_age(STREAM_AGE)
        .layer(MapRequestLayer::new(keep_authority))
        .add_service(limited!(AggregatedDiscoveryServiceServer))
        .add_service(limited!(ClusterDiscoveryServiceServer))
        .add_service(limited!(EndpointDiscoveryServiceServer))
        .add_service(limited!(ListenerDiscoveryServiceServer))
        .add_service(limited!(RouteDiscoveryServiceServer))
        .add_service(limited!(ExtensionConfigDiscoveryServiceServer))
        .add_service(limited!(ClientStatusDiscoveryServiceServer))
        .serve_with_incoming_shutdown(
            TcpIncoming::from(listener).with_nodelay(Some(true)),
            shutdown,
        )
        .await
        .map_err(ServeError)
}

/// The gRPC server stopped by itself.
#[derive(Debug, thiserror::Error)]
#[error("the xDS server stopped")]
pub struct ServeError(#[source] tonic::transport::Error);
