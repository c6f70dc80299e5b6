//! A client of the metrics service that reports as Envoy does: counters as they stand.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use envoy_types::pb::envoy::config::core::v3::Node;
use envoy_types::pb::envoy::service::metrics::v3::StreamMetricsMessage;
use envoy_types::pb::envoy::service::metrics::v3::metrics_service_client::MetricsServiceClient;
use envoy_types::pb::envoy::service::metrics::v3::stream_metrics_message::Identifier;
use envoy_types::pb::io::prometheus::client::{Counter, Gauge, Metric, MetricFamily};
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use xds::Publisher;

use crate::harness::{ControlPlane, until};

/// An Envoy that reports; gone when dropped.
pub struct FakeReporter {
    id: String,
    publisher: Publisher,
    messages: mpsc::Sender<StreamMetricsMessage>,
    counters: BTreeMap<String, f64>,
    gauges: BTreeMap<String, f64>,
    is_first: bool,
    _tasks: JoinSet<()>,
}

impl FakeReporter {
    /// Connects, and says where its counters stand: at nothing.
    pub async fn connect(control_plane: &ControlPlane, id: &str) -> Self {
        let address: SocketAddr = control_plane.xds;
        let mut client = MetricsServiceClient::connect(format!("http://{address}"))
            .await
            .unwrap();
        let (messages, receiver) = mpsc::channel(8);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            // The control plane may be gone first.
            let _ = client.stream_metrics(ReceiverStream::new(receiver)).await;
        });
        let mut reporter = Self {
            id: id.to_owned(),
            publisher: control_plane.gateway.publisher().clone(),
            messages,
            counters: BTreeMap::new(),
            gauges: BTreeMap::new(),
            is_first: true,
            _tasks: tasks,
        };
        reporter.send().await;
        until(|| async { reporter.publisher.reports().envoy(&reporter.id).is_some() }).await;
        reporter
    }

    /// Adds to a counter.
    pub fn count(&mut self, name: &str, by: u32) {
        *self.counters.entry(name.to_owned()).or_default() += f64::from(by);
    }

    /// Sets a gauge to this value.
    pub fn show(&mut self, name: &str, value: f64) {
        self.gauges.insert(name.to_owned(), value);
    }

    /// Reports, and waits until that has been taken in.
    pub async fn report(&mut self) {
        let (reports, id) = (self.publisher.reports().clone(), self.id.clone());
        let heard = || reports.envoy(&id).map_or(0, |envoy| envoy.reports);
        let before = heard();
        self.send().await;
        until(|| async { heard() > before }).await;
    }

    /// Reports that the listener `mcp` runs what is in hand.
    pub async fn run_what_is_in_hand(&mut self, control_plane: &ControlPlane) {
        let number = number_in_hand(control_plane).await;
        self.show("wasmcustom.portcullis_configuration.listener.mcp", number);
        self.report().await;
    }

    async fn send(&mut self) {
        let metric = |metric: Metric, name: &str| MetricFamily {
            name: Some(name.to_owned()),
            metric: vec![metric],
            ..MetricFamily::default()
        };
        let counters = self.counters.iter().map(|(name, value)| {
            let counter = Counter {
                value: Some(*value),
                ..Counter::default()
            };
            let counter = Metric {
                counter: Some(counter),
                ..Metric::default()
            };
            metric(counter, name)
        });
        let gauges = self.gauges.iter().map(|(name, value)| {
            let gauge = Metric {
                gauge: Some(Gauge {
                    value: Some(*value),
                }),
                ..Metric::default()
            };
            metric(gauge, name)
        });
        let identifier = std::mem::take(&mut self.is_first).then(|| Identifier {
            node: Some(Node {
                id: self.id.clone(),
                ..Node::default()
            }),
        });
        let message = StreamMetricsMessage {
            identifier,
            envoy_metrics: counters.chain(gauges).collect(),
        };
        self.messages.send(message).await.unwrap();
    }
}

/// The number that the filter of the listener `mcp` shows once it runs what is in hand.
async fn number_in_hand(control_plane: &ControlPlane) -> f64 {
    let snapshot = control_plane.get("/api/v1/config/snapshot").await.json;
    let resources = snapshot["resources"].as_array().unwrap();
    let filter = resources
        .iter()
        .find(|resource| resource["name"] == "portcullis.mcp.mcp")
        .unwrap();
    let text = filter["content"]["typed_config"]["config"]["configuration"]["value"][0]
        .as_str()
        .unwrap();
    let digest = hex::encode(Sha256::digest(text));
    let number = u64::from_str_radix(&digest[..12], 16).unwrap();
    number as f64
}
