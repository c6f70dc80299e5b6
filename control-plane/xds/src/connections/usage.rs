//! The use of one connection: by how many it is used, and how long something has been unread.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, OnceLock},
    time::{Duration, Instant},
};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};

use crate::{clock::DeadlineClock, fleet::lock};

/// How long a connection may be without an Envoy. Envoy speaks at once, and a tool that asks where
/// Envoys stand opens another connection for its next question.
const MOST_UNUSED: Duration = Duration::from_secs(60);
/// How long a response may be unread. Envoy reads on its main thread, and one whose main thread
/// stands still for twenty seconds is lost by its missing answers to the probes.
const MOST_UNREAD: Duration = Duration::from_secs(30);
/// How long a message of a client may take to come in and be taken in. Envoy writes one at once;
/// four megabytes take half a minute where a megabit a second gets through.
const MOST_UNFINISHED: Duration = Duration::from_secs(60);
/// Bytes of unfinished messages that a connection may have without asking for the memory that all
/// share, so that no Envoy's request waits for strangers' ones: a request of some hundred names.
const OWN_UNFINISHED: usize = 64 << 10;
/// Bytes of unfinished messages of one connection: the longest message twice.
const MOST_UNFINISHED_BYTES: usize = 8 << 20;
/// The time between two looks at a connection.
const LOOK: Duration = Duration::from_secs(5);

/// The use of one connection.
#[derive(Debug)]
pub(crate) struct ConnectionUse {
    peer: SocketAddr,
    clock: DeadlineClock,
    state: Mutex<UseState>,
    /// Bytes of unfinished messages for which nobody is asked, and all that there may be.
    own_unfinished: Arc<Semaphore>,
    all_unfinished: Arc<Semaphore>,
    end: Notify,
    reason: OnceLock<&'static str>,
    is_gone: watch::Sender<bool>,
}

#[derive(Debug)]
struct UseState {
    users: usize,
    unused_since: Instant,
    next_key: u64,
    /// When each response began to wait that is not read, the first one first.
    unread: BTreeMap<u64, Instant>,
    /// When each message began to come in that is not taken in, the first one first.
    unfinished: BTreeMap<u64, Instant>,
}

impl UseState {
    fn new_key(&mut self) -> u64 {
        let key = self.next_key;
        self.next_key += 1;
        key
    }
}

/// Why a message does not come to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MessageBreaksOff {
    /// The connection has more unfinished messages than one may have.
    TooMuch,
    /// The connection has ended.
    ConnectionIsGone,
}

impl ConnectionUse {
    pub(super) fn new(peer: SocketAddr, clock: DeadlineClock) -> Self {
        let state = UseState {
            users: 0,
            unused_since: clock.now(),
            next_key: 0,
            unread: BTreeMap::new(),
            unfinished: BTreeMap::new(),
        };
        Self {
            peer,
            own_unfinished: Arc::new(Semaphore::new(OWN_UNFINISHED)),
            all_unfinished: Arc::new(Semaphore::new(MOST_UNFINISHED_BYTES)),
            clock,
            state: Mutex::new(state),
            end: Notify::new(),
            reason: OnceLock::new(),
            is_gone: watch::Sender::new(false),
        }
    }

    pub(super) fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Since when nobody has used it; none while somebody does.
    pub(super) fn unused_since(&self) -> Option<Instant> {
        let state = lock(&self.state);
        (state.users == 0).then_some(state.unused_since)
    }

    /// Since when something has been unread; none while all is read.
    pub(super) fn unread_since(&self) -> Option<Instant> {
        lock(&self.state).unread.values().next().copied()
    }

    /// Since when a message has been coming in; none while all are taken in.
    pub(super) fn unfinished_since(&self) -> Option<Instant> {
        lock(&self.state).unfinished.values().next().copied()
    }

    /// Has the connection end.
    pub(super) fn end(&self, reason: &'static str) {
        // The first reason is the one that counts.
        let _ = self.reason.set(reason);
        self.end.notify_one();
    }

    /// Takes in that the connection has ended.
    pub(super) fn leave(&self) {
        self.is_gone.send_replace(true);
    }

    /// Waits until the connection has ended.
    pub(super) async fn until_it_is_gone(&self) {
        // The sender is here.
        let _ = self.is_gone.subscribe().wait_for(|is_gone| *is_gone).await;
    }

