//! An Envoy as tests of the judges are shown it.

use std::sync::Arc;
use std::time::Instant;

use xds::{Generation, NodeAnswer, NodeId, NodeSummary};

/// An Envoy that has been connected since then, was given this generation, and acknowledged it.
pub(super) fn connected(id: &str, generation: &str, since: Instant) -> NodeSummary {
    NodeSummary {
        id: NodeId::new(id),
        description: Arc::default(),
        streams: 1,
        since,
        desired: Some(Generation::new(generation)),
        assigned_at: Some(since),
        answer: NodeAnswer::Acknowledged,
        rejections: Vec::new(),
        crashes: None,
        departure: None,
        on_its_way_since: None,
    }
}
