//! The event streams on which the clients of sessions hear of changes (`GET /mcp`).
//!
//! A change is no more than the URI of a resource, so those that wait for a client are a set, and
//! never more than it has subscriptions. They wait for a while when its stream has ended, for the
//! next one. Nothing of this outlives the process: after a restart a client subscribes anew.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::{BoxFuture, ready};
use futures::{FutureExt as _, Stream, StreamExt as _, stream};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::stream_places::{StreamPlace, StreamPlaces};
use crate::call::Claimant;
use crate::mcp::{ChangeListener, Gone};
use crate::metrics::{Counted, SessionCounts};

/// How long a subscription waits for a stream of its client: longer than clients take to open one
/// behind their first requests, or anew when it has broken off.
const PATIENCE: Duration = Duration::from_secs(60);

/// The streams of sessions, and what their clients have not heard yet.
#[derive(Debug)]
pub(super) struct ChangeStreams {
    places: StreamPlaces,
    counts: SessionCounts,
    patience: Duration,
    mailboxes: Mutex<Mailboxes>,
    stopping: CancellationToken,
}

#[derive(Debug, Default)]
struct Mailboxes {
    by_session: HashMap<String, Mailbox>,
    /// The last number that a mailbox or a stream was given.
    last: u64,
}

impl Mailboxes {
    fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// The mailbox of a session's client, made where it has none.
    fn of(&mut self, session: &str) -> &mut Mailbox {
        let number = self.number();
        let entry = self.by_session.entry(session.to_owned());
        entry.or_insert_with(|| Mailbox::new(number))
    }
}

/// The changes that one client has not heard of.
#[derive(Debug)]
struct Mailbox {
    /// It tells this mailbox from an earlier one of the same client, whose session was ended.
    number: u64,
    changed: BTreeSet<String>,
    subscriptions: usize,
    stream: Option<CurrentStream>,
    /// Since when there is no stream, where there is none.
    left: Instant,
}

impl Mailbox {
    fn new(number: u64) -> Self {
        Self {
            number,
            changed: BTreeSet::new(),
            subscriptions: 0,
            stream: None,
            left: Instant::now(),
        }
    }

    fn is_current(&self, number: u64) -> bool {
        self.stream.as_ref().is_some_and(|one| one.number == number)
    }
}

/// The stream on which a client hears of changes: the one that it has opened last.
#[derive(Debug)]
struct CurrentStream {
    number: u64,
    came: Arc<Notify>,
    _counted: Counted,
}

impl ChangeStreams {
    /// No stream yet. They end when `stopping` fires. `counts` has the sessions with a stream.
    pub(super) fn new(
        places: StreamPlaces,
        counts: SessionCounts,
        stopping: CancellationToken,
    ) -> Self {
        Self {
            places,
            counts,
            patience: PATIENCE,
            mailboxes: Mutex::default(),
            stopping,
        }
    }

    /// Opens a stream of the resources that have changed, which takes the place of an earlier one
    /// of this session; `None` when too many are open, of this caller or of all.
    pub(super) fn open(
        self: &Arc<Self>,
        session: String,
        caller: Claimant,
    ) -> Option<impl Stream<Item = String> + Send + 'static> {
        let place = self.places.take_spare(caller).ok()?;
        let came = Arc::<Notify>::default();
        let mut mailboxes = self.lock();
        let number = mailboxes.number();
        let mailbox = mailboxes.of(&session);
        let current = CurrentStream {
            number,
            came: Arc::clone(&came),
            _counted: Counted::in_gauge(&self.counts.connected),
        };
        if let Some(earlier) = mailbox.stream.replace(current) {
            earlier.came.notify_one();
        }
        drop(mailboxes);
        let open = OpenStream {
            streams: Arc::clone(self),
            session,
            number,
            came,
            _place: place,
        };
        let changes = stream::unfold(open, |open| async {
            let uri = open.next().await?;
            Some((uri, open))
        });
        Some(changes.take_until(self.stopping.clone().cancelled_owned()))
    }

    /// Whoever is told of a change for the client of this session.
    pub(super) fn listen(self: &Arc<Self>, session: String) -> SessionListener {
        let mut mailboxes = self.lock();
        let mailbox = mailboxes.of(&session);
        mailbox.subscriptions += 1;
        let number = mailbox.number;
        drop(mailboxes);
        SessionListener {
            streams: Arc::clone(self),
            session,
            mailbox: number,
        }
    }

    /// Ends what a session has here.
    pub(super) fn end_session(&self, session: &str) {
        let ended = self.lock().by_session.remove(session);
        if let Some(stream) = ended.and_then(|mailbox| mailbox.stream) {
            stream.came.notify_one();
        }
    }

    /// Changes the mailbox of a session, if there is one; it goes when nobody needs it any more.
    fn change<T>(&self, session: &str, change: impl FnOnce(&mut Mailbox) -> T) -> Option<T> {
        let mut mailboxes = self.lock();
        let Entry::Occupied(mut mailbox) = mailboxes.by_session.entry(session.to_owned()) else {
            return None;
        };
        let changed = change(mailbox.get_mut());
        if mailbox.get().subscriptions == 0 && mailbox.get().stream.is_none() {
            mailbox.remove();
        }
        Some(changed)
    }

    fn lock(&self) -> MutexGuard<'_, Mailboxes> {
        self.mailboxes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// One open stream, which gives its place back when it is dropped.
#[derive(Debug)]
struct OpenStream {
    streams: Arc<ChangeStreams>,
    session: String,
    number: u64,
    came: Arc<Notify>,
    _place: StreamPlace,
}

impl OpenStream {
    /// The next resource that has changed; `None` once another stream is in this one's place, or
    /// the session has ended.
    async fn next(&self) -> Option<String> {
        loop {
            let next = self.streams.change(&self.session, |mailbox| {
                let is_current = mailbox.is_current(self.number);
                is_current.then(|| mailbox.changed.pop_first())
            });
            match next.flatten()? {
                Some(uri) => return Some(uri),
                None => self.came.notified().await,
            }
        }
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.streams.change(&self.session, |mailbox| {
            if mailbox.is_current(self.number) {
                mailbox.stream = None;
                mailbox.left = Instant::now();
            }
        });
    }
}

/// Puts changes into the mailbox of one client.
#[derive(Debug)]
pub(super) struct SessionListener {
    streams: Arc<ChangeStreams>,
    session: String,
    /// The number of its mailbox.
    mailbox: u64,
}

impl SessionListener {
    /// Changes its own mailbox, if that is still there.
    fn change<T>(&self, change: impl FnOnce(&mut Mailbox) -> T) -> Option<T> {
        let changed = self.streams.change(&self.session, |mailbox| {
            (mailbox.number == self.mailbox).then(|| change(mailbox))
        });
        changed.flatten()
    }
}

impl ChangeListener for SessionListener {
    fn has_gone(&self) -> bool {
        let gone = self.change(|mailbox| {
            mailbox.stream.is_none() && mailbox.left.elapsed() >= self.streams.patience
        });
        gone.unwrap_or(true)
    }

    fn tell(&self, uri: String) -> BoxFuture<'_, Result<(), Gone>> {
        let told = self.change(|mailbox| {
            mailbox.changed.insert(uri);
            if let Some(stream) = &mailbox.stream {
                stream.came.notify_one();
            }
        });
        ready(told.ok_or(Gone)).boxed()
    }
}

impl Drop for SessionListener {
    fn drop(&mut self) {
        self.change(|mailbox| mailbox.subscriptions -= 1);
    }
}

#[cfg(test)]
mod tests;
