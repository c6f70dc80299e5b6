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
        let is_busy = self
            .subscriptions
            .values()
            .any(|subscription| subscription.in_flight.is_some());
        if is_busy {
            // The rest would be a walk over everything for each answer, and could only say the
            // same.
            return NodeAnswer::Waiting;
        }
        let mut answer = NodeAnswer::Acknowledged;
        for resource in self.expected(snapshot) {
            match self.state_of(snapshot, resource) {
                DeliveryState::Acked => {}
                DeliveryState::Rejected { .. } | DeliveryState::Blocked { .. } => {
                    return NodeAnswer::Rejected;
                }
                DeliveryState::Pending | DeliveryState::Sent | DeliveryState::Unknown => {
                    answer = NodeAnswer::Waiting;
                }
            }
        }
        let roots = [ResourceType::Cluster, ResourceType::Listener];
        let asked_for_all = roots.into_iter().all(|root| {
            self.subscriptions.contains_key(&root) || snapshot.of_type(root).next().is_none()
        });
        if asked_for_all {
            answer
        } else {
            NodeAnswer::Waiting
        }
    }

    /// The resources that the Envoy subscribes to, and those that it will subscribe to because of
    /// clusters and listeners that it acknowledged.
    fn expected<'s>(&'s self, snapshot: &'s Snapshot) -> impl Iterator<Item = &'s Arc<Resource>> {
        let subscribed = self
            .subscriptions
            .iter()
            .flat_map(|(resource_type, subscription)| {
                wanted(*resource_type, subscription, snapshot)
            });
        let to_come = self
            .subscriptions
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
            .filter_map(|reference| snapshot.get(reference.resource_type, &reference.name));
        subscribed.chain(to_come)
    }

    fn state_of(&self, snapshot: &Snapshot, resource: &Resource) -> DeliveryState {
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

    fn position(
        &self,
        resource_type: ResourceType,
        name: &Arc<str>,
        tracked: Option<&Tracked>,
    ) -> Position {
        let desired = self
            .snapshot
            .as_ref()
            .and_then(|snapshot| Some((snapshot, snapshot.get(resource_type, name)?)));
        let state = match desired {
            Some((snapshot, resource)) => self.state_of(snapshot, resource),
            // Never removed: the Envoy drops it with the listener that names it.
            None if resource_type == ResourceType::ExtensionConfig => DeliveryState::Acked,
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
