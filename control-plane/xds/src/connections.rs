//! The connections of a server: a bounded number of them, each of which ends when no Envoy uses it
//! or when nobody reads what is sent on it.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    pin::pin,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use usage::ConnectionUse;

mod usage;

pub(crate) use usage::{ConnectionUser, MessageBreaksOff, UnfinishedMessage, UnreadResponse};

use crate::{clock::DeadlineClock, fleet::lock};

/// How long a response waits before its connection may be ended for another one's sake. An Envoy
/// that reads has it in milliseconds, also while thousands of others start.
const SLOW: Duration = Duration::from_secs(1);
/// Bytes of all answers to questions about Envoys that wait for their readers: some of the largest
/// ones. Nobody but operators' tools asks.
const MOST_BYTES_OF_ANSWERS: usize = 24 << 20;
/// Bytes of all messages together that are coming in, or not taken in yet, besides those that each
/// connection may have: sixteen of the longest. An Envoy's are taken in within milliseconds.
const MOST_BYTES_UNFINISHED: usize = 64 << 20;

/// The connections of one server. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Connections(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    most: usize,
    clock: DeadlineClock,
    open: Mutex<OpenConnections>,
    configuration: Budget,
    answers: Budget,
    unfinished: Budget,
}

#[derive(Debug, Default)]
struct OpenConnections {
    next_key: u64,
    by_key: BTreeMap<u64, Arc<ConnectionUse>>,
    /// Whether newcomers are closed, and the log has been told so.
    is_full: bool,
}

/// Bytes that may be in memory at once.
#[derive(Debug)]
struct Budget {
    most: usize,
    free: Arc<Semaphore>,
}

impl Budget {
    fn of(most: usize) -> Self {
        let most = most.min(Semaphore::MAX_PERMITS);
        Self {
            most,
            free: Arc::new(Semaphore::new(most)),
        }
    }
}

/// The two purses that bytes are taken from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose {
    /// Configuration on its way to Envoys.
    Configuration,
    /// Answers to those who ask where Envoys stand.
    Status,
}

/// A use of memory: since when a connection has had some, and why it is ended for others' sake.
#[derive(Clone, Copy)]
struct UseOfMemory {
    since: fn(&ConnectionUse) -> Option<Instant>,
    reason: &'static str,
}

const UNREAD: UseOfMemory = UseOfMemory {
    since: ConnectionUse::unread_since,
    reason: "it does not read, and others need the memory",
};

const UNFINISHED: UseOfMemory = UseOfMemory {
    since: ConnectionUse::unfinished_since,
    reason: "its messages are not finished or not taken in, and others need the memory",
};

/// A connection as those see it who serve its streams.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionHandle {
    connections: Connections,
    key: u64,
    used: Arc<ConnectionUse>,
}

impl Connections {
    /// Places for so many connections, and memory for so many bytes of configuration that wait to
    /// be read.
    pub(crate) fn new(most: usize, unread_bytes: usize, clock: DeadlineClock) -> Self {
        Self(Arc::new(Shared {
            most,
            clock,
            open: Mutex::default(),
            configuration: Budget::of(unread_bytes),
            answers: Budget::of(MOST_BYTES_OF_ANSWERS),
            unfinished: Budget::of(MOST_BYTES_UNFINISHED),
        }))
    }

    /// Finds a place for a connection; none where an Envoy uses each of the others.
    pub(crate) fn admit(&self, peer: SocketAddr) -> Option<ConnectionHandle> {
        let mut open = lock(&self.0.open);
        if open.by_key.len() >= self.0.most {
            let unused = open.by_key.iter();
            let unused = unused.filter_map(|(key, used)| Some((used.unused_since()?, *key)));
            let Some((_, longest)) = unused.min() else {
                if !std::mem::replace(&mut open.is_full, true) {
                    tracing::error!(
                        connections = self.0.most,
                        "an Envoy uses each connection, and others are turned away: raise \
                         CONTROL_PLANE_XDS_CONNECTIONS"
                    );
                }
                return None;
            };
            if let Some(used) = open.by_key.remove(&longest) {
                used.end("another one needs its place, and no Envoy uses it");
            }
        }
        open.is_full = false;
        let key = open.next_key;
        open.next_key += 1;
        let used = Arc::new(ConnectionUse::new(peer, self.0.clock.clone()));
        open.by_key.insert(key, Arc::clone(&used));
        Some(ConnectionHandle {
            connections: self.clone(),
            key,
            used,
        })
    }

