//! `/metrics`: the numbers that Prometheus reads.
//!
//! What can be looked up is looked up when somebody asks; the rest is counted as requests are
//! answered. Labels have few values: routes of the API, statuses, states. Nothing that a caller
//! writes becomes one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64};

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use gateway_document::ServerName;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use store::RevisionNumber;
use tokio::time::Instant;
use xds::{NodeAnswer, NodeSummary};

use super::problem::Problem;
use super::shown::{self, Shown};
use crate::gateway::{Gateway, ListState, Rollout, RolloutState, Stage};
use crate::generation::Built;
use crate::secrets::SecretState;

/// The bounds of times, in seconds: from an answer out of memory to a change that waits for the
/// Envoys until its deadline.
const SECONDS: [f64; 10] = [0.001, 0.002_5, 0.005, 0.01, 0.025, 0.1, 0.5, 1.0, 5.0, 30.0];

/// The media type of what Prometheus reads.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The requests that were answered.
#[derive(Debug, Clone)]
pub(super) struct RequestCounts {
    requests: Family<OfRequest, Counter<u64, AtomicU64>>,
    times: Family<OfRoute, Histogram, fn() -> Histogram>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfRequest {
    method: String,
    route: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfRoute {
    method: String,
    route: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfState {
    state: &'static str,
}

impl Default for RequestCounts {
    fn default() -> Self {
        Self {
            requests: Family::default(),
            times: Family::new_with_constructor(|| Histogram::new(SECONDS)),
        }
    }
}

/// Counts a request when it is answered. A stream of events counts when it begins.
pub(super) async fn count(
    State(counts): State<RequestCounts>,
    request: Request,
    next: Next,
) -> Response {
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map_or_else(|| "other".to_owned(), |path| path.as_str().to_owned());
    let method = request.method().to_string();
    let begun = Instant::now();
    let answer = next.run(request).await;
    let of = OfRoute {
        method: method.clone(),
        route: route.clone(),
    };
    counts
        .times
        .get_or_create(&of)
        .observe(begun.elapsed().as_secs_f64());
    let status = answer.status().as_u16();
    let of = OfRequest {
        method,
        route,
        status,
    };
    counts.requests.get_or_create(&of).inc();
    answer
}

/// The numbers that Prometheus reads.
#[utoipa::path(get, path = "/metrics", operation_id = "get_metrics", tag = "health",
    responses((status = 200, description = "OpenMetrics", body = String,
        content_type = "application/openmetrics-text")))]
pub(super) async fn get(
    State(gateway): State<Arc<Gateway>>,
    axum::Extension(counts): axum::Extension<RequestCounts>,
) -> Result<Shown, Problem> {
    shown::glance(move || {
        let mut text = String::new();
        let registry = registry(&gateway, &counts);
        text::encode(&mut text, &registry).map_err(|error| Problem::internal(&error))?;
        Ok(Shown::text(OPEN_METRICS, text))
    })
    .await
}

fn registry(gateway: &Gateway, counts: &RequestCounts) -> Registry {
    let mut registry = Registry::with_prefix("portcullis_control_plane");
    registry.register(
        "requests",
        "Requests to the management API that were answered",
        counts.requests.clone(),
    );
    registry.register_with_unit(
        "request_duration",
        "Time until a request was answered; a change waits for the Envoys",
        Unit::Seconds,
        counts.times.clone(),
    );
    add_envoys(&mut registry, gateway);
    add_state(&mut registry, gateway);
    add_rollouts(&mut registry, gateway);
    add_preflights(&mut registry, gateway);
    registry
}

fn add_envoys(registry: &mut Registry, gateway: &Gateway) {
    let summaries = gateway.publisher().summaries();
    let count = |answer: Option<NodeAnswer>| {
        let envoys = summaries.iter().filter(|envoy| match answer {
            None => envoy.streams == 0,
            Some(answer) => envoy.streams > 0 && envoy.answer == answer,
        });
        number(envoys.count())
    };
    let states = [
        ("acknowledged", count(Some(NodeAnswer::Acknowledged))),
        ("waiting", count(Some(NodeAnswer::Waiting))),
        ("rejected", count(Some(NodeAnswer::Rejected))),
        ("gone", count(None)),
    ];
    let help = "Envoys, by their answer to what they are meant to have";
    add_states(registry, "envoys", help, states);
    let deadline = gateway.current().document.rollout.ack_deadline.duration();
    let now = gateway.publisher().clock().now();
    let is_silent = |envoy: &&NodeSummary| {
        let is_late = envoy.assigned_at.is_some_and(|at| now > at + deadline);
        envoy.streams > 0 && envoy.answer == NodeAnswer::Waiting && is_late
    };
    add(
        registry,
        "silent_envoys",
        "Connected Envoys that have left something unanswered past the deadline",
        number(summaries.iter().filter(is_silent).count()),
    );
    add(
        registry,
        "reporting_envoys",
        "Envoys that report their traffic",
        number(gateway.publisher().reports().reporting()),
    );
    let rejected = Counter::<u64, AtomicU64>::default();
    rejected.inc_by(gateway.publisher().rejections());
    registry.register(
        "rejections",
        "How often an Envoy rejected something, or a generation as a whole",
        rejected,
    );
    let rejections = summaries.iter().map(|envoy| envoy.rejections.len()).sum();
    add(
        registry,
        "rejected_resources",
        "Resources that Envoys rejected and run without",
        number(rejections),
    );
}

/// The state that gauges are made of. Copied out: there may be many servers, secrets and tools, and
/// writers wait for who reads.
struct StateSeen {
    current: Arc<Built>,
    desired: Arc<Built>,
    newest: RevisionNumber,
    accepted: Option<RevisionNumber>,
    stage: Stage,
    attempts: Arc<BTreeMap<ServerName, ListState>>,
}

impl StateSeen {
    fn of(gateway: &Gateway) -> Self {
        let state = gateway.read();
        Self {
            current: Arc::clone(&state.current),
            desired: Arc::clone(&state.desired.built),
            newest: state.desired.head,
            accepted: state.accepted.as_ref().map(|accepted| accepted.revision),
            stage: state.stage,
            attempts: Arc::clone(&state.attempts),
        }
    }
}

fn add_state(registry: &mut Registry, gateway: &Gateway) {
    let seen = StateSeen::of(gateway);
    let revision = |number: RevisionNumber| i64::try_from(number.0).unwrap_or(i64::MAX);
    let gauges = [
        (
            "revision",
            "The revision that Envoys are meant to have",
            revision(seen.current.revision),
        ),
        (
            "newest_revision",
            "The newest revision that is stored",
            revision(seen.newest),
        ),
        (
            "accepted_revision",
            "The revision that Envoys accepted last; 0 while there is none",
            seen.accepted.map_or(0, revision),
        ),
        (
            "tools_withheld",
            "Tools that are listed and cannot be called, or not everywhere",
            number(seen.current.withheld().count()),
        ),
        (
            "idle_rules",
            "Rules that have no effect",
            number(seen.current.warnings.len()),
        ),
    ];
    for (name, help, value) in gauges {
        add(registry, name, help, value);
    }
    let is = |stage| i64::from(seen.stage == stage);
    let help = "How far the judgement of the generation in hand is: 1 at one of the states";
    let stages = [
        ("open", is(Stage::Open)),
        ("accepted", is(Stage::Accepted)),
        ("rejected", is(Stage::Rejected)),
        ("kept", is(Stage::Kept)),
    ];
    add_states(registry, "rollout", help, stages);
    let document = &seen.desired.document;
    let secrets = document.secrets.iter();
    let secrets = counted(secrets.map(|(name, secret)| {
        let status = gateway.secrets().status(name, secret);
        status.state.word()
    }));
    let states = [
        SecretState::Given,
        SecretState::Old,
        SecretState::Missing,
        SecretState::Unknown,
    ];
    let help = "Secrets of the document, by whether Envoys are given what their places hold";
    let states = states.map(|state| (state.word(), of_word(&secrets, state.word())));
    add_states(registry, "secrets", help, states);
    let names = document.servers.keys();
    let servers = counted(names.map(|name| gateway.server_state(&seen.attempts, name).word()));
    let states = ["up", "down", "unknown"].map(|word| (word, of_word(&servers, word)));
    let help = "Registered servers, by whether they list their tools and an endpoint answers";
    add_states(registry, "servers", help, states);
}

/// How often each word comes.
fn counted(words: impl Iterator<Item = &'static str>) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for word in words {
        *counts.entry(word).or_default() += 1;
    }
    counts
}

