//! Whatever happens in whatever order: the session keeps its promises, and arrives.

mod envoy;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use envoy::{Envoy, Variant};
use proptest::{collection::vec, prelude::*, sample::Index};

use crate::{
    Resource, ResourceType,
    fixtures::{
        cluster, eds_cluster, endpoints, extension, http_listener, listener, route, secret,
        snapshot, tls_cluster,
    },
};

const NAMES: [&str; 3] = ["a", "b", "c"];
const TYPES: usize = ResourceType::ALL.len();

#[derive(Clone, Copy, Debug)]
enum Event {
    /// A snapshot of which each type holds the names whose bit is set, each in the version of its
    /// digit.
    Publish {
        names: [u8; TYPES],
        versions: [u8; TYPES * NAMES.len()],
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
    /// The stream breaks. The Envoy has worked on the first so many responses, and its answers are
    /// lost.
    Reconnect {
        answers_lost: usize,
    },
    /// It ends and begins anew, with nothing.
    Crash,
    /// From now on it rejects everything.
    Sicken,
    Recover,
}

fn event() -> impl Strategy<Value = Event> {
    let resource_type = || proptest::sample::select(ResourceType::ALL.to_vec());
    prop_oneof![
        2 => (any::<[u8; TYPES]>(), any::<[u8; TYPES * NAMES.len()]>())
            .prop_map(|(names, versions)| Event::Publish { names, versions }),
        2 => (resource_type(), any::<Index>()).prop_map(|(of, name)| Event::Subscribe(of, name)),
        1 => (resource_type(), any::<Index>()).prop_map(|(of, name)| Event::Unsubscribe(of, name)),
        8 => (any::<Index>(), proptest::bool::weighted(0.2))
            .prop_map(|(of, rejects)| Event::Answer { of, rejects }),
        1 => resource_type().prop_map(Event::Ignore),
        1 => (0..7000_u64).prop_map(|millis| Event::Wait(Duration::from_millis(millis))),
        2 => (0..3_usize).prop_map(|answers_lost| Event::Reconnect { answers_lost }),
        1 => Just(Event::Crash),
        1 => Just(Event::Sicken),
        2 => Just(Event::Recover),
    ]
}

fn variant() -> impl Strategy<Value = Variant> {
    prop_oneof![Just(Variant::Incremental), Just(Variant::World)]
}

fn resources(names: [u8; TYPES], versions: [u8; TYPES * NAMES.len()]) -> Vec<Resource> {
    let mut all = Vec::new();
    for (place, resource_type) in ResourceType::ALL.into_iter().enumerate() {
        for (bit, name) in NAMES.into_iter().enumerate() {
            if names[place] & (1 << bit) == 0 {
                continue;
            }
            let version = u32::from(versions[place * NAMES.len() + bit] % 4);
            let has = |of: ResourceType| names[of as usize] & (1 << bit) != 0;
            // Some refer to others of their name, where there are any.
            all.push(match resource_type {
                ResourceType::Cluster if version > 1 && has(ResourceType::Endpoints) => {
                    eds_cluster(name, version)
                }
                // Whether it is there or not.
                ResourceType::Cluster if version == 1 => tls_cluster(name, name),
                ResourceType::Listener
                    if version > 1
                        && has(ResourceType::Route)
                        && has(ResourceType::ExtensionConfig) =>
                {
                    http_listener(name, name, name)
                }
                _ => resource(resource_type, name, version),
            });
        }
    }
    all
}

fn resource(resource_type: ResourceType, name: &str, version: u32) -> Resource {
    match resource_type {
        ResourceType::Cluster => cluster(name, version),
        ResourceType::Endpoints => endpoints(name, version),
        ResourceType::Secret => secret(name, &version.to_string()),
        ResourceType::Listener => listener(name, version),
        ResourceType::Route => route(name, &version.to_string()),
        ResourceType::ExtensionConfig => extension(name, &version.to_string()),
    }
}

proptest! {
    #[test]
    fn it_converges_whatever_happens(variant in variant(), events in vec(event(), 0..120)) {
        let mut envoy = Envoy::new(variant);
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
            let kept = !envoy.can_be_told_of_absence(*resource_type);
            prop_assert!(kept || &**name != "c", "{} {} was not removed", resource_type, name);
        }
    }

    /// After rejections, publishing what was accepted before makes it effective, in spite of the
    /// hash that Envoy remembers.
    #[test]
    fn it_makes_effective_again_what_was_good_before_a_rejection(
        variant in variant(),
        rejections in 1..4_u32,
    ) {
        let mut envoy = Envoy::new(variant);
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
    fn it_never_lets_a_route_name_a_missing_cluster(
        variant in variant(),
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
        let mut envoy = Envoy::new(variant);
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
