//! Where buckets are kept: a fixed number of slots, because Envoy never frees a key of its shared
//! data.
//!
//! A bucket's keyed hash gives its slot and the fingerprint under which the slot holds it. A slot
//! has room for a few entries. A bucket that is not among them takes an unused or idle entry (its
//! time has come: it is as if new); where none is idle, it takes over the entry whose time is
//! earliest, **with** that time. So whatever is pushed out finds, when it comes back, only times at
//! least as late as its own: sharing can refuse a call too many, never let one too many in.
//!
//! The host reads the slot, decodes it, asks [`Slot::find`] for each bucket's state, and after an
//! admission [`Slot::store`]s the new time and writes the slot back by compare-and-set. Two buckets
//! of one call may share a slot: then find each place again before storing there, as storing the
//! one may have taken the place that was found for the other.

mod siphash;

use std::sync::OnceLock;

use smallvec::SmallVec;

use crate::rate::{BucketState, BucketTime, UnixNanos};

/// How many slots there are.
pub const SLOT_COUNT: u16 = 8192;

/// How many buckets a slot holds side by side.
pub const ENTRIES: usize = 8;

const ENTRY_BYTES: usize = 24;

/// The key of the hash: random per process, so that nobody outside can aim at another caller's
/// bucket.
#[derive(Clone)]
pub struct HashKey(pub [u8; 16]);

/// One of the slots, below [`SLOT_COUNT`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotIndex(u16);

impl SlotIndex {
    /// The slot's number, below [`SLOT_COUNT`].
    #[must_use]
    pub fn get(self) -> u16 {
        self.0
    }

    /// The slot's key in the shared data. It names the layout of the value, so that a module with
    /// another layout never reads this one's.
    #[must_use]
    pub fn key(self) -> SlotKey {
        const DIGITS: [u8; 16] = *b"0123456789abcdef";
        let digit = |shift: u16| {
            let value = usize::from(self.0 >> shift & 0xf);
            DIGITS.get(value).copied().unwrap_or_default()
        };
        let mut key = *b"portcullis.limits.2.0000";
        if let Some(digits) = key.last_chunk_mut() {
            *digits = [digit(12), digit(8), digit(4), digit(0)];
        }
        SlotKey(key)
    }
}

/// The key of a slot in the shared data, on the stack: every limited call needs one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotKey([u8; 24]);

impl SlotKey {
    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// The number by which a slot knows a bucket; never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint(u64);

/// The slot of a bucket, and its fingerprint there, from its identity.
pub(crate) fn slot_of(key: &HashKey, identity: &[u8]) -> (SlotIndex, Fingerprint) {
    let hash = siphash::hash(key, identity);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the remainder is below 8192"
    )]
    let slot = (hash.low % u64::from(SLOT_COUNT)) as u16;
    (SlotIndex(slot), Fingerprint(hash.high.max(1)))
}

/// The slot and fingerprint of an identity that does not change, computed once: a process has one
/// [`HashKey`] for as long as it lives.
#[derive(Clone, Debug, Default)]
pub(crate) struct KnownPlace(OnceLock<([u8; 16], SlotIndex, Fingerprint)>);

impl KnownPlace {
    pub(crate) fn of(&self, key: &HashKey, identity: &[u8]) -> (SlotIndex, Fingerprint) {
        let hash = || slot_of(key, identity);
        let (hashed_by, slot, fingerprint) = self.0.get_or_init(|| {
            let (slot, fingerprint) = hash();
            (key.0, slot, fingerprint)
        });
        if *hashed_by == key.0 {
            (*slot, *fingerprint)
        } else {
            hash()
        }
    }
}

/// A moment in the life of a stored slot; a compare-and-set names the one that it expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotVersion(pub u32);

/// The stored value of a slot, decoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Slot {
    entries: [Entry; ENTRIES],
}

/// The bytes of a slot, on the stack.
pub type EncodedSlot = SmallVec<[u8; ENTRIES * ENTRY_BYTES]>;

/// A bucket in a slot; a fingerprint of zero is an entry that was never used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Entry {
    fingerprint: u64,
    tat: u64,
    /// The interval under which the time was reckoned.
    interval: u64,
}

