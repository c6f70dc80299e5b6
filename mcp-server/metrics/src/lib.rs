//! The numbers that Prometheus reads: calls, their times and failures, pools, results, jobs,
//! connections, sessions.
//!
//! Every label has few values: names of tools, resources and prompts, names of databases, states,
//! and kinds of failures. Nothing that a caller writes becomes one.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use call::CallCounts;
use kept_results::ResultCounts;
use postgres::PoolUse;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// The bounds of times, in seconds: from a query that is answered from memory to the longest
/// statement that an operator usually allows.
const SECONDS: [f64; 14] = [
    0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 300.0,
];

/// The numbers that grow while the server works. What can be looked up is looked up when somebody
/// asks.
#[derive(Debug)]
pub struct Metrics {
    times: Family<OfCall, Histogram, fn() -> Histogram>,
    errors: Family<OfError, Counter>,
    /// Calls of tools that went past rmcp.
    pub plain_calls: Counter,
    /// Connections of clients that are open.
    pub connections: Gauge,
    /// Event streams of clients that are open.
    pub streams: Gauge,
    /// Sessions of the revisions before 2026-07-28.
    pub sessions: SessionCounts,
}

/// The sessions of the revisions before 2026-07-28, as far as they can be counted: of one whose
/// client has no stream the server keeps nothing, and a client may leave without a word. Clones
/// count the same sessions.
#[derive(Debug, Clone, Default)]
pub struct SessionCounts {
    /// Those that have begun: `initialize` was answered, or an event stream of HTTP+SSE opened.
    pub begun: Counter,
    /// Those that their clients have ended, or whose stream of HTTP+SSE was closed.
    pub ended: Counter,
    /// Those whose clients have an event stream open.
    pub connected: Gauge,
}

/// One more in a gauge, while it lives.
#[derive(Debug)]
pub struct Counted(Gauge);

