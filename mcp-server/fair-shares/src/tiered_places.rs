//! Places for two kinds of things: those that callers cannot do without, and those that they can.

use std::sync::{Arc, Mutex};

use crate::{NoPlace, Place, Places, Taker, lock};

/// Places of which some are kept for what callers cannot do without. Nobody's share of one kind is
/// less for what it has of the other. Clones share the places.
#[derive(Debug)]
pub struct TieredPlaces<Caller> {
    most: usize,
    /// Those that are left for what callers cannot do without.
    kept: usize,
    needed: Places<Caller>,
    spare: Places<Caller>,
    /// Whoever has the turn takes a place: of both kinds together no more are taken than there are.
    turn: Arc<Mutex<()>>,
}

impl<Caller> Clone for TieredPlaces<Caller> {
    fn clone(&self) -> Self {
        Self {
            most: self.most,
            kept: self.kept,
            needed: self.needed.clone(),
            spare: self.spare.clone(),
            turn: Arc::clone(&self.turn),
        }
    }
}

impl<Caller: Taker> TieredPlaces<Caller> {
    /// So many places, of which none is taken, and so many of them kept.
    pub fn new(most: usize, kept: usize) -> Self {
        Self {
            most,
            kept,
            needed: Places::new(most),
            spare: Places::new(most.saturating_sub(kept)),
            turn: Arc::default(),
        }
    }

    /// How many there are.
    pub fn most(&self) -> usize {
        self.most
    }

    /// A place for something that its caller cannot do without.
    ///
    /// # Errors
    /// [`NoPlace`].
    pub fn take(&self, caller: Caller) -> Result<Place<Caller>, NoPlace> {
        let _turn = lock(&self.turn);
        self.needed.take_leaving(self.spare.taken(), caller, 1)
    }

    /// A place for something that its caller can do without.
    ///
    /// # Errors
    /// [`NoPlace`].
    pub fn take_spare(&self, caller: Caller) -> Result<Place<Caller>, NoPlace> {
        let _turn = lock(&self.turn);
        let beyond = self.needed.taken().saturating_sub(self.kept);
        self.spare.take_leaving(beyond, caller, 1)
    }
}
