//! The services over a real connection, with clients of both variants of the protocol.

mod client;
mod client_status;
mod connections;
mod drain;
mod envoy_process;
mod envoy_stream;
mod frozen;
mod hostile;
mod real_envoy;
mod sick_envoys;
mod unfinished;
mod world;
mod world_client;

use std::{sync::Arc, time::Duration};

use client::{Client, PATIENCE, Running, cluster, in_time, route, snapshot, until};
use envoy_types::pb::envoy::{
    config::core::v3::Node, service::discovery::v3::DeltaDiscoveryRequest,
};
use tonic::Code;
use xds::{
    ConnectionState, DeliveryState, Generation, Newcomers, Publisher, ResourceType, SimulatedClock,
};

fn generation(name: &str) -> Generation {
    Generation::new(name)
}

fn state(publisher: &Publisher, node: &str, name: &str) -> Option<DeliveryState> {
    let nodes = publisher.nodes();
    let node = nodes.iter().find(|state| state.id.as_str() == node)?;
    let resource = node
        .resources
        .iter()
        .find(|resource| &*resource.name == name)?;
    Some(resource.state.clone())
}

#[tokio::test]
async fn it_delivers_what_is_published_and_knows_that_it_was_acknowledged() {
    let running = Running::start().await;
    running.publish(snapshot("1", [cluster("a", 1)]));
    let mut envoy = Client::connect(&running, "one").await;
    envoy.subscribe(ResourceType::Cluster, &[]).await;
    let response = envoy.receive().await;
    assert_eq!(response.type_url, ResourceType::Cluster.type_url());
    assert_eq!(response.resources.len(), 1);
    assert_eq!(response.resources[0].name, "a");
    assert_eq!(
        response.resources[0].version,
        cluster("a", 1).version().as_str()
    );
    envoy.ack(&response).await;

    let nodes = running.answers("1").await;
    assert_eq!(nodes.len(), 1);
    assert_eq!(nodes[0].id.as_str(), "one");
    assert_eq!(nodes[0].description.cluster, "test");
    assert_eq!(nodes[0].user_agent, "envoy 1.40.0");
    assert!(nodes[0].is_connected());
    assert_eq!(nodes[0].in_force, Some(generation("1")));
    assert_eq!(nodes[0].resources[0].state, DeliveryState::Acked);
}

#[tokio::test]
async fn it_tells_a_rejection_in_the_envoys_words() {
    let running = Running::start().await;
    running.publish(snapshot("1", [cluster("a", 1)]));
    let mut envoy = Client::settled(&running, "one", ResourceType::Cluster, &[], 1).await;
    running.publish(snapshot("2", [cluster("a", 2)]));
    let response = envoy.receive().await;
    envoy.nack(&response, "that is no cluster").await;

    let nodes = running.answers("2").await;
    let rejected: Vec<_> = nodes[0].rejections().collect();
    assert_eq!(rejected.len(), 1);
    assert_eq!(
        rejected[0].state,
        DeliveryState::Rejected {
            message: "that is no cluster".to_owned()
        }
    );
    assert_eq!(rejected[0].acked.as_ref(), Some(cluster("a", 1).version()));
    assert_eq!(nodes[0].in_force, Some(generation("1")));
}

#[tokio::test]
async fn it_gives_a_new_envoy_what_newcomers_are_meant_to_have() {
    let running = Running::start().await;
    let first = snapshot("1", [cluster("a", 1)]);
    running.publish(Arc::clone(&first));
    let mut one = Client::settled(&running, "one", ResourceType::Cluster, &[], 1).await;
    let second = snapshot("2", [cluster("a", 2)]);
    running.distribute(second, Newcomers::all(first));
    let response = one.receive().await;
    one.nack(&response, "bad").await;
    running.answers("2").await;

    let mut two = Client::connect(&running, "two").await;
    two.subscribe(ResourceType::Cluster, &[]).await;
    let response = two.receive().await;
    assert_eq!(
        response.resources[0].version,
        cluster("a", 1).version().as_str()
    );
}

