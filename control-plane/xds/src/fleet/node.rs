//! One Envoy: its streams, what it is to have, and what it answered.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use tokio::sync::watch;

use super::{Assignment, FirstRequest, lock, run::Run};
use crate::{
    Crashes, Generation, NodeAnswer, NodeDescription, NodeId, NodeSummary, RejectedContent,
    RejectionChange, Snapshot, StreamEnd,
    session::{Memory, Process, Rejections, Session, Standing, StreamId},
};

/// How soon after a push a lost connection may be the push's fault. A filter that traps does so on
/// the first calls; an Envoy that has run for a minute with what it was sent fails for another
/// reason.
const CRASH_WINDOW: Duration = Duration::from_secs(60);
/// How many crashes keep a generation from an Envoy. One may be anything; two in a row with the
/// same content are no accident.
const MOST_CRASHES: u32 = 2;
/// How many streams may be open under one name. An Envoy has one, and two for moments; each
/// connection whose end was not noticed is one more until keep-alive finds out. Each answer under a
/// name is summed up with those of the other streams, so many Envoys of one name would cost the
/// square of their number.
const MOST_STREAMS: usize = 64;

/// An Envoy's description of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) id: NodeId,
    pub(crate) description: Arc<NodeDescription>,
    pub(crate) user_agent: String,
}

impl Identity {
    pub(super) fn bytes(&self) -> usize {
        self.id.as_str().len() + self.description.bytes() + self.user_agent.len()
    }
}

/// A session as its stream and the fleet share it. Locked for moments, never across an await.
pub(crate) type SharedSession = Arc<Mutex<Session>>;

/// One Envoy, under its `node.id`.
#[derive(Debug)]
pub(crate) struct Node {
    /// The words about itself on the latest stream that is open, or that was the last.
    pub(crate) identity: Arc<Identity>,
    /// The session of the latest stream, open or not.
    pub(crate) session: SharedSession,
    /// When the Envoy connected, or when its last stream ended.
    pub(crate) since: Instant,
    /// The open streams, the latest last: identifiers ascend. There are two while an Envoy is
    /// replaced by another of its name (a hot restart), while the end of an old connection was not
    /// noticed, or because two Envoys share a name by mistake.
    pub(super) streams: BTreeMap<StreamId, OpenStream>,
    pub(super) assigned: Option<Assigned>,
    /// The endpoints and secrets that it gets while nobody says what it is to have.
    pub(super) supplies: Option<Arc<Snapshot>>,
    pub(super) crash: Option<Crash>,
    pub(super) run: Run,
    /// The generation and the answer as which it was counted in the tallies.
    pub(super) counted: Option<(Generation, NodeAnswer)>,
    /// The rejections as they were last told on.
    rejections: Arc<Rejections>,
}

#[derive(Debug)]
pub(super) struct OpenStream {
    pub(super) identity: Arc<Identity>,
    pub(super) session: SharedSession,
    pub(super) assignment: watch::Sender<Assignment>,
    pub(super) standing: Standing,
}

/// The snapshot that an Envoy is to have, since when.
#[derive(Clone, Debug)]
pub(super) struct Assigned {
    /// The snapshot as it was handed out.
    pub(super) snapshot: Arc<Snapshot>,
    /// The same with what is known of its endpoints at the moment, and with the secrets that it
    /// names: what the Envoy is sent.
    pub(super) live: Arc<Snapshot>,
    pub(super) number: u64,
    pub(super) at: Instant,
}

/// How often an Envoy was lost soon after it was sent something of a generation.
#[derive(Clone, Debug)]
pub(super) struct Crash {
    generation: Generation,
    /// How often it came back as a new process.
    count: u32,
    /// Whether it is gone, and how it comes back will tell.
    is_suspected: bool,
    /// Whether it had answered something each time, so that it was no fault of the network.
    was_heard: bool,
}

impl Node {
    pub(super) fn new(identity: Identity, stored: Option<Rejections>, now: Instant) -> Self {
        let rejections = stored.unwrap_or_default();
        let session = Session::new(StreamId(u64::MAX), Memory::of(rejections.clone()));
        Self {
            identity: Arc::new(identity),
            session: Arc::new(Mutex::new(session)),
            since: now,
            streams: BTreeMap::new(),
            assigned: None,
            supplies: None,
            crash: None,
            run: Run::default(),
            counted: None,
            rejections: Arc::new(rejections),
        }
    }

    /// Whether a stream is open.
    pub(crate) fn is_up(&self) -> bool {
        !self.streams.is_empty()
    }

    /// Whether one more stream may be opened under its name.
    pub(super) fn may_connect(&self) -> bool {
        self.streams.len() < MOST_STREAMS
    }

    /// How many streams are open under its name.
    pub(crate) fn streams(&self) -> usize {
        self.streams.len()
    }

