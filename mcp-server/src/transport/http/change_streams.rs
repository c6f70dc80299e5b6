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

use super::session_id::SessionCaller;
use super::stream_places::{StreamPlace, StreamPlaces};
use crate::mcp::{ChangeListener, Gone};

/// How long a subscription waits for a stream of its client: longer than clients take to open one
/// behind their first requests, or anew when it has broken off.
const PATIENCE: Duration = Duration::from_secs(60);

/// The streams of sessions, and what their clients have not heard yet.
#[derive(Debug)]
pub(super) struct ChangeStreams {
    places: StreamPlaces,
    patience: Duration,
    mailboxes: Mutex<Mailboxes>,
    stopping: CancellationToken,
}

#[derive(Debug, Default)]
struct Mailboxes {
    by_caller: HashMap<SessionCaller, Mailbox>,
    /// The last number that a mailbox or a stream was given.
    last: u64,
}

impl Mailboxes {
    fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// The mailbox of a client, made where it has none.
    fn of(&mut self, caller: &SessionCaller) -> &mut Mailbox {
        let number = self.number();
        let entry = self.by_caller.entry(caller.clone());
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
}

impl ChangeStreams {
    /// No stream yet. They end when `stopping` fires.
    pub(super) fn new(places: StreamPlaces, stopping: CancellationToken) -> Self {
        Self {
            places,
            patience: PATIENCE,
            mailboxes: Mutex::default(),
            stopping,
        }
    }

