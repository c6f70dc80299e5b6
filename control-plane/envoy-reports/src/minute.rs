//! Counts of the last minute beside counts of all time.

use std::time::Duration;

/// How many parts the last minute has, of which the oldest leaves it at a time.
pub(crate) const SLOTS: usize = 6;
/// The length of a part, in seconds: two reports of an Envoy that reports as often as most do.
const SLOT_SECONDS: u64 = 10;

/// The number of the part of a minute that a time is in, since some beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Slot(u64);

impl Slot {
    pub(crate) fn at(since_beginning: Duration) -> Self {
        Self(since_beginning.as_secs() / SLOT_SECONDS)
    }

    /// How many parts have begun since `earlier`.
    pub(crate) fn after(self, earlier: Self) -> usize {
        usize::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(usize::MAX)
    }
}

/// A number of things that were counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// All of them, since this process began to listen.
    pub total: u64,
    /// Those of the last minute, up to ten seconds less.
    pub last_minute: u64,
}

/// A count that goes on.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counted {
    total: u64,
    slots: [u64; SLOTS],
    newest: Slot,
}

impl Counted {
    pub(crate) fn add(&mut self, amount: u64, now: Slot) {
        self.move_on(now);
        self.total = self.total.saturating_add(amount);
        self.slots[0] = self.slots[0].saturating_add(amount);
    }

    pub(crate) fn count(&self, now: Slot) -> Count {
        let mut moved = *self;
        moved.move_on(now);
        Count {
            total: moved.total,
            last_minute: moved
                .slots
                .iter()
                .fold(0, |sum, slot| sum.saturating_add(*slot)),
        }
    }

    fn move_on(&mut self, now: Slot) {
        let by = now.after(self.newest).min(SLOTS);
        self.slots.rotate_right(by % SLOTS);
        self.slots[..by].fill(0);
        self.newest = self.newest.max(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_forgets_a_part_of_the_minute_when_it_is_over_and_never_the_total() {
        let at = |seconds| Slot::at(Duration::from_secs(seconds));
        let mut counted = Counted::default();
        counted.add(1, at(0));
        counted.add(2, at(9));
        counted.add(4, at(10));
        counted.add(8, at(55));
        let last_minute = |seconds| counted.count(at(seconds)).last_minute;
        assert_eq!(last_minute(55), 15);
        assert_eq!(last_minute(60), 12);
        assert_eq!(last_minute(70), 8);
        assert_eq!(last_minute(109), 8);
        assert_eq!(last_minute(110), 0);
        assert_eq!(last_minute(100_000), 0);
        assert_eq!(counted.count(at(100_000)).total, 15);
    }
}
