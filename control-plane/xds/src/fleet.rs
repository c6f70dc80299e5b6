//! The fleet as a table: which Envoy is to have which snapshot, and what each of them answered.
//!
//! It decides nothing. Whoever distributes snapshots says what the connected Envoys get and what
//! those get that connect later; the table hands that out and counts the answers.

mod assigning;
mod attendance;
mod gone;
mod live_endpoints;
mod newcomers;
mod node;
mod run;
mod with_secrets;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use assigning::{given, supplies};
use attendance::Moves;
pub use attendance::{Attendance, Presence};
use gone::GoneNodes;
use live_endpoints::LiveEndpoints;
pub use live_endpoints::{EndpointMark, EndpointMarks};
use node::{Assigned, OpenStream};
pub(crate) use node::{Brief, Identity, Node, SharedSession};
use tokio::sync::watch;
use with_secrets::WithSecrets;

use crate::{
    Generation, Newcomers, NodeAnswer, NodeId, NodeSelector, RejectionChange, ResourceType,
    Snapshot, StreamEnd, Tally,
    session::{Memory, Rejections, Session, Standing, StreamId},
};

/// How many changes of rejections wait to be taken. An Envoy that rejects without end makes no more
/// than it is sent; past this the oldest are dropped, and a restart knows a little less.
const MOST_CHANGES_WAITING: usize = 16_384;

/// The facts about an Envoy that the first request of its stream shows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FirstRequest {
    pub(crate) resource_type: ResourceType,
    /// Whether it reports resources that the Envoy has.
    pub(crate) reports_resources: bool,
}

/// More streams are open under one name than one Envoy can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooManyStreams;

/// The snapshot that a stream is to give its Envoy.
#[derive(Clone, Debug)]
pub(crate) struct Assignment {
    /// Nothing while nobody has said what the Envoy is to have.
    pub(crate) snapshot: Option<Arc<Snapshot>>,
    /// The endpoints and secrets that it gets while that is so.
    pub(crate) supplies: Option<Arc<Snapshot>>,
    pub(crate) ack_deadline: Duration,
    /// Tells the assignments of one Envoy apart.
    pub(crate) number: u64,
}

/// The parts of the fleet that a new stream works with.
pub(crate) struct Admission {
    pub(crate) stream: StreamId,
    pub(crate) session: SharedSession,
    pub(crate) assignment: watch::Receiver<Assignment>,
}

/// Every Envoy, and what it is to have.
#[derive(Debug, Default)]
pub(crate) struct Fleet {
    newcomers: Newcomers,
    secrets: WithSecrets,
    ack_deadline: Duration,
    nodes: BTreeMap<NodeId, Node>,
    gone: GoneNodes,
    tallies: BTreeMap<Generation, Tally>,
    /// Rejections from an earlier life of this process, until their Envoys connect.
    stored: BTreeMap<NodeId, Rejections>,
    changes: VecDeque<RejectionChange>,
    last_assignment: u64,
    next_stream: u64,
    /// How often an Envoy crashed so often that a generation is kept from it.
    crash_loops: u64,
    /// How often an Envoy rejected something, or what it is to have as a whole.
    rejections: u64,
    moves: Moves,
    /// The findings about endpoints at the moment.
    live: LiveEndpoints,
}

impl Fleet {
    /// The snapshot for a newcomer of a group.
    pub(crate) fn for_group(&self, group: &NodeSelector) -> Option<Arc<Snapshot>> {
        self.newcomers.for_group(group).cloned()
    }

    /// A snapshot as Envoys that are to have it get it at the moment, but for secrets.
    pub(crate) fn live(&mut self, snapshot: &Arc<Snapshot>) -> Arc<Snapshot> {
        self.live.over(snapshot)
    }

    /// The names of all secrets that what an Envoy is to have names.
    pub(crate) fn secret_names(&self) -> BTreeSet<Arc<str>> {
        step_count::count(self.nodes.len());
        let snapshots = self.nodes.values().filter_map(Node::snapshot);
        // Most Envoys have the same one.
        let snapshots: BTreeMap<_, _> = snapshots
            .chain(self.newcomers.snapshots())
            .map(|snapshot| (Arc::as_ptr(snapshot), snapshot))
            .collect();
        let names = snapshots.values().flat_map(|one| one.secret_names());
        names.cloned().collect()
    }

    /// Lets Envoys have again what they crashed with.
    pub(crate) fn forgive_crashes(&mut self) {
        for node in self.nodes.values_mut() {
            node.crash = None;
        }
    }

    /// Takes over what an Envoy rejected before this process started.
    pub(crate) fn remember(&mut self, id: NodeId, rejections: Rejections) {
        self.stored.insert(id, rejections);
    }

    /// How often so far an Envoy crashed so often that a generation is kept from it.
    pub(crate) fn crash_loops(&self) -> u64 {
        self.crash_loops
    }

    /// How often so far an Envoy rejected something, or what it is to have as a whole.
    pub(crate) fn rejections(&self) -> u64 {
        self.rejections
    }

    /// Takes the changes of rejections since the last call.
    pub(crate) fn take_changes(&mut self) -> Vec<RejectionChange> {
        self.changes.drain(..).collect()
    }

    /// How the connected Envoys that are to have `generation` have answered.
    pub(crate) fn tally(&self, generation: &Generation) -> Tally {
        self.tallies.get(generation).copied().unwrap_or_default()
    }

    /// Whether a connected Envoy that is to have `generation` has not answered all of it.
    pub(crate) fn is_waited_for(&self, id: &NodeId, generation: &Generation) -> bool {
        let counted = self.nodes.get(id).and_then(|node| node.counted.as_ref());
        counted.is_some_and(|(of, answer)| of == generation && *answer == NodeAnswer::Waiting)
    }

