//! What an Envoy subscribes to of one type, and what it has of it.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Answer, Rejection, Rejections};
use crate::{ResourceType, Snapshot, Version};

/// The name that subscribes to everything of a type.
const WILDCARD: &str = "*";

/// How many responses that were never answered are remembered in case that the answer comes late.
const OVERDUE_KEPT: usize = 16;

/// One type's part of a [`super::Session`].
#[derive(Debug, Default)]
pub(crate) struct Subscription {
    pub(super) wildcard: Wildcard,
    /// The names that the Envoy asked for one by one.
    pub(super) named: BTreeSet<Arc<str>>,
    /// What the Envoy has, was sent, or waits for.
    pub(super) tracked: BTreeMap<Arc<str>, Tracked>,
    /// The names for which something is to be sent: the desired version, or that there is none.
    pub(super) pending: BTreeSet<Arc<str>>,
    /// The names whose last sent version was rejected.
    pub(super) rejected: BTreeSet<Arc<str>>,
    /// What was rejected, until the Envoy acknowledges something else for the name.
    unsettled: Rejections,
    /// The one response that the Envoy may be working on.
    pub(super) in_flight: Option<Outstanding>,
    overdue: VecDeque<Outstanding>,
    pub(super) pace: Pace,
    pub(super) greeting: Greeting,
}

/// Whether the Envoy wants everything of the type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Wildcard {
    #[default]
    No,
    Yes,
}

/// Whether the Envoy answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Pace {
    #[default]
    Answering,
    /// The last response went unanswered past the deadline: nothing waits for this type until an answer comes.
    Stalled,
}

/// Whether the Envoy waits for a first response even if there is nothing to send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Greeting {
    Owed,
    #[default]
    Done,
}

/// Where one name stands with the Envoy.
#[derive(Clone, Debug)]
pub(super) struct Tracked {
    /// The version that was last sent, whatever the Envoy made of it.
    pub(super) sent: Option<Version>,
    pub(super) acked: Option<Version>,
    pub(super) reply: Reply,
    pub(super) demand: Demand,
    pub(super) since: Instant,
}

/// What the Envoy made of the version that was last sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    None,
    Acked,
    Rejected { message: String },
    Overdue,
}

/// Whether the name is to be sent although the Envoy was sent its version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Demand {
    /// It has just asked, and may be holding a listener or cluster back until it is answered.
    Asked,
    /// What it was sent may have had no effect.
    Again,
    Answered,
}

impl Tracked {
    fn asked(now: Instant) -> Self {
        Self {
            sent: None,
            acked: None,
            reply: Reply::None,
            demand: Demand::Asked,
            since: now,
        }
    }

    fn reported(version: Version, now: Instant) -> Self {
        Self {
            sent: Some(version.clone()),
            acked: Some(version),
            reply: Reply::Acked,
            demand: Demand::Answered,
            since: now,
        }
    }

    fn ask(&mut self) {
        self.demand = Demand::Asked;
    }

    fn repeat(&mut self) {
        if self.demand == Demand::Answered {
            self.demand = Demand::Again;
        }
    }
}

/// A response that was sent and not answered.
#[derive(Debug)]
pub(super) struct Outstanding {
    pub(super) nonce: String,
    pub(super) resource: Option<(Arc<str>, Version)>,
    pub(super) removed: Vec<Arc<str>>,
    pub(super) sent_at: Instant,
}

