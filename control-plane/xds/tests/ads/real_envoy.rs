//! Envoy's own behaviour, where the protocol leaves it open: in each way of asking.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

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
            AggregatedConfigSource, ApiVersion, ConfigSource, config_source::ConfigSourceSpecifier,
        },
        endpoint::v3::ClusterLoadAssignment,
    },
    google::protobuf::{self, UInt64Value},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use xds::{DeliveryState, NodeState, Publisher, Resource};

use crate::client::{PATIENCE, Running, in_time, snapshot, until};

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

/// A real Envoy; it ends with the value.
struct Envoy {
    process: Child,
    directory: TempDir,
}

impl Envoy {
    fn start(way: &str, running: &Running) -> Self {
        let directory = TempDir::new().expect("a temporary folder");
        let file = directory.path().join("envoy.yaml");
        let bootstrap = std::fs::read_to_string(repository().join("envoy").join(way));
        let bootstrap = bootstrap
            .expect("it is in the repository")
            .replace(
                "port_value: 18000",
                &format!("port_value: {}", running.port()),
            )
            .replace("port_value: 9901", "port_value: 0");
        std::fs::write(&file, bootstrap).expect("written");
        let log = File::create(directory.path().join("log")).expect("a log");
        let process = Command::new(home().join("bin/envoy"))
            .arg("-c")
            .arg(&file)
            .arg("--admin-address-path")
            .arg(directory.path().join("admin"))
            .args([
                "--use-dynamic-base-id",
                "--concurrency",
                "1",
                "-l",
                "warning",
            ])
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("Envoy is not there: run `make setup`");
        Self { process, directory }
    }

    /// The answer of Envoy's own administration.
    async fn admin(&self, path: &str) -> String {
        let address = std::fs::read_to_string(self.directory.path().join("admin"));
        let address = address.expect("Envoy runs");
        let mut stream = TcpStream::connect(&address).await.expect("Envoy runs");
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut answer = String::new();
        in_time(stream.read_to_string(&mut answer))
            .await
            .expect("text");
        answer
    }

    async fn counter(&self, name: &str) -> u64 {
        let stats = self.admin("/stats?format=text").await;
        let line = stats
            .lines()
            .find_map(|line| line.strip_prefix(&format!("{name}: ")));
        let value = line.unwrap_or_else(|| panic!("Envoy counts no `{name}`"));
        value.trim().parse().expect("a number")
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.directory.path().join("log"));
            eprintln!("Envoy's log:\n{}", log.unwrap_or_default());
        }
    }
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn home() -> PathBuf {
    let home = std::env::var_os("PORTCULLIS_HOME").map(PathBuf::from);
    home.unwrap_or_else(|| {
        let user = std::env::var_os("HOME").expect("HOME is set");
        Path::new(&user).join(".cache/portcullis")
    })
}

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
        let all = |revision| {
            [
                encoded(&by_eds("one", revision)),
                endpoints("one"),
                encoded(&by_eds("two", 1)),
                endpoints("two"),
            ]
        };
        running.publish(snapshot("1", all(1)));
        let envoy = Envoy::start(way, &running);
        settled(&running, "1").await;
        for revision in 2..5 {
            running.publish(snapshot(&revision.to_string(), all(revision)));
            settled(&running, &revision.to_string()).await;
        }
        for name in ["one", "two"] {
            let waited = format!("cluster.{name}.init_fetch_timeout");
            assert_eq!(envoy.counter(&waited).await, 0, "{way}");
        }
        // What goes, goes with its endpoints, and is waited for by nobody.
        running.publish(snapshot(
            "5",
            [encoded(&by_eds("one", 4)), endpoints("one")],
        ));
        settled(&running, "5").await;
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
