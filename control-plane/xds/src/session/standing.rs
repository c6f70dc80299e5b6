//! Where an Envoy stands with the snapshot that it is to have.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use super::{
    Rejections, Session, plan,
    subscription::{Demand, Reply, Subscription, Tracked, Wildcard},
};
use crate::{DeliveryState, Generation, NodeAnswer, Resource, ResourceType, Snapshot, Version};

/// A session's standing in short; its stream reports each change of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    /// The number of the assignment that `answer` is about.
    pub(crate) assignment: u64,
    /// The Envoy's answer to that assignment as a whole.
    pub(crate) answer: NodeAnswer,
    /// Every version that the Envoy rejected, and acknowledged nothing else for since.
    pub(crate) rejections: Arc<Rejections>,
}

/// One resource's standing; times are the session's own.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Position {
    pub(crate) resource_type: ResourceType,
    pub(crate) name: Arc<str>,
    pub(crate) desired: Option<Version>,
    pub(crate) sent: Option<Version>,
    pub(crate) acked: Option<Version>,
    pub(crate) state: DeliveryState,
    pub(crate) since: Option<Instant>,
}

impl Session {
    /// Where the Envoy stands in short, as of the last [`Session::poll`].
    pub(crate) fn standing(&self) -> &Standing {
        &self.standing
    }

    /// The last generation that the Envoy acknowledged in full.
    pub(crate) fn in_force(&self) -> Option<&Generation> {
        self.in_force.as_ref()
    }

    /// Every resource's standing, in push order, then by name.
    pub(crate) fn positions(&self) -> Vec<Position> {
        if let Some(ended) = &self.ended {
            return ended.clone();
        }
        let mut positions: BTreeMap<(ResourceType, Arc<str>), Position> = BTreeMap::new();
        for (resource_type, subscription) in &self.subscriptions {
            for (name, tracked) in &subscription.tracked {
                let position = self.position(*resource_type, name, Some(tracked));
                positions.insert((*resource_type, Arc::clone(name)), position);
            }
        }
        if let Some(snapshot) = &self.snapshot {
            for resource in self.expected(snapshot) {
                positions
                    .entry((resource.resource_type(), Arc::clone(resource.name())))
                    .or_insert_with(|| {
                        self.position(resource.resource_type(), resource.name(), None)
                    });
            }
        }
        positions.into_values().collect()
    }

    /// Works out where the Envoy stands with `snapshot`.
    pub(super) fn stand(&mut self, snapshot: &Snapshot) -> Standing {
        Standing {
            assignment: self.assignment,
            answer: self.answer_to(snapshot),
            rejections: self.known_rejections(),
        }
    }

    fn answer_to(&self, snapshot: &Snapshot) -> NodeAnswer {
        let has_rejected = plan::removals_are_held(&self.subscriptions, snapshot);
        if has_rejected {
            return NodeAnswer::Rejected;
        }
        let is_busy = self.subscriptions.iter().any(|(of, subscription)| {
            (of.is_judged() && subscription.in_flight.is_some())
                || is_unsettled(*of, subscription, snapshot)
        });
        if is_busy || self.is_to_ask_for_more(snapshot) {
            NodeAnswer::Waiting
        } else {
            NodeAnswer::Acknowledged
        }
    }

    /// Whether the Envoy will ask for more than it does, if it has acknowledged all that it asks
    /// for.
    fn is_to_ask_for_more(&self, snapshot: &Snapshot) -> bool {
        let mut roots_by_name = false;
        for root in ResourceType::roots() {
            match self.subscriptions.get(&root) {
                Some(subscription) => roots_by_name |= subscription.wildcard == Wildcard::No,
                None if snapshot.of_type(root).next().is_some() => return true,
                None => {}
            }
        }
        if roots_by_name {
            // Those that it leaves out refer to something too, so each that it has is looked at.
            return self.to_come(snapshot).next().is_some();
        }
        // A secret that cannot be read is named, and not there.
        let is_there = |of, name: &Arc<str>| snapshot.get(of, name).is_some();
        ResourceType::ALL
            .into_iter()
            .any(|of| match self.subscriptions.get(&of) {
                Some(subscription) => subscription.missing.iter().any(|name| is_there(of, name)),
                None => snapshot.referred(of).any(|name| is_there(of, name)),
            })
    }

