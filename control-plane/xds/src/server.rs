//! The gRPC server that Envoys connect to.

mod in_use;
mod incoming;
mod limits;
mod reflection;
mod whole_messages;

use std::{
    future::Future,
    time::{Duration, Instant},
};

use envoy_reports::ReportsServer;
use envoy_types::pb::envoy::service::status::v3::client_status_discovery_service_server as csds;
use in_use::InUse;
use incoming::incoming;
pub use limits::ServerLimits;
use reflection::add_reflection;
use tokio::net::TcpListener;
use tonic::{service::Routes, transport::Server};
use tower::util::{MapRequestLayer, MapResponseLayer};
use whole_messages::count_messages;

use crate::{
    DiscoveryServices, Publisher,
    clock::DeadlineClock,
    connections::Connections,
    service::{MOST_STATUS_QUESTION_BYTES, keep_authority, keep_until_sent},
};

/// How long a probe of an idle connection may go unanswered.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(5);
/// The time for the last words to reach those Envoys that are told to go elsewhere.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// How many streams one connection may have. An Envoy without an aggregated stream opens one for
/// each cluster, and beyond this a second connection, whose streams would count as another Envoy's.
const MOST_STREAMS: u32 = 1024;

/// Bytes of requests that a connection may have sent before they are taken in: what HTTP/2 begins
/// with, and more than an Envoy says at once.
const REQUEST_WINDOW: u32 = (64 << 10) - 1;

/// Serves the discovery services and the metrics service on `listener` until `shutdown` completes.
/// From then on it takes no connection, asks Envoys to use the ones that they have for nothing new,
/// and ends the publisher's streams one after the other, as [`ServerLimits::drain`] says, so that a
/// fleet does not come upon another server at one moment.
///
/// `descriptors` is an encoded `FileDescriptorSet`, from which tools learn what the client status
/// service says.
///
/// # Errors
/// When the listener fails, or the descriptors are not readable.
pub async fn serve(
    publisher: Publisher,
    listener: TcpListener,
    limits: ServerLimits,
    descriptors: &[u8],
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
            last_words(&clock, last).await;
            // The server waits for its connections, and some peers never end theirs.
            connections.end_all();
        });
    };
    let status = csds::ClientStatusDiscoveryServiceServer::new(services.clone())
        .max_decoding_message_size(MOST_STATUS_QUESTION_BYTES);
    let routes = services.add_to(Routes::default());
    let routes = routes.add_service(status).add_service(InUse(reports));
    let routes = add_reflection(routes, descriptors).map_err(ServeError::Descriptors)?;
    Server::builder()
        .http2_keepalive_interval(Some(limits.keep_alive))
        .http2_keepalive_timeout(Some(KEEP_ALIVE_TIMEOUT))
        .max_concurrent_streams(MOST_STREAMS)
        // New streams go to a new connection from then on; those that are open go on.
        .max_connection_age(limits.stream_age)
        .initial_connection_window_size(REQUEST_WINDOW)
        .initial_stream_window_size(REQUEST_WINDOW)
        .layer(MapRequestLayer::new(keep_authority))
        .layer(MapRequestLayer::new(count_messages))
        .layer(MapResponseLayer::new(keep_until_sent))
        .add_routes(routes)
        .serve_with_incoming_shutdown(incoming, shutdown)
        .await
        .map_err(ServeError::Stopped)
}

/// Waits until the last stream has been ended, and its Envoy has had the time to read why: from the
/// moment that this is noticed, however late.
async fn last_words(clock: &DeadlineClock, last_end: Instant) {
    clock.wait_until(Some(last_end)).await;
    let are_read = clock.now() + LAST_WORDS;
    clock.wait_until(Some(are_read)).await;
}

/// Why the gRPC server does not serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Tools cannot be told of the services' messages.
    #[error("the descriptors of Envoy's messages are not readable")]
    Descriptors(#[source] tonic_reflection::server::Error),
    /// It stopped by itself.
    #[error("the xDS server stopped")]
    Stopped(#[source] tonic::transport::Error),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SimulatedClock;

    #[tokio::test]
    async fn it_leaves_envoys_the_time_for_its_last_words_by_the_clock_of_deadlines() {
        let simulated = SimulatedClock::default();
        let clock = simulated.clock();
        let last_end = clock.now() + Duration::from_secs(5);
        let mut words = Box::pin(last_words(&clock, last_end));
        // The end of the last stream is noticed an hour late.
        simulated.advance(Duration::from_secs(3600));
        assert!(futures::poll!(&mut words).is_pending());
        simulated.advance(LAST_WORDS);
        assert!(futures::poll!(&mut words).is_ready());
    }
}
