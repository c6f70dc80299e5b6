//! The one judge of acceptance. Pure: what the Envoys answered, what is known of them and the time
//! go in; what becomes of the generation comes out.
//!
//! A generation is accepted when an Envoy acknowledged all of it and none rejected a part. An Envoy
//! that is broken in itself counts for nobody else; one that stays silent is waited for until the
//! deadline, and then the change stands for those that answered.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use utoipa::ToSchema;
use xds::{NodeAnswer, NodeId, NodeSummary, ResourceType, Snapshot};

/// How many changes in a row an Envoy may reject alone before it counts as broken. One may be the
/// change's fault on that machine only (a port that is taken); an Envoy that finds fault with every
/// change must not stop them all.
const MOST_LONE_REJECTIONS: u32 = 2;

/// The outcome of a change, as its author is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Every connected Envoy acknowledged it.
    Accepted,
    /// It stands for the Envoys that acknowledged it; the others are broken in themselves, or
    /// silent.
    Partial,
    /// It is stored, and no Envoy has acknowledged it yet; where the control plane ends meanwhile,
    /// its next start goes on with the newest change.
    Pending,
    /// No Envoy is connected; the next one gets it.
    NoEnvoys,
    /// It says what was desired already.
    Unchanged,
    /// A later change was stored before the Envoys were sent this one, and they were sent that.
    Superseded,
    /// It was superseded, and Envoys rejected the change in its place: neither is desired any more.
    Dropped,
    /// An Envoy rejected something in it, or one of a wave before the last left it unanswered.
    Rejected,
    /// The Envoys of a wave acknowledged it, and are watched before the next ones get it.
    RollingOut,
    /// It is stored, and waits until the rollout before it is over, or until an Envoy comes that
    /// its wave could reach.
    Waiting,
    /// An operator ended its rollout before its Envoys had answered.
    Aborted,
}

/// The answer of one Envoy to a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct EnvoyAnswer {
    /// The `node.id` by which the Envoy calls itself.
    pub id: String,
    /// The Envoy's answer as a whole.
    pub state: EnvoyVerdict,
    /// Its own words, where it rejected something.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<String>,
    /// Whether it is broken in itself, so that its answer counts for no other Envoy.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub broken: bool,
}

/// One Envoy's verdict on a generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum EnvoyVerdict {
    /// It runs on it.
    Acked,
    /// It has not answered all of it yet.
    Pending,
    /// It rejected something and runs on with what it had.
    Rejected,
    /// It left something unanswered past the deadline.
    Silent,
    /// It was lost twice soon after it was sent this.
    Crashed,
}

/// One resource that an Envoy rejected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedResource {
    /// The type of the rejected resource.
    pub resource_type: ResourceType,
    /// The name of the rejected resource.
    pub name: Arc<str>,
    /// The reason in Envoy's own words.
    pub message: String,
}

/// The resources that each Envoy rejected; none for one that crashed.
pub type Rejections = BTreeMap<NodeId, Vec<RejectedResource>>;

/// Knowledge of Envoys beyond their answers to one generation.
#[derive(Debug, Clone, Default)]
pub(super) struct Marks {
    /// The Envoys that rejected what others had accepted before they came, and have acknowledged
    /// nothing in full since.
    pub(super) broken: BTreeSet<NodeId>,
    /// The Envoys that had not answered when the accepted generation was accepted. What they say of
    /// it later still counts.
    pub(super) late: BTreeSet<NodeId>,
    /// How many changes in a row each Envoy rejected that no other Envoy rejected.
    pub(super) lone_rejections: BTreeMap<NodeId, u32>,
    /// The generations with which Envoys crashed and that were taken back for it. An Envoy that
    /// crashes with another one too is broken in itself.
    pub(super) crashed_with: BTreeMap<NodeId, xds::Generation>,
}

impl Marks {
    /// Takes note of who is broken, before the Envoys are given another generation than `current`.
    pub(super) fn note_broken(
        &mut self,
        current: &Snapshot,
        accepted: Option<&Snapshot>,
        envoys: &[NodeSummary],
    ) {
        self.forget_all_but(envoys);
        for envoy in envoys {
            let has_all = envoy.desired.as_ref() == Some(current.generation())
                && envoy.answer == NodeAnswer::Acknowledged;
            if has_all {
                self.broken.remove(&envoy.id);
            } else if self.rejects_what_is_accepted(accepted, envoy) {
                self.broken.insert(envoy.id.clone());
            }
        }
    }

    /// The Envoys that may count as broken by what is known beyond their answers.
    pub(super) fn suspects(&self) -> BTreeSet<&NodeId> {
        let lone = self.lone_rejections.iter();
        let always_alone = lone
            .filter(|(_, count)| **count >= MOST_LONE_REJECTIONS)
            .map(|(id, _)| id);
        let crashed = self.crashed_with.keys();
        always_alone.chain(crashed).chain(&self.broken).collect()
    }

