//! The state-of-the-world protocol: each request carries all names, and each response of clusters
//! or listeners everything that the Envoy is to have.

mod answers;
mod reconnects;

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use super::{ACK_DEADLINE, NOTHING, shortcuts};
use crate::{
    DeliveryState::{self, Acked, Rejected, Sent, Unknown},
    NodeAnswer,
    ResourceType::{self, Cluster, Endpoints, ExtensionConfig, Listener, Route, Secret},
    Snapshot, Version,
    fixtures::{
        cluster, eds_cluster, endpoints, extension, large_cluster, listener, route, secret,
        snapshot, tls_cluster,
    },
    session::{Answer, DeltaResponse, Memory, Process, Session, StreamId, WorldRequest},
};

/// Plays an Envoy, and keeps the clock.
struct Peer {
    session: Session,
    now: Instant,
    /// The names that it asks for, by type.
    names: BTreeMap<ResourceType, Vec<String>>,
    /// The last response of each type that was not answered.
    unanswered: BTreeMap<ResourceType, DeltaResponse>,
    /// The nonce of the last response of each type that was answered.
    answered: BTreeMap<ResourceType, String>,
    accepted: BTreeMap<ResourceType, Version>,
}

impl Peer {
    fn new() -> Self {
        Self::with(Memory::default())
    }

    fn with(memory: Memory) -> Self {
        Self {
            session: Session::new(StreamId(7), memory),
            now: Instant::now(),
            names: BTreeMap::new(),
            unanswered: BTreeMap::new(),
            answered: BTreeMap::new(),
            accepted: BTreeMap::new(),
        }
    }

    /// An Envoy that has just connected, and asks for clusters and listeners.
    fn started(snapshot: &Arc<Snapshot>) -> Self {
        let mut peer = Self::new();
        peer.assign(snapshot);
        peer.ask(Cluster, &[]);
        peer.ask(Listener, &[]);
        peer
    }

    /// An Envoy that acknowledged all of `snapshot`.
    fn settled(snapshot: &Arc<Snapshot>) -> Self {
        let mut peer = Self::started(snapshot);
        for resource_type in [Endpoints, Route, ExtensionConfig] {
            let names: Vec<_> = snapshot
                .of_type(resource_type)
                .map(|resource| resource.name().to_string())
                .collect();
            let names: Vec<_> = names.iter().map(String::as_str).collect();
            if !names.is_empty() {
                peer.ask(resource_type, &names);
            }
        }
        while let Some(resource_type) = peer.unanswered.keys().next().copied() {
            peer.ack(resource_type);
        }
        assert_eq!(peer.session.standing().answer, NodeAnswer::Acknowledged);
        peer
    }

    /// The same Envoy on its next stream: it says what it accepted.
    fn reconnected(&self) -> Self {
        Self {
            accepted: self.accepted.clone(),
            answered: self.answered.clone(),
            ..Self::with(self.session.memory(Process::Unknown))
        }
    }

    fn assign(&mut self, snapshot: &Arc<Snapshot>) -> Vec<String> {
        self.session.assign(Arc::clone(snapshot), ACK_DEADLINE, 1);
        self.poll()
    }

    fn ask(&mut self, resource_type: ResourceType, names: &[&str]) -> Vec<String> {
        let names = names.iter().map(ToString::to_string).collect();
        self.names.insert(resource_type, names);
        self.request(resource_type, None)
    }

    fn ack(&mut self, resource_type: ResourceType) -> Vec<String> {
        let response = self.unanswered.remove(&resource_type);
        let response = response.expect("something was sent");
        let version = response.set_version.expect("it says which set it is");
        self.accepted.insert(resource_type, version);
        self.answered.insert(resource_type, response.nonce);
        self.request(resource_type, None)
    }

    fn nack(&mut self, resource_type: ResourceType, message: &str) -> Vec<String> {
        let response = self.unanswered.remove(&resource_type);
        let response = response.expect("something was sent");
        self.answered.insert(resource_type, response.nonce);
        self.request(resource_type, Some(message.to_owned()))
    }

    /// Each request says the nonce of the last response, the version that was accepted, and all
    /// names.
    fn request(&mut self, resource_type: ResourceType, rejection: Option<String>) -> Vec<String> {
        let names = self.names.get(&resource_type).into_iter().flatten();
        let nonce = self.answered.get(&resource_type).cloned();
        let request = WorldRequest {
            resource_type,
            names: names.map(|name| Arc::from(name.as_str())).collect(),
            accepted: self.accepted.get(&resource_type).cloned(),
            answer: nonce.map(|nonce| Answer { nonce, rejection }),
        };
        self.session
            .world_request(request, self.now)
            .expect("names enough for a test");
        self.poll()
    }

    fn wait(&mut self) -> Vec<String> {
        self.now += ACK_DEADLINE;
        self.poll()
    }

