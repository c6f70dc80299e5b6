//! Filters whose code an Envoy fetches by itself, and rejects the filter until it has it.

use std::time::Duration;

use super::{NOTHING, Peer, Process};
use crate::{
    DeliveryState::{Acked, Rejected, Sent},
    ResourceType::ExtensionConfig,
    fixtures::{extension, filter_with_fetched_code, snapshot},
};

const WORDS: &str = "Unable to create Wasm plugin";
const LONG: Duration = Duration::from_secs(2);

/// The bytes that the Envoy was sent last.
fn bytes(peer: &Peer) -> Vec<u8> {
    let response = &peer.unanswered[&ExtensionConfig];
    response.resources[0].content().to_vec()
}

#[test]
fn it_sends_a_filter_again_in_other_bytes_until_the_envoy_has_its_code() {
    let mut peer = Peer::settled(&snapshot("1", [extension("e", "good")]));
    let fetched = filter_with_fetched_code("e", "one");
    peer.assign(&snapshot("2", [fetched.clone()]));
    let mut seen = vec![bytes(&peer)];
    for _ in 0..2 {
        assert_eq!(peer.nack(ExtensionConfig, WORDS), NOTHING);
        assert_eq!(peer.state(ExtensionConfig, "e"), Sent);
        // It says itself when it is to be asked.
        let due = peer
            .session
            .next_deadline()
            .expect("it is to be sent again");
        let pause = due - peer.now;
        assert_eq!(peer.wait(pause), ["+extension configuration e"]);
        assert!(!seen.contains(&bytes(&peer)));
        seen.push(bytes(&peer));
    }
    assert_eq!(peer.ack(ExtensionConfig), NOTHING);
    assert_eq!(peer.state(ExtensionConfig, "e"), Acked);
    assert_eq!(peer.session.next_deadline(), None);
    // The next one, of other code, is fetched as this one was.
    let other = filter_with_fetched_code("e", "two");
    peer.assign(&snapshot("3", [other.clone()]));
    assert_eq!(bytes(&peer), other.content());
    assert_eq!(peer.nack(ExtensionConfig, WORDS), NOTHING);
    assert_eq!(peer.wait(LONG), ["+extension configuration e"]);
    assert_ne!(bytes(&peer), other.content());
}

#[test]
fn it_takes_the_rejection_for_an_answer_when_the_code_never_comes() {
    let mut peer = Peer::settled(&snapshot("1", [extension("e", "good")]));
    peer.assign(&snapshot("2", [filter_with_fetched_code("e", "one")]));
    let mut sent = 1;
    loop {
        assert_eq!(peer.nack(ExtensionConfig, WORDS), NOTHING);
        if peer.wait(LONG) == NOTHING {
            break;
        }
        sent += 1;
    }
    assert_eq!(sent, 8);
    let message = WORDS.to_owned();
    assert_eq!(peer.state(ExtensionConfig, "e"), Rejected { message });
    // What is rejected without code to fetch is rejected at once.
    peer.assign(&snapshot("3", [extension("e", "bad")]));
    peer.nack(ExtensionConfig, WORDS);
    assert_eq!(peer.wait(LONG), NOTHING);
}

#[test]
fn it_asks_an_envoy_without_any_version_of_a_filter_again_and_again() {
    let mut peer = Peer::started(&snapshot("1", [filter_with_fetched_code("e", "one")]));
    peer.subscribe(ExtensionConfig, &["e"]);
    let mut seen = vec![bytes(&peer)];
    for _ in 0..50 {
        assert_eq!(peer.nack(ExtensionConfig, WORDS), NOTHING);
        assert_eq!(peer.wait(LONG * 3), ["+extension configuration e"]);
        assert!(!seen.contains(&bytes(&peer)));
        seen.push(bytes(&peer));
    }
    peer.ack(ExtensionConfig);
    assert_eq!(peer.state(ExtensionConfig, "e"), Acked);
}

#[test]
fn it_sends_a_filter_in_other_bytes_on_the_next_stream_while_its_code_is_fetched() {
    let good = extension("e", "good");
    let next = snapshot("2", [filter_with_fetched_code("e", "one")]);
    let mut peer = Peer::settled(&snapshot("1", [good.clone()]));
    peer.assign(&next);
    let seen = bytes(&peer);
    peer.nack(ExtensionConfig, WORDS);
    // The stream ends before the filter has been sent again.
    let mut peer = peer.reconnected(Process::Same);
    peer.assign(&next);
    peer.resume(ExtensionConfig, &["e"], &[&good]);
    assert_ne!(bytes(&peer), seen);
}