    /// Opens a stream of the resources that have changed, which takes the place of an earlier one
    /// of this client; `None` when too many are open.
    pub(super) fn open(
        self: &Arc<Self>,
        caller: SessionCaller,
    ) -> Option<impl Stream<Item = String> + Send + 'static> {
        let place = self.places.take_spare()?;
        let came = Arc::<Notify>::default();
        let mut mailboxes = self.lock();
        let number = mailboxes.number();
        let mailbox = mailboxes.of(&caller);
        let current = CurrentStream {
            number,
            came: Arc::clone(&came),
        };
        if let Some(earlier) = mailbox.stream.replace(current) {
            earlier.came.notify_one();
        }
        drop(mailboxes);
        let open = OpenStream {
            streams: Arc::clone(self),
            caller,
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

    /// Whoever is told of a change for this client.
    pub(super) fn listen(self: &Arc<Self>, caller: SessionCaller) -> SessionListener {
        let mut mailboxes = self.lock();
        let mailbox = mailboxes.of(&caller);
        mailbox.subscriptions += 1;
        let number = mailbox.number;
        drop(mailboxes);
        SessionListener {
            streams: Arc::clone(self),
            caller,
            mailbox: number,
        }
    }

    /// Ends what a session has here.
    pub(super) fn end_session(&self, session: &str) {
        self.lock().by_caller.retain(|caller, mailbox| {
            let stays = caller.session != session;
            if !stays && let Some(stream) = &mailbox.stream {
                stream.came.notify_one();
            }
            stays
        });
    }

    /// Changes the mailbox of a client, if there is one; it goes when nobody needs it any more.
    fn change<T>(
        &self,
        caller: &SessionCaller,
        change: impl FnOnce(&mut Mailbox) -> T,
    ) -> Option<T> {
        let mut mailboxes = self.lock();
        let Entry::Occupied(mut mailbox) = mailboxes.by_caller.entry(caller.clone()) else {
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
    caller: SessionCaller,
    number: u64,
    came: Arc<Notify>,
    _place: StreamPlace,
}

impl OpenStream {
    /// The next resource that has changed; `None` once another stream is in this one's place, or
    /// the session has ended.
    async fn next(&self) -> Option<String> {
        loop {
            let next = self.streams.change(&self.caller, |mailbox| {
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
        self.streams.change(&self.caller, |mailbox| {
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
    caller: SessionCaller,
    /// The number of its mailbox.
    mailbox: u64,
}

impl SessionListener {
    /// Changes its own mailbox, if that is still there.
    fn change<T>(&self, change: impl FnOnce(&mut Mailbox) -> T) -> Option<T> {
        let changed = self.streams.change(&self.caller, |mailbox| {
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
mod tests {
    use std::pin::Pin;

    use futures::poll;
    use prometheus_client::metrics::gauge::Gauge;

    use super::*;
    use crate::call::Principal;

    fn streams(most: usize) -> Arc<ChangeStreams> {
        let places = StreamPlaces::new(most, Gauge::default());
        Arc::new(ChangeStreams::new(places, CancellationToken::new()))
    }

    fn caller(session: &str, name: &str) -> SessionCaller {
        SessionCaller {
            session: session.to_owned(),
            principal: Principal::Named(name.to_owned()),
        }
    }

    fn opened(
        streams: &Arc<ChangeStreams>,
        caller: SessionCaller,
    ) -> Pin<Box<dyn Stream<Item = String>>> {
        Box::pin(streams.open(caller).expect("a place"))
    }

    #[tokio::test]
    async fn it_tells_the_stream_that_was_opened_last_and_that_of_the_same_caller_alone() {
        let streams = streams(8);
        let listener = streams.listen(caller("ours", "alice"));
        let mut first = opened(&streams, caller("ours", "alice"));
        let mut foreign = opened(&streams, caller("ours", "mallory"));
        let mut last = opened(&streams, caller("ours", "alice"));
        assert_eq!(first.next().await, None);
        listener.tell("a".to_owned()).await.expect("it is heard");
        assert_eq!(last.next().await.as_deref(), Some("a"));
        assert!(poll!(foreign.next()).is_pending());
        assert!(poll!(last.next()).is_pending());
        drop(first);
        listener.tell("b".to_owned()).await.expect("it is heard");
        assert_eq!(last.next().await.as_deref(), Some("b"));
    }

    #[tokio::test]
    async fn it_keeps_changes_for_the_next_stream_of_a_client() {
        let streams = streams(8);
        let listener = streams.listen(caller("ours", "alice"));
        drop(opened(&streams, caller("ours", "alice")));
        for uri in ["a", "b", "a"] {
            listener.tell(uri.to_owned()).await.expect("it is kept");
        }
        assert!(!listener.has_gone());
        let mut next = opened(&streams, caller("ours", "alice"));
        assert_eq!(next.next().await.as_deref(), Some("a"));
        assert_eq!(next.next().await.as_deref(), Some("b"));
        drop(next);
        drop(listener);
        assert!(streams.lock().by_caller.is_empty());
    }

    #[tokio::test]
    async fn it_takes_a_client_for_gone_that_has_had_no_stream_for_too_long() {
        let places = StreamPlaces::new(8, Gauge::default());
        let streams = Arc::new(ChangeStreams {
            patience: Duration::ZERO,
            ..ChangeStreams::new(places, CancellationToken::new())
        });
        let listener = streams.listen(caller("ours", "alice"));
        assert!(listener.has_gone());
        let stream = opened(&streams, caller("ours", "alice"));
        assert!(!listener.has_gone());
        drop(stream);
        assert!(listener.has_gone());
    }

    #[tokio::test]
    async fn it_ends_streams_with_their_session_and_takes_a_bounded_number() {
        let streams = streams(4);
        let listener = streams.listen(caller("ours", "alice"));
        let mut ending = opened(&streams, caller("ours", "alice"));
        let others = ["a", "b"].map(|session| opened(&streams, caller(session, "alice")));
        assert!(streams.open(caller("c", "alice")).is_none());
        streams.end_session("ours");
        assert_eq!(ending.next().await, None);
        assert!(listener.has_gone());
        assert_eq!(listener.tell("a".to_owned()).await, Err(Gone));
        drop((ending, others));
        assert!(streams.open(caller("c", "alice")).is_some());
        drop(listener);
        assert!(streams.lock().by_caller.is_empty());
    }

    #[tokio::test]
    async fn it_gives_an_ended_session_nothing_of_what_comes_after_it_under_the_same_id() {
        let streams = streams(8);
        let ended = streams.listen(caller("ours", "alice"));
        streams.end_session("ours");
        let next = streams.listen(caller("ours", "alice"));
        let mut stream = opened(&streams, caller("ours", "alice"));
        assert!(ended.has_gone() && !next.has_gone());
        assert_eq!(ended.tell("a".to_owned()).await, Err(Gone));
        drop(ended);
        next.tell("b".to_owned()).await.expect("it is heard");
        assert_eq!(stream.next().await.as_deref(), Some("b"));
        drop((stream, next));
        assert!(streams.lock().by_caller.is_empty());
    }
}
