//! An Envoy as far as the protocol shows it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Instant,
};

use super::{
    super::{ACK_DEADLINE, plain, shortcuts},
    Event, NAMES, resources,
};
use crate::{
    DeliveryState, Resource, ResourceType, Snapshot, Version,
    fixtures::snapshot,
    session::{
        Answer, DeltaRequest, DeltaResponse, Memory, Process, Session, StreamId, WorldRequest,
    },
};

pub(super) struct Envoy {
    session: Session,
    now: Instant,
    streams: u64,
    subscribed: BTreeMap<ResourceType, BTreeSet<Arc<str>>>,
    pub(super) has: BTreeMap<(ResourceType, Arc<str>), Version>,
    /// The hash that Envoy compares new extension configurations with, right or wrong.
    pub(super) looked_at: BTreeMap<Arc<str>, Version>,
    pub(super) unanswered: Vec<(DeltaResponse, Instant)>,
    ignored: Vec<(DeltaResponse, Instant)>,
    snapshot: Option<Arc<Snapshot>>,
    /// It rejects whatever it is sent.
    is_sick: bool,
    variant: Variant,
    /// The version of each type's last response that it accepted.
    accepted: BTreeMap<ResourceType, Version>,
}

/// The variant of the protocol that an Envoy speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Variant {
    Incremental,
    World,
}

impl Envoy {
    pub(super) fn new(variant: Variant) -> Self {
        let mut envoy = Self {
            session: Session::new(StreamId(0), Memory::default()),
            now: Instant::now(),
            streams: 1,
            subscribed: BTreeMap::new(),
            has: BTreeMap::new(),
            looked_at: BTreeMap::new(),
            unanswered: Vec::new(),
            ignored: Vec::new(),
            snapshot: None,
            is_sick: false,
            variant,
            accepted: BTreeMap::new(),
        };
        envoy.open();
        envoy
    }

    pub(super) fn take_place(&mut self, event: Event) {
        match event {
            Event::Publish { names, versions } => {
                let all = resources(names, versions);
                self.publish(&snapshot("next", all));
            }
            Event::Subscribe(resource_type, name) => {
                self.subscribe(resource_type, NAMES[name.index(NAMES.len())]);
            }
            Event::Unsubscribe(resource_type, name) => {
                self.unsubscribe(resource_type, NAMES[name.index(NAMES.len())]);
            }
            Event::Answer { of, rejects } => {
                let types: BTreeSet<_> = self
                    .unanswered
                    .iter()
                    .map(|(response, _)| response.resource_type)
                    .collect();
                if !types.is_empty() {
                    let chosen = types.iter().nth(of.index(types.len())).copied();
                    self.answer_oldest(chosen, rejects);
                }
            }
            Event::Ignore(resource_type) => {
                let oldest = self
                    .unanswered
                    .iter()
                    .position(|(response, _)| response.resource_type == resource_type);
                if let Some(place) = oldest
                    && !self.unanswered[place].0.resources.is_empty()
                {
                    self.ignored.push(self.unanswered.remove(place));
                }
            }
            Event::Wait(duration) => {
                self.now += duration;
                self.receive();
            }
            Event::Reconnect { answers_lost } => {
                for place in 0..answers_lost.min(self.unanswered.len()) {
                    let (response, _) = self.unanswered[place].clone();
                    self.work_on(&response, place % 2 == 0);
                }
                self.reopen(Process::Unknown);
            }
            Event::Crash => {
                // As the fleet finds out: it reports nothing although it had something.
                let had_something = self.session.has_any(ResourceType::Cluster);
                self.has.clear();
                self.looked_at.clear();
                self.accepted.clear();
                self.reopen(if had_something {
                    Process::Fresh
                } else {
                    Process::Unknown
                });
            }
            Event::Sicken => self.is_sick = true,
            Event::Recover => self.is_sick = false,
        }
        self.check_that_nothing_is_believed_falsely();
    }

    fn reopen(&mut self, process: Process) {
        let memory = self.session.memory(process);
        self.session = Session::new(StreamId(self.streams), memory);
        self.streams += 1;
        self.unanswered.clear();
        self.ignored.clear();
        if let Some(snapshot) = &self.snapshot {
            self.session.assign(Arc::clone(snapshot), ACK_DEADLINE, 1);
        }
        self.open();
    }

