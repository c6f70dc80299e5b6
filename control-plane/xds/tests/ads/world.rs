//! The state-of-the-world protocol, and the services of one type each, over a real connection.

use std::sync::Arc;

use envoy_types::pb::{
    envoy::{
        config::{
            cluster::v3::{Cluster, cluster},
            core::v3::{
                AggregatedConfigSource, ConfigSource, api_config_source::ApiType,
                config_source::ConfigSourceSpecifier, grpc_service::TargetSpecifier,
            },
            endpoint::v3::ClusterLoadAssignment,
        },
        service::discovery::v3::{DiscoveryRequest, DiscoveryResponse},
    },
    google::rpc,
};
use prost::Message as _;
use tonic::Code;
use xds::{DeliveryState, Resource, ResourceType};

use crate::{
    client::{self, Client, Running, cluster, route, snapshot, until},
    world_client::WorldClient,
};

/// A listener that names nothing.
fn listener(name: &str) -> Resource {
    Resource::encode(&envoy_types::pb::envoy::config::listener::v3::Listener {
        name: name.to_owned(),
        ..Default::default()
    })
    .expect("a resource")
}

#[tokio::test]
async fn it_sends_whole_sets_by_the_state_of_the_world_protocol() {
    let running = Running::start().await;
    running.publish(snapshot("1", [cluster("a", 1), cluster("b", 1)]));
    let mut envoy = WorldClient::aggregated(running.channel().await, "one").await;
    envoy.ask(ResourceType::Cluster, &[]).await;
    let first = envoy.receive().await;
    assert_eq!(first.type_url, ResourceType::Cluster.type_url());
    assert_eq!(first.resources.len(), 2);
    envoy.ack(&first).await;
    running.answers("1").await;
    running.publish(snapshot("2", [cluster("a", 1), cluster("b", 2)]));
    let second = envoy.receive().await;
    assert_eq!(second.resources.len(), 2);
    assert_ne!(first.version_info, second.version_info);
    envoy.ack(&second).await;
    let nodes = running.answers("2").await;
    assert_eq!(nodes.len(), 1);
    assert_eq!(nodes[0].in_force, nodes[0].desired);

    // Another server, or the same after a restart, names the set alike.
    let another = Running::start().await;
    another.publish(snapshot("x", [cluster("b", 2), cluster("a", 1)]));
    let mut elsewhere = WorldClient::aggregated(another.channel().await, "one").await;
    elsewhere.ask(ResourceType::Cluster, &[]).await;
    assert_eq!(elsewhere.receive().await.version_info, second.version_info);
}

#[tokio::test]
async fn it_tells_a_rejection_of_a_set_in_the_envoys_words() {
    let running = Running::start().await;
    running.publish(snapshot("1", [cluster("good", 1), cluster("bad", 1)]));
    let mut envoy = WorldClient::aggregated(running.channel().await, "one").await;
    envoy.ask(ResourceType::Cluster, &[]).await;
    let first = envoy.receive().await;
    envoy.nack(&first, "cluster bad is bad").await;
    let second = envoy.receive().await;
    assert_eq!(second.resources.len(), 1);
    envoy.ack(&second).await;
    let nodes = running.answers("1").await;
    let rejected: Vec<_> = nodes[0].rejections().map(|one| &*one.name).collect();
    assert_eq!(rejected, ["bad"]);
}

/// An Envoy's answer says by its error alone whether it is a rejection (envoy#14841).
#[tokio::test]
async fn it_tells_a_rejection_by_its_error_and_not_by_a_version() {
    let running = Running::start().await;
    running.publish(snapshot("1", [cluster("a", 1)]));
    let mut envoy = WorldClient::aggregated(running.channel().await, "one").await;
    envoy.ask(ResourceType::Cluster, &[]).await;
    let first = envoy.receive().await;
    // Another version, and no error: it took the response.
    let odd = |version_info: &str, response: &DiscoveryResponse| DiscoveryRequest {
        version_info: version_info.to_owned(),
        type_url: response.type_url.clone(),
        response_nonce: response.nonce.clone(),
        ..DiscoveryRequest::default()
    };
    envoy.send(odd("of another time", &first)).await;
    running.answers("1").await;
    running.publish(snapshot("2", [cluster("a", 2)]));
    let second = envoy.receive().await;
    // The version of the response, and an error: it did not.
    envoy
        .send(DiscoveryRequest {
            error_detail: Some(rpc::Status {
                message: "cluster a is bad".to_owned(),
                ..rpc::Status::default()
            }),
            ..odd(&second.version_info, &second)
        })
        .await;
    let nodes = running.answers("2").await;
    assert_eq!(nodes[0].rejections().count(), 1);
}

