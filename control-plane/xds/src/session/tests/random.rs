//! Whatever happens in whatever order: the session keeps its promises, and arrives.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use proptest::{collection::vec, prelude::*, sample::Index};

use super::{ACK_DEADLINE, plain};
use crate::{
    Resource, ResourceType, Snapshot, Version,
    fixtures::{
        cluster, eds_cluster, endpoints, extension, http_listener, listener, route, snapshot,
    },
    session::{Answer, DeltaRequest, DeltaResponse, Rejections, Session, StreamId},
};

const NAMES: [&str; 3] = ["a", "b", "c"];

#[derive(Clone, Copy, Debug)]
enum Event {
    /// A snapshot of which each type holds the names whose bit is set, each in the version of its digit.
    Publish {
        names: [u8; 5],
        versions: [u8; 15],
    },
    Subscribe(ResourceType, Index),
    Unsubscribe(ResourceType, Index),
    /// An Envoy works on the responses of a type in their order.
    Answer {
        of: Index,
        rejects: bool,
    },
    /// It never answers one, and makes nothing of it.
    Ignore(ResourceType),
    Wait(Duration),
    Reconnect,
}

fn event() -> impl Strategy<Value = Event> {
    let resource_type = || proptest::sample::select(ResourceType::ALL.to_vec());
    prop_oneof![
        2 => (any::<[u8; 5]>(), any::<[u8; 15]>())
            .prop_map(|(names, versions)| Event::Publish { names, versions }),
        2 => (resource_type(), any::<Index>()).prop_map(|(of, name)| Event::Subscribe(of, name)),
        1 => (resource_type(), any::<Index>()).prop_map(|(of, name)| Event::Unsubscribe(of, name)),
        8 => (any::<Index>(), proptest::bool::weighted(0.2))
            .prop_map(|(of, rejects)| Event::Answer { of, rejects }),
        1 => resource_type().prop_map(Event::Ignore),
        1 => (0..7000_u64).prop_map(|millis| Event::Wait(Duration::from_millis(millis))),
        1 => Just(Event::Reconnect),
    ]
}

fn resources(names: [u8; 5], versions: [u8; 15]) -> Vec<Resource> {
    let mut all = Vec::new();
    for (place, resource_type) in ResourceType::ALL.into_iter().enumerate() {
        for (bit, name) in NAMES.into_iter().enumerate() {
            if names[place] & (1 << bit) == 0 {
                continue;
            }
            let version = u32::from(versions[place * NAMES.len() + bit] % 4);
            all.push(resource(resource_type, name, version));
        }
    }
    all
}

fn resource(resource_type: ResourceType, name: &str, version: u32) -> Resource {
    match resource_type {
        ResourceType::Cluster => cluster(name, version),
        ResourceType::Endpoints => endpoints(name, version),
        ResourceType::Listener => listener(name, version),
        ResourceType::Route => route(name, &version.to_string()),
        ResourceType::ExtensionConfig => extension(name, &version.to_string()),
    }
}

/// An Envoy as far as the protocol shows it.
struct Envoy {
    session: Session,
    now: Instant,
    streams: u64,
    subscribed: BTreeMap<ResourceType, BTreeSet<Arc<str>>>,
    has: BTreeMap<(ResourceType, Arc<str>), Version>,
    /// The hash that Envoy compares new extension configurations with, right or wrong.
    looked_at: BTreeMap<Arc<str>, Version>,
    unanswered: Vec<(DeltaResponse, Instant)>,
    ignored: Vec<(DeltaResponse, Instant)>,
    snapshot: Option<Arc<Snapshot>>,
}

impl Envoy {
    fn new() -> Self {
        let mut envoy = Self {
            session: Session::new(StreamId(0), ACK_DEADLINE, Rejections::new()),
            now: Instant::now(),
            streams: 1,
            subscribed: BTreeMap::new(),
            has: BTreeMap::new(),
            looked_at: BTreeMap::new(),
            unanswered: Vec::new(),
            ignored: Vec::new(),
            snapshot: None,
        };
        envoy.open();
        envoy
    }

