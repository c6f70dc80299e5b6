//! Envoys that crash again and again, reject everything or never answer, beside one that is well.

use tokio::task::JoinHandle;
use xds::{NodeId, ResourceType};

use crate::client::{Client, Running, cluster, route, snapshot, until};

/// So many changes that each sick Envoy meets several of them.
const CHANGES: u32 = 40;

/// An Envoy that is lost as soon as it was sent something, and comes back.
fn crash_loop(running: &Running) -> JoinHandle<()> {
    let channel = running.endpoint();
    tokio::spawn(async move {
        loop {
            let connection = channel.connect().await.expect("the server runs");
            let envoy = Client::on(connection, "crashes").await;
            let mut envoy = envoy.expect("a stream");
            envoy.subscribe(ResourceType::Cluster, &[]).await;
            envoy.receive().await;
        }
    })
}

/// An Envoy that rejects whatever it is sent.
fn reject_all(mut envoy: Client) -> JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            let response = envoy.receive().await;
            envoy.nack(&response, "no reason").await;
        }
    })
}

#[tokio::test]
async fn it_serves_an_envoy_beside_others_that_are_sick() {
    let running = Running::start().await;
    let change = |revision: u32| {
        let resources = [cluster("a", revision.into()), route("r", revision)];
        snapshot(&revision.to_string(), resources)
    };
    running.publish(change(1));
    let mut well = Client::settled(&running, "well", ResourceType::Cluster, &[], 1).await;
    let silent = Client::connect(&running, "silent").await;
    silent.subscribe(ResourceType::Cluster, &[]).await;
    let rejecting = Client::connect(&running, "rejects").await;
    rejecting.subscribe(ResourceType::Cluster, &[]).await;
    let sick = [crash_loop(&running), reject_all(rejecting)];
    for revision in 2..=CHANGES {
        running.publish(change(revision));
        let response = well.receive().await;
        let expected = cluster("a", revision.into());
        assert_eq!(response.resources[0].version, expected.version().as_str());
        well.ack(&response).await;
    }
    let well = NodeId::new("well");
    let last = xds::Generation::new(&CHANGES.to_string());
    until(&running.publisher, |publisher| {
        !publisher.is_waited_for(&well, &last)
    })
    .await;
    // Each is told from the others, and the one that crashes is kept from what it crashes with.
    until(&running.publisher, |publisher| {
        let nodes = publisher.nodes();
        let named = |id: &str| nodes.iter().find(|node| node.id.as_str() == id);
        named("rejects").is_some_and(|node| node.rejections().count() == 1)
            && named("crashes").is_some_and(|node| node.crashes.is_some())
            && named("silent").is_some_and(|node| node.in_force.is_none())
    })
    .await;
    for one in sick {
        assert!(!one.is_finished());
        one.abort();
    }
}