#[tokio::test]
async fn it_delays_no_envoy_because_another_never_answers() {
    let running = Running::start().await;
    running.publish(snapshot("0", [route("r", 0)]));
    let mut silent = Client::connect(&running, "silent").await;
    silent.subscribe(ResourceType::Route, &["r"]).await;
    let mut quick = Client::settled(&running, "quick", ResourceType::Route, &["r"], 1).await;
    for revision in 1..=200 {
        running.publish(snapshot(&revision.to_string(), [route("r", revision)]));
        let response = quick.receive().await;
        assert_eq!(
            response.resources[0].version,
            route("r", revision).version().as_str()
        );
        quick.ack(&response).await;
    }
    until(&running.publisher, |publisher| {
        state(publisher, "quick", "r") == Some(DeliveryState::Acked)
    })
    .await;
    assert_eq!(
        state(&running.publisher, "silent", "r"),
        Some(DeliveryState::Pending)
    );

    // The silent one finds the first and then the last, and nothing between.
    let first = silent.receive().await;
    assert_eq!(first.resources[0].version, route("r", 0).version().as_str());
    silent.ack(&first).await;
    let last = silent.receive().await;
    assert_eq!(
        last.resources[0].version,
        route("r", 200).version().as_str()
    );
}

#[tokio::test]
async fn it_sends_an_envoy_that_comes_back_only_what_changed() {
    let running = Running::start().await;
    let both = snapshot("1", [cluster("a", 1), cluster("b", 1)]);
    running.publish(both);
    let envoy = Client::settled(&running, "one", ResourceType::Cluster, &[], 1).await;
    drop(envoy);
    until(&running.publisher, |publisher| {
        !publisher.nodes()[0].is_connected()
    })
    .await;
    let gone = running.publisher.nodes();
    assert!(matches!(gone[0].connection, ConnectionState::Gone { .. }));
    assert_eq!(gone[0].resources.len(), 2);

    let next = snapshot("2", [cluster("a", 1), cluster("b", 2)]);
    running.publish(next);
    let mut again = Client::connect(&running, "one").await;
    again
        .resume(ResourceType::Cluster, &[&cluster("a", 1), &cluster("b", 1)])
        .await;
    let response = again.receive().await;
    assert_eq!(response.resources[0].name, "b");
    again.ack(&response).await;
    let nodes = running.answers("2").await;
    assert_eq!(nodes[0].in_force, Some(generation("2")));
}

#[tokio::test]
async fn it_refuses_a_stream_without_a_node_id_and_says_what_to_do() {
    let running = Running::start().await;
    for node in [None, Some(Node::default())] {
        let mut client = Client::connect(&running, "").await;
        client
            .send(DeltaDiscoveryRequest {
                node,
                type_url: ResourceType::Cluster.type_url().to_owned(),
                ..DeltaDiscoveryRequest::default()
            })
            .await;
        let status = client.refusal().await;
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.message().contains("`node.id`"), "{status}");
    }
    assert_eq!(running.publisher.nodes(), []);
}

#[tokio::test]
async fn it_refuses_an_envoy_whose_name_too_many_have_and_says_what_to_do() {
    let running = Running::start().await;
    running.publish(snapshot("1", [cluster("a", 1)]));
    let mut streams = Vec::new();
    for _ in 0..64 {
        let mut twin = Client::connect(&running, "twin").await;
        twin.subscribe(ResourceType::Cluster, &[]).await;
        twin.receive().await;
        streams.push(twin);
    }
    let mut one_more = Client::connect(&running, "twin").await;
    one_more.subscribe(ResourceType::Cluster, &[]).await;
    let status = one_more.refusal().await;
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(status.message().contains("`node.id`"), "{status}");
    // When one of them is gone, there is room again.
    streams.pop();
    until(&running.publisher, |publisher| {
        publisher.nodes()[0].streams == 63
    })
    .await;
    Client::settled(&running, "other", ResourceType::Cluster, &[], 1).await;
    let mut next = Client::connect(&running, "twin").await;
    next.subscribe(ResourceType::Cluster, &[]).await;
    next.receive().await;
}

