//! Who is to have which snapshot.

use std::{sync::Arc, time::Duration};

use crate::Snapshot;

/// A snapshot and the Envoys that it is handed out to.
#[derive(Clone, Debug)]
pub struct Distribution {
    /// The snapshot for every connected Envoy.
    pub connected: Arc<Snapshot>,
    /// The snapshots for those that connect later.
    pub newcomers: Newcomers,
    /// How long an Envoy may take to answer a response before the next one may go out.
    pub ack_deadline: Duration,
}

/// The snapshots for Envoys that connect from now on. With neither they wait, and keep what they
/// have.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Newcomers {
    /// The snapshot for the first to come, and for nobody after it.
    pub first: Option<Arc<Snapshot>>,
    /// The snapshot for all others.
    pub others: Option<Arc<Snapshot>>,
}

impl Newcomers {
    /// Gives `snapshot` to every newcomer.
    pub fn all(snapshot: Arc<Snapshot>) -> Self {
        Self {
            first: None,
            others: Some(snapshot),
        }
    }
}