    /// Forgets the Envoys that the fleet has forgotten: their names come from outside, without end.
    fn forget_all_but(&mut self, envoys: &[NodeSummary]) {
        let known: BTreeSet<&NodeId> = envoys.iter().map(|envoy| &envoy.id).collect();
        self.broken.retain(|id| known.contains(id));
        self.late.retain(|id| known.contains(id));
        self.lone_rejections.retain(|id, _| known.contains(id));
        self.crashed_with.retain(|id, _| known.contains(id));
    }

    fn rejects_what_is_accepted(&self, accepted: Option<&Snapshot>, envoy: &NodeSummary) -> bool {
        !self.late.contains(&envoy.id)
            && accepted.is_some_and(|accepted| !rejected_of(accepted, envoy).is_empty())
    }
}

/// A generation that is being judged.
pub(super) struct Trial<'a> {
    /// The resources that the Envoys were given.
    pub(super) snapshot: &'a Snapshot,
    /// When they were given it.
    pub(super) began: Instant,
    pub(super) ack_deadline: Duration,
    /// Whether all of them have acknowledged it and are watched now: one that comes back has its
    /// time to answer again.
    pub(super) is_watched: bool,
    /// How long one may take that comes to it, or back to it; nothing where nobody is watched, and
    /// so nobody waited for.
    pub(super) back_within: Option<Duration>,
    /// The snapshot that Envoys accepted last, which may be this one. Whoever rejects that is
    /// broken in itself.
    pub(super) accepted: Option<&'a Snapshot>,
    pub(super) marks: &'a Marks,
}

/// The fate of a generation, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Every connected Envoy acknowledged it.
    Accepted,
    /// It stands for those that acknowledged it.
    Standing,
    /// An Envoy that counts rejected a part of it.
    Rejected,
    /// An answer may come until then.
    Waiting { until: Instant },
    /// The deadline has passed, and nobody has acknowledged or rejected it.
    Unanswered,
    /// Nobody is connected that is to have it.
    NoEnvoys,
}

/// The judge's answer: a verdict, and the facts that it rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Judgement {
    pub(super) verdict: Verdict,
    pub(super) envoys: Vec<EnvoyAnswer>,
    /// The rejections that count against the generation.
    pub(super) rejections: Rejections,
    /// The Envoys that have not answered, whether their deadline has passed or not.
    pub(super) unanswered: BTreeSet<NodeId>,
}

impl Judgement {
    /// Whether an Envoy is still looking at the generation, so that others can wait for its answer.
    pub(super) fn has_judge(&self) -> bool {
        matches!(self.verdict, Verdict::Waiting { .. })
    }

    /// The outcome where there are no waves.
    pub(super) fn outcome(&self) -> Outcome {
        match self.verdict {
            Verdict::Accepted => Outcome::Accepted,
            Verdict::Standing => Outcome::Partial,
            Verdict::Rejected => Outcome::Rejected,
            Verdict::Waiting { .. } | Verdict::Unanswered => Outcome::Pending,
            Verdict::NoEnvoys => Outcome::NoEnvoys,
        }
    }
}

/// Judges a generation by the Envoys' answers so far.
pub(super) fn judge(trial: &Trial<'_>, envoys: &[NodeSummary], now: Instant) -> Judgement {
    let mut answers = Vec::new();
    let mut against = Rejections::new();
    let mut against_by_broken = Rejections::new();
    let mut unanswered = BTreeSet::new();
    let mut deadlines = Vec::new();
    let mut deadlines_of_broken = Vec::new();
    for envoy in envoys.iter().filter(|envoy| trial.concerns(envoy)) {
        let broken = trial.is_broken(envoy);
        let rejected = trial.rejected_by(envoy);
        let deadline = trial.deadline(envoy, now);
        let state = match envoy.answer {
            _ if trial.crashed(envoy) => EnvoyVerdict::Crashed,
            NodeAnswer::Acknowledged => EnvoyVerdict::Acked,
            NodeAnswer::Rejected => EnvoyVerdict::Rejected,
            NodeAnswer::Waiting if now < deadline => EnvoyVerdict::Pending,
            NodeAnswer::Waiting => EnvoyVerdict::Silent,
        };
        match state {
            EnvoyVerdict::Rejected | EnvoyVerdict::Crashed => {
                let counted = if broken {
                    &mut against_by_broken
                } else {
                    &mut against
                };
                counted.insert(envoy.id.clone(), rejected.clone());
            }
            EnvoyVerdict::Pending => {
                let awaited = if broken {
                    &mut deadlines_of_broken
                } else {
                    &mut deadlines
                };
                awaited.push(deadline);
                unanswered.insert(envoy.id.clone());
            }
            EnvoyVerdict::Silent => {
                unanswered.insert(envoy.id.clone());
            }
            EnvoyVerdict::Acked => {}
        }
        let messages = rejected.into_iter().map(|resource| resource.message);
        answers.push(EnvoyAnswer {
            id: envoy.id.as_str().to_owned(),
            state,
            messages: messages.chain(trial.words_on_secrets(envoy)).collect(),
            broken,
        });
    }
    let acked = answers
        .iter()
        .filter(|answer| answer.state == EnvoyVerdict::Acked)
        .count();
    let only_broken_ones = answers.iter().all(|answer| answer.broken);
    if only_broken_ones && acked == 0 {
        // There is nobody else to ask.
        against.append(&mut against_by_broken);
        deadlines = deadlines_of_broken;
    }
    // Without anything to go back to, a rejection keeps nobody from what another Envoy
    // acknowledged.
    let counts = trial.accepted.is_some() || acked == 0;
    let verdict = if answers.is_empty() {
        Verdict::NoEnvoys
    } else if counts && !against.is_empty() {
        Verdict::Rejected
    } else if acked == answers.len() {
        Verdict::Accepted
    } else if let Some(until) = deadlines.into_iter().min() {
        Verdict::Waiting { until }
    } else if acked > 0 {
        Verdict::Standing
    } else {
        Verdict::Unanswered
    };
    Judgement {
        verdict,
        envoys: answers,
        rejections: against,
        unanswered,
    }
}

