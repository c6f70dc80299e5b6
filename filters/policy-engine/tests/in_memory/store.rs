//! The host's part of a limit: slots in memory.

use std::collections::HashMap;

use policy_engine::slots::{Fingerprint, HashKey, Slot, SlotIndex};
use policy_engine::{PendingLimits, Permit, Refusal, UnixNanos, Verdict, Write};

/// The slots of one gateway.
#[derive(Default)]
pub struct Store(HashMap<SlotIndex, Vec<u8>>);

impl Store {
    /// Counts one call, or refuses it.
    pub fn settle<'p>(
        &mut self,
        pending: &PendingLimits<'p>,
        now: UnixNanos,
    ) -> Result<Permit<'p>, Refusal> {
        let key = HashKey([42; 16]);
        let homes: Vec<_> = pending
            .buckets()
            .iter()
            .map(|bucket| bucket.place(&key))
            .collect();
        let states: Vec<_> = homes
            .iter()
            .map(|(slot, fingerprint)| self.read(*slot).find(*fingerprint, now).1)
            .collect();
        match pending.resume(&states, now) {
            Verdict::Refuse { refusal, writes } => {
                self.write(&homes, &writes, now);
                Err(refusal)
            }
            Verdict::Allow { permit, writes } => {
                assert_eq!(writes.len(), homes.len());
                self.write(&homes, &writes, now);
                Ok(permit)
            }
        }
    }

    fn write(&mut self, homes: &[(SlotIndex, Fingerprint)], writes: &[Write], now: UnixNanos) {
        for write in writes {
            let (index, fingerprint) = homes[write.bucket];
            let mut slot = self.read(index);
            let (place, _) = slot.find(fingerprint, now);
            slot.store(place, fingerprint, write.time);
            self.0.insert(index, slot.encode().to_vec());
        }
    }

    fn read(&self, slot: SlotIndex) -> Slot {
        Slot::decode(self.0.get(&slot).map_or(&[][..], Vec::as_slice)).unwrap()
    }
}
