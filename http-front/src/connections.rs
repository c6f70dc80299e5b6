//! Serves a router on a bounded number of connections, each of which must send the heads of its
//! requests in time and go on taking what it is answered.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::response::Response;
use http::request::Parts;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_io_timeout::TimeoutStream;

use crate::bodies::{BodyLimits, BodyReader};

/// The messages of refused connections: most are a few hundred bytes, and one that comes slowly
/// would keep another client from being told.
const REFUSED_BODIES: BodyLimits = BodyLimits {
    largest: 64 << 10,
    time: Duration::from_secs(2),
    uncounted: 64 << 10,
    budget: 0,
};

/// Bytes of a head, give or take what is read at once, and of what is read ahead of a body: twice
/// as much as Envoy lets through. With hyper's 408 KiB, a thousand heads that never end would take
/// 400 MiB.
const MOST_HEAD_BYTES: usize = 64 << 10;

/// Bounds of the connections of one listener.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionLimits {
    /// Connections that are served at once.
    pub at_once: usize,
    /// Connections beyond those that are told so at once; still more are closed without a word.
    pub refused_at_once: usize,
    /// The time for the head of a request, from the opening of the connection or the end of the
    /// request before it: an idle connection ends after it, too.
    pub head: Duration,
    /// The time in which a client must take some bytes of an answer that fills its window: one that
    /// never reads would keep its place, and the answer, for as long as it likes.
    pub write: Duration,
}

/// A router, and the bounds of the connections on which it is served.
#[derive(Debug, Clone)]
pub struct Front {
    /// The answers to requests. Each request carries the [`ConnectInfo`] of its peer.
    pub router: Router,
    /// The bounds of the connections.
    pub limits: ConnectionLimits,
    /// Answers a request on a connection for which there is no place.
    pub refuse: fn(Refused<'_>) -> Response,
}

/// A request on a connection for which there is no place.
#[derive(Debug, Clone, Copy)]
pub struct Refused<'a> {
    /// The head of the request.
    pub head: &'a Parts,
    /// The body, or as much of it as has come.
    pub begun: &'a [u8],
    /// How many connections are served, and all of them in use.
    pub at_once: usize,
}

