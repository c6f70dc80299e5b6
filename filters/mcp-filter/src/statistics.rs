//! The filter's statistics. Envoy puts `wasmcustom.` before their names, and never frees one: names
//! come from the configuration and from fixed words only, and each metric is defined once per VM,
//! when it is first needed. Past a bound, tools are counted together as `server.none.tool.others`.
//!
//! - `portcullis_calls.server.<server>.tool.<tool>` (counter): calls of a tool that were decided
//!   on, refused ones too
//! - `portcullis_refusals.server.<server>.tool.<tool>.reason.<reason>` (counter): requests that the
//!   filter answered; `none` where it knew no tool
//! - `portcullis_shadowed.server.<server>.tool.<tool>` (counter): calls that passed only because
//!   validation is in shadow
//! - `portcullis_decision_ns.server.<server>.tool.<tool>` (histogram): nanoseconds from the end of
//!   what had to be read to the decision, of one call in sixteen that was not refused by its name
//! - of all prompts, resources or other messages of a server that rules are about, calls and
//!   refusals with `server.<server>.kind.<kind>` in the place of the tool's labels
//! - `portcullis_configuration.listener.<listener>` (gauge): the configuration in force: the first
//!   twelve hexadecimal digits of its SHA-256, as a number

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use policy_engine::statistics::{
    CALLS, CONFIGURATION, DECISION_NS, NO_TOOL, OTHER_TOOLS, REFUSALS, SHADOWED, item_labels,
    listener_label,
};
use policy_engine::{Item, Policy, ToolId};
use proxy_host::{Clock, MetricId, MetricKind, Metrics};

/// Metrics by name, for as long as the VM lives.
#[derive(Debug, Clone, Default)]
pub(crate) struct KnownMetrics(Rc<RefCell<BTreeMap<String, Option<MetricId>>>>);

/// A VM defines so many metrics of tools at most, because names are never freed, and tools come and
/// go: enough for 5,000 tools that are called, and some 10 MB of Envoy's memory if all are.
const MOST_TOOL_METRICS: usize = 16_384;

/// Of so many decisions on a tool one is timed, the first of them included. Two looks at the clock
/// and a histogram cost about as much as the decision itself; a tool that is called twice a second
/// still gives some ten values in the minute over which a dashboard looks.
const DECISIONS_PER_TIMING: u32 = 16;

impl KnownMetrics {
    fn get(&self, host: &impl Metrics, kind: MetricKind, name: String) -> Option<MetricId> {
        let mut known = self.0.borrow_mut();
        if let Some(metric) = known.get(&name) {
            return *metric;
        }
        let metric = host.define_metric(kind, &name);
        known.insert(name, metric);
        metric
    }

    /// The metric `<family>.<labels><suffix>` of a tool, or of all the tools for which there is no
    /// room.
    fn of_tool(
        &self,
        host: &impl Metrics,
        kind: MetricKind,
        (family, labels, suffix): (&str, &str, &str),
    ) -> Option<MetricId> {
        let name = format!("{family}.{labels}{suffix}");
        let is_full = {
            let known = self.0.borrow();
            known.len() >= MOST_TOOL_METRICS && !known.contains_key(&name)
        };
        let name = if is_full {
            format!("{family}.{OTHER_TOOLS}{suffix}")
        } else {
            name
        };
        self.get(host, kind, name)
    }
}

/// The statistics of one configuration.
#[derive(Debug)]
pub(crate) struct Statistics {
    known: KnownMetrics,
    /// The statistics of each item that was used, by [`Policy::item_place`].
    items: Vec<OnceCell<Box<ItemStatistics>>>,
    /// Refusals that name no tool.
    elsewhere: Refusals,
}

/// A metric, defined when it is first needed.
type LazyMetric = OnceCell<Option<MetricId>>;

#[derive(Debug)]
struct ItemStatistics {
    calls: LazyMetric,
    /// How many decisions go untimed before the next that is timed.
    untimed: Cell<u32>,
    decision: LazyMetric,
    shadowed: LazyMetric,
    refusals: Refusals,
}

/// Counters by reason, each defined when it is first needed.
#[derive(Debug)]
struct Refusals {
    labels: String,
    by_reason: RefCell<Vec<(&'static str, Option<MetricId>)>>,
}

impl Statistics {
    pub(crate) fn new(known: &KnownMetrics, policy: &Policy) -> Self {
        let mut items = Vec::new();
        items.resize_with(policy.item_places(), OnceCell::new);
        Self {
            known: known.clone(),
            items,
            elsewhere: Refusals::new(NO_TOOL.to_owned()),
        }
    }

