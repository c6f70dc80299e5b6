//! Envoy's own behaviour, where the protocol leaves it open: in each way of asking.

use std::time::Duration;

use envoy_types::pb::{
    envoy::config::{
        cluster::v3::{
            Cluster,
            cluster::{
                ClusterDiscoveryType, DiscoveryType, EdsClusterConfig, LbConfig, LbPolicy,
                RingHashLbConfig,
            },
        },
        core::v3::{
            Address, AggregatedConfigSource, ApiVersion, ConfigSource, SocketAddress, address,
            config_source::ConfigSourceSpecifier, socket_address::PortSpecifier,
        },
        endpoint::v3::ClusterLoadAssignment,
        listener::v3::{Filter, FilterChain, Listener, filter},
        route::v3::{
            Route, RouteAction, RouteConfiguration, RouteMatch, VirtualHost, route,
            route_action::ClusterSpecifier, route_match::PathSpecifier,
        },
    },
    envoy::extensions::filters::{
        http::router::v3::Router,
        network::http_connection_manager::v3::{
            HttpConnectionManager, HttpFilter, Rds, http_connection_manager::RouteSpecifier,
            http_filter,
        },
    },
    google::protobuf::{self, UInt64Value},
};
use xds::{DeliveryState, NodeState, Publisher, Resource};

use crate::{
    client::{PATIENCE, Running, snapshot, until},
    envoy_process::{Envoy, get},
};

/// The bootstrap files, one for each way in which an Envoy can ask.
const WAYS: [&str; 4] = [
    "bootstrap.yaml",
    "bootstrap-ads-state-of-the-world.yaml",
    "bootstrap-separate.yaml",
    "bootstrap-separate-incremental.yaml",
];
/// How long an Envoy may be silent before the next response: long for a process on one machine, and
/// short enough to wait for several times.
const SILENCE: Duration = Duration::from_secs(2);

fn seconds(seconds: i64) -> Option<protobuf::Duration> {
    Some(protobuf::Duration { seconds, nanos: 0 })
}

fn plain(name: &str, revision: i64) -> Cluster {
    Cluster {
        name: name.to_owned(),
        connect_timeout: seconds(revision),
        ..Cluster::default()
    }
}

/// A cluster that passes validation and cannot be made.
fn impossible(name: &str) -> Cluster {
    let size = |value| Some(UInt64Value { value });
    Cluster {
        lb_policy: LbPolicy::RingHash.into(),
        lb_config: Some(LbConfig::RingHashLbConfig(RingHashLbConfig {
            minimum_ring_size: size(2048),
            maximum_ring_size: size(1024),
            ..RingHashLbConfig::default()
        })),
        ..plain(name, 1)
    }
}

/// A cluster that Envoy's validation refuses.
fn invalid(name: &str) -> Cluster {
    plain(name, -1)
}

fn by_eds(name: &str, revision: i64) -> Cluster {
    let source = ConfigSource {
        resource_api_version: ApiVersion::V3.into(),
        config_source_specifier: Some(ConfigSourceSpecifier::Ads(AggregatedConfigSource {})),
        ..ConfigSource::default()
    };
    Cluster {
        cluster_discovery_type: Some(ClusterDiscoveryType::Type(DiscoveryType::Eds.into())),
        eds_cluster_config: Some(EdsClusterConfig {
            eds_config: Some(source),
            ..EdsClusterConfig::default()
        }),
        ..plain(name, revision)
    }
}

fn encoded(cluster: &Cluster) -> Resource {
    Resource::encode(cluster).expect("a resource")
}

fn endpoints(name: &str) -> Resource {
    Resource::encode(&ClusterLoadAssignment {
        cluster_name: name.to_owned(),
        ..ClusterLoadAssignment::default()
    })
    .expect("a resource")
}

/// Two clusters and their endpoints, of which one cluster has a revision.
fn two_by_eds(revision: i64) -> [Resource; 4] {
    [
        encoded(&by_eds("one", revision)),
        endpoints("one"),
        encoded(&by_eds("two", 1)),
        endpoints("two"),
    ]
}

/// Asserts that neither of [`two_by_eds`] went on without endpoints because none came.
async fn none_waited(envoy: &Envoy, way: &str) {
    for name in ["one", "two"] {
        let waited = format!("cluster.{name}.init_fetch_timeout");
        assert_eq!(envoy.counter(&waited).await, 0, "{way}");
    }
}

