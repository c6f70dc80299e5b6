//! One gRPC stream of an Envoy, in either variant of the protocol.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use envoy_types::pb::envoy::service::discovery::v3::{DeltaDiscoveryResponse, DiscoveryResponse};
use futures::{
    Stream, StreamExt as _,
    stream::{BoxStream, poll_fn},
};
use http_body_util::BodyExt as _;
use tokio::sync::mpsc;
use tonic::{
    Request, Response, Status, Streaming,
    codegen::{Bytes, http},
};

use super::{
    ResponseStream, authority::Authority, convert, message::Message, nested_source::NestedSource,
};
use crate::{
    ResourceType,
    connections::{ConnectionHandle, Purpose, UnreadResponse},
    fleet::lock,
    session::DeltaResponse,
};

/// How many responses may wait for the transport besides the one that it sends. More would be
/// memory for those who do not read.
const RESPONSES_QUEUED: usize = 2;

/// A message on its way to the transport, or the status that ends the stream.
#[derive(Debug)]
pub(super) struct OutgoingMessage<R> {
    pub(super) message: Result<R, Status>,
    /// Its part of the memory, where it has one.
    pub(super) unread: Option<UnreadResponse>,
}

/// The messages of a response that were taken to be encoded, and whose bytes are still to come.
#[derive(Clone, Debug, Default)]
struct TakenMessages(Arc<Mutex<Vec<UnreadResponse>>>);

/// The response that carries these messages.
pub(super) fn in_transit<R>(
    messages: impl Stream<Item = OutgoingMessage<R>> + Send + 'static,
) -> Response<ResponseStream<R>> {
    let taken = TakenMessages::default();
    let taking = taken.clone();
    let messages = messages.map(move |outgoing| {
        lock(&taking.0).extend(outgoing.unread);
        outgoing.message
    });
    let mut response = Response::new(Box::pin(messages) as ResponseStream<R>);
    response.extensions_mut().insert(taken);
    response
}

/// The response that carries one message alone.
pub(super) fn alone_in_transit<R>(message: R, unread: Option<UnreadResponse>) -> Response<R> {
    let mut response = Response::new(message);
    let taken = TakenMessages(Arc::new(Mutex::new(unread.into_iter().collect())));
    response.extensions_mut().insert(taken);
    response
}

/// Bytes that count as unread until the connection has sent or dropped them.
struct UnreadBytes {
    bytes: Bytes,
    _unread: Vec<UnreadResponse>,
}

impl AsRef<[u8]> for UnreadBytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Has the bytes of a response keep the part of the memory that its messages had: the transport
/// asks for the next message long before the last one is read.
pub(crate) fn keep_until_sent(
    mut response: http::Response<tonic::body::Body>,
) -> http::Response<tonic::body::Body> {
    let Some(taken) = response.extensions_mut().remove::<TakenMessages>() else {
        return response;
    };
    response.map(|body| {
        tonic::body::Body::new(body.map_frame(move |frame| {
            frame.map_data(|bytes| match std::mem::take(&mut *lock(&taken.0)) {
                unread if unread.is_empty() => bytes,
                unread => Bytes::from_owner(UnreadBytes {
                    bytes,
                    _unread: unread,
                }),
            })
        }))
    })
}

/// The way back to an Envoy, in the variant that its stream speaks.
#[derive(Clone, Debug)]
pub(super) struct Responses {
    queue: ResponseQueue,
    connection: Option<ConnectionHandle>,
}

#[derive(Clone, Debug)]
enum ResponseQueue {
    Incremental(mpsc::Sender<OutgoingMessage<DeltaDiscoveryResponse>>),
    World(mpsc::Sender<OutgoingMessage<DiscoveryResponse>>),
}

impl From<mpsc::Sender<OutgoingMessage<DeltaDiscoveryResponse>>> for Responses {
    fn from(queue: mpsc::Sender<OutgoingMessage<DeltaDiscoveryResponse>>) -> Self {
        Self {
            queue: ResponseQueue::Incremental(queue),
            connection: None,
        }
    }
}

impl From<mpsc::Sender<OutgoingMessage<DiscoveryResponse>>> for Responses {
    fn from(queue: mpsc::Sender<OutgoingMessage<DiscoveryResponse>>) -> Self {
        Self {
            queue: ResponseQueue::World(queue),
            connection: None,
        }
    }
}

/// The Envoy has closed the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StreamIsClosed;

impl Responses {
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
        match &self.queue {
            ResponseQueue::Incremental(queue) => {
                let message = Ok(convert::incremental_response(response, source));
                let sent = queue.send(OutgoingMessage { message, unread });
                sent.await.map_err(drop)
            }
            ResponseQueue::World(queue) => {
                let message = Ok(convert::world_response(response, source));
                let sent = queue.send(OutgoingMessage { message, unread });
                sent.await.map_err(drop)
            }
        }
        .map_err(|()| StreamIsClosed)
    }

    /// Ends the stream with an error, unless the Envoy is gone or does not read: then nobody is
    /// left to tell.
    pub(super) fn refuse(&self, status: Status) {
        match &self.queue {
            ResponseQueue::Incremental(queue) => drop(queue.try_send(OutgoingMessage {
                message: Err(status),
                unread: None,
            })),
            ResponseQueue::World(queue) => drop(queue.try_send(OutgoingMessage {
                message: Err(status),
                unread: None,
            })),
        }
    }
}

/// A stream that an Envoy has opened.
pub(super) struct OpenedStream {
    /// The one type that the service is about; none for the aggregated one.
    pub(super) only: Option<ResourceType>,
    pub(super) requests: BoxStream<'static, Result<Message, Status>>,
    pub(super) responses: Responses,
    /// The connection that it is on; none where somebody else's server has taken it in.
    pub(super) connection: Option<ConnectionHandle>,
    /// The name by which the Envoy's bootstrap calls this control plane.
    pub(super) authority: Option<Authority>,
}

impl OpenedStream {
    /// Takes a stream as the transport gives it, and the other end of its responses.
    pub(super) fn new<Q, R>(
        only: Option<ResourceType>,
        request: Request<Streaming<Q>>,
    ) -> (Self, Response<ResponseStream<R>>)
    where
        Q: Into<Message> + Send + 'static,
        R: Send + 'static,
        Responses: From<mpsc::Sender<OutgoingMessage<R>>>,
    {
        let (queue, mut queued) = mpsc::channel(RESPONSES_QUEUED);
        let connection = request.extensions().get::<ConnectionHandle>().cloned();
        let opened = Self {
            only,
            connection: connection.clone(),
            authority: request.extensions().get::<Authority>().cloned(),
            requests: request
                .into_inner()
                .map(|message| message.map(Into::into))
                .boxed(),
            responses: Responses {
                connection,
                ..queue.into()
            },
        };
        let queued = poll_fn(move |context| queued.poll_recv(context));
        (opened, in_transit(queued))
    }

    /// The Envoy's end of the connection.
    pub(super) fn peer(&self) -> Option<SocketAddr> {
        self.connection.as_ref().map(ConnectionHandle::peer)
    }
}
