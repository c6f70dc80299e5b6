//! The limits of one call, settled: which slots to read, and what to store in them, step by step.
//!
//! The host has the slots, in a store with compare-and-set. A [`Settlement`] says what to do next
//! ([`SettlementStep`]), and is told what came of it, until the call is settled. It is exact across
//! workers that share the store: a slot that another one has written meanwhile is read and judged
//! again. A call that several limits watch takes from all of them or from none: where a later one
//! refuses because another worker was faster, what was taken before is given back.

mod slot_in_use;

use smallvec::{SmallVec, smallvec};

use crate::decision::{FEW_LIMITS, PendingLimits, Plan, Verdict, Writes};
use crate::policy::Policy;
use crate::rate::{BucketState, UnixNanos};
use crate::refusal::Refusal;
use crate::slots::{BadSlot, EncodedSlot, HashKey, Slot, SlotIndex, SlotVersion};
use slot_in_use::SlotInUse;

/// How often a slot is read again because another worker has just written it. Each time, some
/// worker has succeeded.
const ATTEMPTS: usize = 64;

/// The next thing that the host does.
#[derive(Debug)]
#[must_use]
pub enum SettlementStep {
    /// It reads this slot, and answers by [`Settlement::on_read`].
    Read(SlotIndex),
    /// It stores the bytes by compare-and-set, and answers by [`Settlement::on_written`].
    Write {
        /// The slot to write.
        slot: SlotIndex,
        /// The new value of the slot.
        bytes: EncodedSlot,
        /// The version that the present value must have.
        version: SlotVersion,
    },
    /// Nothing more: this is the outcome.
    Settled(Settled),
}

/// The outcome of asking the limits.
#[derive(Debug)]
#[must_use]
pub enum Settled {
    /// The call passes, and has been counted.
    Passed(Plan),
    /// It does not, and has not been counted.
    Refused(Refusal),
    /// The state could not be read or written: the call must not pass.
    Unavailable(Unavailable),
}

/// Why limits could not be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// A slot holds what no filter wrote.
    #[error("{slot}: {bad}", slot = .0.key().as_str(), bad = .1)]
    Unreadable(SlotIndex, BadSlot),
    /// Other workers wrote a slot each time that it was to be written.
    #[error("{}: other workers were faster each time", .0.key().as_str())]
    Contended(SlotIndex),
}

/// The outcome of a compare-and-set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// The new value is stored.
    Yes,
    /// Somebody else has stored a value since; nothing was stored.
    No,
}

/// The limits of one call, on their way to a verdict.
#[derive(Debug)]
pub struct Settlement {
    pending: PendingLimits,
    slots: SmallVec<[SlotInUse; FEW_LIMITS]>,
    states: SmallVec<[BucketState; FEW_LIMITS]>,
    now: UnixNanos,
    /// How often a slot was read again.
    attempts: usize,
    stage: Stage,
}

/// The thing that the host has been asked for.
#[derive(Debug)]
enum Stage {
    /// The slot of this number; those before it have been read.
    Reading(usize),
    /// To write the slot of this number; those before it have been written. They stand: the states
    /// that they were decided on have not been touched since.
    Writing {
        done: usize,
        plan: Plan,
        writes: Writes,
    },
    /// The slot of this number once more; those before it have been written.
    ReadingAgain { done: usize },
    /// To take back what was counted in the slot of this number and in those up to `taken`.
    GivingBack {
        place: usize,
        taken: usize,
        attempts: usize,
        end: End,
    },
    /// To store what a refusal says of buckets whose rate has changed.
    Restating {
        place: usize,
        refusal: Refusal,
        writes: Writes,
    },
    /// Nothing: the call is settled.
    Over,
}

/// The outcome, once everything has been given back.
#[derive(Debug)]
enum End {
    Refused(Refusal, Writes),
    Unavailable(Unavailable),
}

impl Settlement {
    /// The settlement of a call at this time of day. The policy is that which gave `pending`, here
    /// and in what follows.
    #[must_use]
    pub fn new(policy: &Policy, pending: PendingLimits, key: &HashKey, now: UnixNanos) -> Self {
        let mut slots: SmallVec<[SlotInUse; FEW_LIMITS]> = SmallVec::new();
        for (bucket, (index, fingerprint)) in policy.places(&pending, key).enumerate() {
            match slots.iter_mut().find(|slot| slot.index() == index) {
                Some(slot) => slot.add(bucket, fingerprint),
                None => slots.push(SlotInUse::new(index, bucket, fingerprint)),
            }
        }
        Self {
            states: smallvec![BucketState::Fresh; pending.buckets().len()],
            pending,
            slots,
            now,
            attempts: 0,
            stage: Stage::Over,
        }
    }

    /// The time of day by which the limits are asked.
    #[must_use]
    pub fn now(&self) -> UnixNanos {
        self.now
    }

    /// The first of its steps.
    pub fn begin(&mut self, policy: &Policy) -> SettlementStep {
        self.read(policy, 0)
    }

