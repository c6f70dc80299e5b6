//! Distributes configuration to Envoys over xDS, and knows what each of them made of it.
//!
//! - [`Resource`]: one encoded piece of configuration, named by a hash of its content, so that every replica and every
//!   restart calls it the same;
//! - [`Snapshot`]: all that an Envoy is to have, immutable, without dangling names; its [`Generation`] is the caller's name for it;
//! - [`Publisher`]: gives snapshots to the connected Envoys, and tells where each one stands ([`NodeState`]); [`serve`]
//!   puts it on the network.
//!
//! Inside, a *session* is one Envoy's stream as a pure state machine: requests, snapshots and the time go in, responses come out.
//! The *fleet* decides which Envoy is given which snapshot. The tonic adapter is the only part that does I/O; each stream is
//! a task of its own, so a slow or dead Envoy delays no other.
//!
//! What it keeps to:
//! - make before break: clusters, endpoints, listeners, routes, extension configurations, each when the ones before are answered;
//!   removals last;
//! - one response per type in flight and one resource in each, so that a rejection takes nothing else along;
//! - a rejected version is not sent again; an answer that does not come within the deadline holds nothing up for longer;
//! - an Envoy that has nothing of a generation yet is not given one that another Envoy rejected or is still judging.
//!
//! It never interprets configuration beyond the names by which resources refer to each other, never removes an
//! extension configuration (live traffic would meet 500), never takes an acknowledgement for proof that a change is in
//! effect, and never decides on a roll-back: it says what happened, and publishes what it is given.
//!
//! ```
//! use std::{sync::Arc, time::Duration};
//!
//! use envoy_types::pb::envoy::config::cluster::v3::Cluster;
//! use xds::{Generation, Options, Publisher, Resource, Snapshot};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let publisher = Publisher::new(Options::default());
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! tokio::spawn(xds::serve(publisher.clone(), listener, std::future::pending()));
//!
//! let data = Cluster { name: "data".to_owned(), ..Cluster::default() };
//! let generation = Generation::new("first");
//! let snapshot = Snapshot::builder(generation.clone())
//!     .with(Resource::encode(&data)?)
//!     .build()?;
//! publisher.publish(Arc::new(snapshot));
//!
//! // Every connected Envoy, and what it answered; here there is none.
//! let envoys = publisher.settled(&generation, Duration::from_secs(5)).await;
//! assert!(envoys.is_empty());
//! # Ok(())
//! # }
//! ```

#[cfg(test)]
mod fixtures;
mod fleet;
mod node_state;
mod publisher;
mod references;
mod resource;
mod resource_type;
mod server;
mod service;
mod session;
mod snapshot;

pub use node_state::{ConnectionState, DeliveryState, NodeId, NodeState, ResourceState};
pub use publisher::{Changes, Options, Publisher};
pub use resource::{InvalidResource, Resource, Version};
pub use resource_type::{ResourceType, UnknownResourceType};
pub use server::{ServeError, serve};
pub use service::Ads;
pub use snapshot::{Generation, InconsistentSnapshot, Snapshot, SnapshotBuilder};