    fn take_place(&mut self, event: Event) {
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
                    && self.unanswered[place].0.resource.is_some()
                {
                    self.ignored.push(self.unanswered.remove(place));
                }
            }
            Event::Wait(duration) => {
                self.now += duration;
                self.receive();
            }
            Event::Reconnect => {
                let rejections = self.session.rejections();
                self.session = Session::new(StreamId(self.streams), ACK_DEADLINE, rejections);
                self.streams += 1;
                self.unanswered.clear();
                self.ignored.clear();
                if let Some(snapshot) = &self.snapshot {
                    self.session.assign(Arc::clone(snapshot));
                }
                self.open();
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

    fn publish(&mut self, snapshot: &Arc<Snapshot>) {
        self.snapshot = Some(Arc::clone(snapshot));
        self.session.assign(Arc::clone(snapshot));
        self.receive();
    }

    fn subscribe(&mut self, resource_type: ResourceType, name: &str) {
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

    fn answer(&mut self, response: &DeltaResponse, rejects: bool) {
        let resource_type = response.resource_type;
        let rejection = match &response.resource {
            Some(resource) if !self.wants(resource_type, resource.name()) => None,
            Some(resource) => self.look_at(resource, rejects),
            None => None,
        };
        for name in &response.removed {
            self.has.remove(&(resource_type, Arc::clone(name)));
        }
        self.request(DeltaRequest {
            answer: Some(Answer {
                nonce: response.nonce.clone(),
                rejection,
            }),
            ..plain(resource_type)
        });
    }

    /// Applies a resource, or says why not. An extension configuration with the bytes that were looked at last is passed over,
    /// even if they were rejected then.
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
        self.session.request(request, self.now);
        self.receive();
    }

    fn receive(&mut self) {
        for response in self.session.poll(self.now) {
            self.check(&response);
            self.unanswered.push((response, self.now));
        }
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
        if let Some(resource) = &response.resource {
            assert!(response.removed.is_empty());
            assert!(self.wants(resource_type, resource.name()), "nobody asked");
        }
        if resource_type == ResourceType::ExtensionConfig {
            assert!(response.removed.is_empty(), "an extension was removed");
        }
    }

    fn wants(&self, resource_type: ResourceType, name: &str) -> bool {
        resource_type.empty_subscription_is_wildcard()
            || self.subscribed[&resource_type].contains(name)
    }

    /// Answers everything, well, until there is no more.
    fn calm_down(&mut self) {
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

proptest! {
    #[test]
    fn it_converges_whatever_happens(events in vec(event(), 0..120)) {
        let mut envoy = Envoy::new();
        for event in events {
            envoy.take_place(event);
        }
        // Versions that were never rejected before.
        let last: Vec<_> = ResourceType::ALL
            .into_iter()
            .flat_map(|of| ["a", "b"].map(|name| resource(of, name, 99)))
            .collect();
        envoy.publish(&snapshot("last", last.clone()));
        envoy.calm_down();

        for wanted in last.iter().filter(|one| envoy.wants(one.resource_type(), one.name())) {
            let key = (wanted.resource_type(), Arc::clone(wanted.name()));
            prop_assert_eq!(envoy.has.get(&key), Some(wanted.version()), "{:?}", key);
        }
        for (resource_type, name) in envoy.has.keys() {
            let kept = *resource_type == ResourceType::ExtensionConfig;
            prop_assert!(kept || &**name != "c", "{} {} was not removed", resource_type, name);
        }
    }

    /// After rejections, publishing what was accepted before makes it effective, in spite of the hash that Envoy remembers.
    #[test]
    fn what_was_good_is_effective_again_after_a_rejection(rejections in 1..4_u32) {
        let mut envoy = Envoy::new();
        envoy.subscribe(ResourceType::ExtensionConfig, "a");
        let good = snapshot("good", [extension("a", "good")]);
        envoy.publish(&good);
        envoy.calm_down();
        for bad in 0..rejections {
            envoy.publish(&snapshot("bad", [extension("a", &format!("bad {bad}"))]));
            let (response, _) = envoy.unanswered.remove(0);
            envoy.answer(&response, true);
            envoy.publish(&good);
            envoy.calm_down();
            let wanted = extension("a", "good");
            prop_assert_eq!(envoy.looked_at.get("a"), Some(wanted.version()));
        }
    }

    /// With an Envoy that answers, soon or late, traffic never meets a cluster that is not there.
    #[test]
    fn no_route_ever_names_a_missing_cluster(
        publishes in vec((0..3_usize, vec(any::<Index>(), 0..12)), 1..12),
    ) {
        let to = |target: &str| snapshot(target, [
            eds_cluster(target, 1),
            endpoints(target, 1),
            http_listener("l", "r", "e"),
            route("r", target),
            extension("e", target),
        ]);
        let target_of: BTreeMap<_, _> = NAMES
            .into_iter()
            .flat_map(|name| [
                (route("r", name).version().clone(), name),
                (extension("e", name).version().clone(), name),
            ])
            .collect();
        let mut envoy = Envoy::new();
        envoy.publish(&to(NAMES[0]));
        for name in NAMES {
            envoy.subscribe(ResourceType::Endpoints, name);
        }
        envoy.subscribe(ResourceType::Route, "r");
        envoy.subscribe(ResourceType::ExtensionConfig, "e");
        envoy.calm_down();
        let check = |envoy: &Envoy| {
            for ((_, name), version) in &envoy.has {
                if let Some(target) = target_of.get(version) {
                    for needed in [ResourceType::Cluster, ResourceType::Endpoints] {
                        let there = envoy.has.contains_key(&(needed, Arc::from(*target)));
                        assert!(there, "`{name}` names `{target}`, which has no {needed}");
                    }
                }
            }
        };
        for (target, answers) in publishes {
            envoy.publish(&to(NAMES[target]));
            for of in answers {
                envoy.take_place(Event::Answer { of, rejects: false });
                check(&envoy);
            }
        }
        envoy.calm_down();
        check(&envoy);
    }
}
