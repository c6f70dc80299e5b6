//! Which Envoy is given which snapshot, and which snapshot the fleet has accepted.
//!
//! The rule that it keeps: an Envoy that has nothing of a generation yet does not receive one that another Envoy rejected, or
//! is still judging. It gets the last one accepted.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use tokio::sync::watch;

use crate::{
    Generation, NodeId, Snapshot,
    session::{Rejections, Session, Standing, StreamId, Verdict},
};

/// How many Envoys that left are remembered, so that a client which invents names fills no memory.
const GONE_KEPT: usize = 1024;

/// What an Envoy says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) id: NodeId,
    pub(crate) cluster: String,
    pub(crate) user_agent: String,
}

/// A session as its stream and the fleet share it. Locked for moments, never across an await.
pub(crate) type SharedSession = Arc<Mutex<Session>>;

/// Every Envoy, and what they are given.
#[derive(Debug, Default)]
pub(crate) struct Fleet {
    current: Option<Arc<Snapshot>>,
    accepted: Option<Arc<Snapshot>>,
    judgement: Judgement,
    nodes: BTreeMap<NodeId, Node>,
    next_stream: u64,
}

/// What the Envoys made of the current snapshot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Judgement {
    #[default]
    Open,
    /// Every Envoy that has it acknowledged all of it: it is the accepted one now.
    Accepted,
    /// One rejected a part of it.
    Rejected,
}

/// One Envoy.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) identity: Identity,
    /// The session of the latest stream, open or not.
    pub(crate) session: SharedSession,
    /// When the latest stream opened, or when the last one ended.
    pub(crate) since: Instant,
    /// The open streams, the latest last. There are two while an Envoy is replaced by another of its name (a hot restart), or has
    /// reconnected before the end of the old connection was noticed.
    streams: Vec<OpenStream>,
    assigned: Option<Arc<Snapshot>>,
}

#[derive(Debug)]
struct OpenStream {
    id: StreamId,
    session: SharedSession,
    assignment: watch::Sender<Option<Arc<Snapshot>>>,
    standing: Option<Standing>,
}

/// What a new stream works with.
pub(crate) struct Admission {
    pub(crate) stream: StreamId,
    pub(crate) session: SharedSession,
    pub(crate) assignment: watch::Receiver<Option<Arc<Snapshot>>>,
}

impl Fleet {
    /// Gives `snapshot` to every connected Envoy.
    pub(crate) fn publish(&mut self, snapshot: Arc<Snapshot>) {
        for node in self.nodes.values_mut() {
            node.assign(&snapshot);
        }
        self.current = Some(snapshot);
        self.judgement = Judgement::Open;
        // The Envoys may have it in full already, if it is what was published before.
        self.judge();
    }

    /// Takes `snapshot` for accepted by an earlier life of this fleet.
    pub(crate) fn restore(&mut self, snapshot: Arc<Snapshot>) {
        if self.current.is_none() {
            self.current = Some(Arc::clone(&snapshot));
            self.judgement = Judgement::Accepted;
        }
        self.accepted = Some(snapshot);
        self.reassign();
    }

    pub(crate) fn current(&self) -> Option<&Arc<Snapshot>> {
        self.current.as_ref()
    }

    pub(crate) fn accepted(&self) -> Option<&Arc<Snapshot>> {
        self.accepted.as_ref()
    }

