//! The Envoys that a rollout has lost. Pure: the fleet and the time go in; who is waited for, and
//! whose end the change has to answer for, comes out.
//!
//! An Envoy that is there no more has died of what it runs, or somebody has taken it out; it does
//! not say which. Three things tell: whether it had run the change for a minute, whether it comes
//! back to it within another one, and whether Envoys without the change go in the same way.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use xds::{Departure, Generation, NodeId, NodeSummary, StreamEnd};

/// For how long an Envoy must have run a change before its end is another matter: as long as `xds`
/// calls the loss of a connection a crash, for the same reason. A filter that traps does so on the
/// first calls. With more, each autoscaler would meet it.
const TRIED: Duration = Duration::from_secs(60);
/// How long an Envoy that was lost is waited for, and one that is back until it has acknowledged
/// the change again: supervisors start anew what crashed after ten seconds, or twenty the second
/// time, and an Envoy that starts waits up to fifteen for each thing that it is not sent at once.
pub(super) const BACK_WITHIN: Duration = Duration::from_secs(60);

/// The Envoys of a rollout that are gone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Losses {
    /// The members that ended within a minute of taking the change, and may come back.
    pub(super) awaited: BTreeSet<NodeId>,
    /// The members that were given the change by an earlier process, may come back to this one, and
    /// have not done so yet.
    pub(super) unseen: BTreeSet<NodeId>,
    /// The members that ended within a minute of taking the change and did not come back in time,
    /// where a larger share of them than of the other Envoys did so: the change has to answer for
    /// these.
    pub(super) lost: BTreeSet<NodeId>,
    /// The members that went for another reason, and are not waited for.
    pub(super) left: BTreeSet<NodeId>,
    /// When time alone will move one of them from one of these sets to another.
    pub(super) until: Option<Instant>,
    /// When those went whose end nobody asks the change about any more: as many of the others went
    /// with them, or an operator did not wait for them. An end is judged once: later the others are
    /// back, or there are more of them.
    pub(super) excused: BTreeMap<NodeId, Instant>,
    /// When the awaited and the lost went.
    ends: BTreeMap<NodeId, Instant>,
    /// How many of those that have the change went when the first of the lost did, and how many of
    /// the others, of how many each.
    shares: [Part; 2],
}

/// How far apart the ends of two Envoys may be that have one reason: a process has a minute to run
/// the change, and one to come back to it.
const AT_ONCE: Duration = Duration::from_secs(TRIED.as_secs() + BACK_WITHIN.as_secs());

/// The Envoys that have the change, or those that have not.
#[derive(Debug, Default)]
struct Side {
    /// How many of them are there, or may come back.
    there: usize,
    /// When the others of them went, in order once all are known.
    ends: Vec<Instant>,
}

impl Side {
    /// How many of them went about that time.
    fn gone_at(&self, at: Instant) -> Part {
        let before = self.ends.partition_point(|end| *end + AT_ONCE < at);
        let until = self.ends.partition_point(|end| *end <= at + AT_ONCE);
        let gone = until - before;
        Part {
            gone,
            all: self.there + gone,
        }
    }
}

/// So many of so many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Part {
    gone: usize,
    all: usize,
}

impl Part {
    /// Whether its share is the greater one. Nobody of nobody is no share.
    fn is_more_than(self, other: Self) -> bool {
        self.gone > 0 && self.gone * other.all.max(1) > other.gone * self.all
    }
}

/// The Envoys of a rollout, and the times by which their absence is judged.
#[derive(Debug, Clone, Copy)]
pub(super) struct Members<'a> {
    /// The Envoys that were given the generation.
    pub(super) ids: &'a BTreeSet<NodeId>,
    pub(super) generation: &'a Generation,
    /// How long one is missing before it has left: one whose stream is being opened anew has not.
    pub(super) patience: Duration,
    /// When this process took the rollout over from an earlier one, which had given it to them.
    pub(super) resumed_at: Option<Instant>,
    /// Those that an earlier look at the rollout has excused, and when they went.
    pub(super) excused: &'a BTreeMap<NodeId, Instant>,
}

