//! Choices that the bytes of an input make; when they are used up, numbers that follow from them.

use fastrand::Rng;

/// The choices of one schedule.
pub struct Choices<'a> {
    bytes: std::slice::Iter<'a, u8>,
    rest: Rng,
}

impl<'a> Choices<'a> {
    /// The choices that `bytes` make.
    pub fn new(bytes: &'a [u8]) -> Self {
        let fold = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        let seed = bytes.iter().fold(0xcbf2_9ce4_8422_2325, fold);
        Self {
            bytes: bytes.iter(),
            rest: Rng::with_seed(seed),
        }
    }

    /// A number below `end`, which is at most 256.
    pub fn below(&mut self, end: usize) -> usize {
        match self.bytes.next() {
            Some(byte) => usize::from(*byte) % end,
            None => self.rest.usize(..end),
        }
    }
}
