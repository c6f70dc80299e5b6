//! The events that wait for the clients of all streams: those of each stream bounded in number and
//! in bytes, all together in bytes. Whoever puts one never waits; a client that does not keep up
//! loses its stream, and where all together are too many, one of the caller with the most bytes
//! ends.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::call::Claimant;

/// Bounds of the events that wait.
#[derive(Debug, Clone, Copy)]
pub(super) struct EventLimits {
    /// Events of one stream.
    pub(super) events: usize,
    /// Bytes of one stream's events; an event that is larger may wait alone, and counts so much.
    pub(super) stream_bytes: usize,
    /// Bytes of the events of all streams.
    pub(super) bytes: usize,
}

/// The events that wait, stream by stream.
#[derive(Debug)]
pub(super) struct WaitingEvents {
    limits: EventLimits,
    queues: Mutex<Queues>,
}

#[derive(Debug, Default)]
struct Queues {
    /// By numbers that no stream has had before.
    by_stream: HashMap<u64, Queue>,
    opened: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Queue {
    caller: Claimant,
    events: VecDeque<String>,
    bytes: usize,
    came: Arc<Notify>,
    end: CancellationToken,
}

/// The client is gone, or takes its events too slowly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the event stream has ended")]
pub(super) struct Ended;

impl WaitingEvents {
    pub(super) fn new(limits: EventLimits) -> Self {
        Self {
            limits,
            queues: Mutex::default(),
        }
    }

    /// The two ends of the events of a caller's new stream. `end` fires when they are too many.
    pub(super) fn open(
        self: &Arc<Self>,
        caller: Claimant,
        end: CancellationToken,
    ) -> (Outlet, EventDrain) {
        let came = Arc::<Notify>::default();
        let queue = Queue {
            caller,
            events: VecDeque::new(),
            bytes: 0,
            came: Arc::clone(&came),
            end,
        };
        let mut queues = self.lock();
        queues.opened += 1;
        let stream = queues.opened;
        queues.by_stream.insert(stream, queue);
        let outlet = Outlet {
            waiting: Arc::clone(self),
            stream,
        };
        let drain = EventDrain {
            waiting: Arc::clone(self),
            stream,
            came,
        };
        (outlet, drain)
    }

    /// The bytes that an event counts.
    fn counted(&self, data: &str) -> usize {
        data.len().min(self.limits.stream_bytes)
    }

    fn put(&self, stream: u64, data: String) -> Result<(), Ended> {
        let bytes = self.counted(&data);
        let mut queues = self.lock();
        let queue = queues.by_stream.get_mut(&stream).ok_or(Ended)?;
        if queue.events.len() >= self.limits.events
            || queue.bytes + bytes > self.limits.stream_bytes
        {
            queues.end(stream);
            return Err(Ended);
        }
        queue.events.push_back(data);
        queue.bytes += bytes;
        queue.came.notify_one();
        queues.bytes += bytes;
        while queues.bytes > self.limits.bytes {
            let Some(slowest) = queues.slowest() else {
                break;
            };
            queues.end(slowest);
        }
        match queues.by_stream.contains_key(&stream) {
            true => Ok(()),
            false => Err(Ended),
        }
    }

    /// Takes the event that has waited longest; `None` where none waits.
    fn take(&self, stream: u64) -> Result<Option<String>, Ended> {
        let mut queues = self.lock();
        let queue = queues.by_stream.get_mut(&stream).ok_or(Ended)?;
        let Some(data) = queue.events.pop_front() else {
            return Ok(None);
        };
        let bytes = self.counted(&data);
        queue.bytes -= bytes;
        queues.bytes -= bytes;
        Ok(Some(data))
    }

