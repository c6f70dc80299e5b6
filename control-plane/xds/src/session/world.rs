//! Takes in requests of the state-of-the-world protocol: each names everything that the Envoy asks
//! for, and the session takes in how that differs from what it asked for before.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Instant,
};

use super::{
    Answer, DeltaRequest, Process, Session, TooManyNames,
    subscription::{Earlier, Subscription, WILDCARD, Wildcard, World},
};
use crate::{ResourceType, Version};

/// A question or an answer of an Envoy: a `DiscoveryRequest` in this crate's terms.
#[derive(Clone, Debug)]
pub(crate) struct WorldRequest {
    pub(crate) resource_type: ResourceType,
    /// Everything that the Envoy asks for from now on.
    pub(crate) names: Vec<Arc<str>>,
    /// The version of the last response that it accepted, be it of another stream.
    pub(crate) accepted: Option<Version>,
    pub(crate) answer: Option<Answer>,
}

impl Session {
    /// Takes in what the Envoy asks and answers.
    ///
    /// # Errors
    /// When it asks for more names than a stream may hold.
    pub(crate) fn world_request(
        &mut self,
        request: WorldRequest,
        now: Instant,
    ) -> Result<(), TooManyNames> {
        let resource_type = request.resource_type;
        if !self.subscriptions.contains_key(&resource_type) {
            return self.first_world_request(request, now);
        }
        let mut names: BTreeSet<Arc<str>> = request.names.into_iter().collect();
        let mut subscribe = Vec::new();
        let mut unsubscribe = Vec::new();
        if let Some(subscription) = self.subscriptions.get_mut(&resource_type) {
            let has_named = subscription.has_named(&names);
            let asks_for_all = names.remove(WILDCARD)
                || (!has_named && resource_type.empty_subscription_is_wildcard());
            match (subscription.wildcard, asks_for_all) {
                (Wildcard::No, true) => subscribe.push(WILDCARD.into()),
                (Wildcard::Yes, false) => unsubscribe.push(WILDCARD.into()),
                (Wildcard::Yes, true) | (Wildcard::No, false) => {}
            }
            subscribe.extend(names.difference(&subscription.named).map(Arc::clone));
            unsubscribe.extend(subscription.named.difference(&names).map(Arc::clone));
        }
        let request = DeltaRequest {
            subscribe,
            unsubscribe,
            answer: request.answer,
            ..DeltaRequest::nothing(resource_type)
        };
        self.take_in(request, None, now)
    }

    /// Takes in the first request of a type on this stream; what it answers is of an earlier one.
    fn first_world_request(
        &mut self,
        request: WorldRequest,
        now: Instant,
    ) -> Result<(), TooManyNames> {
        let resource_type = request.resource_type;
        let asks_for_all_alone = match request.names.as_slice() {
            [] => resource_type.empty_subscription_is_wildcard(),
            [only] => &**only == WILDCARD,
            _ => false,
        };
        let mut world = World::new(resource_type, Earlier::Nothing);
        let mut initial_versions = BTreeMap::new();
        let mut has = Vec::new();
        if let Some(accepted) = &request.accepted {
            // Only a process that has been running has accepted anything.
            self.memory.process = Process::Same;
            world = World::new(resource_type, Earlier::Unknown);
            if let Some(snapshot) = &self.snapshot
                && asks_for_all_alone
                && resource_type.is_sent_whole()
            {
                let all = || snapshot.of_type(resource_type);
                let version = Version::of_set(all().map(|one| (one.name(), one.version())));
                if version == *accepted {
                    has = all().map(Arc::clone).collect();
                    initial_versions = all()
                        .map(|one| (Arc::clone(one.name()), one.version().clone()))
                        .collect();
                }
            }
        }
        world.has_named = !request.names.is_empty();
        let request = DeltaRequest {
            subscribe: request.names,
            initial_versions,
            ..DeltaRequest::nothing(resource_type)
        };
        self.take_in(request, Some(world), now)?;
        if let Some(subscription) = self.subscriptions.get_mut(&resource_type)
            && !has.is_empty()
        {
            subscription.has_all(has.into_iter());
        }
        Ok(())
    }
}

impl Subscription {
    /// Whether this request or an earlier one names anything.
    fn has_named(&mut self, names: &BTreeSet<Arc<str>>) -> bool {
        self.world.as_mut().is_some_and(|world| {
            world.has_named |= !names.is_empty();
            world.has_named
        })
    }
}
