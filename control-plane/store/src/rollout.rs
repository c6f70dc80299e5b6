//! Rollouts, as far as a restart must know of them.

use time::OffsetDateTime;

use crate::RevisionNumber;

/// The state of a rollout that has ended and whose Envoys keep its generation. The store keeps it
/// too, until a later rollout is stored.
pub const KEPT: &str = "kept";

/// A rollout of a generation in waves: which Envoys have been given it, and how far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRollout {
    /// The name of the rollout.
    pub id: String,
    /// The revision that the generation was made from.
    pub revision: RevisionNumber,
    /// The name of the generation.
    pub generation: String,
    /// The position of the wave in hand, from 0.
    pub wave: u32,
    /// The word of the caller for how it stands; one of them, [`KEPT`], says something here.
    pub state: String,
    /// Whether an operator has paused it.
    pub is_paused: bool,
    /// The position of the wave that an operator wants to end as soon as its Envoys have
    /// acknowledged; `None` where that is none. Not the one in hand where an earlier version, which
    /// does not know of this, has gone on to the next one.
    pub promoted_wave: Option<u32>,
    /// Why it was taken back; empty if it was not.
    pub reason: String,
    /// When it began, to the microsecond.
    pub began_at: OffsetDateTime,
    /// When it ended, to the microsecond; `None` while it goes on.
    pub ended_at: Option<OffsetDateTime>,
    /// Its waves in their order.
    pub waves: Vec<StoredWave>,
    /// The counts with which gates compare, by `node`.
    pub usual: Vec<UsualCounts>,
}

/// The counts of an Envoy in the minutes before it was given a generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsualCounts {
    /// The `node.id` of the Envoy.
    pub node: String,
    /// The requests that were answered.
    pub requests: u64,
    /// Those of them that failed.
    pub failures: u64,
    /// Those of them that were refused.
    pub refusals: u64,
}

/// One wave of a rollout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredWave {
    /// The reach as the operator wrote it.
    pub reach: String,
    /// How long it is watched, in milliseconds.
    pub soak_ms: u64,
    /// The Envoys that this wave has given the generation to, by their `node.id`, sorted.
    pub nodes: Vec<String>,
}
