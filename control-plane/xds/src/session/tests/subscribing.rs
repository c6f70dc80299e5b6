//! What an Envoy is sent because of what it asks for.

use super::{NOTHING, Peer};
use crate::{
    ResourceType::{Cluster, Endpoints, ExtensionConfig, Listener, Route},
    fixtures::{cluster, endpoints, extension, http_listener, listener, route, snapshot},
};

#[test]
fn before_the_first_snapshot_nothing_is_sent() {
    let mut peer = Peer::new();
    assert_eq!(peer.subscribe(Cluster, &[]), NOTHING);
    let first = snapshot("1", [cluster("a", 1)]);
    assert_eq!(peer.assign(&first), ["+cluster a"]);
}

#[test]
fn a_first_request_without_names_means_every_cluster_or_listener() {
    let mut peer = Peer::new();
    peer.assign(&snapshot("1", [cluster("a", 1), listener("l", 1)]));
    assert_eq!(peer.subscribe(Cluster, &[]), ["+cluster a"]);
    peer.ack(Cluster);
    assert_eq!(peer.subscribe(Listener, &[]), ["+listener l"]);
}

#[test]
fn a_first_request_without_names_means_nothing_for_the_other_types() {
    let mut peer = Peer::new();
    peer.assign(&snapshot(
        "1",
        [endpoints("a", 1), route("r", ""), extension("e", "")],
    ));
    for resource_type in [Endpoints, Route, ExtensionConfig] {
        assert_eq!(peer.subscribe(resource_type, &[]), NOTHING);
    }
}

#[test]
fn an_empty_acknowledgement_does_not_turn_names_into_a_wildcard() {
    let mut peer = Peer::new();
    peer.assign(&snapshot("1", [cluster("a", 1), cluster("b", 1)]));
    assert_eq!(peer.subscribe(Cluster, &["a"]), ["+cluster a"]);
    assert_eq!(peer.ack(Cluster), NOTHING);
    assert_eq!(
        peer.assign(&snapshot("2", [cluster("a", 1), cluster("b", 2)])),
        NOTHING
    );
}

#[test]
fn a_star_subscribes_to_everything_and_can_be_taken_back() {
    let mut peer = Peer::new();
    peer.assign(&snapshot("1", [cluster("a", 1), cluster("b", 1)]));
    assert_eq!(peer.subscribe(Cluster, &["a"]), ["+cluster a"]);
    peer.ack(Cluster);
    assert_eq!(peer.subscribe(Cluster, &["*"]), ["+cluster b"]);
    peer.ack(Cluster);
    peer.unsubscribe(Cluster, &["*"]);
    let second = snapshot("2", [cluster("a", 2), cluster("b", 2)]);
    assert_eq!(peer.assign(&second), ["+cluster a"]);
    assert_eq!(peer.ack(Cluster), NOTHING);
}

#[test]
fn a_star_beside_a_name_means_everything() {
    let mut peer = Peer::new();
    peer.assign(&snapshot("1", [cluster("a", 1), cluster("b", 1)]));
    assert_eq!(peer.subscribe(Cluster, &["*", "a"]), ["+cluster a"]);
    assert_eq!(peer.ack(Cluster), ["+cluster b"]);
}

#[test]
fn a_wildcard_over_nothing_is_answered_once_and_with_nothing() {
    let mut peer = Peer::new();
    peer.assign(&snapshot("1", []));
    assert_eq!(peer.subscribe(Cluster, &[]), ["cluster: nothing"]);
    assert_eq!(peer.ack(Cluster), NOTHING);
    assert_eq!(peer.assign(&snapshot("2", [])), NOTHING);
    assert_eq!(
        peer.assign(&snapshot("3", [cluster("a", 1)])),
        ["+cluster a"]
    );
}

#[test]
fn only_what_was_asked_for_is_sent() {
    let mut peer = Peer::new();
    peer.assign(&snapshot("1", [route("r", ""), route("s", "")]));
    assert_eq!(peer.subscribe(Route, &["s"]), ["+route configuration s"]);
    assert_eq!(peer.ack(Route), NOTHING);
}

#[test]
fn what_is_there_is_not_held_back_because_other_names_are_not() {
    let mut peer = Peer::new();
    peer.assign(&snapshot("1", [endpoints("b", 1)]));
    assert_eq!(peer.subscribe(Endpoints, &["a", "b"]), ["+endpoints b"]);
}

#[test]
fn a_name_that_is_added_is_sent_although_its_version_is_old() {
    let mut peer = Peer::new();
    peer.assign(&snapshot("1", [route("r", ""), route("s", "")]));
    peer.subscribe(Route, &["r"]);
    peer.ack(Route);
    assert_eq!(peer.subscribe(Route, &["s"]), ["+route configuration s"]);
}

