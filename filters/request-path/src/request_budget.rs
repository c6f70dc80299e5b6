//! The bytes that unfinished requests may take, all together, in one VM.
//!
//! Whoever sends a request slowly, or never ends it, makes the gateway keep its headers, its state,
//! and what has come of its body. So each worker has a budget: past it a request that wants more
//! room is refused. Small requests have a reserve that large ones cannot use up, and one that has
//! taken its time since room became short makes way for one that comes now. A body that arrives
//! whole needs no room for longer than one callback.
//!
//! A request that makes way is *leaving* until it is answered. That happens in its own next
//! callback, or in that of a request that is itself answered: to Envoy's module host, an answer to
//! whichever request ends the callback that it was given in, and a body that was to be kept there
//! would lose what had just come of it.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use mcp_message::Era;
use proxy_values::StreamId;
use smallvec::SmallVec;

use crate::budget_size::{BudgetSize, open_to};

/// The part of the budget that leaving requests may take besides: until one of them is answered,
/// nothing of it is free.
const LEAVING_PART: usize = 4;
/// How long a request may take once room is short. An honest client sends 1 MiB in that time over
/// 2 Mbit/s.
pub(crate) const SLOW: Duration = Duration::from_secs(5);

/// The budget of a VM. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct RequestBudget(Rc<RefCell<Ledger>>);

#[derive(Default)]
struct Ledger {
    /// The filter has a copy of what Envoy buffers, so Envoy's memory grows by about twice as much.
    size: BudgetSize,
    used: usize,
    /// The bytes of requests that make way and are not gone yet.
    leaving: usize,
    entries: Vec<Entry>,
    /// Places in `entries` of shares that are gone.
    free: Vec<usize>,
}

struct Entry {
    stream: StreamId,
    /// The bytes that the request takes while it is unfinished.
    bytes: usize,
    /// When room first became short while this request was there.
    short_since: Option<Duration>,
    caller: Option<WaitingCaller>,
    stage: Stage,
}

/// The fate of an unfinished request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It waits for its end.
    Kept,
    /// It makes way for another.
    Leaving,
    /// Leaving, and it has been answered.
    Answered,
}

/// Whom the answer to an unfinished call reaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WaitingCaller {
    pub(crate) era: Era,
    /// The id, as sent.
    pub(crate) id: NotedId,
}

/// The id of a call. A number, or a UUID between quotes, takes no allocation: one is noted for
/// nearly every call.
pub type NotedId = SmallVec<[u8; 40]>;

/// A request that makes way, and is still to be answered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Leaver {
    pub(crate) stream: StreamId,
    pub(crate) caller: Option<WaitingCaller>,
}

/// One request's part of the budget; given back when it is dropped.
pub(crate) struct Share {
    ledger: Rc<RefCell<Ledger>>,
    place: usize,
    /// The bytes that the request takes besides its body.
    base: usize,
}

impl RequestBudget {
    /// Makes room for a few of the largest bodies of a listener.
    pub(crate) fn admit(&self, max_body_bytes: usize) {
        self.0.borrow_mut().size.admit(max_body_bytes);
    }

    /// The requests that make way and that nobody has answered yet: each once, so whoever
    /// asks must answer them, in a callback of a request that is answered itself.
    pub(crate) fn leavers(&self) -> Vec<Leaver> {
        let mut ledger = self.0.borrow_mut();
        if ledger.leaving == 0 {
            return Vec::new();
        }
        let leaving = ledger.entries.iter_mut();
        let leaving = leaving.filter(|entry| entry.stage == Stage::Leaving);
        let leave = |entry: &mut Entry| {
            entry.stage = Stage::Answered;
            Leaver {
                stream: entry.stream,
                caller: entry.caller.take(),
            }
        };
        leaving.map(leave).collect()
    }

    /// A part for a request that takes `base` bytes besides its body: nothing until
    /// [`Share::grow_to`] is asked.
    pub(crate) fn open(&self, stream: StreamId, base: usize) -> Share {
        let entry = Entry {
            stream,
            bytes: 0,
            short_since: None,
            caller: None,
            stage: Stage::Kept,
        };
        let mut ledger = self.0.borrow_mut();
        let place = match ledger.free.pop() {
            Some(place) => place,
            None => ledger.entries.len(),
        };
        match ledger.entries.get_mut(place) {
            Some(gone) => *gone = entry,
            None => ledger.entries.push(entry),
        }
        Share {
            ledger: Rc::clone(&self.0),
            place,
            base,
        }
    }
}

