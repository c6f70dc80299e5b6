//! One Envoy's stream as a state machine: what it asked for, what it was sent, what it answered.
//!
//! Pure: requests, snapshots and the present time come in as arguments, responses come out of
//! [`Session::poll`]. How the parts meet: [`subscription`] keeps one type's names and versions,
//! [`plan`] says what may go out now, [`standing`] says where everything stands.

mod ended;
mod memory;
mod message;
mod other_contents;
mod plan;
mod running;
mod sending;
mod standing;
mod subscription;
mod supplying;
mod world;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

pub(crate) use memory::{Memory, Process, Rejection, Rejections, TypeMemory};
pub(crate) use message::{Answer, DeltaRequest, DeltaResponse};
#[cfg(test)]
pub(crate) use plan::MOST_BATCH_BYTES;
pub(crate) use running::OwnContents;
use standing::Position;
pub(crate) use standing::Standing;
use subscription::{Subscription, World, name_cost};
pub(crate) use world::WorldRequest;

use crate::{Generation, NodeAnswer, ResourceType, Snapshot};

/// An Envoy asks for more names than a stream may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooManyNames;

/// The most memory that the names of a stream may take up. A gateway of ten thousand clusters asks
/// for about 3 MiB of names and tables; a client that invents names is cut off before it hurts the
/// others.
const MOST_NAME_BYTES: usize = 16 << 20;

/// Tells the streams of one process apart; part of each nonce, so that none fits another stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct StreamId(pub(crate) u64);

/// One Envoy's stream as a state machine.
#[derive(Debug)]
pub(crate) struct Session {
    stream: StreamId,
    ack_deadline: Duration,
    snapshot: Option<Arc<Snapshot>>,
    /// The endpoints and secrets that the Envoy gets while there is no snapshot.
    supplies: Option<Arc<Snapshot>>,
    /// The number of the assignment that `snapshot` came with.
    assignment: u64,
    subscriptions: BTreeMap<ResourceType, Subscription>,
    /// Facts from an earlier stream about types that the Envoy has not asked for yet.
    memory: Memory,
    /// The endpoints of clusters that were sent before the Envoy asked for any endpoints.
    awaited_endpoints: BTreeSet<Arc<str>>,
    /// At least what the names take up; counted exactly when it passes the limit.
    name_bytes: usize,
    next_nonce: u64,
    in_force: Option<Generation>,
    last_push: Option<Push>,
    /// Whether the Envoy has answered anything that it was sent.
    has_answered: bool,
    standing: Standing,
    /// Where each resource stood when the last stream ended; nothing while one is open.
    ended: Option<Vec<Position>>,
}

/// When something was last sent that a generation is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Push {
    pub(crate) generation: Generation,
    pub(crate) at: Instant,
}

/// How long an Envoy may take to answer where no assignment says so.
const DEFAULT_ACK_DEADLINE: Duration = Duration::from_secs(5);

impl Session {
    pub(crate) fn new(stream: StreamId, memory: Memory) -> Self {
        let mut session = Self {
            stream,
            ack_deadline: DEFAULT_ACK_DEADLINE,
            snapshot: None,
            supplies: None,
            assignment: 0,
            subscriptions: BTreeMap::new(),
            memory,
            awaited_endpoints: BTreeSet::new(),
            name_bytes: 0,
            next_nonce: 1,
            in_force: None,
            last_push: None,
            has_answered: false,
            standing: Standing::default(),
            ended: None,
        };
        session.standing.rejections = Arc::new(session.rejections());
        session
    }

    /// Changes what the Envoy is to have, and how long it may take to answer. `number` tells
    /// assignments apart.
    pub(crate) fn assign(&mut self, snapshot: Arc<Snapshot>, ack_deadline: Duration, number: u64) {
        // What the two have in common was looked at when the one before was assigned.
        let difference = self.snapshot.as_ref();
        let difference = difference.map(|before| snapshot.difference_from(before));
        for (resource_type, subscription) in &mut self.subscriptions {
            match &difference {
                Some(difference) => {
                    let names = difference.names(*resource_type);
                    subscription.compare_names(*resource_type, names, &snapshot);
                }
                None => subscription.compare(*resource_type, &snapshot),
            }
        }
        self.snapshot = Some(snapshot);
        self.supplies = None;
        self.ack_deadline = ack_deadline;
        self.assignment = number;
    }