    /// Whatever is said to be acknowledged, the Envoy has.
    fn check_that_nothing_is_believed_falsely(&self) {
        for position in self.session.positions() {
            let has = self
                .has
                .get(&(position.resource_type, Arc::clone(&position.name)));
            if position.state == DeliveryState::Acked
                && position.desired.is_some()
                && self.wants(position.resource_type, &position.name)
            {
                assert_eq!(
                    has,
                    position.desired.as_ref(),
                    "{} {} is believed",
                    position.resource_type,
                    position.name
                );
            }
        }
    }

    /// The first requests of a stream: everything, and what there is from before.
    fn open(&mut self) {
        for resource_type in ResourceType::ALL {
            let names = self.subscribed.entry(resource_type).or_default().clone();
            let wildcard = resource_type.empty_subscription_is_wildcard();
            if names.is_empty() && !wildcard {
                continue;
            }
            let initial_versions = self
                .has
                .iter()
                .filter(|((of, _), _)| *of == resource_type)
                .map(|((_, name), version)| (Arc::clone(name), version.clone()))
                .collect();
            let star = wildcard.then(|| Arc::from("*"));
            self.request(DeltaRequest {
                subscribe: names.into_iter().chain(star).collect(),
                initial_versions,
                ..plain(resource_type)
            });
        }
    }

    pub(super) fn publish(&mut self, snapshot: &Arc<Snapshot>) {
        self.snapshot = Some(Arc::clone(snapshot));
        self.session.assign(Arc::clone(snapshot), ACK_DEADLINE, 1);
        self.receive();
    }

    pub(super) fn subscribe(&mut self, resource_type: ResourceType, name: &str) {
        let name: Arc<str> = Arc::from(name);
        let names = self.subscribed.entry(resource_type).or_default();
        if names.insert(Arc::clone(&name)) {
            self.request(DeltaRequest {
                subscribe: vec![name],
                ..plain(resource_type)
            });
        }
    }

    fn unsubscribe(&mut self, resource_type: ResourceType, name: &str) {
        let names = self.subscribed.entry(resource_type).or_default();
        if let Some(name) = names.take(name) {
            if !resource_type.empty_subscription_is_wildcard() {
                self.has.remove(&(resource_type, Arc::clone(&name)));
                self.looked_at.remove(&name);
            }
            self.request(DeltaRequest {
                unsubscribe: vec![name],
                ..plain(resource_type)
            });
        }
    }

    fn answer_oldest(&mut self, of: Option<ResourceType>, rejects: bool) {
        let oldest = self
            .unanswered
            .iter()
            .position(|(response, _)| Some(response.resource_type) == of);
        if let Some(place) = oldest {
            let (response, _) = self.unanswered.remove(place);
            self.answer(&response, rejects);
        }
    }

    pub(super) fn answer(&mut self, response: &DeltaResponse, rejects: bool) {
        let rejection = self.work_on(response, rejects);
        self.request(DeltaRequest {
            answer: Some(Answer {
                nonce: response.nonce.clone(),
                rejection,
            }),
            ..plain(response.resource_type)
        });
    }

    /// Makes of a response what an Envoy makes of it; its words, if it rejects it.
    fn work_on(&mut self, response: &DeltaResponse, rejects: bool) -> Option<String> {
        let resource_type = response.resource_type;
        let rejects = rejects || self.is_sick;
        if self.is_sent_whole(resource_type) {
            return self.work_on_set(response, rejects);
        }
        let wanted = response.resources.iter();
        let wanted = wanted.filter(|resource| self.wants(resource_type, resource.name()));
        let wanted: Vec<_> = wanted.map(Arc::clone).collect();
        // What cannot be decoded takes the whole response along.
        let answers: Vec<_> = wanted
            .iter()
            .map(|resource| self.look_at(resource, rejects))
            .collect();
        let rejection = answers.into_iter().flatten().next();
        for name in &response.removed {
            self.has.remove(&(resource_type, Arc::clone(name)));
        }
        if rejection.is_none()
            && let Some(version) = &response.set_version
        {
            self.accepted.insert(resource_type, version.clone());
        }
        rejection
    }

    fn is_sent_whole(&self, resource_type: ResourceType) -> bool {
        self.variant == Variant::World && resource_type.is_sent_whole()
    }

