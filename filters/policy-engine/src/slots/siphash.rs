//! SipHash-2-4 with a 128-bit result (Aumasson and Bernstein, "SipHash: a fast short-input PRF";
//! the 128-bit variant is in the authors' reference). Keyed, so that a caller cannot choose a name
//! that collides with another's.

use super::HashKey;

pub(super) struct Hash128 {
    pub(super) low: u64,
    pub(super) high: u64,
}

struct State([u64; 4]);

impl State {
    fn round(&mut self) {
        let [v0, v1, v2, v3] = &mut self.0;
        *v0 = v0.wrapping_add(*v1);
        *v2 = v2.wrapping_add(*v3);
        *v1 = v1.rotate_left(13) ^ *v0;
        *v3 = v3.rotate_left(16) ^ *v2;
        *v0 = v0.rotate_left(32);
        *v2 = v2.wrapping_add(*v1);
        *v0 = v0.wrapping_add(*v3);
        *v1 = v1.rotate_left(17) ^ *v2;
        *v3 = v3.rotate_left(21) ^ *v0;
        *v2 = v2.rotate_left(32);
    }

    fn absorb(&mut self, word: u64) {
        let [_, _, _, v3] = &mut self.0;
        *v3 ^= word;
        self.round();
        self.round();
        let [v0, ..] = &mut self.0;
        *v0 ^= word;
    }

    fn squeeze(&mut self) -> u64 {
        for _ in 0..4 {
            self.round();
        }
        let [v0, v1, v2, v3] = self.0;
        v0 ^ v1 ^ v2 ^ v3
    }
}

pub(super) fn hash(key: &HashKey, data: &[u8]) -> Hash128 {
    let key = u128::from_le_bytes(key.0);
    #[expect(clippy::cast_possible_truncation, reason = "the two halves of the key")]
    let (k0, k1) = (key as u64, (key >> 64) as u64);
    let mut state = State([
        k0 ^ 0x736f_6d65_7073_6575,
        k1 ^ 0x646f_7261_6e64_6f6d ^ 0xee,
        k0 ^ 0x6c79_6765_6e65_7261,
        k1 ^ 0x7465_6462_7974_6573,
    ]);
    let mut words = data.chunks_exact(8);
    for word in &mut words {
        state.absorb(little_endian(word));
    }
    let length = (data.len() as u64) << 56;
    state.absorb(length | little_endian(words.remainder()));
    let [_, _, v2, _] = &mut state.0;
    *v2 ^= 0xee;
    let low = state.squeeze();
    let [_, v1, ..] = &mut state.0;
    *v1 ^= 0xdd;
    let high = state.squeeze();
    Hash128 { low, high }
}

/// Up to eight bytes as a number, least significant first.
fn little_endian(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .rev()
        .fold(0, |word, byte| word << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows 0, 1, 7, 8 and 15 of `vectors_sip128` in the authors' reference implementation: key 00
    /// 01 … 0f, data 00 01 ….
    #[test]
    fn it_agrees_with_the_reference_vectors() {
        let key = HashKey(std::array::from_fn(|index| u8::try_from(index).unwrap()));
        let check = |length: u8, expected: &str| {
            let data: Vec<u8> = (0..length).collect();
            let hash = hash(&key, &data);
            let bytes = [hash.low.to_le_bytes(), hash.high.to_le_bytes()].concat();
            assert_eq!(hex::encode(bytes), expected, "{length} bytes");
        };
        check(0, "a3817f04ba25a8e66df67214c7550293");
        check(1, "da87c1d86b99af44347659119b22fc45");
        check(7, "a1f1ebbed8dbc153c0b84aa61ff08239");
        check(8, "3b62a9ba6258f5610f83e264f31497b4");
        check(15, "5493e99933b0a8117e08ec0f97cfc3d9");
    }
}
