//! The bounds of the server's connections, and the times after which they end.

use std::time::Duration;

/// The bounds of the server's connections, and the times after which they end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerLimits {
    /// Connections at once. An Envoy has one, and a second one for the moment in which it opens its
    /// streams anew. When all are taken, a newcomer takes the place of the connection that has been
    /// without an Envoy for longest; where each has one, the newcomer is closed.
    pub connections: usize,
    /// How long an Envoy's connection lasts, and its streams, which end up to a tenth later: the
    /// Envoy comes back, to whichever server its load balancing finds.
    pub stream_age: Duration,
    /// How often an idle connection is probed; a dead Envoy is noticed after this and five seconds.
    pub keep_alive: Duration,
    /// The time over which streams end once the server is told to stop, where there are many of
    /// them: a hundred a second end in any case.
    pub drain: Duration,
    /// Bytes of all responses together that wait for their readers.
    pub unread_bytes: usize,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            // Three thousand Envoys, and a third of them opening their streams anew. A connection
            // takes some tens of kilobytes.
            connections: 4096,
            // Six hours spread a fleet anew on the day on which a server was added; much less would
            // have every Envoy of an older variant transfer its endpoints and routes again and
            // again.
            stream_age: Duration::from_secs(6 * 3600),
            keep_alive: Duration::from_secs(15),
            // Five hundred Envoys at a hundred a second. Whoever starts processes kills those that
            // take long to end: ten seconds are the shortest patience in use.
            drain: Duration::from_secs(5),
            // A thousand full batches. Envoys read a batch in milliseconds, so what waits for long
            // is what nobody reads.
            unread_bytes: 256 << 20,
        }
    }
}
