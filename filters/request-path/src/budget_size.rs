//! The size of a worker's budget, and the part of it that is kept for small requests.

/// The budget of a worker.
pub(crate) const BYTES: usize = 64 << 20;
/// Where a listener takes larger bodies, so many of the largest fit.
const LARGEST_BODIES: usize = 4;
/// A small request: most calls. Larger ones leave a quarter of the room to these.
pub(crate) const SMALL: usize = 64 << 10;
pub(crate) const RESERVE_PART: usize = 4;

/// The bytes of a budget. All listeners share it, so it never shrinks.
#[derive(Clone, Copy)]
pub(crate) struct BudgetSize(usize);

impl Default for BudgetSize {
    fn default() -> Self {
        Self(BYTES)
    }
}

impl BudgetSize {
    /// All bytes of the budget.
    pub(crate) fn bytes(self) -> usize {
        self.0
    }

    /// Makes room for a few of the largest bodies of a listener.
    pub(crate) fn admit(&mut self, max_body_bytes: usize) {
        self.0 = self.0.max(max_body_bytes.saturating_mul(LARGEST_BODIES));
    }
}

/// How much of this room is open to a request that takes so many bytes.
pub(crate) fn open_to(bytes: usize, room: usize) -> usize {
    if bytes <= SMALL {
        room
    } else {
        room - room / RESERVE_PART
    }
}