    /// The resources that the Envoy subscribes to, and those that it will subscribe to because of
    /// clusters and listeners that it acknowledged.
    pub(super) fn expected<'s>(
        &'s self,
        snapshot: &'s Snapshot,
    ) -> impl Iterator<Item = &'s Arc<Resource>> {
        let subscribed = self
            .subscriptions
            .iter()
            .flat_map(|(resource_type, subscription)| {
                wanted(*resource_type, subscription, snapshot)
            });
        subscribed.chain(self.to_come(snapshot))
    }

    fn to_come<'s>(&'s self, snapshot: &'s Snapshot) -> impl Iterator<Item = &'s Arc<Resource>> {
        self.subscriptions
            .iter()
            .filter(|(resource_type, _)| resource_type.empty_subscription_is_wildcard())
            .flat_map(|(resource_type, subscription)| {
                wanted(*resource_type, subscription, snapshot)
            })
            .filter(|parent| self.state_of(snapshot, parent) == DeliveryState::Acked)
            .flat_map(|parent| parent.references())
            .filter(|reference| {
                self.subscriptions
                    .get(&reference.resource_type)
                    .is_none_or(|subscription| !subscription.wants(&reference.name))
            })
            .filter_map(|reference| snapshot.get(reference.resource_type, &reference.name))
    }

    pub(super) fn state_of(&self, snapshot: &Snapshot, resource: &Resource) -> DeliveryState {
        let resource_type = resource.resource_type();
        let name = resource.name();
        let tracked = self
            .subscriptions
            .get(&resource_type)
            .and_then(|subscription| subscription.tracked.get(name));
        let Some(tracked) = tracked else {
            return DeliveryState::Pending;
        };
        let is_out =
            tracked.demand == Demand::Answered && tracked.sent.as_ref() == Some(resource.version());
        if !is_out {
            let behind = plan::held_behind(&self.subscriptions, snapshot, resource_type, name);
            return match behind {
                Some((behind, name)) => DeliveryState::Blocked {
                    behind: format!("{behind} `{name}`"),
                },
                None => DeliveryState::Pending,
            };
        }
        match &tracked.reply {
            Reply::None => DeliveryState::Sent,
            Reply::Acked => DeliveryState::Acked,
            Reply::Rejected { message } => DeliveryState::Rejected {
                message: message.clone(),
            },
            Reply::Overdue => DeliveryState::Unknown,
        }
    }

    fn can_tell_absence(&self, resource_type: ResourceType) -> bool {
        let subscription = self.subscriptions.get(&resource_type);
        subscription.is_some_and(|subscription| subscription.can_tell_absence(resource_type))
    }

    fn is_referred(&self, resource_type: ResourceType, name: &str) -> bool {
        let snapshot = self.snapshot.as_ref();
        snapshot.is_some_and(|snapshot| snapshot.is_referred(resource_type, name))
    }

    fn position(
        &self,
        resource_type: ResourceType,
        name: &Arc<str>,
        tracked: Option<&Tracked>,
    ) -> Position {
        let desired = self
            .source_of(resource_type)
            .and_then(|snapshot| Some((snapshot, snapshot.get(resource_type, name)?)));
        let state = match desired {
            Some((snapshot, resource)) => self.state_of(snapshot, resource),
            // It is named, and nobody could supply it.
            None if self.is_referred(resource_type, name) => DeliveryState::Pending,
            // Never removed: the Envoy drops it with what names it.
            None if !self.can_tell_absence(resource_type) => DeliveryState::Acked,
            None if tracked
                .is_none_or(|tracked| tracked.sent.is_none() && tracked.acked.is_none()) =>
            {
                DeliveryState::Acked
            }
            None => DeliveryState::Pending,
        };
        Position {
            resource_type,
            name: Arc::clone(name),
            desired: desired.map(|(_, resource)| resource.version().clone()),
            sent: tracked.and_then(|tracked| tracked.sent.clone()),
            acked: tracked.and_then(|tracked| tracked.acked.clone()),
            state,
            since: tracked.map(|tracked| tracked.since),
        }
    }
}

/// Whether something that the Envoy wants and that there is waits to be sent, or for its answer. A
/// type that is not judged counts until the Envoy has the first version of each, also where it has
/// rejected that: what names it is not in effect before.
fn is_unsettled(
    resource_type: ResourceType,
    subscription: &Subscription,
    snapshot: &Snapshot,
) -> bool {
    let names = subscription.pending.iter().chain(&subscription.unheard);
    let rejected = (!resource_type.is_judged()).then_some(&subscription.rejected);
    let mut names = names.chain(rejected.into_iter().flatten());
    names.any(|name| {
        let tracked = subscription.tracked.get(name);
        let has_one = tracked.is_some_and(|tracked| tracked.acked.is_some());
        snapshot.get(resource_type, name).is_some() && (resource_type.is_judged() || !has_one)
    })
}

fn wanted<'s>(
    resource_type: ResourceType,
    subscription: &'s Subscription,
    snapshot: &'s Snapshot,
) -> impl Iterator<Item = &'s Arc<Resource>> {
    let all = (subscription.wildcard == Wildcard::Yes).then(|| snapshot.of_type(resource_type));
    let named = (subscription.wildcard == Wildcard::No).then(|| {
        subscription
            .named
            .iter()
            .filter_map(move |name| snapshot.get(resource_type, name))
    });
    all.into_iter().flatten().chain(named.into_iter().flatten())
}
