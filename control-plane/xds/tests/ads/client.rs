//! A server on a free port, and a client that plays an Envoy.

use std::{
    collections::HashMap,
    future::Future,
    ops::{Deref, DerefMut},
    sync::Arc,
    time::Duration,
};

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
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};
use tonic::transport::{Channel, Endpoint};
use xds::{
    Assignments, DeadlineClock, Distribution, Generation, Newcomers, NodeState, Publisher,
    Resource, ResourceType, ServeError, ServerLimits, Snapshot,
};

use crate::envoy_stream::EnvoyStream;

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
    stop: Option<oneshot::Sender<()>>,
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
        Self::bounded(publisher, port, ack_deadline, ServerLimits::default()).await
    }

    /// Serves within `limits`, with deadlines by `clock`.
    pub async fn within(limits: ServerLimits, clock: DeadlineClock) -> Self {
        Self::bounded(Publisher::with_clock(clock), 0, PATIENCE, limits).await
    }

    async fn bounded(
        publisher: Publisher,
        port: u16,
        ack_deadline: Duration,
        limits: ServerLimits,
    ) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await;
        let listener = listener.expect("a free port");
        let address = listener.local_addr().expect("it has one");
        let (stop, stopped) = oneshot::channel();
        let shutdown = async {
            // Also when the test ends without.
            let _ = stopped.await;
        };
        let server = tokio::spawn(xds::serve(
            publisher.clone(),
            listener,
            limits,
            &[],
            shutdown,
        ));
        Self {
            publisher,
            ack_deadline,
            address: format!("http://{address}"),
            stop: Some(stop),
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

    /// Tells the server to stop.
    pub fn begin_to_stop(&mut self) {
        let stop = self.stop.take().expect("it was not told yet");
        stop.send(()).expect("the server runs");
    }

    /// Waits until the server has stopped.
    pub async fn stopped(self) {
        self.server.await.expect("no panic").expect("no error");
    }

    pub async fn stop(mut self) {
        self.begin_to_stop();
        self.stopped().await;
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

    pub fn endpoint(&self) -> Endpoint {
        Channel::from_shared(self.address.clone()).expect("an address")
    }

    pub async fn channel(&self) -> Channel {
        in_time(self.endpoint().connect()).await.expect("connected")
    }
}

/// One stream of an Envoy that asks by the incremental variant of the protocol.
pub struct Client {
    id: String,
    stream: EnvoyStream<DeltaDiscoveryRequest, DeltaDiscoveryResponse>,
}

impl Deref for Client {
    type Target = EnvoyStream<DeltaDiscoveryRequest, DeltaDiscoveryResponse>;

    fn deref(&self) -> &Self::Target {
        &self.stream
    }
}

impl DerefMut for Client {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.stream
    }
}

impl Client {
    pub async fn connect(running: &Running, id: &str) -> Self {
        Self::on(running.channel().await, id)
            .await
            .expect("a stream")
    }

    /// A stream on a connection that there is already.
    pub async fn on(channel: Channel, id: &str) -> Result<Self, tonic::Status> {
        let mut service = AggregatedDiscoveryServiceClient::new(channel);
        let stream = EnvoyStream::open(async move |requests| {
            service.delta_aggregated_resources(requests).await
        });
        Ok(Self {
            id: id.to_owned(),
            stream: stream.await?,
        })
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
}
