//! The waves of a rollout: which Envoys are in which, and when the next one may begin. Pure: the
//! fleet, the judgement and the time go in; what happens next comes out.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gateway_document::{NodeGroup, Reach, Rollout};
use sha2::{Digest, Sha256};
use xds::{Generation, NodeAnswer, NodeId, NodeSelector, NodeSummary};

use super::acceptance::{EnvoyVerdict, Judgement, Verdict};

/// How far a rollout is that has several waves, or one that is watched.
#[derive(Debug, Clone)]
pub(super) struct Waves {
    steps: Vec<Step>,
    /// The position of the wave in hand.
    at: usize,
    /// Whether the wave in hand has been given the generation.
    has_begun: bool,
    /// Whether no wave is to end by itself.
    pub(super) is_paused: bool,
    /// Whether the wave in hand is to begin at once, or to end as soon as its Envoys have
    /// acknowledged if it has begun.
    is_promoted: bool,
    /// When the Envoys of the wave in hand had all acknowledged for the first time.
    passed_at: Option<Instant>,
}

/// One wave of a rollout.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) reach: Reach,
    pub(super) soak: Duration,
    /// The Envoys that it has given the generation to, those of earlier waves left out.
    pub(super) nodes: Arc<BTreeSet<NodeId>>,
}

/// The Envoys that a wave gives the generation to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Choice {
    /// These, of which none has it yet; none where all that it reaches have it already.
    These(BTreeSet<NodeId>),
    /// Nobody is connected that it could reach.
    Nobody,
}

/// The consequence of a judgement that is no rejection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing, until somebody answers or that time has come.
    Wait { until: Option<Instant> },
    /// The wave's Envoys have acknowledged, and are watched until that time, or until an operator
    /// resumes the rollout.
    Watch { until: Option<Instant> },
    /// The next wave begins.
    Advance,
    /// Every wave is over.
    Accept,
    /// An Envoy of a wave before the last one stays silent.
    GoBack,
    /// In the last wave no Envoy answers.
    Pending,
}

impl Waves {
    /// The waves of a rollout, before the first one; nothing where there is one that is not
    /// watched.
    pub(super) fn of(rollout: &Rollout) -> Option<Self> {
        rollout.is_watched().then(|| Self::all_of(rollout))
    }

    /// The waves of a rollout, before the first one, also where nobody watches it.
    pub(super) fn all_of(rollout: &Rollout) -> Self {
        let steps = rollout.steps().into_iter().map(|(reach, soak)| Step {
            reach,
            soak: soak.duration(),
            nodes: Arc::default(),
        });
        Self {
            steps: steps.collect(),
            at: 0,
            has_begun: false,
            is_paused: false,
            is_promoted: false,
            passed_at: None,
        }
    }

    /// The same waves as they were when an earlier process ended: what was given stays given, and
    /// the wave in hand is judged and watched anew. A wave that had been given to nobody has not
    /// begun.
    pub(super) fn resumed(
        mut self,
        at: usize,
        nodes: impl IntoIterator<Item = Arc<BTreeSet<NodeId>>>,
        is_paused: bool,
    ) -> Self {
        for (step, nodes) in self.steps.iter_mut().zip(nodes) {
            step.nodes = nodes;
        }
        self.at = at.min(self.steps.len() - 1);
        self.has_begun = !self.steps[self.at].nodes.is_empty();
        self.is_paused = is_paused;
        self
    }

    pub(super) fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The position of the wave in hand, from 0.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn is_last(&self) -> bool {
        self.at + 1 == self.steps.len()
    }

    pub(super) fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Whether everyone is to have the generation: the last wave has begun.
    pub(super) fn reaches_everyone(&self) -> bool {
        self.is_last() && self.has_begun
    }

    /// Whether the Envoys of the wave in hand have all acknowledged.
    pub(super) fn has_passed(&self) -> bool {
        self.passed_at.is_some()
    }

    /// The Envoys that the wave in hand has given the generation to.
    pub(super) fn in_hand(&self) -> &BTreeSet<NodeId> {
        &self.steps[self.at].nodes
    }

