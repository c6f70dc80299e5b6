//! Envoys report over gRPC, in Envoy's own messages, and what they say is summed up.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use envoy_reports::{Count, Reports, ReportsServer, TrafficCounts, WatchedNames};
use envoy_types::pb::envoy::config::core::v3::Node;
use envoy_types::pb::envoy::service::metrics::v3::StreamMetricsMessage;
use envoy_types::pb::envoy::service::metrics::v3::metrics_service_client::MetricsServiceClient;
use envoy_types::pb::envoy::service::metrics::v3::stream_metrics_message::Identifier;
use envoy_types::pb::io::prometheus::client::{
    Bucket, Counter, Gauge, Histogram, Metric, MetricFamily,
};
use policy_engine::ItemKind;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::transport::Server;
use tonic::{Code, Status};

const CALLS: &str = "wasmcustom.portcullis_calls.server.data.tool.query";
const DENIED: &str = "wasmcustom.portcullis_refusals.server.data.tool.query.reason.forbidden";
const IN_FORCE: &str = "wasmcustom.portcullis_configuration.listener.mcp";

/// A service on a port of its own, with a clock that is moved.
struct Service {
    reports: Reports,
    address: SocketAddr,
    elapsed: Arc<Mutex<Duration>>,
    _task: JoinHandle<()>,
}

impl Service {
    async fn start() -> Self {
        let elapsed = Arc::new(Mutex::new(Duration::ZERO));
        let (begin, passed) = (Instant::now(), Arc::clone(&elapsed));
        let reports = Reports::new(move || begin + *passed.lock().unwrap());
        reports.watch(watched(&["query"]));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Server::builder().add_service(ReportsServer::new(reports.clone()));
        let task = tokio::spawn(async move {
            server
                .serve_with_incoming(TcpListenerStream::new(listener))
                .await
                .unwrap();
        });
        Self {
            reports,
            address,
            elapsed,
            _task: task,
        }
    }

    fn advance(&self, by: Duration) {
        *self.elapsed.lock().unwrap() += by;
    }

    async fn envoy(&self, id: &str) -> Reporter {
        Reporter::connect(self.address, Some(id)).await
    }

    /// Waits until the messages of an Envoy after its first have been taken in.
    async fn until_heard(&self, id: &str, reports: u64) {
        let heard = || {
            self.reports
                .envoy(id)
                .is_some_and(|envoy| envoy.reports >= reports)
        };
        while !heard() {
            tokio::task::yield_now().await;
        }
    }

    fn calls(&self) -> Count {
        self.reports.traffic().tools[0].calls
    }
}

fn watched(tools: &[&str]) -> WatchedNames {
    WatchedNames {
        listeners: ["mcp".to_owned()].into(),
        servers: ["data".to_owned()].into(),
        tools: tools
            .iter()
            .map(|tool| ("data".to_owned(), (*tool).to_owned()))
            .collect::<BTreeSet<_>>(),
        owners: BTreeSet::new(),
    }
}

/// An Envoy that reports, in the messages of Envoy's own interface.
struct Reporter {
    messages: mpsc::Sender<StreamMetricsMessage>,
    identifier: Option<Identifier>,
    ended: JoinHandle<Result<(), Status>>,
}

impl Reporter {
    async fn connect(address: SocketAddr, id: Option<&str>) -> Self {
        let mut client = MetricsServiceClient::connect(format!("http://{address}"))
            .await
            .unwrap()
            .max_encoding_message_size(64 << 20);
        let (messages, receiver) = mpsc::channel(8);
        let ended = tokio::spawn(async move {
            let answer = client.stream_metrics(ReceiverStream::new(receiver)).await;
            answer.map(drop)
        });
        let identifier = id.map(|id| Identifier {
            node: Some(Node {
                id: id.to_owned(),
                cluster: "edge".to_owned(),
                ..Node::default()
            }),
        });
        Self {
            messages,
            identifier,
            ended,
        }
    }

    async fn report(&mut self, envoy_metrics: Vec<MetricFamily>) {
        let message = StreamMetricsMessage {
            identifier: self.identifier.take(),
            envoy_metrics,
        };
        self.messages.send(message).await.unwrap();
    }

