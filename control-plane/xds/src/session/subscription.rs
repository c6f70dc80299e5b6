//! One Envoy's subscription to one type: the names that it asked for, and what it has of them.

mod answers;
mod comparing;
mod fetching;
mod taking_back;
mod tracked;
mod world;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::Instant,
};

use super::memory::{Fetch, Process, Rejection, TypeMemory};
use crate::{Resource, ResourceType, Snapshot, Version};
pub(super) use taking_back::TakenBack;
pub(super) use tracked::{Demand, Greeting, Outstanding, Pace, Reply, Tracked, Wildcard};
pub(super) use world::{Earlier, NextSet, World};

/// The name that subscribes to everything of a type.
pub(super) const WILDCARD: &str = "*";

/// One type's part of a [`super::Session`].
#[derive(Debug, Default)]
pub(crate) struct Subscription {
    /// Nothing where the stream speaks the incremental protocol.
    pub(super) world: Option<World>,
    pub(super) wildcard: Wildcard,
    /// The names that the Envoy asked for one by one.
    pub(super) named: BTreeSet<Arc<str>>,
    /// The names that the Envoy has, was sent, or waits for.
    pub(super) tracked: BTreeMap<Arc<str>, Tracked>,
    /// The names for which something is to be sent: the desired version, or that there is none.
    pub(super) pending: BTreeSet<Arc<str>>,
    /// The tracked names that the Envoy has just asked for.
    pub(super) asked: BTreeSet<Arc<str>>,
    /// The names whose last sent version was neither acknowledged nor rejected.
    pub(super) unheard: BTreeSet<Arc<str>>,
    /// The names that other resources refer to and that the Envoy does not ask for, or not yet.
    pub(super) missing: BTreeSet<Arc<str>>,
    /// The names of batches that were rejected, or not answered: each of these smaller batches goes
    /// out apart from the others, until the resource that is to blame is alone.
    pub(super) apart: VecDeque<Vec<Arc<str>>>,
    /// The names whose last sent version was rejected.
    pub(super) rejected: BTreeSet<Arc<str>>,
    /// Rejected versions by name, until the Envoy acknowledges something else for the name.
    unsettled: BTreeMap<Arc<str>, Rejection>,
    /// Whether `unsettled` differs from what the session last reported.
    pub(super) rejections_changed: bool,
    /// Versions whose answer was lost with an earlier stream, by name. The Envoy may have rejected
    /// them.
    doubted: BTreeMap<Arc<str>, Version>,
    /// The last acknowledged clusters and extension configurations, by name.
    good: BTreeMap<Arc<str>, Arc<Resource>>,
    /// The clusters of a batch that was not answered, until the Envoy is told to drop them, or to
    /// have them as they were.
    pub(super) to_take_back: Vec<Arc<str>>,
    /// Whether the Envoy was asked in this way to answer, and has answered nothing since.
    is_silent: bool,
    /// The names whose rejection may have come when they were about to be sent again.
    pub(super) to_compare: Vec<Arc<str>>,
    /// The rejected clusters that Envoy was told to drop, or to have as they were.
    taken_back: BTreeSet<Arc<str>>,
    /// Names for which the last good content went out in place of the desired one.
    detoured: BTreeSet<Arc<str>>,
    /// The filters whose code the Envoy may be fetching, by name.
    fetches: BTreeMap<Arc<str>, Fetch>,
    /// The one response that the Envoy may be working on.
    pub(super) in_flight: Option<Outstanding>,
    overdue: VecDeque<Outstanding>,
    pub(super) pace: Pace,
    pub(super) greeting: Greeting,
}

impl Subscription {
    /// Takes the first request of the type on this stream.
    pub(super) fn open(
        &mut self,
        resource_type: ResourceType,
        names: Vec<Arc<str>>,
        initial_versions: BTreeMap<Arc<str>, Version>,
        memory: TypeMemory,
        process: Process,
        now: Instant,
    ) {
        self.unsettled = memory.rejections;
        self.good = memory.good;
        self.doubted = memory.unanswered;
        self.fetches = memory.fetches;
        self.fetches.values_mut().for_each(Fetch::on_another_stream);
        // What the Envoy reports, it has accepted.
        self.doubted
            .retain(|name, version| initial_versions.get(name) != Some(version));
        if names.is_empty() && resource_type.empty_subscription_is_wildcard() {
            self.wildcard = Wildcard::Yes;
        }
        self.subscribe(names, process, now);
        self.greeting = if initial_versions.is_empty() {
            Greeting::Owed
        } else {
            Greeting::Done
        };
        self.report(initial_versions, process, now);
        let remembered: Vec<_> = self.unsettled.keys().cloned().collect();
        for name in remembered {
            self.recall(&name, process, now);
        }
    }

