//! The states of limits, in memory.

use std::collections::BTreeMap;

use policy_engine::settlement::{Settled, Settlement, SettlementStep, Stored};
use policy_engine::slots::{EncodedSlot, HashKey, SlotVersion};
use policy_engine::{PendingLimits, Policy, UnixNanos};

/// How far limits are used: at most as many slots as the engine has, each of a bounded size. A
/// policy that follows another one goes on with the counts of those limits that it shares with it.
#[derive(Debug)]
pub struct Counts {
    key: [u8; 16],
    slots: BTreeMap<u16, EncodedSlot>,
}

impl Counts {
    /// Nothing is used yet. The key spreads callers over the slots: make it random, so that nobody
    /// can aim at the place of another caller.
    #[must_use]
    pub fn new(key: u128) -> Self {
        Self {
            key: key.to_le_bytes(),
            slots: BTreeMap::new(),
        }
    }

    /// Counts one call, or refuses it.
    pub(crate) fn settle(
        &mut self,
        policy: &Policy,
        pending: PendingLimits,
        now: UnixNanos,
    ) -> Settled {
        // Nobody else writes the slots, so that each has the version that was read.
        const VERSION: SlotVersion = SlotVersion(0);
        let mut settlement = Settlement::new(policy, pending, &HashKey(self.key), now);
        let mut step = settlement.begin(policy);
        loop {
            step = match step {
                SettlementStep::Read(slot) => {
                    let stored = self.slots.get(&slot.get());
                    settlement.on_read(policy, stored.map_or(&[], |bytes| &bytes[..]), VERSION)
                }
                SettlementStep::Write { slot, bytes, .. } => {
                    self.slots.insert(slot.get(), bytes);
                    settlement.on_written(Stored::Yes)
                }
                SettlementStep::Settled(settled) => return settled,
            }
        }
    }
}
