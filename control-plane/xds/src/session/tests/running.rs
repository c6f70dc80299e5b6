//! Whether an Envoy runs a part of a generation: what it has, what it is being sent, and what it
//! was told to go without.

use std::sync::Arc;

use super::{Peer, shortcuts::gateway};
use crate::{
    Resource,
    ResourceType::{self, Cluster, ExtensionConfig, Listener},
    Snapshot,
    fixtures::{cluster, extension, http_listener, listener, route, snapshot},
    session::OwnContents,
};

const DECIDING: [ResourceType; 2] = [Listener, ExtensionConfig];

fn runs(peer: &Peer, snapshot: &Arc<Snapshot>, other: &Arc<Snapshot>) -> bool {
    let own = OwnContents::of(snapshot, other, &DECIDING);
    peer.session.runs_one_of(&own)
}

fn with_filter(content: &str) -> Arc<Snapshot> {
    let resources = [
        http_listener("l", "r", "e"),
        route("r", ""),
        extension("e", content),
    ];
    snapshot(content, resources)
}

#[test]
fn it_runs_what_it_was_sent_until_it_has_something_else() {
    let (old, new, newest) = (
        with_filter("old"),
        with_filter("new"),
        with_filter("newest"),
    );
    let mut peer = Peer::settled(&old);
    assert!(runs(&peer, &old, &new) && !runs(&peer, &new, &old));
    peer.assign(&new);
    assert!(runs(&peer, &old, &new) && runs(&peer, &new, &old));
    peer.ack_all();
    assert!(runs(&peer, &new, &old) && !runs(&peer, &old, &new));
    peer.assign(&newest);
    peer.ack_all();
    assert!(!runs(&peer, &new, &old) && !runs(&peer, &old, &new));
}

#[test]
fn it_does_not_run_what_it_rejected() {
    let (old, new) = (with_filter("old"), with_filter("new"));
    let mut peer = Peer::settled(&old);
    peer.assign(&new);
    peer.nack(ExtensionConfig, "bad");
    assert!(!runs(&peer, &new, &old) && runs(&peer, &old, &new));
}

#[test]
fn it_may_run_a_part_of_a_batch_that_was_rejected() {
    let of = |revision: u32| {
        let listeners = ["a", "b"].map(|name| listener(name, revision));
        snapshot(&revision.to_string(), listeners)
    };
    let (old, new) = (of(1), of(2));
    let mut peer = Peer::settled(&old);
    peer.assign(&new);
    peer.nack(Listener, "one of them");
    assert!(runs(&peer, &new, &old));
}

#[test]
fn it_runs_on_with_what_it_has_while_it_is_away() {
    let (old, new) = (with_filter("old"), with_filter("new"));
    for rejects in [false, true] {
        let mut peer = Peer::settled(&old);
        peer.assign(&new);
        if rejects {
            peer.nack(ExtensionConfig, "bad");
        }
        peer.session.end();
        assert_eq!(runs(&peer, &new, &old), !rejects);
        assert!(runs(&peer, &old, &new));
    }
}

#[test]
fn it_runs_a_generation_that_took_a_listener_away() {
    let both: [Resource; 2] = [listener("a", 1), listener("b", 1)];
    let (old, new) = (
        snapshot("old", both.clone()),
        snapshot("new", [both[0].clone()]),
    );
    let mut peer = Peer::settled(&old);
    assert!(!runs(&peer, &new, &old));
    peer.assign(&new);
    assert!(runs(&peer, &new, &old));
    peer.ack_all();
    assert!(runs(&peer, &new, &old));
    peer.session.end();
    assert!(runs(&peer, &new, &old));
    // Whoever has been given nothing goes without, too, and not because of that generation.
    let mut newcomer = Peer::new();
    newcomer.assign(&old);
    assert!(!runs(&newcomer, &new, &old));
}

#[test]
fn it_asks_for_nothing_but_the_types_that_matter() {
    let of = |revision: u32| snapshot(&revision.to_string(), [cluster("a", revision)]);
    let (old, new) = (of(1), of(2));
    assert!(OwnContents::of(&new, &old, &DECIDING).is_empty());
    assert!(!OwnContents::of(&new, &old, &[Cluster]).is_empty());
}

#[test]
fn it_takes_no_more_steps_to_ask_however_many_resources_an_envoy_has() {
    let steps = |size: usize| {
        let (old, new) = (gateway(size, 1), gateway(size, 2));
        // It is worked out once for all who go from one to the other.
        old.difference_from(&new);
        let mut peer = Peer::settled(&old);
        peer.is_checked = false;
        step_count::taken_by(|| assert!(runs(&peer, &old, &new))).1
    };
    let few = steps(10);
    assert!((1..10).contains(&few), "{few} steps");
    assert_eq!(steps(1_000), few);
}
