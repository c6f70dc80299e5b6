//! The events that wait for the client of one stream: bounded in number, and together with those of
//! all other streams in bytes. Whoever puts one never waits; a client that does not keep up loses
//! its stream.

use std::sync::Arc;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

/// The bytes that may wait in all streams together, and how much of it is free.
#[derive(Debug, Clone)]
pub(super) struct ByteBudget {
    free: Arc<Semaphore>,
    whole: usize,
}

impl ByteBudget {
    pub(super) fn new(bytes: usize) -> Self {
        Self {
            free: Arc::new(Semaphore::new(bytes)),
            whole: bytes,
        }
    }

    /// The part for so many bytes; an event that is larger than the whole takes all of it.
    fn take(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let bytes = u32::try_from(bytes.min(self.whole)).ok()?;
        Arc::clone(&self.free).try_acquire_many_owned(bytes).ok()
    }
}

/// An event's data, and its part of the budget until it is taken.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) data: String,
    _part: OwnedSemaphorePermit,
}

/// The client is gone, or takes its events too slowly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the event stream has ended")]
pub(super) struct Ended;

/// The near end of a stream's events. Clones write to the same stream.
#[derive(Debug, Clone)]
pub(super) struct Outlet {
    waiting: mpsc::Sender<Waiting>,
    budget: ByteBudget,
    end: CancellationToken,
}

impl Outlet {
    /// An outlet in which `most` events may wait, and the far end. It fires `end` when there is no
    /// room.
    pub(super) fn new(
        most: usize,
        budget: ByteBudget,
        end: CancellationToken,
    ) -> (Self, mpsc::Receiver<Waiting>) {
        let (waiting, taken) = mpsc::channel(most);
        let outlet = Self {
            waiting,
            budget,
            end,
        };
        (outlet, taken)
    }

    /// Puts one event behind those that wait.
    ///
    /// # Errors
    /// The stream has ended, perhaps because there was no room for this event.
    pub(super) fn put(&self, data: String) -> Result<(), Ended> {
        let Some(part) = self.budget.take(data.len()) else {
            self.give_up();
            return Err(Ended);
        };
        match self.waiting.try_send(Waiting { data, _part: part }) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(_)) => {
                self.give_up();
                Err(Ended)
            }
            Err(TrySendError::Closed(_)) => Err(Ended),
        }
    }

    fn give_up(&self) {
        tracing::warn!("an event stream ended because its client did not take what it was sent");
        self.end.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_ends_a_stream_whose_client_takes_nothing_and_never_waits_for_it() {
        for (most, budget, room) in [(2, 100, 2), (100, 7, 2)] {
            let end = CancellationToken::new();
            let (outlet, _taken) = Outlet::new(most, ByteBudget::new(budget), end.clone());
            for _ in 0..room {
                assert_eq!(outlet.put("abc".to_owned()), Ok(()));
            }
            assert!(!end.is_cancelled());
            assert_eq!(outlet.put("abc".to_owned()), Err(Ended));
            assert!(end.is_cancelled());
        }
    }

    #[tokio::test]
    async fn it_gives_the_room_of_an_event_back_when_it_is_taken() {
        let budget = ByteBudget::new(3);
        let (outlet, mut taken) = Outlet::new(1, budget.clone(), CancellationToken::new());
        for _ in 0..3 {
            assert_eq!(outlet.put("longer than the budget".to_owned()), Ok(()));
            assert_eq!(budget.free.available_permits(), 0);
            drop(taken.recv().await);
            assert_eq!(budget.free.available_permits(), 3);
        }
    }
}
