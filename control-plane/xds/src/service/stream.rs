//! One gRPC stream of an Envoy, in either variant of the protocol.

use std::net::SocketAddr;

use futures::{
    StreamExt as _,
    stream::{self, BoxStream},
};
use grpc_messages::Messages;
use tokio::sync::mpsc;
use tonic::{
    Status,
    body::Body,
    codegen::http::{Request, Response},
};

use super::{
    authority::Authority,
    message::{EncodedMessage, Variant},
    nested_source::NestedSource,
    response_body::{OutgoingMessage, streaming},
    wire::EncodedResponse,
};
use crate::{
    ResourceType,
    connections::{ConnectionHandle, Purpose},
    session::DeltaResponse,
};

/// The longest message that is read, in bytes: ten thousand names of four hundred bytes.
pub(crate) const MOST_MESSAGE_BYTES: usize = 4 << 20;
/// How many responses may wait for the transport besides the one that it sends. More would be
/// memory for those who do not read.
const RESPONSES_QUEUED: usize = 2;

/// The way back to an Envoy, in the variant that its stream speaks.
#[derive(Clone, Debug)]
pub(super) struct Responses {
    queue: mpsc::Sender<OutgoingMessage>,
    variant: Variant,
    connection: Option<ConnectionHandle>,
}

/// The Envoy has closed the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StreamIsClosed;

impl Responses {
    /// A way back of which the other end is given too.
    pub(super) fn queue(
        variant: Variant,
        connection: Option<ConnectionHandle>,
    ) -> (Self, mpsc::Receiver<OutgoingMessage>) {
        let (queue, queued) = mpsc::channel(RESPONSES_QUEUED);
        let responses = Self {
            queue,
            variant,
            connection,
        };
        (responses, queued)
    }

    /// Hands a response to the transport; waits while the Envoy does not read, or memory is short.
    pub(super) async fn send(
        &self,
        response: DeltaResponse,
        source: Option<&NestedSource>,
    ) -> Result<(), StreamIsClosed> {
        let unread = match &self.connection {
            Some(connection) => {
                let room = connection.room(response.content_bytes(), Purpose::Configuration);
                Some(room.await)
            }
            None => None,
        };
        let message = Ok(EncodedResponse::of(response, self.variant, source));
        let sent = self.queue.send(OutgoingMessage { message, unread });
        sent.await.map_err(|_| StreamIsClosed)
    }

    /// Ends the stream with an error, unless the Envoy is gone or does not read: then nobody is
    /// left to tell.
    pub(super) fn refuse(&self, status: Status) {
        drop(self.queue.try_send(OutgoingMessage {
            message: Err(status),
            unread: None,
        }));
    }
}

/// A stream that an Envoy has opened.
pub(super) struct OpenedStream {
    /// The one type that the service is about; none for the aggregated one.
    pub(super) only: Option<ResourceType>,
    pub(super) requests: BoxStream<'static, Result<EncodedMessage, Status>>,
    pub(super) responses: Responses,
    /// The connection that it is on; none where somebody else's server has taken it in.
    pub(super) connection: Option<ConnectionHandle>,
    /// The name by which the Envoy's bootstrap calls this control plane.
    pub(super) authority: Option<Authority>,
}

impl OpenedStream {
    /// Takes a stream as the transport gives it, and the response that carries what goes back.
    pub(super) fn new(
        only: Option<ResourceType>,
        variant: Variant,
        request: Request<Body>,
    ) -> (Self, Response<Body>) {
        let (head, body) = request.into_parts();
        let connection = head.extensions.get::<ConnectionHandle>().cloned();
        let (responses, queued) = Responses::queue(variant, connection.clone());
        let opened = Self {
            only,
            connection,
            authority: head.extensions.get::<Authority>().cloned(),
            requests: requests(body, variant),
            responses,
        };
        (opened, streaming(queued))
    }

    /// The Envoy's end of the connection.
    pub(super) fn peer(&self) -> Option<SocketAddr> {
        self.connection.as_ref().map(ConnectionHandle::peer)
    }
}

/// The requests on a stream, up to the first that cannot be taken.
fn requests(body: Body, variant: Variant) -> BoxStream<'static, Result<EncodedMessage, Status>> {
    let messages = Some(Messages::new(body, MOST_MESSAGE_BYTES));
    stream::unfold(messages, move |messages| async move {
        let mut messages = messages?;
        match messages.next().await.transpose()? {
            Ok(bytes) => Some((Ok(EncodedMessage { variant, bytes }), Some(messages))),
            Err(status) => Some((Err(status), None)),
        }
    })
    .boxed()
}
