//! The facts that outlive a stream: rejections, and what is known of the process.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use crate::{Resource, ResourceType, Version};

/// A version that an Envoy rejected, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rejection {
    pub(crate) version: Version,
    /// The reason in Envoy's own words.
    pub(crate) message: Arc<str>,
    /// The version that the Envoy had acknowledged last, and so runs on with; nothing where it has
    /// none. An Envoy of the state-of-the-world protocol does not say so itself.
    pub(crate) run_on: Option<Version>,
}

/// Each resource's rejection, until the Envoy acknowledges another content of it.
pub(crate) type Rejections = BTreeMap<(ResourceType, Arc<str>), Rejection>;

/// Whether an Envoy is the process that an earlier stream came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Process {
    /// Nothing proves it either way.
    #[default]
    Unknown,
    /// It reports resources that it has, so it has been running.
    Same,
    /// It reports nothing although it had acknowledged something, so it has just started.
    Fresh,
}

/// The facts that an earlier stream of the same Envoy left behind, for one type.
#[derive(Clone, Debug, Default)]
pub(crate) struct TypeMemory {
    /// Rejected versions by name, with no other content acknowledged for the name since.
    pub(crate) rejections: BTreeMap<Arc<str>, Rejection>,
    /// Versions that were sent and not answered, by name.
    pub(crate) unanswered: BTreeMap<Arc<str>, Version>,
    /// The last acknowledged extension configurations by name.
    pub(crate) good: BTreeMap<Arc<str>, Arc<Resource>>,
    /// The filters whose code the Envoy may be fetching, by name.
    pub(crate) fetches: BTreeMap<Arc<str>, Fetch>,
}

/// The facts that an earlier stream of the same Envoy left behind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory {
    pub(crate) process: Process,
    pub(crate) types: BTreeMap<ResourceType, TypeMemory>,
}

impl Memory {
    /// The rejections alone, as they are stored.
    pub(crate) fn of(rejections: Rejections) -> Self {
        let mut memory = Self::default();
        for ((resource_type, name), rejection) in rejections {
            let of_type = memory.types.entry(resource_type).or_default();
            of_type.rejections.insert(name, rejection);
        }
        memory
    }
}

/// A filter whose code the Envoy may be fetching.
#[derive(Clone, Debug)]
pub(crate) struct Fetch {
    pub(in crate::session) version: Version,
    pub(in crate::session) attempts: u32,
    /// When the filter is sent again; none once it was.
    pub(in crate::session) due: Option<Instant>,
}

impl Fetch {
    /// The same for another stream of the Envoy, on which the filter goes out in bytes that it was
    /// never sent: those that it has rejected it would acknowledge unseen.
    pub(in crate::session) fn on_another_stream(&mut self) {
        self.attempts = self.attempts.saturating_add(1);
        self.due = None;
    }
}
