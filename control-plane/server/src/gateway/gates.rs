//! The numbers that must hold before a wave of a rollout is over. Pure: what Envoys report goes in,
//! whether the wave may end comes out.
//!
//! An Envoy counts from its first report after its wave has acknowledged in which each filter shows
//! the generation's configuration; what it did before that is no fault of the generation. Its
//! shares are compared with its own of the five minutes before it was given the generation, so that
//! a server that fails as it always did stops nothing.

use std::collections::{BTreeMap, BTreeSet};

use envoy_reports::{EnvoyNumbers, TrafficCounts};
use gateway_document::{Gates, Share, WithoutNumbers};
use xds::NodeId;

/// Watches the numbers of the Envoys that have been given a generation.
#[derive(Debug)]
pub(super) struct GateKeeper {
    gates: Gates,
    /// The number that each listener's filter shows once it runs the generation.
    configurations: BTreeMap<String, u64>,
    envoys: BTreeMap<NodeId, WatchedEnvoy>,
}

/// The wave in hand, as far as its gates are concerned.
#[derive(Debug, Clone, Copy)]
pub(super) struct GatedWave<'a> {
    /// The Envoys that it has given the generation to.
    pub(super) nodes: &'a BTreeSet<NodeId>,
    /// Whether all of them have acknowledged.
    pub(super) has_passed: bool,
    /// Whether it is the last one: then nobody is left whom a closed gate would protect.
    pub(super) is_last: bool,
}

/// The word of the gates on the wave in hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum GateVerdict {
    /// The wave may end.
    Open,
    /// The wave may not end yet, for this reason.
    Closed(String),
    /// The generation is to be taken back, for this reason.
    Breached(String),
}

#[derive(Debug, Default)]
struct WatchedEnvoy {
    /// The counts of the five minutes before it was given the generation.
    usual: TrafficCounts,
    progress: Progress,
}

/// How much is known of an Envoy that has been given a generation.
#[derive(Debug, Default)]
enum Progress {
    /// Its wave has not acknowledged.
    #[default]
    Given,
    /// It has, and the Envoy had reported so often by then.
    Acknowledged { reports: u64 },
    /// It has reported since that it runs the generation, with these counts.
    Running { from: TrafficCounts },
}

impl GateKeeper {
    /// A keeper of the gates of a rollout that begins.
    pub(super) fn new(gates: Gates, configurations: BTreeMap<String, u64>) -> Self {
        Self {
            gates,
            configurations,
            envoys: BTreeMap::new(),
        }
    }

    /// Takes note of what Envoys did before they are given the generation.
    pub(super) fn give(
        &mut self,
        nodes: &BTreeSet<NodeId>,
        reported: impl Fn(&NodeId) -> Option<EnvoyNumbers>,
    ) {
        for id in nodes {
            let usual = reported(id).map_or_else(TrafficCounts::default, |numbers| numbers.lately);
            let progress = Progress::Given;
            self.envoys
                .insert(id.clone(), WatchedEnvoy { usual, progress });
        }
    }

    /// Says whether the wave in hand may end, by what Envoys report.
    pub(super) fn look(
        &mut self,
        wave: GatedWave<'_>,
        reported: impl Fn(&NodeId) -> Option<EnvoyNumbers>,
    ) -> GateVerdict {
        // Those that an earlier process gave it to: what was usual before that, nobody knows.
        for id in wave.nodes {
            self.envoys.entry(id.clone()).or_default();
        }
        let mut since_all = TrafficCounts::default();
        let mut usual_of_all = TrafficCounts::default();
        for (id, envoy) in &mut self.envoys {
            if !wave.has_passed && wave.nodes.contains(id) {
                continue;
            }
            let numbers = reported(id);
            envoy.acknowledge(numbers.as_ref().map_or(0, |numbers| numbers.reports));
            let since = |numbers| envoy.since(&numbers, &self.configurations);
            let Some(since) = numbers.and_then(since) else {
                continue;
            };
            if let Some(words) = breach(&self.gates, &since, &envoy.usual) {
                return GateVerdict::Breached(format!("Envoy `{id}` {words}"));
            }
            since_all = since_all.plus(&since);
            usual_of_all = usual_of_all.plus(&envoy.usual);
        }
        if let Some(words) = breach(&self.gates, &since_all, &usual_of_all) {
            return GateVerdict::Breached(format!("the Envoys that have it together {words}"));
        }
        if wave.is_last || self.gates.without_numbers == WithoutNumbers::Open {
            return GateVerdict::Open;
        }
        self.missing(wave.nodes, since_all.requests)
    }

