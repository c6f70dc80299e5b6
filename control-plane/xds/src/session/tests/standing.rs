//! Reports on an Envoy: when a generation counts as accepted, rejected or in force.

use super::{ACK_DEADLINE, Peer};
use crate::{
    DeliveryState::{Acked, Pending, Sent, Unknown},
    Generation, NodeAnswer,
    ResourceType::{Cluster, ExtensionConfig, Listener, Route},
    fixtures::{cluster, extension, http_listener, large_cluster, listener, route, snapshot},
};

fn short(peer: &Peer) -> NodeAnswer {
    peer.session.standing().answer
}

#[test]
fn it_counts_a_generation_as_accepted_when_everything_is_acknowledged() {
    let mut peer = Peer::started(&snapshot("1", [cluster("a", 1), listener("l", 1)]));
    assert_eq!(short(&peer), NodeAnswer::Waiting);
    assert_eq!(peer.session.in_force(), None);
    peer.ack_all();
    assert_eq!(short(&peer), NodeAnswer::Acknowledged);
    assert_eq!(peer.session.in_force(), Some(&Generation::new("1")));
}

#[test]
fn it_accepts_no_generation_before_the_envoy_has_asked_for_its_listeners() {
    let mut peer = Peer::new();
    peer.assign(&snapshot("1", [cluster("a", 1), listener("l", 1)]));
    peer.subscribe(Cluster, &[]);
    peer.ack(Cluster);
    assert_eq!(short(&peer), NodeAnswer::Waiting);
}

#[test]
fn it_counts_an_acknowledged_listener_only_with_what_it_names() {
    let resources = [
        http_listener("l", "r", "e"),
        route("r", ""),
        extension("e", ""),
    ];
    let mut peer = Peer::started(&snapshot("1", resources));
    peer.ack_all();
    assert_eq!(short(&peer), NodeAnswer::Waiting);
    assert_eq!(peer.state(Route, "r"), Pending);
    peer.subscribe(Route, &["r"]);
    peer.ack(Route);
    assert_eq!(short(&peer), NodeAnswer::Waiting);
    peer.subscribe(ExtensionConfig, &["e"]);
    peer.ack(ExtensionConfig);
    assert_eq!(short(&peer), NodeAnswer::Acknowledged);
}

#[test]
fn it_waits_for_nothing_after_a_rejected_listener() {
    let resources = [
        http_listener("l", "r", "e"),
        route("r", ""),
        extension("e", ""),
    ];
    let mut peer = Peer::started(&snapshot("1", resources));
    peer.ack(Cluster);
    peer.nack(Listener, "port in use");
    assert_eq!(short(&peer), NodeAnswer::Rejected);
    assert_eq!(peer.session.in_force(), None);
}

#[test]
fn it_tells_a_rejection_before_the_rest_is_answered() {
    let mut peer = Peer::started(&snapshot(
        "1",
        [large_cluster("a", 1), large_cluster("b", 1)],
    ));
    peer.nack(Cluster, "bad");
    assert_eq!(short(&peer), NodeAnswer::Rejected);
}

#[test]
fn it_tells_what_was_sent_from_what_waits_for_its_turn() {
    let mut peer = Peer::settled(&snapshot(
        "1",
        [large_cluster("a", 1), large_cluster("b", 1)],
    ));
    peer.assign(&snapshot(
        "2",
        [large_cluster("a", 2), large_cluster("b", 2)],
    ));
    let states = [peer.state(Cluster, "a"), peer.state(Cluster, "b")];
    assert_eq!(states, [Sent, Pending]);
    peer.wait(ACK_DEADLINE);
    assert_eq!(peer.state(Cluster, "a"), Unknown);
}

#[test]
fn it_takes_silence_for_no_answer() {
    let mut peer = Peer::settled(&snapshot("1", [cluster("a", 1)]));
    peer.assign(&snapshot("2", [cluster("a", 2)]));
    peer.wait(ACK_DEADLINE);
    assert_eq!(short(&peer), NodeAnswer::Waiting);
}

#[test]
fn it_keeps_the_generation_in_force_when_the_next_one_is_rejected() {
    let mut peer = Peer::settled(&snapshot("1", [cluster("a", 1)]));
    peer.assign(&snapshot("2", [cluster("a", 2)]));
    peer.nack(Cluster, "bad");
    assert_eq!(peer.session.in_force(), Some(&Generation::new("1")));
}

#[test]
fn it_settles_no_generation_before_its_removals_are_acknowledged() {
    let mut peer = Peer::settled(&snapshot("1", [cluster("a", 1), cluster("b", 1)]));
    peer.assign(&snapshot("2", [cluster("a", 1)]));
    assert_eq!(short(&peer), NodeAnswer::Waiting);
    peer.ack(Cluster);
    assert_eq!(short(&peer), NodeAnswer::Acknowledged);
}

#[test]
fn it_is_not_troubled_by_an_extension_configuration_that_left_the_snapshot() {
    let mut peer = Peer::settled(&snapshot("1", [extension("e", "")]));
    peer.assign(&snapshot("2", []));
    assert_eq!(peer.state(ExtensionConfig, "e"), Acked);
    assert_eq!(short(&peer), NodeAnswer::Acknowledged);
}