impl Share {
    /// Whether the request makes way for another, and whether it has been answered.
    pub(crate) fn stage(&self) -> Stage {
        let ledger = self.ledger.borrow();
        let entry = ledger.entries.get(self.place);
        entry.map_or(Stage::Answered, |entry| entry.stage)
    }

    /// Says whom an answer reaches, in case the request has to make way.
    pub(crate) fn note_caller(&self, caller: impl FnOnce() -> Option<WaitingCaller>) {
        let mut ledger = self.ledger.borrow_mut();
        if let Some(entry) = ledger.entries.get_mut(self.place)
            && entry.caller.is_none()
        {
            entry.caller = caller();
        }
    }

    /// Asks for room for the request with so many bytes of its body, and says whether there is.
    #[must_use]
    pub(crate) fn grow_to(&self, body: usize) -> bool {
        self.ledger.borrow_mut().grow(self.place, self.bytes(body))
    }

    /// The same, where there was none: others that have taken their time make way.
    #[must_use]
    pub(crate) fn make_room(&self, body: usize, now: Duration) -> bool {
        let bytes = self.bytes(body);
        let mut ledger = self.ledger.borrow_mut();
        ledger.note_shortage(now);
        while !ledger.has_room(self.place, bytes)
            && let Some(slowest) = ledger.slowest(self.place, now)
        {
            ledger.make_way(slowest);
        }
        ledger.grow(self.place, bytes)
    }

    fn bytes(&self, body: usize) -> usize {
        self.base.saturating_add(body)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut ledger = self.ledger.borrow_mut();
        ledger.set(self.place, 0);
        if let Some(entry) = ledger.entries.get_mut(self.place) {
            entry.stage = Stage::Answered;
        }
        ledger.free.push(self.place);
    }
}

impl Ledger {
    fn has_room(&self, place: usize, bytes: usize) -> bool {
        let room = open_to(bytes, self.size.bytes());
        let own = self.entries.get(place).map_or(0, |entry| entry.bytes);
        self.used.saturating_sub(own).saturating_add(bytes) <= room
    }

    fn grow(&mut self, place: usize, bytes: usize) -> bool {
        let fits = self.has_room(place, bytes);
        if fits {
            self.set(place, bytes);
        }
        fits
    }

    fn set(&mut self, place: usize, bytes: usize) {
        if let Some(entry) = self.entries.get_mut(place) {
            let sum = match entry.stage {
                Stage::Kept => &mut self.used,
                Stage::Leaving | Stage::Answered => &mut self.leaving,
            };
            *sum = sum.saturating_sub(entry.bytes).saturating_add(bytes);
            entry.bytes = bytes;
        }
    }

    fn note_shortage(&mut self, now: Duration) {
        for entry in &mut self.entries {
            if entry.bytes > 0 {
                entry.short_since.get_or_insert(now);
            }
        }
    }

    /// Of the other requests that have taken their time, the one that has taken most, and of these
    /// the largest. None while enough are leaving.
    fn slowest(&self, place: usize, now: Duration) -> Option<usize> {
        if self.leaving >= self.size.bytes() / LEAVING_PART {
            return None;
        }
        let slow = self
            .entries
            .iter()
            .enumerate()
            .filter_map(|(other, entry)| {
                let is_candidate = entry.stage == Stage::Kept && entry.bytes > 0 && other != place;
                let taken = now.saturating_sub(entry.short_since.filter(|_| is_candidate)?);
                (taken >= SLOW).then_some((taken, entry.bytes, other))
            });
        slow.max().map(|(_, _, other)| other)
    }