impl Trial<'_> {
    /// Whether an Envoy is to have the generation, or was and crashed with it.
    fn concerns(&self, envoy: &NodeSummary) -> bool {
        let is_to_have_it = envoy.desired.as_ref() == Some(self.snapshot.generation());
        envoy.streams > 0 && (is_to_have_it || self.crashed(envoy))
    }

    /// Since when an Envoy could have answered; nothing for one that is not to have it.
    fn asked_at(&self, envoy: &NodeSummary) -> Option<Instant> {
        let asked_at = envoy.assigned_at?.max(self.began);
        Some(if self.is_watched {
            asked_at.max(envoy.since)
        } else {
            asked_at
        })
    }

    /// When an Envoy that has not answered counts as silent.
    fn deadline(&self, envoy: &NodeSummary, now: Instant) -> Instant {
        let deadline = self.asked_at(envoy).unwrap_or(now) + self.ack_deadline;
        let coming = envoy.on_its_way_since.zip(self.back_within);
        coming.map_or(deadline, |(since, within)| deadline.max(since + within))
    }

    fn crashed(&self, envoy: &NodeSummary) -> bool {
        envoy.crashes.as_ref().is_some_and(|crashes| {
            crashes.is_kept_from_it && crashes.generation == *self.snapshot.generation()
        })
    }

    /// The contents of the generation that an Envoy rejected.
    fn rejected_by(&self, envoy: &NodeSummary) -> Vec<RejectedResource> {
        rejected_of(self.snapshot, envoy)
    }

    /// An Envoy's words on the secrets of the generation that it rejected. They are no part of it,
    /// and say why an Envoy does not get ready.
    fn words_on_secrets<'e>(&'e self, envoy: &'e NodeSummary) -> impl Iterator<Item = String> + 'e {
        let secrets = envoy.rejections.iter().filter(|content| {
            let of = content.resource_type;
            !of.is_judged() && self.snapshot.is_referred(of, &content.name)
        });
        secrets.map(|secret| {
            let (of, name) = (secret.resource_type, &secret.name);
            format!("{of} `{name}`: {}", secret.message.trim())
        })
    }

    fn is_broken(&self, envoy: &NodeSummary) -> bool {
        let finds_fault_with_everything = self
            .marks
            .lone_rejections
            .get(&envoy.id)
            .is_some_and(|count| *count >= MOST_LONE_REJECTIONS);
        let crashes_with_everything = self
            .marks
            .crashed_with
            .get(&envoy.id)
            .is_some_and(|generation| generation != self.snapshot.generation());
        // Nothing tells its death from a network that lets nothing through to it.
        let died_unheard = self.crashed(envoy)
            && envoy
                .crashes
                .as_ref()
                .is_some_and(|crashes| !crashes.was_heard);
        self.marks.broken.contains(&envoy.id)
            || died_unheard
            || self.marks.rejects_what_is_accepted(self.accepted, envoy)
            || finds_fault_with_everything
            || crashes_with_everything
    }
}

/// The contents of `snapshot` that an Envoy rejected.
pub(super) fn rejected_of(snapshot: &Snapshot, envoy: &NodeSummary) -> Vec<RejectedResource> {
    let rejections = envoy.rejections.iter();
    rejections
        .filter(|content| {
            snapshot
                .get(content.resource_type, &content.name)
                .is_some_and(|resource| *resource.version() == content.version)
        })
        .map(|content| RejectedResource {
            resource_type: content.resource_type,
            name: Arc::clone(&content.name),
            message: content.message.trim().to_owned(),
        })
        .collect()
}

#[cfg(test)]
mod tests;
