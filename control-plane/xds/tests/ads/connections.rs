//! Connections that nobody uses, and readers that do not read.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use envoy_types::pb::envoy::config::cluster::v3::Cluster;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
};
use tonic::transport::Channel;
use xds::{Publisher, Resource, ResourceType, ServerLimits, SimulatedClock};

use crate::{
    client::{Client, Running, cluster, in_time, snapshot, until},
    world_client::WorldClient,
};

/// The first bytes of each connection of HTTP/2, and settings that say nothing.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
/// More than the client's streams carry before their reader takes something, which are two
/// megabytes, and less than it reads as one message.
const LARGE: usize = 3_000_000;

/// Bounds under which nothing ends because it has lasted for long, however far the clock is moved.
fn limits() -> ServerLimits {
    ServerLimits {
        stream_age: Duration::from_secs(1000 * 24 * 3600),
        ..ServerLimits::default()
    }
}

/// A connection that says `words` and nothing more, and the wait for its end.
async fn half_open(running: &Running, words: &'static [u8]) -> JoinHandle<()> {
    let authority = running.authority().expect("an address");
    let mut stream = TcpStream::connect(authority).await.expect("connected");
    tokio::spawn(async move {
        stream.write_all(words).await.expect("sent");
        let mut read = Vec::new();
        // A reset is an end too.
        let _ = stream.read_to_end(&mut read).await;
    })
}

/// Moves the clock until all of it has come.
async fn as_time_goes_by(clock: &SimulatedClock, mut has_come: impl FnMut() -> bool) {
    in_time(async {
        while !has_come() {
            clock.advance(Duration::from_secs(1));
            tokio::task::yield_now().await;
        }
    })
    .await;
}

fn large_cluster(name: &str) -> Resource {
    Resource::encode(&Cluster {
        name: name.to_owned(),
        alt_stat_name: "x".repeat(LARGE),
        ..Cluster::default()
    })
    .expect("a resource")
}

#[tokio::test]
async fn it_ends_connections_on_which_no_envoy_says_who_it_is() {
    let clock = SimulatedClock::default();
    let running = Running::within(limits(), clock.clock()).await;
    running.publish(snapshot("1", [cluster("a", 1)]));
    let mut envoy = Client::settled(&running, "good", ResourceType::Cluster, &[], 1).await;
    let mut mute = Client::connect(&running, "says nothing").await;
    let mut half_open_ones = Vec::new();
    for words in [&b""[..], &PREFACE[..10], PREFACE] {
        half_open_ones.push(half_open(&running, words).await);
    }
    as_time_goes_by(&clock, || {
        half_open_ones.iter().all(JoinHandle::is_finished)
    })
    .await;
    mute.refusal().await;
    // An Envoy may be silent for as long as it has nothing to say.
    running.publish(snapshot("2", [cluster("a", 2)]));
    let response = envoy.receive().await;
    envoy.ack(&response).await;
    running.answers("2").await;
}

#[tokio::test]
async fn it_has_a_place_for_an_envoy_among_connections_that_nobody_uses() {
    let limits = ServerLimits {
        connections: 2,
        ..limits()
    };
    let running = Running::within(limits, SimulatedClock::default().clock()).await;
    running.publish(snapshot("1", [cluster("a", 1)]));
    let mut half_open_ones = Vec::new();
    for _ in 0..20 {
        half_open_ones.push(half_open(&running, PREFACE).await);
    }
    let _one = Client::settled(&running, "one", ResourceType::Cluster, &[], 1).await;
    let _two = Client::settled(&running, "two", ResourceType::Cluster, &[], 1).await;
    in_time(futures::future::join_all(half_open_ones)).await;
    // Where an Envoy uses each, a newcomer is closed, and those stay.
    in_time(half_open(&running, PREFACE).await)
        .await
        .expect("no panic");
    assert_eq!(running.answers("1").await.len(), 2);
}