fn only_node(publisher: &Publisher) -> Option<NodeState> {
    publisher.nodes().pop()
}

/// Waits until the Envoy has everything of the generation that it is to have.
async fn settled(running: &Running, generation: &str) {
    until(&running.publisher, |publisher| {
        only_node(publisher).is_some_and(|node| {
            let in_force = node.in_force.as_ref().map(xds::Generation::as_str);
            in_force == Some(generation)
        })
    })
    .await;
}

/// Waits until of all clusters just `bad` is rejected, and the others are acknowledged.
async fn only_rejected(running: &Running, bad: &str) {
    until(&running.publisher, |publisher| {
        let Some(node) = only_node(publisher) else {
            return false;
        };
        let rejected: Vec<_> = node.rejections().map(|one| &*one.name).collect();
        let mut others = node.resources.iter().filter(|one| &*one.name != bad);
        rejected == [bad] && others.all(|one| one.state == DeliveryState::Acked)
    })
    .await;
}

/// Facts 5 and 6: a rejection takes the others of its response along, and there may be none.
async fn it_blames_one(way: &str, bad: &Cluster) {
    let running = Running::with_deadline(SILENCE).await;
    let good = |revision| {
        [
            encoded(&plain("first", revision)),
            encoded(&plain("second", 1)),
        ]
    };
    running.publish(snapshot("1", good(1)));
    let envoy = Envoy::start(way, &running);
    settled(&running, "1").await;
    let added = [encoded(bad), encoded(&plain("third", 1))];
    let others = good(2).into_iter().filter(|one| **one.name() != bad.name);
    running.publish(snapshot("2", others.chain(added)));
    only_rejected(&running, &bad.name).await;
    let clusters = envoy.admin("/clusters").await;
    assert!(clusters.contains("third::"), "{way}: {clusters}");
    // It runs on with what it had.
    let was_there = bad.name == "second";
    let is_there = clusters.contains(&format!("{}::", bad.name));
    assert_eq!(is_there, was_there, "{way}: {clusters}");
    // It is not stuck.
    running.publish(snapshot("3", good(3)));
    settled(&running, "3").await;
    assert_eq!(
        envoy.counter("cluster_manager.warming_clusters").await,
        0,
        "{way}"
    );
}

#[tokio::test]
async fn it_finds_the_cluster_that_envoy_cannot_make_and_loses_no_other() {
    for way in WAYS {
        for name in ["bad", "second", "zero"] {
            it_blames_one(way, &impossible(name)).await;
        }
    }
}

#[tokio::test]
async fn it_finds_the_cluster_that_envoy_refuses_and_loses_no_other() {
    for way in WAYS {
        it_blames_one(way, &invalid("bad")).await;
    }
}

/// Fact 7: a changed cluster warms until its endpoints come again, and nobody asks for them.
#[tokio::test]
async fn it_never_has_a_changed_cluster_wait_for_unchanged_endpoints() {
    for way in WAYS {
        let running = Running::with_deadline(PATIENCE).await;
        running.publish(snapshot("1", two_by_eds(1)));
        let envoy = Envoy::start(way, &running);
        settled(&running, "1").await;
        for revision in 2..5 {
            running.publish(snapshot(&revision.to_string(), two_by_eds(revision)));
            settled(&running, &revision.to_string()).await;
        }
        none_waited(&envoy, way).await;
        // What goes, goes with its endpoints, and is waited for by nobody.
        running.publish(snapshot(
            "5",
            [encoded(&by_eds("one", 4)), endpoints("one")],
        ));
        settled(&running, "5").await;
    }
}

#[tokio::test]
async fn it_sends_endpoints_again_for_a_cluster_that_changed_while_the_envoy_was_away() {
    for way in WAYS {
        let running = Running::start().await;
        running.publish(snapshot("1", two_by_eds(1)));
        let envoy = Envoy::start(way, &running);
        settled(&running, "1").await;
        let port = running.port();
        running.stop().await;
        let again = Running::at(port, PATIENCE).await;
        again.publish(snapshot("2", two_by_eds(2)));
        settled(&again, "2").await;
        none_waited(&envoy, way).await;
        let warming = envoy.counter("cluster_manager.warming_clusters").await;
        assert_eq!(warming, 0, "{way}");
    }
}

