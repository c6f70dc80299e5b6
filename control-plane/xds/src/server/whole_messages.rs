//! The bodies of requests, message by message: the part of a message that has come in is held here,
//! and counted, until the whole of it is there; and a whole one counts for as long as its bytes are
//! in use.
//!
//! gRPC says the length of a message before its bytes, and a reader that believes it makes room for
//! all of them at once. So a client that begins many messages, or lets their bytes trickle in,
//! would have more memory than it ever sent.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures::{FutureExt as _, future::BoxFuture};
use grpc_messages::whole_messages;
use http_body::{Body as HttpBody, Frame};
use tonic::{
    Status,
    body::Body,
    codegen::{Bytes, http::Request},
};

use crate::{
    connections::{ConnectionHandle, MessageBreaksOff, UnfinishedMessage},
    service::MOST_MESSAGE_BYTES,
};

/// Has a request's messages count as their connection's until they are taken in.
pub(super) fn count_messages(request: Request<Body>) -> Request<Body> {
    let Some(connection) = request.extensions().get::<ConnectionHandle>().cloned() else {
        return request;
    };
    request.map(|body| Body::new(WholeMessages::of(body, connection)))
}

/// A body that is handed on message by message.
struct WholeMessages {
    body: Body,
    connection: ConnectionHandle,
    /// The bytes that have come in and are not handed on.
    held: Vec<u8>,
    /// The memory that all of them have; none where it is still to be asked for.
    unfinished: Option<UnfinishedMessage>,
    /// The wait for it.
    growing: Option<BoxFuture<'static, Result<UnfinishedMessage, MessageBreaksOff>>>,
}

/// Bytes with their part of the memory, which goes when the last slice of them does.
struct CountedBytes {
    bytes: Vec<u8>,
    _room: Option<UnfinishedMessage>,
}

impl AsRef<[u8]> for CountedBytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl WholeMessages {
    fn of(body: Body, connection: ConnectionHandle) -> Self {
        Self {
            body,
            connection,
            held: Vec::new(),
            unfinished: None,
            growing: None,
        }
    }

    /// Takes in what came. It is copied: the bytes themselves may keep the whole of what was read
    /// with them.
    fn take_in(&mut self, data: &Bytes) {
        self.held.extend_from_slice(data);
        self.grow();
    }

    /// Begins to wait for the memory of what is held.
    fn grow(&mut self) {
        let connection = self.connection.clone();
        let (before, bytes) = (self.unfinished.take(), self.held.len());
        let room = async move { connection.room_for_unfinished(before, bytes).await };
        self.growing = Some(room.boxed());
    }

    /// Gives as much as makes whole messages, once there is memory for what is held.
    fn whole(&mut self) -> Option<Bytes> {
        let whole = whole_messages(&self.held, MOST_MESSAGE_BYTES);
        (whole > 0 && self.unfinished.is_some()).then(|| self.hand_on(whole))
    }

    /// Hands on so many bytes, which have the memory that all had; what is left asks for its own.
    fn hand_on(&mut self, bytes: usize) -> Bytes {
        let rest = self.held.split_off(bytes);
        Bytes::from_owner(CountedBytes {
            bytes: std::mem::replace(&mut self.held, rest),
            _room: self.unfinished.take(),
        })
    }
}

/// The words with which a message's stream ends.
fn status_of(reason: MessageBreaksOff) -> Status {
    match reason {
        MessageBreaksOff::TooMuch => Status::resource_exhausted(
            "too many messages on this connection are begun, or not taken in yet: finish one \
             before the next",
        ),
        MessageBreaksOff::ConnectionIsGone => Status::cancelled("the connection has ended"),
    }
}

