//! The events of a gateway, for whoever follows it: a bounded ring, which every reader reads at
//! its own pace.
//!
//! Nobody waits for a reader. One that is so slow that the ring has come round has lost events, and
//! is told so instead of being shown a gap as if there were none.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use time::OffsetDateTime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// The events that are kept: enough for a reader that comes back after minutes of a busy rollout,
/// and a few hundred KiB at most.
const MOST_KEPT: usize = 1024;

/// The readers at once: a quarter of the connections that the API serves, so that whoever follows
/// events never keeps out whoever changes something.
const MOST_READERS: usize = 64;

/// Every kind of event. The description of the stream names each.
pub const KINDS: [&str; 10] = [
    "revision", "rollout", "envoy", "ack", "nack", "server", "endpoint", "secret", "tool", "denial",
];

/// Something that happened to the gateway.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its place among the events of this process, from 1.
    pub number: u64,
    /// When it was noticed.
    pub at: OffsetDateTime,
    /// The kind of event, such as `revision`.
    pub kind: &'static str,
    /// The particulars of the event.
    pub data: Value,
}

/// Events between a reader's place and the oldest that is kept are lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overtaken {
    /// The number of the oldest event that is kept.
    pub oldest: u64,
}

/// The events of this process. Readers find what they have not read yet by its number.
#[derive(Debug)]
pub struct Events {
    ring: Mutex<VecDeque<Arc<Event>>>,
    /// The number of the newest event, and whether there will be more.
    newest: watch::Sender<Newest>,
    /// Tells this process from others: numbers begin anew with each.
    epoch: i64,
    places: Arc<Semaphore>,
}

/// How far the events have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Newest {
    /// The number of the newest event; 0 while there is none.
    pub number: u64,
    /// Whether it is the last one, because the process ends.
    pub is_last: bool,
}

impl Default for Events {
    fn default() -> Self {
        let epoch = OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000_000;
        Self {
            ring: Mutex::default(),
            newest: watch::Sender::new(Newest {
                number: 0,
                is_last: false,
            }),
            epoch: i64::try_from(epoch).unwrap_or_default(),
            places: Arc::new(Semaphore::new(MOST_READERS)),
        }
    }
}

impl Events {
    /// A number that tells the events of this process from those of another.
    #[must_use]
    pub fn epoch(&self) -> i64 {
        self.epoch
    }

    /// A place for one more reader, as long as it is kept; none where all are taken.
    #[must_use]
    pub fn take_place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }

    /// Keeps an event, and wakes those who read.
    pub fn publish(&self, kind: &'static str, data: Value) {
        debug_assert!(
            KINDS.contains(&kind),
            "`{kind}` is a kind of event of its own"
        );
        let mut ring = self.ring();
        let number = self.newest.borrow().number + 1;
        if ring.len() == MOST_KEPT {
            ring.pop_front();
        }
        ring.push_back(Arc::new(Event {
            number,
            at: OffsetDateTime::now_utc(),
            kind,
            data,
        }));
        self.newest.send_modify(|newest| newest.number = number);
    }

    /// Up to `most` events after the one of this number.
    ///
    /// # Errors
    /// When events between are no longer kept.
    pub fn after(&self, number: u64, most: usize) -> Result<Vec<Arc<Event>>, Overtaken> {
        let ring = self.ring();
        let Some(oldest) = ring.front().map(|event| event.number) else {
            return Ok(Vec::new());
        };
        let next = number.saturating_add(1);
        if next < oldest {
            return Err(Overtaken { oldest });
        }
        let skipped = usize::try_from(next - oldest).unwrap_or(usize::MAX);
        Ok(ring.iter().skip(skipped).take(most).cloned().collect())
    }

    /// The newest event's number, whenever it changes.
    #[must_use]
    pub fn newest(&self) -> watch::Receiver<Newest> {
        self.newest.subscribe()
    }

    /// Ends every stream of events, because the process ends.
    pub fn close(&self) {
        self.newest.send_modify(|newest| newest.is_last = true);
    }

    fn ring(&self) -> MutexGuard<'_, VecDeque<Arc<Event>>> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_a_bounded_number_of_events_and_tells_a_reader_what_it_has_lost() {
        let events = Events::default();
        assert_eq!(events.after(0, 10), Ok(Vec::new()));
        for _ in 0..MOST_KEPT + 3 {
            events.publish("revision", Value::Null);
        }
        let numbers = |after| {
            let read = events.after(after, 2);
            read.map(|events| {
                events
                    .iter()
                    .map(|event| event.number)
                    .collect::<Vec<u64>>()
            })
        };
        assert_eq!(numbers(0), Err(Overtaken { oldest: 4 }));
        assert_eq!(numbers(2), Err(Overtaken { oldest: 4 }));
        assert_eq!(numbers(3), Ok(vec![4, 5]));
        let last = MOST_KEPT as u64 + 3;
        assert_eq!(numbers(last - 1), Ok(vec![last]));
        assert_eq!(numbers(last), Ok(vec![]));
        // A number that was never given is nobody's gap.
        assert_eq!(numbers(last + 9), Ok(vec![]));
    }
}
