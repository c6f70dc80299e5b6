//! One gRPC stream of an Envoy, in either variant of the protocol.

use std::net::SocketAddr;

use envoy_types::pb::envoy::service::discovery::v3::{DeltaDiscoveryResponse, DiscoveryResponse};
use futures::{StreamExt as _, stream::BoxStream};
use tokio::sync::mpsc;
use tonic::{Request, Status, Streaming};

use super::{authority::Authority, convert, message::Message, nested_source::NestedSource};
use crate::{ResourceType, session::DeltaResponse};

/// How many responses may wait for the transport. More cannot be useful: there is one in flight per
/// type.
const RESPONSES_QUEUED: usize = 8;

/// The way back to an Envoy, in the variant that its stream speaks.
#[derive(Clone, Debug)]
pub(super) enum Responses {
    Incremental(mpsc::Sender<Result<DeltaDiscoveryResponse, Status>>),
    World(mpsc::Sender<Result<DiscoveryResponse, Status>>),
}

impl From<mpsc::Sender<Result<DeltaDiscoveryResponse, Status>>> for Responses {
    fn from(responses: mpsc::Sender<Result<DeltaDiscoveryResponse, Status>>) -> Self {
        Self::Incremental(responses)
    }
}

impl From<mpsc::Sender<Result<DiscoveryResponse, Status>>> for Responses {
    fn from(responses: mpsc::Sender<Result<DiscoveryResponse, Status>>) -> Self {
        Self::World(responses)
    }
}

/// The Envoy has closed the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StreamIsClosed;

impl Responses {
    /// Hands a response to the transport; waits while the Envoy does not read.
    pub(super) async fn send(
        &self,
        response: DeltaResponse,
        source: Option<&NestedSource>,
    ) -> Result<(), StreamIsClosed> {
        match self {
            Self::Incremental(responses) => {
                let message = convert::incremental_response(response, source);
                responses.send(Ok(message)).await.map_err(drop)
            }
            Self::World(responses) => {
                let message = convert::world_response(response, source);
                responses.send(Ok(message)).await.map_err(drop)
            }
        }
        .map_err(|()| StreamIsClosed)
    }

    /// Ends the stream with an error, unless the Envoy is gone or does not read: then nobody is
    /// left to tell.
    pub(super) fn refuse(&self, status: Status) {
        match self {
            Self::Incremental(responses) => drop(responses.try_send(Err(status))),
            Self::World(responses) => drop(responses.try_send(Err(status))),
        }
    }
}

/// A stream that an Envoy has opened.
pub(super) struct OpenedStream {
    /// The one type that the service is about; none for the aggregated one.
    pub(super) only: Option<ResourceType>,
    pub(super) requests: BoxStream<'static, Result<Message, Status>>,
    pub(super) responses: Responses,
    /// The Envoy's end of the connection.
    pub(super) peer: Option<SocketAddr>,
    /// The name by which the Envoy's bootstrap calls this control plane.
    pub(super) authority: Option<Authority>,
}

impl OpenedStream {
    /// Takes a stream as the transport gives it, and the other end of its responses.
    pub(super) fn new<Q, R>(
        only: Option<ResourceType>,
        request: Request<Streaming<Q>>,
    ) -> (Self, mpsc::Receiver<Result<R, Status>>)
    where
        Q: Into<Message> + Send + 'static,
        Responses: From<mpsc::Sender<Result<R, Status>>>,
    {
        let (responses, receiver) = mpsc::channel(RESPONSES_QUEUED);
        let opened = Self {
            only,
            peer: request.remote_addr(),
            authority: request.extensions().get::<Authority>().cloned(),
            requests: request
                .into_inner()
                .map(|message| message.map(Into::into))
                .boxed(),
            responses: responses.into(),
        };
        (opened, receiver)
    }
}