#[tokio::test]
async fn it_counts_the_streams_of_one_type_each_as_one_envoy() {
    let running = Running::start().await;
    running.publish(snapshot(
        "1",
        [cluster("a", 1), listener("l"), route("r", 1)],
    ));
    let channel = running.channel().await;
    let mut clusters = WorldClient::of(channel.clone(), "one", ResourceType::Cluster).await;
    clusters.ask(ResourceType::Cluster, &[]).await;
    let response = clusters.receive().await;
    let mut listeners = WorldClient::of(channel.clone(), "one", ResourceType::Listener).await;
    listeners.ask(ResourceType::Listener, &[]).await;
    let mut routes = WorldClient::of(channel, "one", ResourceType::Route).await;
    routes.ask(ResourceType::Route, &["r"]).await;
    let answered = routes.receive().await;
    routes.ack(&answered).await;
    // Listeners wait for the clusters that they may name, on whichever stream these are.
    clusters.ack(&response).await;
    let response = listeners.receive().await;
    assert_eq!(response.resources.len(), 1);
    listeners.ack(&response).await;
    let nodes = running.answers("1").await;
    assert_eq!(nodes.len(), 1);
    assert_eq!(nodes[0].streams, 1);
    assert_eq!(nodes[0].in_force, nodes[0].desired);
    assert_eq!(nodes[0].resources.len(), 3);
    let is_acked = |state: &DeliveryState| *state == DeliveryState::Acked;
    assert!(nodes[0].resources.iter().all(|one| is_acked(&one.state)));

    drop((clusters, listeners, routes));
    until(&running.publisher, |publisher| {
        !publisher.nodes()[0].is_connected()
    })
    .await;
    assert_eq!(running.publisher.nodes()[0].resources.len(), 3);
}

#[tokio::test]
async fn it_shares_a_response_out_among_the_streams_that_asked_for_its_parts() {
    let running = Running::start().await;
    let routes = |revision| {
        let all = ["east", "west"].map(|name| route(name, revision));
        snapshot(&revision.to_string(), all)
    };
    running.publish(routes(1));
    let channel = running.channel().await;
    let mut streams = Vec::new();
    for name in ["east", "west"] {
        let mut stream = WorldClient::of(channel.clone(), "one", ResourceType::Route).await;
        stream.ask(ResourceType::Route, &[name]).await;
        let response = stream.receive().await;
        assert_eq!(response.resources.len(), 1);
        stream.ack(&response).await;
        streams.push(stream);
    }
    running.answers("1").await;
    running.publish(routes(2));
    for (stream, is_bad) in streams.iter_mut().zip([false, true]) {
        let response = stream.receive().await;
        assert_eq!(response.resources.len(), 1);
        match is_bad {
            true => stream.nack(&response, "route west is bad").await,
            false => stream.ack(&response).await,
        }
    }
    // The one that is to blame is tried alone, and the other one goes out again.
    let alone = streams[1].receive().await;
    streams[1].nack(&alone, "route west is bad").await;
    let again = streams[0].receive().await;
    streams[0].ack(&again).await;
    let nodes = running.answers("2").await;
    let rejected: Vec<_> = nodes[0].rejections().map(|one| &*one.name).collect();
    assert_eq!(rejected, ["west"]);
    // A stream that ends takes its names along, and nothing else.
    let gone = streams.pop();
    drop(gone);
    running.publish(routes(3));
    let response = streams[0].receive().await;
    streams[0].ack(&response).await;
    running.answers("3").await;
}

#[tokio::test]
async fn it_has_nested_resources_asked_for_where_the_stream_leads() {
    let running = Running::start().await;
    let by_eds = Cluster {
        name: "a".to_owned(),
        cluster_discovery_type: Some(cluster::ClusterDiscoveryType::Type(
            cluster::DiscoveryType::Eds as i32,
        )),
        eds_cluster_config: Some(cluster::EdsClusterConfig {
            eds_config: Some(ConfigSource {
                config_source_specifier: Some(ConfigSourceSpecifier::Ads(
                    AggregatedConfigSource {},
                )),
                ..ConfigSource::default()
            }),
            ..cluster::EdsClusterConfig::default()
        }),
        ..Cluster::default()
    };
    let endpoints = ClusterLoadAssignment {
        cluster_name: "a".to_owned(),
        ..ClusterLoadAssignment::default()
    };
    let resources = [
        Resource::encode(&by_eds).expect("a resource"),
        Resource::encode(&endpoints).expect("a resource"),
    ];
    running.publish(snapshot("1", resources));
    let source_in = |response: &DiscoveryResponse| {
        let cluster = Cluster::decode(response.resources[0].value.as_slice()).expect("a cluster");
        let source = cluster.eds_cluster_config.and_then(|eds| eds.eds_config);
        source.and_then(|source| source.config_source_specifier)
    };
    let channel = running.channel().await;
    let mut aggregated = WorldClient::aggregated(channel.clone(), "one").await;
    aggregated.ask(ResourceType::Cluster, &[]).await;
    let response = aggregated.receive().await;
    assert!(matches!(
        source_in(&response),
        Some(ConfigSourceSpecifier::Ads(_))
    ));

    let mut separate = WorldClient::of(channel, "two", ResourceType::Cluster).await;
    separate.ask(ResourceType::Cluster, &[]).await;
    let response = separate.receive().await;
    let Some(ConfigSourceSpecifier::ApiConfigSource(source)) = source_in(&response) else {
        panic!("{response:?}");
    };
    assert_eq!(source.api_type, i32::from(ApiType::Grpc));
    let Some(TargetSpecifier::EnvoyGrpc(target)) = &source.grpc_services[0].target_specifier else {
        panic!("{source:?}");
    };
    // A client that knows no clusters calls the server by its address.
    assert_eq!(Some(target.cluster_name.as_str()), running.authority());
}

