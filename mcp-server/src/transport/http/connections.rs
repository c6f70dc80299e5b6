//! Serves a router over HTTP/1.1 on a bounded number of connections, each of which must send the
//! heads of its requests in time and go on taking what it is answered.
//!
//! `axum::serve` knows none of these bounds.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use axum::serve::Listener;
use http::StatusCode;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use prometheus_client::metrics::gauge::Gauge;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;

use super::bodies::{BodyLimits, BodyReader};
use super::refusal::{INTERNAL_ERROR, Unserved};

/// The messages of refused connections: most are a few hundred bytes, and one that comes slowly
/// would keep another client from being told.
const REFUSED_BODIES: BodyLimits = BodyLimits {
    largest: 64 << 10,
    time: Duration::from_secs(2),
    uncounted: 64 << 10,
    budget: 0,
};

/// Bounds of the connections of one listener.
#[derive(Debug, Clone, Copy)]
pub(super) struct ConnectionLimits {
    /// Connections that are served at once.
    pub(super) at_once: usize,
    /// Connections beyond those that are told so at once; still more are closed without a word.
    pub(super) refused_at_once: usize,
    /// The time for the head of a request, from the opening of the connection or the end of the
    /// request before it: an idle connection ends after it, too.
    pub(super) head: Duration,
    /// The time in which a client must take some bytes of an answer that fills its window: one that
    /// never reads would keep its place, and the answer, for as long as it likes.
    pub(super) write: Duration,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            at_once: 512,
            refused_at_once: 64,
            // Longer than the 60 s after which the gateway ends an idle connection: if this end
            // were the first, a call that is on its way then would be lost.
            head: Duration::from_secs(75),
            // As long as the gateway waits for its own clients.
            write: Duration::from_secs(60),
        }
    }
}

/// Serves `router` until `stop` fires and the requests that run then are answered; `open` counts
/// the connections.
pub(super) async fn serve(
    mut listener: impl Listener<Io = TcpStream>,
    router: Router,
    limits: ConnectionLimits,
    open: Gauge,
    stop: CancellationToken,
) {
    let served = Arc::new(Semaphore::new(limits.at_once));
    let refused = Arc::new(Semaphore::new(limits.refused_at_once));
    let reader_for_refused = BodyReader::new(REFUSED_BODIES);
    let graceful = GracefulShutdown::new();
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.head);
    let mut stopped = pin!(stop.cancelled());
    loop {
        let (stream, _) = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stopped => break,
        };
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(limits.write));
        let stream = TokioIo::new(Box::pin(stream));
        if let Ok(place) = Arc::clone(&served).try_acquire_owned() {
            let service = TowerToHyperService::new(router.clone());
            let connection = graceful.watch(http.serve_connection(stream, service));
            let open = open.clone();
            tokio::spawn(async move {
                open.inc();
                log_end(connection.await);
                open.dec();
                drop(place);
            });
        } else if let Ok(place) = Arc::clone(&refused).try_acquire_owned() {
            let reader = reader_for_refused.clone();
            let service = service_fn(move |request: Request<Incoming>| {
                let reader = reader.clone();
                async move { Ok::<_, Infallible>(refuse(request, limits.at_once, &reader).await) }
            });
            let mut http = http.clone();
            let connection = http.keep_alive(false).serve_connection(stream, service);
            tokio::spawn(async move {
                log_end(connection.await);
                drop(place);
            });
        }
    }
    drop(listener);
    graceful.shutdown().await;
}

