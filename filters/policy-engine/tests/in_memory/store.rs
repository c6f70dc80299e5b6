//! The host's part of a limit: slots in memory, and other workers in between.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};

use policy_engine::settlement::{Settled, Settlement, SettlementStep, Stored};
use policy_engine::slots::{HashKey, SlotIndex, SlotVersion};
use policy_engine::{PendingLimits, Policy, UnixNanos};

/// The doings of another worker.
type Interruption<'a> = Box<dyn Fn(&Store<'a>) + 'a>;

/// The slots of one gateway, each with its version.
#[derive(Default)]
pub struct Store<'a> {
    pub slots: RefCell<HashMap<u16, (Vec<u8>, u32)>>,
    /// How many of the next writes lose to another worker.
    pub lost_races: Cell<u32>,
    /// The doing of another worker before the write of this number, from zero.
    pub interruptions: RefCell<BTreeMap<usize, Interruption<'a>>>,
    pub writes: Cell<usize>,
    /// Whether every slot is the same one.
    pub is_one_slot: bool,
}

impl Store<'_> {
    /// Counts one call, or refuses it.
    pub fn settle(&self, policy: &Policy, pending: PendingLimits, now: UnixNanos) -> Settled {
        let mut settlement = Settlement::new(policy, pending, &HashKey([42; 16]), now);
        let mut step = settlement.begin(policy);
        loop {
            step = match step {
                SettlementStep::Read(slot) => {
                    let stored = self.slots.borrow().get(&self.key(slot)).cloned();
                    let (bytes, version) = stored.unwrap_or_default();
                    settlement.on_read(policy, &bytes, SlotVersion(version))
                }
                SettlementStep::Write {
                    slot,
                    bytes,
                    version,
                } => settlement.on_written(self.write(slot, &bytes, version)),
                SettlementStep::Settled(settled) => return settled,
            }
        }
    }

    fn write(&self, slot: SlotIndex, bytes: &[u8], version: SlotVersion) -> Stored {
        let number = self.writes.replace(self.writes.get() + 1);
        let interruption = self.interruptions.borrow_mut().remove(&number);
        if let Some(interruption) = interruption {
            interruption(self);
        }
        let mut slots = self.slots.borrow_mut();
        let (present, its_version) = slots.entry(self.key(slot)).or_default();
        if let Some(left) = self.lost_races.get().checked_sub(1) {
            self.lost_races.set(left);
            *its_version += 1;
            return Stored::No;
        }
        if *its_version != version.0 {
            return Stored::No;
        }
        *its_version += 1;
        *present = bytes.to_vec();
        Stored::Yes
    }

    fn key(&self, slot: SlotIndex) -> u16 {
        if self.is_one_slot { 0 } else { slot.get() }
    }
}