/// Another replica, or this one after a restart, calls the same content the same.
#[tokio::test]
async fn it_sends_no_cluster_again_to_an_envoy_that_comes_back_to_another_server() {
    for way in WAYS {
        let all = || [encoded(&plain("one", 1)), encoded(&plain("two", 1))];
        let running = Running::start().await;
        running.publish(snapshot("1", all()));
        let envoy = Envoy::start(way, &running);
        settled(&running, "1").await;
        let taken = envoy.counter("cluster_manager.cds.update_success").await;
        let port = running.port();
        running.stop().await;
        let again = Running::at(port, PATIENCE).await;
        again.publish(snapshot("elsewhere", all()));
        settled(&again, "elsewhere").await;
        let after = envoy.counter("cluster_manager.cds.update_success").await;
        assert_eq!(after, taken, "{way}");
    }
}

/// A listener on a free port, whose routes come by RDS.
fn listener_by_rds(routes: &str) -> Resource {
    let source = ConfigSource {
        resource_api_version: ApiVersion::V3.into(),
        config_source_specifier: Some(ConfigSourceSpecifier::Ads(AggregatedConfigSource {})),
        ..ConfigSource::default()
    };
    let router = HttpFilter {
        name: "router".to_owned(),
        config_type: Some(http_filter::ConfigType::TypedConfig(packed(
            &Router::default(),
        ))),
        ..HttpFilter::default()
    };
    let manager = HttpConnectionManager {
        stat_prefix: "test".to_owned(),
        route_specifier: Some(RouteSpecifier::Rds(Rds {
            config_source: Some(source),
            route_config_name: routes.to_owned(),
        })),
        http_filters: vec![router],
        ..HttpConnectionManager::default()
    };
    let filter = Filter {
        name: "http".to_owned(),
        config_type: Some(filter::ConfigType::TypedConfig(packed(&manager))),
    };
    let address = SocketAddress {
        address: "127.0.0.1".to_owned(),
        port_specifier: Some(PortSpecifier::PortValue(0)),
        ..SocketAddress::default()
    };
    let listener = Listener {
        name: "l".to_owned(),
        address: Some(Address {
            address: Some(address::Address::SocketAddress(address)),
        }),
        filter_chains: vec![FilterChain {
            filters: vec![filter],
            ..FilterChain::default()
        }],
        ..Listener::default()
    };
    Resource::encode(&listener).expect("a resource")
}

fn packed<M: prost::Message + prost::Name>(message: &M) -> protobuf::Any {
    protobuf::Any {
        type_url: M::type_url(),
        value: message.encode_to_vec(),
    }
}

/// Routes that lead everything to one cluster.
fn routes_to(cluster: &str) -> Resource {
    let everything = RouteMatch {
        path_specifier: Some(PathSpecifier::Prefix("/".to_owned())),
        ..RouteMatch::default()
    };
    let action = RouteAction {
        cluster_specifier: Some(ClusterSpecifier::Cluster(cluster.to_owned())),
        ..RouteAction::default()
    };
    let route = Route {
        r#match: Some(everything),
        action: Some(route::Action::Route(action)),
        ..Route::default()
    };
    let routes = RouteConfiguration {
        name: "r".to_owned(),
        virtual_hosts: vec![VirtualHost {
            name: "all".to_owned(),
            domains: vec!["*".to_owned()],
            routes: vec![route],
            ..VirtualHost::default()
        }],
        ..RouteConfiguration::default()
    };
    Resource::encode(&routes).expect("a resource")
}

/// An Envoy takes such routes without a word, and answers 503: whoever makes them has to check.
#[tokio::test]
async fn it_hears_of_no_fault_where_a_route_names_a_cluster_that_is_not_there() {
    for way in WAYS {
        let running = Running::start().await;
        running.publish(snapshot("1", [listener_by_rds("r"), routes_to("nowhere")]));
        let envoy = Envoy::start(way, &running);
        settled(&running, "1").await;
        let node = only_node(&running.publisher).expect("it is connected");
        assert_eq!(node.rejections().count(), 0, "{way}");
        let listeners = envoy.admin("/listeners?format=text").await;
        let address = listeners.lines().find_map(|line| line.strip_prefix("l::"));
        let address = address.expect("it listens").trim();
        let answer = get(address, "/").await;
        assert!(answer.starts_with("HTTP/1.1 503"), "{way}: {answer}");
    }
}