#[tokio::test]
async fn it_refuses_a_node_id_of_a_kilobyte_and_says_what_to_do() {
    let running = Running::start().await;
    let mut client = Client::connect(&running, &"x".repeat(1024)).await;
    client.subscribe(ResourceType::Cluster, &[]).await;
    let status = client.refusal().await;
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().contains("shorten it"), "{status}");
    assert_eq!(running.publisher.nodes(), []);
}

#[tokio::test]
async fn it_shows_two_envoys_of_one_name_as_such() {
    let running = Running::start().await;
    running.publish(snapshot("1", [cluster("a", 1)]));
    let _one = Client::settled(&running, "twin", ResourceType::Cluster, &[], 1).await;
    let two = Client::connect(&running, "twin").await;
    two.subscribe(ResourceType::Cluster, &[]).await;
    until(&running.publisher, |publisher| {
        publisher.nodes()[0].streams == 2
    })
    .await;
    drop(two);
    until(&running.publisher, |publisher| {
        publisher.nodes()[0].streams == 1
    })
    .await;
}

#[tokio::test]
async fn it_refuses_a_request_without_a_type() {
    let running = Running::start().await;
    let mut client = Client::connect(&running, "one").await;
    client.send(client.request("")).await;
    let status = client.refusal().await;
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().contains("`type_url`"), "{status}");
}

#[tokio::test]
async fn it_is_not_disturbed_by_a_type_that_is_not_distributed() {
    let running = Running::start().await;
    running.publish(snapshot("1", [cluster("a", 1)]));
    let mut client = Client::connect(&running, "one").await;
    let secrets = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";
    client.send(client.request(secrets)).await;
    client.subscribe(ResourceType::Cluster, &[]).await;
    assert_eq!(client.receive().await.resources[0].name, "a");
}

#[tokio::test]
async fn it_ends_streams_when_the_server_is_told_to_stop() {
    let running = Running::start().await;
    running.publish(snapshot("1", [cluster("a", 1)]));
    let mut envoy = Client::settled(&running, "one", ResourceType::Cluster, &[], 1).await;
    let publisher = running.publisher.clone();
    in_time(running.stop()).await;
    assert_eq!(envoy.refusal().await.code(), Code::Unavailable);
    assert!(publisher.nodes().iter().all(|node| !node.is_connected()));
}

#[tokio::test]
async fn it_has_streams_opened_anew_that_have_been_open_for_hours() {
    let clock = SimulatedClock::default();
    let publisher = Publisher::with_clock(clock.clock());
    let running = Running::of(publisher, 0, PATIENCE).await;
    running.publish(snapshot("1", [cluster("a", 1)]));
    let mut envoy = Client::settled(&running, "one", ResourceType::Cluster, &[], 1).await;
    let age = Duration::from_secs(6 * 3600);
    clock.advance(age - Duration::from_secs(1));
    running.publish(snapshot("2", [cluster("a", 2)]));
    let response = envoy.receive().await;
    envoy.ack(&response).await;
    running.answers("2").await;
    clock.advance(Duration::from_secs(1) + age / 10);
    let status = envoy.refusal().await;
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.message().contains("open it anew"), "{status}");
    let again = Client::connect(&running, "one").await;
    again
        .resume(ResourceType::Cluster, &[&cluster("a", 2)])
        .await;
    running.answers("2").await;
    // Nobody takes it for a crash.
    assert_eq!(running.publisher.summaries()[0].crashes, None);
}

#[tokio::test]
async fn it_tells_that_an_answer_is_unknown_when_the_deadline_has_passed() {
    let running = Running::with_deadline(Duration::from_millis(10)).await;
    running.publish(snapshot("1", [cluster("a", 1)]));
    let mut envoy = Client::connect(&running, "one").await;
    envoy.subscribe(ResourceType::Cluster, &[]).await;
    let late = envoy.receive().await;
    until(&running.publisher, |publisher| {
        state(publisher, "one", "a") == Some(DeliveryState::Unknown)
    })
    .await;
    envoy.ack(&late).await;
    let nodes = running.answers("1").await;
    assert!(
        nodes[0]
            .resources
            .iter()
            .all(|one| one.state == DeliveryState::Acked)
    );
}
