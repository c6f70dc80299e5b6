//! The numbers that an Envoy reports, which are shown with what it was sent.

use std::collections::BTreeMap;

use envoy_reports::{EnvoyNumbers, TrafficCounts};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::envoy::configuration_numbers;
use crate::gateway::Gateway;
use crate::generation::Built;
use crate::timestamp::timestamp;

/// The numbers that an Envoy reports of itself; missing where its bootstrap has no sink for them.
#[derive(Serialize, ToSchema)]
pub(super) struct Reported {
    /// The time at which it reported last.
    at: String,
    /// The generation that its filters say they run.
    runs: RunningGeneration,
    /// Requests that it has answered in the last five minutes.
    requests: u64,
    /// Those that failed: a status of 500 or above, or a server that did not answer.
    failures: u64,
    /// Requests that its filters have refused in the last five minutes.
    refusals: u64,
    /// How often a virtual machine of its filters was made anew in the last five minutes.
    reloads: u64,
}

/// The generation whose configurations an Envoy's filters say that they run.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum RunningGeneration {
    /// The one that Envoys are given now.
    Current,
    /// The one that was accepted last, while another one is tried.
    Accepted,
    /// Neither of them, or only in part.
    Another,
}

/// The configurations by which an Envoy's word is read.
pub(super) struct KnownConfigurations {
    current: BTreeMap<String, u64>,
    accepted: BTreeMap<String, u64>,
}

impl KnownConfigurations {
    pub(super) fn of(gateway: &Gateway) -> Self {
        let (current, accepted) = {
            let state = gateway.read();
            (state.current.clone(), state.accepted.clone())
        };
        let numbers = |built: &Built| configuration_numbers(&built.document, &built.snapshot);
        Self {
            current: numbers(&current),
            accepted: accepted.map_or_else(BTreeMap::new, |accepted| numbers(&accepted)),
        }
    }

    fn running(&self, numbers: &EnvoyNumbers) -> RunningGeneration {
        let runs = |wanted: &BTreeMap<String, u64>| {
            let runs_one = |(label, number)| numbers.configurations.get(label) == Some(number);
            !wanted.is_empty() && wanted.iter().all(runs_one)
        };
        if runs(&self.current) {
            RunningGeneration::Current
        } else if runs(&self.accepted) {
            RunningGeneration::Accepted
        } else {
            RunningGeneration::Another
        }
    }
}

/// The numbers of the Envoy of that name.
pub(super) fn of(gateway: &Gateway, id: &str, known: &KnownConfigurations) -> Option<Reported> {
    let publisher = gateway.publisher();
    let numbers = publisher.reports().envoy(id)?;
    let ago = publisher
        .clock()
        .now()
        .saturating_duration_since(numbers.heard_at);
    let lately: &TrafficCounts = &numbers.lately;
    Some(Reported {
        at: timestamp(OffsetDateTime::now_utc() - ago),
        runs: known.running(&numbers),
        requests: lately.requests,
        failures: lately.failures(),
        refusals: lately.refusals,
        reloads: lately.reloads,
    })
}
