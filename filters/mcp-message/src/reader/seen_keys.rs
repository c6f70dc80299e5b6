//! The keys that one object has had so far.

/// Decoded keys, one after the other; an object of the envelope has few.
#[derive(Debug, Default)]
pub(super) struct SeenKeys {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl SeenKeys {
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn contains(&self, key: &[u8]) -> bool {
        let mut start = 0;
        self.ends.iter().any(|&end| {
            let same = self.bytes.get(start..end) == Some(key);
            start = end;
            same
        })
    }

    pub(super) fn add(&mut self, key: &[u8]) {
        self.bytes.extend_from_slice(key);
        self.ends.push(self.bytes.len());
    }
}
