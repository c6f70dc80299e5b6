//! The reports of Envoys, for those who write it and those who read it.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::watch;

use crate::counts::TrafficCounts;
use crate::envoys::{EnvoyNumbers, Envoys, TooManyStreams};
use crate::message::{ReportMessage, Value};
use crate::minute::Slot;
use crate::statistic::Statistic;
use crate::stream::{SharedCounters, StreamCounters};
use crate::traffic::{Sums, Traffic, WatchedNames};

/// How many streams may be open, of all Envoys together: a fleet has some thousand.
const MOST_STREAMS: usize = 8_192;

/// The reports of Envoys, summed up. Clones share one state.
#[derive(Clone)]
pub struct Reports {
    table: Arc<Mutex<Table>>,
    now: Arc<dyn Fn() -> Instant + Send + Sync>,
    is_closing: watch::Sender<bool>,
}

struct Table {
    began: Instant,
    streams: usize,
    envoys: Envoys,
    sums: Sums,
    counters: SharedCounters,
}

/// A stream that is open, under the name of its Envoy.
pub(crate) struct OpenStream {
    reports: Reports,
    id: String,
    counters: StreamCounters,
}

impl Reports {
    /// Nothing yet; `now` is the clock.
    pub fn new(now: impl Fn() -> Instant + Send + Sync + 'static) -> Self {
        let mut sums = Sums::default();
        sums.watch(WatchedNames::default());
        Self {
            table: Arc::new(Mutex::new(Table {
                began: now(),
                streams: 0,
                envoys: Envoys::default(),
                sums,
                counters: SharedCounters::default(),
            })),
            now: Arc::new(now),
            is_closing: watch::Sender::new(false),
        }
    }

    /// Keeps the numbers of these names from now on, and forgets those of others.
    pub fn watch(&self, names: WatchedNames) {
        self.table().sums.watch(names);
    }

    /// The numbers of the Envoy of that name; nothing where it has never reported.
    #[must_use]
    pub fn envoy(&self, id: &str) -> Option<EnvoyNumbers> {
        self.table().envoys.numbers(id)
    }

    /// How many Envoys report at present.
    #[must_use]
    pub fn reporting(&self) -> usize {
        self.table().envoys.reporting()
    }

    /// The traffic of all Envoys together.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        let now = (self.now)();
        let table = self.table();
        table
            .sums
            .traffic(table.envoys.reporting(), table.slot(now))
    }

    /// Ends every stream, because the process ends.
    pub fn close(&self) {
        self.is_closing.send_replace(true);
    }

    /// Becomes true when streams are to end.
    pub(crate) fn closing(&self) -> watch::Receiver<bool> {
        self.is_closing.subscribe()
    }

    /// Takes in a new stream.
    pub(crate) fn open(&self, id: &str) -> Result<OpenStream, TooManyStreams> {
        let now = (self.now)();
        let mut table = self.table();
        if table.streams >= MOST_STREAMS {
            return Err(TooManyStreams);
        }
        table.envoys.connect(id, now)?;
        table.streams += 1;
        Ok(OpenStream {
            reports: self.clone(),
            id: id.to_owned(),
            counters: StreamCounters::new(),
        })
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Reports {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Reports").finish_non_exhaustive()
    }
}

impl Table {
    fn slot(&self, now: Instant) -> Slot {
        Slot::at(now.saturating_duration_since(self.began))
    }
}

impl OpenStream {
    /// Takes in a message.
    pub(crate) fn take(&mut self, message: &ReportMessage) {
        let now = (self.reports.now)();
        let mut table = self.reports.table();
        let slot = table.slot(now);
        let Table {
            envoys,
            sums,
            counters: shared,
            ..
        } = &mut *table;
        let Some(envoy) = envoys.get_mut(&self.id) else {
            return;
        };
        // Where the counters stand was so before anything is counted.
        envoy.heard(now);
        let counters = &mut self.counters;
        let had_left_out = counters.has_left_out;
        let mut counts = TrafficCounts::default();
        message.for_each(|name, statistic, value| match (statistic, value) {
            (Statistic::Configuration(label), Value::Number(number)) => {
                if sums.has_configuration(label) {
                    envoy.configurations.insert(label.to_owned(), number);
                }
            }
            (Statistic::ServerTimes(server), Value::Distribution(values)) => {
                if !counters.is_first() {
                    sums.add_times(server, &values, slot);
                }
            }
            (_, Value::Number(number)) => {
                let growth = counters.growth(name, number, shared);
                if growth > 0 && sums.add(statistic, growth, slot) {
                    counts = counts.plus(&counts_of(statistic, growth));
                }
            }
            (_, Value::Distribution(_)) => {}
        });
        envoy
            .configurations
            .retain(|label, _| sums.has_configuration(label));
        envoy.counts = envoy.counts.plus(&counts);
        if !counters.is_first() {
            envoy.reports += 1;
        }
        counters.end_of_message();
        if counters.has_left_out && !had_left_out {
            tracing::warn!(
                node = self.id,
                "there is no room for all counters of this envoy: some are not in its numbers"
            );
        }
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        let mut table = self.reports.table();
        self.counters.end(&mut table.counters);
        table.envoys.disconnect(&self.id);
        table.streams = table.streams.saturating_sub(1);
    }
}

/// The counts of an Envoy to which a statistic adds.
fn counts_of(statistic: Statistic<'_>, amount: u64) -> TrafficCounts {
    let mut counts = TrafficCounts::default();
    match statistic {
        Statistic::Calls(_) => counts.calls = amount,
        Statistic::Refusals(..) => counts.refusals = amount,
        Statistic::Shadowed(_) => counts.shadowed = amount,
        Statistic::Requests(_) => counts.requests = amount,
        Statistic::FailedAnswers(_) => counts.failed_answers = amount,
        Statistic::Lost(_) | Statistic::ServerFailures(_) => counts.failed_upstream = amount,
        Statistic::Reloads => counts.reloads = amount,
        Statistic::ServerRequests(_) | Statistic::Configuration(_) | Statistic::ServerTimes(_) => {}
    }
    counts
}
