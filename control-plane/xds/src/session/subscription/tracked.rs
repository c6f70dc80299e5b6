//! Where one name, one type and one response stand with the Envoy.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use crate::{Resource, Version};

/// Whether the Envoy wants everything of the type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::session) enum Wildcard {
    #[default]
    No,
    Yes,
}

/// Whether the Envoy answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::session) enum Pace {
    #[default]
    Answering,
    /// The last response went unanswered past the deadline: nothing waits for this type until an
    /// answer comes.
    Stalled,
}

/// Whether the Envoy waits for a first response even if there is nothing to send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::session) enum Greeting {
    Owed,
    #[default]
    Done,
}

/// Where one name stands with the Envoy.
#[derive(Clone, Debug)]
pub(in crate::session) struct Tracked {
    /// The version that was last sent, whatever the Envoy made of it.
    pub(in crate::session) sent: Option<Version>,
    pub(in crate::session) acked: Option<Version>,
    pub(in crate::session) reply: Reply,
    pub(in crate::session) demand: Demand,
    pub(in crate::session) since: Instant,
}

/// The Envoy's answer to the version that was last sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::session) enum Reply {
    None,
    Acked,
    Rejected { message: String },
    Overdue,
}

/// Whether the name is to be sent although the Envoy was sent its version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::session) enum Demand {
    /// It has just asked, and may be holding a listener or cluster back until it is answered.
    Asked,
    /// It is sent again, because the earlier sending may have had no effect.
    Again,
    Answered,
}

impl Tracked {
    pub(super) fn asked(now: Instant) -> Self {
        Self {
            sent: None,
            acked: None,
            reply: Reply::None,
            demand: Demand::Asked,
            since: now,
        }
    }

    pub(super) fn reported(version: Version, now: Instant) -> Self {
        Self {
            sent: Some(version.clone()),
            acked: Some(version),
            reply: Reply::Acked,
            demand: Demand::Answered,
            since: now,
        }
    }

    pub(super) fn ask(&mut self) {
        self.demand = Demand::Asked;
    }

    pub(super) fn repeat(&mut self) {
        if self.demand == Demand::Answered {
            self.demand = Demand::Again;
        }
    }
}

/// A response that was sent and not answered.
#[derive(Debug)]
pub(in crate::session) struct Outstanding {
    pub(in crate::session) nonce: String,
    pub(in crate::session) resources: Vec<Arc<Resource>>,
    /// The names of those that the Envoy had just asked for by name.
    pub(in crate::session) asked: BTreeSet<Arc<str>>,
    pub(in crate::session) removed: Vec<Arc<str>>,
    pub(in crate::session) sent_at: Instant,
}
