//! The Envoys that a rollout has lost. Pure: who comes and goes, and the time, go in; who is waited
//! for, and whose end the change has to answer for, comes out.
//!
//! An Envoy that is there no more has died of what it runs, or somebody has taken it out; it does
//! not say which. Three things tell: whether it had run the change for a minute, whether it comes
//! back to it within another one, and whether Envoys without the change go in the same way.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use xds::{Departure, Generation, NodeId, StreamEnd};

pub(super) use roll::Roll;

mod roll;

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
    /// The first by name of the members that were given the change by an earlier process, may come
    /// back to this one, and have not done so yet, and how many they are.
    unseen: Option<(NodeId, usize)>,
    /// The members that ended within a minute of taking the change and did not come back in time,
    /// where a larger share of them than of the other Envoys did so: the change has to answer for
    /// these.
    pub(super) lost: BTreeSet<NodeId>,
    /// The members that went for another reason, and are not waited for, as far as the fleet
    /// remembers them.
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
    pub(super) generation: &'a Generation,
    /// How long one is missing before it has left: one whose stream is being opened anew has not.
    pub(super) patience: Duration,
    /// When this process took the rollout over from an earlier one, which had given it to them.
    pub(super) resumed_at: Option<Instant>,
    /// Those that an earlier look at the rollout has excused, and when they went.
    pub(super) excused: &'a BTreeMap<NodeId, Instant>,
}

/// Says which of the members are gone, and why.
pub(super) fn losses(members: Members<'_>, roll: &Roll, now: Instant) -> Losses {
    step_count::count(roll.away.len() + roll.others.len());
    let Members {
        generation,
        patience,
        resumed_at,
        excused,
    } = members;
    let seen_by = resumed_at.map(|at| at + BACK_WITHIN);
    let mut losses = Losses::default();
    let mut changes = Vec::new();
    // Soon after a restart these may still come. Otherwise the fleet has forgotten them, as it does
    // with those that were gone for longest, and they have left.
    let seen_by = seen_by.filter(|seen_by| now < *seen_by);
    if let (Some(seen_by), Some(first)) = (seen_by, roll.unknown.first()) {
        losses.unseen = Some((first.clone(), roll.unknown.len()));
        changes.push(seen_by);
    }
    let [mut with, mut without] = [Side::default(), Side::default()];
    [with.there, without.there] = roll.there();
    without.ends.extend(roll.others.values());
    let mut overdue = Vec::new();
    for (id, (since, departure)) in &roll.away {
        let since = *since;
        let back_by = since + BACK_WITHIN.max(patience);
        if excused.get(id) == Some(&since) {
            with.ends.push(since);
            losses.excused.insert(id.clone(), since);
            losses.left.insert(id.clone());
            continue;
        }
        if !may_have_died_of(generation, departure, resumed_at.is_some()) {
            if now < since + patience {
                with.there += 1;
                changes.push(since + patience);
            } else {
                losses.left.insert(id.clone());
            }
        } else if now < back_by {
            with.there += 1;
            losses.awaited.insert(id.clone());
            losses.ends.insert(id.clone(), since);
            changes.push(back_by);
        } else {
            with.ends.push(since);
            overdue.push((id, since));
        }
    }
    with.ends.sort_unstable();
    without.ends.sort_unstable();
    for (id, at) in overdue {
        let shares = [with.gone_at(at), without.gone_at(at)];
        if !shares[0].is_more_than(shares[1]) {
            losses.excused.insert(id.clone(), at);
            losses.left.insert(id.clone());
            continue;
        }
        if losses.lost.is_empty() {
            losses.shares = shares;
        }
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

    /// Whether a member is gone and not waited for.
    pub(super) fn has_left(&self, id: &NodeId, roll: &Roll) -> bool {
        self.left.contains(id) || (self.is_complete() && roll.unknown.contains(id))
    }

    /// Whether all members that may come back to this process have done so.
    pub(super) fn is_complete(&self) -> bool {
        self.unseen.is_none()
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
        self.unseen.as_ref().map(|(first, count)| {
            format!(
                "{} has not come back since the control plane was started; the wave waits a minute \
                 for it",
                first_of(first, *count)
            )
        })
    }
}

/// The first of these Envoys by name, and how many there are besides.
fn named(envoys: &BTreeSet<NodeId>) -> String {
    let first = envoys.first().map(|first| first_of(first, envoys.len()));
    first.unwrap_or_default()
}

fn first_of(first: &NodeId, count: usize) -> String {
    match count {
        0 | 1 => format!("Envoy `{first}`"),
        several => format!("Envoy `{first}` and {} more", several - 1),
    }
}

#[cfg(test)]
mod tests;