    /// The status with which its stream was ended.
    async fn refusal(self) -> Status {
        self.ended.await.unwrap().unwrap_err()
    }
}

fn family(name: &str, metric: Metric) -> MetricFamily {
    MetricFamily {
        name: Some(name.to_owned()),
        metric: vec![metric],
        ..MetricFamily::default()
    }
}

fn counter(name: &str, value: u32) -> MetricFamily {
    let counter = Counter {
        value: Some(value.into()),
        ..Counter::default()
    };
    family(
        name,
        Metric {
            counter: Some(counter),
            timestamp_ms: Some(1),
            ..Metric::default()
        },
    )
}

fn gauge(name: &str, value: f64) -> MetricFamily {
    family(
        name,
        Metric {
            gauge: Some(Gauge { value: Some(value) }),
            ..Metric::default()
        },
    )
}

fn histogram(name: &str, bounds: &[(f64, u64)]) -> MetricFamily {
    let bucket = bounds.iter().map(|(bound, count)| Bucket {
        upper_bound: Some(*bound),
        cumulative_count: Some(*count),
        ..Bucket::default()
    });
    family(
        name,
        Metric {
            histogram: Some(Histogram {
                bucket: bucket.collect(),
                ..Histogram::default()
            }),
            ..Metric::default()
        },
    )
}

#[tokio::test]
async fn it_sums_up_what_envoys_count_and_keeps_each_ones_own() {
    let service = Service::start().await;
    let mut first = service.envoy("first").await;
    let mut second = service.envoy("second").await;
    let all = |factor: u32| {
        vec![
            counter("http.mcp.downstream_rq_completed", 100 * factor),
            counter("http.mcp.downstream_rq_5xx", 2 * factor),
            counter("cluster.data.upstream_rq_completed", 90 * factor),
            counter("cluster.data.upstream_rq_5xx", 3 * factor),
            histogram(
                "cluster.data.upstream_rq_time",
                &[(10.0, 0), (20.0, 4), (30.0, 4)],
            ),
            // Clients of the old revisions read of it under 200.
            counter("http.mcp.no_cluster", 2 * factor),
            counter(CALLS, 80 * factor),
            counter(DENIED, 7 * factor),
            counter(
                "wasmcustom.portcullis_shadowed.server.data.tool.query",
                factor,
            ),
            counter(
                "wasm.envoy.wasm.runtime.v8.plugin.portcullis.vm_reload_success",
                factor,
            ),
            gauge(IN_FORCE, 281_474_976_710_655.0),
            // Of nothing that is watched.
            counter("http.admin.downstream_rq_completed", 1_000 * factor),
            counter("cluster.xds.upstream_rq_5xx", 1_000 * factor),
            counter(
                "wasmcustom.portcullis_calls.server.data.tool.gone",
                1_000 * factor,
            ),
            gauge("wasmcustom.portcullis_configuration.listener.gone", 1.0),
            counter("server.live", factor),
        ]
    };
    for reporter in [&mut first, &mut second] {
        // Where the counters stand, from before.
        reporter.report(all(10)).await;
        reporter.report(all(11)).await;
    }
    service.until_heard("first", 1).await;
    service.until_heard("second", 1).await;
    let envoy = service.reports.envoy("first").unwrap();
    let expected = TrafficCounts {
        requests: 100,
        failed_answers: 2,
        failed_upstream: 5,
        calls: 80,
        refusals: 7,
        shadowed: 1,
        reloads: 1,
    };
    assert_eq!((envoy.counts, envoy.lately), (expected, expected));
    assert_eq!(expected.failures(), 5);
    assert_eq!(
        envoy.configurations,
        [("listener.mcp".to_owned(), (1 << 48) - 1)].into()
    );
    let traffic = service.reports.traffic();
    assert_eq!(traffic.reporting, 2);
    let of_both = |count: u64| Count {
        total: 2 * count,
        last_minute: 2 * count,
    };
    let tool = &traffic.tools[0];
    assert_eq!(
        (tool.server.as_str(), tool.tool.as_str()),
        ("data", "query")
    );
    assert_eq!((tool.calls, tool.shadowed), (of_both(80), of_both(1)));
    assert_eq!(tool.refusals, [("forbidden".to_owned(), of_both(7))].into());
    let server = &traffic.servers[0];
    assert_eq!(
        (server.requests, server.failures),
        (of_both(90), of_both(3))
    );
    assert_eq!(server.times.unwrap().p50_ms, 15.0);
    // A minute later that is what was, and no longer what is.
    service.advance(Duration::from_secs(70));
    let traffic = service.reports.traffic();
    assert_eq!(traffic.tools[0].calls.last_minute, 0);
    assert_eq!(
        (traffic.tools[0].calls.total, traffic.servers[0].times),
        (160, None)
    );
}