impl Counted {
    /// One more in this gauge.
    pub fn in_gauge(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// The numbers that are looked up when somebody asks.
#[derive(Debug, Default)]
pub struct Observed {
    /// The calls so far, by what was called.
    pub calls: BTreeMap<Cow<'static, str>, CallCounts>,
    /// The pools of sessions, with the names of their databases.
    pub pools: Vec<(String, PoolUse)>,
    /// The results in blocks since this process started.
    pub results: ResultCounts,
    /// The bytes that results have on the disk.
    pub result_bytes: u64,
    /// The Spark jobs by state, where there is a registry.
    pub jobs: Option<BTreeMap<String, i64>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfCall {
    call: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfEnd {
    call: String,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfError {
    call: String,
    kind: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfPool {
    database: String,
    pool: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfState {
    state: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfReason {
    reason: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Metrics that have counted nothing yet.
    pub fn new() -> Self {
        Self {
            times: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            errors: Family::default(),
            plain_calls: Counter::default(),
            connections: Gauge::default(),
            streams: Gauge::default(),
            sessions: SessionCounts::default(),
        }
    }

    /// Counts a call that has ended; `code` is that of its failure.
    pub fn note_call(&self, call: &str, took: Duration, code: Option<&str>) {
        let label = OfCall {
            call: call.to_owned(),
        };
        let times = self.times.get_or_create(&label);
        times.observe(took.as_secs_f64());
        if let Some(code) = code {
            let label = OfError {
                call: call.to_owned(),
                kind: kind_of(code),
            };
            self.errors.get_or_create(&label).inc();
        }
    }

    /// All numbers, as Prometheus reads them.
    ///
    /// # Errors
    /// A label cannot be written.
    pub fn write(&self, observed: Observed) -> Result<String, fmt::Error> {
        let mut registry = Registry::with_prefix("portcullis");
        registry.register_with_unit(
            "call_duration",
            "The time of calls that have ended, by what was called",
            Unit::Seconds,
            self.times.clone(),
        );
        registry.register("errors", "Calls that failed, by kind", self.errors.clone());
        let plain = self.plain_calls.clone();
        registry.register(
            "plain_calls",
            "Calls of tools that went the short way",
            plain,
        );
        let connections = self.connections.clone();
        registry.register(
            "http_connections",
            "Open connections of clients",
            connections,
        );
        let streams = self.streams.clone();
        registry.register("http_streams", "Open event streams of clients", streams);
        register_sessions(&mut registry, self.sessions.clone());
        register_calls(&mut registry, observed.calls);
        register_pools(&mut registry, observed.pools);
        register_results(&mut registry, observed.results, observed.result_bytes);
        if let Some(jobs) = observed.jobs {
            let counts = Family::<OfState, Gauge>::default();
            for (state, count) in jobs {
                counts.get_or_create(&OfState { state }).set(count);
            }
            registry.register("spark_jobs", "Recorded Spark jobs, by state", counts);
        }
        let mut written = String::new();
        text::encode(&mut written, &registry)?;
        Ok(written)
    }
}

fn register_sessions(registry: &mut Registry, counts: SessionCounts) {
    let SessionCounts {
        begun,
        ended,
        connected,
    } = counts;
    registry.register("sessions_begun", "Sessions that have begun", begun);
    registry.register("sessions_ended", "Sessions that their clients ended", ended);
    registry.register(
        "sessions_connected",
        "Sessions whose clients have an event stream open",
        connected,
    );
}

fn register_calls(registry: &mut Registry, calls: BTreeMap<Cow<'static, str>, CallCounts>) {
    let ended = Family::<OfEnd, Counter>::default();
    let running = Family::<OfCall, Gauge>::default();
    for (call, counts) in calls {
        for (outcome, count) in [
            ("ok", counts.ok),
            ("failed", counts.failed),
            ("given_up", counts.given_up),
        ] {
            let call = call.to_string();
            ended.get_or_create(&OfEnd { call, outcome }).inc_by(count);
        }
        let call = call.to_string();
        running
            .get_or_create(&OfCall { call })
            .set(whole(counts.running));
    }
    registry.register("calls", "Calls that have ended, by how", ended);
    registry.register("calls_running", "Calls that run now", running);
}

fn register_pools(registry: &mut Registry, pools: Vec<(String, PoolUse)>) {
    let [most, open, idle, waiting] = [(); 4].map(|()| Family::<OfPool, Gauge>::default());
    for (database, pool) in pools {
        let label = OfPool {
            database,
            pool: pool.purpose,
        };
        for (family, count) in [
            (&most, pool.most),
            (&open, pool.open),
            (&idle, pool.idle),
            (&waiting, pool.waiting),
        ] {
            family.get_or_create(&label).set(whole(count));
        }
    }
    for (name, help, family) in [
        (
            "postgres_sessions_max",
            "Sessions that a pool may open",
            most,
        ),
        (
            "postgres_sessions_open",
            "Sessions that a pool has open",
            open,
        ),
        (
            "postgres_sessions_idle",
            "Open sessions that no call uses",
            idle,
        ),
        (
            "postgres_calls_waiting",
            "Calls that wait for a session",
            waiting,
        ),
    ] {
        registry.register(name, help, family);
    }
}

fn register_results(registry: &mut Registry, counts: ResultCounts, bytes: u64) {
    for (name, help, count) in [
        ("results_kept", "Results kept in blocks", counts.kept),
        (
            "result_blocks_written",
            "Blocks of results written",
            counts.blocks_written,
        ),
        (
            "result_blocks_read",
            "Blocks of results read",
            counts.blocks_read,
        ),
    ] {
        let counter = Counter::<u64>::default();
        counter.inc_by(count);
        registry.register(name, help, counter);
    }
    let refused = Family::<OfReason, Counter>::default();
    for (reason, count) in [
        ("quota", counts.over_quota),
        ("disk", counts.refused_by_disk),
    ] {
        refused.get_or_create(&OfReason { reason }).inc_by(count);
    }
    registry.register("results_refused", "Results not kept, by why", refused);
    let on_disk = Gauge::<i64>::default();
    on_disk.set(whole(bytes));
    let help = "Bytes of results on the disk";
    registry.register_with_unit("results", help, Unit::Bytes, on_disk);
}

fn whole(count: impl TryInto<i64>) -> i64 {
    count.try_into().unwrap_or(i64::MAX)
}

/// The kind of a failure: a word of ours as it is, an SQLSTATE by its class, Spark's classes
/// together, since there are a thousand.
fn kind_of(code: &str) -> String {
    let is_sqlstate = code.len() == 5
        && code
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase());
    if is_sqlstate {
        format!("sqlstate_{}", &code[..2])
    } else if code.bytes().any(|byte| byte.is_ascii_uppercase()) {
        "spark".to_owned()
    } else {
        code.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_counts_what_is_there_while_it_is_there() {
        let gauge = Gauge::default();
        let counted = Counted::in_gauge(&gauge);
        assert_eq!(gauge.get(), 1);
        drop(counted);
        assert_eq!(gauge.get(), 0);
    }

    #[test]
    fn it_keeps_the_kinds_of_failures_few() {
        for (code, kind) in [
            ("42P01", "sqlstate_42"),
            ("22012", "sqlstate_22"),
            ("TABLE_OR_VIEW_NOT_FOUND", "spark"),
            ("invalid_arguments", "invalid_arguments"),
            ("timeout", "timeout"),
        ] {
            assert_eq!(kind_of(code), kind);
        }
    }
}
