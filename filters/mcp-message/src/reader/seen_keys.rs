//! The keys that the objects of the envelope have had so far, but for those that it knows.

use std::hash::{DefaultHasher, Hasher as _};

use smallvec::SmallVec;
use step_count::count;

use crate::error::Place;

/// So many keys and bytes of them lie in the reader itself: what `params._meta` of a call on
/// 2026-07-28 holds besides the protocol version, and a key or two of extensions.
const FEW: usize = 4;
const FEW_BYTES: usize = 128;

/// Decoded keys, one after the other.
#[derive(Debug, Default)]
pub(super) struct SeenKeys {
    bytes: SmallVec<[u8; FEW_BYTES]>,
    entries: SmallVec<[SeenKey; FEW]>,
    /// How many keys the object in each place has had.
    counts: [usize; 4],
}

#[derive(Debug)]
struct SeenKey {
    place: Place,
    /// Tells keys apart without a look at their bytes, so that long ones are not compared with
    /// each other again and again.
    hash: u64,
    end: usize,
}

impl SeenKeys {
    /// How many keys the object in this place has had.
    pub(super) fn count_in(&self, place: Place) -> usize {
        self.counts.get(place as usize).copied().unwrap_or_default()
    }

    /// Adds a key of the object in this place, and tells whether that has had it before.
    pub(super) fn add(&mut self, place: Place, key: &[u8]) -> Seen {
        count(key.len());
        let mut hasher = DefaultHasher::new();
        hasher.write(key);
        let hash = hasher.finish();
        let mut start = 0;
        let is_known = self.entries.iter().any(|entry| {
            count(1);
            let is_same = (entry.hash, entry.place) == (hash, place)
                && self.bytes.get(start..entry.end) == Some(key);
            start = entry.end;
            is_same
        });
        if is_known {
            return Seen::Before;
        }
        self.bytes.extend_from_slice(key);
        self.entries.push(SeenKey {
            place,
            hash,
            end: self.bytes.len(),
        });
        if let Some(count) = self.counts.get_mut(place as usize) {
            *count += 1;
        }
        Seen::First
    }
}

/// Whether an object has had a key before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    First,
    Before,
}
