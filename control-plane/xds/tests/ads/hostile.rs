//! A client that means harm, or has gone mad, beside an Envoy that does its work.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use envoy_types::pb::envoy::service::discovery::v3::DeltaDiscoveryRequest;
use tonic::Code;
use xds::{Resource, ResourceType, Snapshot};

use crate::{
    client::{Client, Running, cluster, snapshot},
    world_client::WorldClient,
};

/// More changes than responses are kept for anybody.
const CHANGES: u32 = 200;
/// More than a stream of HTTP/2 carries before its reader takes something.
const LARGE: usize = 200_000;

fn large_cluster(revision: u32) -> Resource {
    Resource::encode(&envoy_types::pb::envoy::config::cluster::v3::Cluster {
        name: "large".to_owned(),
        alt_stat_name: format!("{revision} {}", "x".repeat(LARGE)),
        ..Default::default()
    })
    .expect("a resource")
}

/// Has an Envoy take every one of many changes.
async fn change_often(running: &Running) -> Vec<Weak<Snapshot>> {
    let mut envoy = Client::connect(running, "good").await;
    envoy.subscribe(ResourceType::Cluster, &[]).await;
    let mut published = Vec::new();
    for revision in 0..CHANGES {
        let next = snapshot(&format!("change {revision}"), [large_cluster(revision)]);
        published.push(Arc::downgrade(&next));
        running.publish(next);
        let response = envoy.receive().await;
        assert_eq!(
            response.resources[0].version,
            large_cluster(revision).version().as_str()
        );
        envoy.ack(&response).await;
    }
    published
}

#[tokio::test]
async fn it_keeps_nothing_for_a_client_that_never_reads_and_serves_the_others() {
    // Each response may follow the last one at once, as if that had been given up.
    let running = Running::with_deadline(Duration::ZERO).await;
    running.publish(snapshot("first", [large_cluster(CHANGES)]));
    let incremental = Client::connect(&running, "never reads").await;
    incremental.subscribe(ResourceType::Cluster, &[]).await;
    let mut world = WorldClient::aggregated(running.channel().await, "never reads either").await;
    world.ask(ResourceType::Cluster, &[]).await;
    let published = change_often(&running).await;
    let kept = published.iter().filter(|one| one.strong_count() > 0);
    // One for each of the three, and the one that newcomers get.
    assert!(kept.count() <= 4);
}

#[tokio::test]
async fn it_serves_others_while_a_client_floods_it_with_answers_to_nothing() {
    let running = Running::start().await;
    running.publish(snapshot("first", [large_cluster(CHANGES)]));
    let mut flood = Client::connect(&running, "flood").await;
    flood.subscribe(ResourceType::Cluster, &[]).await;
    flood.receive().await;
    let flooding = tokio::spawn(async move {
        for number in 0..20_000_u32 {
            flood
                .send(DeltaDiscoveryRequest {
                    response_nonce: format!("7-{number}"),
                    ..flood.request(ResourceType::Cluster.type_url())
                })
                .await;
        }
        flood
    });
    change_often(&running).await;
    let _flood = flooding.await.expect("it was let flood");
    // It has acknowledged nothing by that.
    let nodes = running.publisher.nodes();
    let flood = nodes.iter().find(|node| node.id.as_str() == "flood");
    assert!(flood.expect("it is there").in_force.is_none());
}

#[tokio::test]
async fn it_cuts_off_a_client_that_asks_for_names_without_end() {
    let running = Running::start().await;
    let mut adding = Client::connect(&running, "adding").await;
    let filler = "z".repeat(3000);
    for round in 0..8 {
        let names: Vec<_> = (0..1000)
            .map(|number| format!("{filler}{round}-{number}"))
            .collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        adding.subscribe(ResourceType::Route, &names).await;
    }
    let status = adding.refusal().await;
    assert_eq!(status.code(), Code::ResourceExhausted);
    running.publish(snapshot("1", [cluster("a", 1)]));
    Client::settled(&running, "good", ResourceType::Cluster, &[], 1).await;
}