    /// Takes in which versions the Envoy says that it has.
    pub(super) fn report(
        &mut self,
        versions: BTreeMap<Arc<str>, Version>,
        process: Process,
        now: Instant,
    ) {
        for (name, version) in versions {
            if self.wants(&name) {
                self.asked.remove(&name);
                self.tracked
                    .insert(Arc::clone(&name), Tracked::reported(version, now));
                self.recall(&name, process, now);
            }
        }
    }

    /// Takes a remembered rejection for the Envoy's answer, where it is the same process that gave
    /// it.
    fn recall(&mut self, name: &Arc<str>, process: Process, now: Instant) {
        let Some(rejection) = self.unsettled.get(name) else {
            return;
        };
        if process != Process::Same || !self.wants(name) {
            return;
        }
        let tracked = self
            .tracked
            .entry(Arc::clone(name))
            .or_insert_with(|| Tracked::asked(now));
        tracked.sent = Some(rejection.version.clone());
        if tracked.acked.is_none() {
            tracked.acked = rejection.run_on.clone();
        }
        tracked.reply = Reply::Rejected {
            message: rejection.message.to_string(),
        };
        tracked.demand = Demand::Answered;
        self.asked.remove(name);
        self.unheard.remove(name);
        self.rejected.insert(Arc::clone(name));
    }

    /// Adds names. One that is known already is answered again (xDS protocol, "Subscribing to
    /// Resources"): the Envoy may have dropped it.
    pub(super) fn subscribe(&mut self, names: Vec<Arc<str>>, process: Process, now: Instant) {
        for name in names {
            if &*name == WILDCARD {
                self.wildcard = Wildcard::Yes;
                self.greeting = Greeting::Owed;
                continue;
            }
            let is_new = !self.tracked.contains_key(&name);
            self.tracked
                .entry(Arc::clone(&name))
                .and_modify(Tracked::ask)
                .or_insert_with(|| Tracked::asked(now));
            self.asked.insert(Arc::clone(&name));
            self.named.insert(Arc::clone(&name));
            if is_new {
                self.recall(&name, process, now);
            }
        }
    }

    /// The content to send for `name` where `desired` is wanted: the last good one first, where
    /// Envoy might take the desired bytes for known and acknowledge them unseen.
    pub(super) fn next_content(&self, name: &str, desired: &Arc<Resource>) -> Arc<Resource> {
        let version = desired.version();
        let may_be_skipped = desired.resource_type().is_skipped_when_known()
            && (self.doubted.get(name) == Some(version)
                || self
                    .unsettled
                    .get(name)
                    .is_some_and(|rejection| rejection.version == *version));
        let good = self.good.get(name).filter(|good| {
            may_be_skipped && good.version() != version && !self.detoured.contains(name)
        });
        match good {
            Some(good) => Arc::clone(good),
            None => self.as_sent_again(Arc::clone(desired)),
        }
    }

    /// Takes names away. While the wildcard stands, the Envoy is told again what a name that it
    /// gave up is, or that it is no more.
    pub(super) fn unsubscribe(&mut self, names: Vec<Arc<str>>, now: Instant) {
        for name in names {
            if &*name == WILDCARD {
                self.wildcard = Wildcard::No;
                self.greeting = Greeting::Done;
                let named = &self.named;
                self.tracked.retain(|name, _| named.contains(name));
                for names in [
                    &mut self.pending,
                    &mut self.asked,
                    &mut self.unheard,
                    &mut self.rejected,
                ] {
                    names.retain(|name| named.contains(name));
                }
                continue;
            }
            self.named.remove(&name);
            if self.wildcard == Wildcard::Yes {
                self.tracked
                    .entry(Arc::clone(&name))
                    .and_modify(Tracked::ask)
                    .or_insert_with(|| Tracked::asked(now));
                self.asked.insert(name);
            } else {
                self.forget(&name);
            }
        }
        self.leave_out_what_is_not_wanted();
    }

