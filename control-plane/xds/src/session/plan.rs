//! In which order things go out: make before break.
//!
//! Additions and changes go clusters, endpoints, listeners, routes, extension configurations; a
//! type waits until the earlier ones are answered, or have stalled. Removals go last, parents
//! first, when all of that is done. Three things never wait for their turn. Endpoints: a cluster's
//! ACK waits for them (envoy#13009). Secrets: a renewed one says nothing of what is being tried.
//! And what the Envoy has just asked for by name: a listener or cluster of its own is warming until
//! it has it.

use std::{collections::BTreeMap, sync::Arc};

use super::subscription::{Greeting, Pace, Subscription, Wildcard};
use crate::{ResourceType, Snapshot};

/// The most bytes of resources in one response, where it has several. A thousand ordinary clusters
/// fit. Envoy works on a response in one go, during which its main thread does nothing else, and
/// after a rejection most of it is sent again: ten times as much would be felt. With a tenth, a
/// large fleet's start would take ten times the round trips.
pub(crate) const MOST_BATCH_BYTES: usize = 256 << 10;

/// One response to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Send {
        resource_type: ResourceType,
        names: Vec<Arc<str>>,
    },
    Remove {
        resource_type: ResourceType,
        names: Vec<Arc<str>>,
    },
    /// An empty response: there is nothing of this type.
    Greet { resource_type: ResourceType },
    /// The last good state of what was not answered.
    TakeBack { resource_type: ResourceType },
}

impl Step {
    pub(super) fn resource_type(&self) -> ResourceType {
        match self {
            Self::Send { resource_type, .. }
            | Self::Remove { resource_type, .. }
            | Self::Greet { resource_type }
            | Self::TakeBack { resource_type } => *resource_type,
        }
    }
}

/// The next response that may go out, if any may.
pub(super) fn next_step(
    subscriptions: &BTreeMap<ResourceType, Subscription>,
    snapshot: &Snapshot,
) -> Option<Step> {
    let plan = Plan {
        subscriptions,
        snapshot,
    };
    ResourceType::ALL
        .into_iter()
        .find_map(|resource_type| plan.addition(resource_type))
        .or_else(|| plan.removal())
}

/// The next response of endpoints or secrets alone, if any may go out. Of what is not there the
/// Envoy is told nothing: it may run what has it.
pub(super) fn next_supply(
    subscriptions: &BTreeMap<ResourceType, Subscription>,
    supplies: &Snapshot,
) -> Option<Step> {
    let plan = Plan {
        subscriptions,
        snapshot: supplies,
    };
    let of_no_generation = ResourceType::ALL.into_iter();
    let mut of_no_generation = of_no_generation.filter(|of| !of.belongs_to_generations());
    of_no_generation.find_map(|resource_type| {
        let step = plan.addition(resource_type);
        step.filter(|step| matches!(step, Step::Send { .. } | Step::TakeBack { .. }))
    })
}

/// Why a change is not sent although it is its turn: what it may name is missing at the Envoy.
pub(super) fn held_behind(
    subscriptions: &BTreeMap<ResourceType, Subscription>,
    snapshot: &Snapshot,
    resource_type: ResourceType,
    name: &str,
) -> Option<(ResourceType, Arc<str>)> {
    Plan {
        subscriptions,
        snapshot,
    }
    .held_behind(resource_type, name)
}

/// Whether removals wait for the operator rather than for the Envoy.
pub(super) fn removals_are_held(
    subscriptions: &BTreeMap<ResourceType, Subscription>,
    snapshot: &Snapshot,
) -> bool {
    Plan {
        subscriptions,
        snapshot,
    }
    .removals_are_held()
}

struct Plan<'a> {
    subscriptions: &'a BTreeMap<ResourceType, Subscription>,
    snapshot: &'a Snapshot,
}

