//! Batches: as many resources as fit go out together, and the one that is to blame is found.

use proptest::{collection::btree_set, prelude::*};

use super::{ACK_DEADLINE, NOTHING, Peer};
use crate::{
    DeliveryState::{Acked, Pending, Rejected},
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

/// Envoy passes over a cluster that it could not make when it comes again, and answers nothing from
/// then on, until that one is taken back.
#[test]
fn it_takes_back_at_once_the_clusters_that_envoy_says_it_could_not_make() {
    let both = |alpha, bad| {
        [
            cluster("alpha", alpha),
            cluster("bad", bad),
            cluster("new", 1),
        ]
    };
    let words = "Error adding/updating cluster(s) bad: too small, new: too large";
    let mut peer = Peer::settled(&snapshot("1", [cluster("alpha", 1), cluster("bad", 1)]));
    assert_eq!(
        peer.assign(&snapshot("2", both(2, 2))),
        ["+cluster alpha", "+cluster bad", "+cluster new"]
    );
    assert_eq!(
        peer.nack(Cluster, words),
        ["+cluster alpha", "+cluster bad", "-cluster new"]
    );
    let response = &peer.unanswered[&Cluster];
    assert_eq!(response.resources[1].version(), cluster("bad", 1).version());
    assert_eq!(peer.ack(Cluster), NOTHING);
    assert_eq!(peer.state(Cluster, "alpha"), Acked);
    for name in ["bad", "new"] {
        let state = peer.state(Cluster, name);
        assert!(matches!(state, Rejected { .. }), "{name}: {state:?}");
    }
    // Once is enough.
    assert_eq!(peer.assign(&snapshot("3", both(3, 2))), ["+cluster alpha"]);
    assert_eq!(peer.ack(Cluster), NOTHING);
    assert_eq!(peer.assign(&snapshot("4", both(3, 3))), ["+cluster bad"]);
}

#[test]
fn it_tries_alone_what_the_envoys_words_name_and_the_rest_together() {
    let mut peer = Peer::started(&snapshot("1", four_clusters()));
    assert_eq!(peer.nack(Cluster, "beta is bad"), ["+cluster beta"]);
    assert_eq!(peer.session.standing().answer, NodeAnswer::Waiting);
    assert_eq!(
        peer.nack(Cluster, "bad, indeed"),
        [
            "+cluster alpha",
            "+cluster delta",
            "+cluster gamma",
            "-cluster beta"
        ]
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

/// A cluster that passes validation and cannot be made is never answered, within a batch, as long
/// as Envoy has it.
#[test]
fn it_takes_back_and_halves_a_batch_of_clusters_that_is_not_answered_in_time() {
    let mut peer = Peer::started(&snapshot("1", four_clusters()));
    let all = [
        "-cluster alpha",
        "-cluster beta",
        "-cluster delta",
        "-cluster gamma",
    ];
    assert_eq!(peer.wait(ACK_DEADLINE), all);
    assert_eq!(peer.ack(Cluster), ["+cluster alpha", "+cluster beta"]);
    assert_eq!(peer.ack(Cluster), ["+cluster delta", "+cluster gamma"]);
    let half = ["-cluster delta", "-cluster gamma"];
    assert_eq!(peer.wait(ACK_DEADLINE), half);
    assert_eq!(peer.ack(Cluster), ["+cluster delta"]);
    let rest = ["+cluster gamma", "-cluster delta"];
    assert_eq!(peer.nack(Cluster, "bad"), rest);
    assert_eq!(peer.ack_all(), NOTHING);
    for name in ["alpha", "beta", "gamma"] {
        assert_eq!(peer.state(Cluster, name), Acked);
    }
}

#[test]
fn it_blames_the_cluster_that_a_late_rejection_of_a_batch_names() {
    let mut peer = Peer::settled(&snapshot("1", [cluster("alpha", 1)]));
    let both = [cluster("alpha", 2), cluster("bad", 1), listener("l", 1)];
    peer.assign(&snapshot("2", both));
    let late = peer.nonce(Cluster);
    // What may name them waits until it is known what Envoy has.
    let as_it_was = ["+cluster alpha", "-cluster bad"];
    assert_eq!(peer.wait(ACK_DEADLINE), as_it_was);
    let words = "Error adding/updating cluster(s) bad: no".to_owned();
    assert_eq!(peer.answer_to(Cluster, &late, Some(words)), NOTHING);
    assert_eq!(peer.ack(Cluster), ["+cluster alpha"]);
    assert_eq!(peer.ack(Cluster), ["+listener l"]);
    peer.ack(Listener);
    let state = peer.state(Cluster, "bad");
    assert!(matches!(state, Rejected { .. }), "{state:?}");
}

/// An Envoy that is gone must not hold up what it never answers.
#[test]
fn it_goes_on_when_the_clusters_that_are_taken_back_are_not_answered_either() {
    let resources = [cluster("alpha", 1), cluster("beta", 1), listener("l", 1)];
    let mut peer = Peer::started(&snapshot("1", resources));
    assert_eq!(peer.wait(ACK_DEADLINE), ["-cluster alpha", "-cluster beta"]);
    assert_eq!(peer.wait(ACK_DEADLINE), ["+cluster alpha", "+listener l"]);
}

#[test]
fn it_learns_of_each_from_a_late_acknowledgement_of_a_batch_and_nothing_from_a_late_rejection() {
    let mut peer = Peer::started(&snapshot("1", four_clusters()));
    let late = peer.nonce(Cluster);
    peer.wait(ACK_DEADLINE);
    assert_eq!(
        peer.answer_to(Cluster, &late, Some("late".to_owned())),
        NOTHING
    );
    assert_eq!(peer.state(Cluster, "alpha"), Pending);
    peer.ack_all();
    assert_eq!(peer.session.standing().answer, NodeAnswer::Acknowledged);

    let mut slow = Peer::started(&snapshot("1", four_clusters()));
    let late = slow.nonce(Cluster);
    slow.wait(ACK_DEADLINE);
    slow.answer_to(Cluster, &late, None);
    // It was told to drop them since.
    assert_eq!(slow.state(Cluster, "alpha"), Pending);
    assert_eq!(slow.ack(Cluster), ["+cluster alpha", "+cluster beta"]);
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

/// An Envoy that answers whatever lacks one cluster, and nothing that has it.
#[test]
fn it_delivers_everything_else_to_an_envoy_that_is_silent_about_one_cluster() {
    let all = four_clusters().into_iter().chain([listener("l", 1)]);
    let mut peer = Peer::started(&snapshot("1", all));
    let mut silences = 0;
    while let Some(resource_type) = peer.unanswered.keys().next().copied() {
        let response = &peer.unanswered[&resource_type];
        if response
            .resources
            .iter()
            .any(|one| &**one.name() == "delta")
        {
            peer.unanswered.remove(&resource_type);
            peer.wait(ACK_DEADLINE);
            silences += 1;
            assert!(silences < 20);
        } else {
            peer.ack(resource_type);
        }
    }
    for name in ["alpha", "beta", "gamma"] {
        assert_eq!(peer.state(Cluster, name), Acked);
    }
    assert_eq!(peer.state(Listener, "l"), Acked);
    // A change of the others reaches it too.
    peer.assign(&snapshot("2", [cluster("alpha", 2), listener("l", 1)]));
    while let Some(resource_type) = peer.unanswered.keys().next().copied() {
        peer.ack(resource_type);
    }
    assert_eq!(peer.state(Cluster, "alpha"), Acked);
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
        // Each bad one is looked for by halves: two responses for each time that it halves, and one
        // more where a half is not answered.
        let halvings = usize::BITS - total.leading_zeros();
        let most = 1 + 3 * bad.len() * (halvings as usize + 1);
        prop_assert!(responses <= most, "{responses} responses, {most} at most");
    }
}
