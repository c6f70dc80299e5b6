//! A slot, and the buckets of one call that lie in it.

use smallvec::{SmallVec, smallvec};

use super::SettlementStep;
use crate::decision::{FEW_LIMITS, Write};
use crate::rate::{BucketState, BucketTime, UnixNanos};
use crate::slots::{Fingerprint, Slot, SlotIndex, SlotVersion};

/// A slot and the buckets of one call that lie in it.
#[derive(Debug)]
pub(super) struct SlotInUse {
    index: SlotIndex,
    version: SlotVersion,
    slot: Slot,
    /// Each by its number in the call.
    buckets: SmallVec<[(usize, Fingerprint); FEW_LIMITS]>,
}

impl SlotInUse {
    /// A slot that has not been read.
    pub(super) fn new(index: SlotIndex, bucket: usize, fingerprint: Fingerprint) -> Self {
        Self {
            index,
            version: SlotVersion(0),
            slot: Slot::default(),
            buckets: smallvec![(bucket, fingerprint)],
        }
    }

    pub(super) fn index(&self) -> SlotIndex {
        self.index
    }

    pub(super) fn add(&mut self, bucket: usize, fingerprint: Fingerprint) {
        self.buckets.push((bucket, fingerprint));
    }

    pub(super) fn take_in(&mut self, slot: Slot, version: SlotVersion) {
        self.slot = slot;
        self.version = version;
    }

    pub(super) fn note_states(&self, states: &mut [BucketState], now: UnixNanos) {
        for (bucket, fingerprint) in &self.buckets {
            if let Some(state) = states.get_mut(*bucket) {
                *state = self.slot.find(*fingerprint, now).1;
            }
        }
    }

    /// The step that stores the verdict's writes here.
    pub(super) fn written(
        &self,
        states: &[BucketState],
        writes: &[Write],
        now: UnixNanos,
    ) -> SettlementStep {
        let mut slot = self.slot.clone();
        for (bucket, fingerprint) in &self.buckets {
            let (Some(write), Some(decided_on)) = (writes.get(*bucket), states.get(*bucket)) else {
                continue;
            };
            let (place, state) = slot.find(*fingerprint, now);
            let time = match state.tat() {
                // A bucket of the same call has just taken the place that this one was decided on.
                // What is pushed out instead must not come back to a time earlier than its own.
                Some(other) if state != *decided_on => write.time.not_before(other),
                _ => write.time,
            };
            slot.store(place, *fingerprint, time);
        }
        self.write(&slot, self.version)
    }

    /// Whether one of the writes belongs here.
    pub(super) fn concerns(&self, writes: &[Write]) -> bool {
        writes.iter().any(|write| self.holds(write.bucket))
    }

    /// The step that stores what a refusal says of the buckets here, in the value that was just
    /// read.
    pub(super) fn restated(
        &self,
        mut slot: Slot,
        states: &[BucketState],
        writes: &[Write],
        now: UnixNanos,
        version: SlotVersion,
    ) -> SettlementStep {
        for (bucket, fingerprint) in &self.buckets {
            let write = writes.iter().find(|write| write.bucket == *bucket);
            let (place, state) = slot.find(*fingerprint, now);
            if let Some(write) = write.filter(|_| states.get(*bucket) == Some(&state)) {
                slot.store(place, *fingerprint, write.time);
            }
        }
        self.write(&slot, version)
    }

    /// The step that takes back what was counted here, from the value that was just read.
    pub(super) fn refunded(
        &self,
        mut slot: Slot,
        refund: impl Fn(usize, BucketTime) -> BucketTime,
        version: SlotVersion,
    ) -> SettlementStep {
        for (bucket, fingerprint) in &self.buckets {
            // At the end of time every place but the bucket's own counts as idle. Where another
            // bucket has taken the place over meanwhile, there is nothing of ours to take back.
            let found = slot.find(*fingerprint, UnixNanos(u64::MAX));
            if let (place, BucketState::Own(time)) = found {
                slot.store(place, *fingerprint, refund(*bucket, time));
            }
        }
        self.write(&slot, version)
    }

    fn holds(&self, wanted: usize) -> bool {
        self.buckets.iter().any(|(bucket, _)| *bucket == wanted)
    }

    fn write(&self, slot: &Slot, version: SlotVersion) -> SettlementStep {
        SettlementStep::Write {
            slot: self.index,
            bytes: slot.encode(),
            version,
        }
    }
}