fn of_word(counts: &BTreeMap<&'static str, usize>, word: &str) -> i64 {
    number(counts.get(word).copied().unwrap_or_default())
}

fn add_rollouts(registry: &mut Registry, gateway: &Gateway) {
    let leads = i64::from(!gateway.publisher().is_frozen());
    let help = "1 while this process leads; 0 while its lease has ended and it changes nothing";
    add(registry, "leading", help, leads);
    let state = gateway.read();
    let newest = state.rollouts.iter().next();
    let is = |wanted: RolloutState| i64::from(newest.is_some_and(|newest| newest.state == wanted));
    let states = [
        ("waiting_for_envoys", is(RolloutState::WaitingForEnvoys)),
        ("rolling_out", is(RolloutState::RollingOut)),
        ("soaking", is(RolloutState::Soaking)),
        ("accepted", is(RolloutState::Accepted)),
        ("taken_back", is(RolloutState::TakenBack)),
        ("kept", is(RolloutState::Kept)),
        ("aborted", is(RolloutState::Aborted)),
        ("superseded", is(RolloutState::Superseded)),
    ];
    let help = "How the rollout that began last stands: 1 at one of the states";
    add_states(registry, "last_rollout", help, states);
    let in_hand = newest.filter(|newest| newest.is_going_on());
    let waits = |holds: fn(&Rollout) -> bool| i64::from(in_hand.is_some_and(holds));
    let reasons = [
        (
            "envoys",
            waits(|rollout| rollout.state == RolloutState::WaitingForEnvoys),
        ),
        (
            "gate",
            waits(|rollout| {
                let has_begun = rollout.state != RolloutState::WaitingForEnvoys;
                has_begun && !rollout.gate.is_empty() && rollout.soak_until.is_none()
            }),
        ),
        ("operator", waits(|rollout| rollout.is_paused)),
    ];
    let help = "Whether a rollout waits: for an Envoy that it could reach, for numbers, or because \
                an operator has paused it";
    add_states(registry, "rollout_waits", help, reasons);
}

fn add_preflights(registry: &mut Registry, gateway: &Gateway) {
    let Some(counts) = gateway.preflight_counts() else {
        return;
    };
    let family = Family::<OfState, Counter<u64, AtomicU64>>::default();
    for (state, count) in counts.all() {
        family.get_or_create(&OfState { state }).inc_by(count);
    }
    let help = "Changes that an Envoy was to judge before those that serve traffic, by its answer";
    registry.register("preflights", help, family);
}

fn add(registry: &mut Registry, name: &str, help: &str, value: i64) {
    let gauge = Gauge::<i64, AtomicI64>::default();
    gauge.set(value);
    registry.register(name, help, gauge);
}

fn add_states<const N: usize>(
    registry: &mut Registry,
    name: &str,
    help: &str,
    states: [(&'static str, i64); N],
) {
    let family = Family::<OfState, Gauge>::default();
    for (state, value) in states {
        family.get_or_create(&OfState { state }).set(value);
    }
    registry.register(name, help, family);
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
