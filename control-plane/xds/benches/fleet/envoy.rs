//! Simulated Envoys: each asks as a starting Envoy does, and acknowledges whatever it is sent.

use std::sync::Arc;

use envoy_types::pb::envoy::{
    config::core::v3::Node, service::discovery::v3::DeltaDiscoveryRequest,
};
use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinSet,
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, client::Grpc, codegen::http::uri::PathAndQuery, transport::Endpoint};
use tonic_prost::ProstCodec;
use xds::ResourceType;

use crate::content::Size;

const METHOD: &str =
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";
/// How many connect at the same moment: fewer than wait for a listener at most, so that none has
/// its connection dropped and tries again a second later.
const CONNECTING: usize = 256;

/// The part of a `DeltaDiscoveryResponse` that an Envoy answers to; resources are passed over.
#[derive(Clone, PartialEq, prost::Message)]
struct Received {
    #[prost(string, tag = "4")]
    type_url: String,
    #[prost(string, tag = "5")]
    nonce: String,
}

/// Connects so many Envoys; they leave when the fleet is dropped.
pub async fn connect(address: &str, envoys: usize, size: Size) -> JoinSet<()> {
    let gate = Arc::new(Semaphore::new(CONNECTING));
    let mut fleet = JoinSet::new();
    for number in 0..envoys {
        let (address, gate) = (address.to_owned(), Arc::clone(&gate));
        fleet.spawn(async move {
            let name = format!("envoy-{envoys}-{number}");
            if let Err(error) = live(address, name, size, &gate).await {
                eprintln!("a simulated Envoy failed: {error:#}");
                std::process::exit(1);
            }
        });
    }
    fleet
}

async fn live(address: String, name: String, size: Size, gate: &Semaphore) -> anyhow::Result<()> {
    let place = gate.acquire().await?;
    let endpoint = Endpoint::from_shared(address)?.tcp_nodelay(true);
    let mut service = Grpc::new(endpoint.connect().await?);
    service.ready().await?;
    let (requests, receiver) = mpsc::channel(16);
    let node = Node {
        id: name,
        ..Node::default()
    };
    requests
        .send(DeltaDiscoveryRequest {
            node: Some(node),
            ..subscription(ResourceType::Cluster, size)
        })
        .await?;
    let codec = ProstCodec::<DeltaDiscoveryRequest, Received>::default();
    let method = PathAndQuery::from_static(METHOD);
    let requested = Request::new(ReceiverStream::new(receiver));
    let responses = service.streaming(requested, method, codec).await?;
    let mut responses = responses.into_inner();
    drop(place);
    let mut asked = vec![ResourceType::Cluster];
    while let Some(response) = responses.message().await? {
        let received = ResourceType::from_type_url(&response.type_url)?;
        requests
            .send(DeltaDiscoveryRequest {
                type_url: response.type_url,
                response_nonce: response.nonce,
                ..DeltaDiscoveryRequest::default()
            })
            .await?;
        for next in asked_after(received) {
            if !asked.contains(next) {
                asked.push(*next);
                requests.send(subscription(*next, size)).await?;
            }
        }
    }
    anyhow::bail!("its stream was ended")
}

/// The types that an Envoy asks for when it has one of this type.
fn asked_after(received: ResourceType) -> &'static [ResourceType] {
    match received {
        ResourceType::Cluster => &[ResourceType::Endpoints, ResourceType::Listener],
        ResourceType::Listener => &[ResourceType::Route, ResourceType::ExtensionConfig],
        _ => &[],
    }
}

fn subscription(resource_type: ResourceType, size: Size) -> DeltaDiscoveryRequest {
    let is_by_name = !matches!(
        resource_type,
        ResourceType::Cluster | ResourceType::Listener
    );
    DeltaDiscoveryRequest {
        type_url: resource_type.type_url().to_owned(),
        resource_names_subscribe: if is_by_name {
            size.names(resource_type)
        } else {
            Vec::new()
        },
        ..DeltaDiscoveryRequest::default()
    }
}