impl Subscription {
    /// The first request of the type on this stream.
    pub(super) fn open(
        &mut self,
        resource_type: ResourceType,
        names: Vec<Arc<str>>,
        initial_versions: BTreeMap<Arc<str>, Version>,
        remembered: &Rejections,
        now: Instant,
    ) {
        if names.is_empty() && resource_type.empty_subscription_is_wildcard() {
            self.wildcard = Wildcard::Yes;
        }
        self.subscribe(names, now);
        self.greeting = if initial_versions.is_empty() {
            Greeting::Owed
        } else {
            Greeting::Done
        };
        for (name, version) in initial_versions {
            if !self.wants(&name) {
                continue;
            }
            let mut tracked = Tracked::reported(version, now);
            if resource_type == ResourceType::ExtensionConfig
                && let Some(rejection) = remembered.get(&name)
            {
                tracked.sent = Some(rejection.version.clone());
                tracked.reply = Reply::Rejected {
                    message: rejection.message.clone(),
                };
                self.rejected.insert(Arc::clone(&name));
                self.unsettled.insert(Arc::clone(&name), rejection.clone());
            }
            self.tracked.insert(name, tracked);
        }
    }

    /// Adds names. One that is known already is answered again (xDS protocol, "Subscribing to Resources"): the Envoy may
    /// have dropped it.
    pub(super) fn subscribe(&mut self, names: Vec<Arc<str>>, now: Instant) {
        for name in names {
            if &*name == WILDCARD {
                self.wildcard = Wildcard::Yes;
                self.greeting = Greeting::Owed;
                continue;
            }
            self.tracked
                .entry(Arc::clone(&name))
                .and_modify(Tracked::ask)
                .or_insert_with(|| Tracked::asked(now));
            self.named.insert(name);
        }
    }

    /// Takes names away. While the wildcard stands, the Envoy is told again what a name that it gave up is, or that it is
    /// no more.
    pub(super) fn unsubscribe(&mut self, names: Vec<Arc<str>>, now: Instant) {
        for name in names {
            if &*name == WILDCARD {
                self.wildcard = Wildcard::No;
                self.greeting = Greeting::Done;
                let named = &self.named;
                self.tracked.retain(|name, _| named.contains(name));
                self.pending.retain(|name| named.contains(name));
                self.rejected.retain(|name| named.contains(name));
                continue;
            }
            self.named.remove(&name);
            if self.wildcard == Wildcard::Yes {
                self.tracked
                    .entry(name)
                    .and_modify(Tracked::ask)
                    .or_insert_with(|| Tracked::asked(now));
            } else {
                self.forget(&name);
            }
        }
    }

    /// Works out anew which names need sending.
    pub(super) fn compare(&mut self, resource_type: ResourceType, snapshot: &Snapshot) {
        self.pending.clear();
        if self.wildcard == Wildcard::Yes {
            for resource in snapshot.of_type(resource_type) {
                if !self.tracked.contains_key(resource.name()) {
                    self.pending.insert(Arc::clone(resource.name()));
                }
            }
        }
        for (name, tracked) in &self.tracked {
            let differs = match snapshot.get(resource_type, name) {
                Some(desired) => {
                    tracked.demand != Demand::Answered
                        || tracked.sent.as_ref() != Some(desired.version())
                }
                // Removing an extension configuration answers live traffic with 500 (envoy#32823).
                None if resource_type == ResourceType::ExtensionConfig => false,
                None => {
                    tracked.demand == Demand::Asked
                        || tracked.sent.is_some()
                        || tracked.acked.is_some()
                }
            };
            if differs {
                self.pending.insert(Arc::clone(name));
            }
        }
    }

    /// Has the name sent again, if the Envoy has it.
    pub(super) fn force(&mut self, name: &Arc<str>) {
        if let Some(tracked) = self.tracked.get_mut(name) {
            tracked.repeat();
            self.pending.insert(Arc::clone(name));
        }
    }

    /// A response went out.
    pub(super) fn sent(&mut self, outstanding: Outstanding, now: Instant) {
        self.greeting = Greeting::Done;
        if let Some((name, version)) = &outstanding.resource {
            let tracked = self
                .tracked
                .entry(Arc::clone(name))
                .or_insert_with(|| Tracked::asked(now));
            tracked.sent = Some(version.clone());
            tracked.reply = Reply::None;
            tracked.demand = Demand::Answered;
            tracked.since = now;
            self.pending.remove(name);
            self.rejected.remove(name);
        }
        for name in &outstanding.removed {
            if self.named.contains(name) {
                self.tracked.insert(
                    Arc::clone(name),
                    Tracked {
                        demand: Demand::Answered,
                        ..Tracked::asked(now)
                    },
                );
                self.pending.remove(name);
                self.rejected.remove(name);
            } else {
                self.forget(name);
            }
        }
        self.in_flight = Some(outstanding);
    }

