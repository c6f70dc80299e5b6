//! Takes in an Envoy's answers to a subscription to one type, and that there is none in time.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Outstanding, Pace, Reply, Subscription};
use crate::{
    Resource, ResourceType,
    session::{Answer, Rejection},
};

/// How many responses that were never answered are remembered in case that the answer comes late.
const OVERDUE_KEPT: usize = 16;

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
        let Some(resource) = outstanding.resource else {
            return;
        };
        let name = Arc::clone(resource.name());
        let Some(tracked) = self.tracked.get_mut(&name) else {
            return;
        };
        let is_the_last_sent = tracked.sent.as_ref() == Some(resource.version());
        if is_the_last_sent {
            tracked.since = now;
        }
        let Some(message) = answer.rejection else {
            return self.acknowledged(resource_type, &resource, is_the_last_sent);
        };
        if is_the_last_sent {
            tracked.reply = Reply::Rejected {
                message: message.clone(),
            };
            self.rejected.insert(Arc::clone(&name));
            self.doubted.remove(&name);
            // It is not good any more, for this Envoy.
            self.good
                .retain(|_, good| good.name() != &name || good.version() != resource.version());
            let rejection = Rejection {
                version: resource.version().clone(),
                message: message.into(),
            };
            self.unsettled.insert(name, rejection);
            self.rejections_changed = true;
        }
    }

    /// Takes in an acknowledgement. Envoy acknowledges an extension configuration whose bytes are
    /// those that it looked at last without looking, even if it rejected them: that is not
    /// believed.
    fn acknowledged(
        &mut self,
        resource_type: ResourceType,
        resource: &Arc<Resource>,
        is_the_last_sent: bool,
    ) {
        let name = resource.name();
        let version = resource.version();
        let Some(tracked) = self.tracked.get_mut(name) else {
            return;
        };
        if resource_type.is_skipped_when_known() {
            if let Some(rejection) = self.unsettled.get(name)
                && rejection.version == *version
            {
                if is_the_last_sent {
                    tracked.reply = Reply::Rejected {
                        message: rejection.message.to_string(),
                    };
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
            self.good.insert(Arc::clone(name), Arc::clone(resource));
            self.detoured.remove(name);
        }
        if is_the_last_sent {
            tracked.reply = Reply::Acked;
        }
        tracked.acked = Some(version.clone());
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
        for resource in lost.into_iter().filter_map(|lost| lost.resource) {
            if let Some(tracked) = self.tracked.get_mut(resource.name())
                && tracked.reply == Reply::Overdue
                && tracked.sent.as_ref() == Some(resource.version())
            {
                tracked.repeat();
                self.pending.insert(Arc::clone(resource.name()));
            }
        }
    }

    /// Stops waiting for an answer that is due.
    pub(in crate::session) fn expire(&mut self, ack_deadline: Duration, now: Instant) {
        let due = |outstanding: &mut Outstanding| outstanding.sent_at + ack_deadline <= now;
        let Some(outstanding) = self.in_flight.take_if(due) else {
            return;
        };
        self.pace = Pace::Stalled;
        if let Some(resource) = &outstanding.resource
            && let Some(tracked) = self.tracked.get_mut(resource.name())
            && tracked.sent.as_ref() == Some(resource.version())
        {
            tracked.reply = Reply::Overdue;
            tracked.since = now;
        }
        if self.overdue.len() == OVERDUE_KEPT {
            self.overdue.pop_front();
        }
        self.overdue.push_back(outstanding);
    }
}
