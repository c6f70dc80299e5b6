//! The places of the event streams that clients keep open, all kinds of them together.

use std::sync::Arc;

use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The share of the places that is left for streams which their clients cannot do without: a
/// quarter, because every client of a session opens a stream that it hardly ever needs.
const NEEDED_SHARE: usize = 4;

/// The places of the streams of one server.
#[derive(Debug, Clone)]
pub(super) struct StreamPlaces {
    most: usize,
    free: Arc<Semaphore>,
    open: Gauge,
}

/// The place of one open stream, given back when this is dropped.
#[derive(Debug)]
pub(super) struct StreamPlace {
    open: Gauge,
    _permit: OwnedSemaphorePermit,
}

impl StreamPlaces {
    /// Places for `most` streams at once, which `open` counts.
    pub(super) fn new(most: usize, open: Gauge) -> Self {
        Self {
            most,
            free: Arc::new(Semaphore::new(most)),
            open,
        }
    }

    /// How many there are.
    pub(super) fn most(&self) -> usize {
        self.most
    }

    /// A place for a stream without which its client hears nothing.
    pub(super) fn take(&self) -> Option<StreamPlace> {
        let permit = Arc::clone(&self.free).try_acquire_owned().ok()?;
        self.open.inc();
        Some(StreamPlace {
            open: self.open.clone(),
            _permit: permit,
        })
    }

    /// A place for a stream that its client can do without.
    pub(super) fn take_spare(&self) -> Option<StreamPlace> {
        let is_spare = self.free.available_permits() > self.most / NEEDED_SHARE;
        is_spare.then(|| self.take()).flatten()
    }
}

impl Drop for StreamPlace {
    fn drop(&mut self) {
        self.open.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_leaves_places_for_streams_that_their_clients_cannot_do_without() {
        let open = Gauge::default();
        let places = StreamPlaces::new(8, open.clone());
        let spare: Vec<_> = std::iter::from_fn(|| places.take_spare()).collect();
        let needed: Vec<_> = std::iter::from_fn(|| places.take()).collect();
        assert_eq!((spare.len(), needed.len(), open.get()), (6, 2, 8));
        drop((spare, needed));
        assert_eq!(open.get(), 0);
        assert!(places.take_spare().is_some());
    }
}
