//! The counts and sets that a session keeps as it goes say what a look at everything would.

use std::{collections::BTreeSet, sync::Arc};

use super::{super::plan, Peer, Session};
use crate::{
    DeliveryState, NodeAnswer, Resource, ResourceType, Snapshot,
    fixtures::{cluster, eds_cluster, endpoints, extension, http_listener, route, snapshot},
    session::subscription::{Demand, Reply, Subscription},
};

/// Looks at everything, after [`Session::poll`].
pub(super) fn check(session: &Session) {
    for (resource_type, subscription) in &session.subscriptions {
        let asked = names(subscription, |demand, _, _| demand == Demand::Asked);
        assert_eq!(subscription.asked, asked, "asked for {resource_type}");
        let unheard = names(subscription, |_, reply, is_sent| {
            is_sent && matches!(reply, Reply::None | Reply::Overdue)
        });
        assert_eq!(subscription.unheard, unheard, "unheard {resource_type}");
        let Some(snapshot) = &session.snapshot else {
            continue;
        };
        for resource in snapshot.of_type(*resource_type) {
            let name = resource.name();
            assert_eq!(
                subscription.pending.contains(name),
                subscription.needs_sending(*resource_type, name, snapshot),
                "pending {resource_type} {name}"
            );
        }
        let missing: BTreeSet<Arc<str>> = snapshot
            .referred(*resource_type)
            .filter(|name| !subscription.wants(name))
            .cloned()
            .collect();
        assert_eq!(subscription.missing, missing, "missing {resource_type}");
    }
    if let Some(snapshot) = &session.snapshot {
        assert_eq!(
            session.standing().answer,
            answer_by_a_walk(session, snapshot)
        );
    }
}

fn names(
    subscription: &Subscription,
    is_meant: impl Fn(Demand, &Reply, bool) -> bool,
) -> BTreeSet<Arc<str>> {
    let tracked = subscription.tracked.iter();
    tracked
        .filter(|(_, tracked)| is_meant(tracked.demand, &tracked.reply, tracked.sent.is_some()))
        .map(|(name, _)| Arc::clone(name))
        .collect()
}

/// Whether a resource is a part of the answer: a secret is until the Envoy has a version of it.
fn counts(session: &Session, resource: &Resource) -> bool {
    let resource_type = resource.resource_type();
    let subscription = session.subscriptions.get(&resource_type);
    let tracked = subscription.and_then(|one| one.tracked.get(resource.name()));
    let has_one = tracked.is_some_and(|tracked| tracked.acked.is_some());
    resource_type.is_judged() || !has_one
}

/// The Envoy's answer by each resource that it has or will have.
fn answer_by_a_walk(session: &Session, snapshot: &Snapshot) -> NodeAnswer {
    if plan::removals_are_held(&session.subscriptions, snapshot) {
        return NodeAnswer::Rejected;
    }
    let mut subscriptions = session.subscriptions.iter();
    let is_busy =
        subscriptions.any(|(of, subscription)| of.is_judged() && subscription.in_flight.is_some());
    let states: Vec<_> = session
        .expected(snapshot)
        .filter(|resource| counts(session, resource))
        .map(|resource| {
            (
                resource.resource_type(),
                session.state_of(snapshot, resource),
            )
        })
        .collect();
    // A rejected secret keeps what names it from being in effect, and rejects nothing.
    let is_rejected = |(of, state): &(ResourceType, DeliveryState)| {
        let is_so = matches!(
            state,
            DeliveryState::Rejected { .. } | DeliveryState::Blocked { .. }
        );
        of.is_judged() && is_so
    };
    if !is_busy && states.iter().any(is_rejected) {
        return NodeAnswer::Rejected;
    }
    let has_asked = [ResourceType::Cluster, ResourceType::Listener]
        .into_iter()
        .all(|root| {
            session.subscriptions.contains_key(&root) || snapshot.of_type(root).next().is_none()
        });
    let is_acknowledged = states
        .iter()
        .all(|(_, state)| *state == DeliveryState::Acked);
    if !is_busy && has_asked && is_acknowledged {
        NodeAnswer::Acknowledged
    } else {
        NodeAnswer::Waiting
    }
}