    /// Takes what goes out, a line for each response: `cluster: a b`.
    fn poll(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        for response in self.session.poll(self.now) {
            let names: Vec<_> = response
                .resources
                .iter()
                .map(|resource| format!(" {}", resource.name()))
                .collect();
            lines.push(format!("{}:{}", response.resource_type, names.concat()));
            self.unanswered.insert(response.resource_type, response);
        }
        shortcuts::check(&self.session);
        lines
    }

    fn state(&self, resource_type: ResourceType, name: &str) -> DeliveryState {
        let positions = self.session.positions();
        let mut positions = positions.iter();
        let position = positions
            .find(|position| position.resource_type == resource_type && &*position.name == name);
        position.expect("it is known").state.clone()
    }

    /// The versions in the response that was not answered yet.
    fn versions(&self, resource_type: ResourceType) -> Vec<Version> {
        let resources = self.unanswered[&resource_type].resources.iter();
        resources.map(|one| one.version().clone()).collect()
    }

    fn set_version(&self, resource_type: ResourceType) -> Version {
        let response = &self.unanswered[&resource_type];
        response
            .set_version
            .clone()
            .expect("it says which set it is")
    }
}

fn rejected(message: &str) -> DeliveryState {
    Rejected {
        message: message.to_owned(),
    }
}

#[test]
fn it_sends_all_clusters_and_listeners_in_each_response_however_many_they_are() {
    let all = |revision| {
        [
            large_cluster("a", 1),
            large_cluster("b", revision),
            listener("l", 1),
            listener("m", revision),
        ]
    };
    let mut peer = Peer::new();
    peer.assign(&snapshot("1", all(1)));
    assert_eq!(peer.ask(Cluster, &[]), ["cluster: a b"]);
    assert_eq!(peer.ask(Listener, &[]), NOTHING);
    assert_eq!(peer.ack(Cluster), ["listener: l m"]);
    assert_eq!(peer.ack(Listener), NOTHING);
    assert_eq!(peer.assign(&snapshot("2", all(2))), ["cluster: a b"]);
    assert_eq!(peer.ack(Cluster), ["listener: l m"]);
    assert_eq!(peer.ack(Listener), NOTHING);
    assert_eq!(peer.session.standing().answer, NodeAnswer::Acknowledged);
}

#[test]
fn it_names_a_set_by_what_it_says_and_nothing_else() {
    let version_of = |generation: &str, resources: [crate::Resource; 2]| {
        Peer::started(&snapshot(generation, resources)).set_version(Cluster)
    };
    let one = version_of("1", [cluster("a", 1), cluster("b", 1)]);
    assert_eq!(one, version_of("2", [cluster("b", 1), cluster("a", 1)]));
    assert_ne!(one, version_of("1", [cluster("a", 1), cluster("b", 2)]));
    assert_ne!(one, version_of("1", [cluster("a", 1), cluster("c", 1)]));
}

#[test]
fn it_leaves_out_what_goes_only_when_all_that_comes_is_answered() {
    let old = [cluster("a", 1), listener("l", 1), extension("e", "to a")];
    let new = [cluster("b", 1), listener("m", 1), extension("e", "to b")];
    let mut peer = Peer::settled(&snapshot("1", old));
    assert_eq!(peer.assign(&snapshot("2", new)), ["cluster: a b"]);
    assert_eq!(peer.ack(Cluster), ["listener: l m"]);
    assert_eq!(peer.ack(Listener), ["extension configuration: e"]);
    assert_eq!(peer.ack(ExtensionConfig), ["listener: m"]);
    assert_eq!(peer.ack(Listener), ["cluster: b"]);
    assert_eq!(peer.ack(Cluster), NOTHING);
    assert_eq!(peer.session.standing().answer, NodeAnswer::Acknowledged);
}

#[test]
fn it_removes_everything_by_an_empty_set() {
    let mut peer = Peer::settled(&snapshot("1", [cluster("a", 1)]));
    assert_eq!(peer.assign(&snapshot("2", [])), ["cluster:"]);
    assert_eq!(peer.ack(Cluster), NOTHING);
    assert_eq!(peer.session.standing().answer, NodeAnswer::Acknowledged);
}

#[test]
fn it_answers_a_wildcard_over_nothing_once_and_with_nothing() {
    let mut peer = Peer::new();
    peer.assign(&snapshot("1", []));
    assert_eq!(peer.ask(Cluster, &[]), ["cluster:"]);
    assert_eq!(peer.ack(Cluster), NOTHING);
}

#[test]
fn it_sends_of_other_types_only_what_changed_or_was_asked_for() {
    let routes = |revision| [route("r", "1"), route("s", revision), route("t", "1")];
    let mut peer = Peer::new();
    peer.assign(&snapshot("1", routes("1")));
    assert_eq!(peer.ask(Route, &["r"]), ["route configuration: r"]);
    assert_eq!(peer.ack(Route), NOTHING);
    assert_eq!(peer.ask(Route, &["r", "s"]), ["route configuration: s"]);
    assert_eq!(peer.ack(Route), NOTHING);
    assert_eq!(
        peer.assign(&snapshot("2", routes("2"))),
        ["route configuration: s"]
    );
}

