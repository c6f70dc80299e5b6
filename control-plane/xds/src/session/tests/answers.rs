//! Consequences of an Envoy's answers, and of answers that do not come.

use std::time::Duration;

use super::{ACK_DEADLINE, NOTHING, Peer, plain};
use crate::{
    DeliveryState::{Acked, Blocked, Rejected, Sent, Unknown},
    ResourceType::{Cluster, ExtensionConfig, Listener, Route},
    fixtures::{cluster, extension, http_listener, large_cluster, listener, route, snapshot},
    session::{Answer, DeltaRequest, Memory, Process},
};

fn rejected(message: &str) -> crate::DeliveryState {
    Rejected {
        message: message.to_owned(),
    }
}

#[test]
fn it_gives_a_slow_envoy_the_first_and_the_newest_and_nothing_between() {
    let mut peer = Peer::new();
    peer.assign(&snapshot("0", [route("r", "0")]));
    peer.subscribe(Route, &["r"]);
    for revision in 1..1000 {
        let next = snapshot(&revision.to_string(), [route("r", &revision.to_string())]);
        assert_eq!(peer.assign(&next), NOTHING);
    }
    assert_eq!(peer.ack(Route), ["+route configuration r"]);
    let newest = route("r", "999");
    let sent = peer.unanswered[&Route].resources.clone();
    assert_eq!(sent[0].version(), newest.version());
    assert_eq!(peer.ack(Route), NOTHING);
}

#[test]
fn it_does_not_send_a_rejected_version_again_but_the_next_one() {
    let mut peer = Peer::settled(&snapshot("1", [route("r", "good")]));
    peer.assign(&snapshot("2", [route("r", "bad")]));
    assert_eq!(peer.nack(Route, "no such thing"), NOTHING);
    assert_eq!(peer.state(Route, "r"), rejected("no such thing"));
    assert_eq!(peer.wait(ACK_DEADLINE * 3), NOTHING);
    // The same content in another generation is the same version.
    assert_eq!(peer.assign(&snapshot("3", [route("r", "bad")])), NOTHING);
    assert_eq!(peer.state(Route, "r"), rejected("no such thing"));
    let good = snapshot("4", [route("r", "better")]);
    assert_eq!(peer.assign(&good), ["+route configuration r"]);
    peer.ack(Route);
    assert_eq!(peer.state(Route, "r"), Acked);
}

#[test]
fn it_sends_the_last_good_extension_configuration_as_a_change_after_a_rejection() {
    let good = snapshot("1", [extension("e", "good")]);
    let mut peer = Peer::settled(&good);
    let bad = snapshot("2", [extension("e", "bad")]);
    peer.assign(&bad);
    peer.nack(ExtensionConfig, "garbage");
    assert_eq!(peer.assign(&good), ["+extension configuration e"]);
    assert_eq!(peer.state(ExtensionConfig, "e"), Sent);
    peer.ack(ExtensionConfig);
    // Only now does Envoy look at the other bytes again.
    assert_eq!(peer.assign(&bad), ["+extension configuration e"]);
}

#[test]
fn it_remembers_a_rejected_extension_configuration_when_the_envoy_reconnects() {
    let [good, bad] = [extension("e", "good"), extension("e", "bad")];
    let mut before = Peer::settled(&snapshot("1", [good.clone()]));
    before.assign(&snapshot("2", [bad.clone()]));
    before.nack(ExtensionConfig, "garbage");

    let mut same = before.reconnected(Process::Unknown);
    same.assign(&snapshot("2", [bad]));
    assert_eq!(same.resume(ExtensionConfig, &["e"], &[&good]), NOTHING);
    assert_eq!(same.state(ExtensionConfig, "e"), rejected("garbage"));

    let mut restored = before.reconnected(Process::Unknown);
    restored.assign(&snapshot("1", [good.clone()]));
    assert_eq!(
        restored.resume(ExtensionConfig, &["e"], &[&good]),
        ["+extension configuration e"]
    );
}

#[test]
fn it_remembers_a_rejection_until_something_else_is_acknowledged() {
    let [good, bad] = [extension("e", "good"), extension("e", "bad")];
    let mut before = Peer::settled(&snapshot("1", [good.clone()]));
    before.assign(&snapshot("2", [bad]));
    before.nack(ExtensionConfig, "garbage");
    before.assign(&snapshot("1", [good.clone()]));

    let mut cut_off = before.reconnected(Process::Unknown);
    cut_off.assign(&snapshot("1", [good.clone()]));
    assert_eq!(
        cut_off.resume(ExtensionConfig, &["e"], &[&good]),
        ["+extension configuration e"]
    );

    before.ack(ExtensionConfig);
    let mut settled = before.reconnected(Process::Unknown);
    settled.assign(&snapshot("1", [good.clone()]));
    assert_eq!(settled.resume(ExtensionConfig, &["e"], &[&good]), NOTHING);
}

