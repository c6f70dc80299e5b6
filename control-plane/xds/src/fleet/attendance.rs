//! Which Envoys came, went or were forgotten, for whoever keeps count of them: a look at each for
//! each that comes would cost the square of the fleet.

use std::{collections::BTreeSet, time::Instant};

use super::{Fleet, Node};
use crate::{Departure, NodeId};

/// How many names are remembered until somebody asks for them: some fleets. Past this, all Envoys
/// are looked at once, which costs no more than as many names.
const MOST_NAMES: usize = 16_384;

/// Whether an Envoy is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presence {
    /// A stream of it is open.
    Connected,
    /// Its last stream ended at that time, and it is remembered.
    Away {
        /// When its last stream ended.
        since: Instant,
        /// How its last stream ended.
        departure: Departure,
    },
    /// Nothing is known of it: it never came, or has been gone for longest of too many.
    Unknown,
}

/// Who is there, as far as that is news.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attendance {
    /// How many Envoys are connected, all in all.
    pub connected: usize,
    /// Whether `envoys` are all that are known, and everybody else is unknown. Otherwise they are
    /// those who came, went or were forgotten since the last time that somebody asked.
    pub is_whole: bool,
    /// Each as it is by now.
    pub envoys: Vec<(NodeId, Presence)>,
}

/// The names of those who came, went or were forgotten since somebody asked.
#[derive(Debug, Default)]
pub(super) struct Moves {
    names: BTreeSet<NodeId>,
    /// Whether there were more of them.
    is_beyond: bool,
}

impl Moves {
    pub(super) fn note(&mut self, id: &NodeId) {
        if self.names.len() >= MOST_NAMES {
            self.names.clear();
            self.is_beyond = true;
        }
        if !self.is_beyond {
            self.names.insert(id.clone());
        }
    }
}

impl Fleet {
    /// Everybody who is there or was lately.
    pub(crate) fn attendance(&mut self) -> Attendance {
        self.moves = Moves::default();
        step_count::count(self.nodes.len());
        let envoys = self.nodes.iter();
        let envoys = envoys.map(|(id, node)| (id.clone(), presence(node)));
        Attendance {
            connected: self.connected(),
            is_whole: true,
            envoys: envoys.collect(),
        }
    }

    /// Those who came, went or were forgotten since the last call of this or of
    /// [`Fleet::attendance`]; everybody where they were too many.
    pub(crate) fn attendance_news(&mut self) -> Attendance {
        if self.moves.is_beyond {
            return self.attendance();
        }
        let names = std::mem::take(&mut self.moves).names;
        step_count::count(names.len());
        let envoys = names.into_iter().map(|id| {
            let node = self.nodes.get(&id);
            let presence = node.map_or(Presence::Unknown, presence);
            (id, presence)
        });
        Attendance {
            envoys: envoys.collect(),
            is_whole: false,
            connected: self.connected(),
        }
    }

    fn connected(&self) -> usize {
        self.nodes.len() - self.gone.count()
    }
}

fn presence(node: &Node) -> Presence {
    match node.run.departure() {
        Some(departure) => Presence::Away {
            since: node.since,
            departure: departure.clone(),
        },
        None => Presence::Connected,
    }
}
