//! Batches: as many resources as fit go out together, and the one that is to blame is found.

use proptest::{collection::btree_set, prelude::*};

use super::{ACK_DEADLINE, NOTHING, Peer};
use crate::{
    DeliveryState::{Acked, Rejected, Sent},
    NodeAnswer, Resource,
    ResourceType::{Cluster, Endpoints, ExtensionConfig, Listener, Route},
    fixtures::{
        cluster, eds_cluster, endpoints, extension, large_cluster, listener, route, snapshot,
    },
};

fn four_clusters() -> [Resource; 4] {
    ["alpha", "beta", "gamma", "delta"].map(|name| cluster(name, 1))
}

#[test]
fn it_sends_what_fits_into_one_response_and_has_one_of_a_type_in_flight() {
    let resources = [
        cluster("a", 1),
        cluster("b", 1),
        large_cluster("c", 1),
        cluster("d", 1),
    ];
    let mut peer = Peer::new();
    peer.assign(&snapshot("1", resources));
    assert_eq!(peer.subscribe(Cluster, &[]), ["+cluster a", "+cluster b"]);
    assert_eq!(peer.poll(), NOTHING);
    assert_eq!(peer.ack(Cluster), ["+cluster c"]);
    assert_eq!(peer.ack(Cluster), ["+cluster d"]);
    assert_eq!(peer.ack(Cluster), NOTHING);
    assert_eq!(peer.session.standing().answer, NodeAnswer::Acknowledged);
}

#[test]
fn it_sends_each_extension_configuration_alone() {
    let mut peer = Peer::new();
    peer.assign(&snapshot("1", [extension("e", ""), extension("f", "")]));
    assert_eq!(
        peer.subscribe(ExtensionConfig, &["e", "f"]),
        ["+extension configuration e"]
    );
    assert_eq!(peer.ack(ExtensionConfig), ["+extension configuration f"]);
}

#[test]
fn it_tries_alone_what_the_envoys_words_name_and_the_rest_together() {
    let mut peer = Peer::started(&snapshot("1", four_clusters()));
    assert_eq!(peer.nack(Cluster, "cluster beta: bad"), ["+cluster beta"]);
    assert_eq!(peer.session.standing().answer, NodeAnswer::Waiting);
    assert_eq!(
        peer.nack(Cluster, "bad, indeed"),
        ["+cluster alpha", "+cluster delta", "+cluster gamma"]
    );
    assert_eq!(peer.ack(Cluster), NOTHING);
    let rejected = Rejected {
        message: "bad, indeed".to_owned(),
    };
    assert_eq!(peer.state(Cluster, "beta"), rejected);
    for name in ["alpha", "gamma", "delta"] {
        assert_eq!(peer.state(Cluster, name), Acked);
    }
}

#[test]
fn it_halves_a_batch_whose_rejection_names_nothing() {
    let mut peer = Peer::started(&snapshot("1", four_clusters()));
    assert_eq!(
        peer.nack(Cluster, "no reason"),
        ["+cluster alpha", "+cluster beta"]
    );
    assert_eq!(peer.ack(Cluster), ["+cluster delta", "+cluster gamma"]);
    assert_eq!(peer.nack(Cluster, "no reason"), ["+cluster delta"]);
    assert_eq!(peer.ack(Cluster), ["+cluster gamma"]);
    assert_eq!(peer.nack(Cluster, "no reason"), NOTHING);
    assert_eq!(peer.session.standing().answer, NodeAnswer::Rejected);
    assert_eq!(peer.session.standing().rejections.len(), 1);
}

/// A cluster that passes validation and cannot be made is never answered, within a batch.
#[test]
fn it_halves_a_batch_that_is_not_answered_in_time() {
    let mut peer = Peer::started(&snapshot("1", four_clusters()));
    assert_eq!(peer.wait(ACK_DEADLINE), ["+cluster alpha", "+cluster beta"]);
    assert_eq!(peer.ack(Cluster), ["+cluster delta", "+cluster gamma"]);
    assert_eq!(peer.wait(ACK_DEADLINE), ["+cluster delta"]);
    peer.nack(Cluster, "bad");
    assert_eq!(peer.ack_all(), NOTHING);
    for name in ["alpha", "beta", "gamma"] {
        assert_eq!(peer.state(Cluster, name), Acked);
    }
}

