//! Whether a database is calm enough to hope that a kept verdict still holds.
//!
//! A query that hopes in vain costs one more round trip and a line in PostgreSQL's log. Where the
//! database is written to all the time, calls ask first, and hope again only after a row of calls
//! in which nothing had changed; each vain hope makes the next row longer.

use std::sync::atomic::{AtomicU32, Ordering};

/// The longest row of calls that ask first: some seconds of a busy server. Longer, and a database
/// that has come to rest would be served slowly for no reason.
const MOST_ASKING: u32 = 1024;

/// The memory of one database's changes.
#[derive(Debug, Default)]
pub(crate) struct Calm {
    /// Calls that still have to find nothing changed before one hopes.
    to_ask: AtomicU32,
    /// How long the row is that the next change begins.
    next_row: AtomicU32,
}

impl Calm {
    /// Whether a call may hope that nothing has changed.
    pub(crate) fn is_likely(&self) -> bool {
        self.to_ask.load(Ordering::Relaxed) == 0
    }

    /// Takes note of a call that asked.
    pub(crate) fn note(&self, is_unchanged: bool) {
        let to_ask = match is_unchanged {
            true => self.to_ask.load(Ordering::Relaxed).saturating_sub(1),
            false => self.next_row.load(Ordering::Relaxed),
        };
        self.to_ask.store(to_ask, Ordering::Relaxed);
    }

    /// Takes note of a call that hoped.
    pub(crate) fn note_hope(&self, came_true: bool) {
        let row = self.next_row.load(Ordering::Relaxed);
        let row = match came_true {
            true if row == 0 => return,
            true => row - 1,
            false => {
                let row = (row * 2).clamp(1, MOST_ASKING);
                self.to_ask.store(row, Ordering::Relaxed);
                row
            }
        };
        self.next_row.store(row, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_hopes_less_often_the_more_hopes_are_vain() {
        let calm = Calm::default();
        for expected in [1, 2, 4, 8] {
            assert!(calm.is_likely());
            calm.note_hope(false);
            // The call asks after its vain hope, and finds the change.
            calm.note(false);
            let mut asked = 0;
            while !calm.is_likely() {
                calm.note(true);
                asked += 1;
            }
            assert_eq!(asked, expected);
        }
        for _ in 0..20 {
            calm.note_hope(false);
        }
        assert_eq!(calm.to_ask.load(Ordering::Relaxed), MOST_ASKING);
    }

    #[test]
    fn it_asks_as_long_as_calls_find_changes() {
        let calm = Calm::default();
        calm.note_hope(false);
        for _ in 0..3 {
            calm.note(false);
            assert!(!calm.is_likely());
        }
        calm.note(true);
        assert!(calm.is_likely());
    }

    #[test]
    fn it_forgets_vain_hopes_as_others_come_true() {
        let calm = Calm::default();
        for _ in 0..4 {
            calm.note_hope(false);
        }
        for _ in 0..8 {
            calm.note_hope(true);
        }
        calm.note_hope(false);
        assert_eq!(calm.next_row.load(Ordering::Relaxed), 1);
    }
}