impl HttpBody for WholeMessages {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        loop {
            // What waits for memory reads nothing, so that its client can send no more.
            if let Some(growing) = &mut this.growing {
                let grown = ready!(growing.poll_unpin(context));
                this.growing = None;
                match grown {
                    Ok(unfinished) => this.unfinished = Some(unfinished),
                    Err(reason) => {
                        this.held = Vec::new();
                        return Poll::Ready(Some(Err(status_of(reason))));
                    }
                }
            }
            if let Some(whole) = this.whole() {
                return Poll::Ready(Some(Ok(Frame::data(whole))));
            }
            if !this.held.is_empty() && this.unfinished.is_none() {
                this.grow();
                continue;
            }
            let frame = match ready!(Pin::new(&mut this.body).poll_frame(context)) {
                Some(Ok(frame)) => frame,
                Some(Err(status)) => return Poll::Ready(Some(Err(status))),
                None if this.held.is_empty() => return Poll::Ready(None),
                // A message that broke off: its reader says so.
                None => {
                    let rest = this.hand_on(this.held.len());
                    return Poll::Ready(Some(Ok(Frame::data(rest))));
                }
            };
            match frame.into_data() {
                Ok(data) if data.is_empty() => {}
                Ok(data) => this.take_in(&data),
                Err(other) => return Poll::Ready(Some(Ok(other))),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use futures::StreamExt as _;
    use http_body_util::{BodyExt as _, StreamBody};

    use super::*;
    use crate::{SimulatedClock, connections::Connections};

    fn message(length: usize) -> Vec<u8> {
        let mut message = vec![0];
        message.extend(u32::try_from(length).unwrap().to_be_bytes());
        message.resize(5 + length, 7);
        message
    }

    /// A body whose bytes come in frames of some kilobytes, on this connection.
    fn body(connection: &ConnectionHandle, bytes: &[u8]) -> WholeMessages {
        let frames: Vec<_> = bytes.chunks(16 << 10).map(Bytes::copy_from_slice).collect();
        let frames = futures::stream::iter(frames).map(|bytes| Ok::<_, Status>(Frame::data(bytes)));
        WholeMessages::of(Body::new(StreamBody::new(frames)), connection.clone())
    }

    fn connections() -> Connections {
        Connections::new(9, 1, SimulatedClock::default().clock())
    }

    fn admitted(connections: &Connections) -> ConnectionHandle {
        let peer = SocketAddr::from(([127, 0, 0, 1], 1));
        connections.admit(peer).unwrap()
    }

    #[test]
    fn it_keeps_no_more_memory_than_the_part_of_a_message_that_came_in() {
        let mut messages = WholeMessages::of(Body::empty(), admitted(&connections()));
        // A part that is all that was read into a large buffer.
        let mut read = Vec::with_capacity(1 << 20);
        read.extend_from_slice(&message(9)[..7]);
        messages.take_in(&read.into());
        assert_eq!(messages.held, message(9)[..7]);
        let kept = messages.held.capacity();
        assert!(kept < 1 << 10, "{kept}");
    }

    #[tokio::test]
    async fn it_counts_a_whole_message_for_as_long_as_its_bytes_are_in_use() {
        let connections = connections();
        let connection = admitted(&connections);
        let longest = message(MOST_MESSAGE_BYTES - 5);
        let mut in_use = Vec::new();
        let mut bodies = Vec::new();
        // What one connection may have, in messages that nobody has taken in yet.
        for _ in 0..2 {
            let mut body = body(&connection, &longest);
            let whole = body.frame().await.unwrap().unwrap().into_data().unwrap();
            assert_eq!(whole, longest);
            in_use.push(whole);
            bodies.push(body);
        }
        let refused = body(&connection, &longest).frame().await.unwrap();
        assert_eq!(refused.unwrap_err().code(), tonic::Code::ResourceExhausted);
        // A slice of it is a use of it.
        let slice = in_use.remove(0).slice(..1);
        let refused = body(&connection, &longest).frame().await.unwrap();
        assert!(refused.is_err());
        drop(slice);
        assert!(body(&connection, &longest).frame().await.unwrap().is_ok());
    }

    #[tokio::test]
    async fn it_counts_the_beginning_that_comes_with_the_end_of_another() {
        let connections = connections();
        let mut both = message(3);
        both.extend(&message(9)[..7]);
        let frames = futures::stream::iter([Ok::<_, Status>(Frame::data(Bytes::from(both)))]);
        let frames = frames.chain(futures::stream::pending());
        let body = Body::new(StreamBody::new(frames));
        let mut messages = WholeMessages::of(body, admitted(&connections));
        let whole = messages.frame().await.unwrap().unwrap();
        assert_eq!(whole.into_data().unwrap(), message(3));
        assert!(messages.frame().now_or_never().is_none());
        assert_eq!(messages.held.len(), 7);
        assert!(messages.unfinished.is_some());
    }
}
