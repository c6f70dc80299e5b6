//! What is known of an Envoy.

use std::{
    fmt,
    sync::Arc,
    time::{Instant, SystemTime},
};

use crate::{Generation, ResourceType, Version};

/// The `node.id` of an Envoy's bootstrap.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(Arc<str>);

impl NodeId {
    /// Takes an identifier as an Envoy or the store gives it.
    pub fn new(id: &str) -> Self {
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
    /// How many streams are open under its name. More than one for longer than moments are Envoys that share a `node.id`.
    pub streams: usize,
    /// The generation that it is meant to have; `None` while nobody has said so.
    pub desired: Option<Generation>,
    /// The last generation that it acknowledged in full on this stream.
    pub in_force: Option<Generation>,
    /// The crashes that a generation has to answer for.
    pub crashes: Option<Crashes>,
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

/// One Envoy in short: the facts by which its answer is judged.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeSummary {
    /// Its `node.id`.
    pub id: NodeId,
    /// How many streams are open under its name; none when it is gone.
    pub streams: usize,
    /// The generation that it is meant to have; `None` while nobody has said so.
    pub desired: Option<Generation>,
    /// Since when it is meant to have that, on this stream.
    pub assigned_at: Option<Instant>,
    /// What it answered to that.
    pub answer: NodeAnswer,
    /// Every content that it rejected, and acknowledged nothing else for since.
    pub rejections: Vec<RejectedContent>,
    /// The crashes that a generation has to answer for.
    pub crashes: Option<Crashes>,
}

/// What an Envoy answered to the generation that it is meant to have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum NodeAnswer {
    /// It has not been sent all of it, or has not answered all of it.
    #[default]
    Waiting,
    /// It acknowledged everything.
    Acknowledged,
    /// It rejected a part.
    Rejected,
}

/// How many connected Envoys have answered what to one generation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Those that have not answered all of it.
    pub waiting: usize,
    /// Those that acknowledged everything.
    pub acknowledged: usize,
    /// Those that rejected a part.
    pub rejected: usize,
}

/// A content that an Envoy rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedContent {
    /// The resource's type.
    pub resource_type: ResourceType,
    /// The resource's name.
    pub name: Arc<str>,
    /// The hash of the content.
    pub version: Version,
    /// Envoy's own words.
    pub message: Arc<str>,
}

/// A change in what an Envoy rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RejectionChange {
    /// It rejected a content; an earlier one of the same resource no longer matters.
    Rejected {
        /// The Envoy.
        node: NodeId,
        /// What it rejected.
        content: RejectedContent,
    },
    /// It acknowledged another content of the resource since, or is a new process.
    Ended {
        /// The Envoy.
        node: NodeId,
        /// The resource's type.
        resource_type: ResourceType,
        /// The resource's name.
        name: Arc<str>,
    },
}

/// How often an Envoy lost its connection soon after it was sent something of a generation, and came back as a new process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crashes {
    /// The generation.
    pub generation: Generation,
    /// How often, in a row.
    pub count: u32,
    /// Whether it was so often that the Envoy is not given it again.
    pub is_kept_from_it: bool,
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
