use std::{fmt, sync::Arc, time::SystemTime};

use crate::{Generation, ResourceType, Version};

/// The `node.id` of an Envoy's bootstrap.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(Arc<str>);

impl NodeId {
    pub(crate) fn new(id: &str) -> Self {
        Self(id.into())
    }

    /// The identifier.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// One Envoy, and where each of its resources stands.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeState {
    /// Its `node.id`.
    pub id: NodeId,
    /// Its `node.cluster`, possibly empty.
    pub cluster: String,
    /// What it calls itself: name and version, possibly empty.
    pub user_agent: String,
    /// Whether its stream is open.
    pub connection: ConnectionState,
    /// The generation that it is meant to have; `None` before the first one is published.
    pub desired: Option<Generation>,
    /// The last generation that it acknowledged in full on this stream.
    pub in_force: Option<Generation>,
    /// Every resource that it subscribes to, or will once it acts on what it acknowledged; in push order, then by name.
    pub resources: Vec<ResourceState>,
}

impl NodeState {
    /// Whether its stream is open.
    pub fn is_connected(&self) -> bool {
        matches!(self.connection, ConnectionState::Connected { .. })
    }

    /// The resources that it rejected.
    pub fn rejections(&self) -> impl Iterator<Item = &ResourceState> {
        self.resources
            .iter()
            .filter(|resource| matches!(resource.state, DeliveryState::Rejected { .. }))
    }
}

/// Whether an Envoy's stream is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionState {
    /// It is.
    Connected {
        /// When it was opened.
        since: SystemTime,
    },
    /// It is not; the resources are as they were when it ended.
    Gone {
        /// When it ended.
        since: SystemTime,
    },
}

/// Where one resource stands with one Envoy.
#[derive(Clone, Debug, PartialEq)]
pub struct ResourceState {
    /// What it is.
    pub resource_type: ResourceType,
    /// Its name.
    pub name: Arc<str>,
    /// The version that the Envoy is meant to have; `None` when it is to have none.
    pub desired: Option<Version>,
    /// The version that was last sent, whatever the Envoy made of it.
    pub sent: Option<Version>,
    /// The version that the Envoy last acknowledged, or reported to have.
    pub acked: Option<Version>,
    /// Where the desired version stands.
    pub state: DeliveryState,
    /// Since when.
    pub since: SystemTime,
}

/// Where the desired version of a resource stands with an Envoy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeliveryState {
    /// The Envoy acknowledged it.
    Acked,
    /// It is being sent, waits for its turn, or the Envoy has not asked for it yet.
    Pending,
    /// The Envoy rejected it, and runs on with the acknowledged version.
    Rejected {
        /// Envoy's own words.
        message: String,
    },
    /// It was sent, and the Envoy answered neither way within the deadline.
    Unknown,
    /// It is not sent, because it may name something that the Envoy rejected and does not have.
    Held {
        /// What that is.
        behind: String,
    },
}
