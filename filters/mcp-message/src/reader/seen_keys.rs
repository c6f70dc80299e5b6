//! The keys that one object has had so far.

use std::hash::{DefaultHasher, Hasher as _};

use step_count::count;

/// Decoded keys, one after the other; an object of the envelope has few.
#[derive(Debug, Default)]
pub(super) struct SeenKeys {
    bytes: Vec<u8>,
    entries: Vec<SeenKey>,
}

#[derive(Debug)]
struct SeenKey {
    /// Tells keys apart without a look at their bytes, so that long ones are not compared with
    /// each other again and again.
    hash: u64,
    end: usize,
}

impl SeenKeys {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Adds a key, and tells whether the object has had it before.
    pub(super) fn add(&mut self, key: &[u8]) -> Seen {
        count(key.len());
        let mut hasher = DefaultHasher::new();
        hasher.write(key);
        let hash = hasher.finish();
        let mut start = 0;
        let is_known = self.entries.iter().any(|entry| {
            count(1);
            let is_same = entry.hash == hash && self.bytes.get(start..entry.end) == Some(key);
            start = entry.end;
            is_same
        });
        if is_known {
            return Seen::Before;
        }
        self.bytes.extend_from_slice(key);
        self.entries.push(SeenKey {
            hash,
            end: self.bytes.len(),
        });
        Seen::First
    }
}

/// Whether an object has had a key before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    First,
    Before,
}
