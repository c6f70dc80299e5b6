//! A server on a free port, and a client that plays an Envoy.

use std::{collections::HashMap, future::Future, sync::Arc, time::Duration};

use envoy_types::pb::{
    envoy::{
        config::{
            cluster::v3::Cluster,
            core::v3::{BuildVersion, Node, node::UserAgentVersionType},
            route::v3::{RouteConfiguration, VirtualHost},
        },
        service::discovery::v3::{
            DeltaDiscoveryRequest, DeltaDiscoveryResponse,
            aggregated_discovery_service_client::AggregatedDiscoveryServiceClient,
        },
        r#type::v3::SemanticVersion,
    },
    google::{protobuf, rpc},
};
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot},
    task::JoinHandle,
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming, transport::Channel};
use xds::{
    Assignments, Distribution, Generation, Newcomers, NodeState, Publisher, Resource, ResourceType,
    ServeError, Snapshot,
};

/// How long anything may take before the test gives up.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub async fn in_time<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work)
        .await
        .expect("it takes too long")
}

/// Waits for a condition on what the publisher says.
pub async fn until(publisher: &Publisher, holds: impl Fn(&Publisher) -> bool) {
    let mut changes = publisher.changes();
    in_time(async {
        while !holds(publisher) {
            changes.changed().await;
        }
    })
    .await;
}

pub fn snapshot(generation: &str, resources: impl IntoIterator<Item = Resource>) -> Arc<Snapshot> {
    let builder = Snapshot::builder(Generation::new(generation));
    let builder = resources
        .into_iter()
        .fold(builder, xds::SnapshotBuilder::with);
    Arc::new(builder.build().expect("consistent"))
}

pub fn cluster(name: &str, revision: i64) -> Resource {
    Resource::encode(&Cluster {
        name: name.to_owned(),
        connect_timeout: Some(protobuf::Duration {
            seconds: revision,
            nanos: 0,
        }),
        ..Cluster::default()
    })
    .expect("a resource")
}

pub fn route(name: &str, revision: u32) -> Resource {
    Resource::encode(&RouteConfiguration {
        name: name.to_owned(),
        virtual_hosts: vec![VirtualHost {
            name: revision.to_string(),
            ..VirtualHost::default()
        }],
        ..RouteConfiguration::default()
    })
    .expect("a resource")
}

/// How an Envoy of that name describes itself.
pub fn node(id: &str) -> Node {
    let version = SemanticVersion {
        major_number: 1,
        minor_number: 40,
        patch: 0,
    };
    Node {
        id: id.to_owned(),
        cluster: "test".to_owned(),
        user_agent_name: "envoy".to_owned(),
        user_agent_version_type: Some(UserAgentVersionType::UserAgentBuildVersion(BuildVersion {
            version: Some(version),
            metadata: None,
        })),
        ..Node::default()
    }
}

/// A publisher that is served.
pub struct Running {
    pub publisher: Publisher,
    ack_deadline: Duration,
    address: String,
    stop: oneshot::Sender<()>,
    server: JoinHandle<Result<(), ServeError>>,
}

impl Running {
    pub async fn start() -> Self {
        Self::with_deadline(PATIENCE).await
    }

    pub async fn with_deadline(ack_deadline: Duration) -> Self {
        Self::at(0, ack_deadline).await
    }

    /// Serves at that port, or at a free one where it is zero.
    pub async fn at(port: u16, ack_deadline: Duration) -> Self {
        Self::of(Publisher::new(), port, ack_deadline).await
    }

