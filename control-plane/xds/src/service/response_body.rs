//! The bodies of the gRPC responses that carry the messages of a stream.

use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http_body::{Body as HttpBody, Frame};
use tokio::sync::mpsc;
use tonic::{
    Status,
    body::Body,
    codegen::{
        Bytes,
        http::{HeaderMap, HeaderValue, Response, header::CONTENT_TYPE},
    },
    metadata::GRPC_CONTENT_TYPE,
};

use super::{transit::keep_until_sent_with, wire::EncodedResponse};
use crate::connections::UnreadResponse;

/// A message on its way to the transport, or the status that ends the stream.
#[derive(Debug)]
pub(super) struct OutgoingMessage {
    pub(super) message: Result<EncodedResponse, Status>,
    /// Its part of the memory, where it has one.
    pub(super) unread: Option<UnreadResponse>,
}

/// The response whose body has the messages of this queue, and at its end a status.
pub(super) fn streaming(queue: mpsc::Receiver<OutgoingMessage>) -> Response<Body> {
    let mut response = Response::new(Body::new(ResponseBody {
        queue,
        parts: VecDeque::new(),
        unread: None,
        is_over: false,
    }));
    let kind: HeaderValue = GRPC_CONTENT_TYPE;
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

struct ResponseBody {
    queue: mpsc::Receiver<OutgoingMessage>,
    /// The parts of a message that the transport has not taken yet.
    parts: VecDeque<Bytes>,
    /// The part of the memory that this message has; it goes with its last bytes.
    unread: Option<UnreadResponse>,
    is_over: bool,
}

impl HttpBody for ResponseBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        loop {
            if let Some(part) = self.parts.pop_front() {
                let unread = match self.parts.is_empty() {
                    true => self.unread.take(),
                    false => None,
                };
                let part = keep_until_sent_with(part, unread.into_iter().collect());
                return Poll::Ready(Some(Ok(Frame::data(part))));
            }
            let status = match ready!(self.queue.poll_recv(context)) {
                Some(outgoing) => match outgoing.message {
                    Ok(EncodedResponse(parts)) => {
                        self.parts = parts.into();
                        self.unread = outgoing.unread;
                        continue;
                    }
                    Err(status) => status,
                },
                None => Status::ok(""),
            };
            self.is_over = true;
            return Poll::Ready(Some(Ok(Frame::trailers(trailers(&status)))));
        }
    }
}

/// The trailers that tell a status.
fn trailers(status: &Status) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    if status.add_header(&mut trailers).is_err() {
        // Its words are none of a header; its code always is one.
        let _ = Status::new(status.code(), "").add_header(&mut trailers);
    }
    trailers
}