#[tokio::test]
async fn it_refuses_another_type_than_the_service_is_about() {
    let running = Running::start().await;
    let channel = running.channel().await;
    let mut stream = WorldClient::of(channel, "one", ResourceType::Cluster).await;
    stream.ask(ResourceType::Route, &["r"]).await;
    let status = stream.refusal().await;
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(
        status.message().contains("`type.googleapis.com/"),
        "{status}"
    );
}

#[tokio::test]
async fn it_keeps_apart_two_envoys_of_one_name_on_connections_of_their_own() {
    let running = Running::start().await;
    running.publish(snapshot("1", [cluster("a", 1)]));
    let mut streams = Vec::new();
    for _ in 0..2 {
        let channel = running.channel().await;
        let mut stream = WorldClient::of(channel, "twin", ResourceType::Cluster).await;
        stream.ask(ResourceType::Cluster, &[]).await;
        let response = stream.receive().await;
        stream.ack(&response).await;
        streams.push(stream);
    }
    until(&running.publisher, |publisher| {
        publisher.nodes()[0].streams == 2
    })
    .await;
}

/// A stream that broke may be opened anew before its end was noticed.
#[tokio::test]
async fn it_gives_a_stream_up_when_the_envoy_opens_another_of_the_same_type() {
    let running = Running::start().await;
    running.publish(snapshot("1", [cluster("a", 1)]));
    let channel = running.channel().await;
    let mut first = WorldClient::of(channel.clone(), "one", ResourceType::Cluster).await;
    first.ask(ResourceType::Cluster, &[]).await;
    let response = first.receive().await;
    first.ack(&response).await;
    running.answers("1").await;
    let mut second = WorldClient::of(channel, "one", ResourceType::Cluster).await;
    second.ask(ResourceType::Cluster, &[]).await;
    let response = second.receive().await;
    assert_eq!(first.refusal().await.code(), Code::Aborted);
    second.ack(&response).await;
    running.answers("1").await;
    assert_eq!(running.publisher.nodes()[0].streams, 1);
}

#[tokio::test]
async fn it_refuses_a_name_of_many_kilobytes_in_either_variant() {
    let running = Running::start().await;
    let long = "x".repeat(5000);
    let mut world = WorldClient::aggregated(running.channel().await, "one").await;
    world.ask(ResourceType::Route, &[&long]).await;
    assert_eq!(world.refusal().await.code(), Code::InvalidArgument);
    let mut incremental = Client::connect(&running, "two").await;
    incremental.subscribe(ResourceType::Route, &[&long]).await;
    assert_eq!(incremental.refusal().await.code(), Code::InvalidArgument);
    // What is longer than a message may be is not even read.
    let mut larger = WorldClient::aggregated(running.channel().await, "three").await;
    larger
        .send(DiscoveryRequest {
            node: Some(client::node("three")),
            type_url: ResourceType::Route.type_url().to_owned(),
            resource_names: vec!["name".repeat(100); 20_000],
            ..DiscoveryRequest::default()
        })
        .await;
    larger.refusal().await;
    until(&running.publisher, |publisher| {
        publisher.nodes().iter().all(|node| !node.is_connected())
    })
    .await;
}

#[tokio::test]
async fn it_serves_both_variants_side_by_side() {
    let running = Running::start().await;
    let all = snapshot("1", [cluster("a", 1)]);
    running.publish(Arc::clone(&all));
    let mut world = WorldClient::aggregated(running.channel().await, "one").await;
    world.ask(ResourceType::Cluster, &[]).await;
    let response = world.receive().await;
    world.ack(&response).await;
    let _two = Client::settled(&running, "two", ResourceType::Cluster, &[], 1).await;
    assert_eq!(running.answers("1").await.len(), 2);
}
