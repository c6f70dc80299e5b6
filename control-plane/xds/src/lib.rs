//! Distributes configuration to Envoys over xDS, and knows what each of them made of it.
//!
//! - [`Resource`]: one encoded piece of configuration, named by a hash of its content, so that
//!   every replica and every restart calls it the same;
//! - [`Snapshot`]: all that an Envoy is to have, immutable, without dangling names; its
//!   [`Generation`] names it by its content;
//! - [`Publisher`]: hands snapshots to Envoys as a [`Distribution`] says, one by one, by group
//!   ([`NodeSelector`]) or to all, and tells where each one stands ([`NodeState`],
//!   [`NodeSummary`]); [`serve`] puts it on the network.
//!
//! Inside, a *session* is one Envoy's conversation as a pure state machine: requests, snapshots and
//! the time go in, responses come out. The *fleet* is a table: which Envoy is to have which
//! snapshot, and what it answered. The tonic adapter is the only part that does I/O; each
//! conversation is a task of its own, so a slow or dead Envoy delays no other.
//!
//! An Envoy may ask on one stream for everything or by the service of each type, and by the
//! incremental variant of the protocol or by the state of the world: all of it is one session.
//! [`DiscoveryServices`] also tells standard tools where each Envoy stands.
//!
//! What it keeps to:
//! - make before break: clusters, endpoints, listeners, routes, extension configurations, each when
//!   the ones before are answered; removals last;
//! - one response per type in flight, with as many resources as one batch holds; after a rejection,
//!   or no answer in time, the batch is split until the resource that is to blame is alone, and the
//!   others have been taken. A state of the world of clusters or listeners is never split: the
//!   Envoy's words say who is to blame;
//! - a rejected version is not sent again before the last good one was acknowledged, and an
//!   acknowledgement of bytes that Envoy may have taken for known is not believed; both outlive the
//!   stream and, with the caller's store, the process;
//! - an answer that does not come within the deadline holds nothing up for longer;
//! - an Envoy that is lost twice soon after it was sent a generation is not given it again.
//!
//! It never interprets configuration beyond the names by which resources refer to each other, never
//! removes an extension configuration (live traffic would meet 500), never takes an acknowledgement
//! for proof that a change is in effect, and never judges a generation: it reports facts, and hands
//! out what it is told.
//!
//! ```
//! use std::{sync::Arc, time::Duration};
//!
//! use envoy_types::pb::envoy::config::cluster::v3::Cluster;
//! use xds::{
//!     Assignments, Distribution, Generation, Newcomers, Publisher, Resource, ServerLimits,
//!     Snapshot,
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let publisher = Publisher::new();
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! let limits = ServerLimits::default();
//! // Without descriptors, tools that ask for the client status service's messages learn of none.
//! let (served, forever) = (publisher.clone(), std::future::pending());
//! tokio::spawn(xds::serve(served, listener, limits, &[], forever));
//!
//! let data = Cluster { name: "data".to_owned(), ..Cluster::default() };
//! let data = Resource::encode(&data)?;
//! let generation = Generation::of([&data]);
//! let snapshot = Snapshot::builder(generation.clone()).with(data).build()?;
//! let snapshot = Arc::new(snapshot);
//! publisher.distribute(Distribution {
//!     connected: Assignments::Everyone(Arc::clone(&snapshot)),
//!     newcomers: Newcomers::all(snapshot),
//!     ack_deadline: Duration::from_secs(5),
//! });
//!
//! // How many connected Envoys have answered what; `standings` wakes when that changes.
//! let tally = publisher.tally(&generation);
//! assert_eq!((tally.waiting, tally.acknowledged, tally.rejected), (0, 0, 0));
//! # Ok(())
//! # }
//! ```

mod clock;
mod connections;
mod distribution;
#[cfg(test)]
mod fixtures;
mod fleet;
mod node_group;
mod node_state;
mod publisher;
mod references;
mod resource;
mod resource_type;
mod secret_table;
mod server;
mod service;
mod session;
mod snapshot;
mod version_key;

pub use clock::{DeadlineClock, SimulatedClock};
pub use distribution::{Assignments, Distribution, Newcomers};
pub use fleet::{Attendance, EndpointMark, EndpointMarks, Presence};
pub use node_group::{NodeDescription, NodeSelector};
pub use node_state::{
    ConnectionState, Crashes, DeliveryState, Departure, NodeAnswer, NodeId, NodeState, NodeSummary,
    Ran, RejectedContent, RejectionChange, ResourceState, StreamEnd, Tally,
};
pub use publisher::{Changes, Publisher};
pub use resource::{InvalidResource, Resource, Version};
pub use resource_type::{ResourceType, UnknownResourceType};
pub use secret_table::SecretTable;
pub use server::{ServeError, ServerLimits, serve};
pub use service::DiscoveryServices;
pub use snapshot::{EarlierResources, Generation, InconsistentSnapshot, Snapshot, SnapshotBuilder};
pub use version_key::VersionKey;
