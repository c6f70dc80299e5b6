//! A client of the discovery service that answers as Envoy would: it acknowledges what it is sent
//! and subscribes to what that names, except where it was told to reject.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use envoy_types::pb::envoy::config::core::v3::Node;
use envoy_types::pb::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse,
    aggregated_discovery_service_client::AggregatedDiscoveryServiceClient,
};
use envoy_types::pb::google::rpc::Status;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use xds::ResourceType;

/// A connected client; gone when dropped.
pub struct FakeEnvoy {
    rejects: Arc<Mutex<Rejects>>,
    filters: Arc<Mutex<Vec<ReceivedFilter>>>,
    secrets: Arc<Mutex<Vec<String>>>,
    speaks: watch::Sender<bool>,
    _tasks: JoinSet<()>,
}

/// The names of what it rejects, and texts in whatever it rejects.
#[derive(Default)]
struct Rejects {
    always: BTreeSet<String>,
    once: BTreeSet<String>,
    containing: Vec<String>,
}

/// A filter's configuration that it was sent and has answered.
#[derive(Clone, Debug)]
pub struct ReceivedFilter {
    /// Its bytes, as far as they are text.
    pub text: String,
    /// Whether it was rejected.
    pub is_rejected: bool,
}

/// Its words on what it rejects.
pub const REJECTION: &str = "cannot bind '127.0.0.1:1': Address already in use";

impl FakeEnvoy {
    /// Connects and subscribes to all clusters and listeners.
    pub async fn connect(xds: SocketAddr, id: &str) -> Self {
        Self::connect_rejecting(xds, id, &[]).await
    }

    /// Connects as an Envoy of that `node.cluster`.
    pub async fn connect_of(xds: SocketAddr, id: &str, cluster: &str) -> Self {
        Self::connect_as(xds, id, cluster, Rejects::default(), &[]).await
    }

    /// Connects as an Envoy that has run for a while: it reports that it has a cluster.
    pub async fn connect_running(xds: SocketAddr, id: &str) -> Self {
        Self::connect_with_cluster(xds, id, "of-before").await
    }

    /// Connects as an Envoy that has run for a while: it reports that it has this cluster, and asks
    /// for its endpoints.
    pub async fn connect_with_cluster(xds: SocketAddr, id: &str, cluster: &str) -> Self {
        Self::connect_as(xds, id, "", Rejects::default(), &[cluster]).await
    }

    /// Connects, and rejects what has these names from the beginning.
    pub async fn connect_rejecting(xds: SocketAddr, id: &str, names: &[&str]) -> Self {
        let rejects = Rejects {
            always: names.iter().map(|name| (*name).to_owned()).collect(),
            ..Rejects::default()
        };
        Self::connect_with(xds, id, rejects).await
    }

    /// Connects, and rejects each listener, extension configuration or secret that contains `text`.
    pub async fn connect_rejecting_all_with(xds: SocketAddr, id: &str, text: &str) -> Self {
        let rejects = Rejects {
            containing: vec![text.to_owned()],
            ..Rejects::default()
        };
        Self::connect_with(xds, id, rejects).await
    }

    async fn connect_with(xds: SocketAddr, id: &str, rejects: Rejects) -> Self {
        Self::connect_as(xds, id, "", rejects, &[]).await
    }

    async fn connect_as(
        xds: SocketAddr,
        id: &str,
        cluster: &str,
        rejects: Rejects,
        has: &[&str],
    ) -> Self {
        let rejects = Arc::new(Mutex::new(rejects));
        let filters = Arc::new(Mutex::new(Vec::new()));
        let mut client = AggregatedDiscoveryServiceClient::connect(format!("http://{xds}"))
            .await
            .unwrap();
        let (requests, receiver) = mpsc::channel(64);
        for resource_type in [ResourceType::Cluster, ResourceType::Listener] {
            let request = DeltaDiscoveryRequest {
                node: Some(Node {
                    id: id.to_owned(),
                    cluster: cluster.to_owned(),
                    ..Default::default()
                }),
                type_url: resource_type.type_url().to_owned(),
                initial_resource_versions: match resource_type {
                    ResourceType::Cluster => has.iter().map(of_some_version).collect(),
                    _ => HashMap::new(),
                },
                ..Default::default()
            };
            requests.send(request).await.unwrap();
        }
        if !has.is_empty() {
            let request = DeltaDiscoveryRequest {
                type_url: ResourceType::Endpoints.type_url().to_owned(),
                resource_names_subscribe: has.iter().map(|name| (*name).to_owned()).collect(),
                ..Default::default()
            };
            requests.send(request).await.unwrap();
        }
        let mut responses = client
            .delta_aggregated_resources(ReceiverStream::new(receiver))
            .await
            .unwrap()
            .into_inner();
        let mut tasks = JoinSet::new();
        let rejecting = Arc::clone(&rejects);
        let receiving = Arc::clone(&filters);
        let secrets = Arc::new(Mutex::new(Vec::new()));
        let receiving_secrets = Arc::clone(&secrets);
        let (speaks, mut may_speak) = watch::channel(true);
        tasks.spawn(async move {
            let mut subscribed = BTreeSet::new();
            while let Ok(Some(response)) = responses.message().await {
                if may_speak.wait_for(|speaks| *speaks).await.is_err() {
                    return;
                }
                let answers = answers(&response, &mut rejecting.lock().unwrap(), &mut subscribed);
                receiving
                    .lock()
                    .unwrap()
                    .extend(received_filters(&response, &answers));
                if response.type_url == ResourceType::Secret.type_url() {
                    receiving_secrets
                        .lock()
                        .unwrap()
                        .extend(texts_of(&response));
                }
                for answer in answers {
                    // The control plane may be gone first.
                    let _ = requests.try_send(answer);
                }
            }
        });
        Self {
            rejects,
            filters,
            secrets,
            speaks,
            _tasks: tasks,
        }
    }

