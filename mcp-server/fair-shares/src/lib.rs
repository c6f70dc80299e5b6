//! Shares of what there is little of, places or bytes, so that no caller takes what others need.
//!
//! A caller who is one may have half of what the others leave. Of 64 places one who is alone has
//! 32; callers who each take all that they get have 32, 16, 8, 4, 2, 1 and 1, so that it takes
//! seven of them to leave nothing for the next, and nine where there are 256. The rule needs no
//! list of callers, and no number for each.
//!
//! A crowd ([`Taker::is_crowd`]) may have all that the others leave: half of it would lie idle for
//! ever where nobody but the crowd comes. Nothing here keeps its members apart, nor room for others
//! beside it; whoever knows more of them bounds each.
//!
//! [`Shares`] counts for whoever decides by itself what is taken. A [`Place`] of [`Places`] is
//! given back when it is dropped, as is one of [`TieredPlaces`], of which some are kept for those
//! who cannot do without. For places that are soon free again callers wait in a [`FairQueue`]. A
//! [`Claimant`] is the caller of the data server as far as it is known.
//!
//! ```
//! use fair_shares::{NoPlace, Places, Taker};
//!
//! #[derive(Debug, Clone, PartialEq, Eq, Hash)]
//! struct Caller(&'static str);
//!
//! impl Taker for Caller {
//!     fn is_crowd(&self) -> bool {
//!         self.0 == "everybody else"
//!     }
//! }
//!
//! let places = Places::new(4);
//! let first = [(); 2].map(|()| places.take(Caller("ada"), 1));
//! assert!(first.iter().all(Result::is_ok));
//! assert_eq!(places.take(Caller("ada"), 1).map(drop), Err(NoPlace::ShareTaken));
//! assert!(places.take(Caller("everybody else"), 2).is_ok());
//! ```

mod claimant;
mod places;
mod queue;
mod tiered_places;

pub use claimant::Claimant;
pub use places::{NoPlace, Place, Places, Taker};
pub use queue::{FairQueue, NoTurn, Turn};
pub use tiered_places::TieredPlaces;

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The amounts that callers have taken of one thing.
#[derive(Debug, Clone)]
pub struct Shares<Caller> {
    by_caller: HashMap<Caller, u64>,
    all: u64,
}

impl<Caller> Default for Shares<Caller> {
    fn default() -> Self {
        Self {
            by_caller: HashMap::new(),
            all: 0,
        }
    }
}

impl<Caller: Eq + Hash> Shares<Caller> {
    /// Whether this caller may have `more`, where there are `most` for all. For nothing there is
    /// always room.
    pub fn have_room(&self, caller: &Caller, more: u64, most: u64) -> bool {
        let own = self.of(caller);
        let left = most.saturating_sub(self.all - own);
        more == 0 || own.saturating_add(more) <= left.div_ceil(2)
    }

    /// Whether so much is left for `more` to be taken, by whomever, where there are `most` for all.
    /// For nothing there is always room.
    pub fn leave_room(&self, more: u64, most: u64) -> bool {
        more == 0 || self.all.saturating_add(more) <= most
    }

    /// The amount that all callers have taken together.
    pub fn of_all(&self) -> u64 {
        self.all
    }

    /// The amount that this caller has taken.
    pub fn of(&self, caller: &Caller) -> u64 {
        self.by_caller.get(caller).copied().unwrap_or_default()
    }

    /// Counts more as taken, be there room or not.
    pub fn add(&mut self, caller: Caller, more: u64) {
        let own = self.by_caller.entry(caller).or_default();
        let before = *own;
        *own = before.saturating_add(more);
        self.all = self.all.saturating_add(*own - before);
    }

    /// Counts no longer what was counted.
    pub fn remove(&mut self, caller: &Caller, less: u64) {
        let Some(own) = self.by_caller.get_mut(caller) else {
            return;
        };
        let less = less.min(*own);
        *own -= less;
        self.all -= less;
        if *own == 0 {
            self.by_caller.remove(caller);
        }
    }
}

/// Locks what is consistent between any two steps, also where somebody has panicked.
fn lock<T>(taken: &Mutex<T>) -> MutexGuard<'_, T> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_room_for_half_of_what_others_leave() {
        let mut shares = Shares::default();
        for (caller, room) in [("ada", 50), ("bob", 25), ("eve", 13), ("joe", 6)] {
            assert!(shares.have_room(&caller, room, 100), "{caller}");
            assert!(!shares.have_room(&caller, room + 1, 100), "{caller}");
            shares.add(caller, room);
            assert!(!shares.have_room(&caller, 1, 100), "{caller}");
        }
        assert_eq!(shares.of_all(), 94);
        assert!(shares.have_room(&"ada", 0, 10));
        shares.remove(&"ada", 50);
        assert!(shares.have_room(&"ada", 28, 100));
    }

    #[test]
    fn it_gives_the_last_place_to_whoever_comes() {
        let mut shares = Shares::default();
        assert!(shares.have_room(&"ada", 1, 1));
        shares.add("ada", 1);
        assert!(!shares.have_room(&"bob", 1, 1) && !shares.have_room(&"ada", 1, 1));
    }

    #[test]
    fn it_remembers_no_caller_who_has_nothing_and_never_counts_below_nothing() {
        let mut shares = Shares::default();
        shares.add("ada", 3);
        shares.remove(&"bob", 1);
        shares.remove(&"ada", 5);
        assert!(shares.by_caller.is_empty() && shares.of_all() == 0);
        shares.add("ada", u64::MAX);
        shares.add("ada", 1);
        shares.remove(&"ada", u64::MAX);
        assert_eq!(shares.of_all(), 0);
    }
}