    /// The slot that was asked for has this value, empty where nothing was ever stored.
    pub fn on_read(
        &mut self,
        policy: &Policy,
        bytes: &[u8],
        version: SlotVersion,
    ) -> SettlementStep {
        let slot = Slot::decode(bytes);
        match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Reading(place) => match self.take_in(place, slot, version) {
                Ok(()) => self.read(policy, place + 1),
                Err(unavailable) => settled(Settled::Unavailable(unavailable)),
            },
            Stage::ReadingAgain { done } => match self.take_in(done, slot, version) {
                Ok(()) => self.decide(policy, done),
                Err(unavailable) => self.give_back(0, done, End::Unavailable(unavailable)),
            },
            Stage::GivingBack {
                place,
                taken,
                attempts,
                end,
            } => {
                let used = self.slots.get(place);
                let (Some(used), Ok(slot)) = (used, slot) else {
                    return self.give_back(place + 1, taken, end);
                };
                let refund = |bucket, time| policy.refund(&self.pending, bucket, time);
                let step = used.refunded(slot, refund, version);
                self.stage = Stage::GivingBack {
                    place,
                    taken,
                    attempts,
                    end,
                };
                step
            }
            Stage::Restating {
                place,
                refusal,
                writes,
            } => {
                let used = self.slots.get(place);
                let (Some(used), Ok(slot)) = (used, slot) else {
                    return self.restate(place + 1, refusal, writes);
                };
                let step = used.restated(slot, &self.states, &writes, self.now, version);
                self.stage = Stage::Restating {
                    place,
                    refusal,
                    writes,
                };
                step
            }
            Stage::Writing { .. } | Stage::Over => self.out_of_order(),
        }
    }

    /// The slot that was to be written has been, or not.
    pub fn on_written(&mut self, stored: Stored) -> SettlementStep {
        match (std::mem::replace(&mut self.stage, Stage::Over), stored) {
            (Stage::Writing { done, plan, writes }, Stored::Yes) => {
                self.write(done + 1, plan, writes)
            }
            (Stage::Writing { done, .. }, Stored::No) => {
                let Some(slot) = self.slots.get(done) else {
                    return self.out_of_order();
                };
                let index = slot.index();
                self.attempts += 1;
                if self.attempts == ATTEMPTS {
                    let end = End::Unavailable(Unavailable::Contended(index));
                    return self.give_back(0, done, end);
                }
                self.stage = Stage::ReadingAgain { done };
                SettlementStep::Read(index)
            }
            (
                Stage::GivingBack {
                    place,
                    taken,
                    attempts,
                    end,
                },
                stored,
            ) => {
                let again = stored == Stored::No && attempts + 1 < ATTEMPTS;
                match self.slots.get(place).filter(|_| again) {
                    Some(slot) => {
                        let step = SettlementStep::Read(slot.index());
                        self.stage = Stage::GivingBack {
                            place,
                            taken,
                            attempts: attempts + 1,
                            end,
                        };
                        step
                    }
                    // Where it cannot be given back, the count stays: strict, never loose.
                    None => self.give_back(place + 1, taken, end),
                }
            }
            // Where another worker was faster, the next refusal says it again.
            (
                Stage::Restating {
                    place,
                    refusal,
                    writes,
                },
                _,
            ) => self.restate(place + 1, refusal, writes),
            (Stage::Reading(_) | Stage::ReadingAgain { .. } | Stage::Over, _) => {
                self.out_of_order()
            }
        }
    }

    fn take_in(
        &mut self,
        place: usize,
        slot: Result<Slot, BadSlot>,
        version: SlotVersion,
    ) -> Result<(), Unavailable> {
        let Some(used) = self.slots.get_mut(place) else {
            return Ok(());
        };
        let index = used.index();
        used.take_in(
            slot.map_err(|bad| Unavailable::Unreadable(index, bad))?,
            version,
        );
        used.note_states(&mut self.states, self.now);
        Ok(())
    }

    /// Asks for the slot of this number, or decides where all have been read.
    fn read(&mut self, policy: &Policy, place: usize) -> SettlementStep {
        match self.slots.get(place) {
            Some(slot) => {
                self.stage = Stage::Reading(place);
                SettlementStep::Read(slot.index())
            }
            None => self.decide(policy, 0),
        }
    }

    fn decide(&mut self, policy: &Policy, done: usize) -> SettlementStep {
        match policy.resume(&self.pending, &self.states, self.now) {
            Verdict::Allow { plan, writes } => self.write(done, plan, writes),
            Verdict::Refuse { refusal, writes } => {
                self.give_back(0, done, End::Refused(refusal, writes))
            }
        }
    }

    fn write(&mut self, done: usize, plan: Plan, writes: Writes) -> SettlementStep {
        let Some(slot) = self.slots.get(done) else {
            return settled(Settled::Passed(plan));
        };
        let step = slot.written(&self.states, &writes, self.now);
        self.stage = Stage::Writing { done, plan, writes };
        step
    }

    fn give_back(&mut self, place: usize, taken: usize, end: End) -> SettlementStep {
        match self.slots.get(place).filter(|_| place < taken) {
            Some(slot) => {
                let step = SettlementStep::Read(slot.index());
                self.stage = Stage::GivingBack {
                    place,
                    taken,
                    attempts: 0,
                    end,
                };
                step
            }
            None => match end {
                End::Refused(refusal, writes) => self.restate(0, refusal, writes),
                End::Unavailable(why) => settled(Settled::Unavailable(why)),
            },
        }
    }

    fn restate(&mut self, from: usize, refusal: Refusal, writes: Writes) -> SettlementStep {
        let mut slots = self.slots.iter().enumerate().skip(from);
        match slots.find(|(_, slot)| slot.concerns(&writes)) {
            Some((place, slot)) => {
                let step = SettlementStep::Read(slot.index());
                self.stage = Stage::Restating {
                    place,
                    refusal,
                    writes,
                };
                step
            }
            None => settled(Settled::Refused(refusal)),
        }
    }

    /// The answer to what nobody asked for: the call must not pass. What has been counted of it
    /// stays, since a host that has lost the order would lose what is given back, too: strict,
    /// never loose.
    fn out_of_order(&mut self) -> SettlementStep {
        self.stage = Stage::Over;
        settled(Settled::Refused(Refusal::unknown_tool(b"?")))
    }
}

fn settled(settled: Settled) -> SettlementStep {
    SettlementStep::Settled(settled)
}