    /// Every Envoy that has been given the generation as a member of a wave.
    pub(super) fn reached(&self) -> impl Iterator<Item = &NodeId> {
        self.steps.iter().flat_map(|step| &*step.nodes)
    }

    /// The groups whose wave is over: whoever joins one of them gets what it has.
    pub(super) fn promoted_groups(&self) -> impl Iterator<Item = &gateway_document::GroupName> {
        self.steps[..self.at]
            .iter()
            .filter_map(|step| match &step.reach {
                Reach::Group(name) => Some(name),
                Reach::Envoys(_) | Reach::Percent(_) => None,
            })
    }

    /// Chooses the Envoys of the wave in hand. The choice depends on the generation and their names
    /// alone, among those that have answered what they were given before.
    pub(super) fn choose(
        &self,
        rollout: &Rollout,
        generation: &Generation,
        envoys: &[NodeSummary],
        suspects: &BTreeSet<&NodeId>,
    ) -> Choice {
        let reach = &self.steps[self.at].reach;
        let reached: BTreeSet<&NodeId> = self.reached().collect();
        let connected: Vec<&NodeSummary> =
            envoys.iter().filter(|envoy| envoy.streams > 0).collect();
        let group = match reach {
            Reach::Group(name) => rollout.groups.get(name).map(selector),
            Reach::Envoys(_) | Reach::Percent(_) => Some(NodeSelector::default()),
        };
        let within: Vec<&NodeSummary> = connected
            .iter()
            .filter(|envoy| {
                let selects = |group: &NodeSelector| group.selects(&envoy.description);
                group.as_ref().is_some_and(selects)
            })
            .copied()
            .collect();
        if within.is_empty() && *reach != Reach::ALL {
            return Choice::Nobody;
        }
        let wanted = match reach {
            Reach::Envoys(count) => usize::try_from(*count).unwrap_or(usize::MAX),
            Reach::Percent(share) => (connected.len() * usize::from(*share)).div_ceil(100),
            Reach::Group(_) => within.len(),
        };
        let (have_it, lack_it): (Vec<&NodeSummary>, Vec<&NodeSummary>) = within
            .into_iter()
            .partition(|envoy| reached.contains(&envoy.id));
        let is_well = |envoy: &&NodeSummary| {
            let answers = envoy.answer == NodeAnswer::Acknowledged || envoy.desired.is_none();
            answers && !suspects.contains(&envoy.id)
        };
        // One that is silent or broken already tells nothing of the generation; the last wave
        // reaches it too.
        let has_well = *reach != Reach::ALL && lack_it.iter().any(is_well);
        let mut candidates: Vec<&NodeId> = lack_it
            .iter()
            .filter(|envoy| !has_well || is_well(envoy))
            .map(|envoy| &envoy.id)
            .collect();
        candidates.sort_by_cached_key(|id| rank(generation, id));
        let lacking = wanted.saturating_sub(have_it.len());
        Choice::These(candidates.into_iter().take(lacking).cloned().collect())
    }

    /// The words for a wave in hand that has nobody to begin with.
    pub(super) fn missing(&self) -> String {
        match &self.steps[self.at].reach {
            Reach::Group(name) => format!("no connected Envoy is in the group `{name}`"),
            Reach::Envoys(_) | Reach::Percent(_) => "no Envoy is connected".to_owned(),
        }
    }

    /// Takes in that the wave in hand gives the generation to `nodes` now. The word of an operator
    /// that let it begin does not end it.
    pub(super) fn begin(&mut self, nodes: BTreeSet<NodeId>) {
        let step = &mut self.steps[self.at];
        if nodes.is_empty() && self.at > 0 {
            // There is nobody new to watch.
            step.soak = Duration::ZERO;
        }
        step.nodes = Arc::new(nodes);
        self.has_begun = true;
        self.is_promoted = false;
    }