#[test]
fn it_forgets_the_rejections_of_an_envoy_that_restarted() {
    let bad = extension("e", "bad");
    let mut before = Peer::settled(&snapshot("1", [extension("e", "good")]));
    before.assign(&snapshot("2", [bad.clone()]));
    before.nack(ExtensionConfig, "garbage");

    let mut restarted = before.reconnected(Process::Fresh);
    restarted.assign(&snapshot("2", [bad]));
    assert_eq!(
        restarted.subscribe(ExtensionConfig, &["e"]),
        ["+extension configuration e"]
    );
}

/// An Envoy that rejected its first configuration reports none of it when it reconnects.
#[test]
fn it_does_not_believe_bytes_that_were_rejected_and_are_acknowledged_after_a_reconnect() {
    let all = snapshot("1", [cluster("a", 1), extension("e", "bad")]);
    let mut before = Peer::started(&all);
    before.ack(Cluster);
    before.subscribe(ExtensionConfig, &["e"]);
    before.nack(ExtensionConfig, "garbage");

    // Nothing proves that it is the same process, so it is sent what it asks for.
    let mut again = before.reconnected(Process::Unknown);
    again.assign(&all);
    again.subscribe(ExtensionConfig, &["e"]);
    again.ack(ExtensionConfig);
    assert_eq!(again.state(ExtensionConfig, "e"), rejected("garbage"));

    // It reports a cluster, so it is the same process: the bytes are not even sent.
    let mut same = before.reconnected(Process::Unknown);
    same.assign(&all);
    same.resume(Cluster, &[], &[&cluster("a", 1)]);
    assert_eq!(same.subscribe(ExtensionConfig, &["e"]), NOTHING);
    assert_eq!(same.state(ExtensionConfig, "e"), rejected("garbage"));

    // Another content shows that it looks.
    same.assign(&snapshot("2", [cluster("a", 1), extension("e", "good")]));
    same.ack(ExtensionConfig);
    same.assign(&all);
    same.ack(ExtensionConfig);
    assert_eq!(same.state(ExtensionConfig, "e"), Acked);
}

#[test]
fn it_does_not_believe_an_acknowledgement_of_stored_rejections_either() {
    let bad = extension("e", "bad");
    let mut before = Peer::settled(&snapshot("1", [bad.clone()]));
    before.assign(&snapshot("2", [extension("e", "worse")]));
    before.nack(ExtensionConfig, "garbage");
    let stored = (*before.session.standing().rejections).clone();
    let mut again = Peer::with(Memory::of(stored));
    again.assign(&snapshot("2", [extension("e", "worse")]));
    again.subscribe(ExtensionConfig, &["e"]);
    again.ack(ExtensionConfig);
    assert_eq!(again.state(ExtensionConfig, "e"), rejected("garbage"));
}

/// The rejection may have been on its way when the connection was lost.
#[test]
fn it_sends_the_last_good_bytes_before_those_whose_answer_was_lost() {
    let [good, new] = [extension("e", "good"), extension("e", "new")];
    let mut before = Peer::settled(&snapshot("1", [good.clone()]));
    let next = snapshot("2", [new.clone()]);
    assert_eq!(before.assign(&next), ["+extension configuration e"]);

    let mut again = before.reconnected(Process::Unknown);
    again.assign(&next);
    again.resume(ExtensionConfig, &["e"], &[&good]);
    let sent = |peer: &Peer| peer.unanswered[&ExtensionConfig].resources.first().cloned();
    assert_eq!(sent(&again).as_deref(), Some(&good));
    again.ack(ExtensionConfig);
    assert_eq!(sent(&again).as_deref(), Some(&new));
    assert_eq!(again.state(ExtensionConfig, "e"), Sent);
    again.ack(ExtensionConfig);
    assert_eq!(again.state(ExtensionConfig, "e"), Acked);

    // What it reports, it has taken.
    let mut took_it = before.reconnected(Process::Unknown);
    took_it.assign(&next);
    assert_eq!(took_it.resume(ExtensionConfig, &["e"], &[&new]), NOTHING);
    assert_eq!(took_it.state(ExtensionConfig, "e"), Acked);
}

