//! The streams that are open, by the ids that their clients were told.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::response::sse::Event;
use futures::{Stream as Events, StreamExt as _, stream};
use rmcp::service::serve_directly_with_ct;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::outlet::{EventDrain, EventLimits, WaitingEvents};
use super::stream::Stream;
use crate::mcp::McpServer;
use crate::transport::http::incoming::PrincipalHeader;
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
    /// The way in which a message tells who sent it.
    pub(super) principals: PrincipalHeader,
    pub(super) places: StreamPlaces,
    limits: StreamLimits,
    server: McpServer,
    open: Mutex<HashMap<String, Stream>>,
    waiting: Arc<WaitingEvents>,
    stopping: CancellationToken,
}

impl Streams {
    /// No stream yet. They end when `stopping` fires and their calls have ended.
    pub(in super::super) fn new(
        principals: PrincipalHeader,
        server: McpServer,
        places: StreamPlaces,
        limits: StreamLimits,
        stopping: CancellationToken,
    ) -> Self {
        Self {
            principals,
            places,
            limits,
            server,
            open: Mutex::default(),
            waiting: Arc::new(WaitingEvents::new(EventLimits {
                events: limits.events,
                stream_bytes: limits.stream_bytes,
                bytes: limits.bytes,
            })),
            stopping,
        }
    }

    /// Opens a stream; `None` when too many are open.
    pub(super) fn open(self: &Arc<Self>) -> Option<OpenStream> {
        let place = self.places.take()?;
        let end = CancellationToken::new();
        let (outlet, drain) = self.waiting.open(end.clone());
        let stopping = self.stopping.clone();
        let (stream, transport) = Stream::new(outlet, self.limits.calls, stopping);
        // A client that reconnects by itself, as browsers do, goes on without a new handshake.
        let serving = serve_directly_with_ct(self.server.clone(), transport, None, end.clone());
        tokio::spawn(async move {
            if let Err(error) = serving.waiting().await {
                tracing::warn!(%error, "an event stream was not served to its end");
            }
        });
        let id = Uuid::new_v4().simple().to_string();
        self.lock().insert(id.clone(), stream);
        Some(OpenStream {
            id: id.clone(),
            drain,
            end: end.clone(),
            place: Place {
                streams: Arc::clone(self),
                id,
                end,
                _place: place,
            },
        })
    }

    /// The open stream of this id.
    pub(super) fn find(&self, id: &str) -> Option<Stream> {
        self.lock().get(id).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Stream>> {
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
    _place: StreamPlace,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.streams.lock().remove(&self.id);
        self.streams.server.end_session(&self.id);
        // What still runs for the client is stopped.
        self.end.cancel();
    }
}