    /// Takes in that the wave in hand could not be given the generation after all.
    pub(super) fn put_off(&mut self) {
        self.steps[self.at].nodes = Arc::default();
        self.has_begun = false;
    }

    /// Takes in that these Envoys have the generation too: they came to a group whose wave is over,
    /// or while everyone was given it.
    pub(super) fn join(&mut self, nodes: impl IntoIterator<Item = NodeId>) {
        let reached: BTreeSet<NodeId> = self.reached().cloned().collect();
        let new = nodes.into_iter().filter(|id| !reached.contains(id));
        Arc::make_mut(&mut self.steps[self.at].nodes).extend(new);
    }

    /// Goes on to the next wave.
    pub(super) fn advance(&mut self) {
        self.at = (self.at + 1).min(self.steps.len() - 1);
        self.has_begun = false;
        self.is_promoted = false;
        self.passed_at = None;
    }

    /// Lets the wave in hand begin, or end as soon as its Envoys have acknowledged if it has begun.
    pub(super) fn promote(&mut self) {
        self.is_promoted = true;
    }

    /// Whether an operator wants the wave in hand to begin, or to end if it has begun.
    pub(super) fn is_promoted(&self) -> bool {
        self.is_promoted
    }

    /// Whether the wave in hand is watched at this time, so that only a rejection matters.
    pub(super) fn is_watched(&self, now: Instant) -> bool {
        let is_over = self.soak_end().is_none_or(|end| now >= end);
        self.has_passed() && !self.is_promoted && (self.is_paused || !is_over)
    }

    /// When the wave in hand has been watched for long enough; nothing while its Envoys have not
    /// all acknowledged.
    pub(super) fn soak_end(&self) -> Option<Instant> {
        Some(self.passed_at? + self.steps[self.at].soak)
    }

    /// Decides what follows from a judgement of the wave in hand that is no rejection. Where the
    /// judgement is not of all that have the generation (`is_complete`), the wave is not watched
    /// yet: its time begins with the last acknowledgement.
    pub(super) fn next(&mut self, judgement: &Judgement, is_complete: bool, now: Instant) -> Next {
        let is_silent = judgement
            .envoys
            .iter()
            .any(|envoy| envoy.state == EnvoyVerdict::Silent && !envoy.broken);
        match judgement.verdict {
            Verdict::Waiting { until } => return Next::Wait { until: Some(until) },
            Verdict::NoEnvoys if self.is_last() => return Next::Pending,
            // Nobody is left to acknowledge it, and an operator does not wait for those.
            Verdict::NoEnvoys if self.is_promoted && is_complete => return Next::Advance,
            Verdict::NoEnvoys | Verdict::Rejected => return Next::Wait { until: None },
            Verdict::Unanswered if self.is_last() => return Next::Pending,
            Verdict::Unanswered => return Next::GoBack,
            Verdict::Standing if is_silent && !self.is_last() => return Next::GoBack,
            Verdict::Accepted | Verdict::Standing => {}
        }
        if !is_complete && !self.has_passed() && !self.is_promoted && !self.is_last() {
            return Next::Wait { until: None };
        }
        let end = *self.passed_at.get_or_insert(now) + self.steps[self.at].soak;
        if self.is_promoted || (!self.is_paused && now >= end) {
            return if self.is_last() {
                Next::Accept
            } else {
                Next::Advance
            };
        }
        let until = (!self.is_paused).then_some(end);
        Next::Watch { until }
    }
}

/// The selection of a group's Envoys, as the fleet knows them.
#[must_use]
pub fn selector(group: &NodeGroup) -> NodeSelector {
    NodeSelector {
        cluster: group.cluster.clone(),
        labels: group.labels.clone(),
    }
}

/// The place of an Envoy in the order of a generation. Each generation has another one, so that an
/// Envoy that is sick in a way of its own does not try every change first.
fn rank(generation: &Generation, id: &NodeId) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(generation.as_str());
    hasher.update([0]);
    hasher.update(id.as_str());
    hasher.finalize().into()
}

#[cfg(test)]
mod tests;
