//! A client of the state-of-the-world protocol that plays an Envoy.

use std::collections::BTreeMap;

use envoy_types::pb::{
    envoy::service::{
        cluster::v3::cluster_discovery_service_client::ClusterDiscoveryServiceClient,
        discovery::v3::{
            DiscoveryRequest, DiscoveryResponse,
            aggregated_discovery_service_client::AggregatedDiscoveryServiceClient,
        },
        listener::v3::listener_discovery_service_client::ListenerDiscoveryServiceClient,
        route::v3::route_discovery_service_client::RouteDiscoveryServiceClient,
    },
    google::rpc,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Status, Streaming, transport::Channel};
use xds::ResourceType;

use crate::client::{in_time, node};

/// One stream of an Envoy.
pub struct WorldClient {
    id: String,
    requests: mpsc::Sender<DiscoveryRequest>,
    responses: Streaming<DiscoveryResponse>,
    /// The names that were last asked for, by type URL.
    names: BTreeMap<String, Vec<String>>,
}

impl WorldClient {
    /// A stream about everything.
    pub async fn aggregated(channel: Channel, id: &str) -> Self {
        let (requests, receiver) = mpsc::channel(8);
        let mut service = AggregatedDiscoveryServiceClient::new(channel);
        let responses = service.stream_aggregated_resources(ReceiverStream::new(receiver));
        let responses = in_time(responses).await.expect("a stream").into_inner();
        Self::new(id, requests, responses)
    }

    /// A stream about one type, of its own service.
    pub async fn of(channel: Channel, id: &str, resource_type: ResourceType) -> Self {
        let (requests, receiver) = mpsc::channel(8);
        let receiver = Request::new(ReceiverStream::new(receiver));
        let responses = match resource_type {
            ResourceType::Cluster => {
                let mut service = ClusterDiscoveryServiceClient::new(channel);
                in_time(service.stream_clusters(receiver)).await
            }
            ResourceType::Listener => {
                let mut service = ListenerDiscoveryServiceClient::new(channel);
                in_time(service.stream_listeners(receiver)).await
            }
            ResourceType::Route => {
                let mut service = RouteDiscoveryServiceClient::new(channel);
                in_time(service.stream_routes(receiver)).await
            }
            other => panic!("no test asks for {other} this way"),
        };
        Self::new(id, requests, responses.expect("a stream").into_inner())
    }

    fn new(
        id: &str,
        requests: mpsc::Sender<DiscoveryRequest>,
        responses: Streaming<DiscoveryResponse>,
    ) -> Self {
        Self {
            id: id.to_owned(),
            requests,
            responses,
            names: BTreeMap::new(),
        }
    }

    pub async fn ask(&mut self, resource_type: ResourceType, names: &[&str]) {
        let type_url = resource_type.type_url().to_owned();
        let names: Vec<_> = names.iter().map(ToString::to_string).collect();
        self.names.insert(type_url.clone(), names.clone());
        self.send(DiscoveryRequest {
            node: Some(node(&self.id)),
            resource_names: names,
            type_url,
            ..DiscoveryRequest::default()
        })
        .await;
    }

    pub async fn ack(&self, response: &DiscoveryResponse) {
        self.send(DiscoveryRequest {
            version_info: response.version_info.clone(),
            ..self.answer(response)
        })
        .await;
    }

    pub async fn nack(&self, response: &DiscoveryResponse, message: &str) {
        self.send(DiscoveryRequest {
            error_detail: Some(rpc::Status {
                code: 13,
                message: message.to_owned(),
                details: Vec::new(),
            }),
            ..self.answer(response)
        })
        .await;
    }

    fn answer(&self, response: &DiscoveryResponse) -> DiscoveryRequest {
        let names = self.names.get(&response.type_url);
        DiscoveryRequest {
            resource_names: names.cloned().unwrap_or_default(),
            type_url: response.type_url.clone(),
            response_nonce: response.nonce.clone(),
            ..DiscoveryRequest::default()
        }
    }

    pub async fn send(&self, request: DiscoveryRequest) {
        in_time(self.requests.send(request))
            .await
            .expect("the stream is open");
    }

    pub async fn receive(&mut self) -> DiscoveryResponse {
        in_time(self.responses.message())
            .await
            .expect("no error")
            .expect("a response")
    }

    /// The status that ends the stream.
    pub async fn refusal(&mut self) -> Status {
        loop {
            if let Err(status) = in_time(self.responses.message()).await {
                return status;
            }
        }
    }
}