    fn of(&self, policy: &Policy, item: &Item) -> Option<&ItemStatistics> {
        let known = self.items.get(policy.item_place(item))?;
        match known.get() {
            Some(known) => Some(known),
            None => {
                let labels = item_labels(item.kind(), policy.item_name(item)?);
                Some(known.get_or_init(|| Box::new(ItemStatistics::new(labels))))
            }
        }
    }

    /// Tells which configuration a listener's filter runs.
    pub(crate) fn configured(&self, host: &impl Metrics, listener: &str, hash: u64) {
        let name = format!("{CONFIGURATION}.{}", listener_label(listener));
        if let Some(metric) = self.known.get(host, MetricKind::Gauge, name) {
            host.record(metric, hash);
        }
    }

    /// When the decision on a call of this tool begins, if it is one of those that are timed.
    pub(crate) fn begin(
        &self,
        host: &impl Clock,
        policy: &Policy,
        tool: ToolId,
    ) -> Option<Duration> {
        let tool = self.of(policy, &tool.into())?;
        (tool.untimed.get() == 0).then(|| host.monotonic())
    }

    /// A call was decided on; `begun` as [`Self::begin`] gave it.
    pub(crate) fn decided(
        &self,
        host: &(impl Metrics + Clock),
        policy: &Policy,
        item: &Item,
        begun: Option<Duration>,
    ) {
        let Some(tool) = self.of(policy, item) else {
            return;
        };
        let of_tool = |kind, family| {
            let labels = tool.refusals.labels.as_str();
            self.known.of_tool(host, kind, (family, labels, ""))
        };
        let calls = || of_tool(MetricKind::Counter, CALLS);
        if let Some(calls) = tool.calls.get_or_init(calls) {
            host.increment(*calls);
        }
        let Some(begun) = begun else {
            tool.untimed.set(tool.untimed.get().saturating_sub(1));
            return;
        };
        tool.untimed.set(DECISIONS_PER_TIMING - 1);
        let took = host.monotonic().saturating_sub(begun);
        let decision = || of_tool(MetricKind::Histogram, DECISION_NS);
        if let Some(decision) = tool.decision.get_or_init(decision) {
            let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
            host.record(*decision, nanoseconds);
        }
    }

    /// A call passed whose arguments do not fit, because validation is in shadow.
    pub(crate) fn shadowed(&self, host: &impl Metrics, policy: &Policy, tool: ToolId) {
        let Some(tool) = self.of(policy, &tool.into()) else {
            return;
        };
        let counter = tool.shadowed.get_or_init(|| {
            let name = (SHADOWED, tool.refusals.labels.as_str(), "");
            self.known.of_tool(host, MetricKind::Counter, name)
        });
        if let Some(counter) = counter {
            host.increment(*counter);
        }
    }

    /// A request was refused.
    pub(crate) fn refused(
        &self,
        host: &impl Metrics,
        policy: &Policy,
        item: Option<&Item>,
        reason: &'static str,
    ) {
        let item = item.and_then(|item| self.of(policy, item));
        let refusals = item.map_or(&self.elsewhere, |item| &item.refusals);
        if let Some(counter) = refusals.counter(host, &self.known, reason) {
            host.increment(counter);
        }
    }
}

impl ItemStatistics {
    fn new(labels: String) -> Self {
        Self {
            calls: LazyMetric::new(),
            untimed: Cell::new(0),
            decision: LazyMetric::new(),
            shadowed: LazyMetric::new(),
            refusals: Refusals::new(labels),
        }
    }
}

impl Refusals {
    fn new(labels: String) -> Self {
        Self {
            labels,
            by_reason: RefCell::default(),
        }
    }

    fn counter(
        &self,
        host: &impl Metrics,
        known: &KnownMetrics,
        reason: &'static str,
    ) -> Option<MetricId> {
        let mut by_reason = self.by_reason.borrow_mut();
        if let Some((_, counter)) = by_reason.iter().find(|(known, _)| *known == reason) {
            return *counter;
        }
        let suffix = format!(".reason.{reason}");
        let name = (REFUSALS, self.labels.as_str(), suffix.as_str());
        let counter = known.of_tool(host, MetricKind::Counter, name);
        by_reason.push((reason, counter));
        counter
    }
}