    fn lock(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queues {
    /// The stream with the most bytes of the caller whose streams have the most together: nobody
    /// spreads over many streams what ends those of others.
    fn slowest(&self) -> Option<u64> {
        let mut of_callers = HashMap::<&Claimant, usize>::new();
        for queue in self.by_stream.values() {
            *of_callers.entry(&queue.caller).or_default() += queue.bytes;
        }
        let bytes = |queue: &Queue| (of_callers.get(&queue.caller).copied(), queue.bytes);
        let streams = self.by_stream.iter();
        let most = streams.max_by_key(|(_, queue)| bytes(queue));
        most.map(|(stream, _)| *stream)
    }

    /// Removes the events of a stream.
    fn remove(&mut self, stream: u64) -> Option<Queue> {
        let queue = self.by_stream.remove(&stream)?;
        self.bytes -= queue.bytes;
        queue.came.notify_one();
        Some(queue)
    }

    /// Ends a stream whose client is too slow; its events give their room back at once.
    fn end(&mut self, stream: u64) {
        if let Some(queue) = self.remove(stream) {
            tracing::warn!(
                bytes = queue.bytes,
                "an event stream ended because its client did not take what it was sent"
            );
            queue.end.cancel();
        }
    }
}

/// The near end of a stream's events. Clones write to the same stream.
#[derive(Debug, Clone)]
pub(super) struct Outlet {
    waiting: Arc<WaitingEvents>,
    stream: u64,
}

impl Outlet {
    /// Puts one event behind those that wait.
    ///
    /// # Errors
    /// The stream has ended, perhaps because there was no room for this event.
    pub(super) fn put(&self, data: String) -> Result<(), Ended> {
        self.waiting.put(self.stream, data)
    }
}

/// The far end of a stream's events; where it is dropped, those that wait are too.
#[derive(Debug)]
pub(super) struct EventDrain {
    waiting: Arc<WaitingEvents>,
    stream: u64,
    came: Arc<Notify>,
}

impl EventDrain {
    /// The next event; `None` once the stream has ended.
    pub(super) async fn next(&mut self) -> Option<String> {
        loop {
            match self.waiting.take(self.stream) {
                Ok(Some(data)) => return Some(data),
                Ok(None) => self.came.notified().await,
                Err(Ended) => return None,
            }
        }
    }
}

impl Drop for EventDrain {
    fn drop(&mut self) {
        self.waiting.lock().remove(self.stream);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Events of streams that may have so many, so many bytes, and so many bytes together.
    fn waiting(events: usize, stream_bytes: usize, bytes: usize) -> Arc<WaitingEvents> {
        Arc::new(WaitingEvents::new(EventLimits {
            events,
            stream_bytes,
            bytes,
        }))
    }

    fn open(waiting: &Arc<WaitingEvents>, end: CancellationToken) -> (Outlet, EventDrain) {
        waiting.open(Claimant::Unknown, end)
    }

    #[test]
    fn it_ends_a_stream_of_the_caller_with_the_most_bytes_however_many_streams_have_them() {
        let waiting = waiting(10, 8, 16);
        let open = |caller: &str| {
            let end = CancellationToken::new();
            let caller = Claimant::Named(caller.to_owned());
            let (outlet, drain) = waiting.open(caller, end.clone());
            (outlet, drain, end)
        };
        let ada = open("ada");
        let mallorys = [(); 4].map(|()| open("mallory"));
        assert_eq!(ada.0.put("12345".to_owned()), Ok(()));
        for (outlet, ..) in &mallorys[..3] {
            assert_eq!(outlet.put("abc".to_owned()), Ok(()));
        }
        let _ = mallorys[3].0.put("abc".to_owned());
        assert!(!ada.2.is_cancelled());
        let ended = mallorys.iter().filter(|(.., end)| end.is_cancelled());
        assert_eq!(ended.count(), 1);
    }

    #[test]
    fn it_ends_a_stream_whose_client_takes_nothing_and_never_waits_for_it() {
        for (events, stream_bytes) in [(2, 100), (100, 7)] {
            let waiting = waiting(events, stream_bytes, 1_000);
            let end = CancellationToken::new();
            let (outlet, _drain) = open(&waiting, end.clone());
            for _ in 0..2 {
                assert_eq!(outlet.put("abc".to_owned()), Ok(()));
            }
            assert!(!end.is_cancelled());
            assert_eq!(outlet.put("abc".to_owned()), Err(Ended));
            assert!(end.is_cancelled());
            assert_eq!(waiting.lock().bytes, 0);
        }
    }

    #[tokio::test]
    async fn it_ends_the_stream_with_the_most_bytes_and_not_the_one_that_comes_next() {
        let waiting = waiting(10, 8, 10);
        let [slow, quick] = [(); 2].map(|()| CancellationToken::new());
        let (to_slow, mut from_slow) = open(&waiting, slow.clone());
        let (to_quick, mut from_quick) = open(&waiting, quick.clone());
        assert_eq!(to_slow.put("12345678".to_owned()), Ok(()));
        assert_eq!(to_quick.put("ab".to_owned()), Ok(()));
        assert_eq!(to_quick.put("c".to_owned()), Ok(()));
        assert!(slow.is_cancelled() && !quick.is_cancelled());
        assert_eq!(to_slow.put("9".to_owned()), Err(Ended));
        assert_eq!(from_slow.next().await, None);
        assert_eq!(from_quick.next().await.as_deref(), Some("ab"));
        assert_eq!(from_quick.next().await.as_deref(), Some("c"));
        assert_eq!(waiting.lock().bytes, 0);
    }

    #[tokio::test]
    async fn it_gives_the_room_of_an_event_back_when_it_is_taken_or_its_client_has_gone() {
        let waiting = waiting(1, 3, 3);
        let (outlet, mut drain) = open(&waiting, CancellationToken::new());
        for _ in 0..3 {
            assert_eq!(outlet.put("longer than the bound".to_owned()), Ok(()));
            assert_eq!(waiting.lock().bytes, 3);
            assert!(drain.next().await.is_some());
            assert_eq!(waiting.lock().bytes, 0);
        }
        assert_eq!(outlet.put("left".to_owned()), Ok(()));
        drop(drain);
        assert_eq!(waiting.lock().bytes, 0);
        assert_eq!(outlet.put("late".to_owned()), Err(Ended));
    }

    #[tokio::test]
    async fn it_wakes_who_waits_for_an_event() {
        let (outlet, mut drain) = open(&waiting(1, 3, 3), CancellationToken::new());
        let (taken, put) = tokio::join!(drain.next(), async { outlet.put("abc".to_owned()) });
        assert_eq!((taken.as_deref(), put), (Some("abc"), Ok(())));
    }
}