#[test]
fn subscribing_again_to_a_known_name_is_answered() {
    let mut peer = Peer::new();
    peer.assign(&snapshot("1", [route("r", "")]));
    peer.subscribe(Route, &["r"]);
    peer.ack(Route);
    assert_eq!(peer.subscribe(Route, &["r"]), ["+route configuration r"]);
}

#[test]
fn subscribing_after_unsubscribing_is_answered() {
    let mut peer = Peer::new();
    peer.assign(&snapshot("1", [route("r", "")]));
    peer.subscribe(Route, &["r"]);
    peer.ack(Route);
    assert_eq!(peer.unsubscribe(Route, &["r"]), NOTHING);
    assert_eq!(peer.assign(&snapshot("2", [route("r", "new")])), NOTHING);
    assert_eq!(peer.subscribe(Route, &["r"]), ["+route configuration r"]);
}

#[test]
fn an_absent_name_is_told_once_and_sent_when_it_appears() {
    let mut peer = Peer::new();
    peer.assign(&snapshot("1", []));
    assert_eq!(peer.subscribe(Endpoints, &["a"]), ["-endpoints a"]);
    assert_eq!(peer.ack(Endpoints), NOTHING);
    assert_eq!(peer.assign(&snapshot("2", [cluster("x", 1)])), NOTHING);
    assert_eq!(
        peer.assign(&snapshot("3", [endpoints("a", 1)])),
        ["+endpoints a"]
    );
}

#[test]
fn an_absent_extension_configuration_is_not_told_and_sent_when_it_appears() {
    let mut peer = Peer::new();
    peer.assign(&snapshot("1", []));
    assert_eq!(peer.subscribe(ExtensionConfig, &["e"]), NOTHING);
    assert_eq!(
        peer.assign(&snapshot("2", [extension("e", "")])),
        ["+extension configuration e"]
    );
}

#[test]
fn an_extension_configuration_that_leaves_the_snapshot_is_not_removed() {
    let first = snapshot("1", [extension("e", "")]);
    let mut peer = Peer::settled(&first);
    assert_eq!(peer.assign(&snapshot("2", [])), NOTHING);
    assert_eq!(peer.wait(super::ACK_DEADLINE * 2), NOTHING);
    assert_eq!(peer.assign(&first), NOTHING);
}

#[test]
fn unsubscribing_from_a_name_that_was_never_known_is_no_matter() {
    let mut peer = Peer::new();
    peer.assign(&snapshot("1", [route("r", "")]));
    assert_eq!(peer.unsubscribe(Route, &["phantom"]), NOTHING);
    assert_eq!(peer.subscribe(Route, &["r"]), ["+route configuration r"]);
}

#[test]
fn unsubscribing_from_a_name_under_a_wildcard_is_answered_with_what_it_is() {
    let mut peer = Peer::new();
    peer.assign(&snapshot("1", [cluster("a", 1)]));
    peer.subscribe(Cluster, &["*", "a", "b"]);
    peer.ack_all();
    assert_eq!(peer.unsubscribe(Cluster, &["a"]), ["+cluster a"]);
    peer.ack(Cluster);
    assert_eq!(peer.unsubscribe(Cluster, &["b"]), ["-cluster b"]);
}

#[test]
fn what_the_envoy_has_already_is_not_sent_again() {
    let resources = [
        cluster("a", 1),
        http_listener("l", "r", "e"),
        route("r", ""),
        extension("e", ""),
    ];
    let mut peer = Peer::new();
    peer.assign(&snapshot("1", resources.clone()));
    let [a, l, r, e] = &resources;
    assert_eq!(peer.resume(Cluster, &["*"], &[a]), NOTHING);
    assert_eq!(peer.resume(Listener, &[], &[l]), NOTHING);
    assert_eq!(peer.resume(Route, &["r"], &[r]), NOTHING);
    assert_eq!(peer.resume(ExtensionConfig, &["e"], &[e]), NOTHING);
}

#[test]
fn what_changed_while_the_envoy_was_away_is_sent_and_what_went_is_removed() {
    let mut peer = Peer::new();
    peer.assign(&snapshot("2", [cluster("a", 1), cluster("b", 2)]));
    let before = [cluster("a", 1), cluster("b", 1), cluster("c", 1)];
    let [a, b, c] = &before;
    assert_eq!(peer.resume(Cluster, &[], &[a, b, c]), ["+cluster b"]);
    assert_eq!(peer.ack(Cluster), ["-cluster c"]);
}

#[test]
fn the_first_request_of_a_stream_may_answer_another_one() {
    let mut peer = Peer::new();
    peer.assign(&snapshot("1", [cluster("a", 1)]));
    let came = peer.answer_to(Cluster, "3-9", None);
    assert_eq!(came, ["+cluster a"]);
    assert_eq!(peer.answer_to(Cluster, "3-9", None), NOTHING);
    assert_eq!(peer.state(Cluster, "a"), crate::DeliveryState::Pending);
}
