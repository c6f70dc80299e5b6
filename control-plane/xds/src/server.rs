//! The gRPC server that Envoys connect to.

use std::{future::Future, time::Duration};

use envoy_types::pb::envoy::service::discovery::v3::aggregated_discovery_service_server as ads;
use tokio::net::TcpListener;
use tonic::transport::{Server, server::TcpIncoming};

use crate::{Ads, Publisher};

/// How often an idle connection is probed; a dead Envoy is noticed after this and
/// [`KEEP_ALIVE_TIMEOUT`].
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(15);
/// How long a probe may go unanswered.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(5);

/// Serves the aggregated discovery service on `listener` until `shutdown` completes; the
/// publisher's streams end then.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    publisher: Publisher,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let closer = publisher.clone();
    // Streams never end by themselves, and the server waits for them.
    let shutdown = async move {
        shutdown.await;
        closer.close();
    };
    Server::builder()
        .http2_keepalive_interval(Some(KEEP_ALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEP_ALIVE_TIMEOUT))
        .add_service(ads::AggregatedDiscoveryServiceServer::new(Ads::new(
            publisher,
        )))
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