    fn make_way(&mut self, place: usize) {
        if let Some(entry) = self.entries.get_mut(place) {
            entry.stage = Stage::Leaving;
            self.used = self.used.saturating_sub(entry.bytes);
            self.leaving = self.leaving.saturating_add(entry.bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget_size::{BYTES, RESERVE_PART, SMALL};

    const LARGE: usize = 1 << 20;

    fn grow(share: &Share, body: usize, seconds: u64) -> bool {
        share.grow_to(body) || share.make_room(body, Duration::from_secs(seconds))
    }

    fn fill(budget: &RequestBudget, bytes: usize) -> Vec<Share> {
        let mut shares = Vec::new();
        loop {
            let share = budget.open(StreamId(u32::try_from(shares.len()).unwrap()), 0);
            if !grow(&share, bytes, 100) {
                return shares;
            }
            shares.push(share);
        }
    }

    #[test]
    fn it_stops_at_the_budget_and_keeps_a_reserve_for_small_bodies() {
        let budget = RequestBudget::default();
        let large = fill(&budget, LARGE);
        assert_eq!(large.len() * LARGE, BYTES - BYTES / RESERVE_PART);
        let small = fill(&budget, SMALL);
        assert_eq!(small.len() * SMALL, BYTES / RESERVE_PART);
        drop(large);
        let again = fill(&budget, LARGE);
        assert_eq!(
            again.len() * LARGE,
            BYTES - BYTES / RESERVE_PART - small.len() * SMALL
        );
    }

    #[test]
    fn it_gives_back_what_is_dropped_and_uses_places_again() {
        let budget = RequestBudget::default();
        for _ in 0..1_000 {
            fill(&budget, LARGE);
        }
        assert_eq!(budget.0.borrow().used, 0);
        assert!(budget.0.borrow().entries.len() < 100);
    }

    #[test]
    fn it_counts_growth_once() {
        let budget = RequestBudget::default();
        let share = budget.open(StreamId(1), 0);
        for bytes in (0..LARGE).step_by(1_000) {
            assert!(grow(&share, bytes, 0));
            assert_eq!(budget.0.borrow().used, bytes);
        }
    }

    #[test]
    fn it_lets_slow_bodies_make_way_for_one_that_comes() {
        let budget = RequestBudget::default();
        let shares = fill(&budget, LARGE);
        let share = budget.open(StreamId(1_000), 0);
        // Room has been short for less than what counts as slow.
        assert!(!grow(&share, LARGE, 104));
        assert!(grow(&share, LARGE, 105));
        assert_eq!(share.stage(), Stage::Kept);
        let leaving = |shares: &[Share]| {
            shares
                .iter()
                .filter(|share| share.stage() == Stage::Leaving)
                .count()
        };
        assert_eq!(leaving(&shares), 1);
        // They do not free their memory before they are answered, so only so many may leave at
        // once.
        let more: Vec<Share> = (0..shares.len())
            .map(|_| budget.open(StreamId(2_000), 0))
            .filter(|share| grow(share, LARGE, 106))
            .collect();
        assert_eq!((more.len() + 1) * LARGE, BYTES / LEAVING_PART);
        // Each is answered once, and then makes room for others to leave.
        let leavers = budget.leavers();
        assert_eq!(leavers.len(), more.len() + 1);
        assert!(budget.leavers().is_empty());
        drop(shares);
        assert_eq!(budget.0.borrow().leaving, 0);
        assert!(grow(&share, LARGE, 106));
    }

    #[test]
    fn it_knows_whom_the_answer_to_a_leaver_reaches() {
        let budget = RequestBudget::default();
        let shares = fill(&budget, LARGE);
        let caller = WaitingCaller {
            era: Era::Modern,
            id: NotedId::from_slice(b"7"),
        };
        for share in &shares {
            share.note_caller(|| Some(caller.clone()));
        }
        let share = budget.open(StreamId(1_000), 0);
        assert!(grow(&share, LARGE, 105));
        let [leaver] = budget.leavers().try_into().unwrap();
        assert_eq!(leaver.caller, Some(caller));
        assert!(leaver.stream < StreamId(1_000));
    }

    #[test]
    fn it_admits_a_few_of_the_largest_bodies_that_any_listener_takes() {
        let budget = RequestBudget::default();
        budget.admit(BYTES);
        budget.admit(LARGE);
        assert_eq!(fill(&budget, BYTES).len(), 3);
    }
}
