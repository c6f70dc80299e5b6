//! Answers to whole sets: who is to blame, and what goes out again.

use super::*;

#[test]
fn it_blames_those_that_the_words_name_and_sends_the_rest_with_their_last_good_version() {
    let all = |a, b| [cluster("alpha", a), cluster("beta", b), cluster("gamma", 1)];
    let mut peer = Peer::settled(&snapshot("1", all(1, 1)));
    assert_eq!(
        peer.assign(&snapshot("2", all(2, 2))),
        ["cluster: alpha beta gamma"]
    );
    // `alphabet` is no name of ours.
    assert_eq!(
        peer.nack(Cluster, "Error adding cluster(s) beta: alphabet"),
        ["cluster: alpha beta gamma"]
    );
    let sent = [cluster("alpha", 2), cluster("beta", 1), cluster("gamma", 1)];
    let sent = sent.map(|one| one.version().clone());
    assert_eq!(peer.versions(Cluster), sent);
    assert_eq!(peer.ack(Cluster), NOTHING);
    assert_eq!(peer.state(Cluster, "alpha"), Acked);
    let beta = rejected("Error adding cluster(s) beta: alphabet");
    assert_eq!(peer.state(Cluster, "beta"), beta);
    assert_eq!(peer.session.standing().answer, NodeAnswer::Rejected);
    // The rejected version goes out no more; the next one does.
    assert_eq!(peer.assign(&snapshot("3", all(2, 2))), NOTHING);
    assert_eq!(
        peer.assign(&snapshot("4", all(2, 3))),
        ["cluster: alpha beta gamma"]
    );
    assert_eq!(peer.ack(Cluster), NOTHING);
    assert_eq!(peer.session.standing().answer, NodeAnswer::Acknowledged);
}

#[test]
fn it_leaves_out_what_was_rejected_and_is_new() {
    let mut peer = Peer::settled(&snapshot("1", [cluster("a", 1)]));
    let with_bad = |generation, a| snapshot(generation, [cluster("a", a), cluster("bad", 1)]);
    assert_eq!(peer.assign(&with_bad("2", 1)), ["cluster: a bad"]);
    assert_eq!(peer.nack(Cluster, "`bad` is bad"), NOTHING);
    assert_eq!(peer.assign(&with_bad("3", 2)), ["cluster: a"]);
    assert_eq!(peer.ack(Cluster), NOTHING);
    assert_eq!(peer.state(Cluster, "a"), Acked);
    assert_eq!(peer.state(Cluster, "bad"), rejected("`bad` is bad"));
}

#[test]
fn it_sends_halves_of_what_changed_where_the_words_name_nothing() {
    let all = |a, b| [cluster("alpha", a), cluster("beta", b), cluster("gamma", 1)];
    let versions = |a, b| all(a, b).map(|one| one.version().clone());
    let mut peer = Peer::settled(&snapshot("1", all(1, 1)));
    peer.assign(&snapshot("2", all(2, 2)));
    assert_eq!(
        peer.nack(Cluster, "no reason"),
        ["cluster: alpha beta gamma"]
    );
    assert_eq!(peer.versions(Cluster), versions(2, 1));
    assert_eq!(peer.ack(Cluster), ["cluster: alpha beta gamma"]);
    assert_eq!(peer.versions(Cluster), versions(2, 2));
    assert_eq!(peer.nack(Cluster, "no reason"), NOTHING);
    assert_eq!(peer.state(Cluster, "alpha"), Acked);
    assert_eq!(peer.state(Cluster, "beta"), rejected("no reason"));
    assert_eq!(
        peer.assign(&snapshot("3", all(3, 1))),
        ["cluster: alpha beta gamma"]
    );
    assert_eq!(peer.versions(Cluster), versions(3, 1));
    peer.ack(Cluster);
    assert_eq!(peer.session.standing().answer, NodeAnswer::Acknowledged);
}

#[test]
fn it_leaves_out_the_half_of_what_is_new_where_the_words_name_nothing() {
    let all = ["alpha", "beta", "gamma"].map(|name| cluster(name, 1));
    let mut peer = Peer::started(&snapshot("1", all));
    assert_eq!(peer.nack(Cluster, "no reason"), ["cluster: alpha"]);
    assert_eq!(peer.ack(Cluster), ["cluster: alpha beta gamma"]);
    assert_eq!(peer.nack(Cluster, "no reason"), ["cluster: alpha beta"]);
    assert_eq!(peer.ack(Cluster), ["cluster: alpha beta gamma"]);
    assert_eq!(peer.nack(Cluster, "no reason"), NOTHING);
    assert_eq!(peer.state(Cluster, "beta"), Acked);
    assert_eq!(peer.state(Cluster, "gamma"), rejected("no reason"));
}

/// Envoy keeps the rejection of a cluster that cannot be made to itself, and gives it for its
/// answer to the next response.
#[test]
fn it_takes_back_a_set_that_is_not_answered_and_learns_who_is_to_blame() {
    let mut peer = Peer::settled(&snapshot("1", [cluster("a", 1), listener("l", 1)]));
    let second = [cluster("a", 2), cluster("bad", 1), listener("l", 2)];
    assert_eq!(peer.assign(&snapshot("2", second)), ["cluster: a bad"]);
    // As long as it has the cluster it answers nothing.
    assert_eq!(peer.wait(), ["cluster: a"]);
    assert_eq!(peer.nack(Cluster, "cluster bad: no"), ["cluster: a"]);
    assert_eq!(peer.ack(Cluster), NOTHING);
    assert_eq!(peer.state(Cluster, "a"), Acked);
    assert_eq!(peer.state(Cluster, "bad"), rejected("cluster bad: no"));

    // One alone is sent again.
    let mut silent = Peer::settled(&snapshot("1", [cluster("a", 1)]));
    silent.assign(&snapshot("2", [cluster("a", 2)]));
    assert_eq!(silent.wait(), ["cluster: a"]);
    assert_eq!(silent.wait(), NOTHING);
    assert_eq!(silent.wait(), NOTHING);
    assert_eq!(silent.state(Cluster, "a"), Unknown);
}

#[test]
fn it_does_not_blame_what_replaced_a_set_that_was_never_answered() {
    let mut peer = Peer::settled(&snapshot("1", [cluster("a", 1)]));
    peer.assign(&snapshot("2", [cluster("a", 1), cluster("bad", 1)]));
    peer.wait();
    peer.wait();
    assert_eq!(
        peer.assign(&snapshot("3", [cluster("a", 3)])),
        ["cluster: a bad"]
    );
    // It is the answer to an earlier one.
    assert_eq!(peer.nack(Cluster, "cluster bad: no"), ["cluster: a"]);
    assert_eq!(peer.ack(Cluster), ["cluster: a"]);
    assert_eq!(peer.ack(Cluster), NOTHING);
    assert_eq!(peer.session.standing().answer, NodeAnswer::Acknowledged);
}
