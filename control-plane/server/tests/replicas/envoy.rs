//! A client of the discovery service that keeps what it has when it connects anew, as Envoy does.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use envoy_types::pb::envoy::config::core::v3::Node;
use envoy_types::pb::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse,
    aggregated_discovery_service_client::AggregatedDiscoveryServiceClient,
};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use xds::ResourceType;

/// The resources that an Envoy has: each one's version, by type and name.
pub type Held = BTreeMap<(ResourceType, String), String>;

/// A connected Envoy; gone when dropped.
pub struct Envoy {
    state: Arc<Mutex<State>>,
    _tasks: JoinSet<()>,
}

struct State {
    held: Held,
    subscribed: BTreeSet<(ResourceType, String)>,
    transferred: Vec<String>,
    has_ended: bool,
}

impl Envoy {
    /// Connects with what it has, and acknowledges whatever it is sent.
    pub async fn connect(xds: SocketAddr, id: &str, held: Held) -> Self {
        let mut client = AggregatedDiscoveryServiceClient::connect(format!("http://{xds}"))
            .await
            .unwrap();
        let (requests, receiver) = mpsc::channel(64);
        let state = State {
            subscribed: held
                .keys()
                .filter(|(of, _)| !is_wildcard(*of))
                .cloned()
                .collect(),
            held,
            transferred: Vec::new(),
            has_ended: false,
        };
        for request in first_requests(&state, id) {
            requests.send(request).await.unwrap();
        }
        let mut responses = client
            .delta_aggregated_resources(ReceiverStream::new(receiver))
            .await
            .unwrap()
            .into_inner();
        let state = Arc::new(Mutex::new(state));
        let mut tasks = JoinSet::new();
        let taking = Arc::clone(&state);
        tasks.spawn(async move {
            while let Ok(Some(response)) = responses.message().await {
                let answers = taking.lock().unwrap().take(&response);
                for answer in answers {
                    // The control plane may be gone first.
                    let _ = requests.try_send(answer);
                }
            }
            taking.lock().unwrap().has_ended = true;
        });
        Self {
            state,
            _tasks: tasks,
        }
    }

    /// Whether the control plane has ended the stream.
    pub fn has_ended(&self) -> bool {
        self.state.lock().unwrap().has_ended
    }

    /// The resources that it has.
    pub fn held(&self) -> Held {
        self.state.lock().unwrap().held.clone()
    }

    /// The names of the resources that it was sent since it connected, in order.
    pub fn transferred(&self) -> Vec<String> {
        self.state.lock().unwrap().transferred.clone()
    }
}

fn is_wildcard(resource_type: ResourceType) -> bool {
    [ResourceType::Cluster, ResourceType::Listener].contains(&resource_type)
}

/// Asks for every type, and tells the versions of what it has.
fn first_requests(state: &State, id: &str) -> Vec<DeltaDiscoveryRequest> {
    let mut types: BTreeSet<ResourceType> = state.subscribed.iter().map(|(of, _)| *of).collect();
    types.extend([ResourceType::Cluster, ResourceType::Listener]);
    let of = |resource_type: ResourceType| {
        let held = state.held.iter();
        held.filter(move |((of, _), _)| *of == resource_type)
    };
    types
        .into_iter()
        .map(|resource_type| DeltaDiscoveryRequest {
            node: Some(Node {
                id: id.to_owned(),
                ..Default::default()
            }),
            type_url: resource_type.type_url().to_owned(),
            initial_resource_versions: of(resource_type)
                .map(|((_, name), version)| (name.clone(), version.clone()))
                .collect(),
            resource_names_subscribe: of(resource_type)
                .filter(|_| !is_wildcard(resource_type))
                .map(|((_, name), _)| name.clone())
                .collect(),
            ..Default::default()
        })
        .collect()
}

impl State {
    /// Takes what it was sent; gives the acknowledgement, and subscriptions to what that names.
    fn take(&mut self, response: &DeltaDiscoveryResponse) -> Vec<DeltaDiscoveryRequest> {
        let resource_type = ResourceType::from_type_url(&response.type_url).unwrap();
        let mut answers = vec![DeltaDiscoveryRequest {
            type_url: response.type_url.clone(),
            response_nonce: response.nonce.clone(),
            ..Default::default()
        }];
        for resource in &response.resources {
            let name = resource.name.clone();
            self.transferred.push(name.clone());
            let key = (resource_type, name.clone());
            self.held.insert(key, resource.version.clone());
            let filter = format!("portcullis.mcp.{name}");
            let named = match resource_type {
                ResourceType::Cluster => vec![(ResourceType::Endpoints, name)],
                ResourceType::Listener => vec![
                    (ResourceType::Route, name),
                    (ResourceType::ExtensionConfig, filter),
                ],
                _ => Vec::new(),
            };
            for key in named {
                if self.subscribed.insert(key.clone()) {
                    answers.push(DeltaDiscoveryRequest {
                        type_url: key.0.type_url().to_owned(),
                        resource_names_subscribe: vec![key.1],
                        ..Default::default()
                    });
                }
            }
        }
        answers
    }
}
