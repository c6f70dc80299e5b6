//! The bytes of a server, a piece at a time and no more than it may send.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The most bytes between two turns of everybody else. A thousand short heads are in it, which are
/// read within a millisecond; with less, a long list would take more turns than bytes are worth.
pub(super) const MOST_AT_ONCE: usize = 16 << 10;

/// How many bytes a server may still send on a connection.
#[derive(Debug, Clone)]
pub(super) struct Allowance(Arc<AtomicUsize>);

impl Allowance {
    pub(super) fn new(bytes: usize) -> Self {
        Self(Arc::new(AtomicUsize::new(bytes)))
    }

    /// Lets it send so many bytes more.
    pub(super) fn add(&self, bytes: usize) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn is_spent(&self) -> bool {
        self.left() == 0
    }

    fn left(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// Takes what was read. Only the connection's own task reads, and never more than is left.
    fn spend(&self, bytes: usize) {
        self.0.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// A stream of which the reader gets a piece, and waits for its next turn before it gets another.
///
/// A reader of HTTP or TLS goes on within one turn as long as bytes come and say nothing: interim
/// answers (1xx), tickets. A server that sends them faster than they are read would keep the
/// thread for good, and no time limit ends that, since each is looked at between turns only.
#[derive(Debug)]
pub(super) struct PacedStream<S> {
    stream: S,
    allowance: Allowance,
    has_had_its_piece: bool,
}

impl<S> PacedStream<S> {
    pub(super) fn new(stream: S, allowance: Allowance) -> Self {
        Self {
            stream,
            allowance,
            has_had_its_piece: false,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for PacedStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if std::mem::take(&mut self.has_had_its_piece) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let left = self.allowance.left();
        if left == 0 {
            return Poll::Ready(Err(io::Error::other("it sends more than it may")));
        }
        let most = buffer.remaining().min(MOST_AT_ONCE).min(left);
        let mut piece = ReadBuf::new(buffer.initialize_unfilled_to(most));
        ready!(Pin::new(&mut self.stream).poll_read(context, &mut piece))?;
        let read = piece.filled().len();
        buffer.advance(read);
        self.allowance.spend(read);
        self.has_had_its_piece = true;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for PacedStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use futures::poll;
    use tokio::io::{AsyncReadExt, repeat};

    use super::*;

    #[tokio::test]
    async fn it_gives_one_piece_a_turn_however_much_there_is() {
        const PIECES: usize = 5;
        let allowance = Allowance::new(PIECES * MOST_AT_ONCE);
        // An endless source that is always ready, and a reader that never stops by itself.
        let mut stream = PacedStream::new(repeat(b'x'), allowance.clone());
        let mut reading = Box::pin(async {
            let mut buffer = [0; 4 * MOST_AT_ONCE];
            loop {
                let read = stream.read(&mut buffer).await?;
                assert_eq!(read, MOST_AT_ONCE);
            }
        });
        for turn in 1..=PIECES {
            assert!(poll!(&mut reading).is_pending());
            assert_eq!(allowance.left(), (PIECES - turn) * MOST_AT_ONCE);
        }
        assert!(allowance.is_spent());
        let outcome: io::Result<()> = reading.await;
        assert_eq!(
            outcome.unwrap_err().to_string(),
            "it sends more than it may"
        );
    }
}
