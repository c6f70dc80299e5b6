//! A proxy in memory, for tests: what a filter did can be asked afterwards.

#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use policy_engine::UnixNanos;

use crate::{
    Answering, Clock, Conflict, HeaderPairs, LocalReply, MetricId, MetricKind, Metrics,
    RequestBody, RequestHeaders, SharedData, SharedValue, StreamId, Version,
};

/// A reply that a filter gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentReply {
    /// The HTTP status of the reply.
    pub status: u16,
    /// The headers of the reply.
    pub headers: Vec<(String, String)>,
    /// The body of the reply.
    pub body: String,
    /// The word for the access log.
    pub details: String,
}

impl From<&LocalReply<'_>> for SentReply {
    fn from(reply: &LocalReply<'_>) -> Self {
        let headers = reply.headers.iter();
        Self {
            status: reply.status,
            headers: headers
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            body: reply.body.to_owned(),
            details: reply.details.to_owned(),
        }
    }
}

/// The state that outlives a request: the shared data, the statistics and the time of the process.
/// Clones share it.
#[derive(Debug, Clone, Default)]
pub struct FakeProcess {
    shared: Rc<RefCell<BTreeMap<String, SharedValue>>>,
    metrics: Rc<RefCell<Vec<(String, MetricKind, u64)>>>,
    now: Rc<Cell<u64>>,
    replies_to_others: Rc<RefCell<Vec<(StreamId, SentReply)>>>,
    /// How many of the next compare-and-sets lose to another worker.
    lost_races: Rc<Cell<u32>>,
}

/// One request in a [`FakeProcess`].
#[derive(Debug, Clone, Default)]
pub struct FakeProxy {
    process: FakeProcess,
    headers: RefCell<Vec<(String, Vec<u8>)>>,
    body: RefCell<Vec<u8>>,
    reply: RefCell<Option<SentReply>>,
    notes: RefCell<BTreeMap<String, Vec<u8>>>,
    lost_headers: Cell<usize>,
}

impl FakeProcess {
    /// A process that has just started, at some moment in 2026.
    #[must_use]
    pub fn new() -> Self {
        let process = Self::default();
        process.now.set(1_790_000_000_000_000_000);
        process
    }

    /// Lets time pass for the filter.
    pub fn advance(&self, by: Duration) {
        self.now
            .set(self.now.get() + u64::try_from(by.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Makes the next compare-and-sets find that another worker has stored the same bytes again.
    pub fn lose_races(&self, count: u32) {
        self.lost_races.set(count);
    }

    /// The value of a metric: a counter's or gauge's, or how many values a histogram has; none
    /// where it is not defined.
    #[must_use]
    pub fn metric(&self, name: &str) -> Option<u64> {
        self.metrics
            .borrow()
            .iter()
            .find(|(known, _, _)| known == name)
            .map(|(_, _, value)| *value)
    }

    /// The replies that filters gave to requests other than the one that they were asked about.
    #[must_use]
    pub fn replies_to_others(&self) -> Vec<(StreamId, SentReply)> {
        self.replies_to_others.borrow().clone()
    }

    /// How many metrics are defined.
    #[must_use]
    pub fn metric_count(&self) -> usize {
        self.metrics.borrow().len()
    }

    /// The keys of the shared data.
    #[must_use]
    pub fn shared_keys(&self) -> Vec<String> {
        self.shared.borrow().keys().cloned().collect()
    }
}

impl FakeProxy {
    /// A request without headers in a process of its own.
    #[must_use]
    pub fn new() -> Self {
        Self::in_process(&FakeProcess::new())
    }

    /// A request without headers in a process.
    #[must_use]
    pub fn in_process(process: &FakeProcess) -> Self {
        Self {
            process: process.clone(),
            ..Self::default()
        }
    }

    /// The request, with these headers instead of what it had.
    #[must_use]
    pub fn with_headers<'a>(self, headers: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Self {
        let headers = headers
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_vec()));
        self.headers.replace(headers.collect());
        self
    }

    /// Hands over so many headers fewer than it announces, as a proxy does that runs out of memory.
    pub fn lose_headers(&self, count: usize) {
        self.lost_headers.set(count);
    }

    /// Adds to what is buffered of the body.
    pub fn receive(&self, bytes: &[u8]) {
        self.body.borrow_mut().extend_from_slice(bytes);
    }

    /// How many bytes of the body are buffered.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.body.borrow().len()
    }

    /// Passes on what is buffered of the body, and returns it.
    pub fn pass_on(&self) -> Vec<u8> {
        self.body.take()
    }

    /// The values of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Vec<String> {
        let headers = self.headers.borrow();
        let values = headers.iter().filter(|(known, _)| known == name);
        values
            .map(|(_, value)| String::from_utf8_lossy(value).into_owned())
            .collect()
    }

    /// The values that the filter has noted for the proxy, by name.
    #[must_use]
    pub fn notes(&self) -> BTreeMap<String, String> {
        let notes = self.notes.borrow();
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        notes
            .iter()
            .map(|(name, value)| (name.clone(), text(value)))
            .collect()
    }

    /// The reply that the filter gave, if it did.
    #[must_use]
    pub fn sent_reply(&self) -> Option<SentReply> {
        self.reply.borrow().clone()
    }

    /// A filter is done with a request once it has answered it: whatever it does then is a fault.
    fn must_be_unanswered(&self, done: &str) {
        let reply = self.reply.borrow();
        assert!(reply.is_none(), "`{done}` behind a reply: {reply:?}");
    }
}

