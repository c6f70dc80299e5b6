//! The floor: a bare tonic service that sends the same bytes and counts the answers.

use std::{collections::BTreeMap, pin::Pin, sync::Arc};

use envoy_types::pb::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse, Resource,
    aggregated_discovery_service_server::AggregatedDiscoveryService,
};
use futures::Stream;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};
use xds::ResourceType;

type Responses<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Everything, by type; and what is sent to those that have it.
#[derive(Clone, Debug, Default)]
pub struct Sent {
    pub all: Arc<BTreeMap<String, DeltaDiscoveryResponse>>,
    pub change: Option<Arc<DeltaDiscoveryResponse>>,
}

impl Sent {
    pub fn all_of<'r>(resources: impl IntoIterator<Item = &'r Arc<xds::Resource>>) -> Self {
        let mut all: BTreeMap<String, DeltaDiscoveryResponse> = BTreeMap::new();
        for resource in resources {
            let resource_type = resource.resource_type();
            let response = all
                .entry(resource_type.type_url().to_owned())
                .or_insert_with(|| response_of(resource_type));
            response.resources.push(encodable(resource));
        }
        Self {
            all: Arc::new(all),
            change: None,
        }
    }

    /// The same for newcomers, and these tables of routes for the others.
    #[must_use]
    pub fn with_change(&self, routes: &[Arc<xds::Resource>]) -> Self {
        let change = DeltaDiscoveryResponse {
            resources: routes.iter().map(encodable).collect(),
            ..response_of(ResourceType::Route)
        };
        Self {
            all: Arc::clone(&self.all),
            change: Some(Arc::new(change)),
        }
    }
}

fn response_of(resource_type: ResourceType) -> DeltaDiscoveryResponse {
    DeltaDiscoveryResponse {
        type_url: resource_type.type_url().to_owned(),
        nonce: "1".to_owned(),
        ..DeltaDiscoveryResponse::default()
    }
}

fn encodable(resource: &Arc<xds::Resource>) -> Resource {
    Resource {
        name: resource.name().to_string(),
        version: resource.version().to_string(),
        resource: Some(resource.any()),
        ..Resource::default()
    }
}

/// The service, and how many answers it was given.
#[derive(Debug)]
pub struct Floor {
    pub sent: watch::Sender<Sent>,
    pub answers: watch::Sender<usize>,
}

#[derive(Clone, Debug)]
pub struct FloorService(pub Arc<Floor>);

#[tonic::async_trait]
impl AggregatedDiscoveryService for FloorService {
    type StreamAggregatedResourcesStream = Responses<DiscoveryResponse>;
    type DeltaAggregatedResourcesStream = Responses<DeltaDiscoveryResponse>;

    async fn stream_aggregated_resources(
        &self,
        _request: Request<Streaming<DiscoveryRequest>>,
    ) -> Result<Response<Self::StreamAggregatedResourcesStream>, Status> {
        Err(Status::unimplemented("nobody asks for it here"))
    }

    async fn delta_aggregated_resources(
        &self,
        request: Request<Streaming<DeltaDiscoveryRequest>>,
    ) -> Result<Response<Self::DeltaAggregatedResourcesStream>, Status> {
        let (responses, receiver) = mpsc::channel(8);
        let (floor, requests) = (Arc::clone(&self.0), request.into_inner());
        tokio::spawn(async move {
            // An error is the end of the stream, and nobody is left to tell.
            let _ = floor.hold(requests, &responses).await;
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }
}

impl Floor {
    async fn hold(
        &self,
        mut requests: Streaming<DeltaDiscoveryRequest>,
        responses: &mpsc::Sender<Result<DeltaDiscoveryResponse, Status>>,
    ) -> anyhow::Result<()> {
        let mut sent = self.sent.subscribe();
        loop {
            tokio::select! {
                request = requests.message() => match request? {
                    None => return Ok(()),
                    Some(request) if !request.response_nonce.is_empty() => {
                        self.answers.send_modify(|answers| *answers += 1);
                    }
                    Some(request) => {
                        let all = Arc::clone(&sent.borrow().all);
                        if let Some(response) = all.get(&request.type_url) {
                            responses.send(Ok(response.clone())).await?;
                        }
                    }
                },
                changed = sent.changed() => {
                    changed?;
                    let change = sent.borrow_and_update().change.clone();
                    if let Some(response) = change {
                        responses.send(Ok((*response).clone())).await?;
                    }
                }
            }
        }
    }
}