    /// The generation that it is to have.
    pub(crate) fn desired(&self) -> Option<&Generation> {
        let assigned = self.assigned.as_ref()?;
        Some(assigned.snapshot.generation())
    }

    /// The snapshot that it is to have, as it was handed out.
    pub(super) fn snapshot(&self) -> Option<&Arc<Snapshot>> {
        Some(&self.assigned.as_ref()?.snapshot)
    }

    pub(crate) fn crashes(&self) -> Option<Crashes> {
        let crash = self.crash.as_ref().filter(|crash| crash.count > 0)?;
        Some(Crashes {
            generation: crash.generation.clone(),
            count: crash.count,
            is_kept_from_it: crash.count >= MOST_CRASHES,
            was_heard: crash.was_heard,
        })
    }

    /// Whether it crashed with that generation so often that it is not given it again.
    pub(super) fn is_kept_from(&self, snapshot: &Snapshot) -> bool {
        self.crash.as_ref().is_some_and(|crash| {
            crash.count >= MOST_CRASHES && crash.generation == *snapshot.generation()
        })
    }

    pub(super) fn assignment(&self, ack_deadline: Duration) -> Assignment {
        let assigned = self.assigned.as_ref();
        Assignment {
            snapshot: assigned.map(|assigned| Arc::clone(&assigned.live)),
            supplies: self.supplies.clone(),
            ack_deadline,
            number: assigned.map_or(0, |assigned| assigned.number),
        }
    }

    /// Hands the Envoy what it is to have with other secrets, if it has to do with them. It is the
    /// same assignment: an answer to it stays one.
    pub(super) fn take_anew(&mut self, live: Arc<Snapshot>, ack_deadline: Duration) {
        let Some(assigned) = &mut self.assigned else {
            return;
        };
        if Arc::ptr_eq(&live, &assigned.live) {
            return;
        }
        assigned.live = live;
        let assignment = self.assignment(ack_deadline);
        for open in self.streams.values() {
            open.assignment.send_replace(assignment.clone());
        }
    }

    /// Hands an Envoy of which nobody says what it is to have other endpoints and secrets. Tells
    /// whether they are others.
    pub(super) fn take_supplies(
        &mut self,
        supplies: &Arc<Snapshot>,
        ack_deadline: Duration,
    ) -> bool {
        let has_them = |own: &Arc<Snapshot>| Arc::ptr_eq(own, supplies);
        if self.assigned.is_some() || self.supplies.as_ref().is_some_and(has_them) {
            return false;
        }
        self.supplies = Some(Arc::clone(supplies));
        let assignment = self.assignment(ack_deadline);
        for open in self.streams.values() {
            open.assignment.send_replace(assignment.clone());
        }
        true
    }

    /// The parts of its summary: nothing of them is copied that grows with its resources.
    pub(super) fn brief(&self) -> Brief {
        Brief {
            summary: NodeSummary {
                id: self.identity.id.clone(),
                description: Arc::clone(&self.identity.description),
                streams: self.streams.len(),
                since: self.since,
                desired: self.desired().cloned(),
                assigned_at: self.assigned.as_ref().map(|assigned| assigned.at),
                answer: self.answer(),
                rejections: Vec::new(),
                crashes: self.crashes(),
                departure: self.run.departure().cloned(),
                on_its_way_since: self.run.on_its_way_since(self.desired()),
            },
            rejections: Arc::clone(&self.rejections),
        }
    }

    /// Sums up the answers of all streams to the assignment: two Envoys of one name must both have
    /// taken it.
    fn answer(&self) -> NodeAnswer {
        step_count::count(self.streams.len());
        let number = self.assigned.as_ref().map(|assigned| assigned.number);
        let answers = self.streams.values().map(|open| {
            if Some(open.standing.assignment) == number {
                open.standing.answer
            } else {
                // It has not been handed the assignment yet.
                NodeAnswer::Waiting
            }
        });
        let sum = answers.reduce(|sum, answer| match (sum, answer) {
            (NodeAnswer::Rejected, _) | (_, NodeAnswer::Rejected) => NodeAnswer::Rejected,
            (NodeAnswer::Waiting, _) | (_, NodeAnswer::Waiting) => NodeAnswer::Waiting,
            _ => NodeAnswer::Acknowledged,
        });
        sum.unwrap_or_default()
    }

    pub(super) fn counts_as(&self) -> Option<(Generation, NodeAnswer)> {
        let generation = self.desired().filter(|_| self.is_up())?;
        Some((generation.clone(), self.answer()))
    }