    /// Takes in what the Envoy asks and answers.
    ///
    /// # Errors
    /// When it asks for more names than a stream may hold.
    pub(crate) fn request(
        &mut self,
        request: DeltaRequest,
        now: Instant,
    ) -> Result<(), TooManyNames> {
        self.take_in(request, None, now)
    }

    /// Takes in a request; `world` is what the subscription keeps in the state-of-the-world
    /// protocol, where it is the first of its type.
    fn take_in(
        &mut self,
        mut request: DeltaRequest,
        world: Option<World>,
        now: Instant,
    ) -> Result<(), TooManyNames> {
        self.count_names(&request)?;
        self.share_names(&mut request);
        let resource_type = request.resource_type;
        let first = !self.subscriptions.contains_key(&resource_type);
        let snapshot = self.source_of(resource_type).cloned();
        let only_answers = !first && request.subscribe.is_empty() && request.unsubscribe.is_empty();
        if first && !request.initial_versions.is_empty() {
            self.memory.process = Process::Same;
        }
        let subscription = self.subscriptions.entry(resource_type).or_default();
        if first {
            subscription.world = world;
        }
        // What a whole set leaves out is removed, so it is sent with what was rejected before.
        let process = match subscription.is_sent_whole() {
            true => Process::Unknown,
            false => self.memory.process,
        };
        if let Some(answer) = request.answer {
            self.has_answered = true;
            subscription.answered(resource_type, answer, now);
            let names = std::mem::take(&mut subscription.to_compare);
            if let Some(snapshot) = &snapshot {
                subscription.compare_names(resource_type, &names, snapshot);
            }
        }
        if only_answers {
            return Ok(());
        }
        let wildcard = subscription.wildcard;
        let names: Vec<Arc<str>> = request
            .subscribe
            .iter()
            .chain(&request.unsubscribe)
            .cloned()
            .collect();
        if first {
            subscription.open(
                resource_type,
                request.subscribe,
                request.initial_versions,
                self.memory.types.remove(&resource_type).unwrap_or_default(),
                process,
                now,
            );
        } else {
            subscription.subscribe(request.subscribe, process, now);
            subscription.report(request.initial_versions, process, now);
        }
        subscription.unsubscribe(request.unsubscribe, now);
        if let Some(snapshot) = &snapshot {
            if first || subscription.wildcard != wildcard {
                subscription.compare(resource_type, snapshot);
            } else {
                subscription.compare_names(resource_type, &names, snapshot);
            }
        }
        if first && resource_type.is_waited_for() {
            for name in std::mem::take(&mut self.awaited_endpoints) {
                subscription.force(&name);
            }
        }
        Ok(())
    }

    fn count_names(&mut self, request: &DeltaRequest) -> Result<(), TooManyNames> {
        let cost = |names: &[Arc<str>]| names.iter().map(|name| name_cost(name)).sum::<usize>();
        let reported: usize = request
            .initial_versions
            .keys()
            .map(|name| name_cost(name))
            .sum();
        let added = cost(&request.subscribe) + cost(&request.unsubscribe) + reported;
        self.name_bytes += added;
        if self.name_bytes > MOST_NAME_BYTES {
            let subscriptions = self.subscriptions.values();
            self.name_bytes = added + subscriptions.map(Subscription::name_bytes).sum::<usize>();
        }
        if self.name_bytes > MOST_NAME_BYTES {
            return Err(TooManyNames);
        }
        Ok(())
    }

    /// Has the names that the request asks for share their memory with the snapshot's, and so with
    /// all other sessions.
    fn share_names(&self, request: &mut DeltaRequest) {
        let Some(snapshot) = &self.snapshot else {
            return;
        };
        for name in &mut request.subscribe {
            if let Some(resource) = snapshot.get(request.resource_type, name) {
                *name = Arc::clone(resource.name());
            }
        }
    }

    /// Takes in that the Envoy's stream of one type has ended while others are open.
    pub(crate) fn leave(&mut self, resource_type: ResourceType) {
        if let Some(subscription) = self.subscriptions.remove(&resource_type) {
            self.memory
                .types
                .insert(resource_type, subscription.memory());
        }
    }