/// Where in its slot a bucket is, or will be once it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place(usize);

/// The value of a slot is not one that [`Slot::encode`] wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stored limit slot has {0} bytes, not a multiple of 24 up to 192")]
pub struct BadSlot(usize);

impl Slot {
    /// Reads the stored value; no bytes are an empty slot.
    ///
    /// # Errors
    /// The bytes have another length than [`Self::encode`] gives.
    pub fn decode(bytes: &[u8]) -> Result<Self, BadSlot> {
        let (rows, rest) = bytes.as_chunks::<ENTRY_BYTES>();
        if !rest.is_empty() || rows.len() > ENTRIES {
            return Err(BadSlot(bytes.len()));
        }
        let mut slot = Self::default();
        for (entry, row) in slot.entries.iter_mut().zip(rows) {
            let (words, _) = row.as_chunks::<8>();
            let mut words = words.iter().copied().map(u64::from_le_bytes);
            let mut word = || words.next().unwrap_or_default();
            *entry = Entry {
                fingerprint: word(),
                tat: word(),
                interval: word(),
            };
        }
        Ok(slot)
    }

    /// The value to store: 24 bytes for each entry up to the last used one.
    #[must_use]
    pub fn encode(&self) -> EncodedSlot {
        let used = self
            .entries
            .iter()
            .rposition(|entry| entry.fingerprint != 0);
        let mut bytes = EncodedSlot::new();
        for entry in self.entries.iter().take(used.map_or(0, |last| last + 1)) {
            bytes.extend_from_slice(&entry.fingerprint.to_le_bytes());
            bytes.extend_from_slice(&entry.tat.to_le_bytes());
            bytes.extend_from_slice(&entry.interval.to_le_bytes());
        }
        bytes
    }

    /// The bucket's place and state: its own, else an idle place, else the place whose time is
    /// earliest with that time.
    #[must_use]
    pub fn find(&self, fingerprint: Fingerprint, now: UnixNanos) -> (Place, BucketState) {
        let own = self
            .entries
            .iter()
            .position(|entry| entry.fingerprint == fingerprint.0);
        if let Some((place, entry)) = own.and_then(|place| Some((place, self.entries.get(place)?)))
        {
            let time = BucketTime {
                tat: UnixNanos(entry.tat),
                interval: entry.interval,
            };
            return (Place(place), BucketState::Own(time));
        }
        let earliest = self
            .entries
            .iter()
            .enumerate()
            .min_by_key(|(_, entry)| entry.tat);
        match earliest {
            Some((place, entry)) if entry.tat > now.0 => {
                (Place(place), BucketState::Inherited(UnixNanos(entry.tat)))
            }
            Some((place, _)) => (Place(place), BucketState::Fresh),
            None => (Place(0), BucketState::Fresh),
        }
    }

