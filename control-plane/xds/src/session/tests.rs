//! The rules of the protocol, one by one, and then at random. The stream's other end is played by
//! [`Peer`].

mod answers;
mod batches;
mod fetching;
mod order;
mod random;
mod running;
mod secrets;
mod shortcuts;
mod standing;
mod subscribing;
mod supplies;
mod world;

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Answer, DeltaRequest, DeltaResponse, Memory, Process, Session, StreamId};
use crate::{DeliveryState, Resource, ResourceType, Snapshot, Version};

const ACK_DEADLINE: Duration = Duration::from_secs(5);

/// Plays an Envoy, and keeps the clock.
struct Peer {
    session: Session,
    now: Instant,
    /// The last response of each type that was not answered.
    unanswered: BTreeMap<ResourceType, DeltaResponse>,
    /// Whether the session's counts are compared with everything after each step.
    is_checked: bool,
}

impl Peer {
    fn new() -> Self {
        Self::with(Memory::default())
    }

    /// An Envoy that had an earlier stream.
    fn with(memory: Memory) -> Self {
        Self {
            session: Session::new(StreamId(7), memory),
            now: Instant::now(),
            unanswered: BTreeMap::new(),
            is_checked: true,
        }
    }

    /// An Envoy that has just connected, and asks for clusters and listeners.
    fn started(snapshot: &Arc<Snapshot>) -> Self {
        let mut peer = Self::new();
        peer.assign(snapshot);
        peer.subscribe(ResourceType::Cluster, &[]);
        peer.subscribe(ResourceType::Listener, &[]);
        peer
    }

    /// An Envoy that acknowledged all of `snapshot`, including what it names.
    fn settled(snapshot: &Arc<Snapshot>) -> Self {
        let mut peer = Self::started(snapshot);
        for resource_type in [
            ResourceType::Endpoints,
            ResourceType::Route,
            ResourceType::ExtensionConfig,
        ] {
            let names: Vec<_> = snapshot
                .of_type(resource_type)
                .map(|resource| resource.name().to_string())
                .collect();
            let names: Vec<_> = names.iter().map(String::as_str).collect();
            if !names.is_empty() {
                peer.subscribe(resource_type, &names);
            }
        }
        peer.ack_all();
        peer
    }

    fn assign(&mut self, snapshot: &Arc<Snapshot>) -> Vec<String> {
        self.session.assign(Arc::clone(snapshot), ACK_DEADLINE, 1);
        self.poll()
    }

    fn subscribe(&mut self, resource_type: ResourceType, names: &[&str]) -> Vec<String> {
        self.request(DeltaRequest {
            subscribe: names.iter().map(|name| Arc::from(*name)).collect(),
            ..plain(resource_type)
        })
    }

    fn unsubscribe(&mut self, resource_type: ResourceType, names: &[&str]) -> Vec<String> {
        self.request(DeltaRequest {
            unsubscribe: names.iter().map(|name| Arc::from(*name)).collect(),
            ..plain(resource_type)
        })
    }

    /// The first request of a type by an Envoy that has resources from an earlier stream.
    fn resume(
        &mut self,
        resource_type: ResourceType,
        names: &[&str],
        has: &[&Resource],
    ) -> Vec<String> {
        let initial_versions = has
            .iter()
            .map(|resource| {
                let version = Version::reported(resource.version().as_str());
                (Arc::clone(resource.name()), version)
            })
            .collect();
        self.request(DeltaRequest {
            subscribe: names.iter().map(|name| Arc::from(*name)).collect(),
            initial_versions,
            ..plain(resource_type)
        })
    }

    fn ack(&mut self, resource_type: ResourceType) -> Vec<String> {
        self.answer(resource_type, None)
    }

    fn nack(&mut self, resource_type: ResourceType, message: &str) -> Vec<String> {
        self.answer(resource_type, Some(message.to_owned()))
    }

    fn answer(&mut self, resource_type: ResourceType, rejection: Option<String>) -> Vec<String> {
        let response = self.unanswered.remove(&resource_type);
        let nonce = response.expect("something was sent").nonce;
        self.answer_to(resource_type, &nonce, rejection)
    }

    fn answer_to(
        &mut self,
        resource_type: ResourceType,
        nonce: &str,
        rejection: Option<String>,
    ) -> Vec<String> {
        self.request(DeltaRequest {
            answer: Some(Answer {
                nonce: nonce.to_owned(),
                rejection,
            }),
            ..plain(resource_type)
        })
    }

    /// Acknowledges whatever comes until nothing does; answers what came in between.
    fn ack_all(&mut self) -> Vec<String> {
        let mut came = Vec::new();
        while let Some(resource_type) = self.unanswered.keys().next().copied() {
            came.extend(self.ack(resource_type));
        }
        came
    }

    fn request(&mut self, request: DeltaRequest) -> Vec<String> {
        self.session
            .request(request, self.now)
            .expect("names enough for a test");
        self.poll()
    }

    fn wait(&mut self, duration: Duration) -> Vec<String> {
        self.now += duration;
        self.poll()
    }

    /// Takes what goes out, as words: `+cluster a`, `-listener b`, `cluster: nothing`.
    fn poll(&mut self) -> Vec<String> {
        let mut words = Vec::new();
        for response in self.session.poll(self.now) {
            let resource_type = response.resource_type;
            for resource in &response.resources {
                words.push(format!("+{resource_type} {}", resource.name()));
            }
            for name in &response.removed {
                words.push(format!("-{resource_type} {name}"));
            }
            if response.resources.is_empty() && response.removed.is_empty() {
                words.push(format!("{resource_type}: nothing"));
            }
            self.unanswered.insert(resource_type, response);
        }
        if self.is_checked {
            shortcuts::check(&self.session);
        }
        words
    }

    /// The Envoy's next stream, without anything asked for yet.
    fn reconnected(&self, process: Process) -> Self {
        Self::with(self.session.memory(process))
    }

    fn nonce(&self, resource_type: ResourceType) -> String {
        self.unanswered[&resource_type].nonce.clone()
    }

    fn state(&self, resource_type: ResourceType, name: &str) -> DeliveryState {
        let positions = self.session.positions();
        let position = positions
            .iter()
            .find(|position| position.resource_type == resource_type && &*position.name == name);
        position.expect("it is known").state.clone()
    }
}

fn plain(resource_type: ResourceType) -> DeltaRequest {
    DeltaRequest::nothing(resource_type)
}

const NOTHING: [String; 0] = [];