    /// Has the name sent again, if the Envoy has it.
    pub(super) fn force(&mut self, name: &Arc<str>) {
        if let Some(tracked) = self.tracked.get_mut(name) {
            tracked.repeat();
            self.pending.insert(Arc::clone(name));
        }
    }

    /// Takes note that a response went out.
    pub(super) fn sent(&mut self, mut outstanding: Outstanding, snapshot: &Snapshot, now: Instant) {
        self.greeting = Greeting::Done;
        for resource in &outstanding.resources {
            let name = resource.name();
            let tracked = self
                .tracked
                .entry(Arc::clone(name))
                .or_insert_with(|| Tracked::asked(now));
            tracked.sent = Some(resource.version().clone());
            tracked.reply = Reply::None;
            let is_by_name = !resource.resource_type().empty_subscription_is_wildcard();
            if tracked.demand == Demand::Asked && is_by_name {
                outstanding.asked.insert(Arc::clone(name));
            }
            tracked.demand = Demand::Answered;
            tracked.since = now;
            self.asked.remove(name);
            self.unheard.insert(Arc::clone(name));
            let desired = snapshot.get(resource.resource_type(), name);
            if desired.is_some_and(|desired| desired.version() == resource.version()) {
                self.pending.remove(name);
            } else {
                self.detoured.insert(Arc::clone(name));
            }
            self.rejected.remove(name);
            self.taken_back.remove(name);
        }
        self.no_longer_apart(&outstanding.resources);
        for name in &outstanding.removed {
            if self.named.contains(name) {
                self.tracked.insert(
                    Arc::clone(name),
                    Tracked {
                        demand: Demand::Answered,
                        ..Tracked::asked(now)
                    },
                );
                for names in [
                    &mut self.pending,
                    &mut self.asked,
                    &mut self.unheard,
                    &mut self.rejected,
                ] {
                    names.remove(name);
                }
            } else {
                self.forget(name);
            }
        }
        self.in_flight = Some(outstanding);
    }

    pub(super) fn wants(&self, name: &str) -> bool {
        self.wildcard == Wildcard::Yes || self.named.contains(name)
    }

    /// The versions that the Envoy rejected, and acknowledged nothing else for since, by name.
    pub(super) fn rejections(&self) -> &BTreeMap<Arc<str>, Rejection> {
        &self.unsettled
    }

    /// Whether the Envoy has acknowledged any resource of the type.
    pub(super) fn has_any(&self) -> bool {
        self.tracked.values().any(|tracked| tracked.acked.is_some())
    }

    /// Sums up what the next stream of the same Envoy has to know.
    pub(super) fn memory(&self) -> TypeMemory {
        let mut unanswered = self.doubted.clone();
        for resource in self
            .overdue
            .iter()
            .chain(&self.in_flight)
            .flat_map(|outstanding| &outstanding.resources)
        {
            unanswered.insert(Arc::clone(resource.name()), resource.version().clone());
        }
        TypeMemory {
            rejections: self.unsettled.clone(),
            unanswered,
            good: self.good.clone(),
            fetches: self.fetches.clone(),
        }
    }

    /// The memory that the names take up, roughly, in bytes.
    pub(super) fn name_bytes(&self) -> usize {
        self.tracked.keys().map(|name| name_cost(name)).sum()
    }

    fn forget(&mut self, name: &str) {
        self.tracked.remove(name);
        for names in [
            &mut self.pending,
            &mut self.asked,
            &mut self.unheard,
            &mut self.rejected,
            &mut self.taken_back,
            &mut self.detoured,
        ] {
            names.remove(name);
        }
        self.doubted.remove(name);
        self.good.remove(name);
        self.rejections_changed |= self.unsettled.remove(name).is_some();
    }
}

/// The memory that a name takes up in a session, roughly, in bytes: its text, and the tables that
/// it stands in.
pub(super) fn name_cost(name: &str) -> usize {
    /// A name of one byte stands in maps whose entries are about this large.
    const ENTRY: usize = 256;
    name.len() + ENTRY
}
