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
#[derive(Clone, Copy)]
pub(super) struct GatedWave<'a> {
    /// The Envoys that it has given the generation to.
    pub(super) nodes: &'a BTreeSet<NodeId>,
    /// Whether all of them have acknowledged.
    pub(super) has_passed: bool,
    /// Whether it is the last one: then nobody is left whom a closed gate would protect.
    pub(super) is_last: bool,
    /// Whether one of its Envoys is gone and not waited for any more.
    pub(super) has_left: &'a dyn Fn(&NodeId) -> bool,
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

    /// Goes on with Envoys that an earlier process gave the generation to, and with what was usual
    /// before that as far as it was stored. The rest is counted anew.
    pub(super) fn resume<'n>(
        &mut self,
        nodes: impl Iterator<Item = &'n NodeId>,
        usual: &BTreeMap<NodeId, TrafficCounts>,
    ) {
        for id in nodes {
            let usual = usual.get(id).copied().unwrap_or_default();
            let progress = Progress::Given;
            self.envoys
                .insert(id.clone(), WatchedEnvoy { usual, progress });
        }
    }

    /// The counts of each Envoy before it was given the generation, for the next process.
    pub(super) fn usual(&self) -> BTreeMap<NodeId, TrafficCounts> {
        let counted = self.envoys.iter().map(|(id, envoy)| (id, envoy.usual));
        counted
            .filter(|(_, usual)| usual.requests > 0)
            .map(|(id, usual)| (id.clone(), usual))
            .collect()
    }

    /// Says whether the wave in hand may end, by what Envoys report.
    pub(super) fn look(
        &mut self,
        wave: GatedWave<'_>,
        reported: impl Fn(&NodeId) -> Option<EnvoyNumbers>,
    ) -> GateVerdict {
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
        let has_reported = |id: &NodeId| reported(id).is_some();
        self.missing(wave, since_all.requests, has_reported)
    }

    /// Says what is still to be reported. An Envoy that has left is not waited for, unless none of
    /// the wave is left: then nobody would have measured the change.
    fn missing(
        &self,
        wave: GatedWave<'_>,
        requests: u64,
        has_reported: impl Fn(&NodeId) -> bool,
    ) -> GateVerdict {
        let has_said = |id: &NodeId| {
            let envoy = self.envoys.get(id);
            envoy.is_some_and(|envoy| matches!(envoy.progress, Progress::Running { .. }))
        };
        let awaited = wave.nodes.iter().filter(|id| !(wave.has_left)(id));
        let awaited: Vec<&NodeId> = awaited.collect();
        if awaited.is_empty() {
            return GateVerdict::Closed(
                "every Envoy of the wave has left: promote or abort the rollout, or have one of \
                 them come back"
                    .to_owned(),
            );
        }
        let silent: Vec<&NodeId> = awaited.iter().copied().filter(|id| !has_said(id)).collect();
        if !silent.is_empty() {
            return GateVerdict::Closed(format!(
                "{} of the {} Envoys of the wave have reported that they run the change; {}",
                awaited.len() - silent.len(),
                awaited.len(),
                named(&silent, has_reported),
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

/// More names than that are no help.
const MOST_NAMED: usize = 3;

/// Who is still to report, and who never has.
fn named(silent: &[&NodeId], has_reported: impl Fn(&NodeId) -> bool) -> String {
    let names = silent.iter().take(MOST_NAMED).map(|id| {
        if has_reported(id) {
            format!("`{id}` does not yet")
        } else {
            format!("`{id}` reports nothing, for which its bootstrap needs the statistics sink")
        }
    });
    let mut words: Vec<String> = names.collect();
    if silent.len() > MOST_NAMED {
        words.push(format!("and {} others", silent.len() - MOST_NAMED));
    }
    words.join(", ")
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
