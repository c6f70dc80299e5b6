//! The rollout in hand where it has waves: how far it is, its gates, and the Envoys that it lost.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use envoy_reports::TrafficCounts;
use xds::{NodeId, Publisher};

use super::super::gates::{GateKeeper, GateVerdict, GatedWave};
use super::super::losses::{Losses, Members, Roll, losses};
use super::super::waves::Waves;
use crate::envoy::configuration_numbers;
use crate::generation::Built;

/// A rollout in waves, or one that is watched.
pub(super) struct Watched {
    pub(super) waves: Waves,
    /// The keeper of its gates, where the document has some.
    pub(super) gates: Option<GateKeeper>,
    /// Who is there and who is gone, once the wave in hand has been looked at.
    roll: Option<Roll>,
    /// Its Envoys that are gone, as of the last look.
    losses: Losses,
    /// When this process took it over from an earlier one, where it did.
    pub(super) resumed_at: Option<Instant>,
    /// When a wave is tried again that could not begin, whoever comes meanwhile.
    pub(super) next_try: Option<Instant>,
}

impl Watched {
    /// The rollout of a generation, before its first wave. Where no generation is accepted, or that
    /// differs in its endpoints alone, there is nothing to watch it beside.
    pub(super) fn of(built: &Built, accepted: Option<&Built>) -> Option<Self> {
        accepted.filter(|accepted| accepted.generation() != built.generation())?;
        Some(Self::with(built, Waves::of(&built.document.rollout)?))
    }

    /// The rollout of a generation that an earlier process had in hand, with the numbers that were
    /// usual before it.
    pub(super) fn resumed(
        built: &Built,
        waves: Waves,
        usual: &BTreeMap<NodeId, TrafficCounts>,
        now: Instant,
    ) -> Self {
        let mut watched = Self::with(built, waves);
        watched.resumed_at = Some(now);
        if let Some(gates) = &mut watched.gates {
            gates.resume(watched.waves.reached(), usual);
        }
        watched
    }

    fn with(built: &Built, waves: Waves) -> Self {
        let gates = built.document.rollout.gates.clone();
        let gates = gates.map(|gates| {
            let configurations = configuration_numbers(&built.document, &built.snapshot);
            GateKeeper::new(gates, configurations)
        });
        Self {
            waves,
            gates,
            roll: None,
            losses: Losses::default(),
            resumed_at: None,
            next_try: None,
        }
    }

    /// Takes in that the wave in hand gives the generation to `nodes` now. Gives the numbers that
    /// were usual with each Envoy of the rollout, where gates compare with them.
    pub(super) fn begin(
        &mut self,
        nodes: BTreeSet<NodeId>,
        publisher: &Publisher,
    ) -> Option<BTreeMap<NodeId, TrafficCounts>> {
        let usual = self.gates.as_mut().map(|gates| {
            let reports = publisher.reports();
            gates.give(&nodes, |id| reports.envoy(id.as_str()));
            gates.usual()
        });
        self.waves.begin(nodes);
        self.roll = None;
        usual
    }

    /// Goes on to the next wave, which does not wait for whom an operator did not wait for.
    pub(super) fn advance(&mut self) {
        if self.waves.is_promoted() {
            self.losses.excuse_all();
        }
        self.waves.advance();
    }

    /// Looks for the Envoys of the rollout that are gone: at everybody when a wave begins, and from
    /// then on at those who come and go, or become another matter with time.
    pub(super) fn look_for_losses(
        &mut self,
        publisher: &Publisher,
        current: &Built,
        now: Instant,
    ) -> Losses {
        let (roll, is_news) = match &mut self.roll {
            Some(roll) => {
                let is_news = roll.take_in(publisher.attendance_news());
                (roll, is_news)
            }
            unknown => {
                let reached = self.waves.reached().cloned().collect();
                let called = Roll::new(reached, publisher.attendance());
                (unknown.insert(called), true)
            }
        };
        let is_due = self.losses.until.is_some_and(|until| now >= until);
        if is_news || is_due {
            let members = Members {
                generation: current.generation(),
                patience: current.document.rollout.ack_deadline.duration(),
                resumed_at: self.resumed_at,
                excused: &self.losses.excused,
            };
            self.losses = losses(members, roll, now);
        }
        self.losses.clone()
    }

    /// Looks at what the Envoys report that have been given the generation.
    pub(super) fn look_at_gates(&mut self, publisher: &Publisher) -> GateVerdict {
        let Some(gates) = &mut self.gates else {
            return GateVerdict::Open;
        };
        let has_left = |id: &NodeId| {
            let roll = self.roll.as_ref();
            roll.is_some_and(|roll| self.losses.has_left(id, roll))
        };
        let wave = GatedWave {
            nodes: self.waves.in_hand(),
            has_passed: self.waves.has_passed(),
            is_last: self.waves.is_last(),
            has_left: &has_left,
        };
        let reports = publisher.reports();
        gates.look(wave, |id| reports.envoy(id.as_str()))
    }
}
