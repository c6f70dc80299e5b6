//! The connections as they come in, each as the transport reads and writes it.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use futures::{FutureExt as _, Stream, future::BoxFuture, stream};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
};
use tonic::transport::server::Connected;

use crate::connections::{ConnectionHandle, Connections};

/// The pause after a connection could not be taken in: file descriptors that are missing now are
/// missing a millisecond later too, and trying again at once would keep a core busy.
const PAUSE: Duration = Duration::from_millis(100);

/// The connections that come in on `listener` and find a place; the others are closed.
pub(super) fn incoming(
    listener: TcpListener,
    connections: Connections,
) -> impl Stream<Item = io::Result<Connection>> {
    stream::unfold((listener, connections), |(listener, connections)| async {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    if let Some(handle) = connections.admit(peer) {
                        let connection = Connection::new(stream, handle);
                        return Some((Ok(connection), (listener, connections)));
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be taken in");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    })
}

/// A connection, which ends with an error when its time has come.
pub(super) struct Connection {
    stream: TcpStream,
    handle: ConnectionHandle,
    /// None once it has said that it ends.
    end: Option<BoxFuture<'static, &'static str>>,
}

impl Connection {
    fn new(stream: TcpStream, handle: ConnectionHandle) -> Self {
        // Without it an answer in two writes waits for the peer's delayed acknowledgement. A
        // stream that cannot be told so is served all the same.
        let _ = stream.set_nodelay(true);
        let end = Some(handle.until_its_end().boxed());
        Self {
            stream,
            handle,
            end,
        }
    }

    /// An error when the connection is to end. Whoever asks is woken when it is.
    fn check_end(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        if let Some(end) = &mut self.end {
            let Poll::Ready(reason) = end.as_mut().poll(context) else {
                return Ok(());
            };
            tracing::info!(peer = %self.handle.peer(), reason, "a connection is ended");
            self.end = None;
        }
        Err(io::ErrorKind::TimedOut.into())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.handle.leave();
    }
}

impl Connected for Connection {
    type ConnectInfo = ConnectionHandle;

    fn connect_info(&self) -> ConnectionHandle {
        self.handle.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check_end(context)?;
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check_end(context)?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check_end(context)?;
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
