//! Places that are given back when whoever took them drops them.

use std::hash::Hash;
use std::sync::{Arc, Mutex};

use crate::{Shares, lock};

/// A caller who takes places.
pub trait Taker: Clone + Eq + Hash {
    /// Whether many may stand behind it whom nothing tells apart.
    fn is_crowd(&self) -> bool;
}

/// So many places for all callers, and a share for each. Clones share the places.
#[derive(Debug)]
pub struct Places<Caller> {
    most: u64,
    taken: Arc<Mutex<Shares<Caller>>>,
}

impl<Caller> Clone for Places<Caller> {
    fn clone(&self) -> Self {
        Self {
            most: self.most,
            taken: Arc::clone(&self.taken),
        }
    }
}

/// Some places of one caller, given back when this is dropped.
#[derive(Debug)]
pub struct Place<Caller: Eq + Hash> {
    taken: Arc<Mutex<Shares<Caller>>>,
    caller: Caller,
    count: u64,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoPlace {
    /// There are not so many left.
    #[error("all places are taken")]
    AllTaken,
    /// There are some left, and the caller, who is one, has half of what the others leave.
    #[error("the caller has its share of the places")]
    ShareTaken,
}

impl<Caller: Taker> Shares<Caller> {
    /// Checks that a caller may have `more`, where there are `most` for all.
    pub(crate) fn check_room(&self, caller: &Caller, more: u64, most: u64) -> Result<(), NoPlace> {
        if !self.leave_room(more, most) {
            return Err(NoPlace::AllTaken);
        }
        match caller.is_crowd() || self.have_room(caller, more, most) {
            true => Ok(()),
            false => Err(NoPlace::ShareTaken),
        }
    }
}

impl<Caller: Taker> Places<Caller> {
    /// So many places, of which none is taken.
    pub fn new(most: usize) -> Self {
        Self {
            most: whole(most),
            taken: Arc::default(),
        }
    }

    /// Takes `count` places.
    ///
    /// # Errors
    /// [`NoPlace`].
    pub fn take(&self, caller: Caller, count: usize) -> Result<Place<Caller>, NoPlace> {
        self.take_up_to(self.most, caller, count)
    }

    /// Takes `count` places, if `left` of them stay for whoever needs them more.
    ///
    /// # Errors
    /// [`NoPlace`].
    pub fn take_leaving(
        &self,
        left: usize,
        caller: Caller,
        count: usize,
    ) -> Result<Place<Caller>, NoPlace> {
        self.take_up_to(self.most.saturating_sub(whole(left)), caller, count)
    }

    /// How many are taken.
    pub fn taken(&self) -> usize {
        usize::try_from(lock(&self.taken).of_all()).unwrap_or(usize::MAX)
    }

    fn take_up_to(
        &self,
        most: u64,
        caller: Caller,
        count: usize,
    ) -> Result<Place<Caller>, NoPlace> {
        let count = whole(count);
        let mut taken = lock(&self.taken);
        taken.check_room(&caller, count, most)?;
        taken.add(caller.clone(), count);
        Ok(Place {
            taken: Arc::clone(&self.taken),
            caller,
            count,
        })
    }
}

impl<Caller: Eq + Hash> Drop for Place<Caller> {
    fn drop(&mut self) {
        lock(&self.taken).remove(&self.caller, self.count);
    }
}

fn whole(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CROWD: &str = "crowd";

    impl Taker for &str {
        fn is_crowd(&self) -> bool {
            *self == CROWD
        }
    }

    #[test]
    fn it_gives_a_crowd_all_that_the_others_leave() {
        let places = Places::new(16);
        let ada = places.take("ada", 4).expect("her share");
        let crowd = places.take(CROWD, 12).expect("all the rest");
        assert_eq!(places.taken(), 16);
        for caller in [CROWD, "ada", "bob"] {
            assert_eq!(places.take(caller, 1).map(drop), Err(NoPlace::AllTaken));
        }
        assert!(places.take(CROWD, 0).is_ok());
        drop((ada, crowd));
        assert!(places.take(CROWD, 16).is_ok());
    }

    #[test]
    fn it_has_room_for_as_many_callers_as_halves_of_what_is_left() {
        for (most, callers) in [(64, 7), (128, 8), (256, 9)] {
            let places = Places::new(most);
            let names: Vec<_> = (0..callers).map(|one| one.to_string()).collect();
            let all = names.iter().map(|name| {
                let more = std::iter::from_fn(|| places.take(name.as_str(), 1).ok());
                more.collect::<Vec<_>>()
            });
            let all: Vec<_> = all.collect();
            assert!(all.iter().all(|places| !places.is_empty()));
            let refused = places.take("the next", 1).map(drop);
            assert_eq!(refused, Err(NoPlace::AllTaken), "{most}");
        }
    }

    #[test]
    fn it_keeps_room_for_others_whoever_takes_all_that_it_gets() {
        let places = Places::new(16);
        let all = |caller: &'static str| {
            let more = std::iter::from_fn(|| places.take(caller, 1).ok());
            more.collect::<Vec<_>>()
        };
        let [ada, bob] = [all("ada"), all("bob")];
        assert_eq!((ada.len(), bob.len()), (8, 4));
        assert_eq!(places.take("ada", 1).map(drop), Err(NoPlace::ShareTaken));
        assert_eq!(places.take("eve", 5).map(drop), Err(NoPlace::AllTaken));
        drop((ada, bob));
        assert!(places.take("eve", 8).is_ok());
    }

    #[test]
    fn it_leaves_places_for_those_who_need_them_more() {
        let places = Places::new(8);
        let spare: Vec<_> = ["ada", "bob", "eve", "joe", "kim", "leo", "mia"]
            .into_iter()
            .map(|caller| places.take_leaving(2, caller, 1))
            .collect();
        assert_eq!(spare.iter().filter(|place| place.is_ok()).count(), 6);
        assert!(matches!(spare.last(), Some(Err(NoPlace::AllTaken))));
        assert!(places.take("mia", 1).is_ok());
    }
}
