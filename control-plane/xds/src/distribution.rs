//! Who is to have which snapshot.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use crate::{NodeId, NodeSelector, Snapshot};

/// Which Envoy is handed out which snapshot, and what those get that connect later.
#[derive(Clone, Debug)]
pub struct Distribution {
    /// The snapshots for the connected Envoys.
    pub connected: Assignments,
    /// The snapshots for those that connect later.
    pub newcomers: Newcomers,
    /// How long an Envoy may take to answer a response before the next one may go out.
    pub ack_deadline: Duration,
}

/// The snapshot of each connected Envoy.
#[derive(Clone, Debug)]
pub enum Assignments {
    /// All of them have the same.
    Everyone(Arc<Snapshot>),
    /// Each has what the table says; those that are not in it keep what they have.
    ByNode(BTreeMap<NodeId, Arc<Snapshot>>),
}

/// The snapshots for Envoys that connect from now on: what is said of the Envoy itself, or else of
/// the first group that selects it, or else of all. With nothing said of it, an Envoy waits, and
/// keeps what it has but for endpoints and secrets.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Newcomers {
    /// The snapshots for Envoys that are known by name.
    pub by_node: BTreeMap<NodeId, Arc<Snapshot>>,
    /// The snapshots for the Envoys of a group.
    pub by_group: Vec<(NodeSelector, Arc<Snapshot>)>,
    /// The snapshot for the first of the others to come, and for nobody after it.
    pub first: Option<Arc<Snapshot>>,
    /// The snapshot for all others.
    pub others: Option<Arc<Snapshot>>,
    /// The endpoints and secrets for those that wait ([`Snapshot::supplies_of`]): they run on with
    /// what they have, and follow its servers all the same.
    pub supplies: Option<Arc<Snapshot>>,
}

impl Newcomers {
    /// Gives `snapshot` to every newcomer.
    pub fn all(snapshot: Arc<Snapshot>) -> Self {
        Self {
            others: Some(snapshot),
            ..Self::default()
        }
    }
}