    /// Every Envoy in short, to be written out when the fleet is free again.
    pub(crate) fn briefs(&self) -> Vec<Brief> {
        step_count::count(self.nodes.len());
        self.nodes.values().map(Node::brief).collect()
    }

    pub(crate) fn nodes(&self) -> impl Iterator<Item = &Node> {
        step_count::count(self.nodes.len());
        self.nodes.values()
    }

    /// Takes in a new stream.
    ///
    /// # Errors
    /// When more are open under its name than one Envoy can have.
    pub(crate) fn connect(
        &mut self,
        identity: Identity,
        first: FirstRequest,
        now: Instant,
    ) -> Result<Admission, TooManyStreams> {
        let id = identity.id.clone();
        if self.nodes.get(&id).is_some_and(|node| !node.may_connect()) {
            return Err(TooManyStreams);
        }
        let stream = StreamId(self.next_stream);
        self.next_stream += 1;
        let mut node = match self.nodes.remove(&id) {
            Some(node) => node,
            None => Node::new(identity.clone(), self.stored.remove(&id), now),
        };
        self.gone.remove(&id, &node);
        let process = node.process_behind(first);
        if node.count_crash(process, first, &identity) {
            self.crash_loops += 1;
        }
        let memory: Memory = lock(&node.session).memory(process);
        let session = Arc::new(Mutex::new(Session::new(stream, memory)));
        if !node.is_up() {
            node.since = now;
            self.moves.note(&id);
        }
        node.run.come_back(process, first, now);
        if *node.identity != identity {
            node.identity = Arc::new(identity);
        }
        node.session = Arc::clone(&session);
        if node
            .assigned
            .as_ref()
            .is_some_and(|assigned| node.is_kept_from(&assigned.snapshot))
        {
            node.assigned = None;
        }
        if node.assigned.is_none()
            && let Some(snapshot) = self
                .newcomers
                .take_for(&node.identity, |snapshot| !node.is_kept_from(snapshot))
        {
            self.last_assignment += 1;
            node.assigned = Some(Assigned {
                live: given(&mut self.live, &mut self.secrets, &snapshot),
                snapshot,
                number: self.last_assignment,
                at: now,
            });
        }
        node.supplies = match &node.assigned {
            Some(_) => None,
            None => supplies(&mut self.live, &mut self.secrets, &self.newcomers),
        };
        let (sender, assignment) = watch::channel(node.assignment(self.ack_deadline));
        let open = OpenStream {
            identity: Arc::clone(&node.identity),
            session: Arc::clone(&session),
            assignment: sender,
            standing: Standing::default(),
        };
        node.streams.insert(stream, open);
        self.nodes.insert(id.clone(), node);
        self.recount(&id, now);
        Ok(Admission {
            stream,
            session,
            assignment,
        })
    }

    /// Takes in that a stream's standing changed.
    pub(crate) fn report(
        &mut self,
        id: &NodeId,
        stream: StreamId,
        standing: Standing,
        now: Instant,
    ) {
        let Some(node) = self.nodes.get_mut(id) else {
            return;
        };
        let Some(open) = node.streams.get_mut(&stream) else {
            return;
        };
        open.standing = standing;
        for change in node.take_rejections() {
            if matches!(change, RejectionChange::Rejected { .. }) {
                self.rejections += 1;
            }
            if self.changes.len() == MOST_CHANGES_WAITING {
                self.changes.pop_front();
            }
            self.changes.push_back(change);
        }
        self.recount(id, now);
    }

    /// Takes in that a stream ended.
    pub(crate) fn disconnect(
        &mut self,
        id: &NodeId,
        stream: StreamId,
        end: StreamEnd,
        now: Instant,
    ) {
        let Some(node) = self.nodes.get_mut(id) else {
            return;
        };
        node.close(stream, end, now);
        if !node.is_up() {
            self.gone.add(id, node);
            self.moves.note(id);
        }
        self.recount(id, now);
        while let Some(longest) = self.gone.surplus() {
            if let Some(node) = self.nodes.remove(&longest) {
                self.gone.remove(&longest, &node);
                self.moves.note(&longest);
            }
        }
    }

    /// Moves an Envoy from what it was counted as to what it is.
    fn recount(&mut self, id: &NodeId, at: Instant) {
        let Some(node) = self.nodes.get_mut(id) else {
            return;
        };
        let now = node.counts_as();
        let before = std::mem::replace(&mut node.counted, now.clone());
        if before == now {
            return;
        }
        if let Some((generation, NodeAnswer::Acknowledged)) = &now {
            node.run.acknowledge(generation, at);
        }
        if let Some((generation, answer)) = before
            && let Some(tally) = self.tallies.get_mut(&generation)
        {
            *tally.count_of(answer) -= 1;
            if *tally == Tally::default() {
                self.tallies.remove(&generation);
            }
        }
        if let Some((generation, answer)) = now {
            if answer == NodeAnswer::Rejected {
                self.rejections += 1;
            }
            *self.tallies.entry(generation).or_default().count_of(answer) += 1;
        }
    }
}

impl Tally {
    fn count_of(&mut self, answer: NodeAnswer) -> &mut usize {
        match answer {
            NodeAnswer::Waiting => &mut self.waiting,
            NodeAnswer::Acknowledged => &mut self.acknowledged,
            NodeAnswer::Rejected => &mut self.rejected,
        }
    }
}

/// A panic while it was held leaves a session that is at worst out of date; the next request puts
/// it right.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