    /// Every filter's configuration that it has answered on this stream, in order.
    pub fn filters(&self) -> Vec<ReceivedFilter> {
        self.filters.lock().unwrap().clone()
    }

    /// Every secret that it was sent on this stream, in order, as far as its bytes are text.
    pub fn secrets(&self) -> Vec<String> {
        self.secrets.lock().unwrap().clone()
    }

    /// Answers nothing until it is told to go on.
    pub fn pause(&self) {
        self.speaks.send_replace(false);
    }

    /// Answers what it was sent meanwhile, and what comes.
    pub fn go_on(&self) {
        self.speaks.send_replace(true);
    }

    /// Rejects the listener or extension configuration of this name from now on.
    pub fn reject(&self, name: &str) {
        self.rejects.lock().unwrap().always.insert(name.to_owned());
    }

    /// Rejects the listener or extension configuration of this name the next time.
    pub fn reject_once(&self, name: &str) {
        self.rejects.lock().unwrap().once.insert(name.to_owned());
    }
}

fn of_some_version(name: &&str) -> (String, String) {
    ((*name).to_owned(), "1".to_owned())
}

/// The contents of a response, as far as they are text.
fn texts_of(response: &DeltaDiscoveryResponse) -> impl Iterator<Item = String> {
    let contents = response.resources.iter();
    let contents = contents.filter_map(|resource| resource.resource.as_ref());
    contents.map(|content| String::from_utf8_lossy(&content.value).into_owned())
}

/// The names of secrets in the text of a cluster or listener: a name, `@` and a hash.
fn secrets_named(content: &str) -> Vec<String> {
    const HASH_DIGITS: usize = 12;
    let is_of_a_name = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
    let named = content.match_indices('@').filter_map(|(at, _)| {
        let (before, after) = content.split_at(at);
        let hash = after.get(1..=HASH_DIGITS)?;
        let is_hash = hash.bytes().all(|digit| digit.is_ascii_hexdigit());
        let name = before.rsplit(|letter| !is_of_a_name(letter)).next()?;
        (is_hash && !name.is_empty()).then(|| format!("{name}@{hash}"))
    });
    named.collect()
}

fn received_filters(
    response: &DeltaDiscoveryResponse,
    answers: &[DeltaDiscoveryRequest],
) -> Vec<ReceivedFilter> {
    if response.type_url != ResourceType::ExtensionConfig.type_url() {
        return Vec::new();
    }
    let is_rejected = answers[0].error_detail.is_some();
    texts_of(response)
        .map(|text| ReceivedFilter { text, is_rejected })
        .collect()
}

/// The acknowledgement or rejection, and the subscriptions to what was accepted names.
fn answers(
    response: &DeltaDiscoveryResponse,
    rejects: &mut Rejects,
    subscribed: &mut BTreeSet<(ResourceType, String)>,
) -> Vec<DeltaDiscoveryRequest> {
    let resource_type = ResourceType::from_type_url(&response.type_url).unwrap();
    let names = || response.resources.iter().map(|resource| &resource.name);
    // Names of these are nobody else's.
    let can_reject = [
        ResourceType::Listener,
        ResourceType::ExtensionConfig,
        ResourceType::Secret,
    ];
    let rejected = can_reject.contains(&resource_type)
        && (names().any(|name| rejects.once.remove(name) || rejects.always.contains(name))
            || rejects
                .containing
                .iter()
                .any(|text| texts_of(response).any(|content| content.contains(text))));
    let mut answers = vec![DeltaDiscoveryRequest {
        type_url: response.type_url.clone(),
        response_nonce: response.nonce.clone(),
        error_detail: rejected.then(|| Status {
            code: 13,
            message: REJECTION.to_owned(),
            details: Vec::new(),
        }),
        ..Default::default()
    }];
    for name in names().filter(|_| !rejected) {
        let named = match resource_type {
            ResourceType::Cluster => vec![(ResourceType::Endpoints, name.clone())],
            ResourceType::Listener => vec![
                (ResourceType::Route, name.clone()),
                (
                    ResourceType::ExtensionConfig,
                    format!("portcullis.mcp.{name}"),
                ),
            ],
            _ => Vec::new(),
        };
        let contents = texts_of(response);
        let secrets = contents.flat_map(|content| secrets_named(&content));
        let secrets = secrets.map(|name| (ResourceType::Secret, name));
        for (named_type, name) in named.into_iter().chain(secrets) {
            if subscribed.insert((named_type, name.clone())) {
                answers.push(DeltaDiscoveryRequest {
                    type_url: named_type.type_url().to_owned(),
                    resource_names_subscribe: vec![name],
                    ..Default::default()
                });
            }
        }
    }
    answers
}
