//! Distributes resources to Envoys over xDS, and knows what each Envoy answered.
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