    /// The Envoy answered. An answer to an older stream's nonce, or to one that is forgotten, says nothing.
    pub(super) fn answered(&mut self, resource_type: ResourceType, answer: Answer, now: Instant) {
        let is_it = |outstanding: &Outstanding| outstanding.nonce == answer.nonce;
        let (outstanding, older) = match self.in_flight.take_if(|outstanding| is_it(outstanding)) {
            Some(outstanding) => (outstanding, self.overdue.len()),
            None => {
                let Some(place) = self.overdue.iter().position(is_it) else {
                    return;
                };
                let Some(outstanding) = self.overdue.remove(place) else {
                    return;
                };
                (outstanding, place)
            }
        };
        self.pace = Pace::Answering;
        let lost: Vec<_> = self.overdue.drain(..older).collect();
        self.repeat(resource_type, lost);
        let Some((name, version)) = outstanding.resource else {
            return;
        };
        let Some(tracked) = self.tracked.get_mut(&name) else {
            return;
        };
        let is_the_last_sent = tracked.sent.as_ref() == Some(&version);
        match answer.rejection {
            None => {
                if is_the_last_sent {
                    tracked.reply = Reply::Acked;
                    tracked.since = now;
                }
                tracked.acked = Some(version);
                self.unsettled.remove(&name);
            }
            Some(message) if is_the_last_sent => {
                tracked.reply = Reply::Rejected {
                    message: message.clone(),
                };
                tracked.since = now;
                self.rejected.insert(Arc::clone(&name));
                self.unsettled.insert(name, Rejection { version, message });
            }
            Some(_) => {}
        }
    }

    /// An Envoy answers in order, so the answers to responses before one that is answered are lost: a rejected cluster's
    /// can be, when it fails beyond validation. What they held is sent again, to learn the answer. Except extension
    /// configurations: Envoy would call the same bytes good, whatever it made of them.
    fn repeat(&mut self, resource_type: ResourceType, lost: Vec<Outstanding>) {
        if resource_type == ResourceType::ExtensionConfig {
            return;
        }
        for (name, version) in lost.into_iter().filter_map(|lost| lost.resource) {
            if let Some(tracked) = self.tracked.get_mut(&name)
                && tracked.reply == Reply::Overdue
                && tracked.sent.as_ref() == Some(&version)
            {
                tracked.repeat();
                self.pending.insert(name);
            }
        }
    }

    /// Stops waiting for an answer that is due.
    pub(super) fn expire(&mut self, ack_deadline: Duration, now: Instant) {
        let due = |outstanding: &mut Outstanding| outstanding.sent_at + ack_deadline <= now;
        let Some(outstanding) = self.in_flight.take_if(due) else {
            return;
        };
        self.pace = Pace::Stalled;
        if let Some((name, version)) = &outstanding.resource
            && let Some(tracked) = self.tracked.get_mut(name)
            && tracked.sent.as_ref() == Some(version)
        {
            tracked.reply = Reply::Overdue;
            tracked.since = now;
        }
        if self.overdue.len() == OVERDUE_KEPT {
            self.overdue.pop_front();
        }
        self.overdue.push_back(outstanding);
    }

    pub(super) fn wants(&self, name: &str) -> bool {
        self.wildcard == Wildcard::Yes || self.named.contains(name)
    }

    pub(super) fn rejections(&self) -> Rejections {
        self.unsettled.clone()
    }

    fn forget(&mut self, name: &str) {
        self.tracked.remove(name);
        self.pending.remove(name);
        self.rejected.remove(name);
        self.unsettled.remove(name);
    }
}
