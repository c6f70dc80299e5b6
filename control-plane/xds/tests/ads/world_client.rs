//! A client of the state-of-the-world protocol that plays an Envoy.

use std::{
    collections::BTreeMap,
    ops::{Deref, DerefMut},
};

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
use tonic::transport::Channel;
use xds::ResourceType;

use crate::{client::node, envoy_stream::EnvoyStream};

/// One stream of an Envoy that asks by the state-of-the-world variant of the protocol.
pub struct WorldClient {
    id: String,
    stream: EnvoyStream<DiscoveryRequest, DiscoveryResponse>,
    /// The names that were last asked for, by type URL.
    names: BTreeMap<String, Vec<String>>,
}

impl Deref for WorldClient {
    type Target = EnvoyStream<DiscoveryRequest, DiscoveryResponse>;

    fn deref(&self) -> &Self::Target {
        &self.stream
    }
}

impl DerefMut for WorldClient {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.stream
    }
}

impl WorldClient {
    /// A stream about everything.
    pub async fn aggregated(channel: Channel, id: &str) -> Self {
        let mut service = AggregatedDiscoveryServiceClient::new(channel);
        let open = async move |requests| service.stream_aggregated_resources(requests).await;
        Self::new(id, EnvoyStream::open(open).await.expect("a stream"))
    }

    /// A stream about one type, of its own service.
    pub async fn of(channel: Channel, id: &str, resource_type: ResourceType) -> Self {
        let open = async move |requests| match resource_type {
            ResourceType::Cluster => {
                let mut service = ClusterDiscoveryServiceClient::new(channel);
                service.stream_clusters(requests).await
            }
            ResourceType::Listener => {
                let mut service = ListenerDiscoveryServiceClient::new(channel);
                service.stream_listeners(requests).await
            }
            ResourceType::Route => {
                let mut service = RouteDiscoveryServiceClient::new(channel);
                service.stream_routes(requests).await
            }
            other => panic!("no test asks for {other} this way"),
        };
        Self::new(id, EnvoyStream::open(open).await.expect("a stream"))
    }

    fn new(id: &str, stream: EnvoyStream<DiscoveryRequest, DiscoveryResponse>) -> Self {
        Self {
            id: id.to_owned(),
            stream,
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
}