    /// Brings the node's rejections up to date with its streams', and tells what changed.
    pub(super) fn take_rejections(&mut self) -> Vec<RejectionChange> {
        step_count::count(self.streams.len());
        let standings: Vec<&Standing> = self.streams.values().map(|open| &open.standing).collect();
        let now = match standings.as_slice() {
            [] => return Vec::new(),
            [only] => Arc::clone(&only.rejections),
            several => Arc::new(
                several
                    .iter()
                    .flat_map(|standing| standing.rejections.iter())
                    .map(|(key, rejection)| (key.clone(), rejection.clone()))
                    .collect(),
            ),
        };
        if now == self.rejections {
            return Vec::new();
        }
        let before = std::mem::replace(&mut self.rejections, Arc::clone(&now));
        let node = &self.identity.id;
        let ended = before.keys().filter(|key| !now.contains_key(*key));
        let ended = ended.map(|(resource_type, name)| RejectionChange::Ended {
            node: node.clone(),
            resource_type: *resource_type,
            name: Arc::clone(name),
        });
        let begun = now
            .iter()
            .filter(|(key, new)| before.get(*key) != Some(*new));
        let begun = begun.map(
            |((resource_type, name), rejection)| RejectionChange::Rejected {
                node: node.clone(),
                content: RejectedContent {
                    resource_type: *resource_type,
                    name: Arc::clone(name),
                    version: rejection.version.clone(),
                    message: Arc::clone(&rejection.message),
                    run_on: rejection.run_on.clone(),
                },
            },
        );
        ended.chain(begun).collect()
    }

    /// Whether the process behind a new stream is the one that was there before.
    pub(super) fn process_behind(&self, first: FirstRequest) -> Process {
        if reports_nothing(first) && lock(&self.session).has_any(first.resource_type) {
            Process::Fresh
        } else {
            Process::Unknown
        }
    }

    /// Counts the loss of the last connection as a crash, if a new process of the same version
    /// comes back and none was there to take over. An Envoy that had answered nothing and has
    /// nothing counts as one: nothing tells it from the process before. Tells whether that is once
    /// too often.
    pub(super) fn count_crash(
        &mut self,
        process: Process,
        first: FirstRequest,
        identity: &Identity,
    ) -> bool {
        let is_unheard = reports_nothing(first) && lock(&self.session).is_unheard();
        let is_new = process == Process::Fresh || is_unheard;
        let is_another_version = identity.user_agent != self.identity.user_agent;
        let took_over = self.is_up();
        let Some(crash) = &mut self.crash else {
            return false;
        };
        let was_suspected = std::mem::replace(&mut crash.is_suspected, false);
        if was_suspected && is_new && !took_over && !is_another_version {
            crash.count += 1;
            crash.was_heard &= !is_unheard;
            return crash.count == MOST_CRASHES;
        }
        false
    }

    /// Takes in the end of a stream. Where others are open, the Envoy is again who it says that it
    /// is on the latest of them.
    pub(super) fn close(&mut self, stream: StreamId, end: StreamEnd, now: Instant) {
        self.streams.remove(&stream);
        if let Some((_, left)) = self.streams.last_key_value() {
            self.session = Arc::clone(&left.session);
            self.identity = Arc::clone(&left.identity);
            return;
        }
        self.since = now;
        self.run.end(end, now);
        let push = {
            let mut session = lock(&self.session);
            session.end();
            session.last_push().cloned()
        };
        let suspect = push
            .filter(|push| now.saturating_duration_since(push.at) < CRASH_WINDOW)
            .filter(|_| end == StreamEnd::ByEnvoy);
        match suspect {
            Some(push) => {
                let before = self.crash.take();
                let before = before.filter(|crash| crash.generation == push.generation);
                let (count, was_heard) =
                    before.map_or((0, true), |crash| (crash.count, crash.was_heard));
                self.crash = Some(Crash {
                    generation: push.generation,
                    count,
                    is_suspected: true,
                    was_heard,
                });
            }
            // It ran long enough with what it has.
            None if end == StreamEnd::ByEnvoy => self.crash = None,
            None => {}
        }
    }
}

/// An Envoy in short as the fleet's table has it, to be written out without the table.
pub(crate) struct Brief {
    summary: NodeSummary,
    rejections: Arc<Rejections>,
}

impl Brief {
    /// The summary in the words of this crate.
    pub(crate) fn into_summary(self) -> NodeSummary {
        let rejections = self.rejections.iter();
        NodeSummary {
            rejections: rejections
                .map(|((resource_type, name), rejection)| RejectedContent {
                    resource_type: *resource_type,
                    name: Arc::clone(name),
                    version: rejection.version.clone(),
                    message: Arc::clone(&rejection.message),
                    run_on: rejection.run_on.clone(),
                })
                .collect(),
            ..self.summary
        }
    }
}

/// Whether a stream's first request shows that the Envoy has nothing yet.
fn reports_nothing(first: FirstRequest) -> bool {
    first.resource_type.empty_subscription_is_wildcard() && !first.reports_resources
}
