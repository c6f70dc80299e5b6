//! Who is there and who is gone of a fleet in which a rollout goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use xds::{Attendance, Departure, NodeId, Presence, StreamEnd};

/// Who is there and who is gone, of the Envoys that were given the generation and of the others. It
/// is told who comes and goes: what that costs does not grow with those who are there, and a look
/// grows with those who are gone alone, of whom a fleet remembers a thousand.
#[derive(Debug)]
pub(in super::super) struct Roll {
    /// The Envoys that were given the generation.
    members: BTreeSet<NodeId>,
    /// How many Envoys are connected, members and others.
    connected: usize,
    /// The members of whom nothing is known.
    pub(super) unknown: BTreeSet<NodeId>,
    /// The members whose last stream has ended: when, and how.
    pub(super) away: BTreeMap<NodeId, (Instant, Departure)>,
    /// The others that ended their last stream themselves, and when.
    pub(super) others: BTreeMap<NodeId, Instant>,
}

impl Roll {
    /// Begins with everybody who is there or was lately.
    pub(in super::super) fn new(members: BTreeSet<NodeId>, attendance: Attendance) -> Self {
        let mut roll = Self {
            unknown: BTreeSet::new(),
            members,
            connected: 0,
            away: BTreeMap::new(),
            others: BTreeMap::new(),
        };
        roll.take_in(Attendance {
            is_whole: true,
            ..attendance
        });
        roll
    }

    /// Takes in who came and went. Tells whether anybody did.
    pub(in super::super) fn take_in(&mut self, attendance: Attendance) -> bool {
        let is_news = attendance.is_whole || !attendance.envoys.is_empty();
        if attendance.is_whole {
            self.unknown.clone_from(&self.members);
            self.away.clear();
            self.others.clear();
        }
        self.connected = attendance.connected;
        for (id, presence) in attendance.envoys {
            step_count::count(1);
            if self.members.contains(&id) {
                self.note_member(id, presence);
                continue;
            }
            match presence {
                Presence::Away { since, departure } if departure.by == StreamEnd::ByEnvoy => {
                    self.others.insert(id, since);
                }
                _ => {
                    self.others.remove(&id);
                }
            }
        }
        is_news
    }

    fn note_member(&mut self, id: NodeId, presence: Presence) {
        self.unknown.remove(&id);
        self.away.remove(&id);
        match presence {
            Presence::Connected => {}
            Presence::Away { since, departure } => {
                self.away.insert(id, (since, departure));
            }
            Presence::Unknown => {
                self.unknown.insert(id);
            }
        }
    }

    /// How many members are there, and how many others.
    pub(super) fn there(&self) -> [usize; 2] {
        let gone = self.unknown.len() + self.away.len();
        let members = self.members.len().saturating_sub(gone);
        [members, self.connected.saturating_sub(members)]
    }
}