    /// Takes a whole set, or nothing of it. What it does not hold is removed.
    fn work_on_set(&mut self, response: &DeltaResponse, rejects: bool) -> Option<String> {
        let resource_type = response.resource_type;
        let key = |resource: &Resource| (resource_type, Arc::clone(resource.name()));
        let is_new =
            |resource: &Arc<Resource>| self.has.get(&key(resource)) != Some(resource.version());
        if rejects && response.resources.iter().any(is_new) {
            return Some("rejected".to_owned());
        }
        self.has.retain(|(of, _), _| *of != resource_type);
        for resource in &response.resources {
            self.has.insert(key(resource), resource.version().clone());
        }
        self.accepted.extend(
            response
                .set_version
                .clone()
                .map(|version| (resource_type, version)),
        );
        None
    }

    /// Applies a resource, or says why not. An extension configuration with the bytes that were
    /// looked at last is passed over, even if they were rejected then.
    fn look_at(&mut self, resource: &Resource, rejects: bool) -> Option<String> {
        let key = (resource.resource_type(), Arc::clone(resource.name()));
        let version = resource.version().clone();
        if resource.resource_type() == ResourceType::ExtensionConfig {
            let before = self
                .looked_at
                .insert(Arc::clone(resource.name()), version.clone());
            if before.as_ref() == Some(&version) {
                return None;
            }
        }
        if rejects {
            return Some("rejected".to_owned());
        }
        self.has.insert(key, version);
        None
    }

    fn request(&mut self, request: DeltaRequest) {
        let taken = match self.variant {
            Variant::Incremental => self.session.request(request, self.now),
            Variant::World => {
                let request = self.with_all_names(request);
                self.session.world_request(request, self.now)
            }
        };
        taken.expect("names enough for a test");
        self.receive();
    }

    fn with_all_names(&self, request: DeltaRequest) -> WorldRequest {
        let resource_type = request.resource_type;
        let star = resource_type.empty_subscription_is_wildcard();
        let names = self.subscribed.get(&resource_type).into_iter().flatten();
        WorldRequest {
            resource_type,
            names: names.cloned().chain(star.then(|| "*".into())).collect(),
            accepted: self.accepted.get(&resource_type).cloned(),
            answer: request.answer,
        }
    }

    fn receive(&mut self) {
        for response in self.session.poll(self.now) {
            self.check(&response);
            self.unanswered.push((response, self.now));
        }
        shortcuts::check(&self.session);
    }

    fn check(&self, response: &DeltaResponse) {
        let resource_type = response.resource_type;
        let in_flight = self
            .unanswered
            .iter()
            .chain(&self.ignored)
            .any(|(other, sent_at)| {
                other.resource_type == resource_type && self.now - *sent_at < ACK_DEADLINE
            });
        assert!(!in_flight, "two {resource_type} responses in flight");
        for resource in &response.resources {
            // Rejected clusters are taken back along with others.
            assert!(response.removed.is_empty() || resource_type.is_sent_whole());
            assert!(self.wants(resource_type, resource.name()), "nobody asked");
        }
        if resource_type == ResourceType::ExtensionConfig {
            assert!(response.removed.is_empty(), "an extension was removed");
        }
    }

    /// Whether a response can say of the type that something is no more.
    pub(super) fn can_be_told_of_absence(&self, resource_type: ResourceType) -> bool {
        !matches!(
            resource_type,
            ResourceType::ExtensionConfig | ResourceType::Secret
        ) && (self.variant == Variant::Incremental || self.is_sent_whole(resource_type))
    }

    pub(super) fn wants(&self, resource_type: ResourceType, name: &str) -> bool {
        resource_type.empty_subscription_is_wildcard()
            || self.subscribed[&resource_type].contains(name)
    }

    /// Answers everything, well, until there is no more.
    pub(super) fn calm_down(&mut self) {
        self.is_sick = false;
        for _ in 0..1000 {
            if self.unanswered.is_empty() {
                let Some(deadline) = self.session.next_deadline() else {
                    return;
                };
                self.now = deadline;
                self.receive();
                continue;
            }
            let (response, _) = self.unanswered.remove(0);
            self.answer(&response, false);
        }
        panic!("the session does not come to rest");
    }
}