    pub(crate) fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.values()
    }

    /// Whether no connected Envoy that was given `generation` has anything of it to send or answer.
    pub(crate) fn is_settled(&self, generation: &Generation) -> bool {
        self.nodes
            .values()
            .filter(|node| node.is_up() && node.is_assigned(generation))
            .all(|node| node.is_settled(generation))
    }

    /// A stream opened.
    pub(crate) fn connect(
        &mut self,
        identity: Identity,
        new_session: impl FnOnce(StreamId, Rejections) -> Session,
        now: Instant,
    ) -> Admission {
        let stream = StreamId(self.next_stream);
        self.next_stream += 1;
        let id = identity.id.clone();
        let before = self.nodes.remove(&id);
        let rejections = before
            .as_ref()
            .map(|node| lock(&node.session).rejections())
            .unwrap_or_default();
        let session = Arc::new(Mutex::new(new_session(stream, rejections)));
        let assigned = self.choose(before.as_ref().and_then(|node| node.assigned.as_ref()));
        let (sender, assignment) = watch::channel(assigned.clone());
        let mut streams = before.map(|node| node.streams).unwrap_or_default();
        streams.push(OpenStream {
            id: stream,
            session: Arc::clone(&session),
            assignment: sender,
            standing: None,
        });
        let node = Node {
            identity,
            session: Arc::clone(&session),
            since: now,
            streams,
            assigned,
        };
        self.nodes.insert(id, node);
        Admission {
            stream,
            session,
            assignment,
        }
    }

    /// A stream's standing changed.
    pub(crate) fn report(&mut self, id: &NodeId, stream: StreamId, standing: Standing) {
        let streams = self.nodes.get_mut(id).map(|node| &mut node.streams);
        let Some(open) = streams.and_then(|all| all.iter_mut().find(|open| open.id == stream))
        else {
            return;
        };
        open.standing = Some(standing);
        self.judge();
        self.reassign();
    }

    /// A stream ended.
    pub(crate) fn disconnect(&mut self, id: &NodeId, stream: StreamId, now: Instant) {
        let Some(node) = self.nodes.get_mut(id) else {
            return;
        };
        node.streams.retain(|open| open.id != stream);
        match node.streams.last() {
            Some(left) => node.session = Arc::clone(&left.session),
            None => node.since = now,
        }
        self.forget_the_longest_gone();
        self.judge();
        self.reassign();
    }

    /// Settles what the fleet makes of the current snapshot. An acceptance is final: an Envoy that rejects it afterwards has a
    /// trouble of its own.
    fn judge(&mut self) {
        let Some(current) = self.current.clone() else {
            return;
        };
        if self.judgement == Judgement::Accepted {
            return;
        }
        let mut verdicts = self
            .nodes
            .values()
            .filter(|node| node.is_up() && node.is_assigned(current.generation()))
            .map(|node| node.verdict(current.generation()))
            .peekable();
        if verdicts.peek().is_none() {
            return;
        }
        let mut all_accepted = true;
        for verdict in verdicts {
            match verdict {
                Verdict::Accepted => {}
                Verdict::Open => all_accepted = false,
                Verdict::Rejected => {
                    self.judgement = Judgement::Rejected;
                    return;
                }
            }
        }
        if all_accepted && self.judgement == Judgement::Open {
            self.judgement = Judgement::Accepted;
            self.accepted = Some(current);
        }
    }

    /// Which snapshot an Envoy is to have that was last given `before`.
    fn choose(&self, before: Option<&Arc<Snapshot>>) -> Option<Arc<Snapshot>> {
        let current = self.current.as_ref()?;
        let Some(accepted) = &self.accepted else {
            return Some(Arc::clone(current));
        };
        let has_it_already =
            before.is_some_and(|before| before.generation() == current.generation());
        let is_being_judged = self
            .nodes
            .values()
            .any(|node| node.is_up() && node.is_assigned(current.generation()));
        let chosen = match self.judgement {
            Judgement::Accepted => current,
            Judgement::Rejected => accepted,
            Judgement::Open if has_it_already || !is_being_judged => current,
            Judgement::Open => accepted,
        };
        Some(Arc::clone(chosen))
    }

    /// Gives the current snapshot to Envoys that had to wait for the judgement, or are the only ones left to judge.
    fn reassign(&mut self) {
        let Some(current) = self.current.clone() else {
            return;
        };
        let waiting: Vec<NodeId> = self
            .nodes
            .values()
            .filter(|node| node.is_up() && !node.is_assigned(current.generation()))
            .map(|node| node.identity.id.clone())
            .collect();
        for id in waiting {
            let Some(chosen) = self.choose(None) else {
                continue;
            };
            if let Some(node) = self.nodes.get_mut(&id) {
                node.assign(&chosen);
            }
        }
    }

    fn forget_the_longest_gone(&mut self) {
        let mut gone: Vec<_> = self
            .nodes
            .iter()
            .filter(|(_, node)| !node.is_up())
            .map(|(id, node)| (node.since, id))
            .collect();
        if gone.len() <= GONE_KEPT {
            return;
        }
        gone.sort();
        if let Some((_, id)) = gone.first() {
            let id = (*id).clone();
            self.nodes.remove(&id);
        }
    }
}

impl Node {
    /// Whether a stream is open.
    pub(crate) fn is_up(&self) -> bool {
        !self.streams.is_empty()
    }

    fn assign(&mut self, snapshot: &Arc<Snapshot>) {
        if !self.is_up() {
            return;
        }
        self.assigned = Some(Arc::clone(snapshot));
        for open in &self.streams {
            open.assignment.send_replace(Some(Arc::clone(snapshot)));
        }
    }

    fn is_assigned(&self, generation: &Generation) -> bool {
        self.assigned
            .as_ref()
            .is_some_and(|assigned| assigned.generation() == generation)
    }

    fn is_settled(&self, generation: &Generation) -> bool {
        self.standing_with(generation)
            .is_some_and(Standing::is_settled)
    }

    fn verdict(&self, generation: &Generation) -> Verdict {
        self.standing_with(generation)
            .map_or(Verdict::Open, |standing| standing.verdict)
    }

    fn standing_with(&self, generation: &Generation) -> Option<&Standing> {
        self.streams
            .last()?
            .standing
            .as_ref()
            .filter(|standing| standing.generation.as_ref() == Some(generation))
    }
}

/// A panic while it was held leaves a session that is at worst out of date; the next request puts it right.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
