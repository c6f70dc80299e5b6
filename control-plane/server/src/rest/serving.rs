//! Serves the API on a bounded number of connections, each of which must send the heads of its
//! requests in time and go on taking what it is answered.
//!
//! `axum::serve` knows none of these bounds. A request that runs is bounded by none of them: its
//! author may wait for a long rollout.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_io_timeout::TimeoutStream;

/// Connections that are served at once; others wait in the listener's queue.
const MOST_CONNECTIONS: usize = 256;

/// The time for the head of a request, from the opening of the connection or the end of the request
/// before it: an idle connection ends after it, too.
const HEAD_TIME: Duration = Duration::from_secs(15);

/// The time in which a client must take some bytes of an answer that fills its window.
const WRITE_TIME: Duration = Duration::from_secs(30);

/// Bytes of a head, and of what is read ahead of a body.
const MOST_HEAD_BYTES: usize = 64 << 10;

/// Serves `router` until `stop` is ready and the requests that run then are answered.
pub async fn serve(listener: TcpListener, router: Router, stop: impl Future<Output = ()>) {
    serve_within(MOST_CONNECTIONS, HEAD_TIME, listener, router, stop).await;
}

async fn serve_within(
    connections: usize,
    head_time: Duration,
    mut listener: TcpListener,
    router: Router,
    stop: impl Future<Output = ()>,
) {
    let places = Arc::new(Semaphore::new(connections));
    let graceful = GracefulShutdown::new();
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(head_time)
        .max_buf_size(MOST_HEAD_BYTES);
    let mut stop = pin!(stop);
    loop {
        let accepted = async {
            let place = Arc::clone(&places).acquire_owned().await;
            // This one goes on after errors, where a bare `accept` would not.
            (place, axum::serve::Listener::accept(&mut listener).await)
        };
        let (place, (stream, peer)) = tokio::select! {
            accepted = accepted => accepted,
            () = &mut stop => break,
        };
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(WRITE_TIME));
        let router = TowerToHyperService::new(router.clone());
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(peer));
            router.call(request)
        });
        let connection = http.serve_connection(TokioIo::new(Box::pin(stream)), service);
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            // A client that goes away or is late is no matter for a warning.
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
            drop(place);
        });
    }
    drop(listener);
    graceful.shutdown().await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;
    use std::net::SocketAddr;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    const REQUEST: &str = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

    async fn start(connections: usize, head_time: Duration) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let peer = async |ConnectInfo(peer): ConnectInfo<SocketAddr>| format!("served {peer}");
        let router = Router::new().route("/", get(peer));
        let never = std::future::pending();
        tokio::spawn(serve_within(
            connections,
            head_time,
            listener,
            router,
            never,
        ));
        address
    }

    /// All that the server says to `text` until it hangs up.
    async fn said_on(mut stream: TcpStream, text: &str) -> String {
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut said = String::new();
        let reading = stream.read_to_string(&mut said);
        let ended = tokio::time::timeout(Duration::from_secs(20), reading).await;
        let _ = ended.expect("the server hangs up");
        said
    }

    #[tokio::test]
    async fn it_hangs_up_on_a_head_that_never_ends() {
        let address = start(8, Duration::from_millis(50)).await;
        for begun in ["", "G", "GET / HTTP/1.1\r\nhost: a\r\nx: "] {
            let stream = TcpStream::connect(address).await.unwrap();
            let said = said_on(stream, begun).await;
            assert!(!said.contains("served"), "{begun:?}: {said}");
        }
    }

    #[tokio::test]
    async fn it_serves_so_many_connections_at_once_and_the_next_when_one_is_free() {
        let address = start(1, Duration::from_secs(60)).await;
        let mut first = TcpStream::connect(address).await.unwrap();
        first.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
        let mut second = TcpStream::connect(address).await.unwrap();
        second.write_all(REQUEST.as_bytes()).await.unwrap();
        let own = first.local_addr().unwrap();
        let rest = REQUEST.strip_prefix("GET / HTTP/1.1\r\n").unwrap();
        let said = said_on(first, rest).await;
        assert!(said.contains(&format!("served {own}")), "{said}");
        assert!(said_on(second, "").await.contains("served"));
    }
}