#[tokio::test]
async fn it_counts_nothing_twice_when_an_envoy_comes_back_and_all_when_it_begins_anew() {
    let service = Service::start().await;
    let mut envoy = service.envoy("a").await;
    for value in [100, 105] {
        envoy.report(vec![counter(CALLS, value)]).await;
    }
    service.until_heard("a", 1).await;
    drop(envoy);
    let mut envoy = service.envoy("a").await;
    for value in [105, 106, 4] {
        envoy.report(vec![counter(CALLS, value)]).await;
    }
    service.until_heard("a", 3).await;
    assert_eq!(service.calls().total, 5 + 1 + 4);
    assert_eq!(service.reports.envoy("a").unwrap().counts.calls, 10);
}

#[tokio::test]
async fn it_counts_both_of_two_envoys_that_share_a_name() {
    let service = Service::start().await;
    let mut one = service.envoy("same").await;
    let mut other = service.envoy("same").await;
    for (value, of_other) in [(1_000, 7), (1_001, 9), (1_002, 12)] {
        one.report(vec![counter(CALLS, value)]).await;
        other.report(vec![counter(CALLS, of_other)]).await;
    }
    service.until_heard("same", 4).await;
    assert_eq!(service.calls().total, 2 + 5);
}

#[tokio::test]
async fn it_keeps_what_was_counted_of_tools_that_stay() {
    let service = Service::start().await;
    let mut envoy = service.envoy("a").await;
    for value in [1, 4] {
        envoy.report(vec![counter(CALLS, value)]).await;
    }
    service.until_heard("a", 1).await;
    service.reports.watch(watched(&["another", "query"]));
    let traffic = service.reports.traffic();
    let calls: Vec<(&str, u64)> = traffic
        .tools
        .iter()
        .map(|tool| (tool.tool.as_str(), tool.calls.total))
        .collect();
    assert_eq!(
        calls,
        [("another", 0), ("query", 3), ("none", 0), ("others", 0)]
    );
}

#[tokio::test]
async fn it_counts_the_other_items_of_a_server_by_their_kind() {
    let service = Service::start().await;
    service.reports.watch(WatchedNames {
        owners: ["data".to_owned()].into(),
        ..watched(&["query"])
    });
    let mut envoy = service.envoy("a").await;
    let refused = "wasmcustom.portcullis_refusals.server";
    for value in [1, 4] {
        let of_prompts = format!("{refused}.data.kind.prompt.reason.forbidden");
        let of_nobody = format!("{refused}.other.kind.prompt.reason.forbidden");
        let counters = [of_prompts, of_nobody].map(|name| counter(&name, value));
        envoy.report(counters.into()).await;
    }
    service.until_heard("a", 1).await;
    let traffic = service.reports.traffic();
    let refused: Vec<(&str, ItemKind, u64)> = traffic
        .tools
        .iter()
        .map(|item| (item, item.refusals.values().map(|count| count.total).sum()))
        .filter(|(_, count)| *count > 0)
        .map(|(item, count)| (item.server.as_str(), item.kind, count))
        .collect();
    assert_eq!(refused, [("data", ItemKind::Prompt, 3)]);
}

