//! One request to a server of MCP, on a connection of its own, in the clear or by TLS.

use std::error::Error;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderMap, HeaderValue, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::task::AbortOnDropHandle;
use tower::ServiceExt;

use paced::{Allowance, PacedStream};

use super::tls::{TlsError, TlsWay};

mod paced;

const CONNECT_WITHIN: Duration = Duration::from_secs(2);
/// How long a whole answer may take, from the connection on.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// The most bytes before the body of an answer: its head, the interim answers (1xx) before that,
/// and what TLS says first. Envoy takes heads of 60 KiB, and a chain of certificates is shorter.
const MOST_HEAD_BYTES: usize = 256 << 10;
/// The most bytes after that: twice the longest body that anybody reads, which leaves room for the
/// lengths of chunks and the records of TLS.
pub(super) const MOST_BYTES_AFTER_HEAD: usize = 32 << 20;

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum ConnectionError {
    /// No connection is made.
    #[error("no connection is made")]
    NotMade(#[source] Box<dyn Error + Send + Sync>),
    /// There is no connection by TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The answer is not HTTP, or ends in its midst.
    #[error("its answer is no whole answer of HTTP")]
    Http(#[from] hyper::Error),
    /// There is no end of what comes before the answer's body.
    #[error(
        "the head of its answer is too large: more than {} KiB, interim answers (1xx) counted",
        MOST_HEAD_BYTES >> 10
    )]
    HeadTooLarge,
    /// There is no end of the answer.
    #[error("its answer is longer than {} MiB on the connection", MOST_BYTES_AFTER_HEAD >> 20)]
    TooLong,
    /// It took too long.
    #[error("its whole answer did not come within {} s", ANSWER_WITHIN.as_secs())]
    Slow,
}

/// Makes connections to servers, as Envoy does: directly, whatever proxy the environment names.
#[derive(Debug, Clone)]
pub(super) struct Connector {
    tcp: HttpConnector,
    /// Whether this port is there to be connected to.
    reaches: fn(u16) -> bool,
    most_after_head: usize,
}

impl Connector {
    /// A connector to the ports of which `reaches` says so; at every other one nobody listens.
    pub(super) fn new(reaches: fn(u16) -> bool) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_WITHIN));
        Self {
            tcp,
            reaches,
            most_after_head: MOST_BYTES_AFTER_HEAD,
        }
    }

    /// Sends a request on a connection of its own, and waits for the head of the answer. A
    /// redirection is an answer like any other, and not followed.
    ///
    /// # Errors
    /// When there is none in time, or none that is sound.
    pub(super) async fn send(
        &self,
        tls: Option<&TlsWay>,
        request: Request<Full<Bytes>>,
    ) -> Result<Answer, ConnectionError> {
        let until = Instant::now() + ANSWER_WITHIN;
        let allowance = Allowance::new(MOST_HEAD_BYTES);
        let asked = async {
            let stream = timeout(CONNECT_WITHIN, self.connect(request.uri().clone())).await;
            let stream = stream.map_err(|_| not_made(io::ErrorKind::TimedOut))??;
            let stream = PacedStream::new(stream, allowance.clone());
            match tls {
                Some(tls) => exchange(tls.connect(request.uri(), stream).await?, request).await,
                None => exchange(stream, request).await,
            }
        };
        let outcome = timeout_at(until, asked).await;
        match outcome.unwrap_or(Err(ConnectionError::Slow)) {
            Ok((head, body, connection)) => {
                allowance.add(self.most_after_head);
                Ok(Answer {
                    status: head.status,
                    headers: head.headers,
                    body,
                    until,
                    allowance,
                    connection: Some(connection),
                })
            }
            Err(ConnectionError::Http(error)) if error.is_parse_too_large() => {
                Err(ConnectionError::HeadTooLarge)
            }
            Err(_) if allowance.is_spent() => Err(ConnectionError::HeadTooLarge),
            Err(error) => Err(error),
        }
    }

    async fn connect(&self, to: Uri) -> Result<TcpStream, ConnectionError> {
        let usual = if to.scheme_str() == Some("https") {
            443
        } else {
            80
        };
        if !(self.reaches)(to.port_u16().unwrap_or(usual)) {
            return Err(not_made(io::ErrorKind::ConnectionRefused));
        }
        let stream = self.tcp.clone().oneshot(to).await;
        stream
            .map(TokioIo::into_inner)
            .map_err(|error| ConnectionError::NotMade(Box::new(error)))
    }
}

fn not_made(kind: io::ErrorKind) -> ConnectionError {
    ConnectionError::NotMade(Box::new(io::Error::from(kind)))
}

/// Sends a request on a connection; gives the head and the body of its answer, and the task that
/// works on both.
async fn exchange<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    mut request: Request<Full<Bytes>>,
) -> Result<(http::response::Parts, Incoming, AbortOnDropHandle<()>), ConnectionError> {
    let to = request.uri();
    if let Some(host) = to
        .authority()
        .map(|place| HeaderValue::from_str(place.as_str()))
    {
        let host = host.map_err(|error| ConnectionError::NotMade(Box::new(error)))?;
        let path = to.path_and_query().cloned();
        *request.uri_mut() = path.map(Uri::from).unwrap_or_default();
        request.headers_mut().insert(HOST, host);
    }
    let handshake = http1::Builder::new()
        .max_buf_size(MOST_HEAD_BYTES)
        .handshake(TokioIo::new(stream));
    let (mut sender, connection) = handshake.await?;
    // What goes wrong on it is told to who waits for the answer, or reads it.
    let connection = AbortOnDropHandle::new(tokio::spawn(async { drop(connection.await) }));
    let (head, body) = sender.send_request(request).await?.into_parts();
    Ok((head, body, connection))
}

/// An answer whose body is still to be read. Its connection ends with it.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    body: Incoming,
    until: Instant,
    allowance: Allowance,
    connection: Option<AbortOnDropHandle<()>>,
}

impl Answer {
    /// The next bytes of the body, at most a piece of the connection's; nothing at its end.
    ///
    /// # Errors
    /// When they do not come in time, or not soundly.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, ConnectionError> {
        loop {
            let frame = timeout_at(self.until, self.body.frame()).await;
            match frame.map_err(|_| ConnectionError::Slow)? {
                // Trailers say nothing here.
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => return Ok(Some(data)),
                    Err(_) => continue,
                },
                Some(Err(_)) if self.allowance.is_spent() => return Err(ConnectionError::TooLong),
                Some(Err(error)) => return Err(error.into()),
                None => {
                    // It takes its leave of the server by itself.
                    self.connection.take().map(AbortOnDropHandle::detach);
                    return Ok(None);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
