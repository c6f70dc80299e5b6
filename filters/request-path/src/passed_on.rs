//! The bytes of bodies that were passed on, all together, in one VM.
//!
//! A body that was passed on stays in Envoy until its server has read it, and a server may read
//! nothing. Envoy does not tell the filter when that is, short of a callback for each response, so
//! the body counts until its request ends, which a server that is well may put off, too: a stream
//! of events ends when its client goes. So this budget is apart from that of unfinished requests,
//! and no server may have more of it than it leaves free, of which large bodies may have three
//! quarters. So one server that reads nothing shuts out no other; each more that is full leaves
//! half to the rest, and after six of them a body of 1 MiB still finds room. Nothing makes way
//! here, because the server may be at work on it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::budget_size::{BudgetSize, open_to};

/// A body of so many bytes is not counted: next to the stream that carries it, it costs Envoy
/// little, and how many streams a server may have is for its `max_connections` to say.
pub(crate) const UNCOUNTED: usize = 4 << 10;

/// The budget of a VM. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct PassedOnBudget(Rc<RefCell<Ledger>>);

#[derive(Default)]
struct Ledger {
    size: BudgetSize,
    used: usize,
    /// The part of each server, by its cluster; nobody is listed with nothing.
    servers: BTreeMap<Rc<str>, usize>,
}

/// One body's part of the budget; given back when it is dropped.
pub(crate) struct PassedOnShare {
    ledger: Rc<RefCell<Ledger>>,
    cluster: Rc<str>,
    bytes: usize,
}

impl PassedOnBudget {
    /// Makes room for a few of the largest bodies of a listener.
    pub(crate) fn admit(&self, max_body_bytes: usize) {
        self.0.borrow_mut().size.admit(max_body_bytes);
    }

    /// A part for a body of which so many bytes go to the server of this cluster; none where there
    /// is no room.
    pub(crate) fn open(&self, cluster: &str, bytes: usize) -> Option<PassedOnShare> {
        let known = {
            let ledger = self.0.borrow();
            let known = ledger.servers.get_key_value(cluster);
            known.map(|(cluster, _)| Rc::clone(cluster))
        };
        let mut share = PassedOnShare {
            ledger: Rc::clone(&self.0),
            cluster: known.unwrap_or_else(|| Rc::from(cluster)),
            bytes: 0,
        };
        share.grow_to(bytes).then_some(share)
    }
}

impl PassedOnShare {
    /// Asks for room for so many bytes, counted from the first of the body, and says whether there
    /// is.
    #[must_use]
    pub(crate) fn grow_to(&mut self, bytes: usize) -> bool {
        if bytes <= self.bytes.max(UNCOUNTED) {
            return true;
        }
        let mut ledger = self.ledger.borrow_mut();
        let fits = ledger.has_room(&self.cluster, self.bytes, bytes);
        if fits {
            ledger.set(&self.cluster, self.bytes, bytes);
            self.bytes = bytes;
        }
        fits
    }
}

impl Drop for PassedOnShare {
    fn drop(&mut self) {
        if self.bytes > 0 {
            let mut ledger = self.ledger.borrow_mut();
            ledger.set(&self.cluster, self.bytes, 0);
        }
    }
}

impl Ledger {
    fn of_server(&self, cluster: &str) -> usize {
        self.servers.get(cluster).copied().unwrap_or(0)
    }

    /// Whether a body that takes `own` bytes may take so many. The first body of a server may have
    /// all that is free: a body of the largest size fits where others have filled what they may.
    fn has_room(&self, cluster: &str, own: usize, bytes: usize) -> bool {
        let used = self.used.saturating_sub(own).saturating_add(bytes);
        let others_of_server = self.of_server(cluster).saturating_sub(own);
        let free = self.size.bytes().checked_sub(used);
        free.is_some_and(|free| others_of_server <= open_to(bytes, free))
    }

    fn set(&mut self, cluster: &Rc<str>, own: usize, bytes: usize) {
        self.used = self.used.saturating_sub(own).saturating_add(bytes);
        let of_server = self.of_server(cluster).saturating_sub(own);
        match of_server.saturating_add(bytes) {
            0 => {
                self.servers.remove(cluster);
            }
            sum => {
                self.servers.insert(Rc::clone(cluster), sum);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget_size::{BYTES, SMALL};

    const LARGE: usize = 1 << 20;

    fn fill(budget: &PassedOnBudget, cluster: &str, bytes: usize) -> Vec<PassedOnShare> {
        std::iter::from_fn(|| budget.open(cluster, bytes)).collect()
    }

    #[test]
    fn it_gives_a_server_as_much_as_it_leaves_free_and_keeps_a_reserve_for_small_bodies() {
        let budget = PassedOnBudget::default();
        let large = fill(&budget, "slow", LARGE);
        // It would have another if three quarters of the 35 MiB that are then free were as much.
        assert_eq!(large.len(), 28);
        let small = fill(&budget, "slow", SMALL);
        assert_eq!(large.len() * LARGE + small.len() * SMALL, BYTES / 2);
        drop(large);
        assert_eq!(budget.0.borrow().used, small.len() * SMALL);
        drop(small);
        assert!(budget.0.borrow().servers.is_empty());
    }

    #[test]
    fn it_leaves_half_to_the_next_server_for_each_that_is_full() {
        let budget = PassedOnBudget::default();
        let mut held = Vec::new();
        for server in 0..6 {
            let free = BYTES - budget.0.borrow().used;
            let cluster = format!("slow-{server}");
            held.extend(fill(&budget, &cluster, LARGE));
            held.extend(fill(&budget, &cluster, SMALL));
            assert_eq!(BYTES - budget.0.borrow().used, free / 2, "{server}");
            assert!(budget.open("other", LARGE).is_some(), "{server}");
            assert!(budget.open("other", SMALL).is_some(), "{server}");
        }
    }

    #[test]
    fn it_admits_the_largest_body_of_another_server() {
        let budget = PassedOnBudget::default();
        budget.admit(BYTES);
        let _held = fill(&budget, "slow", LARGE);
        assert!(budget.open("other", BYTES).is_some());
        // It comes in pieces.
        let mut share = budget.open("other", LARGE).unwrap();
        assert!(
            (LARGE..=BYTES)
                .step_by(LARGE)
                .all(|size| share.grow_to(size))
        );
    }

    #[test]
    fn it_neither_counts_nor_refuses_the_smallest_bodies() {
        let budget = PassedOnBudget::default();
        let _held = (fill(&budget, "slow", LARGE), fill(&budget, "slow", SMALL));
        let used = budget.0.borrow().used;
        let smallest: Vec<_> = (0..10_000)
            .filter_map(|_| budget.open("slow", UNCOUNTED))
            .collect();
        assert_eq!((smallest.len(), budget.0.borrow().used), (10_000, used));
        assert!(budget.open("slow", SMALL).is_none());
    }

    #[test]
    fn it_counts_a_body_that_passes_in_pieces_once() {
        let budget = PassedOnBudget::default();
        let mut share = budget.open("server", 0).unwrap();
        for size in (0..=LARGE).step_by(UNCOUNTED) {
            assert!(share.grow_to(size));
            let counted = if size <= UNCOUNTED { 0 } else { size };
            assert_eq!(budget.0.borrow().used, counted);
        }
        drop(share);
        assert_eq!(budget.0.borrow().used, 0);
    }
}