    /// Everything that may go out now. To be called after each [`Session::assign`] and
    /// [`Session::request`], and when [`Session::next_deadline`] has come.
    pub(crate) fn poll(&mut self, now: Instant) -> Vec<DeltaResponse> {
        for (resource_type, subscription) in &mut self.subscriptions {
            subscription.expire(*resource_type, self.ack_deadline, now);
        }
        let Some(snapshot) = self.snapshot.clone() else {
            let responses = self.poll_supplies(now);
            self.standing.rejections = self.known_rejections();
            return responses;
        };
        let mut responses = Vec::new();
        while let Some(step) = plan::next_step(&self.subscriptions, &snapshot) {
            responses.push(self.take(step, &snapshot, now));
        }
        // An address or a certificate that changes for the hundredth time is no change of what the
        // Envoy runs.
        let is_of_generation = |response: &DeltaResponse| {
            let resource_type = response.resource_type;
            resource_type.belongs_to_generations()
        };
        if responses.iter().any(is_of_generation) {
            self.last_push = Some(Push {
                generation: snapshot.generation().clone(),
                at: now,
            });
        }
        self.standing = self.stand(&snapshot);
        if self.standing.answer == NodeAnswer::Acknowledged {
            self.in_force = Some(snapshot.generation().clone());
        }
        responses
    }

    /// When [`Session::poll`] has something to do even if the Envoy stays silent.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let answers = self
            .subscriptions
            .values()
            .filter_map(|subscription| subscription.in_flight.as_ref())
            .map(|outstanding| outstanding.sent_at + self.ack_deadline);
        let fetches = self.subscriptions.values();
        answers
            .chain(fetches.filter_map(Subscription::next_fetch))
            .min()
    }

    /// Every version that the Envoy rejected, and acknowledged nothing else for since.
    fn rejections(&self) -> Rejections {
        let asked_for = self
            .subscriptions
            .iter()
            .map(|(resource_type, subscription)| (*resource_type, subscription.rejections()));
        let not_yet = self
            .memory
            .types
            .iter()
            .map(|(resource_type, memory)| (*resource_type, &memory.rejections));
        asked_for
            .chain(not_yet)
            .flat_map(|(resource_type, rejections)| {
                rejections.iter().map(move |(name, rejection)| {
                    ((resource_type, Arc::clone(name)), rejection.clone())
                })
            })
            .collect()
    }

    /// The rejections; collected anew only when one came or went.
    fn known_rejections(&mut self) -> Arc<Rejections> {
        let mut changed = false;
        for subscription in self.subscriptions.values_mut() {
            changed |= std::mem::take(&mut subscription.rejections_changed);
        }
        if changed {
            return Arc::new(self.rejections());
        }
        Arc::clone(&self.standing.rejections)
    }

    /// Sums up what the next stream of the same Envoy has to know. `process` says whether it is the
    /// same process.
    pub(crate) fn memory(&self, process: Process) -> Memory {
        if process == Process::Fresh {
            return Memory {
                process,
                types: BTreeMap::new(),
            };
        }
        let mut types = self.memory.types.clone();
        for (resource_type, subscription) in &self.subscriptions {
            types.insert(*resource_type, subscription.memory());
        }
        Memory { process, types }
    }

    /// Whether the Envoy has acknowledged any resource of the type.
    pub(crate) fn has_any(&self, resource_type: ResourceType) -> bool {
        let acknowledged = |position: &Position| {
            position.resource_type == resource_type && position.acked.is_some()
        };
        match &self.ended {
            Some(positions) => positions.iter().any(acknowledged),
            None => self
                .subscriptions
                .get(&resource_type)
                .is_some_and(Subscription::has_any),
        }
    }

    /// Whether the Envoy was sent something and has answered nothing.
    pub(crate) fn is_unheard(&self) -> bool {
        self.last_push.is_some() && !self.has_answered
    }

    /// When something was last sent that a generation is made of, and of which one.
    pub(crate) fn last_push(&self) -> Option<&Push> {
        self.last_push.as_ref()
    }
}

#[cfg(test)]
mod tests;
