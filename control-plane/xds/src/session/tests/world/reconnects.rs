//! Envoys of the older variant that come back.

use super::*;

#[test]
fn it_transfers_no_set_again_that_an_envoy_accepted_before_it_reconnected() {
    let all = snapshot("1", [cluster("a", 1), listener("l", 1), route("r", "")]);
    let before = Peer::settled(&all);
    let mut again = before.reconnected();
    again.assign(&all);
    assert_eq!(again.ask(Cluster, &[]), NOTHING);
    assert_eq!(again.ask(Listener, &["*"]), NOTHING);
    // What a response holds a part of may be asked for because Envoy does not have it.
    assert_eq!(again.ask(Route, &["r"]), ["route configuration: r"]);
    again.ack(Route);
    assert_eq!(again.session.standing().answer, NodeAnswer::Acknowledged);
    // It is known what the set holds.
    let more = [
        cluster("a", 1),
        cluster("b", 1),
        listener("l", 1),
        route("r", ""),
    ];
    assert_eq!(again.assign(&snapshot("2", more)), ["cluster: a b"]);

    let mut after_a_change = before.reconnected();
    after_a_change.assign(&snapshot("2", [cluster("a", 2), cluster("b", 1)]));
    assert_eq!(after_a_change.ask(Cluster, &[]), ["cluster: a b"]);
}

/// The version that the Envoy runs on with is one that nobody here knows: a set without the name
/// would take it away.
#[test]
fn it_leaves_nothing_out_of_the_first_set_of_an_envoy_that_has_another() {
    let before = Peer::settled(&snapshot("1", [listener("l", 1), listener("m", 1)]));
    let mut again = before.reconnected();
    again.assign(&snapshot("2", [listener("l", 2), listener("m", 2)]));
    assert_eq!(again.ask(Listener, &[]), ["listener: l m"]);
    assert_eq!(again.nack(Listener, "l: port in use"), ["listener: l m"]);
    assert_eq!(again.nack(Listener, "l: port in use"), ["listener: l m"]);
}

#[test]
fn it_takes_the_first_request_of_a_stream_for_no_answer() {
    let all = snapshot("1", [cluster("a", 1), route("r", "")]);
    let mut again = Peer::settled(&all).reconnected();
    again.accepted.clear();
    again.assign(&all);
    assert_eq!(again.ask(Cluster, &[]), ["cluster: a"]);
    assert!(again.session.is_unheard());
    assert_eq!(again.state(Cluster, "a"), Sent);
}

#[test]
fn it_does_not_believe_bytes_that_were_rejected_and_are_acknowledged_after_a_reconnect() {
    let all = snapshot("1", [cluster("a", 1), extension("e", "bad")]);
    let mut before = Peer::started(&all);
    before.ack(Cluster);
    before.ask(ExtensionConfig, &["e"]);
    before.nack(ExtensionConfig, "garbage");
    // It accepted clusters, so it is the same process: the bytes are not even sent.
    let mut same = before.reconnected();
    same.assign(&all);
    same.ask(Cluster, &[]);
    assert_eq!(same.ask(ExtensionConfig, &["e"]), NOTHING);
    assert_eq!(same.state(ExtensionConfig, "e"), rejected("garbage"));
}

/// An Envoy of this variant says which set it has accepted, and not which secrets it runs on with.
#[test]
fn it_knows_after_a_reconnect_that_a_renewed_secret_was_rejected_and_an_earlier_one_taken() {
    let of = |content: &str| {
        let tls = [tls_cluster("c", "s"), secret("s", content)];
        snapshot("1", tls)
    };
    let started = || {
        let mut peer = Peer::started(&of("one"));
        peer.ack(Cluster);
        peer.ack(Listener);
        peer.ask(Secret, &["s"]);
        peer
    };
    let mut before = started();
    before.ack(Secret);
    before.assign(&of("two"));
    before.nack(Secret, "no such key");
    assert_eq!(before.session.standing().answer, NodeAnswer::Acknowledged);
    for _ in 0..2 {
        before = before.reconnected();
        before.assign(&of("two"));
        before.ask(Cluster, &[]);
        assert_eq!(before.ask(Secret, &["s"]), NOTHING);
        assert_eq!(before.state(Secret, "s"), rejected("no such key"));
        assert_eq!(before.session.standing().answer, NodeAnswer::Acknowledged);
    }
    // Nor does it matter that the process here is another one, which has read what is stored.
    let mut restarted = before.reconnected();
    let stored = (*before.session.standing().rejections).clone();
    restarted.session = Session::new(StreamId(7), Memory::of(stored));
    restarted.assign(&of("two"));
    restarted.ask(Cluster, &[]);
    assert_eq!(restarted.ask(Secret, &["s"]), NOTHING);
    assert_eq!(
        restarted.session.standing().answer,
        NodeAnswer::Acknowledged
    );
    // The one of an Envoy that has taken none is still missing.
    let mut before = started();
    before.nack(Secret, "no such key");
    let mut again = before.reconnected();
    again.assign(&of("one"));
    again.ask(Cluster, &[]);
    again.ask(Secret, &["s"]);
    assert_eq!(again.session.standing().answer, NodeAnswer::Waiting);
}