/// So many clusters with their endpoints and tables of routes, the first of each in this revision.
pub(super) fn gateway(size: usize, revision: u32) -> Arc<Snapshot> {
    let mut all: Vec<Resource> = vec![
        http_listener("l", "0", "e"),
        extension("e", &revision.to_string()),
    ];
    for number in 0..size {
        let revision = if number == 0 { revision } else { 0 };
        let name = number.to_string();
        all.push(eds_cluster(&name, revision));
        all.push(endpoints(&name, revision));
        all.push(route(&name, &revision.to_string()));
    }
    snapshot(&revision.to_string(), all)
}

/// The steps that one Envoy's session takes for a change of four resources, after another session
/// took the same change in, and how often it was sent something.
fn steps_of_a_change(size: usize) -> (usize, u64) {
    let (before, after) = (gateway(size, 1), gateway(size, 2));
    let take_in = |peer: &mut Peer| {
        let mut sent = peer.assign(&after);
        sent.extend(peer.ack_all());
        assert_eq!(peer.session.standing().answer, NodeAnswer::Acknowledged);
        sent.len()
    };
    let mut other = Peer::settled(&before);
    take_in(&mut other);
    let mut peer = Peer::settled(&before);
    peer.is_checked = false;
    step_count::taken_by(|| take_in(&mut peer))
}

#[test]
fn it_takes_no_more_steps_for_a_change_however_much_stays_as_it_is() {
    let (sent, few) = steps_of_a_change(10);
    assert_eq!(sent, 4);
    let (sent, many) = steps_of_a_change(1_000);
    assert_eq!(sent, 4);
    assert!(few > 0 && many == few, "{few} steps, {many} with more");
}

#[test]
fn it_takes_no_more_steps_to_ask_for_one_name_more_however_many_it_has() {
    let steps = |size: usize| {
        let mut peer = Peer::settled(&gateway(size, 1));
        peer.unsubscribe(ResourceType::Route, &["0"]);
        peer.is_checked = false;
        let (sent, steps) = step_count::taken_by(|| {
            let mut sent = peer.subscribe(ResourceType::Route, &["0"]);
            sent.extend(peer.ack_all());
            sent.len()
        });
        assert_eq!(sent, 1);
        steps
    };
    let few = steps(10);
    assert!(few > 0 && steps(1_000) == few);
}

#[test]
fn it_looks_at_what_waits_for_its_turn_no_more_often_for_each_answer_before_it() {
    let all = |revision: u32, routes: usize| {
        let clusters =
            (0..4).map(|name| crate::fixtures::large_cluster(&name.to_string(), revision));
        let routes = (0..routes).map(|name| route(&name.to_string(), &revision.to_string()));
        snapshot(
            &revision.to_string(),
            clusters.chain(routes).collect::<Vec<_>>(),
        )
    };
    let steps = |routes: usize| {
        let (before, after) = (all(1, routes), all(2, routes));
        let mut peer = Peer::settled(&before);
        peer.assign(&after);
        peer.is_checked = false;
        // Three of four batches of clusters, with all routes waiting behind them.
        let answer = |peer: &mut Peer| (0..3).for_each(|_| drop(peer.ack(ResourceType::Cluster)));
        step_count::taken_by(|| answer(&mut peer)).1
    };
    let few = steps(1);
    assert!(few > 0 && steps(500) == few);
}

#[test]
fn it_waits_for_what_an_envoy_of_named_clusters_is_still_to_ask_for() {
    let mut peer = Peer::new();
    peer.assign(&snapshot(
        "1",
        [
            eds_cluster("a", 1),
            endpoints("a", 1),
            eds_cluster("b", 1),
            endpoints("b", 1),
            cluster("c", 1),
        ],
    ));
    peer.subscribe(ResourceType::Cluster, &["a"]);
    peer.ack_all();
    assert_eq!(peer.session.standing().answer, NodeAnswer::Waiting);
    peer.subscribe(ResourceType::Endpoints, &["a"]);
    peer.ack_all();
    assert_eq!(peer.session.standing().answer, NodeAnswer::Acknowledged);
}
