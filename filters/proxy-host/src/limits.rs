//! Rate limits in the proxy's shared data: exact across worker threads, in a bounded number of
//! keys.
//!
//! [`policy_engine::slots`] says where a bucket lies and what a slot looks like; here the slots are
//! read, the engine is asked, and what it says is stored by compare-and-set. A call that several
//! limits watch takes from all of them or from none: where a later one refuses because another
//! worker was faster, what was taken before is given back.

mod hash_key;

use policy_engine::slots::{Fingerprint, HashKey, Slot, SlotIndex};
use policy_engine::{
    BucketState, FEW_LIMITS, PendingLimits, Permit, Refusal, UnixNanos, Verdict, Write,
};
use smallvec::{SmallVec, smallvec};

use crate::{Conflict, SharedData, Version};

pub use hash_key::{NoRandomness, shared_hash_key};

/// How often a slot is read again because another worker has just written it. Each time, some
/// worker has succeeded.
const ATTEMPTS: usize = 64;

/// The outcome of asking the limits.
#[derive(Debug)]
#[must_use]
pub enum Settled<'p> {
    /// The call passes, and has been counted.
    Passed(Permit<'p>),
    /// It does not, and has not been counted.
    Refused(Refusal),
    /// The state could not be read or written: the call must not pass.
    Unavailable,
}

/// Asks the buckets of `pending`, and takes one call from each if all of them let it pass.
pub fn settle<'p>(
    data: &impl SharedData,
    key: &HashKey,
    pending: &PendingLimits<'p>,
    now: UnixNanos,
) -> Settled<'p> {
    let mut slots = Slots::new();
    if read_slots(data, key, pending, &mut slots).is_none() {
        return Settled::Unavailable;
    }
    let mut states: SmallVec<[BucketState; FEW_LIMITS]> =
        smallvec![BucketState::Fresh; pending.buckets().len()];
    for slot in &slots {
        slot.note_states(&mut states, now);
    }
    let mut done = 0;
    let mut attempts = 0;
    loop {
        let (permit, writes) = match pending.resume(&states, now) {
            Verdict::Refuse { refusal, writes } => {
                give_back(data, pending, slots.get(..done).unwrap_or_default());
                restate(data, &mut slots, &states, &writes, now);
                return Settled::Refused(refusal);
            }
            Verdict::Allow { permit, writes } => (permit, writes),
        };
        // Those that were written stand: the states they were decided on have not been touched
        // since.
        while let Some(slot) = slots.get(done) {
            if slot.write(data, &states, &writes, now).is_err() {
                break;
            }
            done += 1;
        }
        let Some(slot) = slots.get_mut(done) else {
            return Settled::Passed(permit);
        };
        attempts += 1;
        if attempts == ATTEMPTS || slot.read_again(data).is_none() {
            give_back(data, pending, slots.get(..done).unwrap_or_default());
            return Settled::Unavailable;
        }
        slot.note_states(&mut states, now);
    }
}

/// A slot and the buckets of one call that lie in it.
struct SlotInUse {
    index: SlotIndex,
    version: Version,
    slot: Slot,
    buckets: SmallVec<[(usize, Fingerprint); FEW_LIMITS]>,
}

type Slots = SmallVec<[SlotInUse; FEW_LIMITS]>;

/// Reads the slots of the buckets; none where one holds what no filter wrote.
fn read_slots(
    data: &impl SharedData,
    key: &HashKey,
    pending: &PendingLimits<'_>,
    slots: &mut Slots,
) -> Option<()> {
    for (number, bucket) in pending.buckets().iter().enumerate() {
        let (index, fingerprint) = bucket.place(key);
        if let Some(slot) = slots.iter_mut().find(|slot| slot.index == index) {
            slot.buckets.push((number, fingerprint));
            continue;
        }
        let mut slot = SlotInUse {
            index,
            version: Version(0),
            slot: Slot::default(),
            buckets: smallvec![(number, fingerprint)],
        };
        slot.read_again(data)?;
        slots.push(slot);
    }
    Some(())
}

impl SlotInUse {
    fn read_again(&mut self, data: &impl SharedData) -> Option<()> {
        let key = self.index.key();
        let stored = data.read(key.as_str());
        self.slot = Slot::decode(&stored.bytes)
            .inspect_err(|error| log::error!("{}: {error}", key.as_str()))
            .ok()?;
        self.version = stored.version;
        Some(())
    }

    fn note_states(&self, states: &mut [BucketState], now: UnixNanos) {
        for (bucket, fingerprint) in &self.buckets {
            if let Some(state) = states.get_mut(*bucket) {
                *state = self.slot.find(*fingerprint, now).1;
            }
        }
    }

    fn write(
        &self,
        data: &impl SharedData,
        states: &[BucketState],
        writes: &[Write],
        now: UnixNanos,
    ) -> Result<(), Conflict> {
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
        data.compare_and_set(self.index.key().as_str(), &slot.encode(), self.version)
    }
}

/// Stores what a refusal says of buckets whose rate has changed. Where another worker was faster,
/// the next refusal says it again.
fn restate(
    data: &impl SharedData,
    slots: &mut [SlotInUse],
    states: &[BucketState],
    writes: &[Write],
    now: UnixNanos,
) {
    for used in slots {
        let here = |write: &&Write| {
            used.buckets
                .iter()
                .any(|(bucket, _)| *bucket == write.bucket)
        };
        let here: Vec<&Write> = writes.iter().filter(here).collect();
        if here.is_empty() || used.read_again(data).is_none() {
            continue;
        }
        let mut slot = used.slot.clone();
        for (bucket, fingerprint) in &used.buckets {
            let write = here.iter().find(|write| write.bucket == *bucket);
            let (place, state) = slot.find(*fingerprint, now);
            if let Some(write) = write.filter(|_| states.get(*bucket) == Some(&state)) {
                slot.store(place, *fingerprint, write.time);
            }
        }
        // A conflict is left alone: see above.
        let _ = data.compare_and_set(used.index.key().as_str(), &slot.encode(), used.version);
    }
}

/// Takes back what was counted in `slots`. Where it cannot, the count stays: strict, never loose.
fn give_back(data: &impl SharedData, pending: &PendingLimits<'_>, slots: &[SlotInUse]) {
    for used in slots {
        for _ in 0..ATTEMPTS {
            let key = used.index.key();
            let stored = data.read(key.as_str());
            let Ok(mut slot) = Slot::decode(&stored.bytes) else {
                break;
            };
            for (bucket, fingerprint) in &used.buckets {
                // At the end of time every place but the bucket's own counts as idle. Where another
                // bucket has taken the place over meanwhile, there is nothing of ours to take back.
                if let (place, BucketState::Own(time)) =
                    slot.find(*fingerprint, UnixNanos(u64::MAX))
                {
                    slot.store(place, *fingerprint, pending.refund(*bucket, time));
                }
            }
            if data
                .compare_and_set(key.as_str(), &slot.encode(), stored.version)
                .is_ok()
            {
                break;
            }
        }
    }
}
