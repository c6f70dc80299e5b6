//! A server that is frozen, because another one may lead: Envoys keep what they have.

use std::time::Duration;

use envoy_types::pb::envoy::service::discovery::v3::DiscoveryRequest;
use tonic::Code;
use xds::{Newcomers, Publisher, ResourceType, SimulatedClock};

use crate::client::{Client, PATIENCE, Running, cluster, in_time, node, route, snapshot, until};
use crate::world_client::WorldClient;

#[tokio::test]
async fn it_has_each_envoy_come_again_after_a_while_as_long_as_it_is_frozen() {
    let clock = SimulatedClock::default();
    let publisher = Publisher::with_clock(clock.clock());
    let running = Running::of(publisher.clone(), 0, PATIENCE).await;
    let first = cluster("a", 1);
    running.publish(snapshot("1", [first.clone()]));
    let mut envoy = Client::settled(&running, "one", ResourceType::Cluster, &[], 1).await;
    publisher.freeze();
    for _ in 0..3 {
        // The clock is moved on until the stream has planned its end, and that has come.
        let ended = in_time(async {
            loop {
                clock.advance(Duration::from_secs(1));
                let ended = tokio::time::timeout(Duration::from_millis(10), envoy.refusal());
                if let Ok(ended) = ended.await {
                    return ended;
                }
            }
        })
        .await;
        assert_eq!(ended.code(), Code::Unavailable, "{ended}");
        envoy = Client::connect(&running, "one").await;
        envoy.resume(ResourceType::Cluster, &[&first]).await;
        until(&publisher, |publisher| publisher.nodes()[0].is_connected()).await;
    }
    publisher.thaw();
    let second = cluster("a", 2);
    running.publish(snapshot("2", [second.clone()]));
    let response = envoy.receive().await;
    assert_eq!(response.resources[0].version, second.version().as_str());
}

#[tokio::test]
async fn it_leaves_envoys_alone_that_got_other_contents_elsewhere_as_long_as_it_is_frozen() {
    let running = Running::start().await;
    let (known, other) = (cluster("a", 1), cluster("a", 2));
    running.publish(snapshot("1", [known.clone()]));
    running.publisher.freeze();
    for has in [vec![&other], vec![&known, &other], vec![&route("r", 1)]] {
        let mut envoy = Client::connect(&running, "one").await;
        envoy.resume(ResourceType::Cluster, &has).await;
        let refused = envoy.refusal().await;
        assert_eq!(refused.code(), Code::Unavailable, "{refused}");
        assert!(refused.message().contains("keep them"), "{refused}");
    }
    let mut fresh = Client::connect(&running, "two").await;
    fresh.subscribe(ResourceType::Cluster, &[]).await;
    let response = fresh.receive().await;
    assert_eq!(response.resources[0].version, known.version().as_str());

    running.publisher.thaw();
    let mut envoy = Client::connect(&running, "one").await;
    envoy.resume(ResourceType::Cluster, &[&other]).await;
    let response = envoy.receive().await;
    assert_eq!(response.resources[0].version, known.version().as_str());
}

#[tokio::test]
async fn it_leaves_envoys_of_the_older_variant_alone_likewise() {
    let running = Running::start().await;
    running.publish(snapshot("1", [cluster("a", 1), route("r", 1)]));
    let mut envoy = WorldClient::aggregated(running.channel().await, "one").await;
    let mut accepted = Vec::new();
    for (resource_type, names) in [
        (ResourceType::Cluster, &[][..]),
        (ResourceType::Route, &["r"]),
    ] {
        envoy.ask(resource_type, names).await;
        let response = envoy.receive().await;
        envoy.ack(&response).await;
        accepted.push((resource_type, names, response.version_info));
    }
    drop(envoy);
    running.publisher.freeze();
    for (resource_type, names, version) in accepted {
        for (version_info, is_known) in [(version, true), ("another".to_owned(), false)] {
            let mut envoy = WorldClient::aggregated(running.channel().await, "one").await;
            let request = DiscoveryRequest {
                node: Some(node("one")),
                resource_names: names.iter().map(ToString::to_string).collect(),
                type_url: resource_type.type_url().to_owned(),
                version_info,
                ..DiscoveryRequest::default()
            };
            envoy.send(request).await;
            if is_known {
                // Asked for anew, so that something has to be answered.
                envoy.ask(ResourceType::Route, &["r"]).await;
                let response = envoy.receive().await;
                assert_eq!(response.type_url, ResourceType::Route.type_url());
            } else {
                let refused = envoy.refusal().await;
                assert!(refused.message().contains("keep them"), "{refused}");
            }
        }
    }
}

#[tokio::test]
async fn it_gives_nobody_what_is_still_to_be_judged_as_long_as_it_is_frozen() {
    let running = Running::start().await;
    let accepted = snapshot("1", [cluster("a", 1)]);
    let tried = snapshot("2", [cluster("a", 2)]);
    let newcomers = Newcomers {
        first: Some(tried.clone()),
        others: Some(accepted),
        ..Newcomers::default()
    };
    running.distribute(tried, newcomers);
    running.publisher.freeze();
    let mut fresh = Client::connect(&running, "one").await;
    fresh.subscribe(ResourceType::Cluster, &[]).await;
    let response = fresh.receive().await;
    assert_eq!(
        response.resources[0].version,
        cluster("a", 1).version().as_str()
    );
}
