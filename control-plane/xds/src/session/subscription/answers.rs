//! Takes in an Envoy's answers to a subscription to one type, and that there is none in time.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Demand, Outstanding, Pace, Reply, Subscription};
use crate::{
    Resource, ResourceType,
    session::{Answer, Rejection},
};

/// How many responses that were never answered are remembered in case that the answer comes late.
const OVERDUE_KEPT: usize = 16;
/// How many resources that the Envoy's words on a batch may name are sent alone. Words that happen
/// to contain many short names would make as many responses of one batch.
const MOST_NAMED: usize = 8;

impl Subscription {
    /// The Envoy answered. An answer to an older stream's nonce, or to one that is forgotten, says
    /// nothing.
    pub(in crate::session) fn answered(
        &mut self,
        resource_type: ResourceType,
        answer: Answer,
        now: Instant,
    ) {
        let is_it = |outstanding: &Outstanding| outstanding.nonce == answer.nonce;
        let in_time = self.in_flight.take_if(|outstanding| is_it(outstanding));
        let is_in_time = in_time.is_some();
        let (outstanding, older) = match in_time {
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
        self.is_silent = false;
        let lost: Vec<_> = self.overdue.drain(..older).collect();
        let unanswered: Vec<_> = lost.iter().flat_map(|one| one.resources.clone()).collect();
        let after_silence = !lost.is_empty();
        self.repeat(resource_type, lost);
        if let Some(message) = &answer.rejection {
            let blamed = blamed(resource_type, &unanswered, message);
            self.blame(&unanswered, &blamed, message, now);
        }
        match (answer.rejection, outstanding.resources.as_slice()) {
            (None, resources) => {
                for resource in resources {
                    self.acknowledged(resource_type, resource, now);
                }
                self.set_was_acknowledged(resources);
            }
            (Some(message), resources) if self.is_sent_whole() => {
                // The set went out again since, and the answer to that one will say more.
                let is_outdated = !is_in_time && self.in_flight.is_some();
                if !is_outdated {
                    self.set_was_rejected(resources, &message, after_silence, now);
                }
            }
            (Some(_), [resource]) if self.awaits_code(resource, now) => {}
            (Some(message), [resource]) => self.was_rejected(resource, message, now),
            // Of other types it says nothing of any one of them. A late answer comes when they were
            // sent again.
            (Some(message), resources) => {
                let blamed = blamed(resource_type, resources, &message);
                self.blame(resources, &blamed, &message, now);
                if !blamed.is_empty() {
                    self.send_the_rest_again(resources, &blamed);
                } else if is_in_time {
                    self.split(resources, &outstanding.asked, &message);
                }
            }
        }
    }

    pub(super) fn was_rejected(&mut self, resource: &Arc<Resource>, message: String, now: Instant) {
        let name = Arc::clone(resource.name());
        let Some(tracked) = self.tracked.get_mut(&name) else {
            return;
        };
        if tracked.sent.as_ref() != Some(resource.version()) {
            return;
        }
        tracked.since = now;
        tracked.reply = Reply::Rejected {
            message: message.clone(),
        };
        tracked.demand = Demand::Answered;
        self.asked.remove(&name);
        self.to_compare.push(Arc::clone(&name));
        self.unheard.remove(&name);
        self.rejected.insert(Arc::clone(&name));
        self.doubted.remove(&name);
        // It is not good any more, for this Envoy.
        self.good
            .retain(|_, good| good.name() != &name || good.version() != resource.version());
        let rejection = Rejection {
            version: resource.version().clone(),
            message: message.into(),
            run_on: tracked.acked.clone(),
        };
        self.unsettled.insert(name, rejection);
        self.rejections_changed = true;
    }

    /// Takes some resources of a batch for rejected.
    fn blame(
        &mut self,
        batch: &[Arc<Resource>],
        blamed: &BTreeSet<Arc<str>>,
        message: &str,
        now: Instant,
    ) {
        for resource in batch.iter().filter(|one| blamed.contains(one.name())) {
            if self.is_last_sent(resource) {
                self.was_rejected(resource, message.to_owned(), now);
                self.fall_back(resource.name());
            }
        }
    }

    fn send_the_rest_again(&mut self, batch: &[Arc<Resource>], blamed: &BTreeSet<Arc<str>>) {
        for resource in batch.iter().filter(|one| !blamed.contains(one.name())) {
            let is_acknowledged = self
                .tracked
                .get(resource.name())
                .is_none_or(|tracked| tracked.acked.as_ref() == Some(resource.version()));
            if self.is_last_sent(resource) && !is_acknowledged {
                self.send_again(resource.name());
            }
        }
    }

    /// Has the resources of a batch sent again in smaller ones: those that the Envoy's words name
    /// alone, and the rest together; where they name none, or too many, in halves.
    pub(super) fn split(
        &mut self,
        batch: &[Arc<Resource>],
        asked: &BTreeSet<Arc<str>>,
        message: &str,
    ) {
        let mut names = Vec::new();
        for resource in batch {
            let name = resource.name();
            let Some(tracked) = self.tracked.get_mut(name) else {
                continue;
            };
            if tracked.sent.as_ref() != Some(resource.version()) {
                continue;
            }
            if asked.contains(name) {
                tracked.ask();
                self.asked.insert(Arc::clone(name));
            } else {
                tracked.repeat();
            }
            self.pending.insert(Arc::clone(name));
            names.push(Arc::clone(name));
        }
        let (named, rest): (Vec<_>, Vec<_>) = names
            .iter()
            .cloned()
            .partition(|name| message.contains(&**name));
        let smaller = if (1..=MOST_NAMED).contains(&named.len()) && !rest.is_empty() {
            let alone = named.into_iter().map(|name| vec![name]);
            alone.chain([rest]).collect()
        } else {
            let rest = names.split_off(names.len() / 2);
            vec![names, rest]
        };
        for names in smaller.into_iter().rev().filter(|names| !names.is_empty()) {
            self.apart.push_front(names);
        }
    }

    /// Takes note that these are no longer to be sent apart from others.
    pub(super) fn no_longer_apart(&mut self, sent: &[Arc<Resource>]) {
        if self.apart.is_empty() {
            return;
        }
        let sent: BTreeSet<&Arc<str>> = sent.iter().map(|resource| resource.name()).collect();
        for names in &mut self.apart {
            names.retain(|name| !sent.contains(name));
        }
        self.apart.retain(|names| !names.is_empty());
    }

    /// Takes in an acknowledgement. Envoy acknowledges an extension configuration whose bytes are
    /// those that it looked at last without looking, even if it rejected them: that is not
    /// believed.
    fn acknowledged(
        &mut self,
        resource_type: ResourceType,
        resource: &Arc<Resource>,
        now: Instant,
    ) {
        let name = resource.name();
        let version = resource.version();
        let Some(tracked) = self.tracked.get_mut(name) else {
            return;
        };
        let is_the_last_sent = tracked.sent.as_ref() == Some(version);
        if is_the_last_sent {
            tracked.since = now;
        }
        if resource_type.is_skipped_when_known() {
            if let Some(rejection) = self.unsettled.get(name)
                && rejection.version == *version
            {
                if is_the_last_sent {
                    tracked.reply = Reply::Rejected {
                        message: rejection.message.to_string(),
                    };
                    self.unheard.remove(name);
                    self.rejected.insert(Arc::clone(name));
                }
                return;
            }
            if self.doubted.get(name) == Some(version) {
                if is_the_last_sent {
                    tracked.reply = Reply::Overdue;
                }
                return;
            }
            self.detoured.remove(name);
        }
        if resource_type.is_skipped_when_known() || resource_type.is_taken_back() {
            self.good.insert(Arc::clone(name), Arc::clone(resource));
        }
        if is_the_last_sent {
            tracked.reply = Reply::Acked;
            self.unheard.remove(name);
        }
        tracked.acked = Some(version.clone());
        self.has_code(name);
        self.doubted.remove(name);
        self.rejections_changed |= self.unsettled.remove(name).is_some();
    }

    /// An Envoy answers in order, so the answers to responses before one that is answered are lost:
    /// a rejected cluster's can be, when it fails beyond validation. What they held is sent again,
    /// to learn the answer. Except extension configurations: Envoy would call the same bytes good,
    /// whatever it made of them.
    fn repeat(&mut self, resource_type: ResourceType, lost: Vec<Outstanding>) {
        if resource_type.is_skipped_when_known() {
            return;
        }
        for resource in lost.into_iter().flat_map(|lost| lost.resources) {
            if let Some(tracked) = self.tracked.get_mut(resource.name())
                && tracked.reply == Reply::Overdue
                && tracked.sent.as_ref() == Some(resource.version())
            {
                tracked.repeat();
                self.pending.insert(Arc::clone(resource.name()));
            }
        }
    }

    /// Stops waiting for an answer that is due. Envoy may be silent about a batch because of one of
    /// its resources: they are sent again in smaller ones.
    pub(in crate::session) fn expire(
        &mut self,
        resource_type: ResourceType,
        ack_deadline: Duration,
        now: Instant,
    ) {
        self.ask_again(now);
        let due = |outstanding: &mut Outstanding| outstanding.sent_at + ack_deadline <= now;
        let Some(outstanding) = self.in_flight.take_if(due) else {
            return;
        };
        let is_batch_of_clusters = resource_type.is_taken_back() && outstanding.resources.len() > 1;
        if is_batch_of_clusters && !std::mem::replace(&mut self.is_silent, true) {
            // It is to say which of them it is silent about, before anything goes on.
            for resource in &outstanding.resources {
                if self.is_last_sent(resource) {
                    self.to_take_back.push(Arc::clone(resource.name()));
                }
            }
            self.split(&outstanding.resources, &outstanding.asked, "");
            self.remember_overdue(outstanding);
            return;
        }
        self.pace = Pace::Stalled;
        if self.is_sent_whole() {
            self.set_was_not_answered(&outstanding.resources, now);
        } else if let [resource] = outstanding.resources.as_slice()
            && let Some(tracked) = self.tracked.get_mut(resource.name())
            && tracked.sent.as_ref() == Some(resource.version())
        {
            tracked.reply = Reply::Overdue;
            tracked.since = now;
            // A late acknowledgement of an earlier sending may have come since.
            self.unheard.insert(Arc::clone(resource.name()));
        } else if outstanding.resources.len() > 1 {
            self.split(&outstanding.resources, &outstanding.asked, "");
        }
        self.remember_overdue(outstanding);
    }

    fn remember_overdue(&mut self, outstanding: Outstanding) {
        if self.overdue.len() == OVERDUE_KEPT {
            self.overdue.pop_front();
        }
        self.overdue.push_back(outstanding);
    }
}

/// The clusters of a batch that Envoy's words name as those that it could not make. They are not
/// tried alone: Envoy passes over one that it could not make when it comes again.
fn blamed(
    resource_type: ResourceType,
    batch: &[Arc<Resource>],
    message: &str,
) -> BTreeSet<Arc<str>> {
    if !resource_type.is_taken_back() {
        return BTreeSet::new();
    }
    let names = batch.iter().map(|resource| resource.name());
    let named = names.filter(|name| is_named_as_cause(message, name));
    named.map(Arc::clone).collect()
}

/// Whether words name a resource in the way in which Envoy tells what it could not make: its name,
/// a colon, the reason.
fn is_named_as_cause(words: &str, name: &str) -> bool {
    words.match_indices(name).any(|(start, _)| {
        let before = &words[..start];
        let after = &words[start + name.len()..];
        before.ends_with([' ', ',']) && after.starts_with(": ")
    })
}
