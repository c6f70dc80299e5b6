//! The traits that stand between a filter and the proxy.

use std::time::Duration;

use policy_engine::UnixNanos;

use crate::{HeaderPairs, LocalReply, StreamId};

/// The headers of the request, while they have not been passed on.
pub trait RequestHeaders {
    /// All headers, in their order, a repeated one as often as it was sent.
    fn header_pairs(&self) -> HeaderPairs;

    /// Sets a header to one value. Where it may have been sent more than once, remove it first: the
    /// proxy replaces the first only.
    fn set_header(&self, name: &str, value: &str);

    /// Removes a header, however often it is there.
    fn remove_header(&self, name: &[u8]);
}

/// The bytes of the request's body that the proxy holds.
pub trait RequestBody {
    /// `length` bytes from offset `from` of what is buffered; fewer where fewer are buffered.
    fn body(&self, from: usize, length: usize) -> Vec<u8>;

    /// Puts other bytes in the place of all that is buffered.
    fn replace_body(&self, bytes: &[u8]);
}

/// Answers that do not come from upstream: the filter's own, and what the proxy needs for its own.
pub trait Answering {
    /// Answers the request; nothing more of it goes upstream.
    fn reply(&self, reply: &LocalReply<'_>);

    /// Answers another request of the same worker, which waits, in the course of a callback for
    /// `own`.
    fn reply_to(&self, other: StreamId, own: StreamId, reply: &LocalReply<'_>);

    /// Notes a value for the rest of the request, where the proxy's own answers find it: in Envoy,
    /// the filter state `wasm.<name>`. It goes neither upstream nor to the client by itself.
    fn note(&self, name: &str, value: &[u8]);
}

/// A moment in the life of a shared value; compare-and-set names the one that it expects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version(pub u32);

/// A value that all workers share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedValue {
    /// The value; empty where nothing was ever stored.
    pub bytes: Vec<u8>,
    /// The version that a compare-and-set that follows must name.
    pub version: Version,
}

/// Somebody else has stored a value since it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conflict;

/// Values that all workers of the process share, under keys that are never freed: use few.
pub trait SharedData {
    /// The value and its version.
    fn read(&self, key: &str) -> SharedValue;

    /// Stores a value if the present one is still of `version`.
    ///
    /// # Errors
    /// It is not; nothing was stored.
    fn compare_and_set(&self, key: &str, bytes: &[u8], version: Version) -> Result<(), Conflict>;
}

/// A metric of the proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MetricId(pub u32);

/// The kind of value that a metric keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MetricKind {
    /// It counts, and only goes up.
    Counter,
    /// It stands at the value that was last set.
    Gauge,
    /// It collects values and shows their distribution.
    Histogram,
}

/// The proxy's statistics. A metric once defined is never freed, nor is its name: define few, and
/// each once per VM.
pub trait Metrics {
    /// The metric of this name; none where the proxy does not give one.
    fn define_metric(&self, kind: MetricKind, name: &str) -> Option<MetricId>;

    /// Adds one to a counter.
    fn increment(&self, metric: MetricId);

    /// Sets a gauge, or adds a value to a histogram.
    fn record(&self, metric: MetricId, value: u64);
}

/// The clocks of the proxy.
pub trait Clock {
    /// The time of day.
    fn now(&self) -> UnixNanos;

    /// Time since some fixed moment; never goes back.
    fn monotonic(&self) -> Duration;
}