#[test]
fn it_keeps_a_rejected_listener_rejected_for_the_same_process_and_tries_it_on_a_new_one() {
    let good = snapshot("1", [cluster("a", 1), listener("l", 1)]);
    let bad = snapshot("2", [cluster("a", 1), listener("l", 2)]);
    let mut before = Peer::settled(&good);
    before.assign(&bad);
    before.nack(Listener, "port in use");
    let mut same = before.reconnected(Process::Unknown);
    same.assign(&bad);
    same.resume(Cluster, &[], &[&cluster("a", 1)]);
    assert_eq!(same.resume(Listener, &[], &[&listener("l", 1)]), NOTHING);
    assert_eq!(same.state(Listener, "l"), rejected("port in use"));
    let mut fresh = before.reconnected(Process::Fresh);
    fresh.assign(&bad);
    assert_eq!(fresh.subscribe(Listener, &[]), ["+listener l"]);
}

#[test]
fn it_cuts_off_an_envoy_that_asks_for_names_without_end() {
    let mut peer = Peer::new();
    let refused = (0..100_000).any(|number| {
        let request = DeltaRequest {
            subscribe: vec![format!("invented {number}").into()],
            ..plain(Route)
        };
        peer.session.request(request, peer.now).is_err()
    });
    assert!(refused);
    assert!(peer.session.bytes() <= 17 << 20, "{}", peer.session.bytes());
    // Names that come and go add up to nothing.
    let mut tidy = Peer::new();
    for number in 0..200_000 {
        let name = format!("passing {number}");
        tidy.subscribe(Route, &[&name]);
        tidy.unsubscribe(Route, &[&name]);
    }
}

#[test]
fn it_acknowledges_nothing_by_an_unknown_nonce_but_counts_its_names() {
    let mut peer = Peer::new();
    peer.assign(&snapshot(
        "1",
        [large_cluster("a", 1), large_cluster("b", 1)],
    ));
    peer.subscribe(Cluster, &["a"]);
    let came = peer.request(DeltaRequest {
        subscribe: vec!["b".into()],
        answer: Some(Answer {
            nonce: "6-1".to_owned(),
            rejection: None,
        }),
        ..plain(Cluster)
    });
    assert_eq!(came, NOTHING);
    assert_eq!(peer.state(Cluster, "a"), Sent);
    assert_eq!(peer.ack(Cluster), ["+cluster b"]);
}

#[test]
fn it_goes_on_after_the_deadline_of_a_response_without_an_answer() {
    let mut peer = Peer::started(&snapshot(
        "1",
        [large_cluster("a", 1), large_cluster("b", 1)],
    ));
    assert_eq!(peer.session.next_deadline(), Some(peer.now + ACK_DEADLINE));
    assert_eq!(peer.wait(ACK_DEADLINE - Duration::from_millis(1)), NOTHING);
    assert_eq!(peer.state(Cluster, "a"), Sent);
    assert_eq!(peer.wait(Duration::from_millis(1)), ["+cluster b"]);
    assert_eq!(peer.state(Cluster, "a"), Unknown);
}

#[test]
fn it_goes_on_to_the_next_stage_after_one_deadline_without_an_answer() {
    let resources = [
        large_cluster("a", 1),
        large_cluster("b", 1),
        large_cluster("c", 1),
        listener("l", 1),
    ];
    let mut peer = Peer::started(&snapshot("1", resources));
    assert_eq!(peer.wait(ACK_DEADLINE), ["+cluster b", "+listener l"]);
}

#[test]
fn it_counts_an_answer_after_the_deadline() {
    let mut peer = Peer::started(&snapshot(
        "1",
        [large_cluster("a", 1), large_cluster("b", 1)],
    ));
    let late = peer.nonce(Cluster);
    peer.wait(ACK_DEADLINE);
    assert_eq!(peer.answer_to(Cluster, &late, None), NOTHING);
    assert_eq!(peer.state(Cluster, "a"), Acked);
    assert_eq!(peer.state(Cluster, "b"), Sent);
    let mut rejecting = Peer::started(&snapshot("1", [large_cluster("a", 1)]));
    let late = rejecting.nonce(Cluster);
    rejecting.wait(ACK_DEADLINE);
    rejecting.answer_to(Cluster, &late, Some("bad".to_owned()));
    assert_eq!(rejecting.state(Cluster, "a"), rejected("bad"));
}

