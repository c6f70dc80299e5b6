//! Subscriptions: an Envoy is sent what it asks for, and nothing else.

use super::{NOTHING, Peer};
use crate::{
    ResourceType::{Cluster, Endpoints, ExtensionConfig, Listener, Route},
    fixtures::{cluster, endpoints, extension, http_listener, listener, route, snapshot},
};

#[test]
fn it_sends_nothing_before_the_first_snapshot() {
    let mut peer = Peer::new();
    assert_eq!(peer.subscribe(Cluster, &[]), NOTHING);
    let first = snapshot("1", [cluster("a", 1)]);
    assert_eq!(peer.assign(&first), ["+cluster a"]);
}

#[test]
fn it_takes_a_first_request_without_names_for_every_cluster_or_listener() {
    let mut peer = Peer::new();
    peer.assign(&snapshot("1", [cluster("a", 1), listener("l", 1)]));
    assert_eq!(peer.subscribe(Cluster, &[]), ["+cluster a"]);
    peer.ack(Cluster);
    assert_eq!(peer.subscribe(Listener, &[]), ["+listener l"]);
}

#[test]
fn it_takes_a_first_request_without_names_for_nothing_of_other_types() {
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
fn it_does_not_turn_names_into_a_wildcard_by_an_empty_acknowledgement() {
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
fn it_subscribes_to_everything_by_a_star_that_can_be_taken_back() {
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
fn it_takes_a_star_beside_a_name_for_everything() {
    let mut peer = Peer::new();
    peer.assign(&snapshot("1", [cluster("a", 1), cluster("b", 1)]));
    assert_eq!(
        peer.subscribe(Cluster, &["*", "a"]),
        ["+cluster a", "+cluster b"]
    );
}

#[test]
fn it_answers_a_wildcard_over_nothing_once_and_with_nothing() {
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
fn it_sends_only_what_was_asked_for() {
    let mut peer = Peer::new();
    peer.assign(&snapshot("1", [route("r", ""), route("s", "")]));
    assert_eq!(peer.subscribe(Route, &["s"]), ["+route configuration s"]);
    assert_eq!(peer.ack(Route), NOTHING);
}

#[test]
fn it_sends_what_is_there_although_other_names_are_not() {
    let mut peer = Peer::new();
    peer.assign(&snapshot("1", [endpoints("b", 1)]));
    assert_eq!(peer.subscribe(Endpoints, &["a", "b"]), ["+endpoints b"]);
}

#[test]
fn it_sends_a_name_that_is_added_although_its_version_is_old() {
    let mut peer = Peer::new();
    peer.assign(&snapshot("1", [route("r", ""), route("s", "")]));
    peer.subscribe(Route, &["r"]);
    peer.ack(Route);
    assert_eq!(peer.subscribe(Route, &["s"]), ["+route configuration s"]);
}

#[test]
fn it_answers_when_a_known_name_is_subscribed_to_again() {
    let mut peer = Peer::new();
    peer.assign(&snapshot("1", [route("r", "")]));
    peer.subscribe(Route, &["r"]);
    peer.ack(Route);
    assert_eq!(peer.subscribe(Route, &["r"]), ["+route configuration r"]);
}

#[test]
fn it_answers_when_a_name_is_subscribed_to_after_unsubscribing() {
    let mut peer = Peer::new();
    peer.assign(&snapshot("1", [route("r", "")]));
    peer.subscribe(Route, &["r"]);
    peer.ack(Route);
    assert_eq!(peer.unsubscribe(Route, &["r"]), NOTHING);
    assert_eq!(peer.assign(&snapshot("2", [route("r", "new")])), NOTHING);
    assert_eq!(peer.subscribe(Route, &["r"]), ["+route configuration r"]);
}

#[test]
fn it_tells_an_absent_name_once_and_sends_it_when_it_appears() {
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
fn it_tells_no_absent_extension_configuration_and_sends_it_when_it_appears() {
    let mut peer = Peer::new();
    peer.assign(&snapshot("1", []));
    assert_eq!(peer.subscribe(ExtensionConfig, &["e"]), NOTHING);
    assert_eq!(
        peer.assign(&snapshot("2", [extension("e", "")])),
        ["+extension configuration e"]
    );
}

#[test]
fn it_does_not_remove_an_extension_configuration_that_leaves_the_snapshot() {
    let first = snapshot("1", [extension("e", "")]);
    let mut peer = Peer::settled(&first);
    assert_eq!(peer.assign(&snapshot("2", [])), NOTHING);
    assert_eq!(peer.wait(super::ACK_DEADLINE * 2), NOTHING);
    assert_eq!(peer.assign(&first), NOTHING);
}

#[test]
fn it_does_not_mind_unsubscribing_from_a_name_that_was_never_known() {
    let mut peer = Peer::new();
    peer.assign(&snapshot("1", [route("r", "")]));
    assert_eq!(peer.unsubscribe(Route, &["phantom"]), NOTHING);
    assert_eq!(peer.subscribe(Route, &["r"]), ["+route configuration r"]);
}

#[test]
fn it_answers_unsubscribing_from_a_name_under_a_wildcard_with_what_it_is() {
    let mut peer = Peer::new();
    peer.assign(&snapshot("1", [cluster("a", 1)]));
    peer.subscribe(Cluster, &["*", "a", "b"]);
    peer.ack_all();
    assert_eq!(peer.unsubscribe(Cluster, &["a"]), ["+cluster a"]);
    peer.ack(Cluster);
    assert_eq!(peer.unsubscribe(Cluster, &["b"]), ["-cluster b"]);
}

#[test]
fn it_does_not_send_again_what_the_envoy_has_already() {
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
fn it_sends_what_changed_while_the_envoy_was_away_and_removes_what_went() {
    let mut peer = Peer::new();
    peer.assign(&snapshot("2", [cluster("a", 1), cluster("b", 2)]));
    let before = [cluster("a", 1), cluster("b", 1), cluster("c", 1)];
    let [a, b, c] = &before;
    assert_eq!(peer.resume(Cluster, &[], &[a, b, c]), ["+cluster b"]);
    assert_eq!(peer.ack(Cluster), ["-cluster c"]);
}

#[test]
fn it_takes_the_first_request_of_a_stream_for_an_answer_to_another_one() {
    let mut peer = Peer::new();
    peer.assign(&snapshot("1", [cluster("a", 1)]));
    let came = peer.answer_to(Cluster, "3-9", None);
    assert_eq!(came, ["+cluster a"]);
    assert_eq!(peer.answer_to(Cluster, "3-9", None), NOTHING);
    assert_eq!(peer.state(Cluster, "a"), crate::DeliveryState::Sent);
}
