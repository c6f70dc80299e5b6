//! The facts that are known of an Envoy, in the words of this crate.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use crate::{Generation, NodeDescription, ResourceType, Version};

/// The `node.id` of an Envoy's bootstrap.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(Arc<str>);

impl NodeId {
    /// Takes an identifier as an Envoy or the store gives it.
    pub fn new(id: &str) -> Self {
        Self(id.into())
    }

    /// The identifier as the Envoy writes it.
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
    /// The `node.id` by which the Envoy calls itself.
    pub id: NodeId,
    /// Where it says that it belongs.
    pub description: Arc<NodeDescription>,
    /// Name and version as the Envoy says them, possibly empty.
    pub user_agent: String,
    /// Whether its stream is open.
    pub connection: ConnectionState,
    /// How many streams are open under its name. More than one for longer than moments are Envoys
    /// that share a `node.id`.
    pub streams: usize,
    /// The generation that it is meant to have; `None` while nobody has said so.
    pub desired: Option<Generation>,
    /// The last generation that it acknowledged in full on this stream.
    pub in_force: Option<Generation>,
    /// The crashes that a generation has to answer for.
    pub crashes: Option<Crashes>,
    /// Every resource that it subscribes to, or will once it acts on what it acknowledged; in push
    /// order, then by name.
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
    /// The `node.id` by which the Envoy calls itself.
    pub id: NodeId,
    /// Where it says that it belongs.
    pub description: Arc<NodeDescription>,
    /// How many streams are open under its name; none when it is gone.
    pub streams: usize,
    /// When it connected, or when its last stream ended.
    pub since: Instant,
    /// The generation that it is meant to have; `None` while nobody has said so.
    pub desired: Option<Generation>,
    /// Since when it is meant to have that, on whatever stream.
    pub assigned_at: Option<Instant>,
    /// The Envoy's answer to that generation.
    pub answer: NodeAnswer,
    /// Every content that it rejected, and acknowledged nothing else for since.
    pub rejections: Vec<RejectedContent>,
    /// The crashes that a generation has to answer for.
    pub crashes: Option<Crashes>,
    /// How its last stream ended; nothing while one is open.
    pub departure: Option<Departure>,
    /// Since when it is on its way to the generation: when it opened its first stream to this
    /// process, for one that has acknowledged nothing in full since, and when it opened one anew,
    /// for one that had acknowledged the generation on an earlier one and has not done so again. A
    /// process that starts takes longer than one that is sent a change. The end of the earlier
    /// stream need not have been noticed.
    pub on_its_way_since: Option<Instant>,
}

/// How an Envoy's last stream ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Departure {
    /// Who ended the stream.
    pub by: StreamEnd,
    /// The generation that it ran then; nothing where its process had acknowledged none in
    /// full.
    pub ran: Option<Ran>,
}

/// A generation that an Envoy ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// The generation that it had acknowledged.
    pub generation: Generation,
    /// The time since its acknowledgement.
    pub lasted: Duration,
    /// Whether it may have run it for longer: it ran before it opened its first stream to this
    /// process, and acknowledged that before anything else.
    pub may_have_begun_earlier: bool,
}

/// Who ended a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamEnd {
    /// This process did; the Envoy is to open it anew.
    ByUs,
    /// The Envoy did, or is gone.
    ByEnvoy,
}

/// An Envoy's answer to the generation that it is meant to have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum NodeAnswer {
    /// It has not been sent all of it, or has not answered all of it.
    #[default]
    Waiting,
    /// It acknowledged all resources of the generation.
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
    /// The type of the rejected resource.
    pub resource_type: ResourceType,
    /// The name of the rejected resource.
    pub name: Arc<str>,
    /// The hash of the content.
    pub version: Version,
    /// The reason in Envoy's own words.
    pub message: Arc<str>,
    /// The version that it runs on with; nothing where it has none, or that is not known.
    pub run_on: Option<Version>,
}

/// A change in what an Envoy rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RejectionChange {
    /// It rejected a content; an earlier one of the same resource no longer matters.
    Rejected {
        /// The Envoy that rejected it.
        node: NodeId,
        /// The content that it rejected.
        content: RejectedContent,
    },
    /// It acknowledged another content of the resource since, or is a new process.
    Ended {
        /// The Envoy whose rejection ended.
        node: NodeId,
        /// The type of the resource.
        resource_type: ResourceType,
        /// The name of the resource.
        name: Arc<str>,
    },
}

/// How often an Envoy lost its connection soon after it was sent something of a generation, and
/// came back as a new process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crashes {
    /// The generation after which it crashed.
    pub generation: Generation,
    /// How often, in a row.
    pub count: u32,
    /// Whether it was so often that the Envoy is not given it again.
    pub is_kept_from_it: bool,
    /// Whether it had answered something before each crash. If not, it may be the network that
    /// lets nothing through.
    pub was_heard: bool,
}

/// Whether an Envoy's stream is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionState {
    /// The Envoy has an open stream.
    Connected {
        /// When it was opened.
        since: SystemTime,
    },
    /// It is not; the resources are as they were when it ended.
    Gone {
        /// Time at which the last stream ended.
        since: SystemTime,
    },
}

/// Where one resource stands with one Envoy.
#[derive(Clone, Debug, PartialEq)]
pub struct ResourceState {
    /// The type of the resource.
    pub resource_type: ResourceType,
    /// The name of the resource.
    pub name: Arc<str>,
    /// The version that the Envoy is meant to have; `None` when it is to have none.
    pub desired: Option<Version>,
    /// The version that was last sent, whatever the Envoy made of it.
    pub sent: Option<Version>,
    /// The version that the Envoy last acknowledged, or reported to have.
    pub acked: Option<Version>,
    /// Where the desired version stands.
    pub state: DeliveryState,
    /// Time since which it is in this state.
    pub since: SystemTime,
}

/// Where the desired version of a resource stands with an Envoy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeliveryState {
    /// The Envoy acknowledged it.
    Acked,
    /// It waits for its turn, or the Envoy has not asked for it yet.
    Pending,
    /// It was sent, and the Envoy has not answered yet.
    Sent,
    /// The Envoy rejected it, and runs on with the acknowledged version.
    Rejected {
        /// The reason in Envoy's own words.
        message: String,
    },
    /// It was sent, and the Envoy answered neither way within the deadline.
    Unknown,
    /// It is not sent, because it may name something that the Envoy rejected and does not have.
    Blocked {
        /// The rejected resource that it waits for, as type and name.
        behind: String,
    },
}