/// Says which of the members are gone, and why.
pub(super) fn losses(members: Members<'_>, envoys: &[NodeSummary], now: Instant) -> Losses {
    let Members {
        ids,
        generation,
        patience,
        resumed_at,
        excused,
    } = members;
    let known: BTreeSet<&NodeId> = envoys.iter().map(|envoy| &envoy.id).collect();
    let unknown = ids.iter().filter(|id| !known.contains(id)).cloned();
    let seen_by = resumed_at.map(|at| at + BACK_WITHIN);
    let seen_by = seen_by.filter(|seen_by| now < *seen_by);
    // Soon after a restart these may still come. Otherwise the fleet has forgotten them, as it does
    // with those that were gone for longest, and they have left.
    let unseen: BTreeSet<NodeId> = unknown.filter(|_| seen_by.is_some()).collect();
    let mut losses = Losses {
        left: ids.difference(&unseen).cloned().collect(),
        ..Losses::default()
    };
    let mut changes: Vec<Instant> = seen_by.filter(|_| !unseen.is_empty()).into_iter().collect();
    losses.unseen = unseen;
    let [mut with, mut without] = [Side::default(), Side::default()];
    let mut overdue = Vec::new();
    for envoy in envoys {
        let is_member = ids.contains(&envoy.id);
        let Some(departure) = &envoy.departure else {
            let side = if is_member { &mut with } else { &mut without };
            side.there += 1;
            losses.left.remove(&envoy.id);
            continue;
        };
        if !is_member {
            if departure.by == StreamEnd::ByEnvoy {
                without.ends.push(envoy.since);
            }
            continue;
        }
        if excused.get(&envoy.id) == Some(&envoy.since) {
            with.ends.push(envoy.since);
            losses.excused.insert(envoy.id.clone(), envoy.since);
            continue;
        }
        let back_by = envoy.since + BACK_WITHIN.max(patience);
        if !may_have_died_of(generation, departure, resumed_at.is_some()) {
            if now < envoy.since + patience {
                with.there += 1;
                losses.left.remove(&envoy.id);
                changes.push(envoy.since + patience);
            }
        } else if now < back_by {
            with.there += 1;
            losses.left.remove(&envoy.id);
            losses.awaited.insert(envoy.id.clone());
            losses.ends.insert(envoy.id.clone(), envoy.since);
            changes.push(back_by);
        } else {
            with.ends.push(envoy.since);
            overdue.push((&envoy.id, envoy.since));
        }
    }
    with.ends.sort_unstable();
    without.ends.sort_unstable();
    for (id, at) in overdue {
        let shares = [with.gone_at(at), without.gone_at(at)];
        if !shares[0].is_more_than(shares[1]) {
            losses.excused.insert(id.clone(), at);
            continue;
        }
        if losses.lost.is_empty() {
            losses.shares = shares;
        }
        losses.left.remove(id);
        losses.lost.insert(id.clone());
        losses.ends.insert(id.clone(), at);
    }
    losses.until = changes.into_iter().min();
    losses
}

/// Whether an Envoy left so soon after it was given the generation that it may have died of it. An
/// earlier process may have given it to it long before this one saw it (`is_resumed`).
fn may_have_died_of(generation: &Generation, departure: &Departure, is_resumed: bool) -> bool {
    let has_tried = departure.ran.as_ref().is_some_and(|ran| {
        let is_from_before = is_resumed && ran.may_have_begun_earlier;
        ran.generation == *generation && (ran.lasted >= TRIED || is_from_before)
    });
    departure.by == StreamEnd::ByEnvoy && !has_tried
}

impl Losses {
    /// Why the generation is taken back.
    pub(super) fn reason(&self) -> String {
        let [with, without] = self.shares;
        format!(
            "{} ended within a minute of taking the change, and did not come back to it within \
             another one: so did {} of the {} Envoys that have it, and {} of {} others; if \
             somebody has taken them out, make the change again",
            named(&self.lost),
            with.gone,
            with.all,
            without.gone,
            without.all,
        )
    }

    /// Takes in that an operator does not wait for those that are gone.
    pub(super) fn excuse_all(&mut self) {
        self.excused.append(&mut self.ends);
    }

    /// Whether all members that may come back to this process have done so.
    pub(super) fn is_complete(&self) -> bool {
        self.unseen.is_empty()
    }

    /// Words on whom the wave waits for; nothing where it waits for nobody.
    pub(super) fn wait(&self) -> Option<String> {
        if !self.awaited.is_empty() {
            return Some(format!(
                "{} ended within a minute of taking the change; the wave waits a minute for it to \
                 come back",
                named(&self.awaited)
            ));
        }
        (!self.unseen.is_empty()).then(|| {
            format!(
                "{} has not come back since the control plane was started; the wave waits a minute \
                 for it",
                named(&self.unseen)
            )
        })
    }
}

/// The first of these Envoys by name, and how many there are besides.
fn named(envoys: &BTreeSet<NodeId>) -> String {
    let first = envoys.first().map(ToString::to_string).unwrap_or_default();
    match envoys.len() {
        0 | 1 => format!("Envoy `{first}`"),
        several => format!("Envoy `{first}` and {} more", several - 1),
    }
}

#[cfg(test)]
mod tests;
