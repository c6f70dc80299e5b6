//! The order in which resources are sent: make before break.

use super::{ACK_DEADLINE, NOTHING, Peer};
use crate::{
    Resource,
    ResourceType::{Cluster, Endpoints, ExtensionConfig, Listener, Route},
    fixtures::{
        cluster, eds_cluster, endpoints, extension, http_listener, large_cluster, listener, route,
        snapshot,
    },
};

/// One of each type; `revision` makes all but the listener differ.
fn one_of_each(revision: u32) -> [Resource; 5] {
    let content = revision.to_string();
    [
        eds_cluster("c", revision),
        endpoints("c", revision),
        http_listener("l", "r", "e"),
        route("r", &content),
        extension("e", &content),
    ]
}

#[test]
fn it_gives_a_starting_envoy_each_type_in_turn() {
    let mut peer = Peer::new();
    peer.assign(&snapshot("1", one_of_each(1)));
    assert_eq!(peer.subscribe(Cluster, &[]), ["+cluster c"]);
    assert_eq!(peer.subscribe(Endpoints, &["c"]), ["+endpoints c"]);
    assert_eq!(peer.ack(Endpoints), NOTHING);
    assert_eq!(peer.ack(Cluster), NOTHING);
    assert_eq!(peer.subscribe(Listener, &[]), ["+listener l"]);
    assert_eq!(
        peer.subscribe(ExtensionConfig, &["e"]),
        ["+extension configuration e"]
    );
    assert_eq!(peer.subscribe(Route, &["r"]), ["+route configuration r"]);
    assert_eq!(peer.ack_all(), NOTHING);
}

#[test]
fn it_sends_type_after_type_each_when_the_one_before_is_acknowledged() {
    let with_listener = |generation, revision: u32| {
        let content = revision.to_string();
        snapshot(
            generation,
            [
                cluster("c", revision),
                listener("l", revision),
                route("r", &content),
                extension("e", &content),
            ],
        )
    };
    let mut peer = Peer::settled(&with_listener("1", 1));
    assert_eq!(peer.assign(&with_listener("2", 2)), ["+cluster c"]);
    assert_eq!(peer.ack(Cluster), ["+listener l"]);
    assert_eq!(peer.ack(Listener), ["+route configuration r"]);
    assert_eq!(peer.ack(Route), ["+extension configuration e"]);
    assert_eq!(peer.ack(ExtensionConfig), NOTHING);
}

#[test]
fn it_waits_with_a_type_for_all_of_an_earlier_type() {
    let mut peer = Peer::started(&snapshot(
        "1",
        [
            large_cluster("a", 1),
            large_cluster("b", 1),
            listener("l", 1),
        ],
    ));
    assert_eq!(peer.ack(Cluster), ["+cluster b"]);
    assert_eq!(peer.ack(Cluster), ["+listener l"]);
}

#[test]
fn it_does_not_wait_for_types_that_the_envoy_does_not_subscribe_to() {
    let mut peer = Peer::new();
    peer.assign(&snapshot("1", one_of_each(1)));
    assert_eq!(peer.subscribe(Listener, &[]), ["+listener l"]);
}

#[test]
fn it_sends_unchanged_endpoints_again_in_the_turn_of_their_changed_cluster() {
    let mut peer = Peer::settled(&snapshot("1", [eds_cluster("c", 1), endpoints("c", 1)]));
    let second = snapshot("2", [eds_cluster("c", 2), endpoints("c", 1)]);
    assert_eq!(peer.assign(&second), ["+cluster c", "+endpoints c"]);
    // Envoy acknowledges the cluster only when it has them.
    assert_eq!(peer.ack(Endpoints), NOTHING);
    assert_eq!(peer.ack(Cluster), NOTHING);
}

#[test]
fn it_sends_endpoints_again_that_were_in_flight_before_their_cluster_changed() {
    let mut peer = Peer::settled(&snapshot("1", [eds_cluster("c", 1), endpoints("c", 1)]));
    assert_eq!(
        peer.assign(&snapshot("2", [eds_cluster("c", 1), endpoints("c", 2)])),
        ["+endpoints c"]
    );
    assert_eq!(
        peer.assign(&snapshot("3", [eds_cluster("c", 2), endpoints("c", 2)])),
        ["+cluster c"]
    );
    assert_eq!(peer.ack(Endpoints), ["+endpoints c"]);
}

