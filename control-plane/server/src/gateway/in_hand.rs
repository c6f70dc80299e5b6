//! The requests that may hold documents and generations at the same time. Whoever waits for that
//! holds what was sent and nothing else, and only so many wait.

use tokio::sync::{Semaphore, SemaphorePermit};

/// How many requests of a kind wait. More would wait longer than their clients do, each with what
/// it has sent.
pub(crate) const MOST_WAITING: usize = 32;

/// Changes. Those that wait for a server's first list, or for an Envoy to judge them, leave room
/// for the others; the generations of so many, of the largest document, come to some hundred MiB.
static CHANGES: Kind = Kind::new(8);
/// Trials, which hold as much, and no place of a change.
static TRIALS: Kind = Kind::new(4);
/// Questions about revisions and stored generations. They wait for the store alone, and two at a
/// time are worked on (`aside`).
static QUESTIONS: Kind = Kind::new(2);
/// The changes of others, told with a refusal: what was refused is in hand no more.
static PAST: Semaphore = Semaphore::const_new(2);

/// Requests that hold about as much.
struct Kind {
    places: Semaphore,
    line: Semaphore,
}

/// The permit to read documents and to make generations for one request. It is taken before the
/// first of them, and kept until the last is let go of.
#[derive(Debug)]
pub struct InHand {
    _place: SemaphorePermit<'static>,
}

/// The refusal of a request that would be one more than may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{MOST_WAITING} requests like this one wait already: send it again in a few seconds")]
pub struct Crowded;

impl Kind {
    const fn new(places: usize) -> Self {
        Self {
            places: Semaphore::const_new(places),
            line: Semaphore::const_new(MOST_WAITING),
        }
    }

    async fn take(&'static self) -> Result<InHand, Crowded> {
        // Where somebody waits, no place is free: it goes to who has waited longest.
        if let Ok(place) = self.places.try_acquire() {
            return Ok(InHand { _place: place });
        }
        let _waits = self.line.try_acquire().map_err(|_| Crowded)?;
        Ok(InHand::at(&self.places).await)
    }
}

impl InHand {
    /// Waits until a change may be made.
    ///
    /// # Errors
    /// When as many wait as may.
    pub async fn change() -> Result<Self, Crowded> {
        CHANGES.take().await
    }

    /// Waits until a change may be tried.
    ///
    /// # Errors
    /// As [`InHand::change`].
    pub async fn trial() -> Result<Self, Crowded> {
        TRIALS.take().await
    }

    /// Waits until a question about revisions may be worked out.
    ///
    /// # Errors
    /// As [`InHand::change`].
    pub async fn question() -> Result<Self, Crowded> {
        QUESTIONS.take().await
    }

    /// Waits until somebody may be told what others have changed. Whoever does has waited as a
    /// change already.
    pub async fn past() -> Self {
        Self::at(&PAST).await
    }

    async fn at(places: &'static Semaphore) -> Self {
        let place = places.acquire().await.expect("nobody closes it");
        Self { _place: place }
    }
}

#[cfg(test)]
impl InHand {
    /// All places that are free.
    pub(crate) fn every_place() -> Vec<Self> {
        let kinds = [&CHANGES, &TRIALS, &QUESTIONS].into_iter();
        let places = kinds.flat_map(|kind| std::iter::from_fn(|| kind.places.try_acquire().ok()));
        places.map(|place| Self { _place: place }).collect()
    }
}