impl RequestHeaders for FakeProxy {
    fn header_pairs(&self) -> HeaderPairs {
        let headers = self.headers.borrow();
        let whole = HeaderPairs::of(
            headers
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_slice())),
        );
        let lost = headers.iter().rev().take(self.lost_headers.get());
        let lost: usize = lost.map(|(name, value)| name.len() + value.len() + 2).sum();
        let kept = whole.block().len() - lost;
        HeaderPairs::from_block(whole.block().iter().take(kept).copied().collect())
    }

    fn set_header(&self, name: &str, value: &str) {
        self.must_be_unanswered(name);
        let mut headers = self.headers.borrow_mut();
        // As Envoy does: the first is replaced, others stay.
        match headers.iter_mut().find(|(known, _)| known == name) {
            Some((_, present)) => *present = value.as_bytes().to_vec(),
            None => headers.push((name.to_owned(), value.as_bytes().to_vec())),
        }
    }

    fn remove_header(&self, name: &[u8]) {
        self.must_be_unanswered("a header that goes");
        self.headers
            .borrow_mut()
            .retain(|(known, _)| known.as_bytes() != name);
    }
}

impl RequestBody for FakeProxy {
    fn body(&self, from: usize, length: usize) -> Vec<u8> {
        let body = self.body.borrow();
        let end = from.saturating_add(length).min(body.len());
        body.get(from..end).unwrap_or_default().to_vec()
    }

    fn replace_body(&self, bytes: &[u8]) {
        self.must_be_unanswered("another body");
        self.body.replace(bytes.to_vec());
    }
}

impl Answering for FakeProxy {
    fn reply(&self, reply: &LocalReply<'_>) {
        self.must_be_unanswered(reply.details);
        self.reply.replace(Some(reply.into()));
    }

    fn reply_to(&self, other: StreamId, own: StreamId, reply: &LocalReply<'_>) {
        assert_ne!(other, own, "a request that answers itself as another");
        let mut replies = self.process.replies_to_others.borrow_mut();
        let is_answered = replies.iter().any(|(answered, _)| *answered == other);
        assert!(!is_answered, "a second reply to {other:?}: {reply:?}");
        replies.push((other, reply.into()));
    }

    fn note(&self, name: &str, value: &[u8]) {
        self.must_be_unanswered(name);
        self.notes
            .borrow_mut()
            .insert(name.to_owned(), value.to_vec());
    }
}

impl SharedData for FakeProcess {
    fn read(&self, key: &str) -> SharedValue {
        let absent = SharedValue {
            bytes: Vec::new(),
            version: Version(u32::MAX),
        };
        self.shared.borrow().get(key).cloned().unwrap_or(absent)
    }

    fn compare_and_set(&self, key: &str, bytes: &[u8], version: Version) -> Result<(), Conflict> {
        let present = SharedData::read(self, key);
        let next = Version(present.version.0.wrapping_add(1).max(1));
        let mut shared = self.shared.borrow_mut();
        if let Some(left) = self.lost_races.get().checked_sub(1) {
            self.lost_races.set(left);
            shared.insert(
                key.to_owned(),
                SharedValue {
                    bytes: present.bytes,
                    version: next,
                },
            );
            return Err(Conflict);
        }
        if present.version != version {
            return Err(Conflict);
        }
        shared.insert(
            key.to_owned(),
            SharedValue {
                bytes: bytes.to_vec(),
                version: next,
            },
        );
        Ok(())
    }
}

impl Metrics for FakeProcess {
    fn define_metric(&self, kind: MetricKind, name: &str) -> Option<MetricId> {
        let mut metrics = self.metrics.borrow_mut();
        metrics.push((name.to_owned(), kind, 0));
        u32::try_from(metrics.len() - 1).ok().map(MetricId)
    }

    fn increment(&self, metric: MetricId) {
        let mut metrics = self.metrics.borrow_mut();
        if let Some((_, _, value)) = usize::try_from(metric.0)
            .ok()
            .and_then(|index| metrics.get_mut(index))
        {
            *value += 1;
        }
    }

    fn record(&self, metric: MetricId, value: u64) {
        let mut metrics = self.metrics.borrow_mut();
        match usize::try_from(metric.0)
            .ok()
            .and_then(|index| metrics.get_mut(index))
        {
            Some((_, MetricKind::Histogram, count)) => *count += 1,
            Some((_, _, present)) => *present = value,
            None => {}
        }
    }
}

impl Clock for FakeProcess {
    fn now(&self) -> UnixNanos {
        UnixNanos(self.now.get())
    }

    fn monotonic(&self) -> Duration {
        Duration::from_nanos(self.now.get())
    }
}

impl SharedData for FakeProxy {
    fn read(&self, key: &str) -> SharedValue {
        SharedData::read(&self.process, key)
    }

    fn compare_and_set(&self, key: &str, bytes: &[u8], version: Version) -> Result<(), Conflict> {
        self.process.compare_and_set(key, bytes, version)
    }
}

impl Metrics for FakeProxy {
    fn define_metric(&self, kind: MetricKind, name: &str) -> Option<MetricId> {
        self.process.define_metric(kind, name)
    }

    fn increment(&self, metric: MetricId) {
        self.process.increment(metric);
    }

    fn record(&self, metric: MetricId, value: u64) {
        self.process.record(metric, value);
    }
}

impl Clock for FakeProxy {
    fn now(&self) -> UnixNanos {
        self.process.now()
    }

    fn monotonic(&self) -> Duration {
        self.process.monotonic()
    }
}
