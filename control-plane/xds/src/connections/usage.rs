//! The use of one connection: by how many it is used, and how long something has been unread.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, OnceLock},
    time::{Duration, Instant},
};

use tokio::sync::{Notify, OwnedSemaphorePermit};

use crate::{clock::DeadlineClock, fleet::lock};

/// How long a connection may be without an Envoy. Envoy speaks at once, and a tool that asks where
/// Envoys stand opens another connection for its next question.
const MOST_UNUSED: Duration = Duration::from_secs(60);
/// How long a response may be unread. Envoy reads on its main thread, and one whose main thread
/// stands still for twenty seconds is lost by its missing answers to the probes.
const MOST_UNREAD: Duration = Duration::from_secs(30);
/// The time between two looks at a connection.
const LOOK: Duration = Duration::from_secs(5);

/// The use of one connection.
#[derive(Debug)]
pub(crate) struct ConnectionUse {
    peer: SocketAddr,
    clock: DeadlineClock,
    state: Mutex<UseState>,
    end: Notify,
    reason: OnceLock<&'static str>,
}

#[derive(Debug)]
struct UseState {
    users: usize,
    unused_since: Instant,
    next_key: u64,
    /// When each response began to wait that is not read, the first one first.
    unread: BTreeMap<u64, Instant>,
}

impl ConnectionUse {
    pub(super) fn new(peer: SocketAddr, clock: DeadlineClock) -> Self {
        let state = UseState {
            users: 0,
            unused_since: clock.now(),
            next_key: 0,
            unread: BTreeMap::new(),
        };
        Self {
            peer,
            clock,
            state: Mutex::new(state),
            end: Notify::new(),
            reason: OnceLock::new(),
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

    /// Has the connection end.
    pub(super) fn end(&self, reason: &'static str) {
        // The first reason is the one that counts.
        let _ = self.reason.set(reason);
        self.end.notify_one();
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
        let key = state.next_key;
        state.next_key += 1;
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