impl Plan<'_> {
    fn addition(&self, resource_type: ResourceType) -> Option<Step> {
        let subscription = self.subscriptions.get(&resource_type)?;
        if subscription.in_flight.is_some() {
            return None;
        }
        if !subscription.to_take_back.is_empty() {
            return Some(Step::TakeBack { resource_type });
        }
        let names = self.batch(resource_type, subscription);
        if !names.is_empty() {
            return Some(Step::Send {
                resource_type,
                names,
            });
        }
        let asked = asked_and_pending(subscription);
        let unknown: Vec<_> = asked
            .filter(|name| self.snapshot.get(resource_type, name).is_none())
            .cloned()
            .collect();
        if !unknown.is_empty() {
            return Some(Step::Remove {
                resource_type,
                names: unknown,
            });
        }
        let greet = subscription.greeting == Greeting::Owed
            && subscription.wildcard == Wildcard::Yes
            && self.changes(resource_type, subscription).next().is_none();
        greet.then_some(Step::Greet { resource_type })
    }

    /// The names of the next batch: those that may go and fit into one response, or the next ones
    /// that are to be sent apart from the others.
    fn batch(&self, resource_type: ResourceType, subscription: &Subscription) -> Vec<Arc<str>> {
        let is_by_name = !resource_type.empty_subscription_is_wildcard();
        let in_turn = self.is_its_turn(resource_type);
        if !in_turn && !is_by_name {
            return Vec::new();
        }
        let may_go = |name: &Arc<str>| {
            (is_by_name && subscription.asked.contains(name))
                || (in_turn && self.held_behind(resource_type, name).is_none())
        };
        let apart = subscription.apart.iter().map(|names| {
            let pending = |name: &&Arc<str>| subscription.pending.contains(*name);
            self.fitting(resource_type, names.iter().filter(pending), &may_go)
        });
        let mut apart = apart.filter(|names| !names.is_empty());
        apart.next().unwrap_or_else(|| {
            if in_turn {
                self.fitting(
                    resource_type,
                    self.changes(resource_type, subscription),
                    &may_go,
                )
            } else {
                // Without a look at what waits for its turn, which may be much.
                self.fitting(resource_type, asked_and_pending(subscription), &may_go)
            }
        })
    }

    /// As many of `names` as may go and fit into one response.
    fn fitting<'s>(
        &self,
        resource_type: ResourceType,
        names: impl Iterator<Item = &'s Arc<str>>,
        may_go: &dyn Fn(&Arc<str>) -> bool,
    ) -> Vec<Arc<str>> {
        let is_whole = self
            .subscriptions
            .get(&resource_type)
            .is_some_and(Subscription::is_sent_whole);
        let mut batch = Vec::new();
        let mut bytes = 0;
        for name in names.filter(|name| may_go(name)) {
            let Some(resource) = self.snapshot.get(resource_type, name) else {
                continue;
            };
            bytes += resource.content().len();
            if !batch.is_empty() && bytes > MOST_BATCH_BYTES && !is_whole {
                break;
            }
            batch.push(Arc::clone(name));
            // Envoy may take a part of a rejected batch, and would pass over that the next time.
            if resource_type.is_skipped_when_known() {
                break;
            }
        }
        batch
    }

    fn removal(&self) -> Option<Step> {
        let everything_is_answered =
            self.subscriptions
                .iter()
                .all(|(resource_type, subscription)| {
                    subscription.in_flight.is_none()
                        && self.changes(*resource_type, subscription).next().is_none()
                });
        if !everything_is_answered || self.removals_are_held() {
            return None;
        }
        ResourceType::in_removal_order().find_map(|resource_type| {
            let subscription = self.subscriptions.get(&resource_type)?;
            let names: Vec<_> = self
                .absences(resource_type, subscription)
                .cloned()
                .collect();
            (!names.is_empty()).then_some(Step::Remove {
                resource_type,
                names,
            })
        })
    }

    /// Names whose desired version is to be sent.
    fn changes<'s>(
        &'s self,
        resource_type: ResourceType,
        subscription: &'s Subscription,
    ) -> impl Iterator<Item = &'s Arc<str>> {
        let exists = move |name: &&Arc<str>| self.snapshot.get(resource_type, name).is_some();
        subscription.pending.iter().filter(exists)
    }

    /// Names of which the Envoy is to be told that there is nothing.
    fn absences<'s>(
        &'s self,
        resource_type: ResourceType,
        subscription: &'s Subscription,
    ) -> impl Iterator<Item = &'s Arc<str>> {
        let is_absent = move |name: &&Arc<str>| self.snapshot.get(resource_type, name).is_none();
        subscription.pending.iter().filter(is_absent)
    }

    fn is_its_turn(&self, resource_type: ResourceType) -> bool {
        !resource_type.waits_for_its_turn()
            || self
                .subscriptions
                .range(..resource_type)
                .all(|(earlier, subscription)| {
                    subscription.pace == Pace::Stalled
                        || (subscription.in_flight.is_none()
                            && self.changes(*earlier, subscription).next().is_none())
                })
    }

    /// A cluster that the Envoy rejected and has no earlier version of: a changed listener, route
    /// or extension configuration may send live traffic there. What the Envoy has none of yet takes
    /// no traffic, and goes out.
    fn held_behind(
        &self,
        resource_type: ResourceType,
        name: &str,
    ) -> Option<(ResourceType, Arc<str>)> {
        if !resource_type.sends_traffic() {
            return None;
        }
        let has_a_version = self
            .subscriptions
            .get(&resource_type)
            .and_then(|subscription| subscription.tracked.get(name))
            .is_some_and(|tracked| tracked.acked.is_some());
        if !has_a_version {
            return None;
        }
        ResourceType::taking_traffic()
            .filter_map(|earlier| Some((earlier, self.subscriptions.get(&earlier)?)))
            .find_map(|(earlier, subscription)| {
                let missing = self.rejected_now(earlier, subscription).find(|name| {
                    let tracked = subscription.tracked.get(*name);
                    tracked.is_some_and(|tracked| tracked.acked.is_none())
                })?;
                Some((earlier, Arc::clone(missing)))
            })
    }

    /// After a rejection the Envoy runs on with an older version, which may name what is to be
    /// removed. A secret names nothing.
    fn removals_are_held(&self) -> bool {
        self.subscriptions
            .iter()
            .filter(|(resource_type, _)| resource_type.is_judged())
            .any(|(resource_type, subscription)| {
                self.rejected_now(*resource_type, subscription)
                    .next()
                    .is_some()
            })
    }

    /// Names whose desired version was rejected.
    fn rejected_now<'s>(
        &'s self,
        resource_type: ResourceType,
        subscription: &'s Subscription,
    ) -> impl Iterator<Item = &'s Arc<str>> {
        subscription.rejected.iter().filter(move |name| {
            !subscription.pending.contains(*name)
                && self.snapshot.get(resource_type, name).is_some()
        })
    }
}

/// Names that the Envoy has just asked for and was not answered.
fn asked_and_pending(subscription: &Subscription) -> impl Iterator<Item = &Arc<str>> {
    let asked = subscription.asked.iter();
    asked.filter(|name| subscription.pending.contains(*name))
}
