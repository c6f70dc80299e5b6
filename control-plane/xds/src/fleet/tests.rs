use std::time::{Duration, Instant};

use super::*;
use crate::{fixtures::snapshot, session::Progress};

fn connect(fleet: &mut Fleet, id: &str) -> Admission {
    let identity = Identity {
        id: NodeId::new(id),
        cluster: String::new(),
        user_agent: String::new(),
    };
    let new_session = |stream, rejections| Session::new(stream, Duration::from_secs(5), rejections);
    fleet.connect(identity, new_session, Instant::now())
}

fn report(fleet: &mut Fleet, id: &str, stream: &Admission, generation: &str, verdict: Verdict) {
    let standing = Standing {
        generation: Some(Generation::new(generation)),
        progress: Progress::Settled,
        verdict,
    };
    fleet.report(&NodeId::new(id), stream.stream, standing);
}

fn disconnect(fleet: &mut Fleet, id: &str, stream: &Admission) {
    fleet.disconnect(&NodeId::new(id), stream.stream, Instant::now());
}

fn given(admission: &Admission) -> Option<String> {
    let snapshot = admission.assignment.borrow();
    snapshot
        .as_ref()
        .map(|snapshot| snapshot.generation().to_string())
}

fn accepted(fleet: &Fleet) -> Option<String> {
    fleet
        .accepted()
        .map(|snapshot| snapshot.generation().to_string())
}

/// A fleet of the one Envoy `a`, which accepted the generation `1`.
fn fleet_of_one() -> (Fleet, Admission) {
    let mut fleet = Fleet::default();
    fleet.publish(snapshot("1", []));
    let a = connect(&mut fleet, "a");
    report(&mut fleet, "a", &a, "1", Verdict::Accepted);
    assert_eq!(accepted(&fleet), Some("1".to_owned()));
    (fleet, a)
}

#[test]
fn every_connected_envoy_is_given_what_is_published() {
    let (mut fleet, a) = fleet_of_one();
    let b = connect(&mut fleet, "b");
    fleet.publish(snapshot("2", []));
    assert_eq!(given(&a), Some("2".to_owned()));
    assert_eq!(given(&b), Some("2".to_owned()));
}

#[test]
fn an_envoy_that_connects_before_anything_is_published_waits() {
    let mut fleet = Fleet::default();
    let a = connect(&mut fleet, "a");
    assert_eq!(given(&a), None);
    fleet.publish(snapshot("1", []));
    assert_eq!(given(&a), Some("1".to_owned()));
}

#[test]
fn a_generation_is_accepted_when_every_envoy_that_was_given_it_accepted_it() {
    let (mut fleet, a) = fleet_of_one();
    let b = connect(&mut fleet, "b");
    fleet.publish(snapshot("2", []));
    report(&mut fleet, "a", &a, "2", Verdict::Accepted);
    assert_eq!(accepted(&fleet), Some("1".to_owned()));
    report(&mut fleet, "b", &b, "2", Verdict::Accepted);
    assert_eq!(accepted(&fleet), Some("2".to_owned()));
}

#[test]
fn what_an_envoy_says_of_an_older_generation_does_not_count() {
    let (mut fleet, a) = fleet_of_one();
    fleet.publish(snapshot("2", []));
    report(&mut fleet, "a", &a, "1", Verdict::Accepted);
    assert_eq!(accepted(&fleet), Some("1".to_owned()));
    assert!(!fleet.is_settled(&Generation::new("2")));
}

#[test]
fn a_new_envoy_is_given_the_accepted_generation_while_the_next_is_judged_and_then_the_next() {
    let (mut fleet, a) = fleet_of_one();
    fleet.publish(snapshot("2", []));
    let b = connect(&mut fleet, "b");
    assert_eq!(given(&b), Some("1".to_owned()));
    report(&mut fleet, "a", &a, "2", Verdict::Accepted);
    assert_eq!(given(&b), Some("2".to_owned()));
}

#[test]
fn a_new_envoy_is_never_given_a_rejected_generation() {
    let (mut fleet, a) = fleet_of_one();
    fleet.publish(snapshot("2", []));
    report(&mut fleet, "a", &a, "2", Verdict::Rejected);
    let b = connect(&mut fleet, "b");
    assert_eq!(given(&b), Some("1".to_owned()));
    disconnect(&mut fleet, "a", &a);
    assert_eq!(given(&b), Some("1".to_owned()));
    assert_eq!(accepted(&fleet), Some("1".to_owned()));
}

#[test]
fn an_envoy_that_rejected_a_generation_is_given_the_accepted_one_when_it_reconnects() {
    let (mut fleet, a) = fleet_of_one();
    fleet.publish(snapshot("2", []));
    report(&mut fleet, "a", &a, "2", Verdict::Rejected);
    assert_eq!(given(&a), Some("2".to_owned()));
    disconnect(&mut fleet, "a", &a);
    assert_eq!(given(&connect(&mut fleet, "a")), Some("1".to_owned()));
}