#[test]
fn it_learns_of_each_from_a_late_acknowledgement_of_a_batch_and_nothing_from_a_late_rejection() {
    let mut peer = Peer::started(&snapshot("1", four_clusters()));
    let late = peer.nonce(Cluster);
    peer.wait(ACK_DEADLINE);
    let half = peer.nonce(Cluster);
    assert_eq!(
        peer.answer_to(Cluster, &late, Some("late".to_owned())),
        NOTHING
    );
    assert_eq!(peer.state(Cluster, "alpha"), Sent);
    peer.answer_to(Cluster, &half, None);
    peer.ack_all();
    assert_eq!(peer.session.standing().answer, NodeAnswer::Acknowledged);

    let mut slow = Peer::started(&snapshot("1", four_clusters()));
    let late = slow.nonce(Cluster);
    slow.wait(ACK_DEADLINE);
    slow.answer_to(Cluster, &late, None);
    slow.ack_all();
    assert_eq!(slow.session.standing().answer, NodeAnswer::Acknowledged);
}

#[test]
fn it_forgets_what_was_to_blame_when_that_is_no_longer_wanted() {
    let mut peer = Peer::started(&snapshot("1", four_clusters()));
    peer.ack(Listener);
    peer.nack(Cluster, "no reason");
    peer.assign(&snapshot("2", [cluster("alpha", 1), listener("l", 1)]));
    assert_eq!(peer.ack(Cluster), ["+listener l"]);
    peer.ack_all();
    assert_eq!(peer.session.standing().answer, NodeAnswer::Acknowledged);
}

#[test]
fn it_sends_the_endpoints_of_all_clusters_of_a_batch_again() {
    let both = |revision| {
        [
            eds_cluster("a", revision),
            eds_cluster("b", revision),
            endpoints("a", 1),
            endpoints("b", 1),
        ]
    };
    let mut peer = Peer::settled(&snapshot("1", both(1)));
    assert_eq!(
        peer.assign(&snapshot("2", both(2))),
        ["+cluster a", "+cluster b", "+endpoints a", "+endpoints b"]
    );
    assert_eq!(peer.ack(Endpoints), NOTHING);
    assert_eq!(peer.ack(Cluster), NOTHING);
}

/// A listener of the Envoy's may be warming until it has its route.
#[test]
fn it_does_not_hold_what_the_envoy_asked_for_by_name_after_its_batch_was_split() {
    let resources = [large_cluster("a", 1), route("r", ""), route("s", "")];
    let mut peer = Peer::new();
    peer.assign(&snapshot("1", resources));
    peer.subscribe(Cluster, &[]);
    assert_eq!(
        peer.subscribe(Route, &["r", "s"]),
        ["+route configuration r", "+route configuration s"]
    );
    assert_eq!(peer.nack(Route, "no reason"), ["+route configuration r"]);
    assert_eq!(peer.ack(Route), ["+route configuration s"]);
}

proptest! {
    /// Whoever is to blame is found, soon, and nobody else has to suffer for it.
    #[test]
    fn it_finds_each_bad_resource_of_a_batch_and_loses_no_other(
        total in 1..40_usize,
        bad in btree_set(0..40_usize, 0..4),
        answers_with_silence in any::<bool>(),
    ) {
        let name = |number: usize| format!("c{number:02}");
        let is_bad = |wanted: &str| bad.iter().any(|number| name(*number) == wanted);
        let all = (0..total).map(|number| cluster(&name(number), 1));
        let mut peer = Peer::started(&snapshot("1", all));
        let mut responses = 0;
        while let Some(response) = peer.unanswered.get(&Cluster).cloned() {
            responses += 1;
            let is_alone = response.resources.len() == 1;
            let has_bad = response.resources.iter().any(|resource| is_bad(resource.name()));
            if has_bad && answers_with_silence && !is_alone {
                peer.unanswered.remove(&Cluster);
                peer.wait(ACK_DEADLINE);
            } else if has_bad {
                peer.nack(Cluster, "no reason");
            } else {
                peer.ack(Cluster);
            }
        }
        for number in 0..total {
            let state = peer.state(Cluster, &name(number));
            prop_assert_eq!(matches!(state, Rejected { .. }), bad.contains(&number));
            prop_assert_eq!(state == Acked, !bad.contains(&number));
        }
        // Each bad one is looked for by halves: two responses for each time that it halves.
        let halvings = usize::BITS - total.leading_zeros();
        let most = 1 + 2 * bad.len() * (halvings as usize + 1);
        prop_assert!(responses <= most, "{responses} responses, {most} at most");
    }
}