    pub async fn of(publisher: Publisher, port: u16, ack_deadline: Duration) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await;
        let listener = listener.expect("a free port");
        let address = listener.local_addr().expect("it has one");
        let (stop, stopped) = oneshot::channel();
        let shutdown = async {
            // Also when the test ends without.
            let _ = stopped.await;
        };
        let server = tokio::spawn(xds::serve(publisher.clone(), listener, shutdown));
        Self {
            publisher,
            ack_deadline,
            address: format!("http://{address}"),
            stop,
            server,
        }
    }

    /// Gives every Envoy this snapshot, also those to come.
    pub fn publish(&self, snapshot: Arc<Snapshot>) {
        self.distribute(Arc::clone(&snapshot), Newcomers::all(snapshot));
    }

    pub fn distribute(&self, connected: Arc<Snapshot>, newcomers: Newcomers) {
        self.publisher.distribute(Distribution {
            connected: Assignments::Everyone(connected),
            newcomers,
            ack_deadline: self.ack_deadline,
        });
    }

    /// Waits until every connected Envoy that is to have `generation` has answered it, and tells
    /// where each of them stands.
    pub async fn answers(&self, generation: &str) -> Vec<NodeState> {
        let generation = Generation::new(generation);
        until(&self.publisher, |publisher| {
            publisher.tally(&generation).waiting == 0
        })
        .await;
        let mut nodes = self.publisher.nodes();
        nodes.retain(|node| node.is_connected() && node.desired.as_ref() == Some(&generation));
        nodes
    }

    pub async fn stop(self) {
        self.stop.send(()).expect("the server runs");
        self.server.await.expect("no panic").expect("no error");
    }

    pub fn port(&self) -> u16 {
        let authority = self.authority().expect("an address");
        let (_, port) = authority.split_once(':').expect("a port");
        port.parse().expect("a number")
    }

    /// The address, as clients call the server by it.
    pub fn authority(&self) -> Option<&str> {
        self.address.strip_prefix("http://")
    }

    pub async fn channel(&self) -> Channel {
        let endpoint = Channel::from_shared(self.address.clone()).expect("an address");
        in_time(endpoint.connect()).await.expect("connected")
    }
}

/// One stream of an Envoy.
pub struct Client {
    id: String,
    requests: mpsc::Sender<DeltaDiscoveryRequest>,
    responses: Streaming<DeltaDiscoveryResponse>,
}

impl Client {
    pub async fn connect(running: &Running, id: &str) -> Self {
        let (requests, receiver) = mpsc::channel(8);
        let mut service = AggregatedDiscoveryServiceClient::new(running.channel().await);
        let responses = service
            .delta_aggregated_resources(ReceiverStream::new(receiver))
            .await
            .expect("a stream")
            .into_inner();
        Self {
            id: id.to_owned(),
            requests,
            responses,
        }
    }

    /// One that subscribed to a type and acknowledged so many responses.
    pub async fn settled(
        running: &Running,
        id: &str,
        resource_type: ResourceType,
        names: &[&str],
        responses: usize,
    ) -> Self {
        let mut client = Self::connect(running, id).await;
        client.subscribe(resource_type, names).await;
        for _ in 0..responses {
            let response = client.receive().await;
            client.ack(&response).await;
        }
        until(&running.publisher, |publisher| {
            let nodes = publisher.nodes();
            let mine = nodes.iter().find(|node| node.id.as_str() == id);
            mine.is_some_and(|node| node.in_force.is_some() && node.in_force == node.desired)
        })
        .await;
        client
    }

    pub fn request(&self, type_url: &str) -> DeltaDiscoveryRequest {
        DeltaDiscoveryRequest {
            node: Some(node(&self.id)),
            type_url: type_url.to_owned(),
            ..DeltaDiscoveryRequest::default()
        }
    }

    pub async fn subscribe(&self, resource_type: ResourceType, names: &[&str]) {
        self.send(DeltaDiscoveryRequest {
            resource_names_subscribe: names.iter().map(ToString::to_string).collect(),
            ..self.request(resource_type.type_url())
        })
        .await;
    }

    pub async fn resume(&self, resource_type: ResourceType, has: &[&Resource]) {
        let initial_resource_versions: HashMap<_, _> = has
            .iter()
            .map(|one| (one.name().to_string(), one.version().to_string()))
            .collect();
        self.send(DeltaDiscoveryRequest {
            initial_resource_versions,
            ..self.request(resource_type.type_url())
        })
        .await;
    }

    pub async fn ack(&self, response: &DeltaDiscoveryResponse) {
        self.send(DeltaDiscoveryRequest {
            response_nonce: response.nonce.clone(),
            ..self.request(&response.type_url)
        })
        .await;
    }

    pub async fn nack(&self, response: &DeltaDiscoveryResponse, message: &str) {
        self.send(DeltaDiscoveryRequest {
            response_nonce: response.nonce.clone(),
            error_detail: Some(rpc::Status {
                code: 13,
                message: message.to_owned(),
                details: Vec::new(),
            }),
            ..self.request(&response.type_url)
        })
        .await;
    }

    pub async fn send(&self, request: DeltaDiscoveryRequest) {
        in_time(self.requests.send(request))
            .await
            .expect("the stream is open");
    }

    pub async fn receive(&mut self) -> DeltaDiscoveryResponse {
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