    /// Ends every connection, whatever is under way on it.
    pub(crate) fn end_all(&self) {
        for used in lock(&self.0.open).by_key.values() {
            used.end("the control plane stops");
        }
    }

    /// Ends the connection that has had memory for longest, if it is slow.
    fn end_the_slowest(&self, use_of: UseOfMemory) {
        let now = self.0.clock.now();
        let open = lock(&self.0.open);
        let waiting = open.by_key.values();
        let waiting = waiting.filter_map(|used| Some(((use_of.since)(used)?, used)));
        let slowest = waiting.min_by_key(|(since, _)| *since);
        if let Some((since, used)) = slowest
            && now.duration_since(since) >= SLOW
        {
            used.end(use_of.reason);
        }
    }

    /// Waits until there is memory for so many bytes. Those who are slow are ended when there is
    /// none.
    async fn take(
        &self,
        budget: &Budget,
        bytes: u32,
        use_of: UseOfMemory,
    ) -> Option<OwnedSemaphorePermit> {
        let mut room = pin!(Arc::clone(&budget.free).acquire_many_owned(bytes));
        let clock = &self.0.clock;
        loop {
            let later = clock.now() + SLOW;
            tokio::select! {
                biased;
                // The semaphore is never closed.
                room = &mut room => return room.ok(),
                () = clock.wait_until(Some(later)) => self.end_the_slowest(use_of),
            }
        }
    }
}

impl ConnectionHandle {
    pub(crate) fn peer(&self) -> SocketAddr {
        self.used.peer()
    }

    /// Counts a user of the connection.
    pub(crate) fn user(&self) -> ConnectionUser {
        ConnectionUser::of(&self.used)
    }

    /// Waits until the connection is to end, and tells why.
    pub(crate) fn until_its_end(&self) -> impl Future<Output = &'static str> + use<> {
        Arc::clone(&self.used).until_its_end()
    }

    /// Gives the place of the connection to others. Nothing that waits for its sake waits any
    /// longer.
    pub(crate) fn leave(&self) {
        self.used.leave();
        lock(&self.connections.0.open).by_key.remove(&self.key);
    }

    /// Waits until there is memory for a message of that size. Those who do not read are ended when
    /// there is none.
    pub(crate) async fn room(&self, bytes: usize, purpose: Purpose) -> UnreadResponse {
        let budget = match purpose {
            Purpose::Configuration => &self.connections.0.configuration,
            Purpose::Status => &self.connections.0.answers,
        };
        let bytes = u32::try_from(bytes.min(budget.most)).unwrap_or(u32::MAX);
        let room = self.connections.take(budget, bytes, UNREAD).await;
        UnreadResponse::new(&self.used, room)
    }

    /// Waits until there is memory for messages of which so many bytes have come in; `before` is
    /// what it had. That is given back when the connection ends, also while more is waited for:
    /// where messages have all the memory together, each of them waits for the others.
    pub(crate) async fn room_for_unfinished(
        &self,
        before: Option<UnfinishedMessage>,
        bytes: usize,
    ) -> Result<UnfinishedMessage, MessageBreaksOff> {
        let mut message = before.unwrap_or_else(|| UnfinishedMessage::new(&self.used));
        let missing = message.grow_to(bytes)?;
        if missing > 0 {
            let budget = &self.connections.0.unfinished;
            let room = tokio::select! {
                biased;
                () = self.used.until_it_is_gone() => {
                    return Err(MessageBreaksOff::ConnectionIsGone);
                }
                room = self.connections.take(budget, missing, UNFINISHED) => room,
            };
            room.into_iter().for_each(|room| message.add(room));
        }
        Ok(message)
    }
}

#[cfg(test)]
mod tests;
