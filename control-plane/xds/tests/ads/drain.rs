//! How a server lets go of its Envoys: when it is told to stop, and when their streams have been
//! open for long.

use std::time::Duration;

use tonic::Code;
use xds::{ResourceType, ServerLimits, SimulatedClock};

use crate::client::{Client, Running, cluster, in_time, snapshot, until};

/// So many Envoys that some of them have their turn in the first half of any time.
const ENVOYS: usize = 48;

/// A fleet that has what is published.
async fn fleet(running: &Running) -> Vec<Client> {
    running.publish(snapshot("1", [cluster("a", 1)]));
    let mut fleet = Vec::new();
    for number in 0..ENVOYS {
        let id = number.to_string();
        fleet.push(Client::settled(running, &id, ResourceType::Cluster, &[], 1).await);
    }
    fleet
}

/// Those of a fleet whose streams go on when some have been ended; the others are told to come
/// again.
async fn those_left(running: &Running, fleet: Vec<Client>) -> Vec<Client> {
    until(&running.publisher, |publisher| {
        publisher.nodes().iter().any(|node| !node.is_connected())
    })
    .await;
    running.publish(snapshot("3", [cluster("a", 3)]));
    let mut left = Vec::new();
    for mut envoy in fleet {
        match envoy.next().await {
            Ok(_) => left.push(envoy),
            Err(status) => assert_eq!(status.code(), Code::Unavailable),
        }
    }
    assert!((1..ENVOYS).contains(&left.len()), "{}", left.len());
    left
}

#[tokio::test]
async fn it_has_the_streams_of_a_fleet_opened_anew_at_different_times() {
    let clock = SimulatedClock::default();
    let limits = ServerLimits::default();
    let running = Running::within(limits, clock.clock()).await;
    let fleet = fleet(&running).await;
    let most_longer = limits.stream_age / 10;
    clock.advance(limits.stream_age + most_longer / 2);
    let left = those_left(&running, fleet).await;
    clock.advance(most_longer / 2);
    for mut envoy in left {
        let status = envoy.refusal().await;
        assert_eq!(status.code(), Code::Unavailable);
        assert!(status.message().contains("open it anew"), "{status}");
    }
}

#[tokio::test]
async fn it_ends_the_streams_of_a_fleet_one_after_the_other_when_it_stops() {
    let clock = SimulatedClock::default();
    let drain = Duration::from_millis(100);
    let limits = ServerLimits {
        drain,
        ..ServerLimits::default()
    };
    let mut running = Running::within(limits, clock.clock()).await;
    let mut fleet = fleet(&running).await;
    running.begin_to_stop();
    // Nobody's turn has come: they go on as they were.
    running.publish(snapshot("2", [cluster("a", 2)]));
    for envoy in &mut fleet {
        let response = envoy.receive().await;
        envoy.ack(&response).await;
    }
    running.answers("2").await;

    clock.advance(drain / 2);
    let mut left = those_left(&running, fleet).await;
    clock.advance(drain / 2);
    for envoy in &mut left {
        let status = envoy.refusal().await;
        assert_eq!(status.code(), Code::Unavailable);
        assert!(status.message().contains("stopping"), "{status}");
    }
    in_time(running.stopped()).await;
}

#[tokio::test]
async fn it_takes_no_connection_and_no_stream_once_it_is_told_to_stop() {
    let clock = SimulatedClock::default();
    let mut running = Running::within(ServerLimits::default(), clock.clock()).await;
    running.publish(snapshot("1", [cluster("a", 1)]));
    let channel = running.channel().await;
    let mut envoy = Client::on(channel.clone(), "one").await.expect("a stream");
    envoy.subscribe(ResourceType::Cluster, &[]).await;
    let response = envoy.receive().await;
    running.begin_to_stop();
    let authority = running.authority().expect("an address").to_owned();
    in_time(async {
        // The port is closed, so that whoever comes goes elsewhere.
        while tokio::net::TcpStream::connect(&authority).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    // The stream that is open goes on; the connection takes no other one.
    envoy.ack(&response).await;
    running.answers("1").await;
    in_time(async {
        while let Ok(mut another) = Client::on(channel.clone(), "two").await {
            another.subscribe(ResourceType::Cluster, &[]).await;
            assert_eq!(another.refusal().await.code(), Code::Unavailable);
        }
    })
    .await;
    clock.advance(Duration::from_secs(5));
    assert_eq!(envoy.refusal().await.code(), Code::Unavailable);
    in_time(running.stopped()).await;
}