#[test]
fn it_sends_again_what_a_lost_answer_was_about_to_learn_the_answer() {
    let mut peer = Peer::started(&snapshot(
        "1",
        [large_cluster("a", 1), large_cluster("b", 1)],
    ));
    assert_eq!(peer.wait(ACK_DEADLINE), ["+cluster b"]);
    assert_eq!(peer.ack(Cluster), ["+cluster a"]);
    assert_eq!(peer.state(Cluster, "a"), Sent);
    peer.nack(Cluster, "bad a");
    assert_eq!(peer.state(Cluster, "a"), rejected("bad a"));
}

#[test]
fn it_leaves_an_extension_configuration_unknown_whose_answer_was_lost() {
    let mut peer = Peer::settled(&snapshot("1", [extension("e", "1"), extension("f", "1")]));
    peer.assign(&snapshot("2", [extension("e", "2"), extension("f", "2")]));
    assert_eq!(peer.wait(ACK_DEADLINE), ["+extension configuration f"]);
    assert_eq!(peer.ack(ExtensionConfig), NOTHING);
    assert_eq!(peer.state(ExtensionConfig, "e"), Unknown);
}

#[test]
fn it_learns_nothing_of_a_newer_version_from_a_late_answer_to_an_older_one() {
    let mut peer = Peer::settled(&snapshot("1", [route("r", "1")]));
    peer.assign(&snapshot("2", [route("r", "2")]));
    let late = peer.nonce(Route);
    peer.wait(ACK_DEADLINE);
    assert_eq!(
        peer.assign(&snapshot("3", [route("r", "3")])),
        ["+route configuration r"]
    );
    peer.answer_to(Route, &late, None);
    assert_eq!(peer.state(Route, "r"), Sent);
    assert_eq!(peer.ack(Route), NOTHING);
    assert_eq!(peer.state(Route, "r"), Acked);
}

#[test]
fn it_takes_back_an_unknown_cluster() {
    let mut peer = Peer::settled(&snapshot("1", [cluster("a", 1)]));
    peer.assign(&snapshot("2", [cluster("a", 1), cluster("bad", 1)]));
    peer.wait(ACK_DEADLINE);
    assert_eq!(peer.state(Cluster, "bad"), Unknown);
    assert_eq!(
        peer.assign(&snapshot("3", [cluster("a", 1)])),
        ["-cluster bad"]
    );
}

#[test]
fn it_blocks_a_change_while_a_cluster_that_it_may_name_was_rejected() {
    let http = |generation, content, more: Option<crate::Resource>| {
        let mine = [
            cluster("a", 1),
            http_listener("l", "r", "e"),
            route("r", ""),
            extension("e", content),
        ];
        snapshot(generation, mine.into_iter().chain(more))
    };
    let mut peer = Peer::settled(&http("1", "to a", None));
    let bad = http("2", "to new", Some(cluster("new", 1)));
    assert_eq!(peer.assign(&bad), ["+cluster new"]);
    assert_eq!(peer.nack(Cluster, "bad"), NOTHING);
    let blocked = Blocked {
        behind: "cluster `new`".to_owned(),
    };
    assert_eq!(peer.state(ExtensionConfig, "e"), blocked);
    let good = http("3", "to new", Some(cluster("new", 2)));
    assert_eq!(peer.assign(&good), ["+cluster new"]);
    assert_eq!(peer.ack(Cluster), ["+extension configuration e"]);
}

#[test]
fn it_goes_on_when_the_rejected_cluster_still_has_an_earlier_version() {
    let mut peer = Peer::settled(&snapshot("1", [cluster("a", 1), route("r", "1")]));
    peer.assign(&snapshot("2", [cluster("a", 2), route("r", "2")]));
    assert_eq!(peer.nack(Cluster, "bad"), ["+route configuration r"]);
}

#[test]
fn it_gives_a_starting_envoy_its_listeners_although_a_cluster_was_rejected() {
    let mut peer = Peer::started(&snapshot("1", [cluster("bad", 1), listener("l", 1)]));
    assert_eq!(peer.nack(Cluster, "bad"), ["+listener l"]);
}

#[test]
fn it_removes_nothing_while_a_part_of_the_generation_is_rejected() {
    let mut peer = Peer::settled(&snapshot("1", [cluster("a", 1), listener("old", 1)]));
    peer.assign(&snapshot("2", [listener("new", 1)]));
    assert_eq!(peer.nack(Listener, "port in use"), NOTHING);
    let taken_back = snapshot("3", [cluster("a", 1), listener("old", 1)]);
    assert_eq!(peer.assign(&taken_back), ["-listener new"]);
    assert_eq!(peer.ack_all(), NOTHING);
}