    fn missing(&self, nodes: &BTreeSet<NodeId>, requests: u64) -> GateVerdict {
        let has_said = |id: &&NodeId| {
            let envoy = self.envoys.get(*id);
            envoy.is_some_and(|envoy| matches!(envoy.progress, Progress::Running { .. }))
        };
        let said = nodes.iter().filter(has_said).count();
        if said < nodes.len() {
            return GateVerdict::Closed(format!(
                "{said} of the {} Envoys of the wave have reported that they run the change",
                nodes.len()
            ));
        }
        let wanted = u64::from(self.gates.min_requests);
        if requests < wanted {
            return GateVerdict::Closed(format!(
                "the Envoys that have the change have answered {requests} of the {wanted} requests \
                 of `min_requests`"
            ));
        }
        GateVerdict::Open
    }
}

impl WatchedEnvoy {
    /// Takes note that the Envoy's wave has acknowledged, and of how often it had reported by then.
    fn acknowledge(&mut self, reports: u64) {
        if matches!(self.progress, Progress::Given) {
            self.progress = Progress::Acknowledged { reports };
        }
    }

    /// The counts since the Envoy runs the generation; nothing where it has not said so yet.
    fn since(
        &mut self,
        numbers: &EnvoyNumbers,
        configurations: &BTreeMap<String, u64>,
    ) -> Option<TrafficCounts> {
        let runs_it = configurations
            .iter()
            .all(|(label, number)| numbers.configurations.get(label) == Some(number));
        match self.progress {
            Progress::Running { from } => Some(numbers.counts.since(&from)),
            Progress::Acknowledged { reports } if runs_it && numbers.reports > reports => {
                let from = numbers.counts;
                self.progress = Progress::Running { from };
                Some(TrafficCounts::default())
            }
            Progress::Given | Progress::Acknowledged { .. } => None,
        }
    }
}

/// How counts go beyond a limit, in words that follow a name.
fn breach(gates: &Gates, since: &TrafficCounts, usual: &TrafficCounts) -> Option<String> {
    if since.requests == 0 || since.requests < u64::from(gates.min_requests) {
        return None;
    }
    let (failures, refusals) = (TrafficCounts::failures, |counts: &TrafficCounts| {
        counts.refusals
    });
    let limits = [
        (
            "error_rate",
            "failed",
            gates.error_rate,
            failures(since),
            failures(usual),
        ),
        (
            "refusals",
            "refused",
            gates.refusals,
            refusals(since),
            refusals(usual),
        ),
    ];
    limits
        .into_iter()
        .find_map(|(name, verb, limit, now, before)| {
            let limit: Share = limit?;
            let now = share(now, since.requests);
            let before = share(before, usual.requests);
            (now > before + limit.as_fraction()).then(|| {
                format!(
                    "{verb} {:.2}% of {} requests with the change, and {:.2}% before it: more than \
                 {limit} beyond that, which `rollout.gates.{name}` allows",
                    now * 100.0,
                    since.requests,
                    before * 100.0,
                )
            })
        })
}

#[allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn share(part: u64, all: u64) -> f64 {
    if all == 0 {
        0.0
    } else {
        part as f64 / all as f64
    }
}

#[cfg(test)]
mod tests;