#[test]
fn an_envoy_that_has_the_generation_already_keeps_it_when_it_reconnects() {
    let (mut fleet, _a) = fleet_of_one();
    let b = connect(&mut fleet, "b");
    fleet.publish(snapshot("2", []));
    disconnect(&mut fleet, "b", &b);
    assert_eq!(given(&connect(&mut fleet, "b")), Some("2".to_owned()));
}

#[test]
fn without_a_judge_the_next_envoy_is_the_judge() {
    let (mut fleet, a) = fleet_of_one();
    fleet.publish(snapshot("2", []));
    let b = connect(&mut fleet, "b");
    disconnect(&mut fleet, "a", &a);
    assert_eq!(given(&b), Some("2".to_owned()));
}

#[test]
fn of_several_envoys_without_a_judge_one_becomes_it() {
    let (mut fleet, a) = fleet_of_one();
    fleet.publish(snapshot("2", []));
    let b = connect(&mut fleet, "b");
    let c = connect(&mut fleet, "c");
    disconnect(&mut fleet, "a", &a);
    let given = [given(&b), given(&c)];
    assert_eq!(given, [Some("2".to_owned()), Some("1".to_owned())]);
}

#[test]
fn before_anything_was_accepted_everyone_is_given_what_is_published() {
    let mut fleet = Fleet::default();
    fleet.publish(snapshot("1", []));
    let a = connect(&mut fleet, "a");
    report(&mut fleet, "a", &a, "1", Verdict::Rejected);
    assert_eq!(given(&connect(&mut fleet, "b")), Some("1".to_owned()));
    assert_eq!(accepted(&fleet), None);
}

#[test]
fn an_acceptance_stands_when_an_envoy_rejects_the_generation_later() {
    let (mut fleet, _a) = fleet_of_one();
    let b = connect(&mut fleet, "b");
    report(&mut fleet, "b", &b, "1", Verdict::Rejected);
    assert_eq!(accepted(&fleet), Some("1".to_owned()));
    assert_eq!(given(&connect(&mut fleet, "c")), Some("1".to_owned()));
}

#[test]
fn what_was_accepted_before_a_restart_is_what_new_envoys_get() {
    let mut fleet = Fleet::default();
    fleet.restore(snapshot("1", []));
    assert_eq!(given(&connect(&mut fleet, "a")), Some("1".to_owned()));
    fleet.publish(snapshot("2", []));
    assert_eq!(given(&connect(&mut fleet, "b")), Some("1".to_owned()));
}

#[test]
fn what_is_published_again_is_accepted_as_far_as_the_envoys_have_it() {
    let (mut fleet, a) = fleet_of_one();
    fleet.publish(snapshot("2", []));
    report(&mut fleet, "a", &a, "2", Verdict::Accepted);
    fleet.publish(snapshot("2", []));
    assert_eq!(given(&connect(&mut fleet, "b")), Some("2".to_owned()));
    assert_eq!(accepted(&fleet), Some("2".to_owned()));
}

#[test]
fn restoring_does_not_undo_what_was_published_first() {
    let mut fleet = Fleet::default();
    fleet.publish(snapshot("2", []));
    fleet.restore(snapshot("1", []));
    assert_eq!(given(&connect(&mut fleet, "a")), Some("2".to_owned()));
    assert_eq!(given(&connect(&mut fleet, "b")), Some("1".to_owned()));
}

#[test]
fn an_older_stream_of_the_same_envoy_is_served_and_not_counted() {
    let (mut fleet, old) = fleet_of_one();
    let new = connect(&mut fleet, "a");
    fleet.publish(snapshot("2", []));
    assert_eq!(given(&old), Some("2".to_owned()));
    report(&mut fleet, "a", &old, "2", Verdict::Accepted);
    assert_eq!(accepted(&fleet), Some("1".to_owned()));
    report(&mut fleet, "a", &new, "2", Verdict::Accepted);
    assert_eq!(accepted(&fleet), Some("2".to_owned()));
}

#[test]
fn an_envoy_is_connected_until_its_last_stream_ends() {
    let (mut fleet, old) = fleet_of_one();
    let new = connect(&mut fleet, "a");
    let is_up = |fleet: &Fleet| fleet.nodes().all(Node::is_up);
    disconnect(&mut fleet, "a", &new);
    assert!(is_up(&fleet));
    disconnect(&mut fleet, "a", &old);
    assert!(!is_up(&fleet));
}

#[test]
fn a_generation_is_settled_without_envoys_and_despite_those_that_left() {
    let (mut fleet, a) = fleet_of_one();
    fleet.publish(snapshot("2", []));
    assert!(!fleet.is_settled(&Generation::new("2")));
    disconnect(&mut fleet, "a", &a);
    assert!(fleet.is_settled(&Generation::new("2")));
}

#[test]
fn only_so_many_envoys_that_left_are_remembered() {
    let (mut fleet, _a) = fleet_of_one();
    for number in 0..GONE_KEPT + 10 {
        let id = format!("passing {number:05}");
        let passing = connect(&mut fleet, &id);
        disconnect(&mut fleet, &id, &passing);
    }
    assert_eq!(fleet.nodes().count(), GONE_KEPT + 1);
    let first = NodeId::new("passing 00000");
    assert!(fleet.nodes().all(|node| node.identity.id != first));
}