    /// Keeps the bucket's new time at its place.
    pub fn store(&mut self, place: Place, fingerprint: Fingerprint, time: BucketTime) {
        if let Some(entry) = self.entries.get_mut(place.0) {
            *entry = Entry {
                fingerprint: fingerprint.0,
                tat: time.tat.0,
                interval: time.interval,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rate::{Admission, Rate};
    use proptest::prelude::*;
    use std::collections::HashMap;

    const KEY: HashKey = HashKey([7; 16]);

    fn until(tat: u64) -> BucketTime {
        BucketTime {
            tat: UnixNanos(tat),
            interval: 1,
        }
    }

    #[test]
    fn it_gives_every_identity_a_slot_and_spreads_them() {
        let mut used = HashMap::new();
        for number in 0..SLOT_COUNT {
            let (slot, fingerprint) = slot_of(&KEY, format!("bucket {number}").as_bytes());
            assert!(slot.get() < SLOT_COUNT);
            assert_ne!(fingerprint.0, 0);
            *used.entry(slot).or_insert(0) += 1;
        }
        assert!(used.len() > usize::from(SLOT_COUNT) / 2);
        assert!(used.values().all(|count| *count <= ENTRIES + 2));
    }

    #[test]
    fn it_depends_on_the_key() {
        assert_ne!(slot_of(&KEY, b"a"), slot_of(&HashKey([8; 16]), b"a"));
        assert_eq!(slot_of(&KEY, b"a"), slot_of(&KEY, b"a"));
    }

    #[test]
    fn it_names_each_slot_by_four_digits() {
        for slot in 0..SLOT_COUNT {
            let key = format!("portcullis.limits.2.{slot:04x}");
            assert_eq!(SlotIndex(slot).key().as_str(), key);
        }
    }

    #[test]
    fn it_knows_a_place_by_the_key_that_it_is_asked_for() {
        let place = KnownPlace::default();
        for key in [KEY, HashKey([8; 16]), KEY] {
            assert_eq!(place.of(&key, b"a"), slot_of(&key, b"a"));
        }
    }

    #[test]
    fn it_encodes_what_it_decodes() {
        let mut slot = Slot::default();
        assert!(slot.encode().is_empty());
        slot.store(Place(2), Fingerprint(5), until(9));
        assert_eq!(slot.encode().len(), 72);
        assert_eq!(Slot::decode(&slot.encode()), Ok(slot));
        assert_eq!(Slot::decode(&[]), Ok(Slot::default()));
        assert_eq!(Slot::decode(&[0; 25]), Err(BadSlot(25)));
        assert_eq!(Slot::decode(&[0; 216]), Err(BadSlot(216)));
    }

    #[test]
    fn it_finds_its_own_then_an_idle_place_then_the_earliest() {
        let mut slot = Slot::default();
        for number in 0..ENTRIES as u64 {
            let (place, state) = slot.find(Fingerprint(number + 1), UnixNanos(100));
            assert_eq!(state, BucketState::Fresh);
            slot.store(place, Fingerprint(number + 1), until(200 + number));
        }
        assert_eq!(
            slot.find(Fingerprint(3), UnixNanos(100)),
            (Place(2), BucketState::Own(until(202)))
        );
        assert_eq!(
            slot.find(Fingerprint(99), UnixNanos(100)),
            (Place(0), BucketState::Inherited(UnixNanos(200)))
        );
        assert_eq!(
            slot.find(Fingerprint(99), UnixNanos(200)),
            (Place(0), BucketState::Fresh)
        );
    }

    proptest! {
        /// Many buckets in one slot: each is compared with a bucket of the same rate that has the
        /// world for itself.
        #[test]
        fn it_never_admits_more_than_buckets_of_their_own_would(
            calls in proptest::collection::vec((1u64..30, 0u64..400_000_000), 1..600),
        ) {
            let rates = [
                Rate::new(5, 1000, 5).unwrap(), Rate::new(1, 1000, 3).unwrap(),
                Rate::new(100, 1000, 20).unwrap(),
            ];
            let mut slot = Slot::default();
            let mut alone: HashMap<u64, BucketState> = HashMap::new();
            let mut now = 1_000_000_000_000;
            for (bucket, gap) in calls {
                now += gap;
                let rate = rates[usize::try_from(bucket).unwrap() % rates.len()];
                let (place, state) = slot.find(Fingerprint(bucket), UnixNanos(now));
                if let Admission::Admitted(time) = rate.admit(state, UnixNanos(now)) {
                    slot = Slot::decode(&slot.encode()).unwrap();
                    slot.store(place, Fingerprint(bucket), time);
                    let own = alone.entry(bucket).or_default();
                    let admitted_alone = rate.admit(*own, UnixNanos(now));
                    let Admission::Admitted(time) = admitted_alone else {
                        return Err(TestCaseError::fail("the shared slot admitted what a bucket of \
                                                        its own refuses"));
                    };
                    *own = BucketState::Own(time);
                }
            }
        }

        #[test]
        fn it_never_panics_on_stored_bytes(
            bytes in proptest::collection::vec(any::<u8>(), 0..200), now: u64, fingerprint: u64,
        ) {
            if let Ok(mut slot) = Slot::decode(&bytes) {
                let (place, _) = slot.find(Fingerprint(fingerprint), UnixNanos(now));
                slot.store(place, Fingerprint(fingerprint), until(now));
                let _ = slot.encode();
            }
        }
    }
}