    /// Waits until the connection is to end, and tells why.
    pub(super) async fn until_its_end(self: Arc<Self>) -> &'static str {
        loop {
            let look = self.clock.now() + LOOK;
            tokio::select! {
                () = self.end.notified() => {}
                () = self.clock.wait_until(Some(look)) => self.end_where_it_is_idle(),
            }
            if let Some(reason) = self.reason.get() {
                return reason;
            }
        }
    }

    fn end_where_it_is_idle(&self) {
        let now = self.clock.now();
        let is_over = |since: Option<Instant>, most| {
            since.is_some_and(|since| now.duration_since(since) >= most)
        };
        if is_over(self.unused_since(), MOST_UNUSED) {
            self.end("no Envoy uses it");
        } else if is_over(self.unread_since(), MOST_UNREAD) {
            self.end("what was sent on it is not read");
        } else if is_over(self.unfinished_since(), MOST_UNFINISHED) {
            self.end("a message on it is begun and not finished, or not taken in");
        }
    }
}

/// A user of a connection, for as long as it lives.
#[derive(Debug)]
pub(crate) struct ConnectionUser(Arc<ConnectionUse>);

impl ConnectionUser {
    pub(crate) fn of(used: &Arc<ConnectionUse>) -> Self {
        lock(&used.state).users += 1;
        Self(Arc::clone(used))
    }
}

impl Drop for ConnectionUser {
    fn drop(&mut self) {
        let mut state = lock(&self.0.state);
        state.users -= 1;
        state.unused_since = self.0.clock.now();
    }
}

/// A response that was not read yet, for as long as it lives, and its part of the memory.
#[derive(Debug)]
pub(crate) struct UnreadResponse {
    used: Arc<ConnectionUse>,
    key: u64,
    _room: Option<OwnedSemaphorePermit>,
}

impl UnreadResponse {
    pub(super) fn new(used: &Arc<ConnectionUse>, room: Option<OwnedSemaphorePermit>) -> Self {
        let now = used.clock.now();
        let mut state = lock(&used.state);
        let key = state.new_key();
        state.unread.insert(key, now);
        Self {
            used: Arc::clone(used),
            key,
            _room: room,
        }
    }
}

impl Drop for UnreadResponse {
    fn drop(&mut self) {
        lock(&self.used.state).unread.remove(&self.key);
    }
}

/// A message that is coming in or waits to be taken in, for as long as it lives, and its part of
/// the memory.
#[derive(Debug)]
pub(crate) struct UnfinishedMessage {
    used: Arc<ConnectionUse>,
    key: u64,
    bytes: usize,
    room: Vec<OwnedSemaphorePermit>,
}

impl UnfinishedMessage {
    pub(super) fn new(used: &Arc<ConnectionUse>) -> Self {
        let now = used.clock.now();
        let mut state = lock(&used.state);
        let key = state.new_key();
        state.unfinished.insert(key, now);
        Self {
            used: Arc::clone(used),
            key,
            bytes: 0,
            room: Vec::new(),
        }
    }

    /// Takes in that there are so many bytes of it now, and gives those for which the memory is to
    /// be asked for that all share.
    pub(super) fn grow_to(&mut self, bytes: usize) -> Result<u32, MessageBreaksOff> {
        let more = bytes.saturating_sub(self.bytes);
        self.bytes = self.bytes.max(bytes);
        let more = u32::try_from(more).map_err(|_| MessageBreaksOff::TooMuch)?;
        let all = Arc::clone(&self.used.all_unfinished);
        let place = all.try_acquire_many_owned(more);
        self.add(place.map_err(|_| MessageBreaksOff::TooMuch)?);
        let own = Arc::clone(&self.used.own_unfinished);
        Ok(match own.try_acquire_many_owned(more) {
            Ok(place) => {
                self.add(place);
                0
            }
            Err(_) => more,
        })
    }

    /// Adds to the message's part of the memory.
    pub(super) fn add(&mut self, room: OwnedSemaphorePermit) {
        let mut same = self.room.iter_mut();
        let same = same.find(|one| Arc::ptr_eq(one.semaphore(), room.semaphore()));
        match same {
            Some(same) => same.merge(room),
            None => self.room.push(room),
        }
    }
}

impl Drop for UnfinishedMessage {
    fn drop(&mut self) {
        lock(&self.used.state).unfinished.remove(&self.key);
    }
}
