//! One Envoy's stream as a state machine: what it asked for, what it was sent, what it answered.
//!
//! Pure: requests, snapshots and the present time come in as arguments, responses come out of [`Session::poll`].
//! How the parts meet: [`subscription`] keeps one type's names and versions, [`plan`] says what may go out now,
//! [`standing`] says where everything stands.

mod plan;
mod standing;
mod subscription;

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

#[cfg(test)]
pub(crate) use standing::Progress;
pub(crate) use standing::{Standing, Verdict};
use subscription::{Outstanding, Subscription};

use crate::{Generation, Resource, ResourceType, Snapshot, Version};

/// What an Envoy asks or answers: a `DeltaDiscoveryRequest` in this crate's terms.
#[derive(Clone, Debug)]
pub(crate) struct DeltaRequest {
    pub(crate) resource_type: ResourceType,
    pub(crate) subscribe: Vec<Arc<str>>,
    pub(crate) unsubscribe: Vec<Arc<str>>,
    /// What the Envoy has from an earlier stream; only the first request of a type carries it.
    pub(crate) initial_versions: BTreeMap<Arc<str>, Version>,
    pub(crate) answer: Option<Answer>,
}

/// What an Envoy answers to the response of that nonce.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) nonce: String,
    /// Envoy's words if it rejected the response. Nothing else tells a rejection (envoy#14841).
    pub(crate) rejection: Option<String>,
}

/// What is to be sent: a `DeltaDiscoveryResponse` in this crate's terms.
#[derive(Clone, Debug)]
pub(crate) struct DeltaResponse {
    pub(crate) resource_type: ResourceType,
    pub(crate) nonce: String,
    /// One at most, so that a rejection takes no sibling along (envoy#5739).
    pub(crate) resource: Option<Arc<Resource>>,
    pub(crate) removed: Vec<Arc<str>>,
}

/// An extension configuration that an Envoy rejected, to be remembered beyond the stream.
///
/// Envoy keeps the hash of what it rejected and takes the same bytes for known when they come again
/// (`config_discovery_impl.cc`), so the last good ones must be sent before them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rejection {
    pub(crate) version: Version,
    pub(crate) message: String,
}

/// Rejected extension configurations by name.
pub(crate) type Rejections = BTreeMap<Arc<str>, Rejection>;

/// Tells the streams of one process apart; part of each nonce, so that none fits another stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct StreamId(pub(crate) u64);

/// One Envoy's stream.
#[derive(Debug)]
pub(crate) struct Session {
    stream: StreamId,
    ack_deadline: Duration,
    snapshot: Option<Arc<Snapshot>>,
    subscriptions: BTreeMap<ResourceType, Subscription>,
    remembered: Rejections,
    next_nonce: u64,
    in_force: Option<Generation>,
    standing: Standing,
}

impl Session {
    pub(crate) fn new(stream: StreamId, ack_deadline: Duration, remembered: Rejections) -> Self {
        Self {
            stream,
            ack_deadline,
            snapshot: None,
            subscriptions: BTreeMap::new(),
            remembered,
            next_nonce: 1,
            in_force: None,
            standing: Standing::default(),
        }
    }

    /// Changes what the Envoy is to have.
    pub(crate) fn assign(&mut self, snapshot: Arc<Snapshot>) {
        for (resource_type, subscription) in &mut self.subscriptions {
            subscription.compare(*resource_type, &snapshot);
        }
        self.snapshot = Some(snapshot);
    }

    /// Takes in what the Envoy asks and answers.
    pub(crate) fn request(&mut self, request: DeltaRequest, now: Instant) {
        let resource_type = request.resource_type;
        let first = !self.subscriptions.contains_key(&resource_type);
        let only_answers = !first && request.subscribe.is_empty() && request.unsubscribe.is_empty();
        let subscription = self.subscriptions.entry(resource_type).or_default();
        if let Some(answer) = request.answer {
            subscription.answered(resource_type, answer, now);
        }
        if only_answers {
            return;
        }
        if first {
            subscription.open(
                resource_type,
                request.subscribe,
                request.initial_versions,
                &self.remembered,
                now,
            );
        } else {
            subscription.subscribe(request.subscribe, now);
        }
        subscription.unsubscribe(request.unsubscribe, now);
        if let Some(snapshot) = &self.snapshot {
            subscription.compare(resource_type, snapshot);
        }
    }

    /// Everything that may go out now. To be called after each [`Session::assign`] and [`Session::request`], and when
    /// [`Session::next_deadline`] has come.
    pub(crate) fn poll(&mut self, now: Instant) -> Vec<DeltaResponse> {
        for subscription in self.subscriptions.values_mut() {
            subscription.expire(self.ack_deadline, now);
        }
        let Some(snapshot) = self.snapshot.clone() else {
            return Vec::new();
        };
        let mut responses = Vec::new();
        while let Some(step) = plan::next_step(&self.subscriptions, &snapshot) {
            responses.push(self.take(step, &snapshot, now));
        }
        self.standing = self.judge(&snapshot);
        if self.standing.is_fully_accepted() {
            self.in_force = Some(snapshot.generation().clone());
        }
        responses
    }

    /// When [`Session::poll`] has something to do even if the Envoy stays silent.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.subscriptions
            .values()
            .filter_map(|subscription| subscription.in_flight.as_ref())
            .map(|outstanding| outstanding.sent_at + self.ack_deadline)
            .min()
    }

    /// The extension configurations that the Envoy rejected and acknowledged nothing else for since.
    pub(crate) fn rejections(&self) -> Rejections {
        self.subscriptions
            .get(&ResourceType::ExtensionConfig)
            .map(Subscription::rejections)
            .unwrap_or_default()
    }

    fn take(&mut self, step: plan::Step, snapshot: &Snapshot, now: Instant) -> DeltaResponse {
        let nonce = format!("{}-{}", self.stream.0, self.next_nonce);
        self.next_nonce += 1;
        let resource_type = step.resource_type();
        let (resource, removed) = match step {
            plan::Step::Send {
                resource_type,
                name,
            } => {
                let resource = snapshot.get(resource_type, &name).cloned();
                if let Some(cluster) = &resource {
                    self.resend_endpoints_of(cluster);
                }
                (resource, Vec::new())
            }
            plan::Step::Remove { names, .. } => (None, names),
            plan::Step::Greet { .. } => (None, Vec::new()),
        };
        let outstanding = Outstanding {
            nonce: nonce.clone(),
            resource: resource
                .as_ref()
                .map(|resource| (Arc::clone(resource.name()), resource.version().clone())),
            removed: removed.clone(),
            sent_at: now,
        };
        if let Some(subscription) = self.subscriptions.get_mut(&resource_type) {
            subscription.sent(outstanding, now);
        }
        DeltaResponse {
            resource_type,
            nonce,
            resource,
            removed,
        }
    }

    /// A cluster that Envoy receives anew warms until it receives its endpoints again, changed or not, and asks for
    /// nothing; its ACK waits for them (envoy#13009).
    fn resend_endpoints_of(&mut self, cluster: &Resource) {
        if cluster.resource_type() != ResourceType::Cluster {
            return;
        }
        let Some(endpoints) = self.subscriptions.get_mut(&ResourceType::Endpoints) else {
            return;
        };
        for reference in cluster.references() {
            endpoints.force(&reference.name);
        }
    }
}

#[cfg(test)]
mod tests;
