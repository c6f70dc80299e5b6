//! The streams that are open, by the ids that their clients were told.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::response::sse::Event;
use fair_shares::NoPlace;
use futures::{Stream as Events, StreamExt as _, stream};
use rmcp::service::serve_directly_with_ct;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::outlet::{EventDrain, EventLimits, WaitingEvents};
use super::stream::Stream;
use crate::call::{Claimant, Principal};
use crate::mcp::{Incoming, McpServer};
use crate::metrics::{Counted, SessionCounts};
use crate::transport::attended_messages::AttendedMessages;
use crate::transport::http::stream_places::{StreamPlace, StreamPlaces};

/// Bounds of the streams of one server.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct StreamLimits {
    /// Requests of one stream that are unanswered.
    pub(in super::super) calls: usize,
    /// Events that wait for one client: the answers of all its calls, and some progress.
    pub(in super::super) events: usize,
    /// Bytes of the events that wait for one client.
    pub(in super::super) stream_bytes: usize,
    /// Bytes of the events that wait for all clients.
    pub(in super::super) bytes: usize,
}

impl Default for StreamLimits {
    fn default() -> Self {
        Self {
            calls: 32,
            events: 256,
            // The answers of all calls of a stream at the threshold for events, 900 KiB each, and
            // half of what all have: no client alone keeps the others from theirs.
            stream_bytes: 32 << 20,
            bytes: 64 << 20,
        }
    }
}

/// The streams that are open.
pub(in super::super) struct Streams {
    pub(super) places: StreamPlaces,
    limits: StreamLimits,
    server: McpServer,
    counts: SessionCounts,
    open: Mutex<HashMap<String, OwnedStream>>,
    waiting: Arc<WaitingEvents>,
    stopping: CancellationToken,
}

/// A stream, and the caller who has opened it: nobody else sends anything there.
struct OwnedStream {
    stream: Stream,
    owner: Principal,
}

impl Streams {
    /// No stream yet. They end when `stopping` fires and their calls have ended.
    pub(in super::super) fn new(
        server: McpServer,
        counts: SessionCounts,
        places: StreamPlaces,
        stopping: CancellationToken,
    ) -> Self {
        let limits = StreamLimits::default();
        Self {
            places,
            limits,
            server,
            counts,
            open: Mutex::default(),
            waiting: Arc::new(WaitingEvents::new(EventLimits {
                events: limits.events,
                stream_bytes: limits.stream_bytes,
                bytes: limits.bytes,
            })),
            stopping,
        }
    }

    /// Opens a stream of this caller.
    ///
    /// # Errors
    /// Too many are open, of this caller or of all ([`NoPlace`]).
    pub(super) fn open(
        self: &Arc<Self>,
        owner: Principal,
        claimant: Claimant,
    ) -> Result<OpenStream, NoPlace> {
        let place = self.places.take(claimant.clone())?;
        let end = CancellationToken::new();
        let (outlet, drain) = self.waiting.open(claimant, end.clone());
        let stopping = self.stopping.clone();
        let (stream, transport) = Stream::new(outlet, self.limits.calls, stopping);
        // A client that reconnects by itself, as browsers do, goes on without a new handshake.
        let serving = serve_directly_with_ct(
            self.server.clone(),
            AttendedMessages::new(transport, Incoming::default),
            None,
            end.clone(),
        );
        tokio::spawn(async move {
            if let Err(error) = serving.waiting().await {
                tracing::warn!(%error, "an event stream was not served to its end");
            }
        });
        let id = Uuid::new_v4().simple().to_string();
        self.lock()
            .insert(id.clone(), OwnedStream { stream, owner });
        self.counts.begun.inc();
        Ok(OpenStream {
            id: id.clone(),
            drain,
            end: end.clone(),
            place: Place {
                streams: Arc::clone(self),
                id,
                end,
                _counted: Counted::in_gauge(&self.counts.connected),
                _place: place,
            },
        })
    }

    /// The open stream of this id, if it is this caller's.
    pub(super) fn find(&self, id: &str, caller: &Principal) -> Option<Stream> {
        let open = self.lock();
        let own = open.get(id).filter(|found| found.owner == *caller);
        own.map(|own| own.stream.clone())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, OwnedStream>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stream that has just been opened, before its events are sent.
pub(super) struct OpenStream {
    pub(super) id: String,
    drain: EventDrain,
    end: CancellationToken,
    place: Place,
}

impl OpenStream {
    /// The events of the stream, `first` before all others. The stream is closed when they are
    /// dropped: the client has gone.
    pub(super) fn events(self, first: Event) -> impl Events<Item = Event> + Send + 'static {
        let Self {
            drain, end, place, ..
        } = self;
        let messages = stream::unfold((drain, place), |(mut drain, place)| async {
            let data = drain.next().await?;
            Some((Event::default().event("message").data(data), (drain, place)))
        });
        stream::once(async { first })
            .chain(messages)
            .take_until(end.cancelled_owned())
    }
}

/// The place of one stream among those that are open, given back when this is dropped.
struct Place {
    streams: Arc<Streams>,
    id: String,
    end: CancellationToken,
    _counted: Counted,
    _place: StreamPlace,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.streams.lock().remove(&self.id);
        self.streams.server.end_session(&self.id);
        self.streams.counts.ended.inc();
        // What still runs for the client is stopped.
        self.end.cancel();
    }
}
