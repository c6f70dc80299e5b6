//! Secrets: sent at once when they change, never removed, and no part of an answer to a generation.

use super::{NOTHING, Peer};
use crate::{
    DeliveryState::{Acked, Pending, Rejected},
    NodeAnswer,
    ResourceType::{Cluster, Endpoints, Listener, Secret},
    fixtures::{cluster, eds_cluster, endpoints, listener, secret, snapshot, tls_cluster},
};

fn settled() -> Peer {
    let mut peer = Peer::started(&snapshot("1", [tls_cluster("c", "s"), secret("s", "one")]));
    peer.ack_all();
    assert_eq!(peer.session.standing().answer, NodeAnswer::Waiting);
    assert_eq!(peer.subscribe(Secret, &["s"]), ["+secret s"]);
    peer.ack_all();
    assert_eq!(peer.session.standing().answer, NodeAnswer::Acknowledged);
    peer
}

#[test]
fn it_sends_a_renewed_secret_whatever_waits_for_an_answer() {
    let mut peer = settled();
    let changed = [
        tls_cluster("c", "s"),
        cluster("d", 1),
        listener("l", 1),
        secret("s", "one"),
    ];
    assert_eq!(peer.assign(&snapshot("2", changed)), ["+cluster d"]);
    let renewed = [
        tls_cluster("c", "s"),
        cluster("d", 1),
        listener("l", 1),
        secret("s", "two"),
    ];
    assert_eq!(peer.assign(&snapshot("2", renewed)), ["+secret s"]);
    assert_eq!(peer.ack(Secret), NOTHING);
    assert_eq!(peer.ack(Cluster), ["+listener l"]);
    assert_eq!(peer.state(Secret, "s"), Acked);
}

#[test]
fn it_goes_on_being_accepted_while_a_secret_is_renewed_or_rejected() {
    let mut peer = settled();
    peer.assign(&snapshot("1", [tls_cluster("c", "s"), secret("s", "two")]));
    assert_eq!(peer.session.standing().answer, NodeAnswer::Acknowledged);
    peer.nack(Secret, "no such key");
    assert_eq!(peer.session.standing().answer, NodeAnswer::Acknowledged);
    let message = "no such key".to_owned();
    assert_eq!(peer.state(Secret, "s"), Rejected { message });
    let both = [tls_cluster("c", "s"), listener("l", 1), secret("s", "two")];
    assert_eq!(peer.assign(&snapshot("2", both)), ["+listener l"]);
    peer.ack(Listener);
    let one = [tls_cluster("c", "s"), secret("s", "two")];
    assert_eq!(peer.assign(&snapshot("3", one)), ["-listener l"]);
}

#[test]
fn it_accepts_nothing_of_whose_secrets_the_envoy_has_rejected_the_first_version() {
    let of = |content: &str| snapshot("1", [tls_cluster("c", "s"), secret("s", content)]);
    let mut peer = Peer::started(&of("one"));
    peer.ack_all();
    peer.subscribe(Secret, &["s"]);
    peer.nack(Secret, "no such key");
    // The cluster is there, and reaches nobody.
    assert_eq!(peer.session.standing().answer, NodeAnswer::Waiting);
    let message = "no such key".to_owned();
    assert_eq!(peer.state(Secret, "s"), Rejected { message });
    // It says nothing against the generation: another content is all that is missing.
    assert_eq!(peer.assign(&of("two")), ["+secret s"]);
    peer.ack(Secret);
    assert_eq!(peer.session.standing().answer, NodeAnswer::Acknowledged);
    // From then on one that is rejected changes nothing.
    peer.assign(&of("three"));
    peer.nack(Secret, "no such key");
    assert_eq!(peer.session.standing().answer, NodeAnswer::Acknowledged);
}

#[test]
fn it_never_removes_a_secret() {
    let mut peer = settled();
    assert_eq!(
        peer.assign(&snapshot("2", [tls_cluster("c", "s")])),
        NOTHING
    );
    assert_eq!(
        peer.assign(&snapshot("3", [cluster("d", 1)])),
        ["+cluster d"]
    );
    assert_eq!(peer.ack(Cluster), ["-cluster c"]);
    assert_eq!(peer.ack(Cluster), NOTHING);
    let again = [cluster("d", 1), tls_cluster("c", "s"), secret("s", "three")];
    assert_eq!(
        peer.assign(&snapshot("4", again)),
        ["+cluster c", "+secret s"]
    );
}

#[test]
fn it_sends_a_secret_that_comes_after_it_was_asked_for() {
    let mut peer = Peer::started(&snapshot("1", [tls_cluster("c", "s")]));
    peer.ack_all();
    assert_eq!(peer.subscribe(Secret, &["s"]), NOTHING);
    assert_eq!(peer.session.standing().answer, NodeAnswer::Acknowledged);
    assert_eq!(peer.state(Secret, "s"), Pending);
    let there = [tls_cluster("c", "s"), secret("s", "one")];
    assert_eq!(peer.assign(&snapshot("1", there)), ["+secret s"]);
}

#[test]
fn it_sends_no_endpoints_again_because_a_changed_cluster_names_a_secret_like_them() {
    let others = || [eds_cluster("s", 1), endpoints("s", 1), secret("s", "one")];
    let before = others().into_iter().chain([cluster("c", 1)]);
    let mut peer = Peer::started(&snapshot("1", before));
    peer.ack_all();
    peer.subscribe(Endpoints, &["s"]);
    peer.ack_all();
    let after = others().into_iter().chain([tls_cluster("c", "s")]);
    assert_eq!(peer.assign(&snapshot("2", after)), ["+cluster c"]);
}

#[test]
fn it_takes_no_other_address_and_no_renewed_secret_for_a_generation_that_was_sent() {
    let of = |address: u32, content: &str| {
        let eds = [eds_cluster("e", 1), endpoints("e", address)];
        eds.into_iter()
            .chain([tls_cluster("c", "s"), secret("s", content)])
    };
    let mut peer = Peer::started(&snapshot("1", of(1, "one")));
    peer.ack_all();
    peer.subscribe(Endpoints, &["e"]);
    peer.subscribe(Secret, &["s"]);
    peer.ack_all();
    let sent = peer.session.last_push().cloned();
    assert!(sent.is_some());
    peer.wait(std::time::Duration::from_secs(600));
    assert_eq!(
        peer.assign(&snapshot("1", of(2, "two"))),
        ["+endpoints e", "+secret s"]
    );
    assert_eq!(peer.session.last_push().cloned(), sent);
}
