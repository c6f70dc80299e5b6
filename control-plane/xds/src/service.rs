//! The tonic adapter: Envoy's streams in, sessions driven, responses out.

mod conversation;
mod convert;

use std::pin::Pin;

use envoy_types::pb::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
    aggregated_discovery_service_server::AggregatedDiscoveryService,
};
use futures::Stream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use crate::Publisher;

/// How many responses may wait for the transport. More cannot be useful: there is one in flight per
/// type.
const RESPONSES_QUEUED: usize = 8;

/// The aggregated discovery service of a [`Publisher`].
#[derive(Clone, Debug)]
pub struct Ads {
    publisher: Publisher,
}

impl Ads {
    pub(crate) fn new(publisher: Publisher) -> Self {
        Self { publisher }
    }
}

type Responses<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl AggregatedDiscoveryService for Ads {
    type StreamAggregatedResourcesStream = Responses<DiscoveryResponse>;
    type DeltaAggregatedResourcesStream = Responses<DeltaDiscoveryResponse>;

    async fn stream_aggregated_resources(
        &self,
        _request: Request<Streaming<DiscoveryRequest>>,
    ) -> Result<Response<Self::StreamAggregatedResourcesStream>, Status> {
        Err(Status::unimplemented(
            "this control plane speaks the incremental protocol: set `api_type: DELTA_GRPC` in \
             the bootstrap's `ads_config`",
        ))
    }

    async fn delta_aggregated_resources(
        &self,
        request: Request<Streaming<DeltaDiscoveryRequest>>,
    ) -> Result<Response<Self::DeltaAggregatedResourcesStream>, Status> {
        let (responses, receiver) = mpsc::channel(RESPONSES_QUEUED);
        let publisher = self.publisher.clone();
        tokio::spawn(async move {
            let outcome = conversation::hold(&publisher, request.into_inner(), &responses).await;
            if let Err(status) = outcome {
                // The Envoy may be gone, or not be reading; then nobody is left to tell.
                let _ = responses.try_send(Err(status));
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }
}
