//! Endpoints and secrets for an Envoy of which nobody says what it is to have.

use std::sync::Arc;

use super::{ACK_DEADLINE, NOTHING, Peer};
use crate::{
    DeliveryState::Acked,
    NodeAnswer,
    ResourceType::{Cluster, Endpoints, Listener, Secret},
    SecretTable, Snapshot,
    fixtures::{cluster, eds_cluster, endpoints, listener, secret, snapshot, tls_cluster},
};

/// The supplies of two clusters with endpoints, and of one with a secret.
fn supplies(address: u32, secret_content: &str) -> Arc<Snapshot> {
    let all = [
        eds_cluster("c", 1),
        endpoints("c", address),
        eds_cluster("d", 1),
        endpoints("d", 1),
        tls_cluster("t", "s"),
    ];
    let all = snapshot("1", all);
    let secrets = SecretTable::from_iter([Arc::new(secret("s", secret_content))]);
    Arc::new(Snapshot::supplies_of(&all, &all).with_secrets(&secrets))
}

impl Peer {
    fn supply(&mut self, supplies: Arc<Snapshot>) -> Vec<String> {
        self.session.supply(supplies, ACK_DEADLINE);
        self.poll()
    }

    /// An Envoy that comes back with what it runs, and is assigned nothing.
    fn running(supplies: Option<Arc<Snapshot>>) -> Self {
        let mut peer = Self::new();
        if let Some(supplies) = supplies {
            assert_eq!(peer.supply(supplies), NOTHING);
        }
        let has = [eds_cluster("c", 1), cluster("old", 1)];
        assert_eq!(peer.resume(Cluster, &[], &[&has[0], &has[1]]), NOTHING);
        let (has, gone) = (endpoints("c", 1), endpoints("old", 1));
        let asked = peer.resume(Endpoints, &["c", "old"], &[&has, &gone]);
        assert_eq!(asked, NOTHING);
        let has = secret("s", "one");
        assert_eq!(peer.resume(Secret, &["s"], &[&has]), NOTHING);
        assert_eq!(peer.resume(Listener, &[], &[&listener("l", 1)]), NOTHING);
        peer
    }
}

#[test]
fn it_sends_new_endpoints_and_secrets_and_nothing_else_to_an_envoy_that_is_assigned_nothing() {
    // Whether it is told of them before the Envoy asks, or after.
    for before in [Some(supplies(1, "one")), None] {
        let mut peer = Peer::running(before);
        assert_eq!(peer.supply(supplies(2, "one")), ["+endpoints c"]);
        assert_eq!(peer.ack_all(), NOTHING);
        assert_eq!(peer.supply(supplies(2, "two")), ["+secret s"]);
        assert_eq!(peer.ack_all(), NOTHING);
        assert_eq!(peer.state(Secret, "s"), Acked);
        // What it asks for by name it gets, and is told of no absence.
        assert_eq!(peer.subscribe(Endpoints, &["d", "e"]), ["+endpoints d"]);
        assert_eq!(peer.ack_all(), NOTHING);
        assert!(peer.session.in_force().is_none() && peer.session.last_push().is_none());
    }
}

#[test]
fn it_sends_the_rest_once_it_is_known_what_the_envoy_is_to_have() {
    let mut peer = Peer::running(Some(supplies(1, "one")));
    peer.supply(supplies(2, "one"));
    let all = [eds_cluster("c", 1), endpoints("c", 2), listener("l", 2)];
    let mut came = peer.assign(&snapshot("2", all));
    came.extend(peer.ack_all());
    assert!(came.contains(&"+listener l".to_owned()), "{came:?}");
    assert!(came.contains(&"-cluster old".to_owned()), "{came:?}");
    assert!(!came.contains(&"+endpoints c".to_owned()), "{came:?}");
    assert_eq!(peer.session.standing().answer, NodeAnswer::Acknowledged);
    // Later ones say nothing any more.
    assert_eq!(peer.supply(supplies(3, "two")), NOTHING);
}