#[tokio::test]
async fn it_grows_by_nothing_that_an_envoy_makes_up() {
    let service = Service::start().await;
    let mut envoy = service.envoy("a").await;
    envoy.report(Vec::new()).await;
    let made_up = (0..50).flat_map(|number| {
        [
            counter(
                &format!("wasmcustom.portcullis_calls.server.x.tool.t{number}"),
                1,
            ),
            counter(&format!("http.l{number}.downstream_rq_completed"), 1),
            gauge(
                &format!("wasmcustom.portcullis_configuration.listener.l{number}"),
                1.0,
            ),
            counter(&format!("{DENIED}_{}", "x".repeat(number)), 1),
            counter(&format!("{DENIED}-{number}"), 1),
        ]
    });
    envoy.report(made_up.collect()).await;
    service.until_heard("a", 1).await;
    let traffic = service.reports.traffic();
    assert_eq!(traffic.tools.len(), 3);
    let refusals = &traffic.tools[0].refusals;
    assert!(refusals.len() <= 33, "{}", refusals.len());
    assert_eq!(refusals.values().map(|count| count.total).sum::<u64>(), 100);
    assert!(
        service
            .reports
            .envoy("a")
            .unwrap()
            .configurations
            .is_empty()
    );
}

#[tokio::test]
async fn it_reads_on_past_what_it_cannot_read() {
    let service = Service::start().await;
    let mut envoy = service.envoy("a").await;
    envoy.report(Vec::new()).await;
    let long = MetricFamily {
        metric: vec![Metric::default(); 20_000],
        ..counter(CALLS, 9)
    };
    let descending = histogram("cluster.data.upstream_rq_time", &[(2.0, 5), (1.0, 6)]);
    let without_value = MetricFamily {
        metric: Vec::new(),
        ..counter(DENIED, 9)
    };
    let wild = [f64::NAN, f64::INFINITY, -1.0].map(|value| gauge(IN_FORCE, value));
    let mut families = vec![long, descending, without_value, counter("", 1)];
    families.extend(wild);
    families.push(counter(CALLS, 2));
    envoy.report(families).await;
    service.until_heard("a", 1).await;
    assert_eq!(service.calls().total, 2);
    assert_eq!(service.reports.traffic().servers[0].times, None);
}

#[tokio::test]
async fn it_refuses_streams_that_name_no_envoy_and_messages_without_end() {
    let service = Service::start().await;
    let long = "x".repeat(257);
    for id in [None, Some(""), Some("a\nb"), Some(long.as_str())] {
        let mut envoy = Reporter::connect(service.address, id).await;
        envoy.report(Vec::new()).await;
        let status = envoy.refusal().await;
        assert_eq!(status.code(), Code::InvalidArgument, "{id:?}");
        assert!(status.message().contains("bootstrap"), "{status}");
    }
    let mut envoy = service.envoy("large").await;
    let families = (0..50_000).map(|number| counter(&format!("{number:0100}"), 1));
    envoy.report(families.collect()).await;
    assert_eq!(envoy.refusal().await.code(), Code::OutOfRange);
    assert_eq!(service.reports.envoy("large"), None);
}

#[tokio::test]
async fn it_bounds_the_streams_of_one_name_and_makes_room_when_they_end() {
    let service = Service::start().await;
    let mut open = Vec::new();
    for _ in 0..8 {
        let mut envoy = service.envoy("many").await;
        for _ in 0..2 {
            envoy.report(Vec::new()).await;
        }
        open.push(envoy);
        service.until_heard("many", open.len() as u64).await;
    }
    let mut one_more = service.envoy("many").await;
    one_more.report(Vec::new()).await;
    assert_eq!(one_more.refusal().await.code(), Code::ResourceExhausted);
    open.clear();
    while service.reports.traffic().reporting > 0 {
        tokio::task::yield_now().await;
    }
    let mut again = service.envoy("many").await;
    for _ in 0..2 {
        again.report(Vec::new()).await;
    }
    service.until_heard("many", 9).await;
}

#[tokio::test]
async fn it_ends_every_stream_when_the_process_ends() {
    let service = Service::start().await;
    let mut envoy = service.envoy("a").await;
    envoy.report(Vec::new()).await;
    service.reports.close();
    assert_eq!(envoy.refusal().await.code(), Code::Unavailable);
}
