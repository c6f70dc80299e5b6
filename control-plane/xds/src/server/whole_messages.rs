//! The bodies of requests, message by message: the part of a message that has come in is held here,
//! and counted, until the whole of it is there.
//!
//! gRPC says the length of a message before its bytes, and a reader that believes it makes room for
//! all of them at once. So a client that begins many messages, or lets their bytes trickle in,
//! would have more memory than it ever sent.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures::{FutureExt as _, future::BoxFuture};
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

/// The bytes before each message: whether it is compressed, and its length.
const PREFIX: usize = 5;

/// Has a request's messages count as their connection's until they are whole.
pub(super) fn count_unfinished(request: Request<Body>) -> Request<Body> {
    let Some(connection) = request.extensions().get::<ConnectionHandle>().cloned() else {
        return request;
    };
    request.map(|body| {
        Body::new(WholeMessages {
            body,
            connection,
            held: Vec::new(),
            unfinished: None,
            growing: None,
        })
    })
}

/// A body that is handed on message by message.
struct WholeMessages {
    body: Body,
    connection: ConnectionHandle,
    /// The part of a message that has come in.
    held: Vec<u8>,
    /// The memory that it has.
    unfinished: Option<UnfinishedMessage>,
    /// The wait for more of it.
    growing: Option<BoxFuture<'static, Result<UnfinishedMessage, MessageBreaksOff>>>,
}

impl WholeMessages {
    /// Takes in what came, and gives as much of it as makes whole messages.
    fn take(&mut self, data: &Bytes) -> Option<Bytes> {
        let is_fresh = self.held.is_empty();
        if !is_fresh {
            self.held.extend_from_slice(data);
        }
        let all: &[u8] = if is_fresh { data } else { &self.held };
        let whole = whole_messages(all);
        if whole == 0 {
            if is_fresh {
                // A copy: the bytes themselves may keep the whole of what was read with them.
                self.held = data.to_vec();
            }
            return None;
        }
        self.unfinished = None;
        if is_fresh {
            self.held = data[whole..].to_vec();
            return Some(data.slice(..whole));
        }
        let rest = self.held.split_off(whole);
        Some(std::mem::replace(&mut self.held, rest).into())
    }

    /// Begins to wait for the memory of what is held.
    fn grow(&mut self) {
        if self.held.is_empty() {
            return;
        }
        let connection = self.connection.clone();
        let (before, bytes) = (self.unfinished.take(), self.held.len());
        let room = async move { connection.room_for_unfinished(before, bytes).await };
        self.growing = Some(room.boxed());
    }
}

/// The words with which a message's stream ends.
fn status_of(reason: MessageBreaksOff) -> Status {
    match reason {
        MessageBreaksOff::TooMuch => Status::resource_exhausted(
            "too many messages on this connection are begun and not finished: finish one before \
             the next",
        ),
        MessageBreaksOff::ConnectionIsGone => Status::cancelled("the connection has ended"),
    }
}

/// How many bytes, from the beginning, are whole messages; all of them where a message is longer
/// than any that is read, which its reader refuses by its length alone.
fn whole_messages(bytes: &[u8]) -> usize {
    let mut whole = 0;
    while let Some((prefix, rest)) = bytes[whole..].split_first_chunk::<PREFIX>() {
        let [_, length @ ..] = *prefix;
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if length > MOST_MESSAGE_BYTES {
            return bytes.len();
        }
        if rest.len() < length {
            break;
        }
        whole += PREFIX + length;
    }
    whole
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
            let frame = match ready!(Pin::new(&mut this.body).poll_frame(context)) {
                Some(Ok(frame)) => frame,
                Some(Err(status)) => return Poll::Ready(Some(Err(status))),
                None if this.held.is_empty() => return Poll::Ready(None),
                // A message that broke off: its reader says so.
                None => {
                    let rest = std::mem::take(&mut this.held);
                    this.unfinished = None;
                    return Poll::Ready(Some(Ok(Frame::data(rest.into()))));
                }
            };
            let data = match frame.into_data() {
                Ok(data) => data,
                Err(other) => return Poll::Ready(Some(Ok(other))),
            };
            let whole = this.take(&data);
            this.grow();
            if let Some(whole) = whole {
                return Poll::Ready(Some(Ok(Frame::data(whole))));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::{SimulatedClock, connections::Connections};

    fn message(length: usize) -> Vec<u8> {
        let mut message = vec![0];
        message.extend(u32::try_from(length).unwrap().to_be_bytes());
        message.resize(PREFIX + length, 7);
        message
    }

    #[test]
    fn it_tells_whole_messages_from_the_beginning_of_the_next() {
        let two = [message(3), message(0)].concat();
        for (cut, whole) in [(0, 0), (4, 0), (7, 0), (8, 8), (12, 8), (13, 13)] {
            assert_eq!(whole_messages(&two[..cut]), whole, "{cut}");
        }
        let mut too_long = message(3);
        too_long.extend([0, 255, 255, 255, 255, 1]);
        assert_eq!(whole_messages(&too_long), too_long.len());
    }

    #[test]
    fn it_keeps_no_more_memory_than_the_part_of_a_message_that_came_in() {
        let connections = Connections::new(1, 1, SimulatedClock::default().clock());
        let peer = SocketAddr::from(([127, 0, 0, 1], 1));
        let mut messages = WholeMessages {
            body: Body::empty(),
            connection: connections.admit(peer).unwrap(),
            held: Vec::new(),
            unfinished: None,
            growing: None,
        };
        // A part that is all that was read into a large buffer.
        let mut read = Vec::with_capacity(1 << 20);
        read.extend_from_slice(&message(9)[..7]);
        assert_eq!(messages.take(&read.into()), None);
        assert_eq!(messages.held, message(9)[..7]);
        let kept = messages.held.capacity();
        assert!(kept < 1 << 10, "{kept}");
    }
}