/// A client that goes away or is late is no matter for a warning.
fn log_end(ended: hyper::Result<()>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// Tells a client that there is no room for its connection; its message is read for the id of who
/// waits for an answer.
async fn refuse(request: Request<Incoming>, at_once: usize, reader: &BodyReader) -> Response {
    let message =
        format!("all {at_once} connections of the server are in use; try again in a few seconds");
    let (parts, body) = request.into_parts();
    let begun = match reader.read(Body::new(body)).await {
        Ok(read) => read.bytes,
        Err(unread) => unread.begun.freeze(),
    };
    let unserved = Unserved {
        path: parts.uri.path(),
        headers: &parts.headers,
        begun: &begun,
    };
    unserved.answer(StatusCode::SERVICE_UNAVAILABLE, INTERNAL_ERROR, &message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::post;
    use std::net::SocketAddr;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio_util::sync::DropGuard;

    const REQUEST: &str = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n";

    async fn start(at_once: usize, head: Duration) -> (SocketAddr, DropGuard) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let limits = ConnectionLimits {
            at_once,
            refused_at_once: 1,
            head,
            write: Duration::from_millis(50),
        };
        let stop = CancellationToken::new();
        let router = Router::new()
            .route("/", post(async || "served"))
            .route("/large", post(async || vec![b'x'; 64 << 20]));
        tokio::spawn(serve(
            listener,
            router,
            limits,
            Gauge::default(),
            stop.clone(),
        ));
        (address, stop.drop_guard())
    }

    /// All that the server says to `text`, until it hangs up.
    async fn said_to(address: SocketAddr, text: &str) -> String {
        let mut stream = TcpStream::connect(address).await.expect("it listens");
        stream.write_all(text.as_bytes()).await.expect("it reads");
        let mut said = String::new();
        let reading = stream.read_to_string(&mut said);
        let ended = tokio::time::timeout(Duration::from_secs(20), reading).await;
        let _ = ended.expect("the server hangs up");
        said
    }

    #[tokio::test]
    async fn it_hangs_up_on_a_head_that_never_ends() {
        let (address, _stop) = start(8, Duration::from_millis(50)).await;
        for begun in [
            "",
            "P",
            "PRI * HTTP/2.0\r\n",
            "POST / HTTP/1.1\r\nhost: a\r\nx: ",
        ] {
            let said = said_to(address, begun).await;
            assert!(!said.contains("served"), "{begun:?}: {said}");
        }
        let second = format!("{REQUEST}POST / HT");
        let said = said_to(address, &second).await;
        assert_eq!(said.matches("served").count(), 1, "{said}");
    }

    #[tokio::test]
    async fn it_says_that_all_connections_are_in_use_and_serves_again_when_one_is_free() {
        let (address, _stop) = start(1, Duration::from_secs(60)).await;
        let first = TcpStream::connect(address).await.expect("it listens");
        let said = said_to(address, REQUEST).await;
        assert!(said.starts_with("HTTP/1.1 503 "), "{said}");
        assert!(
            said.contains("all 1 connections of the server are in use"),
            "{said}"
        );
        // Whoever waits for an answer to a call hears it as such, and the session lives.
        let call = r#"{"jsonrpc":"2.0","method":"tools/call","params":{},"id":"x"}"#;
        let head = REQUEST.replace("POST /", "POST /mcp");
        let length = format!("content-length: {}", call.len());
        let head = head.replace("content-length: 0", &length);
        let said = said_to(address, &format!("{head}{call}")).await;
        assert!(said.starts_with("HTTP/1.1 200 "), "{said}");
        for part in [r#""id":"x""#, r#""isError":true"#, "all 1 connections"] {
            assert!(said.contains(part), "{said}");
        }
        drop(first);
        until_served(address).await;
    }

    #[tokio::test]
    async fn it_hangs_up_on_a_client_that_does_not_take_its_answer() {
        let (address, _stop) = start(1, Duration::from_secs(60)).await;
        let mut silent = TcpStream::connect(address).await.expect("it listens");
        let request = REQUEST.replace("POST /", "POST /large");
        silent
            .write_all(request.as_bytes())
            .await
            .expect("it reads");
        until_served(address).await;
        drop(silent);
    }

    /// Waits until the only place is free again.
    async fn until_served(address: SocketAddr) {
        let last = REQUEST.replace("host: a", "host: a\r\nconnection: close");
        let served = async {
            while !said_to(address, &last).await.contains("served") {
                tokio::task::yield_now().await;
            }
        };
        let served = tokio::time::timeout(Duration::from_secs(20), served);
        served.await.expect("the place is free again");
    }
}