#[tokio::test]
async fn it_ends_the_connection_of_an_envoy_that_does_not_read() {
    let clock = SimulatedClock::default();
    let running = Running::within(limits(), clock.clock()).await;
    running.publish(snapshot("1", [large_cluster("large")]));
    let mut good = Client::settled(&running, "good", ResourceType::Cluster, &[], 1).await;
    let incremental = Client::connect(&running, "does not read").await;
    incremental.subscribe(ResourceType::Cluster, &[]).await;
    let mut world = WorldClient::aggregated(running.channel().await, "nor does this").await;
    world.ask(ResourceType::Cluster, &[]).await;
    let connected = || {
        let nodes = running.publisher.nodes();
        nodes.iter().filter(|node| node.is_connected()).count()
    };
    until(&running.publisher, |_| connected() == 3).await;
    as_time_goes_by(&clock, || connected() == 1).await;
    running.publish(snapshot("2", [large_cluster("large"), cluster("a", 1)]));
    let response = good.receive().await;
    good.ack(&response).await;
    running.answers("2").await;
}

#[tokio::test]
async fn it_ends_those_who_do_not_read_first_when_responses_have_no_memory_left() {
    let clock = SimulatedClock::default();
    let limits = ServerLimits {
        unread_bytes: 4 * LARGE,
        ..limits()
    };
    let running = Running::within(limits, clock.clock()).await;
    let all = snapshot("1", [large_cluster("large")]);
    running.publish(Arc::clone(&all));
    let mut unread = Vec::new();
    for number in 0..8 {
        let client = Client::connect(&running, &format!("does not read {number}")).await;
        client.subscribe(ResourceType::Cluster, &[]).await;
        unread.push(client);
    }
    until(&running.publisher, |publisher| publisher.nodes().len() == 8).await;
    let mut good = Client::connect(&running, "good").await;
    good.subscribe(ResourceType::Cluster, &[]).await;
    let receiving = tokio::spawn(async move {
        let response = good.receive().await;
        good.ack(&response).await;
        good
    });
    let is_served = || receiving.is_finished();
    as_time_goes_by(&clock, is_served).await;
    let _good = receiving.await.expect("no panic");
    until(&running.publisher, |publisher| {
        let nodes = publisher.nodes();
        let good = nodes.iter().find(|node| node.id.as_str() == "good");
        good.is_some_and(|good| good.in_force.is_some())
    })
    .await;
}

/// A way to the server for one client, on which nothing moves any more once it is told so: neither
/// side hears that the other one is out of reach.
async fn way_that_ends_nowhere(running: &Running) -> (Channel, oneshot::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it has one");
    let server = running.authority().expect("an address").to_owned();
    let (stop, stopped) = oneshot::channel();
    tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.expect("a client");
        let mut server = TcpStream::connect(server).await.expect("connected");
        tokio::select! {
            _ = copy_bidirectional(&mut client, &mut server) => return,
            _ = stopped => {}
        }
        // Both connections stay open.
        std::future::pending::<()>().await;
    });
    let endpoint = Channel::from_shared(format!("http://{address}")).expect("an address");
    let channel = in_time(endpoint.connect()).await.expect("connected");
    (channel, stop)
}

#[tokio::test]
async fn it_notices_that_an_envoy_is_out_of_reach_though_it_has_nothing_to_tell_it() {
    let limits = ServerLimits {
        keep_alive: Duration::from_millis(200),
        ..limits()
    };
    let running = Running::within(limits, SimulatedClock::default().clock()).await;
    running.publish(snapshot("1", [cluster("a", 1)]));
    let _near = Client::settled(&running, "near", ResourceType::Cluster, &[], 1).await;
    let (channel, stop) = way_that_ends_nowhere(&running).await;
    let mut far = Client::on(channel, "far").await.expect("a stream");
    far.subscribe(ResourceType::Cluster, &[]).await;
    let response = far.receive().await;
    far.ack(&response).await;
    running.answers("1").await;
    let connected = |publisher: &Publisher| -> BTreeSet<String> {
        let nodes = publisher.nodes();
        let connected = nodes.iter().filter(|node| node.is_connected());
        let names = connected.map(|node| node.id.as_str().to_owned());
        names.collect()
    };
    let both = ["far", "near"].map(str::to_owned).into();
    assert_eq!(connected(&running.publisher), both);
    stop.send(()).expect("it forwards");
    until(&running.publisher, |publisher| connected(publisher) != both).await;
    // Whoever is well answers the probes, and stays.
    assert_eq!(connected(&running.publisher), ["near".to_owned()].into());
}