#[test]
fn it_does_not_hold_back_what_is_there_because_other_names_are_not() {
    let mut peer = Peer::new();
    peer.assign(&snapshot("1", [endpoints("b", 1)]));
    assert_eq!(peer.ask(Endpoints, &["a", "b"]), ["endpoints: b"]);
    assert_eq!(peer.ack(Endpoints), NOTHING);
    let both = snapshot("2", [endpoints("a", 1), endpoints("b", 1)]);
    assert_eq!(peer.assign(&both), ["endpoints: a"]);
}

#[test]
fn it_says_of_no_part_of_a_type_that_it_is_gone() {
    let mut peer = Peer::settled(&snapshot(
        "1",
        [endpoints("a", 1), route("r", ""), extension("e", "")],
    ));
    assert_eq!(peer.assign(&snapshot("2", [])), NOTHING);
    assert_eq!(peer.session.standing().answer, NodeAnswer::Acknowledged);
    for (resource_type, name) in [(Endpoints, "a"), (Route, "r"), (ExtensionConfig, "e")] {
        assert_eq!(peer.state(resource_type, name), Acked);
        assert_eq!(peer.ask(resource_type, &[]), NOTHING);
    }
}

/// The four steps are those of the protocol's own example.
#[test]
fn it_ends_a_wildcard_when_a_request_that_names_something_does_not_name_it() {
    let mut peer = Peer::new();
    peer.assign(&snapshot("1", [cluster("a", 1), cluster("b", 1)]));
    assert_eq!(peer.ask(Cluster, &[]), ["cluster: a b"]);
    peer.ack(Cluster);
    peer.ask(Cluster, &["*", "a"]);
    if peer.unanswered.contains_key(&Cluster) {
        peer.ack(Cluster);
    }
    assert_eq!(peer.ask(Cluster, &["a"]), NOTHING);
    let second = snapshot("2", [cluster("a", 2), cluster("b", 2)]);
    assert_eq!(peer.assign(&second), ["cluster: a"]);
    peer.ack(Cluster);
    assert_eq!(peer.ask(Cluster, &[]), NOTHING);
    let third = snapshot("3", [cluster("a", 3), cluster("b", 3)]);
    assert_eq!(peer.assign(&third), NOTHING);
}

#[test]
fn it_takes_an_empty_request_for_everything_only_of_clusters_and_listeners() {
    let mut peer = Peer::new();
    peer.assign(&snapshot("1", [endpoints("a", 1), route("r", "")]));
    assert_eq!(peer.ask(Endpoints, &[]), NOTHING);
    assert_eq!(peer.ask(Route, &[]), NOTHING);
}

#[test]
fn it_sends_a_name_again_that_was_given_up_and_is_asked_for_anew() {
    let mut peer = Peer::settled(&snapshot("1", [route("r", "")]));
    assert_eq!(peer.ask(Route, &[]), NOTHING);
    assert_eq!(peer.ask(Route, &["r"]), ["route configuration: r"]);
}

#[test]
fn it_sends_a_name_once_that_a_request_says_twice() {
    let mut peer = Peer::new();
    peer.assign(&snapshot("1", [route("r", "")]));
    assert_eq!(peer.ask(Route, &["r", "r"]), ["route configuration: r"]);
    assert_eq!(peer.ack(Route), NOTHING);
}

#[test]
fn it_does_not_answer_a_request_that_asks_for_nothing_new() {
    let mut peer = Peer::settled(&snapshot("1", [eds_cluster("c", 1), endpoints("c", 1)]));
    assert_eq!(peer.ask(Endpoints, &["c"]), NOTHING);
    assert_eq!(peer.ask(Cluster, &[]), NOTHING);
}

/// An Envoy asks for more before it has read the response that is on its way.
#[test]
fn it_has_one_response_of_a_type_in_flight_and_loses_no_name_of_an_outdated_request() {
    let mut peer = Peer::new();
    peer.assign(&snapshot("1", [route("r", "1"), route("s", "1")]));
    assert_eq!(peer.ask(Route, &["r"]), ["route configuration: r"]);
    assert_eq!(peer.ask(Route, &["r", "s"]), NOTHING);
    assert_eq!(peer.state(Route, "r"), Sent);
    assert_eq!(peer.ack(Route), ["route configuration: s"]);
    assert_eq!(peer.state(Route, "r"), Acked);
}

#[test]
fn it_sends_unchanged_endpoints_again_in_the_turn_of_their_changed_cluster() {
    let all = |revision| {
        [
            eds_cluster("c", revision),
            endpoints("c", 1),
            eds_cluster("d", 1),
            endpoints("d", 1),
        ]
    };
    let mut peer = Peer::settled(&snapshot("1", all(1)));
    assert_eq!(
        peer.assign(&snapshot("2", all(2))),
        ["cluster: c d", "endpoints: c"]
    );
    assert_eq!(peer.ack(Endpoints), NOTHING);
    assert_eq!(peer.ack(Cluster), NOTHING);
}
