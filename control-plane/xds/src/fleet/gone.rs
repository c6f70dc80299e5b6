//! The Envoys that left: remembered for a while, within a budget.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use super::{Node, lock};
use crate::NodeId;

/// The most memory that Envoys which left may take up: a thousand ordinary ones. A client that
/// invents names, or asks for many under each, pushes out the longest gone and fills no memory.
const MOST_BYTES: usize = 16 << 20;
/// How many Envoys that left are remembered however small they are, so that a look at all of them
/// stays short.
const MOST_NODES: usize = 1024;

/// Which Envoys have left, and how much memory they take up.
#[derive(Debug, Default)]
pub(super) struct GoneNodes {
    by_age: BTreeSet<(Instant, NodeId)>,
    bytes: BTreeMap<NodeId, usize>,
    total: usize,
}

impl GoneNodes {
    /// Takes in an Envoy whose last stream ended.
    pub(super) fn add(&mut self, id: &NodeId, node: &Node) {
        let bytes = node.identity.bytes() + lock(&node.session).bytes();
        self.by_age.insert((node.since, id.clone()));
        self.bytes.insert(id.clone(), bytes);
        self.total += bytes;
    }

    /// Lets go of an Envoy that is back, or forgotten.
    pub(super) fn remove(&mut self, id: &NodeId, node: &Node) {
        self.by_age.remove(&(node.since, id.clone()));
        self.total -= self.bytes.remove(id).unwrap_or_default();
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.by_age.len()
    }

    /// The Envoy to forget, if they are too many or too large.
    pub(super) fn surplus(&self) -> Option<NodeId> {
        let too_much = self.total > MOST_BYTES || self.by_age.len() > MOST_NODES;
        let (_, longest) = self.by_age.first().filter(|_| too_much)?;
        Some(longest.clone())
    }
}