/// An Envoy that comes back may ask for endpoints before it asks for clusters, and has those.
#[test]
fn it_sends_endpoints_again_for_a_cluster_that_changed_while_the_envoy_was_away() {
    let has = [eds_cluster("c", 1), endpoints("c", 1)];
    let [old_cluster, same_endpoints] = &has;
    for asks_for_endpoints_first in [true, false] {
        let mut peer = Peer::new();
        peer.assign(&snapshot("2", [eds_cluster("c", 2), endpoints("c", 1)]));
        let mut came = Vec::new();
        if asks_for_endpoints_first {
            came.extend(peer.resume(Endpoints, &["c"], &[same_endpoints]));
            came.extend(peer.resume(Cluster, &[], &[old_cluster]));
        } else {
            came.extend(peer.resume(Cluster, &[], &[old_cluster]));
            came.extend(peer.resume(Endpoints, &["c"], &[same_endpoints]));
        }
        assert_eq!(came, ["+cluster c", "+endpoints c"]);
    }
}

#[test]
fn it_never_waits_with_endpoints_for_the_acknowledgement_of_their_cluster() {
    let mut peer = Peer::settled(&snapshot("1", [eds_cluster("c", 1), endpoints("c", 1)]));
    peer.assign(&snapshot("2", [eds_cluster("c", 2), endpoints("c", 1)]));
    peer.ack(Endpoints);
    assert_eq!(
        peer.assign(&snapshot("3", [eds_cluster("c", 2), endpoints("c", 3)])),
        ["+endpoints c"]
    );
}

#[test]
fn it_sends_what_a_warming_listener_asks_for_before_listeners_are_acknowledged() {
    let listeners = [http_listener("l", "r", "e"), listener("m", 1)];
    let rest = [route("r", ""), extension("e", "")];
    let mut peer = Peer::new();
    peer.assign(&snapshot("1", listeners.into_iter().chain(rest)));
    assert_eq!(
        peer.subscribe(Listener, &[]),
        ["+listener l", "+listener m"]
    );
    assert_eq!(peer.subscribe(Route, &["r"]), ["+route configuration r"]);
    assert_eq!(
        peer.subscribe(ExtensionConfig, &["e"]),
        ["+extension configuration e"]
    );
}

#[test]
fn it_removes_last_and_listeners_before_clusters() {
    let old = [cluster("a", 1), listener("l", 1), extension("e", "to a")];
    let mut peer = Peer::settled(&snapshot("1", old));
    let new = [cluster("b", 1), listener("m", 1), extension("e", "to b")];
    assert_eq!(peer.assign(&snapshot("2", new)), ["+cluster b"]);
    assert_eq!(peer.ack(Cluster), ["+listener m"]);
    assert_eq!(peer.ack(Listener), ["+extension configuration e"]);
    assert_eq!(peer.ack(ExtensionConfig), ["-listener l"]);
    assert_eq!(peer.ack(Listener), ["-cluster a"]);
    assert_eq!(peer.ack(Cluster), NOTHING);
}

#[test]
fn it_removes_although_the_extension_configuration_was_never_answered() {
    let mut peer = Peer::settled(&snapshot("1", [cluster("a", 1), extension("e", "1")]));
    peer.assign(&snapshot("2", [extension("e", "2")]));
    assert_eq!(peer.wait(ACK_DEADLINE), ["-cluster a"]);
}

#[test]
fn it_drops_a_removal_that_was_not_sent_yet_when_the_resource_comes_back() {
    let both =
        |generation, content| snapshot(generation, [cluster("a", 1), extension("e", content)]);
    let mut peer = Peer::settled(&both("1", "1"));
    peer.assign(&snapshot("2", [extension("e", "2")]));
    peer.assign(&both("3", "2"));
    assert_eq!(peer.ack(ExtensionConfig), NOTHING);
}

#[test]
fn it_sends_a_removed_resource_when_it_comes_back() {
    let mut peer = Peer::settled(&snapshot("1", [cluster("a", 1)]));
    assert_eq!(peer.assign(&snapshot("2", [])), ["-cluster a"]);
    assert_eq!(peer.assign(&snapshot("3", [cluster("a", 1)])), NOTHING);
    assert_eq!(peer.ack(Cluster), ["+cluster a"]);
}

#[test]
fn it_removes_the_endpoints_of_a_removed_cluster_if_the_envoy_still_asks() {
    let mut peer = Peer::settled(&snapshot("1", [eds_cluster("c", 1), endpoints("c", 1)]));
    assert_eq!(peer.assign(&snapshot("2", [])), ["-cluster c"]);
    assert_eq!(peer.ack(Cluster), ["-endpoints c"]);
    let mut tidy = Peer::settled(&snapshot("1", [eds_cluster("c", 1), endpoints("c", 1)]));
    tidy.assign(&snapshot("2", []));
    tidy.unsubscribe(Endpoints, &["c"]);
    assert_eq!(tidy.ack(Cluster), NOTHING);
}