impl Front {
    /// Serves on `listener` until `stop` is ready and the requests that run then are answered. What
    /// `count` makes lives as long as a connection that is served.
    pub async fn serve<Counted: Send + 'static>(
        self,
        mut listener: TcpListener,
        count: impl Fn() -> Counted,
        stop: impl Future<Output = ()>,
    ) {
        let Self {
            router,
            limits,
            refuse,
        } = self;
        let places = Arc::new(Semaphore::new(limits.at_once));
        let places_for_refused = Arc::new(Semaphore::new(limits.refused_at_once));
        let reader_for_refused = BodyReader::new(REFUSED_BODIES);
        let graceful = GracefulShutdown::new();
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(limits.head)
            .max_buf_size(MOST_HEAD_BYTES);
        let mut stop = pin!(stop);
        loop {
            let (stream, peer) = tokio::select! {
                // This one goes on after errors, where a bare `accept` would not.
                accepted = axum::serve::Listener::accept(&mut listener) => accepted,
                () = &mut stop => break,
            };
            let stream = within(limits.write, stream);
            if let Ok(place) = Arc::clone(&places).try_acquire_owned() {
                let router = TowerToHyperService::new(router.clone());
                let service = service_fn(move |mut request: Request<Incoming>| {
                    request.extensions_mut().insert(ConnectInfo(peer));
                    router.call(request)
                });
                let connection = graceful.watch(http.serve_connection(stream, service));
                let counted = count();
                tokio::spawn(async move {
                    log_end(connection.await);
                    drop((counted, place));
                });
            } else if let Ok(place) = Arc::clone(&places_for_refused).try_acquire_owned() {
                let reader = reader_for_refused.clone();
                let service = service_fn(move |request: Request<Incoming>| {
                    let reader = reader.clone();
                    async move {
                        let (head, body) = request.into_parts();
                        let begun = match reader.read(Body::new(body)).await {
                            Ok(read) => read.bytes,
                            Err(unread) => unread.begun.freeze(),
                        };
                        Ok::<_, Infallible>(refuse(Refused {
                            head: &head,
                            begun: &begun,
                            at_once: limits.at_once,
                        }))
                    }
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
}

/// A stream whose peer must take some bytes within a time.
fn within(write: Duration, stream: TcpStream) -> TokioIo<Pin<Box<TimeoutStream<TcpStream>>>> {
    // Without it an answer in two writes waits for the peer's delayed acknowledgement, 40 ms on
    // Linux. A stream that cannot be told so is served all the same.
    let _ = stream.set_nodelay(true);
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(write));
    TokioIo::new(Box::pin(stream))
}

/// A client that goes away or is late is no matter for a warning.
fn log_end(ended: hyper::Result<()>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answers::{AnswerBudget, AnswerLimits};
    use axum::response::IntoResponse as _;
    use axum::routing::post;
    use http::StatusCode;
    use std::net::SocketAddr;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::sync::oneshot;

    const REQUEST: &str = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n";

    /// A server, which stops when this is dropped.
    struct Server {
        address: SocketAddr,
        served: Arc<AtomicUsize>,
        _stop: oneshot::Sender<()>,
    }

    /// One more connection that is served, while it lives.
    struct Counted(Arc<AtomicUsize>);

    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::SeqCst);
        }
    }

    async fn start(at_once: usize, head: Duration) -> Server {
        start_patient(at_once, head, Duration::from_millis(50)).await
    }

    async fn start_patient(at_once: usize, head: Duration, write: Duration) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let reader = BodyReader::new(BodyLimits {
            largest: 100,
            ..REFUSED_BODIES
        });
        let peer = async |ConnectInfo(peer): ConnectInfo<SocketAddr>| format!("served {peer}");
        let read = move |body: Body| {
            let reader = reader.clone();
            async move {
                match reader.read(body).await {
                    Ok(_) => "read".into_response(),
                    Err(unread) => unread.end_connection("too large".into_response()),
                }
            }
        };
        // One large answer, and not another.
        let answers = AnswerBudget::new(AnswerLimits {
            uncounted: 1 << 10,
            budget: 80 << 20,
        });
        let counted = move || async move {
            match answers.count(vec![b'x'; 64 << 20].into()) {
                Ok(bytes) => bytes.into_response(),
                Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
            }
        };
        let front = Front {
            router: Router::new()
                .route("/counted", post(counted))
                .route("/", post(peer))
                .route("/large", post(async || vec![b'x'; 64 << 20]))
                .route("/read", post(read)),
            limits: ConnectionLimits {
                at_once,
                refused_at_once: 1,
                head,
                write,
            },
            refuse: |refused| {
                let begun = String::from_utf8_lossy(refused.begun);
                let words = format!("all {}: {} {begun}", refused.at_once, refused.head.uri);
                (StatusCode::SERVICE_UNAVAILABLE, words).into_response()
            },
        };
        let served = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&served);
        let count = move || {
            counter.fetch_add(1, Ordering::SeqCst);
            Counted(Arc::clone(&counter))
        };
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(front.serve(listener, count, async {
            let _ = stopped.await;
        }));
        Server {
            address,
            served,
            _stop: stop,
        }
    }

    impl Server {
        async fn connect(&self) -> TcpStream {
            TcpStream::connect(self.address).await.expect("it listens")
        }

        /// All that the server says to `text`, until it hangs up.
        async fn said_to(&self, text: &str) -> String {
            let mut stream = self.connect().await;
            stream.write_all(text.as_bytes()).await.expect("it reads");
            let mut said = String::new();
            let reading = stream.read_to_string(&mut said);
            let ended = tokio::time::timeout(Duration::from_secs(60), reading).await;
            let _ = ended.expect("the server hangs up");
            said
        }

        /// Waits until the only place is free again.
        async fn until_served(&self) {
            let last = REQUEST.replace("host: a", "host: a\r\nconnection: close");
            let served = async {
                while !self.said_to(&last).await.contains("served") {
                    tokio::task::yield_now().await;
                }
            };
            let served = tokio::time::timeout(Duration::from_secs(60), served);
            served.await.expect("the place is free again");
        }
    }

    #[tokio::test]
    async fn it_hangs_up_on_a_head_that_never_ends() {
        let server = start(8, Duration::from_millis(50)).await;
        for begun in [
            "",
            "P",
            "PRI * HTTP/2.0\r\n",
            "POST / HTTP/1.1\r\nhost: a\r\nx: ",
        ] {
            let said = server.said_to(begun).await;
            assert!(!said.contains("served"), "{begun:?}: {said}");
        }
        // The first request is to be served, whenever its client is given the processor.
        let server = start(8, Duration::from_secs(2)).await;
        let second = format!("{REQUEST}POST / HT");
        let said = server.said_to(&second).await;
        assert_eq!(said.matches("served").count(), 1, "{said}");
    }

    #[tokio::test]
    async fn it_tells_who_has_no_place_and_serves_again_when_one_is_free() {
        let server = start(1, Duration::from_secs(60)).await;
        let mut first = server.connect().await;
        first.write_all(b"POST / HTTP/1.1\r\n").await.expect("read");
        let refused = REQUEST.replace("length: 0\r\n\r\n", "length: 4\r\n\r\nbody");
        let said = server.said_to(&refused).await;
        assert!(said.starts_with("HTTP/1.1 503 "), "{said}");
        assert!(said.ends_with("all 1: / body"), "{said}");
        assert_eq!(server.served.load(Ordering::SeqCst), 1);
        // The one that has the place is served, and heard by its address.
        let own = first.local_addr().expect("connected").to_string();
        let rest = REQUEST.replace("POST / HTTP/1.1\r\n", "connection: close\r\n");
        first.write_all(rest.as_bytes()).await.expect("read");
        let mut said = String::new();
        first.read_to_string(&mut said).await.expect("an answer");
        assert!(said.contains(&format!("served {own}")), "{said}");
        server.until_served().await;
        let all_gone = async {
            while server.served.load(Ordering::SeqCst) > 0 {
                tokio::task::yield_now().await;
            }
        };
        let all_gone = tokio::time::timeout(Duration::from_secs(60), all_gone);
        all_gone.await.expect("the count goes back");
    }

    #[tokio::test]
    async fn it_hangs_up_on_a_client_that_does_not_take_its_answer() {
        let server = start(1, Duration::from_secs(60)).await;
        let mut silent = server.connect().await;
        let request = REQUEST.replace("POST /", "POST /large");
        silent
            .write_all(request.as_bytes())
            .await
            .expect("it reads");
        server.until_served().await;
        drop(silent);
    }

    #[tokio::test]
    async fn it_counts_an_answer_until_its_client_has_taken_it_or_is_gone() {
        let minute = Duration::from_secs(60);
        let server = start_patient(8, minute, minute).await;
        let request = REQUEST.replace("POST /", "POST /counted");
        let last = request.replace("host: a", "host: a\r\nconnection: close");
        let mut silent = server.connect().await;
        let written = silent.write_all(request.as_bytes()).await;
        written.expect("it reads");
        let mut first = [0; 12];
        silent.read_exact(&mut first).await.expect("an answer");
        assert_eq!(&first, b"HTTP/1.1 200");
        let said = server.said_to(&last).await;
        assert!(said.starts_with("HTTP/1.1 503"), "a second answer is held");
        drop(silent);
        // One client takes its answer while the next one asks.
        for _ in 0..2 {
            let served =
                async { while !server.said_to(&last).await.starts_with("HTTP/1.1 200") {} };
            let served = tokio::time::timeout(Duration::from_secs(60), served);
            served.await.expect("the room is free again");
        }
    }

    #[tokio::test]
    async fn it_lets_a_client_hear_of_a_refusal_that_sends_all_of_its_body_first() {
        let server = start(1, Duration::from_secs(60)).await;
        // More than the buffers of both ends take.
        let size = 32 << 20;
        let head = REQUEST.replace("POST /", "POST /read");
        let head = head.replace("length: 0", &format!("length: {size}"));
        let said = server.said_to(&format!("{head}{}", "x".repeat(size))).await;
        assert!(said.contains("connection: close"), "{said}");
        assert!(said.ends_with("too large"), "{said}");
    }

    #[tokio::test]
    async fn it_refuses_a_head_that_is_larger_than_any_that_is_meant() {
        let server = start(1, Duration::from_secs(60)).await;
        let head = REQUEST.replace(
            "host: a",
            &format!("host: a\r\nx: {}", "x".repeat(4 * MOST_HEAD_BYTES)),
        );
        let said = server.said_to(&head).await;
        assert!(!said.contains("served"), "{said}");
    }
}
