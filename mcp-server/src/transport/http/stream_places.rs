//! The places of the event streams that clients keep open, all kinds of them together.

use fair_shares::{NoPlace, Place, TieredPlaces};
use prometheus_client::metrics::gauge::Gauge;

use crate::call::Claimant;
use crate::metrics::Counted;

/// The share of the places that is left for streams which their clients cannot do without: a
/// quarter, because every client of a session opens a stream that it hardly ever needs.
const NEEDED_SHARE: usize = 4;

/// The places of the streams of one server.
#[derive(Debug, Clone)]
pub(super) struct StreamPlaces {
    places: TieredPlaces<Claimant>,
    open: Gauge,
}

/// The place of one open stream, given back when this is dropped.
#[derive(Debug)]
pub(super) struct StreamPlace {
    _counted: Counted,
    _place: Place<Claimant>,
}

impl StreamPlaces {
    /// Places for `most` streams at once, which `open` counts.
    pub(super) fn new(most: usize, open: Gauge) -> Self {
        Self {
            places: TieredPlaces::new(most, most / NEEDED_SHARE),
            open,
        }
    }

    /// How many there are.
    pub(super) fn most(&self) -> usize {
        self.places.most()
    }

    /// A place for a stream without which its client hears nothing.
    ///
    /// # Errors
    /// [`NoPlace`].
    pub(super) fn take(&self, caller: Claimant) -> Result<StreamPlace, NoPlace> {
        Ok(self.counted(self.places.take(caller)?))
    }

    /// A place for a stream that its client can do without.
    ///
    /// # Errors
    /// [`NoPlace`].
    pub(super) fn take_spare(&self, caller: Claimant) -> Result<StreamPlace, NoPlace> {
        Ok(self.counted(self.places.take_spare(caller)?))
    }

    fn counted(&self, place: Place<Claimant>) -> StreamPlace {
        StreamPlace {
            _counted: Counted::in_gauge(&self.open),
            _place: place,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(take: impl Fn() -> Result<StreamPlace, NoPlace>) -> Vec<StreamPlace> {
        std::iter::from_fn(|| take().ok()).collect()
    }

    #[test]
    fn it_counts_the_shares_of_either_kind_apart() {
        let places = StreamPlaces::new(128, Gauge::default());
        let [ada, bob] = ["ada", "bob"].map(|name| Claimant::Named(name.to_owned()));
        let spare = [&ada, &bob].map(|one| all(|| places.take_spare(one.clone())));
        assert_eq!(spare.each_ref().map(Vec::len), [48, 24]);
        // Half of the 56 that the streams of sessions leave.
        let needed = all(|| places.take(ada.clone()));
        assert_eq!(needed.len(), 28);
    }

    #[test]
    fn it_has_all_places_for_callers_whom_nobody_names() {
        let places = StreamPlaces::new(128, Gauge::default());
        let crowd = || Claimant::Unknown;
        let spare = all(|| places.take_spare(crowd()));
        let needed = all(|| places.take(crowd()));
        assert_eq!((spare.len(), needed.len()), (96, 32));
        drop(spare);
        let more = all(|| places.take(crowd()));
        assert_eq!(more.len(), 96);
        assert_eq!(places.take_spare(crowd()).map(drop), Err(NoPlace::AllTaken));
    }

    #[test]
    fn it_leaves_places_for_streams_that_their_clients_cannot_do_without() {
        let open = Gauge::default();
        let places = StreamPlaces::new(8, open.clone());
        let callers = || (0..8).map(|one| Claimant::Named(format!("{one}")));
        let spare: Vec<_> = callers().flat_map(|one| places.take_spare(one)).collect();
        let needed: Vec<_> = callers().flat_map(|one| places.take(one)).collect();
        assert_eq!((spare.len(), needed.len(), open.get()), (6, 2, 8));
        drop((spare, needed));
        assert_eq!(open.get(), 0);
        assert!(places.take_spare(Claimant::Unknown).is_ok());
    }
}
